"""The example database: one replay line for each failing example that fuzzing has found, run first in the next run.

It stores replay lines because they survive a new version of Hypothesis and changes to the state machine, which the
entries of Hypothesis' own database do not. Hypothesis' line follows each example as a comment. An example that
passes by now is kept, because a fixed bug may come back. One whose schedule no longer fits the subject is dropped.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from midpipe.scenarios.model.spec import SubjectSpec

MOST_KEPT = 200
_HEAD = (
    "# Failing examples from fuzzing {subject}. The next run tries them first; 'midpipe replay' runs a line.\n"
    "# The comment names the violated invariant and Hypothesis' reproduce line, which is tied to its version.\n"
)


@dataclass(frozen=True, slots=True)
class Example:
    """A replay string, with a comment for readers of the file."""

    replay: str
    comment: str = ""


def example_file(directory: Path, subject: SubjectSpec) -> Path:
    """Return the file of a subject's examples. The same code in another environment has a file of its own."""
    identity = f"{subject.name} {subject.options}"
    slug = re.sub(r"[^a-z0-9]+", "-", subject.name.lower()).strip("-")[-60:]
    return directory / f"{slug}-{hashlib.sha256(identity.encode()).hexdigest()[:8]}.txt"


def read_examples(path: Path) -> tuple[Example, ...]:
    """Return the examples in a file; an empty tuple if it does not exist or can't be read."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return ()
    split = (line.partition("#") for line in lines)
    return tuple(
        Example(replay.strip(), comment.strip()) for replay, _, comment in split if replay.strip()
    )


def write_examples(path: Path, subject: SubjectSpec, examples: Iterable[Example]) -> None:
    """Write the newest MOST_KEPT examples, without duplicates. The file is replaced atomically."""
    kept = list({example.replay: example for example in examples}.values())[-MOST_KEPT:]
    lines = [
        f"{example.replay}  # {example.comment}" if example.comment else example.replay
        for example in kept
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(_HEAD.format(subject=subject.name) + "\n".join([*lines, ""]))
    Path(temporary).replace(path)

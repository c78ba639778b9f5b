"""The example database: what fuzzing has found of a subject, one replay line each, to be tried first at the next run.

Replay lines, because they outlive a new version of Hypothesis or of the machine that draws; what Hypothesis itself
would keep means nothing to either. Its own line stands behind each as a remark. An example that passes by now is kept
too: a flaw that was mended may come back. What can't be placed any more is dropped.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from midpipe.scenarios.model.spec import SubjectSpec

MOST_KEPT = 200
_HEAD = (
    "# What fuzzing has found of {subject}. Tried first at the next run; 'midpipe replay' takes a line.\n"
    "# Behind a line: what fell, and Hypothesis' own way to the example, good for that version of it only.\n"
)


@dataclass(frozen=True, slots=True)
class Example:
    """A replay string, with a remark for people."""

    replay: str
    remark: str = ""


def example_file(directory: Path, subject: SubjectSpec) -> Path:
    """Return where a subject's examples are kept; each of its environments is a subject of its own."""
    told = f"{subject.text} {subject.options}"
    slug = re.sub(r"[^a-z0-9]+", "-", subject.text.lower()).strip("-")[-60:]
    return directory / f"{slug}-{hashlib.sha256(told.encode()).hexdigest()[:8]}.txt"


def read_examples(path: Path) -> tuple[Example, ...]:
    """Return what is kept in a file; nothing if there is none, or it can't be read."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return ()
    split = (line.partition("#") for line in lines)
    return tuple(
        Example(replay.strip(), remark.strip()) for replay, _, remark in split if replay.strip()
    )


def write_examples(path: Path, subject: SubjectSpec, examples: Iterable[Example]) -> None:
    """Keep examples, each once and the newest of them if there are too many; whole or not at all."""
    kept = list({example.replay: example for example in examples}.values())[-MOST_KEPT:]
    lines = [
        f"{example.replay}  # {example.remark}" if example.remark else example.replay
        for example in kept
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_text(_HEAD.format(subject=subject.text) + "\n".join([*lines, ""]), "utf-8")
    temporary.replace(path)

"""Every report that is a file, written for one verdict. A new kind of report is one line here."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from midpipe.faultinject.errors import UsageError
from midpipe.reports.sinks.documents import NAMES, document
from midpipe.reports.sinks.junit import junit
from midpipe.reports.sinks.markdown import markdown
from midpipe.reports.verdict_file import to_json
from midpipe.scenarios.model.verdict import Verdict

Sink = Callable[[Verdict], str]

SINKS: tuple[tuple[str, Sink], ...] = (
    ("verdict.json", to_json),
    ("junit.xml", junit),
    ("summary.md", markdown),
    *((name, partial(document, name)) for name in NAMES),
)


def check_writable(out: Path) -> None:
    """Make the directory. Raises UsageError if it can't be made or written, before any work is done."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=out, prefix=".midpipe-")
        os.close(handle)
        Path(name).unlink()
    except OSError as error:
        raise UsageError(
            f"--out {str(out)!r} can't be written: {error.strerror}. Name a directory that can."
        ) from error


def write_reports(verdict: Verdict, out: Path) -> tuple[Path, ...]:
    """Write every report, each whole or not at all. Raises UsageError as check_writable does."""
    check_writable(out)
    return tuple(write_file(out / name, sink(verdict)) for name, sink in SINKS)


def write_file(path: Path, text: str) -> Path:
    """Write a file whole or not at all."""
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_text(text, "utf-8")
    temporary.replace(path)
    return path

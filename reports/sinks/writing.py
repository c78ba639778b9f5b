"""Writes every report of a verdict as a file. A new kind of report is one line here."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from midpipe.faultinject.errors import MidpipeError, UsageError
from midpipe.reports.sinks.code_quality import code_quality
from midpipe.reports.sinks.documents import NAMES, document
from midpipe.reports.sinks.junit import junit
from midpipe.reports.sinks.markdown import markdown
from midpipe.reports.sinks.page import page
from midpipe.reports.sinks.sarif import sarif
from midpipe.reports.verdict_file import to_json
from midpipe.scenarios.model.verdict import Verdict

Sink = Callable[[Verdict], str]


def folder_in_repository(here: Path) -> str:
    """Return a directory's path from the root of the repository that it lies in; empty for the root or without one."""
    here = here.resolve()
    roots = (each for each in (here, *here.parents) if (each / ".git").exists())
    folder = here.relative_to(next(roots, here)).as_posix()
    return "" if folder == "." else folder


def _for_code_scanning(verdict: Verdict) -> str:
    return sarif(verdict, folder_in_repository(Path.cwd()))


def _for_merge_requests(verdict: Verdict) -> str:
    return code_quality(verdict, folder_in_repository(Path.cwd()))


SINKS: tuple[tuple[str, Sink], ...] = (
    ("verdict.json", to_json),
    ("junit.xml", junit),
    ("report.html", page),
    ("summary.md", markdown),
    ("findings.sarif", _for_code_scanning),
    ("gl-code-quality-report.json", _for_merge_requests),
    *((name, partial(document, name)) for name in NAMES),
)


class OutputError(MidpipeError):
    """A result can't be written, for example because the disk is full."""


def check_writable(out: Path) -> None:
    """Make the directory. Raises UsageError if it can't be made or written, before any work is done."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=out, prefix=".midpipe-")
        os.close(handle)
        Path(name).unlink()
    except OSError as error:
        raise UsageError(
            f"{str(out)!r} can't be written: {error.strerror}. Name another directory with --out."
        ) from error


def write_reports(
    verdict: Verdict, out: Path, sinks: tuple[tuple[str, Sink], ...] = SINKS
) -> tuple[Path, ...]:
    """Write every report. Raises OutputError at the first that can't be written."""
    return tuple(write_file(out / name, sink(verdict)) for name, sink in sinks)


def write_file(path: Path, text: str, named_by: str = "") -> Path:
    """Write a file as a whole; if that fails, an earlier file of the name stays as it is. Raises OutputError.

    Args:
        named_by: the option that names the file; empty if --out names its directory.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            # mkstemp makes the file readable by its owner only; a report is as readable as any new file.
            os.chmod(name, 0o666 & ~_umask())
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        another = f"file with {named_by}" if named_by else "directory with --out"
        raise OutputError(
            f"{str(path)!r} can't be written: {error.strerror}. Name another {another}."
        ) from error
    return path


def _umask() -> int:
    umask = os.umask(0o077)
    os.umask(umask)
    return umask

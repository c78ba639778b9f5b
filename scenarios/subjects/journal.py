"""Reads the journal: the file, outside Redis, in which the bodies of jobs record their executions."""

from __future__ import annotations

from pathlib import Path

from midpipe.scenarios.model.history import Execution, Phase

VARIABLE = "MIDPIPE_JOURNAL"


def read_journal(path: Path, in_program: int = 0) -> tuple[Execution, ...]:
    """Return the executions in a journal, in the order in which they started; a line that is not whole is left out.

    Args:
        in_program: number of bytes that the journal had when the program ended; what starts later is recovery.
    """
    try:
        text = path.read_bytes()
    except OSError:
        return ()
    started: list[Execution] = []
    at = 0
    for line in text.splitlines(keepends=True):
        what, _, job_id = line.decode("utf-8", "replace").rstrip("\n").partition(" ")
        phase = Phase.PROGRAM if at < in_program else Phase.RECOVERY
        at += len(line)
        if not line.endswith(b"\n"):
            continue
        if what == "start":
            started.append(Execution(job_id, phase))
        elif what == "end":
            _end(started, job_id)
    return tuple(started)


def _end(started: list[Execution], job_id: str) -> None:
    """Mark the latest execution of a job that has not ended yet as ended."""
    for number in range(len(started) - 1, -1, -1):
        if started[number].job_id == job_id and not started[number].has_ended:
            started[number] = Execution(job_id, started[number].phase, has_ended=True)
            return

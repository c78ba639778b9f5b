"""A segment's history on disk: one file for each process that worked in it, sixteen bytes a record, append-only.

A process that was killed leaves at most one torn record, at the end of its file; readers skip it. The record format is
defined by its writer, ``scenarios/subjects/load.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from midpipe.scenarios.subjects.load import BEGUN, ENQUEUED, RAISED, RECORD, TICK_NS

_CHUNK = RECORD.size * 4096
TICKS_PER_S = 1_000_000_000 // TICK_NS


class Record(NamedTuple):
    """One event.

    Args:
        kind, outcome: as ``scenarios/subjects/load.py`` defines them.
        process: number of the process's file.
        job: the job's number.
        begun, ended: in ticks since the segment began.
    """

    kind: int
    outcome: int
    process: int
    job: int
    begun: int
    ended: int


RawRecord = tuple[int, int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class SegmentFiles:
    """A segment's files: the process number in a record is an index into ``names``."""

    folder: Path
    names: tuple[str, ...]

    def path(self, name: str) -> Path:
        return self.folder / f"{name}.bin"

    def records(self) -> Iterator[RawRecord]:
        """Yield every record, process by process."""
        for name in self.names:
            yield from read_records(self.path(name))


def read_records(path: Path) -> Iterator[RawRecord]:
    """Yield a file's records without a torn one at the end; none if the file does not exist."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        while data := file.read(_CHUNK):
            whole = len(data) - len(data) % RECORD.size
            yield from RECORD.iter_unpack(data[:whole])


def next_job(records: Sequence[RawRecord], step: int, first: int) -> int:
    """Return the job with which a restarted producer continues: the first that was not acknowledged.

    Args:
        records: of the process that ended.
        step: the distance between the numbers of two jobs of this producer.
        first: the producer's first job, returned if it had begun none.
    """
    job = first
    for kind, outcome, _, number, _, _ in records:
        if kind == BEGUN:
            job = number
        elif kind == ENQUEUED and outcome != RAISED:
            job = number + step
    return job

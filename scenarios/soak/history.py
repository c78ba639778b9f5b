"""The history of a leg on disk: a file for each process that worked in it, records of sixteen bytes, appended.

A process that was killed leaves a torn record at most, at the end of its file; it is left out. The record itself is
defined where it is written, in ``scenarios/subjects/load.py``.
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
    """One thing that happened.

    Args:
        process: number of the process's file.
        begun, ended: in ticks since the leg began.
    """

    kind: int
    outcome: int
    process: int
    job: int
    begun: int
    ended: int


RawRecord = tuple[int, int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class LegFiles:
    """A leg's files: the number in a record is the place of its process in ``names``."""

    folder: Path
    names: tuple[str, ...]

    def path(self, name: str) -> Path:
        return self.folder / f"{name}.bin"

    def records(self) -> Iterator[RawRecord]:
        """Yield every record, process by process."""
        for name in self.names:
            yield from read_records(self.path(name))


def read_records(path: Path) -> Iterator[RawRecord]:
    """Yield a file's records, without a torn one at its end; of a file that isn't there, none."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        while data := file.read(_CHUNK):
            whole = len(data) - len(data) % RECORD.size
            yield from RECORD.iter_unpack(data[:whole])


def next_job(records: Sequence[RawRecord], step: int, first: int) -> int:
    """Return the job that a producer has to go on with, after its process ended: the one that has no answer yet."""
    job = first
    for kind, outcome, _, number, _, _ in records:
        if kind == BEGUN:
            job = number
        elif kind == ENQUEUED and outcome != RAISED:
            job = number + step
    return job

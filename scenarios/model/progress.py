"""The progress of a run: how much it had covered and found by when. Pure."""

from __future__ import annotations

from dataclasses import dataclass

MOST_ROWS = 40


@dataclass(frozen=True, slots=True)
class ProgressRow:
    """What a run had come to at one moment.

    Args:
        seconds: since it began.
        cases: that were run.
        kinds: of violation, that is, invariants with the operation in which each was violated.
        combinations: of operation, command, state of the job and fault, that fuzzing had seen.
    """

    seconds: float
    cases: int
    kinds: int
    combinations: int = 0

    def __str__(self) -> str:
        """The row as a sentence's part."""
        covered = f", {self.combinations:,} combinations covered" if self.combinations else ""
        kinds = "kind" if self.kinds == 1 else "kinds"
        return f"{self.cases:,} cases, {self.kinds} {kinds} of violation{covered} after {self.seconds:.0f} s"


def with_row(rows: tuple[ProgressRow, ...], row: ProgressRow) -> tuple[ProgressRow, ...]:
    """Return the rows with one more at the end; where they are too many, every second one is left out."""
    rows = (*rows, row)
    return rows if len(rows) <= MOST_ROWS else (*rows[:-1:2], row)

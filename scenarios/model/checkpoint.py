"""A long fuzz run's checkpoint: what it has obtained so far, as a file from which it goes on after any end.

Written whole or not at all, so that whatever ends the run leaves the last one. Knows no worker and no report.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from midpipe.faultinject.errors import UsageError
from midpipe.scenarios.model.coverage import Place

FORMAT = 1


@dataclass(frozen=True, slots=True)
class SavedFind:
    """What was found of a kind; as midpipe.scenarios.gate.tally.Found."""

    invariant: str
    method: str
    replay: str
    program: str
    faults: int
    evidence: tuple[str, ...]
    cases: int
    blob: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a run stands.

    Args:
        subject: the options that name it.
        spent_s: of the budget, over all its runs so far.
        next_seeds: the next batch of each worker.
        cases: by the faults' names, how many examples were run, were invalid, and had something fall.
        coverage: place, fault, and in how many cases.
        possible: by place, the faults that can be placed there.
    """

    subject: str
    seed: int
    budget_s: float
    spent_s: float
    next_seeds: tuple[int, ...]
    examples: int
    cases: dict[str, tuple[int, int, int]]
    sometimes: dict[str, int]
    coverage: tuple[tuple[Place, str, int], ...]
    possible: tuple[tuple[Place, tuple[str, ...]], ...]
    found: tuple[SavedFind, ...]
    violations: dict[str, int]
    observations: dict[str, int]
    nondeterministic: tuple[tuple[str, str], ...] = ()
    format: int = FORMAT


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write it whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_bytes(msgspec.json.encode(checkpoint))
    temporary.replace(path)


def read_checkpoint(path: Path, subject: str, jobs: int) -> Checkpoint:
    """Read a run's checkpoint.

    Args:
        subject: the options that name the subject now.
        jobs: how many workers there are now.

    Raises:
        UsageError: there is none, it can't be read, or it is another subject's.
    """
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Checkpoint)
    except FileNotFoundError:
        raise UsageError(
            f"There is no run to go on with at {str(path)!r}: one that came to its end leaves none. "
            "Leave --resume out to begin one."
        ) from None
    except (OSError, msgspec.MsgspecError) as error:
        raise UsageError(
            f"The checkpoint {str(path)!r} can't be read: {error}. Leave --resume out to begin anew."
        ) from error
    if found.format != FORMAT or found.subject != subject or len(found.next_seeds) != jobs:
        raise UsageError(
            f"The checkpoint {str(path)!r} is of {found.subject or 'the reference'!r} with --jobs "
            f"{len(found.next_seeds)}. Name the same subject and jobs, or leave --resume out to begin anew."
        )
    return found

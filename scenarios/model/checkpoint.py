"""The checkpoint of a fuzz run: its results so far, in a file from which ``--resume`` continues.

The file is replaced atomically, so a run that is killed leaves its last complete checkpoint. Knows nothing of workers
and reports.
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
    """One kind of violation that the run found, as in midpipe.scenarios.gate.tally.Found."""

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
    """How far a run has come.

    Args:
        subject: the options that name the subject.
        spent_s: seconds of the budget that all its runs so far have spent.
        next_seeds: the seed of each worker's next batch.
        cases: by fault names, the numbers of examples that ran, that were invalid, and that violated an invariant.
        coverage: each place and fault, with the number of cases that covered it.
        possible: each place, with the faults that can be injected there.
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
    """Replace the file atomically. Raises OSError if it can't be written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_bytes(msgspec.json.encode(checkpoint))
    temporary.replace(path)


def read_checkpoint(path: Path, subject: str, jobs: int) -> Checkpoint:
    """Read a run's checkpoint.

    Args:
        subject: the options that name the subject of this run.
        jobs: number of workers of this run.

    Raises:
        UsageError: the file does not exist, can't be read, or belongs to another subject or number of workers.
    """
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Checkpoint)
    except FileNotFoundError:
        raise UsageError(
            f"There is no run to resume at {str(path)!r}; a run that finishes deletes its checkpoint. "
            "Start a new one without --resume."
        ) from None
    except (OSError, msgspec.MsgspecError) as error:
        raise UsageError(
            f"The checkpoint {str(path)!r} can't be read: {error}. Start a new run without --resume."
        ) from error
    if found.format != FORMAT or found.subject != subject or len(found.next_seeds) != jobs:
        raise UsageError(
            f"The checkpoint {str(path)!r} belongs to {found.subject or 'the reference'!r} with --jobs "
            f"{len(found.next_seeds)}. Give the same subject and --jobs, or start a new run without --resume."
        )
    return found

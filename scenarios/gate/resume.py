"""The checkpoint of a run: its results so far, in a file from which ``--resume`` continues.

Only a run of one part that can be resumed has a checkpoint: the orders of several clients, and fuzzing. The file is
written every few seconds and replaced atomically, so a run that is killed leaves its last complete checkpoint. What
had been run since then is run again.
"""

from __future__ import annotations

import os
import shlex
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from midpipe.faultinject.decide.frontier import Frontier
from midpipe.faultinject.decide.ledger import Ledger, LedgerRow
from midpipe.faultinject.errors import UsageError
from midpipe.scenarios.gate.options import Options
from midpipe.scenarios.gate.tally import Tally
from midpipe.scenarios.model.coverage import Place
from midpipe.scenarios.model.safe_text import safe_command

FORMAT = 2
WRITE_EVERY_S = 10.0


@dataclass(frozen=True, slots=True)
class OrdersState:
    """How far the exploration of orders has come.

    Args:
        finished: the programs whose orders have all been run.
        frontiers: of each program that was started and not finished.
        missing: the calls that the subject lacks, by program.
        nondeterministic: where two runs of a program differed, by program.
        cases, violated, invalid: numbers of cases that were run, violated an invariant, or could not be judged.
        ledger: rows of the finished programs.
    """

    finished: tuple[str, ...] = ()
    frontiers: dict[str, Frontier] = field(default_factory=dict)
    missing: dict[str, tuple[str, ...]] = field(default_factory=dict)
    nondeterministic: dict[str, str] = field(default_factory=dict)
    cases: int = 0
    violated: int = 0
    invalid: int = 0
    ledger: tuple[LedgerRow, ...] = ()


@dataclass(frozen=True, slots=True)
class FuzzState:
    """How far fuzzing has come.

    Args:
        next_seeds: the seed of each worker's next batch.
        ledger: counts of the examples, by fault.
        sometimes: how often each required event was seen.
        nondeterministic: where two runs of an example differed, by replay string.
        examples: number of examples that count for the coverage.
        coverage: each place and fault, with the number of examples that covered it.
        possible: each place, with the faults that can be injected there.
    """

    next_seeds: tuple[int, ...]
    ledger: Ledger
    sometimes: dict[str, int]
    nondeterministic: dict[str, str]
    examples: int
    coverage: tuple[tuple[Place, str, int], ...]
    possible: tuple[tuple[Place, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far a run has come.

    Args:
        request: what the run was asked to do, as text; only the same request can resume it.
        spent_s: how long it has run, in all its runs so far, in seconds.
        tally: the cases that were counted.
        orders, fuzz: the state of the part that was run.
    """

    request: str
    spent_s: float
    tally: Tally
    orders: OrdersState | None = None
    fuzz: FuzzState | None = None
    format: int = FORMAT


def request_of(options: Options) -> str:
    """Return what a run is asked to do, as text: part, subject, programs and bounds."""
    return f"{', '.join(options.parts)} of {options.subject.name} ({_details_of(options)})"


def _details_of(options: Options) -> str:
    subject = safe_command(shlex.split(options.subject.options)) or "no options"
    if not options.shard.is_whole:
        subject += f"; shard {options.shard}"
    if options.parts == ("fuzz",):
        return f"{subject}; --jobs {options.jobs}, --seed {options.seed}"
    bound = "any number of" if options.max_preemptions is None else options.max_preemptions
    programs = ", ".join(options.programs) or "every program"
    pruned = "" if options.prune else ", without pruning"
    faults = options.max_interleaved_faults
    aim = f" {options.aim}" if options.aim else ""
    chosen = options.judged_by
    judged = f", judged by {', '.join(chosen.invariants)}" if chosen.is_partial else ""
    return f"{subject}; {programs}, {bound} preemptions, {faults} faults{aim}{pruned}{judged}"


class CheckpointFile:
    """The file of a run's checkpoint.

    Args:
        path: None keeps no checkpoint; every method then does nothing.
        request: what the run is asked to do, as ``request_of`` returns it.
    """

    def __init__(self, path: Path | None, request: str) -> None:
        self._path = path
        self._request = request
        self._written_s = time.monotonic()

    @property
    def is_due(self) -> bool:
        """Whether the last checkpoint is old enough to write another one."""
        return self._path is not None and time.monotonic() > self._written_s + WRITE_EVERY_S

    def write(self, checkpoint: Checkpoint | None) -> None:
        """Replace the file; None removes it, because nothing is left to resume."""
        if self._path is None:
            return
        self._written_s = time.monotonic()
        if checkpoint is None:
            self._path.unlink(missing_ok=True)
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        data = msgspec.json.encode(checkpoint, order="deterministic")
        handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=f".{self._path.name}-")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(name).replace(self._path)

    def read(self) -> Checkpoint:
        """Return the checkpoint.

        Raises:
            UsageError: there is none, it can't be read, or it belongs to another request.
        """
        path = str(self._path)
        try:
            checkpoint = msgspec.json.decode(
                self._path.read_bytes() if self._path else b"", type=Checkpoint
            )
        except FileNotFoundError:
            raise UsageError(
                f"There is no run to resume: {path!r} does not exist. A completed run leaves none, and a run with "
                "another --out has its own. Leave --resume out to start a new run."
            ) from None
        except (OSError, UnicodeDecodeError, msgspec.MsgspecError) as error:
            raise UsageError(
                f"The checkpoint {path!r} can't be read: {error}. Leave --resume out to start a new run."
            ) from error
        if checkpoint.format != FORMAT:
            raise UsageError(
                f"The checkpoint {path!r} was written by another version of midpipe. "
                "Leave --resume out to start a new run."
            )
        if checkpoint.request != self._request:
            raise UsageError(
                f"The checkpoint {path!r} is of another run: {checkpoint.request}. This run is {self._request}. "
                "Use the same options, or leave --resume out to start a new run."
            )
        return checkpoint

"""An exploration of orders that was stopped: what is needed to go on where it was, as plain values.

What had been found is kept with it, so that the verdict of the run that goes on is that of both. A case that was under
way, or that had ended after the last note was made, is run again and counted once.
"""

from __future__ import annotations

from dataclasses import dataclass

from midpipe.faultinject.decide.interleave import Frontier
from midpipe.faultinject.decide.ledger import LedgerRow
from midpipe.scenarios.gate.options import Options
from midpipe.scenarios.gate.tally import SavedTally


@dataclass(frozen=True, slots=True)
class Stopped:
    """Where a run stopped.

    Args:
        asked: what the run was about; only the same can go on from here.
        finished: the programs of which nothing is left to run.
        frontiers: of the others, as far as they were begun.
        missing: what the subject lacks, by program.
        nondeterministic: where it did not do the same each time, by program.
        cases, violated, invalid: how many cases were run, in how many anything fell, how many can't be believed.
        ledger: of the finished programs.
        seconds: how long it had taken.
    """

    asked: str
    finished: tuple[str, ...]
    frontiers: tuple[tuple[str, Frontier], ...]
    missing: tuple[tuple[str, tuple[str, ...]], ...]
    nondeterministic: tuple[tuple[str, str], ...]
    cases: int
    violated: int
    invalid: int
    ledger: tuple[LedgerRow, ...]
    tally: SavedTally
    seconds: float


def asked_by(options: Options) -> str:
    """Return what a run of orders is about, as text: the subject, the bounds, the programs."""
    bound = "any number of" if options.max_preemptions is None else options.max_preemptions
    programs = ", ".join(options.programs) or "every program"
    pruned = "" if options.prune else ", orders that can't differ too"
    return (
        f"{options.subject.text} ({options.subject.options or 'no options'}), {programs}, "
        f"{bound} preemptions, {options.max_interleaved_faults} faults{pruned}"
    )

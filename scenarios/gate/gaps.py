"""What a whole run did not try, so that a pass would not be credible; a shard alone can't know. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from midpipe.faultinject.decide.ledger import NO_FAULT, LedgerRow
from midpipe.scenarios.model.shard import Shard
from midpipe.scenarios.model.verdict import InvariantRow, Status

NOTHING_RUN = "No case was run, so nothing is known about the subject."


def shard_notice(shard: Shard) -> str:
    """Return what the verdict on a shard says of itself."""
    return (
        f"This is shard {shard} of a run. 'midpipe merge' makes one verdict of the verdicts of all."
    )


def gaps_in(
    *,
    ran_any: bool,
    sweeps: bool,
    runs_every_program: bool,
    has_invalid: bool,
    ledger: Sequence[LedgerRow],
    invariants: Sequence[InvariantRow],
) -> tuple[str, ...]:
    """Return what a whole run did not try, so that a pass would not be credible.

    Args:
        ran_any: a case was run, or a power loss tried.
        sweeps: the sweep belongs to the run.
        runs_every_program: no program was chosen, and nothing was cut off.
        has_invalid: some case is invalid, and has its own sentence.
    """
    if not ran_any:
        return (NOTHING_RUN,)
    if not sweeps:
        return ()
    places_none = all(row.fault == NO_FAULT for row in ledger)
    unplaced = (
        ["No fault was placed: the ledger has no position, so nothing was broken."]
        if places_none and not has_invalid
        else []
    )
    unseen = [
        f"{row.invariant} is unknown: {row.note}."
        for row in invariants
        if row.status is Status.UNKNOWN and runs_every_program
    ]
    return (*unplaced, *unseen)

"""What a whole run did not try, so that a pass would not be credible; a shard alone can't know. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from midpipe.faultinject.decide.ledger import NO_FAULT, LedgerRow
from midpipe.scenarios.model.shard import Shard
from midpipe.scenarios.model.verdict import InvariantRow, Status

NOTHING_RUN = "No case was run, so nothing is known about the subject."
EMPTY_SHARD = "No case belongs to this shard, so its pass says nothing about the subject."
NOTHING_JUDGED = "No invariant had anything to check: choose programs, faults and invariants that belong together."


def shard_notices(shard: Shard, *, is_empty: bool = False) -> tuple[str, ...]:
    """Return what the verdict on a shard says of itself; nothing if the shard is the whole run.

    Args:
        is_empty: cases were to be run, and none of them belongs to the shard.
    """
    if shard.is_whole:
        return ()
    notice = (
        f"This is shard {shard} of a run. 'midpipe merge' makes one verdict of the verdicts of all."
    )
    return (notice, EMPTY_SHARD) if is_empty else (notice,)


def gaps_in(
    *,
    ran_any: bool,
    sweeps: bool,
    is_narrowed: bool,
    has_invalid: bool,
    ledger: Sequence[LedgerRow],
    invariants: Sequence[InvariantRow],
) -> tuple[str, ...]:
    """Return what a whole run did not try, so that a pass would not be credible.

    Args:
        ran_any: a case was run, or a power loss tried.
        sweeps: the sweep belongs to the run.
        is_narrowed: programs, faults or commands were chosen, or the run was cut off; what had nothing to check then is
            listed as unknown, and is no doubt about what was chosen.
        has_invalid: some case is invalid, and has its own sentence.
    """
    if not ran_any:
        return (NOTHING_RUN,)
    if ledger and not any(row.status in (Status.HOLDS, Status.VIOLATED) for row in invariants):
        return (NOTHING_JUDGED,)
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
        if row.status is Status.UNKNOWN and not is_narrowed
    ]
    return (*unplaced, *unseen)

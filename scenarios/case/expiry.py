"""What ends by itself and may keep a job from workers until then: keys with a TTL, leases that calls ask for, and
time-outs that are promised, or that a consumer of a stream states in its commands.

Recovery waits for all of them before it says that no worker receives a job. Waiting is done here alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from midpipe.faultinject.faults.clock import A_LEASE_S
from midpipe.scenarios.case.time_flow import TimeFlow
from midpipe.scenarios.model.evidence import Traits
from midpipe.scenarios.model.promises import (
    LONGEST_STEPPED_WAIT_S,
    LONGEST_WAIT_S,
    Promises,
)
from midpipe.scenarios.model.record import Called, Entry, Stepped
from midpipe.scenarios.model.state import Snapshot
from midpipe.scenarios.programs.workers import DELAY_S

LONGEST_TTL_S = 5.0
"""A key that lasts longer than this is kept for its data, or longer than recovery can wait."""
AFFORDABLE_S = 0.25
"""What each case of a program may wait on the machine's clock, before its periodic work."""
_PARTS = 4
"""So many times within the promised time the worker is run again."""
_PUT_OFF_S = 1.0
"""How long a queue with periodic work may let every job wait before that work hands it over."""
_WHOLE_SECOND_S = 1.0
"""Some queues count the time in whole seconds."""
_MARGIN_S = 0.01
"""The server counts whole milliseconds, and expires a key in the one after its last."""


def idle_times_in(entries: Iterable[Entry]) -> Iterator[float]:
    """Yield after how many seconds a consumer takes over what another one has left pending, as its commands state.

    Blind to: what a script sends, and to a consumer that asks only after the case.
    """
    for entry in entries:
        if isinstance(entry, Stepped):
            event = entry.step.event
            for words in (event.args, *event.block):
                # XCLAIM key group consumer min-idle-time …
                is_claim = words[0].upper() in (b"XCLAIM", b"XAUTOCLAIM") and len(words) > 4
                if is_claim and words[4].isdigit():
                    yield int(words[4]) / 1_000


def leases_in(entries: Iterable[Entry], *methods: str) -> Iterator[float]:
    """Yield after how many seconds at most each lease ends that a call has asked for, from now on.

    Args:
        methods: the calls to look at; none are all.
    """
    for entry in entries:
        if isinstance(entry, Called) and (not methods or entry.method in methods):
            lease_s = dict(entry.arguments).get("lease_s")
            if isinstance(lease_s, int | float) and not isinstance(lease_s, bool):
                yield lease_s + _WHOLE_SECOND_S


def times_due(
    time: TimeFlow, traits: Traits, snapshot: Snapshot, entries: Iterable[Entry] = ()
) -> tuple[float, ...]:
    """Return when what may keep a job from workers ends, in seconds on the case's clock, the earliest first.

    Args:
        snapshot: of this moment. Keys that are written later do not count, so that a worker which renews one does not
            keep recovery waiting.
        entries: what happened in the case.
    """
    now_s = time.now_s()
    longest_s = LONGEST_STEPPED_WAIT_S if time.is_stepped else LONGEST_TTL_S
    entries = tuple(entries)
    idle_s = set(idle_times_in(entries))
    left_s = {
        (value.expires_at_ms - snapshot.taken_at_ms) / 1_000
        for value in snapshot.state.values()
        if value.expires_at_ms is not None
    }
    waits_s = {wait_s for wait_s in left_s | idle_s if wait_s <= longest_s} | promised_waits(
        traits.promises, LONGEST_STEPPED_WAIT_S if time.is_stepped else LONGEST_WAIT_S
    )
    if time.is_stepped:
        # A key may have been written with a lease that was renewed after it: the lease itself ends later.
        leases_s = {lease_s for lease_s in leases_in(entries) if lease_s <= longest_s}
        waits_s |= {lease_s for lease_s in leases_s if any(ttl_s <= lease_s for ttl_s in left_s)}
        # What a heartbeat has renewed may stand in no key with a TTL.
        waits_s |= {lease_s for lease_s in leases_in(entries, "heartbeat") if lease_s <= longest_s}
    waits_s |= {traits.due_after_s} - {0.0}
    if "tick" in traits.methods:
        waits_s.add(_PUT_OFF_S)
    if time.skewed_s:
        # A queue that scores jobs by its clients' clocks hands them out so much later, one put off later still, and one
        # that such a client has leased a lease later.
        put_off_s = _PUT_OFF_S if "tick" in traits.methods else 0.0
        waits_s |= {time.skewed_s + put_off_s, time.skewed_s + A_LEASE_S}
    return tuple(sorted(now_s + wait_s + _MARGIN_S for wait_s in waits_s))


def promised_waits(promises: Promises, longest_s: float) -> set[float]:
    """Return after how many seconds a job may be on its way back to a worker, if recovery can wait for that.

    A recovery may have several steps: one run of a worker notices the dead one, and a later run gets the job. So there
    are moments within the promised time as well, as for a worker that runs all along.
    """
    within_s, hidden_s = promises.recovers_within_s, promises.visibility_timeout_s
    waits_s = {hidden_s} if hidden_s is not None and hidden_s <= longest_s else set()
    if within_s is not None and within_s <= longest_s:
        waits_s |= {within_s * part / _PARTS for part in range(1, _PARTS + 1)}
    return waits_s


def await_what_is_due(time: TimeFlow, traits: Traits) -> None:
    """Wait until a delay is over, and, if that costs little, the time within which recovery is promised."""
    longest_s = LONGEST_STEPPED_WAIT_S if time.is_stepped else AFFORDABLE_S
    within_s = traits.promises.recovers_within_s or 0.0
    recovered_s = within_s if within_s <= longest_s else 0.0
    time.wait(max(DELAY_S, recovered_s, traits.due_after_s) + _MARGIN_S)


def wait_until(time: TimeFlow, at_s: float) -> None:
    """Wait until a time on the case's clock. The server's clock ends what is waited for, so there is no event."""
    time.wait(at_s - time.now_s())

"""elapse, skew-ahead, skew-behind, clock-step: time passes, or a client's clock is wrong. They need a stepped clock.

``elapse``: so many seconds pass between two commands, and nothing else happens: leases end, keys expire. The client
that sends the command notices only by its wall clock, as on a machine that slept. ``skew-ahead`` and ``skew-behind``:
from this command on, the client's wall clock is five minutes off. ``clock-step``: it is set five minutes ahead at this
command, and back once the operation has ended, as by a time server that corrects itself.
"""

from midpipe.faultinject.faults.effects import ClockEffects, Effects
from midpipe.faultinject.faults.fault import Fault

SKEW_S = 300.0
A_LEASE_S, A_DAY_S = 60, 90_000
"""Longer than the leases of the programs, and than a day."""

ELAPSE = Fault(
    name="elapse",
    summary="So many seconds pass before the command, in which leases end and keys expire.",
    noticed="Only by its wall clock, as on a machine that slept.",
    effects=lambda size, parameter: Effects(
        clock=ClockEffects(elapse_s=float(A_LEASE_S if parameter is None else parameter))
    ),
    variants=(A_LEASE_S, A_DAY_S),
    needs_stepped_clock=True,
)
SKEW_AHEAD = Fault(
    name="skew-ahead",
    summary="From the command on, the client's wall clock is five minutes ahead.",
    noticed="Only if it compares its clock with another one.",
    effects=lambda size, parameter: Effects(clock=ClockEffects(skew_s=SKEW_S)),
    needs_stepped_clock=True,
)
SKEW_BEHIND = Fault(
    name="skew-behind",
    summary="From the command on, the client's wall clock is five minutes behind.",
    noticed="Only if it compares its clock with another one.",
    effects=lambda size, parameter: Effects(clock=ClockEffects(skew_s=-SKEW_S)),
    needs_stepped_clock=True,
)
CLOCK_STEP = Fault(
    name="clock-step",
    summary="The client's wall clock is set five minutes ahead, and back when the operation has ended.",
    noticed="Only if it measures time by its wall clock during the call.",
    effects=lambda size, parameter: Effects(
        clock=ClockEffects(skew_s=SKEW_S, ends_with_operation=True)
    ),
    needs_stepped_clock=True,
)

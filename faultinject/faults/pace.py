"""slow, slice, bandwidth: command and reply arrive complete and in order, but slowly or in pieces.

None of these loses or reorders a byte. ``slow=n`` waits n milliseconds before the command and before the reply;
``slice=n`` writes n bytes at a time; ``bandwidth=n`` lets n bytes pass per millisecond.
"""

from midpipe.faultinject.faults.effects import Effects, WireEffects
from midpipe.faultinject.faults.fault import Fault

DEFAULT_DELAY_MS = 2
DEFAULT_SLICE_BYTES = 7
DEFAULT_BYTES_PER_MS = 256

SLOW = Fault(
    name="slow",
    summary="Command and reply are delayed, well within the client's time-out.",
    noticed="Not at all; the call takes longer.",
    effects=lambda size, parameter: Effects(WireEffects(delay_ms=parameter or DEFAULT_DELAY_MS)),
)
SLICE = Fault(
    name="slice",
    summary="Command and reply arrive a few bytes at a time.",
    noticed="Not at all; the call takes longer.",
    effects=lambda size, parameter: Effects(WireEffects(chunk=parameter or DEFAULT_SLICE_BYTES)),
)
BANDWIDTH = Fault(
    name="bandwidth",
    summary="Command and reply pass at a limited bandwidth.",
    noticed="Not at all; the call takes longer.",
    effects=lambda size, parameter: Effects(
        WireEffects(chunk=parameter or DEFAULT_BYTES_PER_MS, delay_ms=1)
    ),
)

"""torn-first, torn-middle, torn-last: the connection is reset after a part of the command reached the server.

The server must ignore an incomplete command. The three variants deliver the first byte, the first half, and all but
the last byte.
"""

from collections.abc import Callable

from midpipe.faultinject.faults.effects import Close, Deliver, Effects, WireEffects
from midpipe.faultinject.faults.fault import EffectsOf, Fault


def _torn_after(part: Callable[[int], int]) -> EffectsOf:
    def effects(size: int, _parameter: int | None) -> Effects:
        return Effects(
            WireEffects(
                deliver=Deliver.PART, part=part(size), reply_passes=False, close=Close.RESET
            )
        )

    return effects


TORN_FIRST = Fault(
    name="torn-first",
    summary="One byte of the command reaches the server, then the connection is reset.",
    noticed="At once: its connection is reset. The server must not run what is incomplete.",
    effects=_torn_after(lambda size: 1),
    finds_most=True,
    inside_block=True,
)
TORN_MIDDLE = Fault(
    name="torn-middle",
    summary="Half of the command reaches the server, then the connection is reset.",
    noticed="At once: its connection is reset. The server must not run what is incomplete.",
    effects=_torn_after(lambda size: size // 2),
    finds_most=True,
    inside_block=True,
)
TORN_LAST = Fault(
    name="torn-last",
    summary="All but the command's last byte reaches the server, then the connection is reset.",
    noticed="At once: its connection is reset. The server must not run what is incomplete.",
    effects=_torn_after(lambda size: size - 1),
    finds_most=True,
    inside_block=True,
)

"""Sends bytes a few at a time, or with a pause before each write, as a slow network does. Knows no command."""

from __future__ import annotations

from collections.abc import Callable

from midpipe.faultinject.faults.effects import WireEffects
from midpipe.faultinject.net.loop import Loop


def send_paced(
    loop: Loop,
    send: Callable[[bytes], object],
    data: bytes,
    effects: WireEffects,
    then: Callable[[], object],
) -> None:
    """Send the data at the pace that the effects state, at once if they state none, and then call ``then``."""
    if not effects.chunk and not effects.delay_ms:
        send(data)
        then()
        return
    size = effects.chunk or len(data) or 1
    pieces = [data[start : start + size] for start in range(0, len(data), size)]

    def send_next() -> None:
        if pieces:
            send(pieces.pop(0))
        if pieces:
            loop.call_later(effects.delay_ms / 1000, send_next)
        else:
            then()

    loop.call_later(effects.delay_ms / 1000, send_next)

"""slow_close: bytes pass at once, and the end of the stream ``delay`` milliseconds late."""

from __future__ import annotations

from midpipe.faultinject.toxiproxy.toxics.toxic import Chunk, Situation, Step, Toxic, passes


def _take(chunk: Chunk | None, here: Situation) -> tuple[Step, ...]:
    if chunk is not None:
        return passes(chunk)
    return (Step(max(0.0, here.numbers["delay"] / 1000), ends=True),)


SLOW_CLOSE = Toxic(
    name="slow_close",
    take=_take,
    attributes=("delay",),
)

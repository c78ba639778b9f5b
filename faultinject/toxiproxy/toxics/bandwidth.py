"""bandwidth: at most ``rate`` kilobytes a second pass, in slices of 100 ms.

With a rate of 0 nothing passes until the toxic is changed or removed, as observed in Toxiproxy.
"""

from __future__ import annotations

from midpipe.faultinject.toxiproxy.toxics.toxic import (
    NEVER_S,
    Chunk,
    Situation,
    Step,
    Toxic,
    passes,
)

_SLICE_S = 0.1


def _take(chunk: Chunk | None, here: Situation) -> tuple[Step, ...]:
    rate = here.numbers["rate"]
    if chunk is None:
        return passes(chunk)
    if rate <= 0:
        return (Step(NEVER_S, chunk),)
    # A kilobyte a second is a byte a millisecond.
    wait_s = len(chunk.data) / rate / 1000
    slice_bytes = rate * 100
    steps, data = [], chunk.data
    while len(data) > slice_bytes:
        steps.append(Step(_SLICE_S, Chunk(data[:slice_bytes], chunk.at_s)))
        data = data[slice_bytes:]
        wait_s -= _SLICE_S
    return (*steps, Step(max(0.0, wait_s), Chunk(data, chunk.at_s)))


BANDWIDTH = Toxic(
    name="bandwidth",
    take=_take,
    attributes=("rate",),
)

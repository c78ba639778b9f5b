"""latency: each chunk passes ``latency`` ± ``jitter`` milliseconds after it arrived.

Counted from the chunk's arrival, so that chunks that arrive while one waits are not delayed twice; two such toxics in a
chain add up.
"""

from __future__ import annotations

from midpipe.faultinject.toxiproxy.toxics.toxic import Chunk, Situation, Step, Toxic, passes


def _take(chunk: Chunk | None, here: Situation) -> tuple[Step, ...]:
    if chunk is None:
        return passes(None)
    delay_ms, jitter_ms = here.numbers["latency"], here.numbers["jitter"]
    if jitter_ms > 0:
        delay_ms += int(here.rng() * 2 * jitter_ms) - jitter_ms
    wait_s = chunk.at_s + delay_ms / 1000 - here.clock_s
    return (Step(max(0.0, wait_s), Chunk(chunk.data, chunk.at_s + wait_s)),)


LATENCY = Toxic(
    name="latency",
    take=_take,
    attributes=(
        "latency",
        "jitter",
    ),
    room=1024,
)

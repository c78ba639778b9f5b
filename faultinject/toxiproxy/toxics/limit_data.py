"""limit_data: the first ``bytes`` bytes of a connection pass, the rest is lost, and the connection is closed."""

from __future__ import annotations

from dataclasses import replace

from midpipe.faultinject.toxiproxy.toxics.toxic import Chunk, Situation, Step, Toxic, passes


def _take(chunk: Chunk | None, here: Situation) -> tuple[Step, ...]:
    if chunk is None:
        return passes(None)
    left = max(0, here.numbers["bytes"] - here.memory.passed)
    passing = chunk.data[:left]
    here.memory.passed += len(passing)
    ends = len(passing) >= left
    if not passing:
        return (Step(ends=True),)
    return (Step(chunk=replace(chunk, data=passing), ends=ends),)


LIMIT_DATA = Toxic(
    name="limit_data",
    take=_take,
    attributes=("bytes",),
)

"""slicer: a chunk passes in pieces of about ``average_size`` bytes ± ``size_variation``, ``delay`` microseconds apart.

A chunk is halved, a little off the middle, until its parts are small enough. Without an average size bytes pass
unsliced; Toxiproxy then recurses until its server crashes.
"""

from __future__ import annotations

from midpipe.faultinject.toxiproxy.toxics.toxic import Chunk, Rng, Situation, Step, Toxic, passes


def _take(chunk: Chunk | None, here: Situation) -> tuple[Step, ...]:
    if chunk is None:
        return passes(None)
    average, variation = here.numbers["average_size"], max(0, here.numbers["size_variation"])
    pause = Step(max(0.0, here.numbers["delay"] / 1_000_000))
    steps = []
    begin = 0
    for end in _ends(0, len(chunk.data), average, variation, here.rng):
        steps += [Step(chunk=Chunk(chunk.data[begin:end], chunk.at_s)), pause]
        begin = end
    return tuple(steps)


def _ends(begin: int, end: int, average: int, variation: int, rng: Rng) -> list[int]:
    if average < 1 or end - begin - average <= variation or end - begin < 2:
        return [end]
    middle = begin + (end - begin) // 2
    if variation:
        middle += int(rng() * 2 * variation) - variation
        # A variation larger than the piece would put the middle outside it.
        middle = min(max(middle, begin + 1), end - 1)
    return [
        *_ends(begin, middle, average, variation, rng),
        *_ends(middle, end, average, variation, rng),
    ]


SLICER = Toxic(
    name="slicer",
    take=_take,
    attributes=(
        "average_size",
        "size_variation",
        "delay",
    ),
)

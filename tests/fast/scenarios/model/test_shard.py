"""How the cases of a sweep are divided among shards and their workers."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from midpipe.scenarios.model.shard import Shard

WEIGHTS = st.dictionaries(st.text("abcd", min_size=1, max_size=3), st.integers(1, 20), min_size=1)


@given(WEIGHTS, st.integers(1, 60), st.integers(1, 4))
def test_every_part_of_every_program_belongs_to_one_worker_of_one_shard(
    weights: dict[str, int], shards: int, workers: int
) -> None:
    owned = Counter(
        share
        for number in range(1, shards + 1)
        for share in Shard(number, shards).divided(weights, workers)
    )
    counts = {program: count for program, (_, count) in owned}
    assert set(counts) == set(weights)
    assert owned == Counter(
        (program, (index, count)) for program, count in counts.items() for index in range(count)
    )


def test_a_shard_of_many_runs_few_programs_and_about_as_much_as_the_others() -> None:
    weights = {f"program-{number}": 1 + number % 4 for number in range(36)}
    shards = [Shard(number, 400).divided(weights, 1) for number in range(1, 401)]
    loads = [sum(weights[program] / count for program, (_, count) in shard) for shard in shards]
    assert max(map(len, shards)) <= 4
    assert max(loads) < 1.5 * sum(weights.values()) / 400

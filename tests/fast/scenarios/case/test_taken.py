"""Which runs of a worker begin when every queued job has been taken already."""

from __future__ import annotations

from dataclasses import replace

import pytest

from midpipe.scenarios.case.taken import begun_with_nothing_queued
from midpipe.scenarios.model.history import Operation
from midpipe.scenarios.model.state import RedisValue, State
from tests.fast.scenarios.invariants.histories import call

TWO = {"queue": RedisValue("list", ("j", "k"))}
ONE = {"queue": RedisValue("list", ("k",))}
TAKEN = {"taken": RedisValue("set", ("j", "k"))}
MOVED = {"taken": RedisValue("list", ("j", "k"))}
STREAM = {"queue": RedisValue("stream", ("1-0 j", "2-0 k"))}


def runs(*states_after: int) -> tuple[Operation, ...]:
    put = replace(call(job_id="k", at=0, value=None), state_after=0)
    works = [
        replace(call("work", "", at=3 * n, value=None), state_after=state)
        for n, state in enumerate(states_after, start=1)
    ]
    return (put, *works)


@pytest.mark.parametrize(
    ("states", "is_found"),
    [
        ((TWO, TAKEN), True),
        ((TWO, MOVED), True),
        ((TWO, ONE), False),
        ((TWO, TWO), False),
        ((STREAM, TAKEN), False),
    ],
    ids=["both taken", "both moved", "one taken", "none taken", "no list"],
)
def test_a_run_begins_with_nothing_queued_once_every_list_is_empty(
    states: tuple[State, ...], is_found: bool
) -> None:
    first, second = runs(1, 1)[1:]
    found = begun_with_nothing_queued(runs(1, 1), states)
    assert first.invoked_at not in found
    assert (second.invoked_at in found) == is_found

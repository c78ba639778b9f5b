"""The outline of a state: equal for states that differ in ids and times alone; what a run leaves; what names a job."""

from __future__ import annotations

import pytest

from midpipe.scenarios.model.outline import leaves_nothing_new, outline
from midpipe.scenarios.model.state import RedisValue, State, words_on

ID, OTHER_ID = "e1809923-c4ed-461e-a1fc-2f5400aabbcc", "3abbdbdf-685a-45c0-9cde-f28b00aabbcc"


def state(**values: tuple[str, tuple[str, ...]]) -> State:
    return {key: RedisValue(kind, words) for key, (kind, words) in values.items()}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (state(at=("string", ("1796010267.95",))), state(at=("string", ("17960103.1",)))),
        (state(done=("list", (f"job {ID}",))), state(done=("list", (f"job {OTHER_ID}",)))),
        (
            state(workers=("zset", (ID, "17", OTHER_ID, "18"))),
            state(workers=("zset", (OTHER_ID, "99"))),
        ),
    ],
)
def test_ids_and_times_make_no_difference(one: State, other: State) -> None:
    assert outline(one) == outline(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (state(), state(jobs=("list", ("job-1",)))),
        (state(jobs=("list", ("job-1",))), state(jobs=("list", ("job-1", "job-1")))),
        (state(jobs=("list", ("job-1",))), state(jobs=("set", ("job-1",)))),
        (state(job=("hash", ("status", "queued"))), state(job=("hash", ("status", "done")))),
        (state(delayed=("zset", ())), state(delayed=("zset", ("job-1", "5")))),
    ],
)
def test_a_job_that_is_there_once_more_or_has_another_status_does(one: State, other: State) -> None:
    assert outline(one) != outline(other)


LOCK = {"lock": RedisValue("string", ("1796010267.95",), expires_at_ms=5)}
EMPTY, WAITING = state(), state(jobs=("list", ("job-1",)))


@pytest.mark.parametrize(("before", "after"), [(WAITING, EMPTY), (WAITING, WAITING), (EMPTY, LOCK)])
def test_a_removed_key_and_a_lock_are_nothing_new(before: State, after: State) -> None:
    assert leaves_nothing_new(before, after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (EMPTY, WAITING),
        (state(delayed=("zset", ("job-1", "5"))), WAITING),
        (WAITING, state(jobs=("list", ("job-1", "job-1")))),
        (EMPTY, {"job": RedisValue("hash", ("status", "queued"), expires_at_ms=5)}),
        (EMPTY, {"stop": RedisValue("string", ("1",))}),
    ],
)
def test_a_job_that_was_moved_or_added_is_something_new(before: State, after: State) -> None:
    assert not leaves_nothing_new(before, after)


RECORD, QUEUED = ("hash", ("state", "idle", "at", "17")), ("hash", ("state", "queued"))


def test_a_record_that_each_idle_run_leaves_is_nothing_new() -> None:
    once, twice = state(worker1=RECORD), state(worker1=RECORD, worker2=RECORD)
    assert not leaves_nothing_new(EMPTY, once)
    assert leaves_nothing_new(EMPTY, once, twice)


@pytest.mark.parametrize(
    "second",
    [
        state(worker1=RECORD, job2=QUEUED),
        state(worker1=RECORD, worker2=RECORD, jobs=("list", ("job-1",))),
        state(worker1=QUEUED),
    ],
)
def test_what_the_second_of_two_idle_runs_alone_leaves_is_something_new(second: State) -> None:
    assert not leaves_nothing_new(EMPTY, state(worker1=RECORD), second)


@pytest.mark.parametrize(
    ("before", "after", "is_same"),
    [
        (state(q=("list", ("job-1", "job-2"))), state(q=("list", ("job-1",))), True),
        (state(q=("list", ("job-1", "job-2"))), state(q=("list", ("job-2",))), False),
        (state(q=("zset", ("job-1", "5"))), state(q=("zset", ("job-1", "65"))), False),
        (state(job=("hash", ("a", "1"))), state(job=("hash", ("a", "2"))), True),
        (state(q=("stream", ("1-0 job-1",))), state(q=("stream", ("1-0 job-1", "pending"))), False),
    ],
)
def test_what_the_keys_say_of_a_job_changes_with_what_names_it(
    before: State, after: State, is_same: bool
) -> None:
    assert (words_on(before, "job-1") == words_on(after, "job-1")) is is_same


def test_a_key_with_the_job_in_its_name_speaks_of_it_as_a_whole() -> None:
    claimed = {"job:job-1": RedisValue("hash", ("status", "running"))}
    waiting = {"job:job-1": RedisValue("hash", ("status", "queued"))}
    assert words_on(claimed, "job-1") != words_on(waiting, "job-1")

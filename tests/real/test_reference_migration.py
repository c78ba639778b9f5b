"""Phases side by side, rolled back and forward; the backfill beside writers; and when the old schema may go."""

from __future__ import annotations

import time
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from reference.backfill import Backfill, StillNeededError
from reference.migration import Phase, phase_from
from tests.real.queues import job, queue_on, stored

NEIGHBOURS = [(a, b) for a in Phase for b in Phase if a is not b and a.may_run_beside(b)]
LEGACY = {
    "job_id": "job-0",
    "status": "pending",
    "action_provider": "mail",
    "action_name": "send",
    "params": "{}",
    "workspace_id": "acme",
    "actor_id": "u",
    "result": "",
    "enqueued_at": "2025-10-17T10:15:00+00:00",
}


@pytest.mark.parametrize(
    ("flags", "phase"),
    [
        ({}, Phase.OLD),
        ({"AI_JOBS_NEW_SCHEMA": "off"}, Phase.OLD),
        ({"AI_JOBS_NEW_SCHEMA": "on", "READ_PREFERS_NEW": "off"}, Phase.DUAL_READ_OLD),
        ({"AI_JOBS_NEW_SCHEMA": "on"}, Phase.DUAL_READ_NEW),
        ({"AI_JOBS_NEW_SCHEMA": "on", "READ_FALLBACK_OLD": "off"}, Phase.NEW),
    ],
)
def test_the_flags_stand_for_a_phase(flags: dict[str, str], phase: Phase) -> None:
    assert phase_from(flags) is phase


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ({"READ_FALLBACK_OLD": "off"}, "would hide every job"),
        (
            {"AI_JOBS_NEW_SCHEMA": "on", "READ_PREFERS_NEW": "off", "READ_FALLBACK_OLD": "off"},
            "would read neither",
        ),
        ({"AI_JOBS_NEW_SCHEMA": "yes"}, "must be on or off"),
    ],
)
def test_flags_that_would_hide_jobs_are_refused_with_a_sentence(
    flags: dict[str, str], told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        phase_from(flags)


@pytest.mark.parametrize(("one", "other"), NEIGHBOURS)
def test_what_one_phase_writes_its_neighbour_reads_and_updates(
    driver: Any, one: Phase, other: Phase
) -> None:
    if other is Phase.NEW and one is not Phase.NEW:
        Backfill(driver).run()
    queue_on(driver, one).enqueue(**job())
    queue_on(driver, other).update_status("job-1", "completed", {"n": 1}, "acme")
    for phase in (one, other):
        found = queue_on(driver, phase).get_job("job-1", "acme")
        assert found is not None
        assert (found["status"], found["result"], found["params"]) == (
            "completed",
            {"n": 1},
            {"to": "a@b"},
        )


@pytest.mark.parametrize(("one", "other"), NEIGHBOURS)
def test_where_both_schemas_hold_a_job_they_hold_the_same_whoever_wrote_last(
    driver: Any, one: Phase, other: Phase
) -> None:
    queue_on(driver, one).enqueue(**job())
    for phase, status in ((other, "running"), (one, "completed")):
        queue_on(driver, phase).update_status("job-1", status, workspace_id="acme")
    old, new = stored(driver)
    assert not old or not new or old == new


@pytest.mark.parametrize(("one", "other"), NEIGHBOURS)
def test_a_worker_of_either_phase_gets_the_job(driver: Any, one: Phase, other: Phase) -> None:
    queue_on(driver, one).enqueue(**job())
    claimed = queue_on(driver, other).claim("w-1")
    assert claimed is not None
    assert claimed["params"] == {"to": "a@b"}


def test_a_backfill_copies_each_job_once_and_lists_it(driver: Any) -> None:
    driver.hset("ai:jobs:job-0", mapping=LEGACY)
    counts = [Backfill(driver).run() for _ in range(2)]
    listed = queue_on(driver).list_jobs("acme")["items"]
    assert counts == [Counter(copied=1), Counter(same=1)]
    assert [found["job_id"] for found in listed] == ["job-0"]


def test_a_dry_run_writes_nothing(driver: Any) -> None:
    driver.hset("ai:jobs:job-0", mapping=LEGACY)
    assert Backfill(driver).run(dry_run=True) == Counter(missing=1)
    assert driver.keys("*") == ["ai:jobs:job-0"]


def test_a_backfill_that_was_stopped_goes_on_where_it_was(driver: Any) -> None:
    for number in range(1000):
        driver.hset(f"ai:jobs:job-{number}", mapping={**LEGACY, "job_id": f"job-{number}"})

    def stop(_: Counter[str]) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Backfill(driver, on_progress=stop).run()
    counts = Counter[str]()
    while not counts["copied"]:
        counts = Backfill(driver).run()
    assert Backfill(driver).verify() == Counter(same=1000)


def test_a_backfill_keeps_to_its_rate(driver: Any) -> None:
    for number in range(20):
        driver.hset(f"ai:jobs:job-{number}", mapping={**LEGACY, "job_id": f"job-{number}"})
    begun_s = time.monotonic()
    Backfill(driver, rate=100.0).run()
    assert time.monotonic() - begun_s >= 0.19


def test_the_old_schema_is_not_removed_while_a_job_is_only_there(driver: Any) -> None:
    driver.hset("ai:jobs:job-0", mapping=LEGACY)
    with pytest.raises(StillNeededError, match="1 jobs are missing"):
        Backfill(driver).remove()
    assert driver.exists("ai:jobs:job-0")


def test_the_old_schema_is_not_removed_while_a_job_differs(driver: Any) -> None:
    queue_on(driver).enqueue(**job())
    driver.hset("ai:job:acme:job-1", "status", "odd")
    with pytest.raises(StillNeededError, match="1 differ"):
        Backfill(driver).remove()


def test_the_old_schema_is_not_removed_while_an_earlier_phase_writes(driver: Any) -> None:
    queue_on(driver, Phase.DUAL_READ_NEW).enqueue(**job())
    with pytest.raises(StillNeededError, match="dual write, read new"):
        Backfill(driver).remove()


def test_after_the_removal_every_job_is_read_listed_updated_and_claimed(driver: Any) -> None:
    queue_on(driver, Phase.DUAL_READ_NEW).enqueue(**job())
    assert Backfill(driver).remove(quiet=timedelta(0)) == Counter(removed=1)
    queue = queue_on(driver, Phase.NEW)
    queue.update_status("job-1", "pending", workspace_id="acme")
    claimed = queue.claim("w-1")
    assert claimed is not None
    assert (claimed["job_id"], len(queue.list_jobs("acme")["items"])) == ("job-1", 1)
    assert driver.keys("ai:jobs:*") == []


def test_pages_tell_every_job_once_while_others_come(driver: Any) -> None:
    queue = queue_on(driver)
    for number in range(25):
        queue.enqueue(**job(f"job-{number:02}"))
    told: list[str] = []
    cursor = None
    while True:
        page = queue.list_jobs("acme", limit=10, cursor=cursor)
        told += [found["job_id"] for found in page["items"]]
        queue.enqueue(**job(f"late-{len(told)}"))
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert told == [f"job-{number:02}" for number in reversed(range(25))]


def test_a_list_is_filtered_by_status_and_workspace(driver: Any) -> None:
    queue = queue_on(driver)
    queue.enqueue(**job("a"))
    queue.enqueue(**job("b"))
    queue.enqueue(**job("c", workspace_id="globex"))
    queue.update_status("a", "running", workspace_id="acme")
    running = queue.list_jobs("acme", status="running")["items"]
    assert [found["job_id"] for found in running] == ["a"]

"""Phases side by side, rolled back and forward; the backfill beside writers; and when the old schema may go."""

from __future__ import annotations

import time
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from midpipe.reference.errors import StillNeededError
from midpipe.reference.migration import Phase, phase_from
from midpipe.reference.old_schema import Backfill
from tests.real.queues import LEGACY, job, queue_on, stored

PHASES_TOGETHER = [(a, b) for a in Phase for b in Phase if a is not b and a.may_run_beside(b)]


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
    ("flags", "message"),
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
    flags: dict[str, str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        phase_from(flags)


@pytest.mark.parametrize(("one", "other"), PHASES_TOGETHER)
def test_what_one_phase_writes_its_neighbour_reads_and_updates(
    driver: Any, one: Phase, other: Phase
) -> None:
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


@pytest.mark.parametrize(("one", "other"), PHASES_TOGETHER)
def test_where_both_schemas_hold_a_job_they_hold_the_same_in_any_order_of_writes(
    driver: Any, one: Phase, other: Phase
) -> None:
    queue_on(driver, one).enqueue(**job())
    for phase, status in ((other, "running"), (one, "completed")):
        queue_on(driver, phase).update_status("job-1", status, workspace_id="acme")
    old, new = stored(driver)
    assert not old or not new or old == new


def test_what_the_first_phase_writes_the_last_does_not_read(driver: Any) -> None:
    assert not Phase.OLD.may_run_beside(Phase.NEW)
    queue_on(driver, Phase.OLD).enqueue(**job())
    assert queue_on(driver, Phase.NEW).get_job("job-1", "acme") is None


@pytest.mark.parametrize(("one", "other"), PHASES_TOGETHER)
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

    def stop(_: float, __: Counter[str]) -> None:
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


def test_the_old_schema_is_not_removed_while_a_writer_uses_it(driver: Any) -> None:
    queue_on(driver, Phase.DUAL_READ_NEW).enqueue(**job())
    with pytest.raises(StillNeededError, match="1 jobs were enqueued into the old schema"):
        Backfill(driver).remove()
    assert driver.exists("ai:jobs:job-1")


def test_after_the_removal_every_job_is_read_listed_updated_and_claimed(driver: Any) -> None:
    queue_on(driver, Phase.DUAL_READ_NEW).enqueue(**job())
    assert Backfill(driver).remove(quiet=timedelta(0)) == Counter(removed=1)
    queue = queue_on(driver, Phase.NEW)
    queue.update_status("job-1", "pending", workspace_id="acme")
    claimed = queue.claim("w-1")
    assert claimed is not None
    assert (claimed["job_id"], len(queue.list_jobs("acme")["items"])) == ("job-1", 1)
    assert driver.keys("ai:jobs:*") == []


def both(driver: Any, old: dict[str, str], new: dict[str, str]) -> None:
    """Write a job to both schemas as code from before the owners and the index did."""
    driver.hset("ai:jobs:job-0", mapping={**LEGACY, **old})
    driver.hset("ai:job:acme:job-0", mapping=new)
    driver.rpush("ai:queue:pending", "job-0")


def test_a_job_that_older_code_wrote_to_both_schemas_outlives_the_old_one(driver: Any) -> None:
    both(driver, {}, LEGACY)
    assert Backfill(driver).run() == Counter(same=1)
    assert Backfill(driver).remove() == Counter(removed=1)
    queue = queue_on(driver, Phase.NEW)
    assert [found["job_id"] for found in queue.list_jobs("acme")["items"]] == ["job-0"]
    claimed = queue.claim("w-1")
    assert claimed is not None
    assert claimed["job_id"] == "job-0"


def test_without_a_workspace_a_job_is_found_in_the_new_schema_too(driver: Any) -> None:
    queue = queue_on(driver, Phase.NEW)
    queue.enqueue(**job())
    found = queue.get_job("job-1")
    assert found is not None
    assert found["workspace_id"] == "acme"


def test_a_hash_that_older_code_filled_half_is_filled_up(driver: Any) -> None:
    both(driver, {"status": "running", "started_at": "t"}, {"status": "running", "started_at": "t"})
    assert Backfill(driver).run() == Counter(mended=1)
    old, new = stored(driver, "job-0")
    assert (old == new, new["params"]) == (True, LEGACY["params"])


@pytest.mark.parametrize("behind", ["old", "new"])
def test_of_two_copies_that_differ_the_one_further_on_wins(driver: Any, behind: str) -> None:
    done = {"status": "completed", "result": "1", "finished_at": "t"}
    both(driver, {} if behind == "old" else done, {**LEGACY, **(done if behind == "old" else {})})
    assert Backfill(driver).run() == Counter(mended=1)
    old, new = stored(driver, "job-0")
    assert (old == new, new["status"], new["result"]) == (True, "completed", "1")


def test_two_copies_that_came_to_different_ends_are_left_for_a_person(driver: Any) -> None:
    both(driver, {"status": "failed"}, {**LEGACY, "status": "completed"})
    assert Backfill(driver).run() == Counter(differs=1)
    assert [copy["status"] for copy in stored(driver, "job-0")] == ["failed", "completed"]


def test_an_update_goes_on_from_the_copy_that_is_further_on(driver: Any) -> None:
    both(driver, {"status": "completed"}, LEGACY)
    queue_on(driver).update_status("job-0", "running", workspace_id="acme")
    assert stored(driver, "job-0")[0]["status"] == "completed"


def test_a_backfill_does_not_trust_the_place_that_another_server_gave_it(driver: Any) -> None:
    for number in range(1_000):
        driver.hset(f"ai:jobs:job-{number}", mapping={**LEGACY, "job_id": f"job-{number}"})
    driver.set("ai:backfill:cursor", "3 another-server")
    assert Backfill(driver).run() == Counter(copied=1_000)


def test_a_backfill_reports_its_progress(driver: Any) -> None:
    for number in range(1_000):
        driver.hset(f"ai:jobs:job-{number}", mapping={**LEGACY, "job_id": f"job-{number}"})
    reported: list[float] = []
    Backfill(driver, on_progress=lambda done, _: reported.append(done)).run()
    assert reported == sorted(reported)
    assert (len(reported) > 2, 0 < reported[0] < 0.5, reported[-1]) == (True, True, 1.0)


@pytest.mark.parametrize("rate", [0.0, -5.0, float("nan")])
def test_a_rate_that_is_not_more_than_zero_is_refused(driver: Any, rate: float) -> None:
    with pytest.raises(ValueError, match="rate must be more than 0 jobs per second"):
        Backfill(driver, rate=rate)

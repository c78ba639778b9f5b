"""Pages of the reference's list_jobs: each job once, none left out, in whatever phase it was written, amid writes."""

from __future__ import annotations

from typing import Any

import pytest

from midpipe.reference import Queue
from midpipe.reference.migration import Phase
from midpipe.reference.old_schema import Backfill
from tests.real.queues import LEGACY, job, queue_on


def enqueue_as_older_code(driver: Any, job_id: str, **fields: str) -> None:
    """Write a job as code from before the index does: a hash and a place in the queue."""
    driver.hset(f"ai:jobs:{job_id}", mapping={**LEGACY, "job_id": job_id, **fields})
    driver.rpush("ai:queue:pending", job_id)


def listed(queue: Queue, **asked: Any) -> list[str]:
    """Return the ids on all pages, in order."""
    listed_ids: list[str] = []
    cursor = None
    while True:
        page = queue.list_jobs("acme", cursor=cursor, **asked)
        listed_ids += [found["job_id"] for found in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            return listed_ids


def test_pages_list_every_job_once_while_others_arrive(queue: Queue) -> None:
    for number in range(25):
        queue.enqueue(**job(f"job-{number:02}"))
    listed_ids: list[str] = []
    cursor = None
    while True:
        page = queue.list_jobs("acme", limit=10, cursor=cursor)
        listed_ids += [found["job_id"] for found in page["items"]]
        queue.enqueue(**job(f"late-{len(listed_ids)}"))
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert listed_ids == [f"job-{number:02}" for number in reversed(range(25))]


def test_a_list_is_filtered_by_status_and_workspace(queue: Queue) -> None:
    queue.enqueue(**job("a"))
    queue.enqueue(**job("b"))
    queue.enqueue(**job("c", workspace_id="globex"))
    queue.update_status("a", "running", workspace_id="acme")
    running = queue.list_jobs("acme", status="running")["items"]
    assert [found["job_id"] for found in running] == ["a"]


def test_a_page_of_one_status_is_filled_from_beyond_the_jobs_that_have_another(
    queue: Queue,
) -> None:
    for number in range(30):
        queue.enqueue(**job(f"job-{number}"))
    for number in (3, 7):
        queue.update_status(f"job-{number}", "failed", workspace_id="acme")
    assert len(queue.list_jobs("acme", status="failed", limit=2)["items"]) == 2
    assert listed(queue, status="failed", limit=1) == ["job-7", "job-3"]


def test_a_job_of_older_code_is_listed_after_those_of_newer_code(driver: Any, queue: Queue) -> None:
    enqueue_as_older_code(driver, "old-1")
    queue.enqueue(**job())
    assert listed(queue) == ["job-1", "old-1"]


def test_every_job_of_older_code_is_listed_once_over_many_pages(driver: Any, queue: Queue) -> None:
    for number in range(40):
        enqueue_as_older_code(driver, f"old-{number}")
        queue.enqueue(**job(f"job-{number}"))
    listed_ids = listed(queue, limit=7)
    assert sorted(listed_ids) == sorted([f"{age}-{n}" for age in ("old", "job") for n in range(40)])


def test_a_job_of_older_code_that_gets_its_place_during_a_listing_is_not_left_out(
    driver: Any, queue: Queue
) -> None:
    for number in range(3):
        queue.enqueue(**job(f"job-{number}"))
    enqueue_as_older_code(driver, "old-1")
    first = queue.list_jobs("acme", limit=2)
    queue.update_status("old-1", "running", workspace_id="acme")
    rest = queue.list_jobs("acme", limit=10, cursor=first["next_cursor"])
    assert [found["job_id"] for found in rest["items"]] == ["job-0", "old-1"]


def test_a_job_of_older_code_is_another_workspaces_if_it_says_so(driver: Any, queue: Queue) -> None:
    enqueue_as_older_code(driver, "old-1", workspace_id="globex")
    assert listed(queue) == []
    assert [found["job_id"] for found in queue.list_jobs("globex")["items"]] == ["old-1"]


def test_a_listing_of_thousands_of_keys_is_made_of_short_calls_and_is_whole(
    driver: Any, queue: Queue
) -> None:
    for number in range(2_500):
        driver.hset(f"ai:jobs:old-{number}", mapping={**LEGACY, "job_id": f"old-{number}"})
    listed_ids = listed(queue, limit=500)
    assert (len(listed_ids), len(set(listed_ids))) == (2_500, 2_500)


def test_after_a_backfill_a_listing_no_longer_looks_through_the_key_space(
    driver: Any, queue: Queue
) -> None:
    enqueue_as_older_code(driver, "old-1")
    Backfill(driver).run()
    before = driver.info("commandstats").get("cmdstat_scan", {}).get("calls", 0)
    assert listed(queue) == ["old-1"]
    assert driver.info("commandstats").get("cmdstat_scan", {}).get("calls", 0) == before


def test_older_code_that_is_met_after_a_backfill_is_looked_for_again(
    driver: Any, queue: Queue
) -> None:
    Backfill(driver).run()
    for name in ("old-1", "old-2"):
        enqueue_as_older_code(driver, name)
    queue.claim("w-1")
    assert sorted(listed(queue)) == ["old-1", "old-2"]


def test_the_last_phase_lists_what_it_reads(driver: Any) -> None:
    queue_on(driver, Phase.OLD).enqueue(**job("old"))
    queue_on(driver, Phase.NEW).enqueue(**job("new"))
    assert listed(queue_on(driver, Phase.NEW)) == ["new"]


@pytest.mark.parametrize("cursor", ["", "x", "(1", "+inf", "1/2/3", "nan/0"])
def test_a_cursor_that_no_page_gave_is_refused(queue: Queue, cursor: str) -> None:
    with pytest.raises(ValueError, match="cursor"):
        queue.list_jobs("acme", cursor=cursor or "?")

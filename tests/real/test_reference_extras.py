"""The reference's telemetry, durability, key prefix, checks of ids, and quiet logs."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import redis
from prometheus_client import CollectorRegistry, generate_latest

from midpipe.reference import Queue
from midpipe.reference.errors import JobExistsError, JobNotFoundError, NotDurableError
from midpipe.reference.migration import Phase
from midpipe.reference.scripts import Durability
from midpipe.reference.telemetry import MOST_WORKSPACES, Telemetry
from tests.real.conftest import Wire
from tests.real.queues import FaultyQueues, job, queue_on


def value(registry: CollectorRegistry, name: str, **labels: str) -> float:
    return registry.get_sample_value(name, labels) or 0.0


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def test_every_dual_write_is_counted_updates_too(driver: Any, registry: CollectorRegistry) -> None:
    queue = queue_on(driver, telemetry=Telemetry(registry))
    queue.enqueue(**job())
    queue.update_status("job-1", "running", workspace_id="acme")
    name = "ai_jobs_dual_write_total"
    assert value(registry, name, workspace_id="acme", result="succeeded") == 2.0


def test_a_write_that_failed_is_counted_as_failed(driver: Any, registry: CollectorRegistry) -> None:
    queue = queue_on(driver, telemetry=Telemetry(registry))
    driver.config_set("maxmemory", 1)
    try:
        with pytest.raises(redis.ResponseError):
            queue.enqueue(**job())
    finally:
        driver.config_set("maxmemory", 0)
    name = "ai_jobs_dual_write_total"
    found = [
        value(registry, name, workspace_id="acme", result=result)
        for result in ("failed", "succeeded")
    ]
    assert found == [1.0, 0.0]


def test_a_single_schema_is_no_dual_write(driver: Any, registry: CollectorRegistry) -> None:
    queue_on(driver, Phase.OLD, telemetry=Telemetry(registry)).enqueue(**job())
    assert b"ai_jobs_dual_write_total{" not in generate_latest(registry)


def test_reads_are_counted_by_where_the_job_was(driver: Any, registry: CollectorRegistry) -> None:
    queue_on(driver, Phase.OLD).enqueue(**job("old"))
    queue = queue_on(driver, telemetry=Telemetry(registry))
    queue.enqueue(**job("new"))
    for name in ("old", "new", "neither"):
        queue.get_job(name, "acme")
    found = {
        path: value(registry, "relay_job_read_path_total", path=path)
        for path in ("new", "old", "miss")
    }
    assert found == {"new": 1.0, "old": 1.0, "miss": 1.0}


def test_duplicates_depth_and_latency_are_counted(driver: Any, registry: CollectorRegistry) -> None:
    queue = queue_on(driver, telemetry=Telemetry(registry))
    queue.enqueue(**job())
    queue.enqueue(**job())
    queue.get_queue_depth()
    assert value(registry, "ai_jobs_duplicate_total") == 1.0
    assert value(registry, "ai_queue_depth") == 1.0
    assert value(registry, "ai_job_latency_seconds_count", operation="enqueue") == 2.0


def test_workspaces_beyond_the_bound_share_a_label(registry: CollectorRegistry) -> None:
    telemetry = Telemetry(registry)
    for number in range(MOST_WORKSPACES + 5):
        telemetry.record_dual_write_attempt(f"w{number}", "succeeded")
    name = "ai_jobs_dual_write_total"
    assert value(registry, name, workspace_id="other", result="succeeded") == 5.0


def test_a_write_that_must_reach_a_replica_says_if_it_did_not(driver: Any) -> None:
    queue = queue_on(driver, durability=Durability(replicas=1, within_ms=20))
    with pytest.raises(NotDurableError):
        queue.enqueue(**job())
    assert driver.lrange("ai:queue:pending", 0, -1) == ["job-1"]


def test_a_write_that_must_reach_the_disk_reaches_it(driver: Any) -> None:
    driver.config_set("appendonly", "yes")
    try:
        queue = queue_on(driver, durability=Durability(disk=True, within_ms=2_000))
        assert queue.enqueue(**job()) is True
    finally:
        driver.config_set("appendonly", "no")


def test_a_prefix_is_before_every_key(driver: Any) -> None:
    queue = queue_on(driver, prefix="{ai}:")
    queue.enqueue(**job(client_request_id="r"))
    claimed = queue.claim("w-1")
    assert claimed is not None
    queue.complete("job-1", "acme", claimed["lease_token"])
    queue.list_jobs("acme")
    assert [key for key in driver.keys("*") if not key.startswith("{ai}:")] == []


@pytest.mark.parametrize("bad", ["", "a:b", "a\n", "\x7f", "x" * 201])
@pytest.mark.parametrize("name", ["job_id", "client_request_id"])
def test_an_id_that_could_pose_as_another_key_is_refused(driver: Any, name: str, bad: str) -> None:
    with pytest.raises(ValueError, match=name):
        queue_on(driver).enqueue(**{**job(), name: bad})
    assert driver.keys("*") == []


def test_a_job_id_of_another_workspace_is_refused(driver: Any) -> None:
    queue = queue_on(driver)
    queue.enqueue(**job())
    with pytest.raises(JobExistsError):
        queue.enqueue(**job(workspace_id="globex"))


@pytest.mark.parametrize("workspace_id", ["acme", "globex"])
def test_an_update_of_a_job_that_is_not_there_is_refused(driver: Any, workspace_id: str) -> None:
    queue = queue_on(driver)
    if workspace_id == "globex":
        queue.enqueue(**job())
    with pytest.raises(JobNotFoundError):
        queue.update_status("job-1", "running", workspace_id=workspace_id)


def test_no_log_line_at_info_or_above_says_what_a_job_is_about(
    driver: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    queue = queue_on(driver)
    driver.config_set("maxmemory", 1)
    try:
        with pytest.raises(redis.ResponseError):
            queue.enqueue(**job(params={"card": "4111"}))
    finally:
        driver.config_set("maxmemory", 0)
    assert [record.getMessage() for record in caplog.records] == ["enqueue raised OutOfMemoryError"]


def test_the_bound_follows_from_time_outs_and_retries() -> None:
    queue = Queue("redis://127.0.0.1:1/0?socket_timeout=0.1&socket_connect_timeout=0.1")
    bound_s = queue.latency_bound_s
    queue.close()
    assert bound_s == pytest.approx(2 * 3 * (0.1 + 5 * 0.1 + 0.05) + 1.0)


@pytest.mark.parametrize("name", ["action_provider", "action_name", "actor_id"])
def test_what_is_no_text_is_refused_where_text_is_asked_for(driver: Any, name: str) -> None:
    with pytest.raises(TypeError, match=name):
        queue_on(driver).enqueue(**{**job(), name: None})
    assert driver.keys("*") == []


def test_the_drivers_own_retry_after_a_lost_reply_is_answered_as_the_first_call(
    driver: Any, wire: Wire
) -> None:
    queues = FaultyQueues(wire)
    registry = CollectorRegistry()
    queue = queues.queue(fault="lost-reply", at=2, kind=Queue, telemetry=Telemetry(registry))
    try:
        assert queue.enqueue(**job()) is True
        assert queue.enqueue(**job()) is False
    finally:
        queues.close()
    assert driver.lrange("ai:queue:pending", 0, -1) == ["job-1"]
    assert value(registry, "ai_jobs_total", status="pending") == 1.0
    assert value(registry, "ai_jobs_duplicate_total") == 1.0

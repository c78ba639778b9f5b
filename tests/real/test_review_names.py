"""The fourteen tests that the review names, on a real server; what fails, fails on the wire."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import redis

from midpipe.reference import Queue
from midpipe.reference.migration import Phase
from tests.real.conftest import Wire
from tests.real.queues import FaultyQueues, job, queue_on, stored

CUTS = ["cut-before", "lost-reply", "torn-middle"]


@pytest.fixture
def faulty(driver: Any, wire: Wire) -> Iterator[FaultyQueues]:  # noqa: ARG001 - the driver empties the server first
    queues = FaultyQueues(wire)
    yield queues
    queues.close()


@pytest.mark.parametrize("fault", CUTS)
def test_enqueue_idempotency_allows_retry_after_failure(
    faulty: FaultyQueues, driver: Any, fault: str
) -> None:
    queue = faulty.queue(fault=fault, at=2)
    with pytest.raises(redis.ConnectionError):
        queue.enqueue(**job(client_request_id="r-1"))
    queue.enqueue(**job(client_request_id="r-1"))
    assert driver.lrange("ai:queue:pending", 0, -1) == ["job-1"]
    assert driver.get("ai:idempotency:acme:r-1") == "job-1"


@pytest.mark.parametrize("fault", ["cut-before", "torn-first", "torn-last"])
def test_enqueue_partial_write_cleanup(faulty: FaultyQueues, driver: Any, fault: str) -> None:
    queue = faulty.queue(fault=fault, at=2)
    with pytest.raises(redis.ConnectionError):
        queue.enqueue(**job(client_request_id="r-1"))
    assert driver.keys("*") == []


@pytest.mark.parametrize("fault", CUTS)
def test_update_status_new_schema_failure(faulty: FaultyQueues, driver: Any, fault: str) -> None:
    queue = faulty.queue()
    queue.enqueue(**job())
    broken = faulty.queue(fault=fault, at=2)
    with pytest.raises(redis.ConnectionError):
        broken.update_status("job-1", "running", workspace_id="acme")
    old, new = stored(driver)
    assert old == new


@pytest.mark.parametrize("workspace_id", ["", None, "No Such", "a:b", "-a", "a" * 33])
def test_enqueue_workspace_id_validation(queue: Queue, driver: Any, workspace_id: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        queue.enqueue(**job(workspace_id=workspace_id))
    assert driver.keys("*") == []


def test_update_status_workspace_id_required_when_flag_on(queue: Queue) -> None:
    queue.enqueue(**job())
    with pytest.raises(TypeError, match="workspace_id"):
        queue.update_status("job-1", "running")


def test_enqueue_idempotency_normal_duplicate(queue: Queue, driver: Any) -> None:
    answers = [
        queue.enqueue(**job(client_request_id="r-1")),
        queue.enqueue(**job("job-2", client_request_id="r-1")),
    ]
    assert (answers, driver.lrange("ai:queue:pending", 0, -1)) == ([True, False], ["job-1"])


def test_get_job_fallback_from_new_to_old(driver: Any, queue: Queue) -> None:
    queue_on(driver, Phase.OLD).enqueue(**job())
    found = queue.get_job("job-1", "acme")
    assert found is not None
    assert (found["job_id"], found["params"]) == ("job-1", {"to": "a@b"})


def test_update_status_idempotent_on_nonexistent_new_key(queue: Queue, driver: Any) -> None:
    queue_on(driver, Phase.OLD).enqueue(**job())
    for _ in range(2):
        queue.update_status("job-1", "running", workspace_id="acme")
    old, new = stored(driver)
    assert (old == new, new["status"], new["params"]) == (True, "running", '{"to":"a@b"}')


@pytest.mark.parametrize("fault", CUTS)
def test_enqueue_with_pipeline_atomicity(faulty: FaultyQueues, driver: Any, fault: str) -> None:
    queue = faulty.queue(fault=fault, at=2)
    with pytest.raises(redis.ConnectionError):
        queue.enqueue(**job())
    old, new = stored(driver)
    queued = driver.lrange("ai:queue:pending", 0, -1) == ["job-1"]
    assert {bool(old), bool(new), queued} == {fault == "lost-reply"}


def test_enqueue_writes_only_old_schema_when_flag_off(driver: Any) -> None:
    queue_on(driver, Phase.OLD).enqueue(**job())
    old, new = stored(driver)
    assert (old["job_id"], new) == ("job-1", {})


def test_get_job_reads_from_old_schema_when_flag_off(driver: Any) -> None:
    queue = queue_on(driver, Phase.OLD)
    queue.enqueue(**job())
    driver.hset(
        "ai:job:acme:job-1", mapping={"job_id": "job-1", "workspace_id": "acme", "status": "odd"}
    )
    found = queue.get_job("job-1", "acme")
    assert found is not None
    assert found["status"] == "pending"


def test_enqueue_writes_both_schemas_when_flag_on(queue: Queue, driver: Any) -> None:
    queue.enqueue(**job())
    old, new = stored(driver)
    assert (old == new, old["job_id"]) == (True, "job-1")


def test_get_job_reads_new_schema_first_when_flag_on(queue: Queue, driver: Any) -> None:
    queue.enqueue(**job())
    driver.hset("ai:jobs:job-1", "status", "odd")
    found = queue.get_job("job-1", "acme")
    assert found is not None
    assert found["status"] == "pending"


def test_update_status_writes_both_schemas_when_flag_on(queue: Queue, driver: Any) -> None:
    queue.enqueue(**job())
    queue.update_status("job-1", "completed", {"answer": 42}, "acme")
    old, new = stored(driver)
    assert (old == new, new["status"], new["result"]) == (True, "completed", '{"answer":42}')

"""Drivers: what a release of redis-py does with a command whose connection is lost, and what its caller learns."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from midpipe.faultinject.servers.opening import ServerSpec, parse_server_spec
from midpipe.scenarios.drivers.commands import (
    Behaviour,
    cluster_worker,
    measure_cluster,
    measure_driver,
)
from midpipe.scenarios.drivers.failovers import AFTER, BEFORE, BETWEEN, measure_failover
from midpipe.scenarios.drivers.receivers import Reception, measure_receiver
from midpipe.scenarios.drivers.registry import (
    COREDIS,
    DRIVERS,
    IOREDIS,
    IOREDIS_SENTINEL,
    POP,
    PUBLISH,
    PUSH,
    REDIS_PY,
    REDIS_PY_CLUSTER,
    REDIS_PY_SENTINEL,
    Driver,
    Way,
)
from midpipe.scenarios.explore.worker import Worker
from tests.real.commands import ran, started

REDIS, FROM_URL, *_ = REDIS_PY.constructors


def measured(worker: Worker, version: str, way: Way = PUSH) -> dict[str, Behaviour]:
    row = measure_driver(worker, REDIS_PY, version, REDIS, way)
    return {behaviour.fault: behaviour for behaviour in row.behaviours}


@pytest.mark.parametrize(
    ("version", "applied", "answered"), [("5.3.1", 1, False), ("6.0.0", 2, True)]
)
def test_redis_py_sends_a_command_again_by_default_since_release_6(
    worker: Worker, version: str, applied: int, answered: bool
) -> None:
    lost = measured(worker, version)["lost-reply"]
    assert (lost.applied, lost.answered, lost.deceives) == (applied, answered, answered)


def test_a_pop_that_is_sent_again_returns_the_second_job_and_loses_the_first(
    worker: Worker,
) -> None:
    lost = measured(worker, "6.0.0", POP)["lost-reply"]
    assert (lost.applied, lost.answered, lost.answer_is_right) == (2, True, False)


@pytest.mark.parametrize(("version", "applied"), [("5.3.1", 1), ("6.0.0", 2)])
def test_a_publish_without_a_reply_is_sent_again_as_any_other_command(
    worker: Worker, version: str, applied: int
) -> None:
    assert measured(worker, version, PUBLISH)["lost-reply"].applied == applied


def receptions(driver: Driver, version: str, constructor: int, loss: str) -> tuple[Reception, ...]:
    made = driver.constructors[constructor]
    return measure_receiver(ServerSpec(), driver, version, made, (loss,)).receptions


@pytest.mark.parametrize(("version", "raises"), [("5.3.1", True), ("6.0.0", False)])
def test_a_subscriber_of_redis_py_subscribes_again_and_since_release_6_no_call_raises(
    version: str, raises: bool
) -> None:
    # All that shows the gap is the second confirmation, which ignore_subscribe_messages hides.
    assert receptions(REDIS_PY, version, 0, "closed") == (
        Reception("closed", receives_again=True, raised=raises, was_notified=True),
    )


@pytest.mark.nightly  # it waits until the subscriber may count as deaf
@pytest.mark.parametrize(("driver", "constructor"), [(REDIS_PY, 0), (REDIS_PY, 2), (IOREDIS, 0)])
def test_a_subscriber_does_not_notice_that_its_server_is_gone_if_nothing_closes_the_connection(
    driver: Driver, constructor: int
) -> None:
    (found,) = receptions(driver, driver.versions[-1], constructor, "silent")
    assert (found.receives_again, found.deceives) == (False, True)


def test_coredis_sends_a_command_again_after_a_fin_though_not_after_a_reset(worker: Worker) -> None:
    row = measure_driver(worker, COREDIS, "4.24.0", COREDIS.constructors[0], PUSH)
    lost = {behaviour.fault: behaviour for behaviour in row.behaviours}["lost-reply"]
    assert (lost.applied, lost.answered) == (2, True)
    assert lost.replay.endswith("!lost-reply-fin")


@pytest.mark.nightly
def test_a_pipeline_counts_the_command_that_was_hit_also_if_it_is_not_the_push(
    worker: Worker,
) -> None:
    # ioredis sends the whole pipeline again if it has received none of its replies: INCR ran twice then, RPUSH once.
    pipeline = next(way for way in IOREDIS.ways if way.kind == "Pipeline")
    row = measure_driver(worker, IOREDIS, "5.11.1", IOREDIS.constructors[0], pipeline)
    lost = {behaviour.fault: behaviour for behaviour in row.behaviours}["lost-reply"]
    assert (lost.applied, lost.answered, lost.deceives) == (2, True, True)


def test_a_driver_that_can_t_be_installed_is_named_with_the_reason_and_not_taken_for_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    code, page, errors = ran(
        "drivers", "--driver", "go-redis", "--release", "9.23.0", cwd=tmp_path, is_loaded=False
    )
    assert code == 3
    assert "needs go" in page
    assert "needs go" in errors
    assert "| `RPUSH` |" not in page


def test_an_interrupted_run_prints_what_it_measured_and_what_it_did_not(tmp_path: Path) -> None:
    arguments = ("drivers", "--driver", "redis-py", "--release", "6.0.0")
    with started(*arguments, cwd=tmp_path, tmp=tmp_path) as process:
        assert process.stderr is not None
        assert "redis-py 6.0.0: Redis(), RPUSH" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        page, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.endswith("midpipe: interrupted\n")
    # Release 6 sends a command again whose reply was lost.
    assert "| `RPUSH` | `Redis()` | **twice, answered** |" in page
    assert "- The run was interrupted. (" in page


def test_a_server_that_midpipe_does_not_start_gets_no_cluster_and_that_is_said() -> None:
    spec = parse_server_spec("redis://127.0.0.1:1")
    rows = tuple(measure_cluster(spec, REDIS_PY_CLUSTER, ["8.1.0"]))
    assert len(rows) == len(REDIS_PY_CLUSTER.constructors) * len(REDIS_PY_CLUSTER.ways)
    assert all("does not start it" in row.reason for row in rows)


def test_a_cluster_s_client_sends_again_even_if_it_is_made_from_a_url() -> None:
    # Unlike Redis.from_url(), which never does.
    with cluster_worker(ServerSpec()) as worker:
        row = measure_driver(
            worker, REDIS_PY_CLUSTER, "8.1.0", REDIS_PY_CLUSTER.constructors[1], PUSH
        )
    lost = {behaviour.fault: behaviour for behaviour in row.behaviours}["lost-reply"]
    assert (lost.applied, lost.answered) == (2, True)


def through_failover(driver: Driver, constructor: int, way: Way, fault: str) -> Behaviour:
    made = driver.constructors[constructor]
    row = measure_failover(ServerSpec(), driver, driver.versions[-1], made, way, faults=(fault,))
    assert row.reason == ""
    return row.behaviours[0]


def test_a_command_that_the_primary_ran_before_it_died_raises_in_redis_py_and_is_applied_once() -> (
    None
):
    # A failover takes seconds, so this is the one case of it in every run.
    found = through_failover(REDIS_PY_SENTINEL, 0, PUSH, AFTER)
    assert (found.applied, found.answered, found.raised) == (1, False, True)


@pytest.mark.nightly
@pytest.mark.parametrize("constructor", [0, 1])
def test_a_command_that_the_primary_did_not_receive_raises_in_redis_py(constructor: int) -> None:
    found = through_failover(REDIS_PY_SENTINEL, constructor, PUSH, BEFORE)
    assert (found.applied, found.answered, found.raised) == (0, False, True)


@pytest.mark.nightly
def test_ioredis_sends_a_command_of_the_dead_primary_to_the_new_one_too() -> None:
    found = through_failover(IOREDIS_SENTINEL, 0, PUSH, AFTER)
    assert (found.applied, found.answered, found.deceives) == (2, True, True)


@pytest.mark.nightly
def test_a_call_after_the_failover_reaches_the_new_primary() -> None:
    found = through_failover(REDIS_PY_SENTINEL, 0, POP, BETWEEN)
    assert (found.applied, found.answered, found.answer_is_right) == (1, True, True)


@pytest.mark.nightly
@pytest.mark.parametrize(
    "driver",
    [driver for driver in DRIVERS if not (driver.is_of_cluster or driver.asks_sentinels)],
    ids=lambda driver: driver.name,
)
def test_every_driver_is_measured_in_its_newest_release(worker: Worker, driver: Driver) -> None:
    row = measure_driver(worker, driver, driver.versions[-1], driver.constructors[0], PUSH)
    assert [behaviour.fault for behaviour in row.behaviours] == ["lost-reply", "cut-before"]


@pytest.mark.nightly
def test_a_client_made_from_a_url_never_sends_again(worker: Worker) -> None:
    row = measure_driver(worker, REDIS_PY, "6.0.0", FROM_URL, PUSH)
    assert [(b.fault, b.applied, b.answered) for b in row.behaviours] == [
        ("lost-reply", 1, False),
        ("cut-before", 0, False),
    ]


@pytest.mark.nightly  # a further environment to install
def test_a_release_without_a_constructor_says_why_it_is_not_measured(worker: Worker) -> None:
    asynchronous = REDIS_PY.constructors[2]
    row = measure_driver(worker, REDIS_PY, "3.5.3", asynchronous, PUSH)
    assert row.behaviours == ()
    assert "redis.asyncio" in row.reason

"""One fault case, judged, here and written by hand with testcontainers and Toxiproxy: how many fit into the same time.

The case: the reply to one enqueue is lost, the caller tries again; then the job must be there, and once only. By hand
it runs in two ways: with containers of its own, as people write it, and with containers that are kept. Here it is
run on the embedded server, and on one in a container. Each way is checked in each round.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any

import pytest
import redis

from midpipe.faultinject.decide.replay import Replay
from midpipe.faultinject.decide.schedule import parse_replay_string
from midpipe.faultinject.faults import CATALOGUE
from midpipe.faultinject.servers import container
from midpipe.faultinject.servers.opening import CONTAINER, ServerSpec
from midpipe.reference.queue import Queue
from midpipe.scenarios.explore.running import run_schedule, warm_up
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.programs.registry import program_named
from tests.support import toxiproxy_container

pytestmark = pytest.mark.docker
CASE = "enqueue-with-request-id: A1:EVALSHA!lost-reply"
LISTEN = 8666
JOB: dict[str, Any] = {
    "job_id": "job-1",
    "action_provider": "mail",
    "action_name": "send",
    "params": {"to": "a@example.com"},
    "workspace_id": "acme",
    "actor_id": "ann",
    "client_request_id": "request-1",
}


class ByHand:
    """A Redis, a Toxiproxy, and a proxy between them, as a person sets them up."""

    def __init__(self, redis_container: Any, toxiproxy_container: Any) -> None:
        from toxiproxy import Toxiproxy

        self._direct = redis_container.get_client(decode_responses=True)
        host = toxiproxy_container.get_container_host_ip()
        self._api = (host, toxiproxy_container.get_exposed_port(8474))
        self._client = Toxiproxy()
        self._client.update_api_consumer(*self._api)
        self._proxy = self._client.create(
            name="redis", listen=f"0.0.0.0:{LISTEN}", upstream="redis:6379"
        )
        self._url = f"redis://{host}:{toxiproxy_container.get_exposed_port(LISTEN)}/0"

    def case(self) -> None:
        """Lose the reply of one enqueue, try again, and look whether the job is there once."""
        # The client library has one address for all; another Toxiproxy may have taken it.
        self._client.update_api_consumer(*self._api)
        self._direct.flushall()
        queue = Queue(self._url)
        # Connects, and teaches the server the script; otherwise the handshake's reply would be lost, or NOSCRIPT.
        assert queue.enqueue(**{**JOB, "job_id": "job-0", "client_request_id": "request-0"})
        self._proxy.add_toxic(
            name="lost", type="limit_data", stream="downstream", attributes={"bytes": 1}
        )
        with pytest.raises(redis.ConnectionError):
            queue.enqueue(**JOB)
        self._proxy.destroy_toxic("lost")
        assert queue.enqueue(**JOB) is False
        job = queue.get_job("job-1", workspace_id="acme")
        assert job is not None
        assert (job["status"], queue.get_queue_depth()) == ("pending", 2)

    def close(self) -> None:
        self._direct.close()


@contextmanager
def containers() -> Iterator[ByHand]:
    """Start both containers on a network of their own."""
    from testcontainers.community.redis import RedisContainer
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.network import Network
    from testcontainers.core.wait_strategies import HttpWaitStrategy

    images = (
        os.environ.get("MIDPIPE_REDIS_IMAGE") or container.DEFAULT_IMAGE,
        os.environ.get("MIDPIPE_TOXIPROXY_IMAGE") or toxiproxy_container.DEFAULT_IMAGE,
    )
    with ExitStack() as stack:
        network = stack.enter_context(Network())
        store = RedisContainer(images[0]).with_command("--protected-mode no --save ''")
        store.with_network(network).with_network_aliases("redis")
        proxy = DockerContainer(images[1]).with_exposed_ports(8474, LISTEN).with_network(network)
        # As quick as can be: the wait is not to be what is measured.
        proxy.waiting_for(HttpWaitStrategy(8474, "/version").with_poll_interval(0.01))
        stack.enter_context(store)
        stack.enter_context(proxy)
        yield stack.enter_context(closing(ByHand(store, proxy)))


def with_fresh_containers() -> None:
    with containers() as by_hand:
        by_hand.case()


@pytest.fixture(scope="module", autouse=True)
def engine() -> None:
    """Skip without an engine."""
    docker = pytest.importorskip("docker")
    try:
        with closing(docker.from_env(timeout=10)) as client:
            client.ping()
    except docker.errors.DockerException as error:
        # The other half of the comparison is a container, and not every machine that measures has an engine.
        pytest.skip(f"no container engine answers: {error}")


@contextmanager
def cases_of(spec: ServerSpec) -> Iterator[Callable[[], None]]:
    """Yield what runs the case once in midpipe, on a server and in a process that are kept, and judges it."""
    name, schedule = parse_replay_string(CASE, CATALOGUE)
    program = program_named(name)
    with closing(Worker(spec)) as worker:
        rig = worker.rig(SubjectSpec())
        warm_up(rig, program, 5_000.0, schedule)

        def case() -> None:
            record = run_schedule(rig, program, Replay(schedule), 5_000.0)
            assert (record.invalid_reason, record.violations, record.faults) == ("", (), 1)

        yield case


def median_s(case: Callable[[], None], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        begun_s = time.perf_counter()
        case()
        times.append(time.perf_counter() - begun_s)
    return statistics.median(times)


def test_a_fault_case_against_the_same_case_written_by_hand(benchmark: Any) -> None:
    image = os.environ.get("MIDPIPE_REDIS_IMAGE") or container.DEFAULT_IMAGE
    medians: dict[str, list[float]] = {}

    def measure() -> None:
        """All the ways, one after the other, so that a busy moment meets them all."""
        with (
            cases_of(ServerSpec()) as embedded,
            cases_of(ServerSpec(CONTAINER, image)) as in_container,
            containers() as by_hand,
        ):
            for _ in range(4):
                for way, case, rounds in (
                    ("embedded", embedded, 20),
                    ("in_container", in_container, 20),
                    ("by_hand_kept", by_hand.case, 10),
                    ("by_hand_fresh", with_fresh_containers, 1),
                ):
                    medians.setdefault(way, []).append(median_s(case, rounds))

    benchmark.pedantic(measure, rounds=1, iterations=1)
    found = {way: statistics.median(times) for way, times in medians.items()}
    benchmark.extra_info.update(
        **{f"{way}_ms": round(seconds * 1000, 2) for way, seconds in found.items()},
        **{
            f"{hand}_over_{here}": round(found[hand] / found[here], 1)
            for hand in ("by_hand_fresh", "by_hand_kept")
            for here in ("embedded", "in_container")
        },
    )

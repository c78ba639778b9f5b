"""The reference through Sentinels and in a Cluster: servers that die, replies that are lost, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, cast

import pytest
import redis
from redis.sentinel import Sentinel

from midpipe.faultinject.errors import ServerError
from midpipe.faultinject.faults import CATALOGUE
from midpipe.faultinject.faults.effects import PASS, WireEffects
from midpipe.faultinject.reaper import RunDirectory
from midpipe.faultinject.servers.node import Node
from midpipe.faultinject.servers.origins import FromBinary
from midpipe.faultinject.servers.sentinel import SERVICE, SentinelGroup
from midpipe.faultinject.wire.received import ReceivedCommand
from midpipe.reference import Queue
from midpipe.reference.migration import Phase
from midpipe.reference.scripts import Durability
from midpipe.scenarios.drivers.announced_front import AnnouncedFront
from tests.real.conftest import PlannedDirector
from tests.real.queues import job
from tests.real.waiting import wait_until
from tests.support.cluster import PRIMARIES, Cluster

TAG = "{ai}:"
NEW = Phase.NEW
TIMES = "socket_timeout=1&socket_connect_timeout=1"


@pytest.fixture(scope="module")
def before_sentinels() -> Iterator[AnnouncedFront]:
    with closing(AnnouncedFront()) as fronted:
        yield fronted


@pytest.fixture(scope="module")
def sentinels(
    run_directory: RunDirectory, before_sentinels: AnnouncedFront
) -> Iterator[SentinelGroup]:
    group = SentinelGroup(FromBinary(None, run_directory), before_sentinels.announce)
    yield group
    group.stop()


@pytest.fixture(scope="module")
def before_cluster() -> Iterator[AnnouncedFront]:
    with closing(AnnouncedFront()) as fronted:
        yield fronted


@pytest.fixture(scope="module")
def cluster(run_directory: RunDirectory, before_cluster: AnnouncedFront) -> Iterator[Cluster]:
    started = Cluster(FromBinary(None, run_directory), before_cluster.announce)
    yield started
    started.stop()


def url_of(group: SentinelGroup, query: str = TIMES) -> str:
    hosts = ",".join(f"{host}:{port}" for host, port in group.addresses)
    return f"redis+sentinel://{hosts}/{SERVICE}?{query}"


def url_in(cluster: Cluster) -> str:
    hosts = ",".join(f"127.0.0.1:{port}" for port in cluster.announced)
    return f"redis+cluster://{hosts}?{TIMES}"


@pytest.fixture
def watched(sentinels: SentinelGroup) -> Iterator[Queue]:
    sentinels.primary.call("FLUSHALL")
    with closing(Queue(url_of(sentinels), phase=NEW)) as queue:
        yield queue


@pytest.fixture
def spread(cluster: Cluster) -> Iterator[Queue]:
    cluster.primary_of(TAG).call("FLUSHALL")
    with closing(Queue(url_in(cluster), phase=NEW, prefix=TAG)) as queue:
        yield queue


def does_everything(queue: Queue) -> None:
    """Make every call of a queue that is empty."""
    assert queue.enqueue(**job(client_request_id="r-1")) is True
    assert queue.enqueue(**job(client_request_id="r-1")) is False
    assert queue.get_queue_depth() == 1
    queue.wait(0.1)
    claimed = queue.claim("worker-1")
    assert claimed is not None
    token = claimed["lease_token"]
    assert queue.heartbeat("job-1", token)
    assert queue.complete("job-1", "acme", token, {"sent": True})
    queue.enqueue(**job("job-2"))
    queue.update_status("job-2", "running", workspace_id="acme")
    page = queue.list_jobs("acme")["items"]
    assert [(item["job_id"], item["status"]) for item in page] == [
        ("job-2", "running"),
        ("job-1", "completed"),
    ]
    assert cast("dict[str, Any]", queue.get_job("job-1", "acme"))["result"] == {"sent": True}


def until_answered(call: Callable[[], bool]) -> list[bool]:
    """Make the call again until it answers, as callers do while another server takes over."""
    answers: list[bool] = []

    def is_answered() -> bool:
        try:
            answers.append(call())
        except redis.RedisError:
            return False
        return True

    wait_until(is_answered, within_s=30.0)
    return answers


class LosesAReply(PlannedDirector):
    """Loses the reply to the first script that is run."""

    sent = 0

    def _effects(self, received: ReceivedCommand, inside: int) -> WireEffects:
        if not received.command.name.startswith(b"EVAL"):
            return PASS
        self.sent += 1
        lost = CATALOGUE["lost-reply"].effects(len(received.command.raw), None).wire
        return lost if self.sent == 1 else PASS


def lose_a_reply(fronted: AnnouncedFront, port: int) -> LosesAReply:
    """Lose a reply on a connection that is made from now on by way of a port."""
    director = LosesAReply()
    assert fronted.front is not None
    fronted.front.listeners[fronted.front.ports.index(port)].director = director
    return director


def test_every_call_works_through_sentinels(watched: Queue) -> None:
    does_everything(watched)


def test_every_call_works_with_a_driver_that_asks_sentinels(sentinels: SentinelGroup) -> None:
    sentinels.primary.call("FLUSHALL")
    asking: Any = Sentinel(list(sentinels.addresses), decode_responses=True)  # type: ignore[no-untyped-call] # has none
    with closing(Queue(client=asking.master_for(SERVICE), phase=NEW)) as queue:
        does_everything(queue)


def test_a_queue_through_sentinels_waits_for_the_replica(sentinels: SentinelGroup) -> None:
    sentinels.primary.call("FLUSHALL")
    with closing(Queue(url_of(sentinels), phase=NEW, durability=Durability(1))) as queue:
        assert queue.enqueue(**job()) is True
    replica = next(node for node in sentinels.nodes if node is not sentinels.primary)
    assert replica.call("LLEN", "ai:queue:pending") == 1


def test_a_lost_reply_through_sentinels_and_the_proxy_costs_nothing(
    sentinels: SentinelGroup, before_sentinels: AnnouncedFront
) -> None:
    sentinels.primary.call("FLUSHALL")
    port = sentinels.announced[sentinels.nodes.index(sentinels.primary)]
    director = lose_a_reply(before_sentinels, port)
    with closing(Queue(url_of(sentinels), phase=NEW)) as queue:
        queue.enqueue(**job())
    assert director.sent > 1
    assert sentinels.primary.call("LLEN", "ai:queue:pending") == 1


def claimed_from(queue: Queue) -> list[str | None]:
    """Return the jobs that three workers claim."""
    claims = [queue.claim(f"worker-{number}") for number in range(3)]
    return [None if claimed is None else claimed["job_id"] for claimed in claims]


def test_the_queue_goes_on_once_another_server_has_taken_over(
    killed_sentinels: SentinelGroup,
) -> None:
    group = killed_sentinels
    with closing(Queue(url_of(group), phase=NEW)) as queue:
        queue.enqueue(**job("job-1"))
        wait_until(lambda: group.nodes[1].call("LLEN", "ai:queue:pending") == 1)
        before = group.primary
        group.fail_over()
        until_answered(lambda: queue.enqueue(**job("job-2")))
        assert group.primary is not before
        assert claimed_from(queue) == ["job-1", "job-2", None]


def test_a_sentinel_url_without_a_service_is_refused() -> None:
    with pytest.raises(ValueError, match="names the service"):
        Queue("redis+sentinel://127.0.0.1:26379")


def test_every_call_works_in_a_cluster(spread: Queue) -> None:
    does_everything(spread)


def test_every_call_works_with_a_driver_for_a_cluster(cluster: Cluster) -> None:
    cluster.primary_of(TAG).call("FLUSHALL")
    driver = redis.RedisCluster(host="127.0.0.1", port=cluster.announced[0], decode_responses=True)
    with closing(Queue(client=driver, phase=NEW, prefix=TAG)) as queue:
        does_everything(queue)


def test_every_key_lives_in_the_slot_of_the_hash_tag(cluster: Cluster, spread: Queue) -> None:
    does_everything(spread)
    slots = set()
    for node in cluster.nodes[:PRIMARIES]:
        for key in cast("tuple[bytes, ...]", node.call("KEYS", "*")):
            slots.add(node.call("CLUSTER", "KEYSLOT", key))
    assert slots == {cluster.nodes[0].call("CLUSTER", "KEYSLOT", TAG)}


@pytest.mark.parametrize("prefix", ["", "ai:", "{}:", "}{", "{ai"])
def test_a_prefix_that_leaves_the_slot_open_is_refused_in_a_cluster(
    cluster: Cluster, prefix: str
) -> None:
    with pytest.raises(ValueError, match="a prefix with a hash tag"):
        Queue(url_in(cluster), phase=NEW, prefix=prefix)


def test_a_backfill_is_refused_in_a_cluster(spread: Queue) -> None:
    with pytest.raises(ValueError, match="backfill before you move"):
        spread.backfill()


def test_a_node_of_a_cluster_that_is_taken_for_a_server_refuses_and_writes_nothing(
    cluster: Cluster,
) -> None:
    node = cluster.nodes[0]
    before = node.call("DBSIZE")
    with (
        closing(Queue(f"redis://127.0.0.1:{node.port}", phase=NEW)) as queue,
        pytest.raises(redis.ResponseError, match="don't hash to the same slot"),
    ):
        queue.enqueue(**job())
    assert node.call("DBSIZE") == before


def test_a_lost_reply_in_a_cluster_costs_nothing(
    cluster: Cluster, before_cluster: AnnouncedFront
) -> None:
    serving = cluster.primary_of(TAG)
    serving.call("FLUSHALL")
    director = lose_a_reply(before_cluster, cluster.announced[cluster.nodes.index(serving)])
    with closing(Queue(url_in(cluster), phase=NEW, prefix=TAG)) as queue:
        queue.enqueue(**job())
    assert director.sent > 1
    assert serving.call("LLEN", f"{TAG}ai:queue:pending") == 1


def replica_of(cluster: Cluster, primary: Node) -> Node:
    return cluster.nodes[(cluster.nodes.index(primary) + PRIMARIES) % (2 * PRIMARIES)]


def test_what_a_queue_in_a_cluster_acknowledged_after_waiting_is_there_when_a_replica_took_over(
    killed_cluster: Cluster,
) -> None:
    cluster = killed_cluster
    serving = cluster.primary_of(TAG)
    with closing(Queue(url_in(cluster), phase=NEW, prefix=TAG, durability=Durability(1))) as queue:
        assert queue.enqueue(**job("job-1")) is True
        cluster.fail_over(serving)
        with pytest.raises(ServerError):
            serving.call("PING")
        until_answered(lambda: queue.get_job("job-1", "acme") is not None)
    assert cluster.primary_of(TAG) is replica_of(cluster, serving)
    # A queue that is made afterwards goes on with what is there; no replica is left for it to wait for.
    with closing(Queue(url_in(cluster), phase=NEW, prefix=TAG)) as queue:
        assert until_answered(lambda: queue.enqueue(**job("job-2"))) == [True]
        assert claimed_from(queue) == ["job-1", "job-2", None]

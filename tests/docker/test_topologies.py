"""A replica, Sentinels and a Cluster in containers behave like those started from a binary."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from midpipe.faultinject.errors import ServerError
from midpipe.faultinject.ports import BUS_OFFSET
from midpipe.faultinject.reaper import RunDirectory
from midpipe.faultinject.servers.container import ContainerNode
from midpipe.faultinject.servers.engine import ContainerGroup
from midpipe.faultinject.servers.opening import ServerSpec, open_server, origin_of
from midpipe.faultinject.servers.pair import Pair
from midpipe.faultinject.servers.persistence import Persistence
from midpipe.faultinject.servers.sentinel import SentinelGroup
from midpipe.scenarios.drivers.announced_front import AnnouncedFront
from midpipe.scenarios.latency.bench import BenchPlan, LatencyBench
from midpipe.scenarios.latency.entrants import Entrant
from midpipe.scenarios.model.spec import REFERENCE, SubjectSpec
from tests.real import test_failover as replicas
from tests.real import test_reference_availability as queues
from tests.real import test_topologies as groups
from tests.support.cluster import Cluster
from tests.support.replicated import cluster_of, sentinels_of

pytestmark = pytest.mark.docker
LISTENS = "0A"
LOOPBACK = "0100007F"


@pytest.fixture(scope="module")
def pair(spec: ServerSpec, run_directory: RunDirectory) -> Iterator[Pair]:
    started = open_server(spec, run_directory, Persistence.REPLICA)
    assert isinstance(started, Pair)
    yield started
    started.stop()


@pytest.fixture(scope="module")
def before_sentinels() -> Iterator[AnnouncedFront]:
    announcing = AnnouncedFront()
    yield announcing
    announcing.close()


@pytest.fixture(scope="module")
def fronted(before_sentinels: AnnouncedFront) -> AnnouncedFront:
    return before_sentinels


@pytest.fixture(scope="module")
def sentinels(
    spec: ServerSpec, run_directory: RunDirectory, before_sentinels: AnnouncedFront
) -> Iterator[SentinelGroup]:
    group = SentinelGroup(origin_of(spec, run_directory), before_sentinels.announce)
    yield group
    group.stop()


@pytest.fixture(scope="module")
def before_cluster() -> Iterator[AnnouncedFront]:
    announcing = AnnouncedFront()
    yield announcing
    announcing.close()


@pytest.fixture(scope="module")
def cluster(
    spec: ServerSpec, run_directory: RunDirectory, before_cluster: AnnouncedFront
) -> Iterator[Cluster]:
    started = Cluster(origin_of(spec, run_directory), before_cluster.announce)
    yield started
    started.stop()


@pytest.fixture
def killed_sentinels(spec: ServerSpec, run_directory: RunDirectory) -> Iterator[SentinelGroup]:
    """Sentinels and servers for one test, which kills the primary."""
    with sentinels_of(origin_of(spec, run_directory)) as group:
        yield group


@pytest.fixture
def killed_cluster(spec: ServerSpec, run_directory: RunDirectory) -> Iterator[Cluster]:
    """A Cluster for one test, which kills a primary."""
    with cluster_of(origin_of(spec, run_directory)) as started:
        yield started


watched = queues.watched
spread = queues.spread


def listening() -> set[tuple[str, int]]:
    """Return the addresses and ports that this machine listens on, addresses as /proc writes them."""
    rows = [
        line.split()
        for table in Path("/proc/net").glob("tcp*")
        for line in table.read_text().splitlines()[1:]
    ]
    ends = [row[1].rsplit(":", 1) for row in rows if row[3] == LISTENS]
    return {(address, int(port, 16)) for address, port in ends}


test_what_the_replica_has_got_is_there = replicas.test_replicated_writes_survive_a_failover
test_what_was_acknowledged_while_the_replica_was_cut_off_is_gone = (
    replicas.test_writes_acknowledged_while_the_replica_was_disconnected_are_lost_in_a_failover
)
test_a_replica_that_was_cut_off_gets_everything_once_it_catches_up = (
    replicas.test_a_disconnected_replica_receives_every_write_once_it_catches_up
)
test_the_one_that_died_comes_back_as_the_replica = (
    replicas.test_the_killed_primary_comes_back_as_the_replica
)
test_a_command_that_the_replica_has_got_survives_the_failover = (
    replicas.test_a_replicated_command_survives_the_failover_and_its_retry_finds_the_job
)
test_a_failover_to_a_replica_that_lags_loses_a_job_that_was_acknowledged = (
    replicas.test_a_failover_to_a_lagging_replica_loses_an_acknowledged_job
)
test_a_queue_that_waits_acknowledges_nothing_that_a_failover_loses = (
    replicas.test_a_queue_that_waits_for_the_replica_acknowledges_no_job_that_a_failover_loses
)
test_a_queue_that_waits_for_a_replica_that_lags_says_so = (
    replicas.test_a_queue_that_waits_for_a_lagging_replica_reports_that_the_job_is_not_durable
)


test_every_sentinel_names_the_port_of_the_proxy = (
    groups.test_every_sentinel_names_the_port_of_the_proxy
)
test_the_replica_follows_through_the_proxy = groups.test_the_replica_follows_through_the_proxy
test_every_call_works_through_sentinels = queues.test_every_call_works_through_sentinels
test_a_lost_reply_through_sentinels_and_the_proxy_costs_nothing = (
    queues.test_a_lost_reply_through_sentinels_and_the_proxy_costs_nothing
)
test_the_queue_goes_on_once_another_server_has_taken_over = (
    queues.test_the_queue_goes_on_once_another_server_has_taken_over
)


test_every_slot_of_a_cluster_has_a_primary_with_a_replica = (
    groups.test_every_slot_of_a_cluster_has_a_primary_with_a_replica
)
test_every_call_works_in_a_cluster = queues.test_every_call_works_in_a_cluster
test_a_lost_reply_in_a_cluster_costs_nothing = queues.test_a_lost_reply_in_a_cluster_costs_nothing


def test_every_node_is_open_on_the_loopback_of_this_machine_only(
    cluster: Cluster, sentinels: SentinelGroup
) -> None:
    ports = {node.port for node in (*sentinels.sentinels, *cluster.nodes)}
    ports |= {node.port + BUS_OFFSET for node in cluster.nodes}
    assert {end for end in listening() if end[1] in ports} == {(LOOPBACK, port) for port in ports}


def test_jobs_acknowledged_after_waiting_survive_the_primary(killed_cluster: Cluster) -> None:
    queues.test_what_a_queue_in_a_cluster_acknowledged_after_waiting_is_there_when_a_replica_took_over(
        killed_cluster
    )


def test_calls_fail_in_a_failover_until_the_replica_is_the_primary(spec: ServerSpec) -> None:
    entrant = Entrant(REFERENCE, SubjectSpec(REFERENCE))
    bench = LatencyBench(
        spec,
        BenchPlan(
            entrants=(entrant,),
            networks=("loopback",),
            rates=(),
            rounds=1,
            calls=5,
            max_p99_ratio=None,
            outage_s=0.0,
            failover=True,
        ),
    )
    try:
        assert len(list(bench.run())) == bench.rounds
    finally:
        bench.close()
    (outage,) = bench.outages
    answered = [call.ok for call in outage.calls]
    assert (answered[0], answered[-1], all(answered)) == (True, True, False)


def test_a_node_is_distinguished_from_another_server_on_its_port(
    sentinels: SentinelGroup, redis_image: str, run_directory: RunDirectory
) -> None:
    group = ContainerGroup(run_directory)
    taken = sentinels.sentinels[0].port
    words = ("--bind", "127.0.0.1", "--port", str(taken))
    with pytest.raises(ServerError, match="exited before its server answered"):
        ContainerNode(redis_image, group, taken, words, "")
    group.close()

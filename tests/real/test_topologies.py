"""Sentinel and Cluster from one binary: they find each other, announce a proxy, fail over, and leave nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import cast

import pytest

from midpipe.faultinject.reaper import RunDirectory
from midpipe.faultinject.servers.control import Control, ReplyError
from midpipe.faultinject.servers.origins import FromBinary
from midpipe.faultinject.servers.sentinel import SENTINELS, SERVICE, SentinelGroup
from midpipe.faultinject.vocabulary import Address
from midpipe.scenarios.drivers.announced_front import AnnouncedFront
from tests.real.processes import started_by
from tests.real.waiting import is_running, wait_until
from tests.support.children import running
from tests.support.cluster import PRIMARIES, Cluster


@pytest.fixture(scope="module")
def fronted() -> Iterator[AnnouncedFront]:
    announcing = AnnouncedFront()
    yield announcing
    announcing.close()


@pytest.fixture(scope="module")
def sentinels(run_directory: RunDirectory, fronted: AnnouncedFront) -> Iterator[SentinelGroup]:
    group = SentinelGroup(FromBinary(None, run_directory), fronted.announce)
    yield group
    group.stop()


@pytest.fixture(scope="module")
def cluster(run_directory: RunDirectory) -> Iterator[Cluster]:
    started = Cluster(FromBinary(None, run_directory))
    yield started
    started.stop()


def call(port: int, *words: str) -> object:
    with closing(Control(Address(host="127.0.0.1", port=port))) as control:
        return control.call(*words)


def test_every_sentinel_names_the_port_of_the_proxy(
    sentinels: SentinelGroup, fronted: AnnouncedFront
) -> None:
    assert fronted.front is not None
    named = [
        call(port, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)
        for _, port in sentinels.addresses
    ]
    assert named == [(b"127.0.0.1", str(fronted.front.ports[0]).encode())] * SENTINELS


def test_the_replica_follows_through_the_proxy(
    sentinels: SentinelGroup, fronted: AnnouncedFront
) -> None:
    assert fronted.front is not None
    status = sentinels.nodes[1].info("replication")
    assert (status["master_port"], status["master_link_status"]) == (
        str(fronted.front.ports[0]),
        "up",
    )


def test_sentinels_promote_the_replica_and_report_its_port(killed_sentinels: SentinelGroup) -> None:
    group = killed_sentinels
    assert group.primary is group.nodes[0]
    group.fail_over()
    named = call(group.addresses[0][1], "SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)
    port = group.announced[1]
    assert named == (b"127.0.0.1", str(port).encode())
    assert call(port, "SET", "k", "v") == "OK"


def test_every_slot_of_a_cluster_has_a_primary_with_a_replica(cluster: Cluster) -> None:
    slots = cast(
        "tuple[tuple[int, int, object, object], ...]",
        call(cluster.nodes[0].port, "CLUSTER", "SLOTS"),
    )
    served = sorted((row[0], row[1], len(row) - 2) for row in slots)
    assert served == [(0, 5461, 2), (5462, 10923, 2), (10924, 16383, 2)]


def test_a_node_redirects_commands_for_another_node_s_slots(cluster: Cluster) -> None:
    serving = cluster.primary_of("k")
    other = next(node for node in cluster.nodes[:PRIMARIES] if node is not serving)
    with pytest.raises(ReplyError, match=f"MOVED .* 127.0.0.1:{serving.port}"):
        other.call("SET", "k", "v")


def test_a_replica_takes_over_the_slots_of_a_primary_that_died(killed_cluster: Cluster) -> None:
    cluster = killed_cluster
    before = cluster.primary_of("k")
    before.call("SET", "k", "v")
    cluster.fail_over(before)
    after = cluster.primary_of("k")
    assert cluster.nodes.index(after) == cluster.nodes.index(before) + PRIMARIES
    assert after.call("SET", "k", "w") == "OK"


CHILD = """
import sys, time
from midpipe.faultinject.reaper import RunDirectory
from tests.support.cluster import Cluster
from midpipe.faultinject.servers.origins import FromBinary
from midpipe.faultinject.servers.pair import Pair
from midpipe.faultinject.servers.persistence import Persistence
from midpipe.faultinject.servers.sentinel import SentinelGroup
run = RunDirectory()
origin = FromBinary(None, run)
if sys.argv[1] == "pair":
    servers = Pair(origin, Persistence.REPLICA)
else:
    servers = {"sentinel": SentinelGroup, "cluster": Cluster}[sys.argv[1]](origin)
print(run.path, flush=True)
time.sleep(60)
"""


def servers_of(pid: int) -> list[int]:
    """Return the processes that a process has started, the reaper left out."""
    return [found for found, command in started_by(pid).items() if "midpipe-reaper" not in command]


@pytest.mark.parametrize(("topology", "processes"), [("pair", 2), ("sentinel", 5), ("cluster", 6)])
def test_nothing_of_a_topology_is_left_when_midpipe_is_killed(
    topology: str, processes: int
) -> None:
    with running(
        [sys.executable, "-c", CHILD, topology],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
    ) as child:
        assert child.stdout is not None
        directory = child.stdout.readline().strip()
        pids = servers_of(child.pid)
        assert len(pids) == processes
        child.send_signal(signal.SIGKILL)
        child.wait()
    wait_until(lambda: not any(map(is_running, pids)) and not Path(directory).exists())

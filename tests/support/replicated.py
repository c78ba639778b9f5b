"""Servers that replace each other, for one test: behind proxies that announce their own ports, stopped in the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from midpipe.faultinject.servers.node import Origin
from midpipe.faultinject.servers.sentinel import SentinelGroup
from midpipe.scenarios.drivers.announced_front import AnnouncedFront
from tests.support.cluster import Cluster


@contextmanager
def sentinels_of(origin: Origin) -> Iterator[SentinelGroup]:
    """Start Sentinels with a primary and its replica.

    Args:
        origin: starts each of the servers.
    """
    with closing(AnnouncedFront()) as front:
        group = SentinelGroup(origin, front.announce)
        yield group
        group.stop()


@contextmanager
def cluster_of(origin: Origin) -> Iterator[Cluster]:
    """Start a Cluster. Arguments as for ``sentinels_of``."""
    with closing(AnnouncedFront()) as front:
        started = Cluster(origin, front.announce)
        yield started
        started.stop()

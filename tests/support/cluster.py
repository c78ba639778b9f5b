"""A Redis Cluster of three primaries with a replica each, of one binary or one image.

The nodes may announce the ports of a proxy: then clients and replicas go through the proxy, but the cluster bus does
not.

Source: https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/ (MEET, ADDSLOTS, REPLICATE; config
epochs that differ from the start save the nodes from having to agree) and redis.conf (cluster-announce-port).
"""

from __future__ import annotations

from typing import Any, cast

from midpipe.faultinject.errors import ServerError
from midpipe.faultinject.ports import BUS_OFFSET, LOOPBACK
from midpipe.faultinject.servers.node import (
    REPLICATED,
    Announce,
    Node,
    Origin,
    announced_ports,
    await_condition,
)
from midpipe.faultinject.servers.server import fields_of

PRIMARIES = 3
SLOTS = 16_384
Slots = tuple[tuple[Any, ...], ...]
"""An answer to CLUSTER SLOTS: first and last slot, the primary (address, port, …), its replicas."""
_OPTIONS = (
    *REPLICATED,
    *("--cluster-enabled", "yes"),
    *("--cluster-config-file", "nodes.conf"),
    *("--cluster-node-timeout", "3000"),
    # A replica may take over however long it was disconnected.
    *("--cluster-replica-validity-factor", "0"),
    # Since 7.0 nodes list a replica only once it has received something; the first is its primary's ping.
    *("--repl-ping-replica-period", "1"),
)
_KNOWN_WITHIN_S, _TAKEN_OVER_WITHIN_S = 30.0, 60.0
_POLL_S = 0.02


class Cluster:
    """Six running servers: node ``n`` is a primary and ``n + 3`` its replica, until a failover. Stop with ``stop``.

    Args:
        origin: starts the six; closed with them.
        announce: returns the ports that the six announce; None has them announce their own.

    Raises:
        ServerError: they don't start, or don't find each other.
    """

    def __init__(self, origin: Origin, announce: Announce | None = None) -> None:
        self._origin = origin
        self.nodes: list[Node] = []
        try:
            for _ in range(2 * PRIMARIES):
                self.nodes.append(Node(origin, _OPTIONS))
            self.announced = announced_ports(self.nodes, announce)
            for node, port in zip(self.nodes, self.announced, strict=True):
                node.call("CONFIG", "SET", "cluster-announce-port", port)
                node.call("CONFIG", "SET", "cluster-announce-bus-port", node.port + BUS_OFFSET)
            self._join()
        except BaseException:
            self.stop()
            raise

    def primary_of(self, key: str) -> Node:
        """Return the node that serves a key now. Raises ServerError."""
        asked = next(node for node in self.nodes if node.server.is_running)
        slot = cast(int, asked.call("CLUSTER", "KEYSLOT", key))
        for first, last, primary, *_ in cast("Slots", asked.call("CLUSTER", "SLOTS")):
            if first <= slot <= last:
                return self.nodes[self.announced.index(primary[1])]
        raise ServerError(f"No node of the Cluster serves the slot of {key!r}.")

    def fail_over(self, gone: Node) -> None:
        """Kill a primary (SIGKILL), and wait until every node knows that its replica serves its slots."""
        gone.stop()
        port = self.announced[self.nodes.index(gone)]

        def has_taken_over() -> bool:
            return all(
                _state_of(node) == "ok" and port not in _ports_of(node)
                for node in self.nodes
                if node.server.is_running
            )

        await_condition(has_taken_over, _TAKEN_OVER_WITHIN_S, "take over the slots", _POLL_S)

    def stop(self) -> None:
        """End every process; safe to call twice."""
        self._origin.close()

    def _join(self) -> None:
        """Assign the slots, introduce the nodes to each other, and make the second half replicas of the first."""
        first = self.nodes[0]
        share = -(-SLOTS // PRIMARIES)
        for number, node in enumerate(self.nodes):
            node.call("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            if number < PRIMARIES:
                slots = range(number * share, min(SLOTS, (number + 1) * share))
                # Before 7.0 there is no command for a range of them.
                node.call("CLUSTER", "ADDSLOTS", *slots)
            if node is not first:
                node.call("CLUSTER", "MEET", LOOPBACK, first.port, first.port + BUS_OFFSET)
        await_condition(self._all_know_each_other, _KNOWN_WITHIN_S, "find each other", _POLL_S)
        for primary, replica in zip(self.nodes[:PRIMARIES], self.nodes[PRIMARIES:], strict=True):
            replica.call("CLUSTER", "REPLICATE", cast(bytes, primary.call("CLUSTER", "MYID")))
        await_condition(self._is_whole, _KNOWN_WITHIN_S, "become a Cluster", _POLL_S)

    def _all_know_each_other(self) -> bool:
        for node in self.nodes:
            lines = cast(bytes, node.call("CLUSTER", "NODES")).decode().splitlines()
            if len(lines) != len(self.nodes) or any("handshake" in line for line in lines):
                return False
        return True

    def _is_whole(self) -> bool:
        """Whether every node serves, and knows each primary's replica."""
        if any(_state_of(node) != "ok" or not _knows_every_replica(node) for node in self.nodes):
            return False
        replicas = self.nodes[PRIMARIES:]
        return all(
            replica.info("replication").get("master_link_status") == "up" for replica in replicas
        )


def _state_of(node: Node) -> str:
    return fields_of(node.call("CLUSTER", "INFO"))["cluster_state"]


def _knows_every_replica(node: Node) -> bool:
    rows = cast("Slots", node.call("CLUSTER", "SLOTS"))
    return len(rows) == PRIMARIES and all(len(row) > 3 for row in rows)


def _ports_of(node: Node) -> set[int]:
    """Return the ports of the primaries, as a node reports them to clients."""
    return {row[2][1] for row in cast("Slots", node.call("CLUSTER", "SLOTS"))}

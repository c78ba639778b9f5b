"""A Cluster of three primaries with a replica each, of one binary or one image, found together without a tool.

The nodes may announce other ports than their own, those of a proxy: then clients and replicas go that way; what the
nodes tell each other (their bus) does not.

Source: https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/ (MEET, ADDSLOTS, REPLICATE; config
epochs that differ from the start save the nodes from having to agree) and redis.conf (cluster-announce-port).
"""

from __future__ import annotations

from typing import Any, cast

from midpipe.faultinject.errors import ServerError
from midpipe.faultinject.servers.node import (
    REPLICATED,
    Announce,
    Node,
    Origin,
    await_that,
    known_ports,
)
from midpipe.faultinject.servers.ports import BUS_OFFSET, LOOPBACK
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
    # A replica takes over however long it was cut off.
    *("--cluster-replica-validity-factor", "0"),
    # Since 7.0 nobody is told of a replica that has got nothing yet; the first that comes is its primary's ping.
    *("--repl-ping-replica-period", "1"),
)
_KNOWN_WITHIN_S, _TAKEN_OVER_WITHIN_S = 30.0, 60.0
_POLL_S = 0.02


class Cluster:
    """Six running servers: node ``n`` is a primary and ``n + 3`` its replica, until one fails. Stop it with ``stop``.

    Args:
        origin: what the six come from; it ends with them.
        announce: tells the ports by which the six are to be known; their own if None.

    Raises:
        ServerError: they don't start, or don't find each other.
    """

    def __init__(self, origin: Origin, announce: Announce | None = None) -> None:
        self._origin = origin
        self.nodes: list[Node] = []
        try:
            for _ in range(2 * PRIMARIES):
                self.nodes.append(Node(origin, _OPTIONS))
            self.announced = known_ports(self.nodes, announce)
            for node, port in zip(self.nodes, self.announced, strict=True):
                node.told("CONFIG", "SET", "cluster-announce-port", port)
                node.told("CONFIG", "SET", "cluster-announce-bus-port", node.port + BUS_OFFSET)
            self._join()
        except BaseException:
            self.stop()
            raise

    def primary_of(self, key: str) -> Node:
        """Return the node that serves a key now. Raises ServerError."""
        asked = self._asked()
        slot = cast(int, asked.told("CLUSTER", "KEYSLOT", key))
        for first, last, primary, *_ in cast("Slots", asked.told("CLUSTER", "SLOTS")):
            if first <= slot <= last:
                return self.nodes[self.announced.index(primary[1])]
        raise ServerError(f"No node of the Cluster serves the slot of {key!r}.")

    def fail_over(self, gone: Node) -> None:
        """Kill a primary (SIGKILL), and wait until a replica of it serves its slots, and every node knows."""
        gone.stop()
        port = self.announced[self.nodes.index(gone)]

        def has_taken_over() -> bool:
            return all(
                _state_of(node) == "ok" and port not in _ports_of(node)
                for node in self.nodes
                if node.server.is_running
            )

        await_that(has_taken_over, _TAKEN_OVER_WITHIN_S, "take over the slots", _POLL_S)

    def stop(self) -> None:
        """End every process; safe to call twice."""
        self._origin.close()

    def _join(self) -> None:
        """Give out the slots, have the nodes meet, and make the second half replicas of the first."""
        first = self.nodes[0]
        share = -(-SLOTS // PRIMARIES)
        for number, node in enumerate(self.nodes):
            node.told("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            if number < PRIMARIES:
                slots = range(number * share, min(SLOTS, (number + 1) * share))
                # Before 7.0 there is no command for a range of them.
                node.told("CLUSTER", "ADDSLOTS", *slots)
            if node is not first:
                node.told("CLUSTER", "MEET", LOOPBACK, first.port, first.port + BUS_OFFSET)
        await_that(self._all_know_each_other, _KNOWN_WITHIN_S, "find each other", _POLL_S)
        for primary, replica in zip(self.nodes[:PRIMARIES], self.nodes[PRIMARIES:], strict=True):
            replica.told("CLUSTER", "REPLICATE", cast(bytes, primary.told("CLUSTER", "MYID")))
        await_that(self._is_whole, _KNOWN_WITHIN_S, "become a Cluster", _POLL_S)

    def _all_know_each_other(self) -> bool:
        for node in self.nodes:
            lines = cast(bytes, node.told("CLUSTER", "NODES")).decode().splitlines()
            if len(lines) != len(self.nodes) or any("handshake" in line for line in lines):
                return False
        return True

    def _is_whole(self) -> bool:
        """Whether every node serves, and knows of each primary's replica; it hears of the others' by and by."""
        if any(_state_of(node) != "ok" or not _knows_every_replica(node) for node in self.nodes):
            return False
        replicas = self.nodes[PRIMARIES:]
        return all(
            replica.info("replication").get("master_link_status") == "up" for replica in replicas
        )

    def _asked(self) -> Node:
        """Return a node that runs."""
        return next(node for node in self.nodes if node.server.is_running)


def _state_of(node: Node) -> str:
    return fields_of(node.told("CLUSTER", "INFO"))["cluster_state"]


def _knows_every_replica(node: Node) -> bool:
    rows = cast("Slots", node.told("CLUSTER", "SLOTS"))
    return len(rows) == PRIMARIES and all(len(row) > 3 for row in rows)


def _ports_of(node: Node) -> set[int]:
    """Return the ports of the primaries, as a node names them to clients."""
    return {row[2][1] for row in cast("Slots", node.told("CLUSTER", "SLOTS"))}

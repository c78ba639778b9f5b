"""A primary and its replica, watched by three Sentinels that promote the replica when the primary is down.

All are processes of one binary or containers of one image. The two servers may announce the ports of a proxy: then
Sentinels, replica and clients all go through the proxy, since Sentinels report to clients the announced port.

Source: https://redis.io/docs/latest/operate/oss_and_stack/management/sentinel/ (quorum, down-after-milliseconds,
replica-announce-port; SENTINEL DEBUG sets, since 7.0, the periods that are fixed otherwise).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from midpipe.faultinject.ports import LOOPBACK
from midpipe.faultinject.servers.control import ReplyError
from midpipe.faultinject.servers.node import (
    Announce,
    Node,
    Origin,
    announced_ports,
    await_condition,
)

SERVICE = "midpipe"
QUORUM, SENTINELS = 2, 3
# Longer than a busy machine may stall, so that Sentinels don't take a live primary for dead.
_DOWN_AFTER_MS, _FAILOVER_MS = 2_000, 2_000
_KNOWN_WITHIN_S, _TAKEN_OVER_WITHIN_S = 30.0, 60.0
_POLL_S = 0.02
# A Sentinel promotes a replica only if its last INFO is no older than five ping-periods, and asks for INFO once a
# second while the primary is down: with a ping-period of 200 ms or less it drops failovers, and tries again after 4 s.
_PERIODS_MS = (
    ("ping-period", 400),
    ("ask-period", 100),
    ("info-period", 100),
    ("publish-period", 100),
)


class SentinelGroup:
    """Two servers and three Sentinels. Stop it with ``stop``.

    Args:
        origin: starts all of them; closed with this group.
        announce: returns the ports that primary and replica announce; None has them announce their own.

    Raises:
        ServerError: they don't start, or don't find each other.
    """

    def __init__(self, origin: Origin, announce: Announce | None = None) -> None:
        self._origin = origin
        self.nodes: list[Node] = []
        self.sentinels: list[Node] = []
        try:
            for _ in range(2):
                self.nodes.append(Node(origin))
            self.announced = announced_ports(self.nodes, announce)
            for node, port in zip(self.nodes, self.announced, strict=True):
                node.call("CONFIG", "SET", "replica-announce-ip", LOOPBACK)
                node.call("CONFIG", "SET", "replica-announce-port", port)
            self.nodes[1].call("REPLICAOF", LOOPBACK, self.announced[0])
            for _ in range(SENTINELS):
                config = _config(self.announced[0])
                sentinel = Node(origin, ("--sentinel",), config)
                self.sentinels.append(sentinel)
                _shorten_periods(sentinel)
            await_condition(self._all_know_each_other, _KNOWN_WITHIN_S, "find each other", _POLL_S)
        except BaseException:
            self.stop()
            raise

    @property
    def addresses(self) -> tuple[tuple[str, int], ...]:
        """Where the Sentinels listen, host and port."""
        return tuple((LOOPBACK, sentinel.port) for sentinel in self.sentinels)

    @property
    def primary(self) -> Node:
        """The node that the first Sentinel names as the primary."""
        return self.nodes[self.announced.index(_named_by(self.sentinels[0]))]

    def fail_over(self) -> None:
        """Kill the primary (SIGKILL), and wait until the replica has been promoted."""
        await_condition(
            self.kill_primary(),
            _TAKEN_OVER_WITHIN_S,
            "promote the replica",
            _POLL_S,
        )

    def kill_primary(self) -> Callable[[], bool]:
        """Kill the primary (SIGKILL).

        Returns:
            A function that returns whether every Sentinel names the other server by now, and it takes writes.
        """
        gone = self.primary
        gone.stop()
        other = self.nodes[1 - self.nodes.index(gone)]
        known_as = self.announced[self.nodes.index(other)]

        def has_taken_over() -> bool:
            named = {_named_by(sentinel) for sentinel in self.sentinels}
            return named == {known_as} and other.info("replication")["role"] == "master"

        return has_taken_over

    def stop(self) -> None:
        """End every server and Sentinel; safe to call twice."""
        self._origin.close()

    def _all_know_each_other(self) -> bool:
        for sentinel in self.sentinels:
            answer = cast("tuple[bytes, ...]", sentinel.call("SENTINEL", "MASTER", SERVICE))
            fields = dict(zip(answer[::2], answer[1::2], strict=True))
            others, replicas = fields[b"num-other-sentinels"], fields[b"num-slaves"]
            if (int(others), int(replicas)) != (SENTINELS - 1, 1):
                return False
        return self.nodes[1].info("replication").get("master_link_status") == "up"


def _named_by(sentinel: Node) -> int:
    """Return the port of the primary, as a Sentinel reports it."""
    answer = sentinel.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)
    return int(cast("tuple[bytes, bytes]", answer)[1])


def _config(port: int) -> str:
    return (
        f"sentinel monitor {SERVICE} {LOOPBACK} {port} {QUORUM}\n"
        f"sentinel down-after-milliseconds {SERVICE} {_DOWN_AFTER_MS}\n"
        f"sentinel failover-timeout {SERVICE} {_FAILOVER_MS}\n"
    )


def _shorten_periods(sentinel: Node) -> None:
    """Shorten a Sentinel's fixed periods; one before 7.0 can't be configured so."""
    try:
        for period, ms in _PERIODS_MS:
            sentinel.call("SENTINEL", "DEBUG", period, ms)
    except ReplyError:
        return

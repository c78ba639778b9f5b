"""A primary and its replica, watched by three Sentinels that make the replica the primary when the primary is gone.

Everything is a process of the same binary, or a container of the same image. The two servers may announce other ports
than their own, those of a proxy: then Sentinels, replica and clients all go that way, since Sentinels tell clients the
port that they were told.

Source: https://redis.io/docs/latest/operate/oss_and_stack/management/sentinel/ (quorum, down-after-milliseconds,
replica-announce-port; SENTINEL DEBUG since 7.0 shortens the periods that are fixed otherwise).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from midpipe.faultinject.servers.control import ReplyError
from midpipe.faultinject.servers.node import Announce, Node, Origin, await_that, known_ports
from midpipe.faultinject.servers.ports import LOOPBACK

SERVICE = "midpipe"
QUORUM, SENTINELS = 2, 3
# Longer than a busy machine stands still, lest a primary be called dead that is not.
_DOWN_AFTER_MS, _FAILOVER_MS = 2_000, 2_000
_KNOWN_WITHIN_S, _TAKEN_OVER_WITHIN_S = 30.0, 60.0
_POLL_S = 0.02
_OFTEN = tuple(
    word
    for period in ("ping-period", "ask-period", "info-period", "publish-period")
    for word in (period, "100")
)


class SentinelGroup:
    """Two servers and three Sentinels. Stop it with ``stop``.

    Args:
        origin: what all of them come from; it ends with them.
        announce: tells the ports by which the primary and the replica are to be known; their own if None.

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
            self.announced = known_ports(self.nodes, announce)
            for node, port in zip(self.nodes, self.announced, strict=True):
                node.told("CONFIG", "SET", "replica-announce-ip", LOOPBACK)
                node.told("CONFIG", "SET", "replica-announce-port", port)
            self.nodes[1].told("REPLICAOF", LOOPBACK, self.announced[0])
            for _ in range(SENTINELS):
                config = _config(self.announced[0])
                sentinel = Node(origin, ("--sentinel",), config)
                self.sentinels.append(sentinel)
                _hurried(sentinel)
            await_that(self._all_know_each_other, _KNOWN_WITHIN_S, "find each other", _POLL_S)
        except BaseException:
            self.stop()
            raise

    @property
    def addresses(self) -> tuple[tuple[str, int], ...]:
        """Where the Sentinels listen, host and port."""
        return tuple((LOOPBACK, sentinel.port) for sentinel in self.sentinels)

    @property
    def primary(self) -> Node:
        """The node that the Sentinels name, if they agree; the first one's word otherwise."""
        return self.nodes[self.announced.index(_named_by(self.sentinels[0]))]

    def fail_over(self) -> None:
        """Kill the primary (SIGKILL), and wait until the other one has taken over."""
        await_that(
            self.kill_primary(),
            _TAKEN_OVER_WITHIN_S,
            "make the replica the primary",
            _POLL_S,
        )

    def kill_primary(self) -> Callable[[], bool]:
        """Kill the primary (SIGKILL).

        Returns:
            Tells, when asked, whether every Sentinel names the other one by now, and it takes writes.
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
        """End every process; safe to call twice."""
        self._origin.close()

    def _all_know_each_other(self) -> bool:
        for sentinel in self.sentinels:
            answer = cast("tuple[bytes, ...]", sentinel.told("SENTINEL", "MASTER", SERVICE))
            fields = dict(zip(answer[::2], answer[1::2], strict=True))
            others, replicas = fields[b"num-other-sentinels"], fields[b"num-slaves"]
            if (int(others), int(replicas)) != (SENTINELS - 1, 1):
                return False
        return self.nodes[1].info("replication").get("master_link_status") == "up"


def _named_by(sentinel: Node) -> int:
    """Return the port of the primary as a Sentinel names it."""
    answer = sentinel.told("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)
    return int(cast("tuple[bytes, bytes]", answer)[1])


def _config(port: int) -> str:
    return (
        f"sentinel monitor {SERVICE} {LOOPBACK} {port} {QUORUM}\n"
        f"sentinel down-after-milliseconds {SERVICE} {_DOWN_AFTER_MS}\n"
        f"sentinel failover-timeout {SERVICE} {_FAILOVER_MS}\n"
    )


def _hurried(sentinel: Node) -> None:
    """Have a Sentinel look and tell more often; one before 7.0 keeps its own pace."""
    try:
        sentinel.told("SENTINEL", "DEBUG", *_OFTEN)
    except ReplyError:
        return

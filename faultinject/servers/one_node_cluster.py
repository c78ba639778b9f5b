"""A Redis Cluster of one node that serves every slot: enough for what a client of a Cluster does with one server."""

from __future__ import annotations

from midpipe.faultinject.ports import LOOPBACK
from midpipe.faultinject.servers.node import Node, Origin, await_condition
from midpipe.faultinject.servers.server import fields_of
from midpipe.faultinject.wire.resp import Value

SLOTS = 16_384
_OPTIONS = ("--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf")
_SERVES_WITHIN_S, _POLL_S = 30.0, 0.02


class OneNodeCluster:
    """A running Cluster. Stop it with ``stop``.

    Args:
        origin: starts the node; closed with it.

    Attributes:
        url: where it listens.

    Raises:
        ServerError: it does not start, or does not serve its slots.
    """

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        try:
            self._node = Node(origin, _OPTIONS)
            self._node.call("CLUSTER", "ADDSLOTS", *range(SLOTS))
            await_condition(self._serves, _SERVES_WITHIN_S, "become a Cluster", _POLL_S)
        except BaseException:
            self.stop()
            raise
        self.url = f"redis://{LOOPBACK}:{self._node.port}"

    def stop(self) -> None:
        """End the node; safe to call twice."""
        self._origin.close()

    def _serves(self) -> bool:
        info: Value = self._node.call("CLUSTER", "INFO")
        return dict(fields_of(info)).get("cluster_state") == "ok"

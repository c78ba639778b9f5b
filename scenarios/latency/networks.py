"""Networks by name, as delay, jitter and occasional stalls of bytes in transit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Network:
    """A network between clients and server.

    Args:
        round_trip_ms: of which each direction takes half.
        jitter_ms: the round trip is shorter or longer by a uniformly drawn time of at most so much.
        stall_ms: delay of a lost TCP segment until its retransmission.
        stall_share: share of the replies that meet such a stall, from 0 to 1.
    """

    name: str
    round_trip_ms: float = 0.0
    jitter_ms: float = 0.0
    stall_ms: float = 0.0
    stall_share: float = 0.0


NETWORKS: Mapping[str, Network] = MappingProxyType(
    {
        network.name: network
        for network in (
            Network("loopback"),
            Network("same-zone", 0.5),
            Network("cross-zone", 2.0, jitter_ms=1.0),
            Network("cross-region", 40.0, jitter_ms=5.0),
            Network("lossy", 0.5, stall_ms=200.0, stall_share=0.01),
        )
    }
)


def delays(network: Network, seed: int) -> Callable[[bool], float]:
    """Return a function that draws the delay of the next bytes in seconds, given whether they go to the client."""
    rng = Random(seed)

    def delay_s(to_client: bool) -> float:
        spread_ms = network.jitter_ms * (2 * rng.random() - 1) if network.jitter_ms else 0.0
        stalled = to_client and network.stall_share and rng.random() < network.stall_share
        whole_ms = (network.round_trip_ms + spread_ms) / 2 + (network.stall_ms if stalled else 0.0)
        return max(0.0, whole_ms) / 1000

    return delay_s

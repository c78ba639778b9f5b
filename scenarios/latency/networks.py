"""Networks by name, as what they do to bytes under way: delay, jitter, and now and then a stall."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Network:
    """A stretch of network.

    Args:
        round_trip_ms: there and back, half each way.
        jitter_ms: uniformly that much more or less, there and back together.
        stall_ms: a lost segment's time until it is sent again.
        stall_share: of the replies that meet such a stall.
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
    """Return what says how long the next bytes are under way, in seconds, given whether they go to the client."""
    rng = Random(seed)

    def delay_s(to_client: bool) -> float:
        spread_ms = network.jitter_ms * (2 * rng.random() - 1) if network.jitter_ms else 0.0
        stalled = to_client and network.stall_share and rng.random() < network.stall_share
        whole_ms = (network.round_trip_ms + spread_ms) / 2 + (network.stall_ms if stalled else 0.0)
        return max(0.0, whole_ms) / 1000

    return delay_s

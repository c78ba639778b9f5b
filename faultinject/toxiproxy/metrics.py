"""The text of /metrics: bytes of each proxy by direction, with Toxiproxy's names and labels. Pure.

A proxy's counters restart at 0 when it is enabled again, as counters may.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from midpipe.faultinject.toxiproxy.api_state import DIRECTIONS, ProxySpec


@dataclass(frozen=True, slots=True)
class Traffic:
    """The bytes of a proxy so far, by direction."""

    received: Mapping[str, int]
    sent: Mapping[str, int]


def exposition(proxies: Iterable[tuple[str, ProxySpec, Traffic]]) -> str:
    """Return the counters in Prometheus' text format."""
    rows = tuple(proxies)
    lines = []
    for word in ("received", "sent"):
        metric = f"toxiproxy_proxy_{word}_bytes_total"
        lines += [f"# HELP {metric} Bytes {word} by a proxy.", f"# TYPE {metric} counter"]
        for name, proxy, traffic in rows:
            counts = traffic.received if word == "received" else traffic.sent
            for direction in DIRECTIONS:
                labels = {
                    "direction": direction,
                    "listener": proxy.listen,
                    "proxy": name,
                    "upstream": proxy.upstream,
                }
                shown = ",".join(f'{key}="{_escaped(value)}"' for key, value in labels.items())
                lines.append(f"{metric}{{{shown}}} {counts[direction]}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

"""What a subject's process reports about a new instance. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Opened:
    """What a host reports about a new instance.

    Args:
        methods: names of its public calls.
        latency_bound_ms: the bound that it declares for every call; None if it declares none.
        counters: names of those of the requested counters that it exports.
        accepts: of each call, the names of the arguments that it takes; None for one that takes any.
        promises: what it declares, as it declares it; ``waits_for_replicas`` declares that jobs survive a failover.
        is_service: its process is a service, which is started again after it has died; the caller is another process.
        background: the commands that it declares as sent in the background, as patterns.
    """

    methods: frozenset[str]
    latency_bound_ms: float | None
    counters: frozenset[str] = frozenset()
    accepts: Mapping[str, frozenset[str] | None] = field(default_factory=dict)
    promises: Mapping[str, object] = field(default_factory=dict)
    is_service: bool = False
    background: tuple[str, ...] = ()


def opened_from(answer: Mapping[str, Any]) -> Opened:
    """Read the answer to a request to make an instance, of which ``decode_answer`` has checked the types."""
    bound_s = answer.get("latency_bound_s")
    return Opened(
        methods=frozenset(answer.get("methods") or ()),
        latency_bound_ms=None if bound_s is None else bound_s * 1000,
        counters=frozenset(answer.get("counters") or ()),
        accepts={
            call: None if names is None else frozenset(names)
            for call, names in (answer.get("accepts") or {}).items()
        },
        promises={
            **({"durability": "failover"} if answer.get("waits_for_replicas") is True else {}),
            **(answer.get("promises") or {}),
        },
        is_service=answer.get("service") is True,
        background=tuple(answer.get("background") or ()),
    )

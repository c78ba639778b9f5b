"""What a subject promises: delivery, order, deduplication and so on, and where midpipe knows each promise from.

A subject is judged by its promises. Each one is declared (by a class attribute, by the subject protocol's ``open``
answer, or under ``[tool.midpipe.promises]``; the last wins), seen in a run without faults, or the default. What is not
promised is not judged, and the report lists it. Plain values; knows no invariant and no program.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, cast

from midpipe.faultinject.errors import UsageError


class Delivery(StrEnum):
    """How often the body of an accepted job runs."""

    AT_LEAST_ONCE = "at-least-once"
    AT_MOST_ONCE = "at-most-once"
    EXACTLY_ONCE = "exactly-once"


class Deduplicates(StrEnum):
    """By what two calls of enqueue are the same job."""

    REQUEST = "request"
    JOB = "job"
    NONE = "none"


class Order(StrEnum):
    """In which order jobs begin to run: with ``priority-fifo``, those of the same priority first in, first out."""

    FIFO = "fifo"
    NONE = "none"
    PRIORITY = "priority"
    PRIORITY_FIFO = "priority-fifo"

    @property
    def is_by_priority(self) -> bool:
        return self in (Order.PRIORITY, Order.PRIORITY_FIFO)

    @property
    def is_fifo(self) -> bool:
        """Whether jobs of the same priority come first in, first out."""
        return self in (Order.FIFO, Order.PRIORITY_FIFO)


class Retention(StrEnum):
    """Whether a job can still be read after it has ended."""

    KEEPS = "keeps"
    DELETES = "deletes"


class AfterCrash(StrEnum):
    """What becomes of a job whose worker died while it ran."""

    RERUNS = "reruns"
    FAILS = "fails"
    LOST = "lost"


class AfterFailure(StrEnum):
    """What becomes of a job that failed: its body raised, or its worker called ``fail``.

    ``reruns`` promises one further run at least; a job that has had one, or that the queue keeps as failed, is well.
    """

    RERUNS = "reruns"
    FAILS = "fails"
    LOST = "lost"


class Tenancy(StrEnum):
    """Whether jobs belong to workspaces that must not see each other's."""

    WORKSPACE = "workspace"
    NONE = "none"


class Schemas(StrEnum):
    """Whether the subject writes the two key schemas of the reviewed queue's migration."""

    DUAL = "dual"
    ONE = "one"


class Logs(StrEnum):
    """Whether log lines at WARNING or above may carry the data of jobs."""

    QUIET = "quiet"
    ANY = "any"


class Durability(StrEnum):
    """What an acknowledged job survives."""

    PROCESS_KILL = "process-kill"
    POWER_LOSS = "power-loss"
    FAILOVER = "failover"


class Source(StrEnum):
    """Where a promise is known from, the strongest last."""

    DEFAULT = "default"
    SEEN = "seen"
    DECLARED = "declared"


UNTIL_DONE = "until-done"
LONGEST_WAIT_S = 10.0
"""How long recovery waits at most for a job of a disturbed worker; a promise of a longer time is not judged."""
LONGEST_STEPPED_WAIT_S = 2 * 86_400.0
"""The same on a stepped clock, where waiting takes no time."""


@dataclass(frozen=True, slots=True)
class Promises:
    """The promises of one subject.

    Args:
        deduplicates_for: ``until-done``, a number of seconds, or None for as long as the server keeps its data.
        recovers_within_s: how long until a job whose worker died runs again; None if that is not known.
        visibility_timeout_s: the lease that the queue itself chooses, in seconds; None if it chooses none.
        latency_bound_s: no call takes longer, under any fault; None takes ``--latency-bound``.
        sources: where each promise is known from that is not a default, by name.
    """

    delivery: Delivery = Delivery.AT_LEAST_ONCE
    deduplicates: Deduplicates = Deduplicates.NONE
    deduplicates_for: str | float | None = None
    order: Order = Order.NONE
    retention: Retention = Retention.KEEPS
    after_crash: AfterCrash = AfterCrash.RERUNS
    after_failure: AfterFailure = AfterFailure.LOST
    recovers_within_s: float | None = None
    visibility_timeout_s: float | None = None
    latency_bound_s: float | None = None
    tenancy: Tenancy = Tenancy.NONE
    schemas: Schemas = Schemas.ONE
    durability: Durability = Durability.PROCESS_KILL
    logs: Logs = Logs.ANY
    sources: tuple[tuple[str, Source], ...] = ()

    def source_of(self, name: str) -> Source:
        """Return where the promise of that name is known from."""
        return dict(self.sources).get(name, Source.DEFAULT)

    def recovery_is_judged(self, longest_s: float = LONGEST_WAIT_S) -> bool:
        """Whether it is known, and short enough to wait for, when a disturbed worker's job runs again.

        Args:
            longest_s: how long recovery waits at most.
        """
        return self.recovers_within_s is not None and self.recovers_within_s <= longest_s

    def recovery_outlasts_wait(self, longest_s: float = LONGEST_WAIT_S) -> bool:
        """Whether a disturbed worker's job may return to a worker only after recovery has stopped waiting for it."""
        promised = (self.recovers_within_s, self.visibility_timeout_s)
        return any(wait_s is not None and wait_s > longest_s for wait_s in promised)

    def rows(self) -> tuple[tuple[str, str, Source], ...]:
        """Return name, value and source of each promise, for reports; a value that is not known is left out."""
        return tuple(
            (name, f"{getattr(self, name)}", self.source_of(name))
            for name in PROMISES
            if getattr(self, name) is not None
        )

    def with_seen(self, seen: Mapping[str, object]) -> Promises:
        """Return the promises with what a run without faults has shown, where nothing was declared.

        Args:
            seen: values by the promise's name.
        """
        found = {
            name: value
            for name, value in seen.items()
            if self.source_of(name) is not Source.DECLARED
        }
        return self._with(found, Source.SEEN)

    def _with(self, values: Mapping[str, object], source: Source) -> Promises:
        sources = {**dict(self.sources), **dict.fromkeys(values, source)}
        kept = tuple(sorted(sources.items()))
        return replace(self, **cast("Mapping[str, Any]", values), sources=kept)


PROMISES = tuple(field.name for field in fields(Promises) if field.name != "sources")
_KINDS: dict[str, type[StrEnum]] = {
    "delivery": Delivery,
    "deduplicates": Deduplicates,
    "order": Order,
    "retention": Retention,
    "after_crash": AfterCrash,
    "after_failure": AfterFailure,
    "tenancy": Tenancy,
    "schemas": Schemas,
    "durability": Durability,
    "logs": Logs,
}


def choices_of(name: str) -> tuple[str, ...]:
    """Return the values that the promise of that name may have; empty if it is a number of seconds."""
    return tuple(str(kind) for kind in _KINDS.get(name, ()))


def declared(*declarations: Mapping[str, object]) -> Promises:
    """Return the promises that were declared; of two declarations of one promise the later one counts.

    Args:
        declarations: values as users write them, by name: ``{"delivery": "at-most-once", "recovers_within_s": 60}``.

    Raises:
        UsageError: a name or a value is not one that midpipe knows; names the nearest one.
    """
    found: dict[str, object] = {}
    for declaration in declarations:
        for name, value in declaration.items():
            found[name] = _checked(name, value)
    return Promises()._with(found, Source.DECLARED)


def _checked(name: str, value: object) -> object:
    if name not in PROMISES:
        raise UsageError(f"There is no promise {name!r}.{_nearest(name, PROMISES)}")
    if known := choices_of(name):
        if value not in known:
            raise UsageError(
                f"The promise {name} is one of {', '.join(known)}; got {value!r}.{_nearest(str(value), known)}"
            )
        return _KINDS[name](value)
    if name == "deduplicates_for" and value == UNTIL_DONE:
        return UNTIL_DONE
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(float(str(value))) or float(str(value)) <= 0:
        also = f", or {UNTIL_DONE!r}" if name == "deduplicates_for" else ""
        raise UsageError(
            f"The promise {name} is a positive number of seconds{also}; got {value!r}."
        )
    return float(str(value))


def _nearest(word: str, known: Iterable[str]) -> str:
    near = get_close_matches(word, tuple(known), 1)
    return f" Did you mean {near[0]!r}?" if near else ""

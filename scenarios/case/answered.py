"""What a call of the subject came to, read from its process's answer. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from midpipe.scenarios.model.history import Counted, Json, RaisedError


@dataclass(frozen=True, slots=True)
class Answered:
    """What a call came to.

    Args:
        value: what it returned; None if it raised.
        error: what it raised; None if it returned.
        ms: how long it took on the subject's clock.
        logs: what was logged at WARNING or above during the call.
        counted: which of the subject's counters went up; None if the process did not say.
    """

    value: Json
    error: RaisedError | None
    ms: float
    logs: tuple[str, ...]
    counted: tuple[Counted, ...] | None = None


def answered_from(answer: Mapping[str, Any]) -> Answered:
    """Return as a value what the subject's process answered to a call.

    Args:
        answer: as in the subject protocol.
    """
    error = answer.get("error")
    raised = None
    if isinstance(error, Mapping):
        kinds = tuple(str(kind) for kind in error.get("kinds") or ())
        raised = RaisedError(str(error.get("type")), str(error.get("message")), kinds)
    logs = tuple(" ".join(str(word) for word in line) for line in answer.get("logs") or ())
    ms = float(answer.get("ms") or 0.0)
    value = answer.get("ok") if raised is None else None
    return Answered(value, raised, ms, logs, _counted(answer.get("counted")))


def _counted(counted: object) -> tuple[Counted, ...] | None:
    if not isinstance(counted, list):
        return None
    return tuple(
        Counted(str(metric), tuple(sorted(labels.items())), float(by))
        for metric, labels, by in counted
    )

"""midpipe breaks the connection between a job queue and its Redis at every point, and shows which jobs that costs.

The names in ``__all__`` are the public API; everything else is private and may change. They are for

- judging a queue from Python: ``judge``, ``Session`` and what these return;
- programs and invariants of your own: ``Program`` and ``Invariant`` with the values that they are made of;
- tests of your own code: ``RedisServer``, a real server, and ``RedisProxy``, which injects faults in front of it.

Importing this module starts nothing and loads none of the parts behind it; a name loads its part when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from midpipe.faultinject.errors import MidpipeError, ServerError, SubjectError, UsageError
    from midpipe.scenarios.model.evidence import Evidence, Invariant, Judgement, ViolationEvidence
    from midpipe.scenarios.model.history import Operation
    from midpipe.scenarios.model.messages import CaseEnded
    from midpipe.scenarios.model.record import CaseRecord, Violation
    from midpipe.scenarios.model.verdict import Finding, Outcome, Severity, Verdict
    from midpipe.scenarios.programs.program import Answer, Call, Program, Retry
    from midpipe.scenarios.suites.redis_server import PlacedFault, RedisProxy, RedisServer
    from midpipe.scenarios.suites.session import Session, judge

__version__ = "0.1.0"

__all__ = [
    "Answer",
    "Call",
    "CaseEnded",
    "CaseRecord",
    "Evidence",
    "Finding",
    "Invariant",
    "Judgement",
    "MidpipeError",
    "Operation",
    "Outcome",
    "PlacedFault",
    "Program",
    "RedisProxy",
    "RedisServer",
    "Retry",
    "ServerError",
    "Session",
    "Severity",
    "SubjectError",
    "UsageError",
    "Verdict",
    "Violation",
    "ViolationEvidence",
    "__version__",
    "judge",
]

_MODULES = {
    "faultinject.errors": ("MidpipeError", "ServerError", "SubjectError", "UsageError"),
    "scenarios.model.evidence": ("Evidence", "Invariant", "Judgement", "ViolationEvidence"),
    "scenarios.model.history": ("Operation",),
    "scenarios.model.messages": ("CaseEnded",),
    "scenarios.model.record": ("CaseRecord", "Violation"),
    "scenarios.model.verdict": ("Finding", "Outcome", "Severity", "Verdict"),
    "scenarios.programs.program": ("Answer", "Call", "Program", "Retry"),
    "scenarios.suites.redis_server": ("PlacedFault", "RedisProxy", "RedisServer"),
    "scenarios.suites.session": ("Session", "judge"),
}


def __getattr__(name: str) -> Any:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

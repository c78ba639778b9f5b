"""The verbs of written programs that a subject supports, and the calls that they make. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from midpipe.scenarios.model.evidence import Traits
from midpipe.scenarios.programs.written import PUT, VERBS, WrittenStep

_METHODS: Mapping[str, str] = MappingProxyType(
    {
        "enqueue-once": "enqueue",
        "enqueue-anew": "enqueue",
        "enqueue-failing": "enqueue",
        "enqueue-delayed": "enqueue",
        "update": "update_status",
        "update-once": "update_status",
        "get": "get_job",
        "list": "list_jobs",
        "claim-ended": "claim",
        "heartbeat-ended": "heartbeat",
        "backfill-step": "backfill_step",
        "malformed": "enqueue",
    }
)
_WARM_UP_ORDER = (
    "enqueue",
    "get",
    "list",
    "claim",
    "heartbeat",
    "fail",
    "complete",
    "dequeue",
    "update",
    "backfill",
    "backfill-step",
    "cleanup",
    "work",
    "tick",
    "cancel",
)
_WORDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "enqueue": ("job-1", "r-1"),
        "get": ("job-1",),
        "update": ("job-1", "running"),
        "backfill-step": ("job-1",),
        "cancel": ("job-1",),
    }
)


def method_of(verb: str) -> str:
    """Return the call that a verb makes."""
    return _METHODS.get(verb, verb)


def verbs_for(traits: Traits) -> frozenset[str]:
    """Return the verbs whose calls a subject has; those that say what a job's body does need a worker that runs it."""
    runs_jobs = "work" in traits.methods
    needs = {
        "enqueue-failing": runs_jobs and traits.takes("enqueue", "params"),
        "enqueue-delayed": runs_jobs
        and "tick" in traits.methods
        and traits.takes("enqueue", "delay_s"),
    }
    return frozenset(
        verb for verb in VERBS if method_of(verb) in traits.methods and needs.get(verb, True)
    )


def warm_up_steps(verbs: frozenset[str]) -> tuple[WrittenStep, ...]:
    """Return the steps that make every call once."""
    # So that a dequeue which waits for a job gets one.
    put = (WrittenStep("", PUT, ("job-2",)),) if "dequeue" in verbs else ()
    calls = (
        WrittenStep("A", verb, _WORDS.get(verb, ())) for verb in _WARM_UP_ORDER if verb in verbs
    )
    return (*put, *calls)

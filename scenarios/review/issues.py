"""The eleven issues of the review by id, with the programs and invariants, or the source check, that show each. Data.

Most show in a case on a real server. Those that have no visible behaviour (an import inside a method, a metric that is
never counted) are checked in the source code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from midpipe.scenarios.model.outcome import Severity


@dataclass(frozen=True, slots=True)
class Issue:
    """One issue of the review.

    Args:
        id: as in the review.
        what: what goes wrong, in one sentence.
        programs: the programs that can show it.
        invariants: the invariants of which one must be violated.
        faults: names of the faults to inject; empty means all.
        commands: names of the commands at which to inject them; empty means all.
        source: name of the check in ``midpipe.scenarios.review.source``, for an issue without visible behaviour.
    """

    id: str
    severity: Severity
    title: str
    what: str
    programs: tuple[str, ...] = ()
    invariants: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    source: str = ""


_ISSUES = (
    Issue(
        "CRITICAL-1",
        Severity.CRITICAL,
        "The idempotency key blocks retries",
        "The key is set before the writes; a write fails, the retry is answered False, and no job exists.",
        programs=("enqueue-with-request-id",),
        invariants=("no-lost-job",),
        faults=("cut-before",),
    ),
    Issue(
        "HIGH-1",
        Severity.HIGH,
        "Three writes that are not atomic",
        "A failure between the writes leaves a queued id without data, or data without a place in the queue.",
        programs=("enqueue-once",),
        invariants=("answer-is-true",),
        faults=("cut-before", "lost-reply", "refuse"),
    ),
    Issue(
        "HIGH-2",
        Severity.HIGH,
        "update_status lets the schemas diverge",
        "The old hash is written and the new one is not, so the schemas disagree for good.",
        programs=("update-once",),
        invariants=("no-divergence",),
        faults=("cut-before", "lost-reply", "refuse"),
    ),
    Issue(
        "HIGH-3",
        Severity.HIGH,
        "A job that no worker ever receives",
        "The push fails after the hashes were written, and the clean-up fails as well.",
        programs=("enqueue-once",),
        invariants=("no-orphan",),
        faults=("refuse",),
        commands=("RPUSH",),
    ),
    Issue(
        "MEDIUM-1",
        Severity.MEDIUM,
        "Telemetry is imported inside the method",
        "Every call executes an import statement.",
        source="imports_in_methods",
    ),
    Issue(
        "MEDIUM-2",
        Severity.MEDIUM,
        "The fall-back to the old schema is silent",
        "get_job falls back without a log line or metric, so the progress of the migration is invisible.",
        source="silent_fallback",
    ),
    Issue(
        "MEDIUM-3",
        Severity.MEDIUM,
        "workspace_id is not validated",
        "An empty or missing workspace_id is accepted, and keys like ai:job::id appear.",
        programs=("bad-input",),
        invariants=("bad-input",),
        faults=("none",),
    ),
    Issue(
        "MEDIUM-4",
        Severity.MEDIUM,
        "Tests cover happy paths only",
        "Every program passes without faults while the same programs fail with one.",
        programs=("same-request-again",),
        invariants=("no-lost-job", "no-duplicate", "retry-succeeds"),
    ),
    Issue(
        "MEDIUM-5",
        Severity.MEDIUM,
        "list_jobs reads the old schema only",
        "A job that only the new schema holds is not listed.",
        programs=("list-new-only",),
        invariants=("list-is-whole",),
        faults=("none",),
    ),
    Issue(
        "LOW-1",
        Severity.LOW,
        "Dual-write telemetry covers enqueue only",
        "update_status writes both schemas and counts nothing.",
        source="uncounted_updates",
    ),
    Issue(
        "LOW-2",
        Severity.LOW,
        "exc_info in error logs leaks job data",
        "Tracebacks in error logs carry arguments; ids at DEBUG and one sentence at ERROR would suffice.",
        source="tracebacks_in_logs",
    ),
)

ISSUES: Mapping[str, Issue] = MappingProxyType({issue.id: issue for issue in _ISSUES})

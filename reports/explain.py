"""A finding in three sentences, and what to change. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from midpipe.scenarios.model.verdict import Finding

ADVICE: Mapping[str, str] = MappingProxyType(
    {
        "no-lost-job": "Write the request key, the hashes and the queue entry in one atomic step, so that no "
        "request is known whose job is not there.",
        "retry-succeeds": "Let nothing that is written before a failure answer the retry: one atomic step, or a "
        "check that the job exists before False is returned.",
        "queue-order": "Take from the end that jobs are not put in at (RPUSH and LPOP), and look for a job and take it "
        "in one atomic step, so that a worker who loses a race looks at the next one.",
        "no-duplicate": "Make the step find its own earlier run: check the request key and the job's hash in "
        "the same script that writes them.",
        "no-orphan": "Write the job's data and its place in the queue in one atomic step, and take them away in one.",
        "no-divergence": "Write both schemas in one atomic step, and copy the whole old hash when the new one "
        "is missing.",
        "status-order": "Let a status only go forward, on the server: refuse a write that an acknowledged one "
        "has overtaken.",
        "result-is-kept": "Write an end and its result in one atomic step, however large the result is.",
        "answer-is-true": "Answer only what one atomic step has decided; on an exception leave all or nothing.",
        "bounded-latency": "Give every connection a time-out, and every retry an end.",
        "isolation": "Put the workspace into the key, or compare it before a job is returned.",
        "bad-input": "Validate every argument before the first command, and raise ValueError or TypeError.",
        "telemetry-is-true": "Count each call once, after its outcome is known, whatever kind of call it is.",
        "quiet-logs": "Log ids at DEBUG and a plain sentence at ERROR; leave params, results and tracebacks out.",
        "list-is-whole": "List from an index that both schemas share, and read each job where it is.",
    }
)


def explained(finding: Finding) -> tuple[str, str, str]:
    """Return what was done, what broke, and what it costs."""
    if finding.fault:
        done = f"In {finding.program}, {finding.fault} was placed at {finding.place}."
    else:
        done = f"In {finding.program}, no fault was needed."
    broke = finding.evidence[0] if finding.evidence else "The invariant fell."
    cases = "1 case" if finding.cases == 1 else f"{finding.cases} cases"
    return (
        done,
        broke,
        f"{finding.invariant} ({finding.severity}) fell in {cases}: {finding.claim}",
    )


def replay_command(replay: str, again: str, on: str = "") -> str:
    """Return the line that runs a case again.

    Args:
        again: the options that name the subject.
        on: the option that names the server; empty for the default.
    """
    return " ".join(filter(None, (f"midpipe replay '{replay}'", again, on)))


def advice_for(finding: Finding) -> str:
    """Return what to change."""
    return ADVICE.get(finding.invariant, "Make the step atomic and repeatable.")

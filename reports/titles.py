"""The title of a finding: the call that is to blame, the fault and the effect, in plain words. Pure.

::

    A lost reply of EXEC in enqueue (queue.py:96) runs a job twice
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from types import MappingProxyType

from midpipe.scenarios.model.finding import Consequence
from midpipe.scenarios.model.story import StepKind
from midpipe.scenarios.model.verdict import Finding

EFFECTS: Mapping[str, str] = MappingProxyType(
    {
        "no-lost-job": "loses a job",
        "retry-succeeds": "makes the retry fail",
        "queue-order": "hands jobs out in the wrong order",
        "no-duplicate": "duplicates a job",
        "no-orphan": "leaves a job half written",
        "no-divergence": "makes the two schemas differ",
        "status-order": "moves a status backwards",
        "result-is-kept": "loses a result",
        "answer-is-true": "gives a wrong answer",
        "job-is-as-enqueued": "changes a job's fields",
        "holder-is-served": "refuses the worker that holds the lease",
        "no-stuck-job": "leaves a job stuck",
        "no-ghost": "runs a job that must not run",
        "worker-lives": "stops the worker",
        "bounded-latency": "takes longer than the latency bound",
        "isolation": "shows a job to another workspace",
        "bad-input": "accepts invalid input",
        "telemetry-is-true": "makes the metrics wrong",
        "quiet-logs": "writes job data to the log",
        "list-is-whole": "leaves a job out of a list",
    }
)
"""By invariant, as the end of a sentence whose subject is the call or the fault."""

_FAULTS: Mapping[str, str] = MappingProxyType(
    {
        "cut-before": "A connection cut before {}",
        "torn-first": "A connection cut within {}",
        "torn-middle": "A connection cut within {}",
        "torn-last": "A connection cut within {}",
        "lost-reply": "A lost reply of {}",
        "lost-reply-fin": "A lost reply of {}",
        "late": "A late delivery of {}",
        "stall": "A reply of {} after the time-out",
        "black-hole": "An unresponsive network at {}",
        "refuse": "A refused connection at {}",
        "slow": "A slow network at {}",
        "slice": "A slow network at {}",
        "bandwidth": "A slow network at {}",
        "crash": "A client killed after {}",
        "crash-before": "A client killed before {}",
        "freeze": "A client frozen at {}",
        "kill": "A server killed after {}",
        "kill-before": "A server killed before {}",
        "pause": "A server paused at {}",
        "failover": "A failover at {}",
        "failover-behind": "A failover to a replica that is behind, at {}",
        "oom": "A full server at {}",
        "readonly": "A read-only server at {}",
        "script-flush": "A server that forgot its scripts at {}",
    }
)


_OF_THE_WHOLE_CASE = frozenset({"no-lost-job", "no-stuck-job", "no-duplicate", "worker-lives"})
"""What no single call violates: the job was put in by one call, and lost or run again in another."""


def title_of(finding: Finding, invariant: str = "") -> str:
    """Return the title, one sentence without a full stop.

    Args:
        invariant: one of those that the finding violates; the most severe one by default.
    """
    invariant = invariant or finding.invariant
    effect = EFFECTS.get(invariant, f"violates {invariant}")
    if invariant == "bounded-latency" and finding.faults:
        effect = f"makes {_late_call(finding)} take longer than the latency bound"
    call = finding.operation or "the subject"
    where = f"{call} ({_line(finding)})" if finding.source else call
    is_known = finding.story is not None or finding.source is not None
    is_alone = invariant in _OF_THE_WHOLE_CASE and not _needs_an_order(finding)
    if not is_known and (finding.faults or is_alone):
        # Without a story the call to blame is not known, only that which violated the invariant.
        where = f"the program {finding.program}"
    if finding.faults:
        first = finding.faults[0]
        command = _command_of(finding)
        phrase = _FAULTS.get(first.fault.partition("=")[0], f"The fault {first.fault} at {{}}")
        more = f" and {len(finding.faults) - 1} more" if len(finding.faults) > 1 else ""
        return f"{phrase.format(command)}{more} in {where} {effect}"
    if _needs_an_order(finding):
        return f"A race between clients in {where} {effect}"
    who = where if finding.operation else "The subject"
    return f"{who.replace('the program', 'The program', 1)} {effect}, without any fault"


def _late_call(finding: Finding) -> str:
    """Return the call that took too long: it need not be the one that met the fault."""
    violated: tuple[Finding | Consequence, ...] = (finding, *finding.consequences)
    late = next((each.method for each in violated if each.invariant == "bounded-latency"), "")
    return late or finding.operation or "a call"


def _line(finding: Finding) -> str:
    assert finding.source is not None
    return f"{PurePath(finding.source.file).name}:{finding.source.line}"


def _command_of(finding: Finding) -> str:
    """Return the name of the command that the finding begins with."""
    return finding.command.partition(" ")[0] or "a command"


def _needs_an_order(finding: Finding) -> bool:
    """Whether the case has an order of its own: steps after the program's name, by more than one client."""
    if finding.story is None:
        return bool(finding.replay.partition(": ")[2])
    clients = {step.client for step in finding.story.steps if step.kind is StepKind.CALL}
    return len(clients) > 1 and bool(finding.replay.partition(": ")[2])

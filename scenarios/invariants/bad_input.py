"""bad-input: a malformed argument raises ValueError or TypeError before any write.

Judged in the programs in which every call has a malformed argument.

Blind to: malformed arguments that those programs do not try; a workspace that is too long, but for queues with the
keys of the reference queue.
"""

from __future__ import annotations

from midpipe.scenarios.model.evidence import (
    Evidence,
    Invariant,
    Judgement,
    Traits,
    ViolationEvidence,
)
from midpipe.scenarios.model.history import Completion, Operation, Phase
from midpipe.scenarios.model.outcome import Severity

_REFUSALS = ("ValueError", "TypeError")


def _check(evidence: Evidence) -> Judgement:
    if not evidence.malformed:
        return Judgement(0)
    violations = []
    called = [
        operation
        for operation in evidence.history
        if operation.phase is Phase.PROGRAM
        and any(_judges(evidence.traits, operation.method, name) for name in _named(operation))
        and (evidence.traits.white_box or not _is_only_long(operation))
    ]
    for operation in called:
        shown = ", ".join(f"{name}={operation.arguments[name]!r}" for name in _named(operation))
        what = f"{operation.method} with {shown}"
        if operation.completion is Completion.OK:
            violations.append(ViolationEvidence(f"{what} was accepted.", operation.method))
        elif operation.wrote:
            violations.append(
                ViolationEvidence(f"{what} wrote before it was refused.", operation.method)
            )
        elif not operation.raised_a(*_REFUSALS) and not operation.faulted:
            violations.append(
                ViolationEvidence(f"{what} raised {operation.raised}.", operation.method)
            )
    return Judgement(len(called), tuple(violations))


def _named(operation: Operation) -> tuple[str, ...]:
    """Return the arguments of a call of which one is malformed."""
    return tuple(name for name in ("workspace_id", "status") if name in operation.arguments)


def _is_only_long(operation: Operation) -> bool:
    """Whether nothing is wrong with a workspace but its length, which the reviewed queue bounds and others need not."""
    workspace = operation.arguments.get("workspace_id")
    is_plain = isinstance(workspace, str) and workspace.isalnum() and workspace.islower()
    return is_plain and "status" not in operation.arguments


def _judges(traits: Traits, method: str, argument: str) -> bool:
    """Whether a call takes an argument of that name, and a malformed one means something to the subject."""
    return traits.takes(method, argument) and (argument == "status" or traits.has_workspaces)


def _why_not(traits: Traits) -> str:
    is_judged = _judges(traits, "enqueue", "workspace_id")
    if is_judged or _judges(traits, "update_status", "status"):
        return ""
    return (
        "no call of the subject takes a status, or a workspace that it refuses if it is malformed"
    )


BAD_INPUT = Invariant(
    id="bad-input",
    when="finally",
    claim="A malformed argument raises ValueError or TypeError before any write.",
    severity=Severity.MEDIUM,
    check=_check,
    why_not=_why_not,
    on_malformed=True,
)

"""What a story shows of the cause: signs by which the advice for a finding is chosen. Pure."""

from __future__ import annotations

from midpipe.scenarios.model.history import SHORTEST_LEASE_S
from midpipe.scenarios.model.story import StepKind, Story, StoryCall

_SCRIPTS = ("EVAL", "EVALSHA", "FCALL")
_HANDS_OUT = ("claim", "dequeue", "work")
_ENDS_OF_A_JOB = ("complete", "fail", "give_back")
_OF_A_HOLDER = ("complete", "fail", "give_back", "heartbeat")
_READS = ("XREADGROUP", "XCLAIM", "XAUTOCLAIM")


def dies_by_itself(story: Story) -> bool:
    """Whether a job's body ended the process of its worker, which the program does and no fault."""
    return any(step.error is not None and step.error.type == "SubjectDied" for step in story.steps)


def is_overwritten_late(story: Story) -> bool:
    """Whether a command that arrived late changed a key that another one had changed while it was held."""
    changed: set[str] = set()
    for step in story.steps:
        keys = {change.key for change in step.changes}
        if step.kind is StepKind.LATE_COMMAND and changed & keys:
            return True
        if step.command is not None and step.command.fault:
            changed.clear()
        changed |= keys
    return False


def writes_without_token(story: Story) -> bool:
    """Whether a call of a lease's holder changed keys by a command that can't have compared the token of the lease.

    A script that is given the token, or a part of it, may compare it, and so may a block after WATCH. Of a script whose
    arguments are not all shown nothing is known.
    """
    tokens: dict[str, str] = {}
    watching: set[str] = set()
    for step in story.steps:
        if step.kind is StepKind.CALL and step.call is not None:
            given = {argument.name: argument.value.strip('"') for argument in step.call.arguments}
            is_holder = step.call.method in _OF_A_HOLDER and "lease_token" in given
            tokens[step.client] = given["lease_token"] if is_holder else ""
            watching.discard(step.client)
        elif step.kind is StepKind.COMMAND and step.command is not None:
            words = step.command.words
            token = tokens.get(step.client, "")
            may_compare = step.client in watching or (
                words[0].upper() in _SCRIPTS
                and any(word == "…" or (word and word in token) for word in words[3:])
            )
            if token and step.changes and not may_compare:
                return True
            if words[0].upper() == "WATCH":
                watching.add(step.client)
    return False


def puts_back_what_is_held(story: Story) -> bool:
    """Whether periodic work moved what a client still had, with a lease that lasted, between the keys that it is from.

    A client that met a fault may be taken for dead, and a lease may have ended where time has passed. Periodic work
    that changes only one of those keys may have put another job there.
    """
    calls: dict[str, StoryCall] = {}
    ticked: dict[str, set[str]] = {}
    held: dict[str, set[str]] = {}
    for step in story.steps:
        if step.kind is StepKind.TIME:
            held.clear()
        elif step.kind is StepKind.CALL and step.call is not None:
            calls[step.client], ticked[step.client] = step.call, set()
            if step.call.method in (*_ENDS_OF_A_JOB, *_HANDS_OUT):
                held.pop(step.client, None)
        elif step.kind is StepKind.RAISE or (
            step.kind is StepKind.RETURN and calls[step.client].method == "work"
        ):
            held.pop(step.client, None)
        elif step.kind is StepKind.COMMAND and step.command is not None and step.client in calls:
            call, changed = calls[step.client], {change.key for change in step.changes}
            if step.command.fault:
                held.pop(step.client, None)
            elif call.method == "tick":
                ticked[step.client] |= changed
                if any(len(ticked[step.client] & keys) > 1 for keys in held.values()):
                    return True
            elif call.method in _HANDS_OUT and changed and not _has_ended_lease(call):
                held.setdefault(step.client, set()).update(changed)
    return False


def _has_ended_lease(call: StoryCall) -> bool:
    """Whether a claim asked for a lease that has ended before the next command."""
    asked = {argument.name: argument.value for argument in call.arguments}
    return asked.get("lease_s") == str(SHORTEST_LEASE_S)


def acknowledges_first(story: Story) -> bool:
    """Whether the client that met the fault had acknowledged, in the same call, what it had last read from a stream."""
    acknowledged: dict[str, bool] = {}
    for step in story.steps:
        if step.kind is StepKind.CALL:
            acknowledged[step.client] = False
        elif step.kind is StepKind.COMMAND and step.command is not None:
            command = step.command
            names = {words[0].upper() for words in (*command.block, command.words)}
            if command.executed != "no" and names.intersection(_READS):
                acknowledged[step.client] = False
            if command.executed != "no" and "XACK" in names:
                acknowledged[step.client] = True
            if command.fault:
                return acknowledged.get(step.client, False)
    return False

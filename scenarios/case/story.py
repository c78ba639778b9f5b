"""A case's record told as a story: calls, commands, the cut, what each key held, what the caller saw. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from midpipe.faultinject.vocabulary import Executed, Step
from midpipe.scenarios.invariants import INVARIANTS
from midpipe.scenarios.model.history import Json, Operation, Phase
from midpipe.scenarios.model.record import Arrived, Called, CaseRecord, Completed, Entry, Restarted
from midpipe.scenarios.model.state import changes_between
from midpipe.scenarios.model.verdict import Story, StoryStep
from midpipe.scenarios.programs.registry import program_named

_QUIET_ARGUMENTS = ("action_provider", "action_name", "actor_id", "params", "result")
_WORD_LENGTH = 48


def story_of(record: CaseRecord, replay: str) -> Story:
    """Return the story of a record, with a sentence for each thing that did not hold."""
    told = [step for entry in record.entries for step in _told(record, entry)]
    prepared = sum(
        isinstance(entry, Completed) and entry.operation.phase is Phase.PREPARE
        for entry in record.entries
    )
    steps = [*told[:prepared], *_told_seed(record.program), *told[prepared:]]
    verdict = tuple(
        f"{violation.invariant}: {evidence.seen}"
        for violation in record.violations
        for evidence in violation.evidence
    )
    return Story(replay, tuple(steps), verdict or ("Every invariant holds.",))


def _told_seed(program: str) -> tuple[StoryStep, ...]:
    """Tell the commands that laid the start state: midpipe's own, and no call of the subject accounts for them."""
    return tuple(
        StoryStep("call", "R", f"before the case, laid by midpipe: {_shown_words(command)}")
        for command in program_named(program).seed
    )


def _told(record: CaseRecord, entry: Entry) -> tuple[StoryStep, ...]:
    if isinstance(entry, Called):
        again = f"  (attempt {entry.attempt})" if entry.attempt > 1 else ""
        call = f"{entry.method}({_shown_arguments(dict(entry.arguments))})"
        text = f"{call}{again}{_in_version(entry.version)}"
        return (StoryStep("call", entry.client, text),)
    if isinstance(entry, Completed):
        return (*_told_unheard(record, entry.operation), *_told_completion(entry.operation))
    if isinstance(entry, Restarted):
        changes = changes_between(record.states[entry.before], record.states[entry.after])
        text = entry.how
        return (StoryStep("recovery", "S", text, changes=changes),)
    step = entry.step
    if step.event.position.inside and step.fault is None:
        return ()
    changes = changes_between(record.states[entry.before], record.states[entry.after])
    late = "delivered late: " if isinstance(entry, Arrived) else ""
    return (
        StoryStep(
            kind="command",
            client=step.event.position.client,
            text=late + shown_command(step),
            position=str(step.event.position),
            place=str(step.event.index),
            fault="" if isinstance(entry, Arrived) else str(step.fault or ""),
            executed=str(step.executed),
            reply=step.reply if step.executed is Executed.YES else "",
            changes=changes,
        ),
    )


def _told_unheard(record: CaseRecord, operation: Operation) -> tuple[StoryStep, ...]:
    """Tell the call of the worker that stands in for a frozen one: the program does not know it, so nothing did."""
    callers = {entry.client for entry in record.entries if isinstance(entry, Called)}
    if operation.phase is not Phase.PROGRAM or operation.client in callers:
        return ()
    call = f"{operation.method}({_shown_arguments(dict(operation.arguments))})"
    return (StoryStep("call", operation.client, f"{call}  (another worker, meanwhile)"),)


def _told_completion(operation: Operation) -> tuple[StoryStep, ...]:
    if operation.phase is Phase.PREPARE:
        call = f"{operation.method}({_shown_arguments(dict(operation.arguments))})"
        text = f"before the case: {call}{_in_version(operation.version)}"
        return (StoryStep("call", "R", text),)
    if operation.phase is Phase.RECOVERY:
        call = f"{operation.method}({_shown_arguments(dict(operation.arguments))})"
        text = f"{call} → {_shown_value(operation)}{_in_version(operation.version)}"
        return (StoryStep("recovery", "R", text),)
    if operation.error is not None:
        error = operation.error
        text = f"{operation.method} raised {error.type}: {error.message[:80]}"
        return (StoryStep("raise", operation.client, text),)
    return (
        StoryStep("answer", operation.client, f"{operation.method} → {_shown_value(operation)}"),
    )


def _in_version(version: str) -> str:
    return f"  [{version}]" if version else ""


def _shown_value(operation: Operation) -> str:
    if operation.error is not None:
        return f"{operation.error.type}: {operation.error.message[:60]}"
    value = operation.value
    if isinstance(value, Mapping) and "status" in value:
        known = ", ".join(
            f"{name}={value[name]!r}" for name in ("job_id", "status") if name in value
        )
        lacks = [name for name in ("params", "workspace_id") if name not in value]
        return f"a job: {known}" + (f", without {' and '.join(lacks)}" if lacks else "")
    return repr(value)[:120]


def shown_command(step: Step) -> str:
    """Return a command as a person would type it, long words cut and scripts named."""
    words = [_word(word) for word in step.event.args]
    if step.event.name in ("EVAL", "EVALSHA") and len(words) > 1:
        words[1] = "<script>"
    shown = _shown_words(words)
    if step.event.block:
        inner = "; ".join(" ".join(_word(word) for word in words[:3]) for words in step.event.block)
        return f"MULTI; {inner}; {shown}"
    return shown


def _shown_words(words: Sequence[str]) -> str:
    return " ".join(words[:8]) + (" …" if len(words) > 8 else "")


def _word(word: bytes) -> str:
    text = word.decode("utf-8", "backslashreplace").replace("\n", " ")
    return text if len(text) <= _WORD_LENGTH else text[: _WORD_LENGTH - 1] + "…"


def _shown_arguments(arguments: Mapping[str, Json]) -> str:
    return ", ".join(
        f"{name}={json.dumps(value, default=str)}"
        for name, value in arguments.items()
        if name not in _QUIET_ARGUMENTS and value is not None
    )


def claim_of(invariant: str) -> str:
    """Return the sentence of what must hold."""
    return INVARIANTS[invariant].claim

"""A case's record as a story: calls, commands, the fault, what each key held, what the caller saw. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from midpipe.faultinject.vocabulary import Executed, Step
from midpipe.scenarios.model.history import Json, Operation, Phase
from midpipe.scenarios.model.record import Arrived, Called, CaseRecord, Completed, Entry, Restarted
from midpipe.scenarios.model.state import changes_between
from midpipe.scenarios.model.verdict import Story, StoryStep
from midpipe.scenarios.programs.registry import program_named

_OMITTED_ARGUMENTS = ("action_provider", "action_name", "actor_id", "params", "result")
_MOST_CHARACTERS = 48
_MOST_WORDS = 8


def story_of(record: CaseRecord, replay: str) -> Story:
    """Return the story of a case, ending with a sentence for each violation.

    Args:
        replay: the case's replay string.
    """
    steps = [step for entry in record.entries for step in _steps(record, entry)]
    prepared = sum(
        isinstance(entry, Completed) and entry.operation.phase is Phase.PREPARE
        for entry in record.entries
    )
    steps = [*steps[:prepared], *_seed_steps(record.program), *steps[prepared:]]
    verdict = tuple(
        f"{violation.invariant}: {evidence.seen}"
        for violation in record.violations
        for evidence in violation.evidence
    )
    return Story(replay, tuple(steps), verdict or ("Every invariant holds.",))


def _seed_steps(program: str) -> tuple[StoryStep, ...]:
    """Return the commands by which midpipe wrote the start state; no call of the subject sent them."""
    return tuple(
        StoryStep("call", "R", f"before the case, written by midpipe: {_joined(command)}")
        for command in program_named(program).seed
    )


def _steps(record: CaseRecord, entry: Entry) -> tuple[StoryStep, ...]:
    if isinstance(entry, Called):
        again = f"  (attempt {entry.attempt})" if entry.attempt > 1 else ""
        call = f"{entry.method}({_arguments_text(dict(entry.arguments))})"
        return (StoryStep("call", entry.client, f"{call}{again}{_version_text(entry.version)}"),)
    if isinstance(entry, Completed):
        return (*_standby_call(record, entry.operation), _completion_step(entry.operation))
    changes = changes_between(record.states[entry.before], record.states[entry.after])
    if isinstance(entry, Restarted):
        return (StoryStep("recovery", "S", entry.how, changes=changes),)
    step = entry.step
    if step.event.position.inside and step.fault is None:
        return ()
    is_late = isinstance(entry, Arrived)
    return (
        StoryStep(
            kind="command",
            client=step.event.position.client,
            text=("delivered late: " if is_late else "") + command_text(step),
            position=str(step.event.position),
            place=str(step.event.index),
            fault="" if is_late else str(step.fault or ""),
            executed=str(step.executed),
            reply=step.reply if step.executed is Executed.YES else "",
            changes=changes,
        ),
    )


def _standby_call(record: CaseRecord, operation: Operation) -> tuple[StoryStep, ...]:
    """Return the call of the stand-by worker, which has no entry of its own because it is not in the program."""
    callers = {entry.client for entry in record.entries if isinstance(entry, Called)}
    if operation.phase is not Phase.PROGRAM or operation.client in callers:
        return ()
    return (StoryStep("call", operation.client, f"{_call_text(operation)}  (stand-by worker)"),)


def _completion_step(operation: Operation) -> StoryStep:
    version = _version_text(operation.version)
    if operation.phase is Phase.PREPARE:
        return StoryStep("call", "R", f"before the case: {_call_text(operation)}{version}")
    if operation.phase is Phase.RECOVERY:
        text = f"{_call_text(operation)} → {_result_text(operation)}{version}"
        return StoryStep("recovery", "R", text)
    if operation.error is not None:
        error = operation.error
        text = f"{operation.method} raised {error.type}: {error.message[:80]}"
        return StoryStep("raise", operation.client, text)
    return StoryStep("answer", operation.client, f"{operation.method} → {_result_text(operation)}")


def _call_text(operation: Operation) -> str:
    return f"{operation.method}({_arguments_text(operation.arguments)})"


def _version_text(version: str) -> str:
    return f"  [{version}]" if version else ""


def _result_text(operation: Operation) -> str:
    if operation.error is not None:
        return f"{operation.error.type}: {operation.error.message[:60]}"
    value = operation.value
    if isinstance(value, Mapping) and "status" in value:
        known = ", ".join(
            f"{name}={value[name]!r}" for name in ("job_id", "status") if name in value
        )
        missing = [name for name in ("params", "workspace_id") if name not in value]
        return f"a job: {known}" + (f", without {' and '.join(missing)}" if missing else "")
    return repr(value)[:120]


def command_text(step: Step) -> str:
    """Return a command as a person would type it, with long words cut and a script's text replaced."""
    words = [_word(word) for word in step.event.args]
    if step.event.name in ("EVAL", "EVALSHA") and len(words) > 1:
        words[1] = "<script>"
    text = _joined(words)
    if step.event.block:
        queued = "; ".join(" ".join(_word(word) for word in args[:3]) for args in step.event.block)
        return f"MULTI; {queued}; {text}"
    return text


def _joined(words: Sequence[str]) -> str:
    return " ".join(words[:_MOST_WORDS]) + (" …" if len(words) > _MOST_WORDS else "")


def _word(word: bytes) -> str:
    text = word.decode("utf-8", "backslashreplace").replace("\n", " ")
    return text if len(text) <= _MOST_CHARACTERS else text[: _MOST_CHARACTERS - 1] + "…"


def _arguments_text(arguments: Mapping[str, Json]) -> str:
    return ", ".join(
        f"{name}={json.dumps(value, default=str)}"
        for name, value in arguments.items()
        if name not in _OMITTED_ARGUMENTS and value is not None
    )

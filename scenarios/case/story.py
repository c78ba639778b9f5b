"""Turns the record of a case into its story: calls, commands, faults, changed keys, and what the callers saw. Pure."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from midpipe.faultinject.vocabulary import Executed, Step
from midpipe.scenarios.case.reply_text import shortened
from midpipe.scenarios.model.history import Json, Operation, Phase, RaisedError
from midpipe.scenarios.model.record import (
    Arrived,
    Called,
    CaseRecord,
    Completed,
    Entry,
    Passed,
    Restarted,
    Stepped,
)
from midpipe.scenarios.model.state import changes_between
from midpipe.scenarios.model.story import (
    CommandSource,
    KeyChange,
    StepKind,
    Story,
    StoryArgument,
    StoryCall,
    StoryCommand,
    StoryError,
    StoryStep,
    StoryViolation,
)
from midpipe.scenarios.programs.registry import program_named

_HIDDEN_ARGUMENTS = ("action_provider", "action_name", "actor_id", "params", "result")
"""They are the same in every call of a program, or long."""
_MIDPIPE = "R"
_WORD_LENGTH, _WORDS, _WORDS_IN_BLOCK = 48, 8, 3
_TIMESTAMP = re.compile(r"'\d{4}-\d\d-\d\dT(\d\d:\d\d:\d\d\.\d{3})[^']*'")
_SHORTEST_SHOWN_S = 0.001
"""A story leaves out times that pass without being waited for."""


def story_of(
    record: CaseRecord, replay: str, sources: Mapping[str, CommandSource] = MappingProxyType({})
) -> Story:
    """Return the story of a record.

    Args:
        replay: the argument of ``midpipe replay`` that runs the case.
        sources: where the subject's code sent the commands, by position.
    """
    steps = [
        _with_source(step, sources) for entry in record.entries for step in _steps(record, entry)
    ]
    prepared = sum(step.kind is StepKind.PREPARATION for step in steps)
    return Story(
        replay=replay,
        steps=(
            *steps[:prepared],
            *_seed(record.program),
            *steps[prepared:],
            *_what_workers_got(record),
        ),
        violations=tuple(
            StoryViolation(violation.invariant, evidence.seen, evidence.position)
            for violation in record.violations
            for evidence in violation.evidence
        ),
        invalid_reason=record.invalid_reason,
    )


def _with_source(step: StoryStep, sources: Mapping[str, CommandSource]) -> StoryStep:
    if step.command is None or step.command.position not in sources:
        return step
    return replace(step, command=replace(step.command, source=sources[step.command.position]))


def _seed(program: str) -> Iterator[StoryStep]:
    """Yield the commands with which midpipe wrote the start state; no call of the subject accounts for them."""
    for words in program_named(program).seed:
        yield StoryStep(StepKind.SEED, _MIDPIPE, command=StoryCommand(_first(words, _WORDS)))


def _what_workers_got(record: CaseRecord) -> Iterator[StoryStep]:
    """Yield what further workers received or ran once all was quiet; nothing for a subject without workers."""
    methods, error = record.traits.methods, _error(record.drain_error)
    if "work" in methods:
        method = "work"
        ran = [run.job_id for run in record.executions if run.phase is Phase.RECOVERY]
        value = f"ran {', '.join(ran) or 'no job'}"
        if error:
            value += f", then {error.type}: {error.message}"
    elif methods & {"claim", "dequeue"} and record.delivered is not None:
        method = "claim" if "claim" in methods else "dequeue"
        end = f"{error.type}: {error.message}" if error else "no job"
        value = ", ".join((*record.delivered, f"then {end}")) if record.delivered else end
    else:
        return
    yield StoryStep(StepKind.RECOVERY, _MIDPIPE, StoryCall(method), value=value)


def _steps(record: CaseRecord, entry: Entry) -> Iterator[StoryStep]:
    if isinstance(entry, Called):
        arguments = _arguments(record, entry.method, dict(entry.arguments))
        call = StoryCall(entry.method, arguments, entry.attempt, entry.version)
        yield StoryStep(StepKind.CALL, entry.client, call)
    elif isinstance(entry, Completed):
        yield from _completion(record, entry.operation)
    elif isinstance(entry, Passed):
        if entry.seconds >= _SHORTEST_SHOWN_S:
            yield StoryStep(StepKind.TIME, "", text=f"{duration_text(entry.seconds)} pass")
    elif isinstance(entry, Restarted):
        yield StoryStep(StepKind.SERVER, "", text=entry.how, changes=_changes(record, entry))
    else:
        yield from _command(record, entry)


def duration_text(seconds: float, *, rounds_up: bool = False) -> str:
    """Return a duration with two digits that count, because a wait ends at a slightly different moment each time.

    Args:
        rounds_up: the text is no shorter than the duration.
    """
    units = ((86_400.0, "days"), (3_600.0, "hours"), (60.0, "minutes"))
    unit, name = next((each for each in units if seconds >= 2 * each[0]), (1.0, "s"))
    number = seconds / unit
    digit = 10 ** (math.floor(math.log10(number)) - 1) if number > 0 else 1
    digits = round(number / digit, 6)
    rounded = (math.ceil if rounds_up else round)(digits) * digit
    return f"{rounded:.12g} {name}"


def _command(record: CaseRecord, entry: Stepped | Arrived) -> Iterator[StoryStep]:
    step = entry.step
    position = step.event.position
    if position.inside and step.fault is None:
        return
    is_late = isinstance(entry, Arrived)
    words, block = command_words(step)
    command = StoryCommand(
        words=words,
        block=block,
        position=str(position),
        place=str(step.event.index),
        label=step.event.index.label,
        fault="" if is_late else str(step.fault or ""),
        executed=str(step.executed),
        reply=_short(step.reply) if step.executed is Executed.YES else "",
    )
    kind = StepKind.LATE_COMMAND if is_late else StepKind.COMMAND
    yield StoryStep(kind, position.client, command=command, changes=_changes(record, entry))


def _completion(record: CaseRecord, operation: Operation) -> Iterator[StoryStep]:
    client, error = operation.client, _error(operation.error)
    arguments = _arguments(record, operation.method, dict(operation.arguments))
    call = StoryCall(operation.method, arguments, version=operation.version)
    if operation.phase is Phase.PREPARE:
        yield StoryStep(StepKind.PREPARATION, _MIDPIPE, call)
        return
    if operation.phase is Phase.RECOVERY:
        value = "" if error else _value(operation.value)
        yield StoryStep(StepKind.RECOVERY, _MIDPIPE, call, value=value, error=error)
        return
    callers = {entry.client for entry in record.entries if isinstance(entry, Called)}
    if client not in callers:
        # The stand-by worker is not in the program, so its call has no entry of its own.
        yield StoryStep(StepKind.CALL, client, replace(call, standby=True))
    if error is not None:
        yield StoryStep(StepKind.RAISE, client, call, error=error)
    else:
        yield StoryStep(StepKind.RETURN, client, call, value=_value(operation.value))


def _error(error: RaisedError | None) -> StoryError | None:
    return StoryError(error.type, shortened(error.message, 80)) if error else None


def _value(value: Json) -> str:
    if isinstance(value, Mapping) and "status" in value:
        known = ", ".join(
            f"{name}={value[name]!r}" for name in ("job_id", "status") if name in value
        )
        missing = [name for name in ("params", "workspace_id") if name not in value]
        return f"a job: {known}" + (f", without {' and '.join(missing)}" if missing else "")
    return _short(shortened(repr(value), 120))


def _changes(record: CaseRecord, entry: Stepped | Arrived | Restarted) -> tuple[KeyChange, ...]:
    return tuple(
        KeyChange(change.key, _short(change.before), _short(change.after))
        for change in changes_between(record.states[entry.before], record.states[entry.after])
    )


def command_words(step: Step) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Return a command's words, and the commands of its block; long words cut, scripts named."""
    words = list(step.event.args)
    if step.event.name in ("EVAL", "EVALSHA") and len(words) > 1:
        words[1] = b"<script>"
    block = tuple(tuple(map(_word, inner[:_WORDS_IN_BLOCK])) for inner in step.event.block)
    return _first([_word(word) for word in words], _WORDS), block


def _first(words: Sequence[str], most: int) -> tuple[str, ...]:
    return (*words[:most], *(["…"] if len(words) > most else []))


def _word(word: bytes) -> str:
    return shortened(word.decode("utf-8", "backslashreplace"), _WORD_LENGTH)


def _arguments(
    record: CaseRecord, method: str, arguments: Mapping[str, Json]
) -> tuple[StoryArgument, ...]:
    """Return the arguments that distinguish calls, of those that the subject's call takes."""
    taken = record.traits.accepts.get(method)
    return tuple(
        StoryArgument(name, json.dumps(value, default=str))
        for name, value in arguments.items()
        if name not in _HIDDEN_ARGUMENTS and value is not None and (taken is None or name in taken)
    )


def _short(text: str) -> str:
    """Return the text with the dates of its timestamps left out, as a case takes less than a day."""
    return _TIMESTAMP.sub(r"\1", text)

"""One client of a case: its calls, its attempts, and the arguments that its retry rule makes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field

from midpipe.faultinject.vocabulary import FaultRef, Position
from midpipe.scenarios.case.answered import Answered
from midpipe.scenarios.case.client_wire import ClientWire
from midpipe.scenarios.model.history import Completion, Json, Operation, RaisedError
from midpipe.scenarios.programs.program import Answer, Call, Retry, Version
from midpipe.scenarios.subjects.hosting import Answer as HostAnswer
from midpipe.scenarios.subjects.hosting import HostProcess


@dataclass(slots=True)
class Attempt:
    """One attempt at a call.

    Args:
        number: from 1; above 1 the client retries after an exception.
        invoked_at: as in Operation.
        began_s: on the clock of ``TimeFlow.clients_s``.

    Attributes:
        faulted: a fault was placed in it.
        changed_state, changed_job: a command of it changed the server's state, or the data of a job.
        reply_reports_effect: the reply that a fault took away said that its command did something.
        waited_s: for how long midpipe let time pass during it, as the client's process measures it.
        answer: what the subject's process answered; None so far.
    """

    number: int
    arguments: dict[str, Json]
    invoked_at: int
    began_s: float
    _: KW_ONLY
    faulted: bool = False
    changed_state: bool = False
    changed_job: bool = False
    reply_reports_effect: bool = False
    waited_s: float = 0.0
    answer: HostAnswer | None = None

    def take(self, answer: HostAnswer) -> None:
        """Keep what the subject's process answered."""
        self.answer = answer


def _none_yet() -> Attempt:
    return Attempt(0, {}, invoked_at=0, began_s=0.0)


@dataclass(slots=True)
class Client:
    """One client.

    Args:
        calls: what it calls, in order.
        host: the process in which the subject runs for it.

    Attributes:
        next_call: index of the call that is under way, or that comes next.
        attempt: the last one that it began; number 0 before the first.
        answers: what its calls have returned, by method.
        is_calling: an attempt is under way.
        has_ended: its process was ended, and it makes no further call.
        was_killed: a fault ended its process.
        is_service: its process is a service, so the caller lives on and a successor is started.
        listens: it has subscribed to a channel, and what it waits for may be a message.
        blocked: the blocking command that the server has not answered yet, and the fault placed at it.
        blocked_until_s: when the server ends that command by itself, on the case's clock.
    """

    wire: ClientWire
    calls: tuple[Call, ...]
    host: HostProcess
    _: KW_ONLY
    next_call: int = 0
    attempt: Attempt = field(default_factory=_none_yet)
    answers: dict[str, Json] = field(default_factory=dict)
    is_calling: bool = False
    has_ended: bool = False
    was_killed: bool = False
    is_service: bool = False
    listens: bool = False
    blocked: tuple[Position, FaultRef | None] | None = None
    blocked_until_s: float = math.inf

    @property
    def has_answer(self) -> bool:
        """An answer has come that was not taken yet."""
        return self.is_calling and self.attempt.answer is not None

    @property
    def version(self) -> Version:
        """The version of the call that is under way or comes next; of the last one after all of them.

        A subject that does not wait for replies may have returned from its last call when its command arrives.
        """
        return self.calls[min(self.next_call, len(self.calls) - 1)].version

    @property
    def is_done(self) -> bool:
        return not self.is_calling and (self.has_ended or self.next_call >= len(self.calls))

    @property
    def is_settled(self) -> bool:
        """It is done, parked, or waits for the server's reply to a blocking command or for a published message."""
        is_parked = self.wire.waiting is not None
        return self.is_done or is_parked or self.blocked is not None or self.listens

    @property
    def is_ready(self) -> bool:
        """It need not be waited for: it is settled, has answered, or has made the case invalid."""
        return self.is_settled or self.has_answer or bool(self.wire.invalid_reason)

    def close_instance(self) -> None:
        """Close the subject's instance, so that the server sees its connections end in order."""
        if self.host.is_alive:
            self.host.close_client(self.wire.client_id)

    def stop(self) -> None:
        """End a call that is still under way because the case is invalid, so that it can't disturb the next case."""
        if self.is_calling:
            self.host.kill()


def operation_of(
    client: Client, answered: Answered, *, has_late_write: bool, now: int, state_after: int
) -> Operation:
    """Return the attempt that has just ended as an operation.

    Args:
        has_late_write: a write of it is held and will still reach the server, or came late and changed its state.
        now, state_after: as ``completed_at`` and ``state_after`` in Operation.
    """
    call, attempt = client.calls[client.next_call], client.attempt
    may_have_had_effect = attempt.changed_state or attempt.reply_reports_effect or has_late_write
    return Operation(
        client=client.wire.client_id,
        request=client.next_call + 1,
        attempt=attempt.number,
        method=call.method,
        arguments=attempt.arguments,
        completion=completion_for(answered.error, may_have_had_effect),
        value=answered.value,
        error=answered.error,
        wrote=attempt.changed_state,
        faulted=attempt.faulted,
        invoked_at=attempt.invoked_at,
        completed_at=now,
        duration_ms=max(0.0, answered.ms - attempt.waited_s * 1000),
        state_after=state_after,
        version=str(call.version),
        caller_died=client.was_killed,
        wrote_job=attempt.changed_job,
        counted=answered.counted,
    )


def completion_for(error: RaisedError | None, may_have_had_effect: bool) -> Completion:
    """Return how a call completed that returned, or that raised the error."""
    if error is None:
        return Completion.OK
    return Completion.INFO if may_have_had_effect else Completion.FAIL


def retry_arguments(call: Call, arguments: dict[str, Json], attempt: int) -> dict[str, Json]:
    """Return the arguments of the attempt that follows this one, as the call's retry rule makes them."""
    if call.retry is Retry.NEW_JOB_ID and "job_id" in arguments:
        return {**arguments, "job_id": f"{call.arguments['job_id']}-try-{attempt + 1}"}
    return arguments


def resolved_arguments(
    arguments: Mapping[str, Json | Answer],
    answers: Mapping[str, Json],
    taken: frozenset[str] | None = None,
) -> dict[str, Json] | None:
    """Return the arguments with the answers of earlier calls put in, or None if one of those is missing.

    Args:
        taken: the arguments that the call takes, None if any: what it does not take need not have been answered.
    """
    resolved: dict[str, Json] = {}
    for name, value in arguments.items():
        if isinstance(value, Answer):
            answer = answers.get(value.method)
            if not isinstance(answer, Mapping):
                return None
            if value.field not in answer:
                if taken is None or name in taken:
                    return None
                continue
            resolved[name] = answer[value.field]
        else:
            resolved[name] = value
    return resolved

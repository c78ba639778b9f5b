"""The caller's side of one client: its calls, its attempts, and the arguments that its rule makes. No socket."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from midpipe.faultinject.vocabulary import FaultRef, Position
from midpipe.scenarios.case.client import ClientWire
from midpipe.scenarios.case.rig import Answered
from midpipe.scenarios.model.evidence import Traits
from midpipe.scenarios.model.history import Completion, Json, Operation, RaisedError
from midpipe.scenarios.programs.program import Answer, Call, Retry, Version
from midpipe.scenarios.subjects.hosting import Answer as HostAnswer
from midpipe.scenarios.subjects.hosting import HostProcess

_MOST_TAKEN_OVER = 5


@dataclass(slots=True)
class Caller:
    """The caller's side of one client: its calls, its attempts, its answers.

    Args:
        has_ended: its process was ended, and it makes no further call.
        was_killed: a fault ended it.
        listens: it does nothing, and has subscribed to something: what it waits for may be a message.
        blocked: the blocking command that the server has and does not answer yet, and the fault placed at it.
    """

    wire: ClientWire
    calls: tuple[Call, ...]
    host: HostProcess
    next_call: int = 0
    attempt: int = 0
    arguments: dict[str, Json] = field(default_factory=dict)
    answer: HostAnswer | None = None
    invoked_at: int = 0
    called_s: float = 0.0
    faulted: bool = False
    changed_state: bool = False
    changed_job: bool = False
    says_it_did: bool = False
    answers: dict[str, Json] = field(default_factory=dict)
    is_calling: bool = False
    has_ended: bool = False
    was_killed: bool = False
    listens: bool = False
    blocked: tuple[Position, FaultRef | None] | None = None

    def leave(self) -> None:
        """The client's process ends in order, as far as the server can tell."""
        if self.host.is_alive:
            self.host.close_client(self.wire.client_id)

    def stop(self) -> None:
        """The case is over: a call that is still under way, because the case is invalid, must not hold up the next."""
        if self.is_calling:
            self.host.kill()

    @property
    def is_done(self) -> bool:
        return not self.is_calling and (self.has_ended or self.next_call >= len(self.calls))

    @property
    def may_be_decided(self) -> bool:
        """Parked, done, or waiting for somebody else to do something: the server's answer to come, or a message."""
        is_parked = self.wire.waiting is not None
        return self.is_done or is_parked or self.blocked is not None or self.listens


def operation_of(
    caller: Caller, answered: Answered, under_way: bool, now: int, state_after: int
) -> Operation:
    """Return the call that the caller makes as it ended.

    Args:
        under_way: a write of it is held, and will still reach the server.
        now, state_after: as in Operation.
    """
    call = caller.calls[caller.next_call]
    return Operation(
        client=caller.wire.client_id,
        request=caller.next_call + 1,
        attempt=caller.attempt,
        method=call.method,
        arguments=caller.arguments,
        completion=ended_as(
            answered.error, caller.changed_state or caller.says_it_did or under_way
        ),
        value=answered.value,
        error=answered.error,
        wrote=caller.changed_state,
        faulted=caller.faulted,
        invoked_at=caller.invoked_at,
        completed_at=now,
        duration_ms=answered.ms,
        state_after=state_after,
        version=str(call.version),
        caller_died=caller.was_killed,
        wrote_job=caller.changed_job,
        counted=answered.counted,
    )


def standby_claims(traits: Traits, version: Version) -> tuple[Call, ...]:
    """Return the claims of a worker that takes over, as many as it may make; none if the subject has no such calls."""
    if not {"claim", "complete"} <= traits.methods:
        return ()
    claim = Call("claim", {"worker_id": "worker-standby", "lease_s": 30.0}, version=version)
    return (claim,) * _MOST_TAKEN_OVER


def completion_of(job: Mapping[str, Json], claim: Call) -> Call:
    """Return the completion of a job that was claimed."""
    arguments = {
        "job_id": job.get("job_id"),
        "workspace_id": job.get("workspace_id"),
        "lease_token": job.get("lease_token"),
        "result": {"by": "worker-standby"},
    }
    return Call("complete", arguments, version=claim.version)


def ended_as(error: RaisedError | None, may_have_had_effect: bool) -> Completion:
    """Return how a call ended that returned, or raised."""
    if error is None:
        return Completion.OK
    return Completion.INFO if may_have_had_effect else Completion.FAIL


def for_retry(call: Call, arguments: dict[str, Json], attempt: int) -> dict[str, Json]:
    """Return the arguments of the attempt after this one, as the caller's retry rule makes them."""
    if call.retry is Retry.NEW_JOB_ID and "job_id" in arguments:
        return {**arguments, "job_id": f"{call.arguments['job_id']}-try-{attempt + 1}"}
    return arguments


def resolved_arguments(
    arguments: Mapping[str, Json | Answer], answers: Mapping[str, Json]
) -> dict[str, Json] | None:
    """Return the arguments with earlier answers put in, or None if one of them is missing."""
    found: dict[str, Json] = {}
    for name, value in arguments.items():
        if isinstance(value, Answer):
            answer = answers.get(value.method)
            if not isinstance(answer, Mapping) or value.field not in answer:
                return None
            found[name] = answer[value.field]
        else:
            found[name] = value
    return found

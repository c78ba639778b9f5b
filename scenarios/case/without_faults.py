"""Makes the calls that no fault meets, those of the start state and those of the recovery, and records them."""

from __future__ import annotations

from midpipe.scenarios.case.answered import Answered
from midpipe.scenarios.case.operator import Operator
from midpipe.scenarios.case.recorder import Recorder
from midpipe.scenarios.case.recovery_client import RECOVERY, RecoveryClient
from midpipe.scenarios.model.history import Completion, Operation, Phase
from midpipe.scenarios.programs.program import Call, Program


def write_start_state(
    operator: Operator, recovery: RecoveryClient, recorder: Recorder, program: Program
) -> None:
    """Write the program's start state, and record it.

    A call that raises makes the case invalid: it would not begin in the state that the program describes.
    """
    for call in program.prepare:
        error = call_without_faults(recovery, recorder, call, Phase.PREPARE).error
        if error is not None:
            recorder.invalid_reason = (
                f"before the case, {call.method} raised {error.type}: {error.message}"
            )
            return
    operator.seed(program.seed)
    operator.save_snapshot()
    operator.note_on_disk()
    recorder.record_state()


def call_without_faults(
    recovery: RecoveryClient,
    recorder: Recorder,
    call: Call,
    phase: Phase,
    client_id: str = RECOVERY,
) -> Answered:
    """Make a call, and record it.

    Args:
        client_id: RECOVERY, midpipe's own client, or STANDBY, the stand-by worker.

    Raises:
        SubjectError: an instance of the subject can't be made.
    """
    arguments = call.given()
    answered = recovery.call(call.method, arguments, call.version, client_id)
    recorder.logs += answered.logs
    operation = Operation(
        client=client_id,
        request=len(recorder.history) + 1,
        attempt=1,
        method=call.method,
        arguments=arguments,
        completion=Completion.OK if answered.error is None else Completion.INFO,
        value=answered.value,
        error=answered.error,
        wrote=False,
        faulted=False,
        invoked_at=recorder.now,
        completed_at=recorder.now + 1,
        duration_ms=answered.ms,
        state_after=max(0, recorder.last_state),
        phase=phase,
        version=str(call.version),
    )
    recorder.record_completion(operation)
    return answered

"""What is written down while a case runs: entries, states and history in one order, and why it may be invalid."""

from __future__ import annotations

from collections.abc import Mapping

from midpipe.faultinject.vocabulary import Step
from midpipe.scenarios.case.rig import Answered, Rig
from midpipe.scenarios.model.history import Completion, Json, Operation, Phase
from midpipe.scenarios.model.record import Arrived, Completed, Entry, Restarted
from midpipe.scenarios.model.state import State, is_job_changed
from midpipe.scenarios.programs.program import Call


class Recorder:
    """The book of one case.

    Attributes:
        states: the server's states, each different from the one before.
        invalid_reason: why the case is invalid; empty so far.
    """

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self.entries: list[Entry] = []
        self.states: list[State] = []
        self.history: list[Operation] = []
        self.logs: list[str] = []
        self.invalid_reason = ""

    @property
    def now(self) -> int:
        """The ordinal of the next entry."""
        return len(self.entries)

    @property
    def last_state(self) -> int:
        return len(self.states) - 1

    def look(self) -> bool:
        """Keep the server's state if it is another one; return whether it has changed by more than time."""
        snapshot = self._rig.snapshot()
        if not self.states:
            self.states.append(snapshot.state)
            return True
        last = self.states[-1]
        if snapshot.state == last:
            # The same values, though they may last longer by now.
            self.states[-1] = snapshot.state
            return False
        self.states.append(snapshot.state)
        return snapshot.differs_by_more_than_time(last)

    def is_job_changed(self, since: int) -> bool:
        """Whether the data of any job has changed since a state."""
        return since != self.last_state and is_job_changed(self.states[since], self.states[-1])

    def arrived(self, step: Step) -> bool:
        """Write down that a command has reached the server late; return whether it changed anything."""
        before = self.last_state
        changed = self.look()
        self.entries.append(Arrived(step, before, self.last_state))
        return changed

    def restarted(self, how: str) -> None:
        """Write down that the server was killed, and how it has come back."""
        before = self.last_state
        self.look()
        self.entries.append(Restarted(before, self.last_state, how))

    def recovered(
        self,
        call: Call,
        arguments: Mapping[str, Json],
        answered: Answered,
        phase: Phase,
        client: str,
    ) -> None:
        """Write down a call that was made without faults, and waited for."""
        self.logs += answered.logs
        self.complete(
            Operation(
                client=client,
                request=len(self.history) + 1,
                attempt=1,
                method=call.method,
                arguments=arguments,
                completion=Completion.OK if answered.error is None else Completion.INFO,
                value=answered.value,
                error=answered.error,
                wrote=False,
                faulted=False,
                invoked_at=self.now,
                completed_at=self.now + 1,
                duration_ms=answered.ms,
                state_after=max(0, self.last_state),
                phase=phase,
                version=str(call.version),
            )
        )

    def complete(self, operation: Operation) -> None:
        """Write down that a call returned or raised."""
        self.history.append(operation)
        self.entries.append(Completed(operation))

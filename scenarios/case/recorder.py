"""Records a case while it runs: entries, states and history in one order, and why the case may be invalid.

Knows no server: it is given a function that reads the server's state.
"""

from __future__ import annotations

from collections.abc import Callable

from midpipe.faultinject.vocabulary import Step
from midpipe.scenarios.model.history import Operation
from midpipe.scenarios.model.record import Arrived, Completed, Entry, Passed, Restarted
from midpipe.scenarios.model.state import Snapshot, State, is_job_changed


class Recorder:
    """The record of one case as it grows.

    Args:
        snapshot: returns every key of the server at one moment.

    Attributes:
        entries: what happened, in order.
        states: the server's states, each different from the one before.
        history: the operations, in order of completion.
        logs: what the subject logged at WARNING or above, and what it printed.
        invalid_reason: why the case is invalid; empty so far.
        connections: as in CaseRecord, once the clients are done.
    """

    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        self._snapshot = snapshot
        self.entries: list[Entry] = []
        self.states: list[State] = []
        self.history: list[Operation] = []
        self.logs: list[str] = []
        self.invalid_reason = ""
        self.connections = 0

    @property
    def now(self) -> int:
        """The ordinal of the next entry."""
        return len(self.entries)

    @property
    def last_state(self) -> int:
        """Index of the latest state."""
        return len(self.states) - 1

    def record(self, entry: Entry) -> None:
        """Add an entry."""
        self.entries.append(entry)

    def record_state(self) -> bool:
        """Read the server's state and keep it if it differs; return whether anything but remaining times changed."""
        snapshot = self._snapshot()
        if not self.states:
            self.states.append(snapshot.state)
            return True
        last = self.states[-1]
        if snapshot.state == last:
            # Equal values, though their keys may last longer by now.
            self.states[-1] = snapshot.state
            return False
        self.states.append(snapshot.state)
        return snapshot.differs_by_more_than_time(last)

    def is_job_changed(self, since: int) -> bool:
        """Whether the data of any job has changed since the state of that index."""
        return since != self.last_state and is_job_changed(self.states[since], self.states[-1])

    def record_arrival(self, step: Step) -> bool:
        """Record that a command reached the server after its client moved on; return whether it changed anything."""
        before = self.last_state
        changed = self.record_state()
        self.record(Arrived(step, before, self.last_state))
        return changed

    def record_restart(self, how: str) -> None:
        """Record that the server came back, and in a few words from what."""
        before = self.last_state
        self.record_state()
        self.record(Restarted(before, self.last_state, how))

    def record_passing(self, seconds: float) -> None:
        """Record that time passed, and nothing else happened meanwhile."""
        if self.entries and isinstance(last := self.entries[-1], Passed):
            self.entries[-1] = Passed(last.seconds + seconds)
        else:
            self.record(Passed(seconds))

    def record_completion(self, operation: Operation) -> None:
        """Record that a call returned or raised."""
        self.history.append(operation)
        self.record(Completed(operation))

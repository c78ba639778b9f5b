"""A program's calls through a Toxiproxy, with a network fault during the first of them.

A ``Case`` parks every command and lets it through as a schedule says. Here there is no schedule and no proxy that could
park a command, because it would turn a reset into an orderly close: the fault is in the network while the call runs,
and is removed before the caller retries. A call that raised certainly had no effect only if the state did not change
and the server has closed every connection of the client. Blind to what another client could have seen in the middle of
a call.
"""

from __future__ import annotations

from dataclasses import dataclass

from midpipe.faultinject.servers.server import fields_of
from midpipe.scenarios.case.answered import Answered, answered_from
from midpipe.scenarios.case.client import completion_for, retry_arguments
from midpipe.scenarios.case.recorder import Recorder
from midpipe.scenarios.case.rig import Rig
from midpipe.scenarios.case.without_faults import write_start_state
from midpipe.scenarios.model.history import HANG, Json, Operation
from midpipe.scenarios.network.measuring import CLIENT
from midpipe.scenarios.network.placements import TIME_OUT_MS, NetworkFault, Shows
from midpipe.scenarios.network.source import Route
from midpipe.scenarios.programs.calls import WORKSPACE
from midpipe.scenarios.programs.program import MAX_RETRIES, Call, Program, Retry
from midpipe.scenarios.programs.suited import suited
from midpipe.scenarios.subjects.hosting import Answer

_SETTLES_WITHIN_S = 1.0
_POLL_S = 0.005


@dataclass(slots=True)
class Observed:
    """What was observed of the fault.

    Attributes:
        ms: the duration of the faulted call.
        has_raised: whether the faulted call raised.
        connections: the connections that the server accepted during the case.
        outlived: whether the server's connection outlived its client.
    """

    ms: float = 0.0
    has_raised: bool = False
    connections: int = 0
    outlived: bool = False

    def shows(self, fault: NetworkFault, connections: int) -> bool:
        """Whether the fault certainly happened.

        Args:
            connections: the number of connections that the program makes without a fault.
        """
        if fault.shows is Shows.LATE_CLOSE:
            return self.outlived
        cut = self.has_raised or self.connections > connections
        return cut or (fault.shows is Shows.DELAY and self.ms >= fault.at_least_ms)


class CallsThroughToxiproxy:
    """Makes a program's calls on a rig, once; afterwards what happened can be judged.

    Attributes:
        observed: what was observed of the fault.

    Args:
        fault: placed for the first call; None runs without a fault.
        bound_ms: how long a call may take, for a subject that declares no bound.
    """

    def __init__(
        self, rig: Rig, program: Program, route: Route, fault: NetworkFault | None, bound_ms: float
    ) -> None:
        self._rig = rig
        self._program = program
        self._route = route
        self._fault = fault
        self._bound_ms = bound_ms
        self.recorder = Recorder(rig.snapshot)
        self.observed = Observed()

    @property
    def latency_bound_ms(self) -> float:
        return self._bound_ms

    @property
    def leases_have_ended(self) -> bool:
        return False

    def await_leases(self) -> None:
        """Do nothing: leases are not shortened here."""

    def run(self) -> None:
        """Run the program to its end, and wait until the client's connections are closed."""
        rig = self._rig
        rig.reset()
        program = suited(self._program, rig.traits)
        write_start_state(rig.operator, rig.recovery, self.recorder, program)
        ours, accepted = self._connected(), self._accepted()
        opened = rig.host(CLIENT).make_instance(
            CLIENT, rig.url_at(self._route.address.port, TIME_OUT_MS)
        )
        self._bound_ms = opened.latency_bound_ms or self._bound_ms
        if self._fault is not None:
            if self._fault.is_warm:
                self._connect_first()
            self._route.put(self._fault)
        for number, call in enumerate(program.clients[CLIENT], 1):
            self._request(number, call, ours)
        self._hang_up(ours)
        self.observed.connections = self._accepted() - accepted
        self.recorder.record_state()

    def _connect_first(self) -> None:
        """Have the client read a job that does not exist, so that its connection is set up before the fault."""
        if "get_job" not in self._rig.traits.methods:
            self.recorder.invalid_reason = (
                "the subject has no get_job, which is needed to set up its connection"
            )
            return
        nothing = Call("get_job", {"job_id": "no-such-job", "workspace_id": WORKSPACE})
        if self._answered(nothing, nothing.given()).error is not None:
            self.recorder.invalid_reason = "get_job raised without any fault"

    def _request(self, number: int, call: Call, ours: frozenset[str]) -> None:
        arguments = call.given()
        for attempt in range(1, MAX_RETRIES + 2):
            operation = self._attempt(number, call, arguments, attempt, ours)
            self.recorder.record_completion(operation)
            if operation.error is None or call.retry is Retry.NONE:
                return
            arguments = retry_arguments(call, arguments, attempt)

    def _attempt(
        self,
        number: int,
        call: Call,
        arguments: dict[str, Json],
        attempt: int,
        ours: frozenset[str],
    ) -> Operation:
        invoked_at = self.recorder.now
        answered = self._answered(call, arguments)
        is_faulted = number == attempt == 1 and self._fault is not None
        if is_faulted:
            self.observed.ms, self.observed.has_raised = answered.ms, answered.error is not None
            if self._fault is not None and self._fault.shows is not Shows.LATE_CLOSE:
                self._route.mend()
        has_settled = answered.error is None or self._has_settled(ours)
        changed = self.recorder.record_state()
        self.recorder.logs += answered.logs
        return Operation(
            client=CLIENT,
            request=number,
            attempt=attempt,
            method=call.method,
            arguments=arguments,
            completion=completion_for(answered.error, changed or not has_settled),
            value=answered.value,
            error=answered.error,
            wrote=changed,
            faulted=is_faulted,
            invoked_at=invoked_at,
            completed_at=self.recorder.now,
            duration_ms=answered.ms,
            state_after=self.recorder.last_state,
        )

    def _answered(self, call: Call, arguments: dict[str, Json]) -> Answered:
        host = self._rig.host(CLIENT)
        answers: list[Answer] = []
        begun_s = self._rig.loop.clock()
        host.call(CLIENT, call.method, arguments, answers.append)
        if not self._rig.loop.run_until(lambda: bool(answers), self._bound_ms / 1000 * 1.2 + 0.2):
            host.kill()
            ms = (self._rig.loop.clock() - begun_s) * 1000
            error: Answer = {"type": HANG, "message": f"no answer within {ms:.0f} ms"}
            return answered_from({"error": error, "ms": max(ms, self._bound_ms + 1)})
        return answered_from(answers[0])

    def _hang_up(self, ours: frozenset[str]) -> None:
        """Have the client disconnect, and close what is left of its connections."""
        if self._rig.host(CLIENT).is_alive:
            self._rig.host(CLIENT).close_client(CLIENT)
            if self._fault is not None and self._fault.shows is Shows.LATE_CLOSE:
                # The host answers in order, so the client has closed its connections by this answer.
                self._rig.host(CLIENT).sources(CLIENT)
                # On the loopback a server notices a closed connection within milliseconds, if at all.
                self.observed.outlived = not self._has_settled(ours)
        self._route.mend()
        self._route.hang_up()
        if not self._has_settled(ours):
            self.recorder.invalid_reason = "the server still has a connection of the client"

    def _has_settled(self, ours: frozenset[str]) -> bool:
        """Wait until the server has only midpipe's own connections; return whether it has."""
        loop = self._rig.loop
        deadline_s = loop.clock() + _SETTLES_WITHIN_S / 2
        while self._connected() - ours:
            if loop.clock() >= deadline_s:
                return False
            loop.run_until(lambda: False, _POLL_S)
        return True

    def _connected(self) -> frozenset[str]:
        """Return the ids of the server's connections."""
        listed = self._rig.control.call("CLIENT", "LIST")
        text = listed.decode("utf-8", "replace") if isinstance(listed, bytes) else str(listed)
        return frozenset(line.partition(" ")[0] for line in text.splitlines() if line.strip())

    def _accepted(self) -> int:
        """Return how many connections the server has accepted since it started."""
        stats = fields_of(self._rig.control.call("INFO", "stats"))
        return int(stats["total_connections_received"])

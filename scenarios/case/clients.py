"""The clients of one case: makes their calls, waits until each is parked or done, and takes their answers.

A call that raised is made again, as its program's retry rule says. A call that does not return within the latency
bound hangs, and its process is killed. Knows no schedule and no fault.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from midpipe.faultinject.vocabulary import WireEvent
from midpipe.scenarios.case.caller import Caller, for_retry, operation_of, resolved_arguments
from midpipe.scenarios.case.client import ClientWire, StepOver
from midpipe.scenarios.case.held import HeldCommands
from midpipe.scenarios.case.recorder import Recorder
from midpipe.scenarios.case.rig import Rig, answered_from
from midpipe.scenarios.case.side_effects import SideEffects
from midpipe.scenarios.model.history import Json
from midpipe.scenarios.model.record import Called
from midpipe.scenarios.programs.program import MAX_RETRIES, Call, Retry
from midpipe.scenarios.subjects.hosting import Answer as HostAnswer

_LISTENS_AFTER_S = 0.03


class Clients:
    """Every client of one case.

    Args:
        time_outs_ms: each client's socket time-out.
        latency_bound_ms: how long a call may take before it counts as hung, for a subject that declares no bound.

    Attributes:
        latency_bound_ms: the bound in force: the subject's own, if it declares one.
    """

    def __init__(
        self,
        rig: Rig,
        book: Recorder,
        held: HeldCommands,
        side_effects: SideEffects,
        *,
        time_outs_ms: Mapping[str, int],
        latency_bound_ms: float,
    ) -> None:
        self._rig = rig
        self._book = book
        self._held = held
        self._side_effects = side_effects
        self._time_outs_ms = time_outs_ms
        self.latency_bound_ms = latency_bound_ms
        self._callers: dict[str, Caller] = {}

    def __getitem__(self, client_id: str) -> Caller:
        return self._callers[client_id]

    def __iter__(self) -> Iterator[Caller]:
        return iter(self._callers.values())

    def open(self, calls: Mapping[str, tuple[Call, ...]], step_over: StepOver) -> None:
        """Make every client's instance of the subject.

        Args:
            calls: what each client calls, in order.
            step_over: as in ClientWire.
        """
        rig = self._rig
        for client_id, its_calls in calls.items():
            wire = ClientWire(client_id, rig.table, step_over)
            host = rig.host(client_id, its_calls[0].version)
            self._callers[client_id] = Caller(wire, its_calls, host)
            listener = rig.listener(client_id)
            listener.director = listener.prefetches_for = wire
        self._make_instances(*self)

    def _make_instances(self, *callers: Caller) -> None:
        """Make the clients' instances; what a constructor sends passes, as connection set-up does."""
        opening = []
        for caller in callers:
            caller.wire.passes_all = True
            url = self._rig.url(caller.wire.client_id, self._time_outs_ms[caller.wire.client_id])
            opening.append(caller.host.begin_instance(caller.wire.client_id, url))
        for caller, wait in zip(callers, opening, strict=True):
            opened = wait()
            caller.wire.passes_all = False
            if opened.latency_bound_ms is not None:
                self.latency_bound_ms = opened.latency_bound_ms

    def begin(self) -> None:
        """Make every client's first call."""
        for caller in self:
            self._call_next(caller)

    def stop(self) -> None:
        """End what the case has left under way, and close the clients' connections."""
        for caller in self:
            self.end_outage(caller)
            caller.stop()
            self._rig.listener(caller.wire.client_id).close_links()

    @property
    def is_anyone_blocked(self) -> bool:
        return any(caller.blocked for caller in self)

    def waiting_events(self) -> tuple[WireEvent, ...]:
        """Return the command that each parked client waits with, by client."""
        return tuple(
            caller.wire.waiting[2]
            for _, caller in sorted(self._callers.items())
            if caller.wire.waiting is not None
        )

    def wait(self) -> None:
        """Wait until every client is parked or done; take answers and make next calls as they come."""
        callers = tuple(self)

        def ready(caller: Caller) -> bool:
            return (
                caller.may_be_decided
                or caller.answer is not None
                or bool(caller.wire.invalid_reason)
            )

        def something_to_do() -> bool:
            return all(map(ready, callers))

        def all_but_listeners_ready() -> bool:
            # A subscriber may be waiting for a message that another client's next command would send.
            return any(caller.wire.waiting for caller in callers) and all(
                ready(caller) or caller.wire.has_subscribed for caller in callers
            )

        run_until = self._rig.loop.run_until
        while not all(caller.may_be_decided for caller in callers):
            if not run_until(
                lambda: something_to_do() or all_but_listeners_ready(), self._patience_s
            ):
                for caller in callers:
                    if not caller.may_be_decided and caller.answer is None:
                        self._give_up_on(caller)
            elif not something_to_do() and not run_until(something_to_do, _LISTENS_AFTER_S):
                for caller in callers:
                    caller.listens = not ready(caller)
            for caller in callers:
                if caller.wire.invalid_reason and not self._book.invalid_reason:
                    self._book.invalid_reason = caller.wire.invalid_reason
                if caller.answer is not None:
                    self._take_answer(caller)
            if self._book.invalid_reason:
                return

    def wait_while_blocked(self) -> None:
        """Wait until a blocked client's command is over: only a time-out, the server's or the client's, can end it."""
        self._side_effects.time_passes()
        blocked = [caller for caller in self if caller.blocked]
        over = self._rig.loop.run_until(
            lambda: (
                self._book.invalid_reason != "" or any(caller.blocked is None for caller in blocked)
            ),
            self._patience_s,
        )
        for caller in () if over else blocked:
            caller.blocked = None
            self._give_up_on(caller)

    def end_process(
        self, caller: Caller, kind: str, message: str, *, at_least_ms: float = 0.0
    ) -> None:
        """Kill the client's process; it makes no further call, and this one is answered with an error."""
        caller.host.kill()
        ms = (self._rig.loop.clock() - caller.called_s) * 1000
        error = {"type": kind, "message": message}
        caller.answer = {"error": error, "ms": max(ms, at_least_ms)}
        caller.has_ended = True

    def end_outage(self, caller: Caller) -> None:
        """The client's operation has ended: what a fault did to its listener or to the server ends as well."""
        if self._side_effects.end(caller.wire):
            caller.changed_state = self._held.server_went_on() or caller.changed_state

    def _call_next(self, caller: Caller) -> None:
        """Make the client's next call, skipping those whose arguments no earlier call has answered."""
        while caller.next_call < len(caller.calls):
            call = caller.calls[caller.next_call]
            arguments = resolved_arguments(call.arguments, caller.answers)
            if arguments is not None:
                self._side_effects.shorten_lease(arguments)
                self._invoke(caller, call, arguments, attempt=1)
                return
            caller.next_call += 1

    def _invoke(self, caller: Caller, call: Call, arguments: dict[str, Json], attempt: int) -> None:
        client_id = caller.wire.client_id
        caller.arguments, caller.attempt = arguments, attempt
        caller.answer, caller.is_calling = None, True
        caller.faulted = caller.changed_state = caller.changed_job = caller.says_it_did = False
        caller.invoked_at = self._book.now
        caller.called_s = self._rig.loop.clock()
        caller.wire.begins(caller.next_call + 1, attempt)
        words = tuple(arguments.items())
        self._book.entries.append(Called(client_id, call.method, words, attempt, str(call.version)))

        def take(message: HostAnswer) -> None:
            caller.answer = message

        host = self._rig.host(client_id, call.version)
        if host is not caller.host:
            # A supervisor starts it again because its process died in the call before; or the client changes version.
            caller.leave()
            caller.host = host
            self._make_instances(caller)
        host.call(client_id, call.method, arguments, take)

    @property
    def _patience_s(self) -> float:
        return self.latency_bound_ms / 1000 * 1.2 + 0.2

    def _give_up_on(self, caller: Caller) -> None:
        """The call hangs: end its process, so that it surely does nothing more."""
        ms = (self._rig.loop.clock() - caller.called_s) * 1000
        message = f"no answer within {ms:.0f} ms"
        self.end_process(caller, "Hang", message, at_least_ms=self.latency_bound_ms + 1)

    def _take_answer(self, caller: Caller) -> None:
        assert caller.answer is not None
        answered = answered_from(caller.answer)
        caller.answer, caller.is_calling = None, False
        self.end_outage(caller)
        self._book.logs += answered.logs
        call = caller.calls[caller.next_call]
        attempt = (caller.wire.client_id, caller.next_call + 1, caller.attempt)
        under_way = self._held.holds_write_of(*attempt)
        caller.changed_state = caller.changed_state or self._held.came_late(*attempt)
        self._book.complete(
            operation_of(caller, answered, under_way, self._book.now, self._book.last_state)
        )
        if answered.error is None:
            caller.answers[call.method] = answered.value
        elif (
            not caller.has_ended and call.retry is not Retry.NONE and caller.attempt <= MAX_RETRIES
        ):
            arguments = for_retry(call, caller.arguments, caller.attempt)
            self._invoke(caller, call, arguments, caller.attempt + 1)
            return
        if not caller.has_ended:
            caller.next_call += 1
            self._call_next(caller)

"""The clients of one case: makes their calls, waits until each is settled, and takes their answers.

A client is settled when it is done, or parked: a command of it waits for a decision. A call that raised is made again
as its program's retry rule says. A call that does not return within the latency bound hangs, and its process is
killed. Knows no schedule and no fault.
"""

from __future__ import annotations

import math
import platform
from collections.abc import Callable, Iterator, Mapping

from midpipe.faultinject.vocabulary import WireEvent
from midpipe.faultinject.wire.pattern import parse_pattern
from midpipe.scenarios.case.answered import Answered, answered_from
from midpipe.scenarios.case.beginning import begin_anew, difference, late_command
from midpipe.scenarios.case.client import (
    Attempt,
    Client,
    operation_of,
    resolved_arguments,
    retry_arguments,
)
from midpipe.scenarios.case.client_wire import ClientWire, StepOver
from midpipe.scenarios.case.expiry import await_what_is_due
from midpipe.scenarios.case.held import HeldCommands
from midpipe.scenarios.case.recorder import Recorder
from midpipe.scenarios.case.rig import Rig
from midpipe.scenarios.case.side_effects import SideEffects
from midpipe.scenarios.model.history import HANG, Json
from midpipe.scenarios.model.record import Called
from midpipe.scenarios.programs.program import MAX_RETRIES, Call, Retry

_MESSAGE_WITHIN_S = 0.03
"""How long a subscriber has for the call that a message would let it make, before other clients go on."""


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
        recorder: Recorder,
        held: HeldCommands,
        side_effects: SideEffects,
        *,
        time_outs_ms: Mapping[str, int],
        latency_bound_ms: float,
    ) -> None:
        self._rig = rig
        self._recorder = recorder
        self._held = held
        self._side_effects = side_effects
        self._time_outs_ms = time_outs_ms
        self.latency_bound_ms = latency_bound_ms
        self._promises_bound = False
        self._clients: dict[str, Client] = {}
        rig.time.parked = self._parked_pids
        rig.time.waited = self._note_wait

    def __getitem__(self, client_id: str) -> Client:
        return self._clients[client_id]

    def __iter__(self) -> Iterator[Client]:
        return iter(self._clients.values())

    def open(self, calls: Mapping[str, tuple[Call, ...]], step_over: StepOver) -> None:
        """Make every client's instance of the subject.

        Args:
            calls: what each client calls, in order.
            step_over: as in ClientWire.

        Raises:
            SubjectError: a constructor raised, hung, or ended its process.
        """
        rig = self._rig
        for client_id, its_calls in calls.items():
            time_out_s = self._time_outs_ms[client_id] / 1000
            wire = ClientWire(
                client_id=client_id,
                table=rig.table,
                clock=rig.time.clients_s,
                time_out_s=time_out_s,
                step_over=step_over,
                state=lambda: self._recorder.last_state,
                host=platform.node().encode(),
                background=tuple(map(parse_pattern, rig.traits.background)),
            )
            host = rig.host(client_id, its_calls[0].version)
            self._clients[client_id] = Client(wire, its_calls, host)
            listener = rig.listener(client_id)
            listener.director = listener.prefetches_for = wire
        self._make_instances(*self)

    def begin(self) -> None:
        """Make every client's first call, after one wait for all if one of them waits for what is due."""
        if any(call.waits for client in self for call in client.calls[:1]):
            await_what_is_due(self._rig.time, self._rig.traits)
        self._side_effects.await_zero_leases()
        self._rig.time.has_passed = False
        for client in self:
            self._call_next(client)

    def begin_late(self, client: Client) -> None:
        """Begin the client's first call at its turn, which is now, if what it was to send is out of date."""
        if (
            self._side_effects.is_server_paused
            or (expected := late_command(self._rig, client)) is None
        ):
            return
        begin_anew(self._rig, client, self._make_instances)
        self._wait_until(lambda: client.is_ready)
        reason = client.wire.invalid_reason or difference(expected, client)
        self._recorder.invalid_reason = self._recorder.invalid_reason or reason

    def notice_give_ups(self) -> None:
        """Handle what has arrived by now; a client that gave up on a command makes the case invalid."""
        self._rig.loop.step(0.0)
        for client in self:
            self._recorder.invalid_reason = (
                self._recorder.invalid_reason or client.wire.invalid_reason
            )

    def stop(self) -> None:
        """End what the case has left under way, and close the clients' connections."""
        for client in self:
            self.end_outage(client)
            client.stop()
            self._rig.listener(client.wire.client_id).close_links()
        self._side_effects.correct_clocks()
        self._rig.time.parked = tuple
        self._rig.time.waited = _ignore

    @property
    def is_any_client_blocked(self) -> bool:
        """Whether the server has a blocking command that it has not answered yet."""
        return any(client.blocked for client in self)

    def waiting_events(self) -> tuple[WireEvent, ...]:
        """Return the command with which each parked client waits, in order of the clients."""
        return tuple(
            client.wire.waiting[2]
            for _, client in sorted(self._clients.items())
            if client.wire.waiting is not None
        )

    def settle(self) -> None:
        """Wait until every client is settled; take answers and make next calls as they come.

        Ends early if the case turns out invalid.
        """
        clients = tuple(self)

        def are_all_ready() -> bool:
            return all(client.is_ready for client in clients)

        def are_all_but_subscribers_ready() -> bool:
            # A subscriber may be waiting for a message that another client's next command would send.
            return (
                any(client.wire.has_subscribed for client in clients)
                and any(client.wire.waiting for client in clients)
                and all(client.is_ready or client.wire.has_subscribed for client in clients)
            )

        while not all(client.is_settled for client in clients):
            if not self._wait_until(lambda: are_all_ready() or are_all_but_subscribers_ready()):
                for client in clients:
                    if not client.is_settled and not client.has_answer:
                        self._end_hanging_call(client)
            elif not are_all_ready() and not self._rig.loop.run_until(
                are_all_ready, _MESSAGE_WITHIN_S
            ):
                for client in clients:
                    client.listens = not client.is_ready
            for client in clients:
                if client.wire.invalid_reason and not self._recorder.invalid_reason:
                    self._recorder.invalid_reason = client.wire.invalid_reason
                if client.has_answer:
                    self._take_answer(client)
            if self._recorder.invalid_reason:
                return

    def wait_while_blocked(self) -> None:
        """Wait until a blocking command is over, or until its client sends something else over another connection.

        If it does not, only a time-out, the server's or the client's, can end the command now.
        """
        self._side_effects.allow_leases_to_end()
        blocked = [client for client in self if client.blocked]
        is_over = self._wait_until(
            lambda: (
                self._recorder.invalid_reason != ""
                or any(client.blocked is None or client.wire.waiting for client in blocked)
            ),
            due_s=lambda: min((client.blocked_until_s for client in blocked), default=math.inf),
        )
        for client in () if is_over else blocked:
            client.blocked = None
            self._end_hanging_call(client)

    def _wait_until(
        self, satisfied: Callable[[], bool], due_s: Callable[[], float] = lambda: math.inf
    ) -> bool:
        """Wait until a condition holds, as long as a call may take; return whether it does.

        An outage ends meanwhile, unless the subject promises that its calls end under any fault.

        Args:
            due_s: as in TimeFlow.run_until.
        """
        left_s = self._patience_s
        while left_s > 0.0:
            waiting = [
                client
                for client in self
                if client.is_calling and client.wire.waiting is None and not self._promises_bound
            ]
            outages_s = (self._side_effects.outage_left_s(client.wire) for client in waiting)
            within_s, began_s = min((left_s, *outages_s)), self._rig.time.now_s()
            is_satisfied = self._rig.time.run_until(satisfied, within_s, due_s=due_s)
            passed_s = self._rig.time.now_s() - began_s
            has_ended = [
                self._side_effects.wait_through_outage(client.wire, passed_s) for client in waiting
            ]
            for client, is_over in zip(waiting, has_ended, strict=True):
                if is_over and not self._side_effects.is_server_paused:
                    client.attempt.changed_state |= self._held.record_after_pause()
            if any(has_ended):
                self._recorder.record_restart("the outage is over, though the call is not")
            if is_satisfied:
                return True
            # A wait on a stepped clock may end early: then nothing more is to be expected.
            left_s = left_s - passed_s if any(has_ended) else 0.0
        return False

    def end_process(
        self, client: Client, kind: str, message: str, *, at_least_ms: float = 0.0
    ) -> None:
        """Kill the client's process: its call raises an error of that kind, and it makes no further call.

        Args:
            at_least_ms: how long the call counts as having taken, if it took less.
        """
        client.wire.mark_killed()
        client.host.kill()
        attempt = client.attempt
        ms = max((self._rig.time.clients_s() - attempt.began_s) * 1000, at_least_ms)
        error = {"type": kind, "message": message}
        # As its process would have measured it, with midpipe's own waits.
        attempt.answer = {"error": error, "ms": ms + attempt.waited_s * 1000}
        client.has_ended = True

    def end_outage(self, client: Client) -> None:
        """End what a fault did to the client's listener or to the server: it lasts as long as the client's call."""
        if self._side_effects.end(client.wire) and self._held.record_after_pause():
            client.attempt.changed_state = True

    def _make_instances(self, *clients: Client) -> None:
        """Make the clients' instances; what a constructor sends passes, as all that sets a connection up does."""
        opening = []
        promised_s = self._rig.traits.promises.latency_bound_s
        for client in clients:
            client.wire.begin_instance()
            client_id = client.wire.client_id
            url = self._rig.url(client_id, self._time_outs_ms[client_id])
            opening.append(client.host.begin_instance(client_id, url))
        for client, wait in zip(clients, opening, strict=True):
            opened = wait()
            client.wire.end_instance()
            client.is_service = opened.is_service
            bound_ms = opened.latency_bound_ms if promised_s is None else promised_s * 1000
            if bound_ms is not None:
                self.latency_bound_ms, self._promises_bound = bound_ms, True

    def _call_next(self, client: Client) -> None:
        """Make the client's next call, skipping those that need an answer which no earlier call gave."""
        while client.next_call < len(client.calls):
            call = client.calls[client.next_call]
            taken = self._rig.traits.accepts.get(call.method)
            arguments = resolved_arguments(call.arguments, client.answers, taken)
            if arguments is not None:
                self._side_effects.shorten_lease(arguments)
                if call.waits and client.next_call:
                    self._side_effects.allow_leases_to_end()
                    self._await_others(client)
                    await_what_is_due(self._rig.time, self._rig.traits)
                self._invoke(client, call, arguments, number=1)
                return
            client.next_call += 1

    def _await_others(self, client: Client) -> None:
        """Wait until no other client is on its way to its next command, which the time would run out for."""
        others = [other for other in self if other is not client]
        self._wait_until(lambda: all(other.is_settled or other.has_answer for other in others))

    def _invoke(self, client: Client, call: Call, arguments: dict[str, Json], number: int) -> None:
        client_id = client.wire.client_id
        now, clock_s = self._recorder.now, self._rig.time.clients_s()
        client.attempt = Attempt(number, arguments, invoked_at=now, began_s=clock_s)
        client.is_calling = True
        client.wire.begin_attempt(client.next_call + 1, number)
        named = tuple(arguments.items())
        self._recorder.record(Called(client_id, call.method, named, number, str(call.version)))
        host = self._rig.host(client_id, call.version)
        if host is not client.host:
            # A supervisor starts it again because its process died in the call before; or the client changes version.
            # What the old process leaves unanswered when it is closed is no time-out of the machine's.
            client.wire.may_time_out = True
            client.close_instance()
            client.host = host
            self._make_instances(client)
        host.call(client_id, call.method, arguments, client.attempt.take)

    def _start_again(self, client: Client) -> None:
        """Let a successor of a killed service serve the client's next attempt or call."""
        self._rig.listener(client.wire.client_id).close_links()
        client.wire.mark_started_again()
        client.has_ended = client.was_killed = False

    def _parked_pids(self) -> tuple[int, ...]:
        """Return the processes whose command waits for midpipe: no time passes for its sake."""
        return tuple(client.host.pid for client in self if client.wire.waiting)

    def _note_wait(self, seconds: float) -> None:
        """Count a wait of midpipe's own for the calls during which it passed: they did not take it."""
        for client in self:
            if not (self._rig.time.is_stepped and client.wire.waiting):
                client.attempt.waited_s += seconds

    @property
    def _patience_s(self) -> float:
        """How long to wait for an answer before the call counts as hung."""
        return self.latency_bound_ms / 1000 * 1.2 + 0.2

    def _end_hanging_call(self, client: Client) -> None:
        """End the process of a call that hangs, so that it surely does nothing more."""
        ms = (self._rig.time.clients_s() - client.attempt.began_s) * 1000
        message = f"no answer within {ms:.0f} ms"
        self.end_process(client, HANG, message, at_least_ms=self.latency_bound_ms + 1)

    def _check_time_out(self, client: Client, answered: Answered) -> None:
        """Make the case invalid if the call raised a time-out that nothing in it planned."""
        wire, error = client.wire, answered.error
        is_planned = wire.has_waited or wire.was_killed or wire.keeps_silent_connection
        if error is None or is_planned or not error.is_time_out or not wire.may_have_timed_out():
            return
        method = client.calls[client.next_call].method
        self._recorder.invalid_reason = self._recorder.invalid_reason or (
            f"{method} of {wire.client_id} raised {error.type} although nothing was done to its commands; "
            "the machine may be too busy"
        )

    def _take_answer(self, client: Client) -> None:
        """Record the answer of the client's call, and make the call again or the next one."""
        attempt = client.attempt
        assert attempt.answer is not None
        answered = answered_from(attempt.answer)
        client.is_calling = client.wire.is_under_way = False
        self._check_time_out(client, answered)
        self.end_outage(client)
        self._recorder.logs += answered.logs
        call = client.calls[client.next_call]
        key = (client.wire.client_id, client.next_call + 1, attempt.number)
        has_late_write = self._held.holds_write_of(*key)
        attempt.changed_state = attempt.changed_state or self._held.came_late(*key)
        operation = operation_of(
            client,
            answered,
            has_late_write=has_late_write,
            now=self._recorder.now,
            state_after=self._recorder.last_state,
        )
        self._recorder.record_completion(operation)
        if client.is_service and client.was_killed:
            self._start_again(client)
        if client.has_ended:
            return
        if answered.error is None:
            client.answers[call.method] = answered.value
        elif call.retry is not Retry.NONE and attempt.number <= MAX_RETRIES:
            arguments = retry_arguments(call, attempt.arguments, attempt.number)
            self._invoke(client, call, arguments, attempt.number + 1)
            return
        client.next_call += 1
        self._call_next(client)


def _ignore(seconds: float) -> None:
    """Do nothing with the seconds: no client is left."""

"""One case: start state, program and schedule in; a record out.

Clients run until each is parked (a command of it waits) or done; then the scheduler decides which waiting
command goes next and what happens to it. So there is one order of events, and it is the schedule's. Nothing
sleeps: the case waits for commands, answers and closed connections, and for a lease that is to end.
"""

from __future__ import annotations

from midpipe.faultinject.decide.scheduler import Scheduler
from midpipe.faultinject.faults import effects_of
from midpipe.faultinject.faults.effects import Deliver, Effects, Process
from midpipe.faultinject.net.link import PASS
from midpipe.faultinject.vocabulary import (
    Decision,
    Executed,
    FaultRef,
    Point,
    Position,
    Step,
    WireEvent,
)
from midpipe.faultinject.wire.resp import Reply
from midpipe.scenarios.case.caller import (
    Caller,
    completion_of,
    for_retry,
    operation_of,
    resolved_arguments,
    standby_claims,
)
from midpipe.scenarios.case.client import ClientWire
from midpipe.scenarios.case.held import DELIVERED_WITHIN_S, HeldCommands
from midpipe.scenarios.case.recorder import Recorder
from midpipe.scenarios.case.reply_text import says_something, shown_reply
from midpipe.scenarios.case.rig import RECOVERY, STANDBY, Answered, Rig, answered_from
from midpipe.scenarios.case.side_effects import STANDING_STILL, SideEffects
from midpipe.scenarios.model.history import Json, Phase
from midpipe.scenarios.model.record import Called, Stepped
from midpipe.scenarios.programs.program import MAX_RETRIES, Call, Program, Retry
from midpipe.scenarios.subjects.hosting import Answer as HostAnswer

_MAX_STEPS = 2_000
_LISTENS_AFTER_S = 0.03


class Case:
    """Runs one case on a rig. Use once.

    Args:
        time_outs_ms: each client's socket time-out.
        latency_bound_ms: how long an operation may take before it counts as hung.
        lease_s: how long claims are made for, so that it costs little to wait until they have ended; None: as they are.
    """

    def __init__(
        self,
        rig: Rig,
        program: Program,
        time_outs_ms: dict[str, int],
        latency_bound_ms: float,
        *,
        lease_s: float | None = None,
    ) -> None:
        self._rig = rig
        self._program = program
        self._time_outs_ms = time_outs_ms
        self._bound_ms = latency_bound_ms
        self._callers: dict[str, Caller] = {}
        self.book = Recorder(rig)
        self._held = HeldCommands(rig, self.book)
        self._outages = SideEffects(rig, lease_s)
        self._awaited: Position | None = None
        self._stepped: Step | None = None
        self._fault: FaultRef | None = None
        self._paused: Step | None = None
        self._last: str | None = None

    def prepare(self) -> None:
        """Lay the start state, without faults, and make every client's instance."""
        rig = self._rig
        for call in self._program.prepare:
            self.recover(call, Phase.PREPARE)
            self._outages.lease_begins(call.arguments)
        rig.lay(self._program.seed)
        rig.keep_snapshot()
        self.book.look()
        for client_id, calls in self._program.clients.items():
            wire = ClientWire(client_id, rig.table, self._step_over)
            self._callers[client_id] = Caller(wire, calls, rig.host(client_id, calls[0].version))
            listener = rig.listener(client_id)
            listener.director = listener.dry_runs_for = wire
        self._open(*self._callers.values())

    def _open(self, *callers: Caller) -> None:
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
                self._bound_ms = opened.latency_bound_ms

    @property
    def latency_bound_ms(self) -> float:
        """The bound in force: the subject's own, if it declares one."""
        return self._bound_ms

    def run(self, scheduler: Scheduler) -> None:
        """Run the program to its end under the scheduler's decisions, and let everything become quiet."""
        for caller in self._callers.values():
            self._call_next(caller)
        for _ in range(_MAX_STEPS):
            self._wait_for_clients()
            waiting = self._waiting_events()
            if not waiting and not self.book.invalid_reason and self._is_anyone_blocked():
                self._let_time_pass()
                continue
            if not waiting or self.book.invalid_reason:
                break
            # What only queues is no choice: a block goes on to its EXEC, the first client's before the others'.
            waiting = next(((event,) for event in waiting if event.position.inside), waiting)
            self._carry_out(scheduler.decide(Point(waiting, self._last)))
        else:
            self.book.invalid_reason = f"more than {_MAX_STEPS} commands were sent"
        self._held.release_all()
        for client_id, caller in self._callers.items():
            self._end_outage(caller)
            caller.stop()
            self._rig.listener(client_id).close_links()

    @property
    def leases_are_short(self) -> bool:
        return self._outages.leases_are_short

    def wait_for_leases(self) -> None:
        """Wait until the program's leases have ended, if they are short."""
        self._outages.wait_for_leases()

    def recover(self, call: Call, phase: Phase, client: str = RECOVERY) -> Answered:
        """Make a call without faults, as R (or the stand-by worker), and write it into the history."""
        arguments = resolved_arguments(call.arguments, {}) or {}
        answered = self._rig.recovery_call(call.method, arguments, call.version, client)
        self.book.recovered(call, arguments, answered, phase, client)
        return answered

    # --- callers -------------------------------------------------------------------------------------

    def _call_next(self, caller: Caller) -> None:
        """Make the caller's next call, skipping those whose arguments nobody answered."""
        while caller.next_call < len(caller.calls):
            call = caller.calls[caller.next_call]
            arguments = resolved_arguments(call.arguments, caller.answers)
            if arguments is not None:
                self._outages.shorten_lease(arguments)
                self._invoke(caller, call, arguments, attempt=1)
                return
            caller.next_call += 1

    def _invoke(self, caller: Caller, call: Call, arguments: dict[str, Json], attempt: int) -> None:
        client_id = caller.wire.client_id
        caller.arguments, caller.attempt = arguments, attempt
        caller.answer, caller.is_calling = None, True
        caller.faulted = caller.changed_state = caller.changed_job = caller.says_it_did = False
        caller.invoked_at = self.book.now
        caller.called_s = self._rig.loop.clock()
        caller.wire.begins(caller.next_call + 1, attempt)
        words = tuple(arguments.items())
        self.book.entries.append(Called(client_id, call.method, words, attempt, str(call.version)))

        def take(message: HostAnswer) -> None:
            caller.answer = message

        host = self._rig.host(client_id, call.version)
        if host is not caller.host:
            # The process died in the call before, and a supervisor starts it again; or it is rolled to another version.
            caller.leave()
            caller.host = host
            self._open(caller)
        host.call(client_id, call.method, arguments, take)

    def _wait_for_clients(self) -> None:
        """Wait until every client is parked or done; take answers and make next calls as they come."""
        callers = tuple(self._callers.values())

        def ready(caller: Caller) -> bool:
            return (
                caller.may_be_decided
                or caller.answer is not None
                or bool(caller.wire.invalid_reason)
            )

        def something_to_do() -> bool:
            return all(map(ready, callers))

        def all_but_listeners_ready() -> bool:
            # Whoever hears messages may be waiting for one that another client's next command would send.
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
                if caller.wire.invalid_reason and not self.book.invalid_reason:
                    self.book.invalid_reason = caller.wire.invalid_reason
                if caller.answer is not None:
                    self._take_answer(caller)
            if self.book.invalid_reason:
                return

    @property
    def _patience_s(self) -> float:
        return self._bound_ms / 1000 * 1.2 + 0.2

    def _give_up_on(self, caller: Caller) -> None:
        """The call hangs: end its process, so that it surely does nothing more."""
        ms = (self._rig.loop.clock() - caller.called_s) * 1000
        self._end_process(caller, "Hang", f"no answer within {ms:.0f} ms", self._bound_ms + 1)

    def _end_process(self, caller: Caller, kind: str, message: str, at_least_ms: float) -> None:
        """Kill the client's process; it makes no call any more, and nobody hears of this one."""
        caller.host.kill()
        ms = (self._rig.loop.clock() - caller.called_s) * 1000
        error = {"type": kind, "message": message}
        caller.answer = {"error": error, "ms": max(ms, at_least_ms)}
        caller.has_ended = True

    def _take_answer(self, caller: Caller) -> None:
        assert caller.answer is not None
        answered = answered_from(caller.answer)
        caller.answer, caller.is_calling = None, False
        self._end_outage(caller)
        self.book.logs += answered.logs
        call = caller.calls[caller.next_call]
        attempt = (caller.wire.client_id, caller.next_call + 1, caller.attempt)
        under_way = self._held.holds_write_of(*attempt)
        caller.changed_state = caller.changed_state or self._held.came_late(*attempt)
        self.book.complete(
            operation_of(caller, answered, under_way, self.book.now, self.book.last_state)
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

    def _end_outage(self, caller: Caller) -> None:
        """The client's operation has ended: what a fault did to its listener or to the server ends as well."""
        if self._outages.end(caller.wire) and self._paused is not None:
            caller.changed_state = self.book.arrived(self._paused) or caller.changed_state
            self._paused = None
            self._held.release_due()

    # --- the wire ------------------------------------------------------------------------------------

    def _waiting_events(self) -> tuple[WireEvent, ...]:
        return tuple(
            caller.wire.waiting[2]
            for _, caller in sorted(self._callers.items())
            if caller.wire.waiting is not None
        )

    def _effects(self, decision: Decision) -> Effects:
        if decision.fault is None:
            return STANDING_STILL if self._outages.server_stands_still else PASS
        caller = self._callers[decision.event.position.client]
        caller.faulted = True
        effects = effects_of(decision.fault, decision.event)
        if effects.process is Process.FROZEN:
            self._freeze(caller)
        self._outages.begin(caller.wire, effects)
        self._fault = decision.fault
        return effects

    def _freeze(self, caller: Caller) -> None:
        """Stop the client's process until its leases have ended and another worker has done what there was to do."""
        caller.host.freeze()
        try:
            self._outages.wait_for_leases()
            for claim in standby_claims(self._rig.traits, caller.calls[caller.next_call].version):
                job = self.recover(claim, Phase.PROGRAM, STANDBY).value
                if not isinstance(job, dict):
                    break
                self.recover(completion_of(job, claim), Phase.PROGRAM, STANDBY)
            self.book.look()
        finally:
            caller.host.go_on()

    def _carry_out(self, decision: Decision) -> None:
        event = decision.event
        client_id, is_inside = event.position.client, bool(event.position.inside)
        if not is_inside:
            self._last = client_id
        self._awaited, self._stepped, self._fault = event.position, None, None
        for listener in self._callers.values():
            listener.listens = False
        caller = self._callers[client_id]
        waiting = caller.wire.waiting
        self._outages.end_leases_of_no_time()
        caller.wire.let_through(self._effects(decision))
        may_block = self._rig.table.is_blocking(event.args) and not is_inside
        if may_block and not self._answers_at_once():
            caller.blocked, self._fault = (event.position, self._fault), None
            return
        over = self._rig.loop.run_until(
            lambda: self._stepped is not None or caller.wire.invalid_reason != "",
            DELIVERED_WITHIN_S,
        )
        if self._stepped is None:
            self.book.invalid_reason = (
                caller.wire.invalid_reason
                if over
                else (
                    f"the server did not answer {event.position} within {DELIVERED_WITHIN_S:.0f} s"
                )
            )
            return
        if self._outages.lease_ended_unplanned:
            self.book.invalid_reason = f"too busy a machine: a lease ended before {event.position}"
            return
        step = self._stepped
        if step is not None and decision.fault and waiting:
            effects = effects_of(decision.fault, event)
            if effects.deliver is Deliver.HELD:
                self._held.hold(waiting[0], step, effects.held_for)
                return
            if effects.pauses_server:
                self._paused = step
            if how := self._outages.replace_server(effects):
                self.book.restarted(how)
            if effects.process is Process.KILLED:
                caller.was_killed = True
                caller.wire.dies()
                self._end_process(caller, "Crash", "the client's process was killed", 0.0)
        if is_inside:
            return
        self._held.count_down(event)
        if not self._outages.server_stands_still:
            self._held.release_due()
        if self._is_anyone_blocked():
            self._settle()

    def _is_anyone_blocked(self) -> bool:
        return any(caller.blocked for caller in self._callers.values())

    def _answers_at_once(self) -> bool:
        """Whether the server answers the command that it was just given, without waiting for anybody."""
        self._settle()
        return self._stepped is not None

    def _settle(self) -> None:
        """Let everything arrive that the server has answered by now."""
        self._rig.await_server()
        for _ in range(2):
            self._rig.loop.step(0.0)

    def _let_time_pass(self) -> None:
        """Every client is done or blocked: only a time-out, the server's or the client's, can change that."""
        self._outages.time_passes()
        blocked = [caller for caller in self._callers.values() if caller.blocked]
        over = self._rig.loop.run_until(
            lambda: (
                self.book.invalid_reason != "" or any(caller.blocked is None for caller in blocked)
            ),
            self._patience_s,
        )
        for caller in () if over else blocked:
            caller.blocked = None
            self._give_up_on(caller)

    def _step_over(self, event: WireEvent, executed: Executed, reply: Reply | None) -> None:
        caller = self._callers[event.position.client]
        if caller.blocked and caller.blocked[0] == event.position:
            fault, caller.blocked = caller.blocked[1], None
        else:
            fault, self._fault = self._fault, None
        step = Step(event, fault, executed, shown_reply(reply))
        before = self.book.last_state
        may_have_changed = executed is not Executed.NO and event.is_write
        if may_have_changed and not event.position.inside and not self._outages.server_stands_still:
            caller.changed_state = self.book.look() or caller.changed_state
            caller.changed_job = self.book.is_job_changed(before) or caller.changed_job
            self._outages.lease_begins(caller.arguments)
            # A time that is written again within its millisecond shows no change; nobody who has not heard can know.
            caller.says_it_did |= fault is not None and says_something(reply)
        raw = b"" if reply is None else reply.raw
        self.book.entries.append(Stepped(step, before, self.book.last_state, raw))
        if event.position == self._awaited:
            self._stepped = step

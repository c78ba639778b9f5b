"""One case: start state, program and schedule in; a record out.

Clients run until each is parked (a command of it waits) or done; then the scheduler decides which waiting
command goes next and what happens to it. So there is one order of events, and it is the schedule's. Nothing
sleeps: the case waits for commands, answers and closed connections, and for a lease that is to end.
"""

from __future__ import annotations

from midpipe.faultinject.decide.scheduler import Scheduler
from midpipe.faultinject.faults import effects_of
from midpipe.faultinject.faults.effects import PASS, Deliver, Process, WireEffects
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
    resolved_arguments,
    standby_claims,
)
from midpipe.scenarios.case.clients import Clients
from midpipe.scenarios.case.held import DELIVERED_WITHIN_S, HeldCommands
from midpipe.scenarios.case.recorder import Recorder
from midpipe.scenarios.case.reply_text import says_something, shown_reply
from midpipe.scenarios.case.rig import RECOVERY, STANDBY, Answered, Rig
from midpipe.scenarios.case.side_effects import STANDING_STILL, SideEffects
from midpipe.scenarios.model.history import Phase
from midpipe.scenarios.model.record import Stepped
from midpipe.scenarios.programs.program import Call, Program

_MAX_STEPS = 2_000


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
        self.book = Recorder(rig)
        self._held = HeldCommands(rig, self.book)
        self._outages = SideEffects(rig, lease_s)
        self._clients = Clients(
            rig,
            self.book,
            self._held,
            self._outages,
            time_outs_ms=time_outs_ms,
            latency_bound_ms=latency_bound_ms,
        )
        self._awaited: Position | None = None
        self._stepped: Step | None = None
        self._fault: FaultRef | None = None
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
        self._clients.open(self._program.clients, self._step_over)

    @property
    def latency_bound_ms(self) -> float:
        """The bound in force: the subject's own, if it declares one."""
        return self._clients.latency_bound_ms

    def run(self, scheduler: Scheduler) -> None:
        """Run the program to its end under the scheduler's decisions, and let everything become quiet."""
        self._clients.begin()
        for _ in range(_MAX_STEPS):
            self._clients.wait()
            waiting = self._clients.waiting_events()
            if not waiting and not self.book.invalid_reason and self._clients.is_anyone_blocked:
                self._clients.wait_while_blocked()
                continue
            if not waiting or self.book.invalid_reason:
                break
            # What only queues is no choice: a block goes on to its EXEC, the first client's before the others'.
            waiting = next(((event,) for event in waiting if event.position.inside), waiting)
            self._carry_out(scheduler.decide(Point(waiting, self._last)))
        else:
            self.book.invalid_reason = f"more than {_MAX_STEPS} commands were sent"
        self._held.release_all()
        self._clients.stop()

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

    def _effects(self, decision: Decision) -> WireEffects:
        if decision.fault is None:
            return STANDING_STILL if self._outages.server_stands_still else PASS
        caller = self._clients[decision.event.position.client]
        caller.faulted = True
        effects = effects_of(decision.fault, decision.event)
        if effects.process is Process.FROZEN:
            self._freeze(caller)
        self._outages.begin(caller.wire, effects)
        self._fault = decision.fault
        return effects.wire

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
        for client in self._clients:
            client.listens = False
        caller = self._clients[client_id]
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
            if effects.wire.deliver is Deliver.HELD:
                self._held.hold(waiting[0], step, effects.wire.held_for)
                return
            if effects.server.pauses:
                self._held.server_stopped_at(step)
            if how := self._outages.replace_server(effects):
                self.book.restarted(how)
            if effects.process is Process.KILLED:
                caller.was_killed = True
                caller.wire.dies()
                self._clients.end_process(caller, "Crash", "the client's process was killed")
        if is_inside:
            return
        self._held.count_down(event)
        if not self._outages.server_stands_still:
            self._held.release_due()
        if self._clients.is_anyone_blocked:
            self._settle()

    def _answers_at_once(self) -> bool:
        """Whether the server answers the command that it was just given, without waiting for anybody."""
        self._settle()
        return self._stepped is not None

    def _settle(self) -> None:
        """Let everything arrive that the server has answered by now."""
        self._rig.await_server()
        for _ in range(2):
            self._rig.loop.step(0.0)

    def _step_over(self, event: WireEvent, executed: Executed, reply: Reply | None) -> None:
        caller = self._clients[event.position.client]
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

"""One case: runs a program from its start state under a schedule, and records what happens.

Clients run until each is settled: parked, which means that a command of it waits, or done. Then the scheduler decides
which waiting command goes next and what happens to it. So there is one order of events, and the schedule determines
it. Nothing sleeps: the case waits for commands, answers, closed connections, and for leases that are to end.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from midpipe.faultinject.decide.scheduler import Scheduler
from midpipe.faultinject.faults import effects_of, lets_time_pass
from midpipe.faultinject.faults.effects import PASS, UNMOVED, Deliver, Effects, Process, WireEffects
from midpipe.faultinject.vocabulary import (
    Decision,
    Executed,
    FaultRef,
    Point,
    Position,
    Step,
    WireEvent,
)
from midpipe.faultinject.wire.blocking import TICK_S, blocks_for_s
from midpipe.faultinject.wire.resp import Reply
from midpipe.scenarios.case.client import Client
from midpipe.scenarios.case.clients import Clients
from midpipe.scenarios.case.held import ANSWERED_WITHIN_S, HeldCommands
from midpipe.scenarios.case.recorder import Recorder
from midpipe.scenarios.case.reply_text import confirms_disk, reply_text, reports_effect
from midpipe.scenarios.case.rig import Rig
from midpipe.scenarios.case.side_effects import SERVER_PAUSED, SideEffects
from midpipe.scenarios.case.standby import take_over
from midpipe.scenarios.case.without_faults import write_start_state
from midpipe.scenarios.model.record import Stepped
from midpipe.scenarios.programs.program import Program
from midpipe.scenarios.programs.suited import suited

_MOST_COMMANDS = 2_000


class Case:
    """Runs one case on a rig. Use once: ``prepare``, then ``run``.

    Args:
        time_outs_ms: each client's socket time-out.
        latency_bound_ms: how long a call may take before it counts as hung, for a subject that declares no bound.
        lease_s: how long every claim's lease is made, so that waiting for its end is cheap; None leaves it as it is.

    Attributes:
        recorder: what has happened so far, and why the case may be invalid.
        has_faults: a fault has been placed.
    """

    def __init__(
        self,
        rig: Rig,
        program: Program,
        *,
        time_outs_ms: Mapping[str, int],
        latency_bound_ms: float,
        lease_s: float | None = None,
    ) -> None:
        self._rig = rig
        self._program = program
        self._shortest_time_out_s = min(time_outs_ms.values(), default=0) / 1000
        self.recorder = Recorder(rig.snapshot)
        rig.time.passed = self.recorder.record_passing
        self.has_faults = False
        self._held = HeldCommands(rig.loop, self.recorder)
        self._side_effects = SideEffects(
            rig.operator, rig.proxy, rig.time, rig.clock, lease_s=lease_s
        )
        self._clients = Clients(
            rig,
            self.recorder,
            self._held,
            self._side_effects,
            time_outs_ms=time_outs_ms,
            latency_bound_ms=latency_bound_ms,
        )
        self._awaited: Position | None = None
        self._is_awaiting = False
        self._found_meanwhile: list[tuple[WireEvent, Executed, Reply | None]] = []
        self._step: Step | None = None
        self._fault: FaultRef | None = None
        self._last_client: str | None = None

    @property
    def latency_bound_ms(self) -> float:
        """The bound in force: the subject's own, if it declares one."""
        return self._clients.latency_bound_ms

    @property
    def leases_have_ended(self) -> bool:
        return self._side_effects.leases_have_ended

    def prepare(self) -> None:
        """Write the start state, without faults, and make every client's instance of the subject."""
        program = suited(self._program, self._rig.traits)
        write_start_state(self._rig.operator, self._rig.recovery, self.recorder, program)
        if self.recorder.invalid_reason:
            return
        for call in program.prepare:
            self._side_effects.note_write(call.arguments)
        self._clients.open(program.clients, self._step_over)

    def run(self, scheduler: Scheduler) -> None:
        """Run the program to its end under the scheduler's decisions, and deliver what is still held."""
        clients, recorder = self._clients, self.recorder
        clients.begin()
        for _ in range(_MOST_COMMANDS):
            clients.settle()
            waiting = clients.waiting_events()
            if not waiting and not recorder.invalid_reason and clients.is_any_client_blocked:
                clients.wait_while_blocked()
                continue
            if not waiting or recorder.invalid_reason:
                break
            # A client inside MULTI … EXEC goes on to its EXEC first: there is nothing to choose.
            waiting = next(((event,) for event in waiting if event.position.inside), waiting)
            self._carry_out(scheduler.decide(Point(waiting, self._last_client)))
        else:
            recorder.invalid_reason = f"the clients sent more than {_MOST_COMMANDS} commands"
        self._held.release_all()
        clients.notice_give_ups()
        recorder.connections = max((client.wire.connections for client in clients), default=0)
        clients.stop()

    def await_leases(self) -> None:
        """Wait until the program's leases have ended, if they are short."""
        self._side_effects.await_leases()

    def _carry_out(self, decision: Decision) -> None:
        """Let the chosen command through with the fault's effects, and wait until it is over."""
        event = decision.event
        is_inside = bool(event.position.inside)
        if not is_inside:
            self._last_client = event.position.client
        self._awaited, self._step, self._fault = event.position, None, None
        for other in self._clients:
            other.listens = False
        client = self._clients[event.position.client]
        self._side_effects.await_zero_leases()
        if decision.fault is None or not lets_time_pass(decision.fault):
            self._clients.begin_late(client)
        on_wire = self._begin_effects(decision)
        if self.recorder.invalid_reason:
            return
        waiting = client.wire.waiting
        self._is_awaiting = True
        client.wire.let_through(on_wire)
        may_block = self._rig.table.is_blocking(event.args) and not is_inside
        if may_block and not self._is_answered_at_once():
            client.blocked, self._fault = (event.position, self._fault), None
            client.blocked_until_s = self._rig.time.now_s() + blocks_for_s(event.args) + TICK_S
            self._record_found_meanwhile()
            return
        step = self._await_step(client, event)
        self._record_found_meanwhile()
        if step is None:
            return
        if self._side_effects.has_lease_ended_unplanned:
            self.recorder.invalid_reason = (
                f"a lease ended before {event.position}; the machine may be too busy"
            )
            return
        if decision.fault and waiting:
            effects = effects_of(decision.fault, event)
            if effects.wire.deliver is Deliver.HELD:
                link = waiting[0]
                given_up = partial(client.wire.has_given_up, link, step.event.index)
                self._held.hold(link, step, effects.wire.held_for, given_up)
                return
            self._end_effects(client, effects, step)
        if is_inside:
            return
        self._held.count_down(event)
        if self._side_effects.is_server_paused:
            return
        self._held.release_due()
        if self._clients.is_any_client_blocked:
            self._receive_replies()

    def _begin_effects(self, decision: Decision) -> WireEffects:
        """Begin what a fault does beside the connection; return what becomes of the command."""
        if decision.fault is None:
            return SERVER_PAUSED if self._side_effects.is_server_paused else PASS
        client = self._clients[decision.event.position.client]
        client.attempt.faulted = client.wire.has_met_fault = self.has_faults = True
        effects = effects_of(decision.fault, decision.event)
        if effects.process is Process.FROZEN:
            self._freeze(client)
        self._side_effects.begin(client.wire, effects)
        if effects.clock != UNMOVED:
            self._side_effects.move_clock(client.wire, client.host.pid, effects.clock)
            self.recorder.record_state()
            if effects.clock.elapse_s:
                self._clients.begin_late(client)
        self._fault = decision.fault
        return effects.wire

    def _end_effects(self, client: Client, effects: Effects, step: Step) -> None:
        """Carry out what a fault does after its command."""
        if effects.server.pauses:
            self._held.keep_unanswered(step)
        if how := self._side_effects.replace_server(effects):
            self.recorder.record_restart(how)
        if effects.process is Process.KILLED:
            client.was_killed = True
            self._clients.end_process(client, "Crash", "the client's process was killed")

    def _freeze(self, client: Client) -> None:
        """Stop the client's process until its leases have ended and a stand-by worker has done the jobs it can get."""
        client.host.freeze()
        try:
            self._side_effects.await_leases()
            take_over(self._rig, self.recorder, client.version, self._shortest_time_out_s)
            self.recorder.record_state()
        finally:
            client.host.resume()

    def _await_step(self, client: Client, event: WireEvent) -> Step | None:
        """Wait until the command that was let through is over; None if it is not, and the case is invalid."""
        self._rig.loop.run_until(
            lambda: self._step is not None or client.wire.invalid_reason != "", ANSWERED_WITHIN_S
        )
        if self._step is None:
            self.recorder.invalid_reason = client.wire.invalid_reason or (
                f"the server did not answer {event.position} within {ANSWERED_WITHIN_S:.0f} s"
            )
        return self._step

    def _record_found_meanwhile(self) -> None:
        """Record what polls have found while a command was under way."""
        self._is_awaiting = False
        found, self._found_meanwhile = self._found_meanwhile, []
        for over in found:
            self._step_over(*over)

    def _is_answered_at_once(self) -> bool:
        """Whether the server answers the command that it was just given without waiting for another client."""
        if self._step is None:
            self._receive_replies()
        return self._step is not None

    def _receive_replies(self) -> None:
        """Receive everything that the server has answered by now."""
        self._rig.operator.await_server()
        for _ in range(2):
            self._rig.loop.step(0.0)

    def _step_over(self, event: WireEvent, executed: Executed, reply: Reply | None) -> None:
        """Record that a command is over, and what it changed."""
        client = self._clients[event.position.client]
        attempt, recorder = client.attempt, self.recorder
        if client.blocked and client.blocked[0] == event.position:
            fault, client.blocked = client.blocked[1], None
        elif event.position != self._awaited:
            # A poll that was not parked has found something: most likely what the command that is under way has
            # written, whose reply may be read after the poll's.
            if self._is_awaiting:
                self._found_meanwhile.append((event, executed, reply))
                return
            fault = None
        else:
            fault, self._fault = self._fault, None
        step = Step(event, fault, executed, reply_text(reply))
        before = recorder.last_state
        may_have_changed = executed is not Executed.NO and event.is_write
        is_whole = not event.position.inside and not self._side_effects.is_server_paused
        if may_have_changed and is_whole:
            attempt.changed_state = recorder.record_state() or attempt.changed_state
            attempt.changed_job = recorder.is_job_changed(before) or attempt.changed_job
            self._side_effects.note_write(attempt.arguments)
            # Writing an equal time within the same millisecond changes nothing; only the lost reply shows that it ran.
            attempt.reply_reports_effect |= fault is not None and reports_effect(reply)
        if confirms_disk(event, reply):
            self._rig.operator.note_on_disk()
        raw = b"" if reply is None else reply.raw
        recorder.record(Stepped(step, before, recorder.last_state, raw))
        if event.position == self._awaited:
            self._step, self._is_awaiting = step, False

"""One case: start state, program and schedule in; a record out.

Clients run until each is parked (a command of it waits) or done; then the scheduler decides which waiting
command goes next and what happens to it. So there is one order of events, and it is the schedule's. Nothing
sleeps: the case waits for commands, answers and closed connections only.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace

from faultinject.decide.scheduler import Scheduler
from faultinject.faults import effects_of
from faultinject.faults.effects import Deliver, Effects
from faultinject.net.link import PASS, Link
from faultinject.vocabulary import Decision, Executed, FaultRef, Point, Position, Step, WireEvent
from faultinject.wire.resp import Reply
from scenarios.engine.caller import Caller, for_retry, resolved_arguments
from scenarios.engine.client import ClientWire
from scenarios.engine.record import Arrived, Called, Completed, Entry, Stepped
from scenarios.engine.rig import Answered, Rig, answered_from
from scenarios.engine.shown import shown_reply
from scenarios.history import Completion, Json, Operation, Phase
from scenarios.programs.program import MAX_RETRIES, Call, Program, Retry
from scenarios.state import State
from scenarios.subjects.hosting import Answer as HostAnswer

_STEP_WITHIN_S = 10.0
_MAX_STEPS = 2_000


@dataclass(slots=True)
class _Held:
    link: Link
    step: Step
    left: int | None


class Case:
    """Runs one case on a rig. Use once.

    Args:
        time_out_ms: the clients' socket time-out.
        latency_bound_ms: how long an operation may take before it counts as hung.
    """

    def __init__(
        self, rig: Rig, program: Program, time_out_ms: int, latency_bound_ms: float
    ) -> None:
        self._rig = rig
        self._program = program
        self._time_out_ms = time_out_ms
        self._bound_ms = latency_bound_ms
        self._callers: dict[str, Caller] = {}
        self._held: list[_Held] = []
        self._undo: defaultdict[str, tuple[tuple[str, ...], ...]] = defaultdict(tuple)
        self._awaited: Position | None = None
        self._stepped: Step | None = None
        self._fault: FaultRef | None = None
        self._scheduler: Scheduler | None = None
        self._last: str | None = None
        self.entries: list[Entry] = []
        self.states: list[State] = []
        self.history: list[Operation] = []
        self.logs: list[str] = []
        self.trouble = ""

    def prepare(self) -> None:
        """Lay the start state, without faults, and make every client's instance."""
        rig = self._rig
        for call in self._program.prepare:
            self.recover(call, Phase.PREPARE)
        rig.lay(self._program.seed)
        self.states.append(rig.snapshot())
        for letter, calls in self._program.clients.items():
            wire = ClientWire(letter, rig.table, self._ask_inside, self._step_over)
            self._callers[letter] = Caller(wire, calls, rig.host(letter, calls[0].version))
            rig.listener(letter).director = wire
        self._open(*self._callers.values())

    def _open(self, *callers: Caller) -> None:
        """Make the clients' instances; what a constructor sends passes, as connection set-up does."""
        opening = []
        for caller in callers:
            caller.wire.passes_all = True
            url = self._rig.url(caller.wire.letter, self._time_out_ms)
            opening.append(caller.host.begin_instance(caller.wire.letter, url))
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
        self._scheduler = scheduler
        for caller in self._callers.values():
            self._call_next(caller)
        for _ in range(_MAX_STEPS):
            self._wait_for_clients()
            waiting = self._waiting_events()
            if not waiting and not self.trouble and self._is_anyone_blocked():
                self._let_time_pass()
                continue
            if not waiting or self.trouble:
                break
            self._carry_out(scheduler.decide(Point(waiting, self._last)))
        else:
            self.trouble = f"more than {_MAX_STEPS} commands were sent"
        for held in tuple(self._held):
            self._release(held)
        for letter in self._callers:
            self._end_outage(letter)
            self._rig.listener(letter).close_links()

    def recover(self, call: Call, phase: Phase) -> Answered:
        """Make a call without faults, as R, and write it into the history."""
        arguments = resolved_arguments(call.arguments, {}) or {}
        answered = self._rig.recovery_call(call.method, arguments, call.version)
        self.logs += answered.logs
        now = len(self.entries)
        self._complete(
            Operation(
                client="R",
                request=len(self.history) + 1,
                attempt=1,
                method=call.method,
                arguments=arguments,
                completion=Completion.OK if answered.error is None else Completion.INFO,
                value=answered.value,
                error=answered.error,
                wrote=False,
                faulted=False,
                invoked_at=now,
                completed_at=now + 1,
                duration_ms=answered.ms,
                state_after=max(0, len(self.states) - 1),
                phase=phase,
                version=str(call.version),
            )
        )
        return answered

    # --- callers -------------------------------------------------------------------------------------

    def _call_next(self, caller: Caller) -> None:
        """Make the caller's next call, skipping those whose arguments nobody answered."""
        while caller.next_call < len(caller.calls):
            call = caller.calls[caller.next_call]
            arguments = resolved_arguments(call.arguments, caller.answers)
            if arguments is not None:
                self._invoke(caller, call, arguments, attempt=1)
                return
            caller.next_call += 1

    def _invoke(self, caller: Caller, call: Call, arguments: dict[str, Json], attempt: int) -> None:
        letter = caller.wire.letter
        caller.arguments, caller.attempt = arguments, attempt
        caller.answer, caller.is_calling = None, True
        caller.faulted = caller.changed_state = False
        caller.invoked_at = len(self.entries)
        caller.called_s = self._rig.loop.clock()
        caller.wire.begins(caller.next_call + 1, attempt)
        words = tuple(arguments.items())
        self.entries.append(Called(letter, call.method, words, attempt, str(call.version)))

        def take(message: HostAnswer) -> None:
            caller.answer = message

        host = self._rig.host(letter, call.version)
        if host is not caller.host:
            # The process died in the call before, and a supervisor starts it again; or it is rolled to another version.
            caller.leave()
            caller.host = host
            self._open(caller)
        host.call(letter, call.method, arguments, take)

    def _wait_for_clients(self) -> None:
        """Wait until every client is parked or done; take answers and make next calls as they come."""
        callers = tuple(self._callers.values())
        patience_s = self._bound_ms / 1000 * 1.2 + 0.2

        def something_to_do() -> bool:
            return all(
                caller.may_be_decided or caller.answer is not None or caller.wire.trouble
                for caller in callers
            )

        while not all(caller.may_be_decided for caller in callers):
            if not self._rig.loop.run_until(something_to_do, patience_s):
                for caller in callers:
                    if not caller.may_be_decided and caller.answer is None:
                        self._give_up_on(caller)
            for caller in callers:
                if caller.wire.trouble and not self.trouble:
                    self.trouble = caller.wire.trouble
                if caller.answer is not None:
                    self._take_answer(caller)
            if self.trouble:
                return

    def _give_up_on(self, caller: Caller) -> None:
        """The call hangs: end its process, so that it surely does nothing more."""
        caller.host.kill()
        ms = (self._rig.loop.clock() - caller.called_s) * 1000
        caller.answer = {
            "error": {"type": "Hang", "message": f"no answer within {ms:.0f} ms"},
            "ms": max(ms, self._bound_ms + 1),
        }
        caller.next_call = len(caller.calls)

    def _take_answer(self, caller: Caller) -> None:
        assert caller.answer is not None
        answered = answered_from(caller.answer)
        caller.answer, caller.is_calling = None, False
        self._end_outage(caller.wire.letter)
        self.logs += answered.logs
        hung = caller.next_call >= len(caller.calls)
        call = caller.calls[min(caller.next_call, len(caller.calls) - 1)]
        self._complete(self._operation(caller, call, answered))
        if answered.error is None:
            caller.answers[call.method] = answered.value
        elif not hung and call.retry is not Retry.NONE and caller.attempt <= MAX_RETRIES:
            arguments = for_retry(call, caller.arguments, caller.attempt)
            self._invoke(caller, call, arguments, caller.attempt + 1)
            return
        if not hung:
            caller.next_call += 1
            self._call_next(caller)

    def _operation(self, caller: Caller, call: Call, answered: Answered) -> Operation:
        under_way = any(
            held.step.event.index.operation == caller.next_call + 1
            and held.step.event.index.attempt == caller.attempt
            and held.step.event.is_write
            for held in self._held
        )
        if answered.error is None:
            completion = Completion.OK
        elif caller.changed_state or under_way:
            completion = Completion.INFO
        else:
            completion = Completion.FAIL
        return Operation(
            client=caller.wire.letter,
            request=caller.next_call + 1,
            attempt=caller.attempt,
            method=call.method,
            arguments=caller.arguments,
            completion=completion,
            value=answered.value,
            error=answered.error,
            wrote=caller.changed_state,
            faulted=caller.faulted,
            invoked_at=caller.invoked_at,
            completed_at=len(self.entries),
            duration_ms=answered.ms,
            state_after=len(self.states) - 1,
            version=str(call.version),
        )

    def _complete(self, operation: Operation) -> None:
        self.history.append(operation)
        self.entries.append(Completed(operation))

    def _end_outage(self, letter: str) -> None:
        """The client's operation has ended: what a fault did to its listener or to the server ends as well."""
        self._rig.listener(letter).accept_again()
        self._rig.operate(self._undo.pop(letter, ()))

    # --- the wire ------------------------------------------------------------------------------------

    def _waiting_events(self) -> tuple[WireEvent, ...]:
        return tuple(
            caller.wire.waiting[2]
            for _, caller in sorted(self._callers.items())
            if caller.wire.waiting is not None
        )

    def _ask_inside(self, event: WireEvent) -> Effects:
        if self._scheduler is None:
            return PASS
        decision = self._scheduler.decide(Point((event,), self._last))
        return self._effects(decision)

    def _effects(self, decision: Decision) -> Effects:
        if decision.fault is None:
            return PASS
        letter = decision.event.position.client
        self._callers[letter].faulted = True
        effects = effects_of(decision.fault, decision.event)
        if effects.refuse:
            self._rig.listener(letter).refuse()
        self._rig.operate(effects.server_before)
        self._undo[letter] += effects.server_after
        self._fault = decision.fault
        return effects

    def _carry_out(self, decision: Decision) -> None:
        event = decision.event
        letter = event.position.client
        self._last = letter
        self._awaited, self._stepped, self._fault = event.position, None, None
        caller = self._callers[letter]
        waiting = caller.wire.waiting
        caller.wire.let_through(self._effects(decision))
        if self._rig.table.is_blocking(event.args) and not self._answers_at_once():
            caller.blocked, self._fault = (event.position, self._fault), None
            return
        if not self._rig.loop.run_until(lambda: self._stepped is not None, _STEP_WITHIN_S):
            self.trouble = (
                f"the server did not answer {event.position} within {_STEP_WITHIN_S:.0f} s"
            )
            return
        step = self._stepped
        if step is not None and decision.fault and waiting:
            effects = effects_of(decision.fault, event)
            if effects.deliver is Deliver.HELD:
                self._held.append(_Held(waiting[0], step, effects.held_for))
                return
        self._count_down(letter, event)
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
        blocked = [caller for caller in self._callers.values() if caller.blocked]
        over = self._rig.loop.run_until(
            lambda: self.trouble != "" or any(caller.blocked is None for caller in blocked),
            self._bound_ms / 1000 * 1.2 + 0.2,
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
        before = len(self.states) - 1
        if executed is not Executed.NO and event.is_write and not event.position.inside:
            self._look(caller)
        self.entries.append(Stepped(step, before, len(self.states) - 1))
        if event.position == self._awaited:
            self._stepped = step

    def _look(self, caller: Caller | None) -> None:
        """See whether the state has changed, and keep it if so."""
        state = self._rig.snapshot()
        if state != self.states[-1]:
            self.states.append(state)
            if caller is not None:
                caller.changed_state = True

    def _count_down(self, letter: str, event: WireEvent) -> None:
        for held in tuple(self._held):
            if held.left is None or held.step.event.position.client != letter:
                continue
            if held.step.event.position == event.position:
                continue
            held.left -= 1
            if held.left <= 0:
                self._release(held)

    def _release(self, held: _Held) -> None:
        self._held.remove(held)
        replies: list[Reply | None] = []
        held.link.release_held(replies.append)
        if not self._rig.loop.run_until(lambda: bool(replies), _STEP_WITHIN_S):
            self.trouble = f"the held command {held.step.event.position} was not answered"
            return
        before = len(self.states) - 1
        self._look(None)
        reply = replies[0]
        executed = Executed.YES if reply is not None else Executed.UNKNOWN
        step = replace(held.step, executed=executed, reply=shown_reply(reply))
        self.entries.append(Arrived(step, before, len(self.states) - 1))

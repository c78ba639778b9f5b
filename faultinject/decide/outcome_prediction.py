"""Predicts the outcomes of an order from the orders that were run, so that orders with nothing new are pruned. Pure.

Every run teaches two things: which command a client sends after the replies that it received, and what a command
replies and changes, given the content of the keys that it touches. An order all of whose steps are known from other
runs can be simulated without a server. It is pruned if each of its outcomes has occurred in a run:

- *the end of the run*: the last state, all commands and replies, the changes of each step, also of steps whose reply
  was lost, and which calls had ended when each call began;
- *each state* of the server on the way;
- *each end of a call*: what its client had received by then, and the state at that moment.

So pruning hides no violation of an invariant that judges an end, a state, or one call and the state at its end. Blind
to: an invariant that relates a whole sequence of states to something else.

Why it is sound. A command's effect depends on the content of its keys and is the same each time. Prediction is disabled
for the whole program by a command of which that is not true (``predictable``), by a client that was seen to send
different commands after the same replies, and by a start state that differs. Scripts are trusted to touch their
declared keys as long as the code that runs the cases observes them (``Independence``). Faults are predicted if they act
on the connection of one client only.

Times and random identifiers differ from run to run. Each is named after what created it: the past of its client, and
the inputs of its command; so two deadlines of different lengths have different names. Where several of them meet in a
command's inputs or in a client's past, the order in which they appeared is part of the digest. So a subject may store
them, return them, and compare them with each other and with the present, and is still predicted correctly. A lease must
not end in the middle of a run; a case in which one ended unplanned is invalid. No predictable command reads the time to
live of a key.

Blind to: the order in which a server lists keys and the fields of a hash, which is undefined; and to the effects that a
time to live has after the case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from midpipe.faultinject.decide.frontier import NOTHING, Learned
from midpipe.faultinject.decide.predictable import is_predictable_event
from midpipe.faultinject.decide.pruning import EVERY_SCRIPT, Independence, scripts_of
from midpipe.faultinject.decide.simulated_run import (
    START,
    VOLATILE,
    Effect,
    Names,
    NextCommand,
    SimulatedRun,
    digest,
    is_name_from,
    names_in,
)
from midpipe.faultinject.vocabulary import Decision, Executed, FaultRef, Observed, Point, WireEvent

PREDICTABLE_FAULTS = frozenset(("cut-before", "lost-reply"))
_NOT_EXECUTED = Effect("", ())
_OWN = "!"
"""The source of a command's own names in a stored effect, which is the same for every past."""


class OutcomePrediction:
    """Learns from the runs of one program, and predicts the outcomes of further orders.

    Args:
        independence: says which scripts are trusted and predictable.
        learned: the knowledge of an earlier exploration of the same program.

    Attributes:
        is_disabled: something unpredictable has occurred, so nothing is predicted any more.
    """

    def __init__(self, independence: Independence, learned: Learned = NOTHING) -> None:
        self._independence = independence
        self.is_disabled = learned.is_disabled
        self._start: tuple[dict[str, str], dict[str, NextCommand]] | None = None
        if learned.pending:
            self._start = dict(learned.start), dict(learned.pending)
        self._following = dict(learned.following)
        self._effects = dict(learned.effects)
        self._outcomes = set(learned.outcomes)

    def learned(self) -> Learned:
        """Return everything that has been learned."""
        state, pending = self._start or ({}, {})
        return Learned(
            is_disabled=self.is_disabled,
            start=tuple(state.items()),
            pending=tuple(pending.items()),
            following=tuple(self._following.items()),
            effects=tuple(self._effects.items()),
            outcomes=tuple(self._outcomes),
        )

    # --- learning ------------------------------------------------------------------------------------

    def learn(self, points: Sequence[tuple[WireEvent, ...]], observed: Sequence[Observed]) -> None:
        """Learn from a run that was made.

        Args:
            points: the events among which each of its steps was chosen.
            observed: its steps.
        """
        if self.is_disabled:
            return
        observed = [seen for seen in observed if not seen.step.event.position.inside]
        faults = {seen.step.fault.name for seen in observed if seen.step.fault}
        if not observed or len(points) != len(observed) or not faults <= PREDICTABLE_FAULTS:
            return
        try:
            run = self._replayed(points, observed)
        except _CoincidenceError:
            return
        if run is None:
            self.is_disabled = True
        else:
            self._outcomes |= run.outcomes

    def _replayed(
        self, points: Sequence[tuple[WireEvent, ...]], observed: Sequence[Observed]
    ) -> SimulatedRun | None:
        """Simulate an observed run, learning on the way; return None if something in it is unpredictable."""
        names = Names()
        state = _named(names, observed[0].before, START)
        pending = {}
        for event in points[0]:
            client_id = event.position.client
            command = self._next_command(names, event, digest(client_id), frozenset())
            if command is None or not self._is_as_before(digest(client_id), command):
                return None
            pending[client_id] = command
        self._start = self._start or (state, pending)
        run = self._begin_run()
        for number, seen in enumerate(observed):
            following = points[number + 1] if number + 1 < len(points) else ()
            if not self._replay_step(run, names, seen, following):
                return None
        self._end_run(run)
        return run

    def _replay_step(
        self, run: SimulatedRun, names: Names, seen: Observed, following: tuple[WireEvent, ...]
    ) -> bool:
        """Simulate an observed step, and learn from it; return False if it is unpredictable."""
        event, fault = seen.step.event, seen.step.fault
        client_id = event.position.client
        command = run.pending.get(client_id)
        if command is None or command.event.position != event.position:
            return False
        if _named(names, seen.before, START) != run.state:
            # The state was changed by something other than the clients.
            return False
        was_executed = seen.step.executed is not Executed.NO
        if was_executed and not self._is_predictable(seen):
            return False
        inputs = run.inputs_digest(client_id)
        source = run.source(client_id, inputs)
        effect = _effect(names, seen, source)
        if command.keys is not None and not {key for key, _ in effect.changes} <= {*command.keys}:
            return False
        if was_executed:
            _rule_out_coincidence(effect.names() - names_in(run.inputs(client_id)), source)
            self._learn_effect(inputs, effect.renamed(source, _OWN))
        past = self._past_after(run, client_id, fault, effect)
        mine = [event for event in following if event.position.client == client_id]
        known = run.known_names[client_id] | names_in(_received(effect, fault))
        after = self._next_command(names, mine[0], past, known) if mine else None
        if (mine and after is None) or not self._is_as_before(past, after):
            return False
        self._step(run, client_id, fault, effect)
        return run.pending.keys() == {event.position.client for event in following}

    def _next_command(
        self, names: Names, event: WireEvent, past: str, known: frozenset[str]
    ) -> NextCommand | None:
        """Return a client's next command; None if its keys contain volatile values."""
        words = [word for command in (event.args, *event.block) for word in (*command, b"\x04")]
        keys = None if event.keys is None else tuple(sorted(map(_text, event.keys)))
        if any(VOLATILE.search(key) for key in keys or ()):
            return None
        scripts = {*scripts_of(event)}
        self._independence.trusted_scripts |= scripts
        if scripts & self._independence.untrusted_scripts:
            keys = None
        named = tuple(names.replace(_text(word), past) for word in words)
        _rule_out_coincidence(names_in(named) - known, past)
        return NextCommand(event, named, keys)

    def _is_predictable(self, seen: Observed) -> bool:
        known = self._independence
        scripts = {*scripts_of(seen.step.event)}
        return (
            is_predictable_event(seen.step.event, seen.reply)
            and not scripts & known.unpredictable_scripts
            and not (scripts and EVERY_SCRIPT in known.untrusted_scripts)
        )

    def _learn_effect(self, inputs: str, effect: Effect) -> None:
        if self._effects.setdefault(inputs, effect) != effect:
            # It differs between runs, so it is never predicted from now on.
            self._effects[inputs] = None

    def _is_as_before(self, past: str, command: NextCommand | None) -> bool:
        """Learn what a client sends after a past; return whether it sent the same before."""
        known = self._following.setdefault(past, command)
        if known is None or command is None:
            return known is command
        return (known.words, known.keys, known.event.index) == (
            command.words,
            command.keys,
            command.event.index,
        )

    # --- prediction ----------------------------------------------------------------------------------

    def predicts_nothing_new(self, decide: Callable[[Point], Decision]) -> bool:
        """Simulate the order that ``decide`` chooses; return whether all of it is known, and no outcome is new."""
        if self.is_disabled or self._start is None:
            return False
        run = self._begin_run()
        last: str | None = None
        while run.pending:
            choices = tuple(command.event for _, command in sorted(run.pending.items()))
            decision = decide(Point(choices, last))
            last, fault = decision.event.position.client, decision.fault
            effect = self._predicted_effect(run, last, fault)
            if effect is None or self._past_after(run, last, fault, effect) not in self._following:
                return False
            self._step(run, last, fault, effect)
        self._end_run(run)
        return run.outcomes <= self._outcomes

    def _predicted_effect(
        self, run: SimulatedRun, client_id: str, fault: FaultRef | None
    ) -> Effect | None:
        if fault and fault.name == "cut-before":
            return _NOT_EXECUTED
        inputs = run.inputs_digest(client_id)
        effect = self._effects.get(inputs)
        return effect and effect.renamed(_OWN, run.source(client_id, inputs))

    # --- simulation ----------------------------------------------------------------------------------

    def _begin_run(self) -> SimulatedRun:
        assert self._start is not None
        state, pending = self._start
        run = SimulatedRun(
            state=dict(state),
            pending=dict(pending),
            past={client_id: digest(client_id) for client_id in pending},
            calls_before=dict.fromkeys(pending, ""),
            calls_ended=dict.fromkeys(pending, 0),
            known_names=dict.fromkeys(pending, frozenset()),
            first_seen={},
        )
        for client_id, command in pending.items():
            run.known_names[client_id] = run.note_names(command.words)
        run.outcomes.add(f"state {run.state_digest()}")
        return run

    def _past_after(
        self, run: SimulatedRun, client_id: str, fault: FaultRef | None, effect: Effect
    ) -> str:
        """Return a digest of a client's past after its next command has had this effect."""
        known = run.known_names[client_id] | names_in(_received(effect, fault))
        return digest((run.past[client_id], str(fault), effect, run.ranked(known)))

    def _step(
        self, run: SimulatedRun, client_id: str, fault: FaultRef | None, effect: Effect
    ) -> None:
        before = run.pending[client_id].event.index.call
        past = self._past_after(run, client_id, fault, effect)
        run.known_names[client_id] |= run.note_names(_received(effect, fault))
        run.note_names(text for _, text in effect.changes)
        for key, text in effect.changes:
            run.state[key] = text
            if not text:
                del run.state[key]
        run.past[client_id] = past
        run.steps += 1
        state = run.state_digest()
        run.outcomes.add(f"state {state}")
        after = self._following[past]
        if after is None:
            del run.pending[client_id]
        else:
            run.pending[client_id] = after
            run.known_names[client_id] |= run.note_names(after.words)
        if after is None or after.event.index.call != before:
            run.calls_ended[client_id] += 1
            run.outcomes.add(f"call {client_id} {past} {state}")
        if after is not None and after.event.index.call != before:
            ended = tuple(sorted(run.calls_ended.items()))
            run.calls_before[client_id] = digest((run.calls_before[client_id], ended))

    def _end_run(self, run: SimulatedRun) -> None:
        ends = tuple(sorted(run.past.items())), tuple(sorted(run.calls_before.items()))
        run.outcomes.add(f"end {digest((run.state_digest(), ends))}")


class _CoincidenceError(Exception):
    """Two volatile values of different origins are equal by chance, so the rest of the run teaches nothing."""


def _rule_out_coincidence(names: Iterable[str], source: str) -> None:
    """Raise if one of the names, none of which could have been copied, is not from the source."""
    if any(not is_name_from(name, source) for name in names):
        raise _CoincidenceError


def _named(names: Names, contents: Mapping[str, str], source: str) -> dict[str, str]:
    return {key: names.replace(contents[key], source) for key in sorted(contents)}


def _effect(names: Names, seen: Observed, source: str) -> Effect:
    reply = names.replace(_text(seen.reply), source)
    keys = sorted({*seen.before, *seen.after})
    changed = [key for key in keys if seen.before.get(key) != seen.after.get(key)]
    changes = tuple((key, names.replace(seen.after.get(key, ""), source)) for key in changed)
    return Effect(reply, changes)


def _received(effect: Effect, fault: FaultRef | None) -> tuple[str, ...]:
    """Return the reply that the client received: none if a fault lost it."""
    return () if fault else (effect.reply,)


def _text(words: bytes) -> str:
    return words.decode("utf-8", "backslashreplace")

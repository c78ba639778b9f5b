"""What an order will come to, told from the orders that were run: so it need not be run to show nothing new. Pure.

Every run teaches two things: which command a client sends after the answers that it was given, and what a command
answers and changes, given what the keys that it touches hold. An order whose every step has been learned can be
followed without a server. It is left out if all that it would show has been shown:

- *how it ends*: the last state, what each client sent and was answered, what each step changed, also what was answered
  and lost, and which calls had ended when a call began;
- *each state* that the server passes through;
- *each call's end*: what its client had been answered by then, and the state at that moment.

So every claim falls that would fall without this rule, if it weighs an end, a state, or one call and the state at its
end. Blind to: a claim that weighs a whole sequence of states against something else.

Why it is sound. A command's effect on what its keys hold is the server's, and the same each time: commands of which
that is not true (``foreseeable``) end all foresight for the program, and so does a client that was seen to send
different commands after the same answers, or a start state that differs. Scripts are taken at their word about their
keys only as long as whoever runs the cases listens to them (``Independence``). Faults are foreseen if all they do is
done on the wire of one client.

Times and random names are not the same twice. Each is known by all that brought it up: what its client had been through
and what the command met; so two times of unlike lengths to come have unlike names. Where several of them meet in front
of a command or a client, the order in which they came up belongs to what was seen. So a subject may keep, give back and
compare them, with one another and with the present, and is foreseen rightly; a lease may not end in the middle of a
run: a case in which one ended unplanned is invalid. A key's time to live is seen by nothing that is foreseeable.

Blind to: the order in which a server tells keys and the fields of a hash, which is none; and to what is done with a
time to live once the case is over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from midpipe.faultinject.decide.predictable import can_be_foreseen
from midpipe.faultinject.decide.pruning import EVERY_SCRIPT, Independence, scripts_of
from midpipe.faultinject.decide.simulated_run import (
    VOLATILE,
    Effect,
    Names,
    Sent,
    SimulatedRun,
    digest,
    names_in,
)
from midpipe.faultinject.vocabulary import Decision, Executed, FaultRef, Observed, Point, WireEvent

FORESEEN_FAULTS = ("cut-before", "lost-reply")
_NOT_RUN = Effect("", ())
_ITSELF = "!"


@dataclass(frozen=True, slots=True)
class Learned:
    """What is known of a program's orders.

    Args:
        start: what the server holds before them.
        waiting: what each client sends first.
        following: what a client sends after all that it sent and was answered; None is nothing.
        effects: of commands on what they meet; None is not the same each time.
        shown: digests of what has been shown.
    """

    is_blind: bool = False
    start: tuple[tuple[str, str], ...] = ()
    waiting: tuple[tuple[str, Sent], ...] = ()
    following: tuple[tuple[str, Sent | None], ...] = ()
    effects: tuple[tuple[str, Effect | None], ...] = ()
    shown: tuple[str, ...] = ()


NOTHING = Learned()


class OutcomePrediction:
    """What has been learned of one program's orders, and what they have shown.

    Args:
        learned: by another, of the same program.

    Attributes:
        is_blind: something was met that can't be foreseen; nothing is foreseen from then on.
    """

    def __init__(self, independence: Independence, learned: Learned = NOTHING) -> None:
        self._independence = independence
        self.is_blind = learned.is_blind
        self._start: tuple[dict[str, str], dict[str, Sent]] | None = None
        if learned.waiting:
            self._start = dict(learned.start), dict(learned.waiting)
        self._next = dict(learned.following)
        self._effects = dict(learned.effects)
        self._shown = set(learned.shown)

    def learned(self) -> Learned:
        """Return all that has been learned."""
        state, waiting = self._start or ({}, {})
        return Learned(
            self.is_blind,
            tuple(state.items()),
            tuple(waiting.items()),
            tuple(self._next.items()),
            tuple(self._effects.items()),
            tuple(self._shown),
        )

    # --- to learn ------------------------------------------------------------------------------------

    def learn(self, points: Sequence[tuple[WireEvent, ...]], observed: Sequence[Observed]) -> None:
        """Learn from a run that was made.

        Args:
            points: the events among which each of its steps was chosen.
            observed: its steps.
        """
        if self.is_blind:
            return
        observed = [seen for seen in observed if not seen.step.event.position.inside]
        faults = {seen.step.fault.name for seen in observed if seen.step.fault}
        if not observed or len(points) != len(observed) or not faults <= {*FORESEEN_FAULTS}:
            return
        try:
            course = self._followed(points, observed)
        except _CoincidenceError:
            return
        if course is None:
            self.is_blind = True
        else:
            self._shown |= course.shown

    def _followed(
        self, points: Sequence[tuple[WireEvent, ...]], observed: Sequence[Observed]
    ) -> SimulatedRun | None:
        """Return the course of a run, learning on the way; None if something in it can't be foreseen."""
        names = Names()
        state = self._told(names, observed[0].before, "start")
        waiting = {}
        for event in points[0]:
            client_id = event.position.client
            sent = self._sent(names, event, digest(client_id), frozenset())
            if sent is None or not self._is_next(digest(client_id), sent):
                return None
            waiting[client_id] = sent
        self._start = self._start or (state, waiting)
        course = self._begun()
        for number, seen in enumerate(observed):
            event, fault = seen.step.event, seen.step.fault
            client_id = event.position.client
            sent = course.waiting.get(client_id)
            if sent is None or sent.event.position != event.position:
                return None
            if self._told(names, seen.before, "start") != course.state:
                # Something else than the clients has changed it.
                return None
            is_run = seen.step.executed is not Executed.NO
            if is_run and not self._can_be_foreseen(seen):
                return None
            scene = course.scene(client_id)
            source = course.source(client_id, scene)
            effect = self._effect(names, seen, source)
            if sent.keys is not None and not {key for key, _ in effect.changes} <= {*sent.keys}:
                return None
            if is_run:
                _rule_out_coincidence(effect.names() - names_in(course.met(client_id)), source)
                self._note(scene, effect.brought_up_by(source, _ITSELF))
            past = self._past_after(course, client_id, fault, effect)
            following = points[number + 1] if number + 1 < len(points) else ()
            mine = [event for event in following if event.position.client == client_id]
            known = course.known[client_id] | names_in(_heard(effect, fault))
            after = self._sent(names, mine[0], past, known) if mine else None
            if (mine and after is None) or not self._is_next(past, after):
                return None
            self._step(course, client_id, fault, effect)
            if course.waiting.keys() != {event.position.client for event in following}:
                return None
        self._end(course)
        return course

    def _sent(
        self, names: Names, event: WireEvent, past: str, known: frozenset[str]
    ) -> Sent | None:
        """Return a command with names; None if its very keys are not the same twice."""
        words = [word for command in (event.args, *event.block) for word in (*command, b"\x04")]
        keys = None if event.keys is None else tuple(sorted(map(_text, event.keys)))
        if any(VOLATILE.search(key) for key in keys or ()):
            return None
        scripts = {*scripts_of(event)}
        self._independence.relied_on |= scripts
        if scripts & self._independence.open_scripts:
            keys = None
        told = tuple(names.told(_text(word), past) for word in words)
        _rule_out_coincidence(names_in(told) - known, past)
        return Sent(event, told, keys)

    def _can_be_foreseen(self, seen: Observed) -> bool:
        known = self._independence
        scripts = {*scripts_of(seen.step.event)}
        return (
            can_be_foreseen(seen.step.event, seen.reply)
            and not scripts & known.unforeseeable
            and not (scripts and EVERY_SCRIPT in known.open_scripts)
        )

    def _note(self, inputs: str, effect: Effect) -> None:
        if self._effects.setdefault(inputs, effect) != effect:
            # Not the same each time: from now on this is never foreseen.
            self._effects[inputs] = None

    def _is_next(self, past: str, sent: Sent | None) -> bool:
        """Learn what a client sends after certain answers; return whether it is what it sent before."""
        known = self._next.setdefault(past, sent)
        if known is None or sent is None:
            return known is sent
        return (known.words, known.keys, known.event.index) == (
            sent.words,
            sent.keys,
            sent.event.index,
        )

    def _told(self, names: Names, contents: Mapping[str, str], source: str) -> dict[str, str]:
        return {key: names.told(contents[key], source) for key in sorted(contents)}

    def _effect(self, names: Names, seen: Observed, source: str) -> Effect:
        reply = names.told(_text(seen.reply), source)
        changed = sorted(
            key
            for key in {*seen.before, *seen.after}
            if seen.before.get(key) != seen.after.get(key)
        )
        return Effect(
            reply,
            tuple((key, names.told(seen.after.get(key, ""), source)) for key in changed),
        )

    # --- to foresee ----------------------------------------------------------------------------------

    def foresees_nothing_new(self, decide: Callable[[Point], Decision]) -> bool:
        """Follow the order that is decided; return whether it is known to its end, and has nothing to show."""
        if self.is_blind or self._start is None:
            return False
        course = self._begun()
        last: str | None = None
        while course.waiting:
            choices = tuple(sent.event for _, sent in sorted(course.waiting.items()))
            decision = decide(Point(choices, last))
            last, fault = decision.event.position.client, decision.fault
            effect = self._foreseen(course, last, fault)
            if effect is None or self._past_after(course, last, fault, effect) not in self._next:
                return False
            self._step(course, last, fault, effect)
        self._end(course)
        return course.shown <= self._shown

    def _foreseen(
        self, course: SimulatedRun, client_id: str, fault: FaultRef | None
    ) -> Effect | None:
        if fault and fault.name == "cut-before":
            return _NOT_RUN
        scene = course.scene(client_id)
        effect = self._effects.get(scene)
        return effect and effect.brought_up_by(_ITSELF, course.source(client_id, scene))

    def _begun(self) -> SimulatedRun:
        assert self._start is not None
        state, waiting = self._start
        course = SimulatedRun(
            dict(state),
            dict(waiting),
            {client_id: digest(client_id) for client_id in waiting},
            dict.fromkeys(waiting, ""),
            dict.fromkeys(waiting, 0),
            dict.fromkeys(waiting, frozenset()),
            {},
        )
        for client_id, sent in waiting.items():
            course.known[client_id] = course.meet(sent.words)
        course.shown.add(f"state {course.held()}")
        return course

    def _past_after(
        self, course: SimulatedRun, client_id: str, fault: FaultRef | None, effect: Effect
    ) -> str:
        """Return a digest of a client's past once a command of it has had its effect."""
        known = course.known[client_id] | names_in(_heard(effect, fault))
        return digest((course.past[client_id], str(fault), effect, course.ranked(known)))

    def _step(
        self, course: SimulatedRun, client_id: str, fault: FaultRef | None, effect: Effect
    ) -> None:
        sent = course.waiting[client_id]
        past = self._past_after(course, client_id, fault, effect)
        course.known[client_id] |= course.meet(_heard(effect, fault))
        course.meet(text for _, text in effect.changes)
        for key, text in effect.changes:
            course.state[key] = text
            if not text:
                del course.state[key]
        course.past[client_id] = past
        course.steps += 1
        held = course.held()
        course.shown.add(f"state {held}")
        after = self._next[past]
        if after is None:
            del course.waiting[client_id]
        else:
            course.waiting[client_id] = after
            course.known[client_id] |= course.meet(after.words)
        if after is None or after.event.index.call != sent.event.index.call:
            course.ended[client_id] += 1
            course.shown.add(f"call {client_id} {past} {held}")
        if after is not None and after.event.index.call != sent.event.index.call:
            others = tuple(sorted(course.ended.items()))
            course.before[client_id] = digest((course.before[client_id], others))

    def _end(self, course: SimulatedRun) -> None:
        ends = tuple(sorted(course.past.items())), tuple(sorted(course.before.items()))
        course.shown.add(f"end {digest((course.held(), ends))}")


class _CoincidenceError(Exception):
    """Two times of a run, of different origins, are the same by chance, so the run teaches nothing from there on."""


def _rule_out_coincidence(names: Iterable[str], source: str) -> None:
    """Raise if a name that could not be copied from anywhere is not the source's own."""
    if any(not name.startswith(f"\x02{source}.") for name in names):
        raise _CoincidenceError


def _heard(effect: Effect, fault: FaultRef | None) -> tuple[str, ...]:
    """Return what the client hears of an effect: of a reply that is lost, nothing."""
    return () if fault else (effect.reply,)


def _text(words: bytes) -> str:
    return words.decode("utf-8", "backslashreplace")

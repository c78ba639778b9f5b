"""A simulated store and its clients, for tests of schedulers. A run returns its outcomes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count

from midpipe.faultinject.decide.counting import Counting
from midpipe.faultinject.decide.interleave import Interleave
from midpipe.faultinject.decide.scheduler import Scheduler
from midpipe.faultinject.vocabulary import (
    Decision,
    Executed,
    FaultRef,
    Observed,
    Point,
    Position,
    RunEnd,
    Step,
    WireEvent,
    WireIndex,
)

LONG_MS = 1_000_000
ELAPSE = FaultRef("elapse", 60)
"""In this store, so much time that every deadline has passed and every key with a time to live has expired."""


@dataclass(frozen=True)
class Command:
    """A command that a client sends.

    Args:
        name: a Redis command; or STAMP, which writes the present time; LEASE, a deadline; TAKE, which takes a key
            whose deadline has passed; COPY, which writes the last reply that the client received.
        ends_if: the client stops after this reply; ``<`` is any time before one that it knows.
        operation: the number of the call that the command belongs to.
    """

    name: str
    key: str
    ends_if: str = ""
    operation: int = 1


Clients = tuple[tuple[Command, ...], ...]
_SENT_AS = {"STAMP": "SET", "LEASE": "SET", "COPY": "SET", "TAKE": "EVAL"}
_READS = ("GET", "TTL", "KEYS")
_TOUCH_ALL = ("KEYS", "UNLINK")
_TIME = re.compile(r"\d{13}")


@dataclass
class _Run:
    left: dict[str, list[Command]]
    store: dict[str, str] = field(default_factory=dict)
    lasting: set[str] = field(default_factory=set)
    sent: dict[str, tuple[str, ...]] = field(default_factory=dict)
    answered: dict[str, tuple[str, ...]] = field(default_factory=dict)
    received: dict[str, tuple[str, ...]] = field(default_factory=dict)
    ended: dict[str, int] = field(default_factory=dict)
    before: dict[str, tuple[object, ...]] = field(default_factory=dict)
    times: dict[str, str] = field(default_factory=dict)
    outcomes: set[object] = field(default_factory=set)


class Simulation:
    """The store and its clients. Its clock advances with every command, over all runs.

    Args:
        whims: odd numbers stop a client after a reply, whatever the reply was: such a client is nondeterministic.
    """

    def __init__(self, clients: Clients, whims: Iterator[int] | None = None) -> None:
        self.clients = {chr(65 + number): commands for number, commands in enumerate(clients)}
        self._clock = count(1_700_000_000_000)
        self._whims = whims
        self.runs = 0

    def explore(self, planner: Interleave, *, predicts: bool = True) -> set[object]:
        """Make every planned run; return the outcomes of all of them.

        Args:
            predicts: whether the planner receives the observations from which it predicts outcomes.
        """
        outcomes: set[object] = set()
        counting = Counting(planner)
        while counting.begin():
            self.runs += 1
            outcomes |= self._run(counting, predicts=predicts)
        return outcomes

    def _run(self, planner: Scheduler, *, predicts: bool) -> set[object]:
        run = _Run({client_id: list(commands) for client_id, commands in self.clients.items()})
        run.received, run.answered = dict.fromkeys(run.left, ()), dict.fromkeys(run.left, ())
        run.ended = dict.fromkeys(run.left, 0)
        run.sent, run.before = dict.fromkeys(run.left, ()), dict.fromkeys(run.left, ())
        sent = {client_id: self._sent(run, client_id, 1) for client_id in run.left}
        observed: list[Observed] = []
        run.outcomes.add(("state", ()))
        last: str | None = None
        while sent:
            decision = planner.decide(Point(tuple(e for _, e in sorted(sent.items())), last))
            event, last = decision.event, decision.event.position.client
            if decision.fault == ELAPSE:
                self._elapse(run)
            before = dict(run.store)
            command = run.left[last].pop(0)
            reply = "" if _is_cut(decision) else _execute(run, event, command)
            run.answered[last] += (reply,)
            self._receive(run, command, event, "" if _loses_reply(decision) else reply)
            executed = Executed.NO if _is_cut(decision) else Executed.YES
            step = Step(event, decision.fault, executed)
            observed.append(Observed(step, before, dict(run.store), reply.encode()))
            del sent[last]
            if run.left[last]:
                sent[last] = self._sent(run, last, event.position.ordinal + 1)
        replies = tuple(
            _named(run.received[one] + run.answered[one], run.times) for one in run.received
        )
        run.outcomes.add(("end", replies, tuple(run.before.values()), _state(run)))
        steps = tuple(seen.step for seen in observed)
        planner.end(RunEnd(steps, valid=True, observed=lambda: tuple(observed) if predicts else ()))
        return run.outcomes

    def _elapse(self, run: _Run) -> None:
        self._clock = count(next(self._clock) + 2 * LONG_MS)
        for key in run.lasting:
            del run.store[key]
        run.lasting.clear()
        run.outcomes.add(("state", _state(run)))

    def _receive(self, run: _Run, command: Command, event: WireEvent, reply: str) -> None:
        """Give a client the reply that it received, and let it decide whether to continue."""
        client_id = event.position.client
        ends_if: tuple[str, ...] = (command.ends_if,)
        if command.ends_if == "<":
            known = {*run.received[client_id], *run.sent[client_id]} & {*run.times}
            ends_if = tuple(time for time in run.times if any(time < one for one in known))
        if (command.ends_if and reply in ends_if) or (self._whims and next(self._whims) % 2):
            run.left[client_id] = []
        run.received[client_id] = (*run.received[client_id], reply)
        run.outcomes.add(("state", _state(run)))
        following = run.left[client_id][:1]
        if not following or following[0].operation != command.operation:
            run.ended[client_id] += 1
            replies = _named(run.received[client_id] + run.answered[client_id], run.times)
            run.outcomes.add(("call", client_id, replies, _state(run)))
        if following and following[0].operation != command.operation:
            run.before[client_id] += (tuple(run.ended.items()),)

    def _sent(self, run: _Run, client_id: str, ordinal: int) -> WireEvent:
        command = run.left[client_id][0]
        name, key, now = _SENT_AS.get(command.name, command.name), command.key, next(self._clock)
        values = {
            "STAMP": str(now),
            "LEASE": str(now + LONG_MS),
            "COPY": next(reversed(run.received[client_id]), "") or "nothing",
        }
        words: tuple[str, ...] = (name, key, values.get(command.name, client_id))
        if command.name in ("STAMP", "LEASE"):
            # A name that is the same in every run, so that outcomes can be compared.
            run.times[words[-1]] = f"when {client_id}{ordinal}"
        if command.name == "TAKE":
            words = (name, "take", "1", key, str(now))
        run.sent[client_id] += words
        return WireEvent(
            Position(client_id, ordinal),
            WireIndex(command.operation, 1, ordinal, name, key),
            args=tuple(word.encode() for word in words),
            size=40,
            is_write=command.name not in _READS,
            keys=None if command.name in _TOUCH_ALL else (key.encode(),),
        )


def _execute(run: _Run, event: WireEvent, command: Command) -> str:
    store, key, words = run.store, command.key, _words(event)
    held, value = store.get(key, ""), words[-1]
    if command.name == "GET":
        return held or "nil"
    if command.name == "KEYS":
        return " ".join(sorted(store))
    if command.name == "TTL":
        return ("60" if key in run.lasting else "-1") if held else "-2"
    if command.name == "EXPIRE":
        run.lasting |= {key} & {*store}
        return str(int(bool(held)))
    if command.name == "APPEND":
        store[key] = held + value
        return str(len(store[key]))
    if command.name == "TAKE":
        if not held.isdigit() or held > value:
            return "kept" if held.isdigit() else "none"
        value = event.position.client
    elif command.name in ("DEL", "UNLINK"):
        gone = [one for one in store if one == key or command.name == "UNLINK"]
        for one in gone:
            del store[one]
        run.lasting -= {*gone}
        return str(len(gone))
    elif command.name == "SETNX" and held:
        return "0"
    store[key] = value
    run.lasting -= {key}
    return "1" if command.name == "SETNX" else "OK"


def _words(event: WireEvent) -> tuple[str, ...]:
    return tuple(word.decode() for word in event.args)


def _state(run: _Run) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(zip(run.store, _named(run.store.values(), run.times), strict=True)))


def _named(texts: Iterable[str], times: Mapping[str, str]) -> tuple[str, ...]:
    """Return texts with names for times, which differ in every run."""
    return tuple(_TIME.sub(lambda time: times.get(time[0], time[0]), text) for text in texts)


def _loses_reply(decision: Decision) -> bool:
    return decision.fault is not None and decision.fault != ELAPSE


def _is_cut(decision: Decision) -> bool:
    return decision.fault is not None and decision.fault.name == "cut-before"


def faults_at(_: WireEvent) -> tuple[FaultRef, ...]:
    return (FaultRef("cut-before"), FaultRef("lost-reply"))

"""A store and its clients as values, for the schedulers: each command says what it does, each run what it showed."""

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


@dataclass(frozen=True)
class Command:
    """What a client sends.

    Args:
        name: of what Redis has, or STAMP, which writes the time of this run; LEASE, a time to come; TAKE, which takes a
            key whose time has come; COPY, which writes what the client heard last.
        ends_if: the client sends nothing more if it is answered this; ``<`` is a time before one that it knows.
        operation: the call that it belongs to.
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
    heard: dict[str, tuple[str, ...]] = field(default_factory=dict)
    ended: dict[str, int] = field(default_factory=dict)
    before: dict[str, tuple[object, ...]] = field(default_factory=dict)
    times: dict[str, str] = field(default_factory=dict)
    shown: set[object] = field(default_factory=set)


class World:
    """Its clock moves on from run to run, and with every command that is made.

    Args:
        mood: whether a client goes on, where it may not depend on what the client was answered.
    """

    def __init__(self, clients: Clients, mood: Iterator[int] | None = None) -> None:
        self.clients = {chr(65 + number): commands for number, commands in enumerate(clients)}
        self._clock = count(1_700_000_000_000)
        self._mood = mood
        self.runs = 0

    def explore(self, planner: Interleave, *, tells: bool = True) -> set[object]:
        """Make every run that is planned; return all that they showed.

        Args:
            tells: the planner is told what was to be seen.
        """
        shown: set[object] = set()
        counting = Counting(planner)
        while counting.begin():
            self.runs += 1
            shown |= self._run(counting, tells=tells)
        return shown

    def _run(self, planner: Scheduler, *, tells: bool) -> set[object]:
        run = _Run({client_id: list(commands) for client_id, commands in self.clients.items()})
        run.heard, run.answered = dict.fromkeys(run.left, ()), dict.fromkeys(run.left, ())
        run.ended = dict.fromkeys(run.left, 0)
        run.sent, run.before = dict.fromkeys(run.left, ()), dict.fromkeys(run.left, ())
        sent = {client_id: self._sent(run, client_id, 1) for client_id in run.left}
        observed: list[Observed] = []
        run.shown.add(("state", ()))
        last: str | None = None
        while sent:
            decision = planner.decide(Point(tuple(e for _, e in sorted(sent.items())), last))
            event, last = decision.event, decision.event.position.client
            before = dict(run.store)
            command = run.left[last].pop(0)
            reply = "" if _is_cut(decision) else _carried_out(run, event, command)
            run.answered[last] += (reply,)
            self._hear(run, command, event, "" if decision.fault else reply)
            executed = Executed.NO if _is_cut(decision) else Executed.YES
            step = Step(event, decision.fault, executed)
            observed.append(Observed(step, before, dict(run.store), reply.encode()))
            del sent[last]
            if run.left[last]:
                sent[last] = self._sent(run, last, event.position.ordinal + 1)
        said = tuple(_told(run.heard[one] + run.answered[one], run.times) for one in run.heard)
        run.shown.add(("end", said, tuple(run.before.values()), _state(run)))
        steps = tuple(seen.step for seen in observed)
        planner.end(RunEnd(steps, valid=True, observed=lambda: tuple(observed) if tells else ()))
        return run.shown

    def _hear(self, run: _Run, command: Command, event: WireEvent, heard: str) -> None:
        """Let a client go on, or not, with what it was answered."""
        client_id = event.position.client
        ends_if: tuple[str, ...] = (command.ends_if,)
        if command.ends_if == "<":
            known = {*run.heard[client_id], *run.sent[client_id]} & {*run.times}
            ends_if = tuple(time for time in run.times if any(time < one for one in known))
        if (command.ends_if and heard in ends_if) or (self._mood and next(self._mood) % 2):
            run.left[client_id] = []
        run.heard[client_id] = (*run.heard[client_id], heard)
        run.shown.add(("state", _state(run)))
        following = run.left[client_id][:1]
        if not following or following[0].operation != command.operation:
            run.ended[client_id] += 1
            said = _told(run.heard[client_id] + run.answered[client_id], run.times)
            run.shown.add(("call", client_id, said, _state(run)))
        if following and following[0].operation != command.operation:
            run.before[client_id] += (tuple(run.ended.items()),)

    def _sent(self, run: _Run, client_id: str, ordinal: int) -> WireEvent:
        command = run.left[client_id][0]
        name, key, now = _SENT_AS.get(command.name, command.name), command.key, next(self._clock)
        values = {
            "STAMP": str(now),
            "LEASE": str(now + LONG_MS),
            "COPY": next(reversed(run.heard[client_id]), "") or "nothing",
        }
        words: tuple[str, ...] = (name, key, values.get(command.name, client_id))
        if command.name in ("STAMP", "LEASE"):
            # As a name that is the same in every run, for what is compared.
            run.times[words[-1]] = f"when {client_id}{ordinal}"
        if command.name == "TAKE":
            words = (name, "take", "1", key, str(now))
        run.sent[client_id] += words
        return WireEvent(
            Position(client_id, ordinal),
            WireIndex(command.operation, 1, ordinal, name, key),
            tuple(word.encode() for word in words),
            40,
            is_write=command.name not in _READS,
            keys=None if command.name in _TOUCH_ALL else (key.encode(),),
        )


def _carried_out(run: _Run, event: WireEvent, command: Command) -> str:
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
    return tuple(sorted(zip(run.store, _told(run.store.values(), run.times), strict=True)))


def _told(texts: Iterable[str], times: Mapping[str, str]) -> tuple[str, ...]:
    """Return texts with names for times, which are others in every run."""
    return tuple(_TIME.sub(lambda time: times.get(time[0], time[0]), text) for text in texts)


def _is_cut(decision: Decision) -> bool:
    return decision.fault is not None and decision.fault.name == "cut-before"


def faults_at(_: WireEvent) -> tuple[FaultRef, ...]:
    return (FaultRef("cut-before"), FaultRef("lost-reply"))

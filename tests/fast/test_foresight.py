"""Foresight against a world of values: what is not run would have shown nothing, and what can't be foreseen is run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faultinject.decide.course import VOLATILE
from faultinject.decide.foreseeable import can_be_foreseen, is_foreseeable_in_script
from faultinject.decide.interleave import Interleave
from faultinject.vocabulary import (
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


@dataclass(frozen=True)
class Command:
    """What a client sends: GET, SETNX of its own name, APPEND of it, or STAMP, which writes the time of this run.

    Args:
        ends_if: the client sends nothing more if it is answered this.
        operation: the call that it belongs to.
    """

    name: str
    key: str
    ends_if: str = ""
    operation: int = 1


Clients = tuple[tuple[Command, ...], ...]
_SENT_AS = {"STAMP": "SET"}


class World:
    """A store and its clients. Its clock moves on from run to run, and with every command that is made."""

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
        while planner.begin():
            self.runs += 1
            shown |= self._run(planner, tells=tells)
        return shown

    def _run(self, planner: Interleave, *, tells: bool) -> set[object]:
        left = {letter: list(commands) for letter, commands in self.clients.items()}
        sent = {letter: self._sent(letter, 1, commands[0]) for letter, commands in left.items()}
        said: dict[str, tuple[str, ...]] = dict.fromkeys(left, ())
        store: dict[str, str] = {}
        observed: list[Observed] = []
        stamps: dict[str, str] = {}
        shown: set[object] = set()
        last: str | None = None
        while sent:
            decision = planner.decide(Point(tuple(e for _, e in sorted(sent.items())), last))
            event, last = decision.event, decision.event.position.client
            before = dict(store)
            command = left[last].pop(0)
            reply = "" if _is_cut(decision) else self._carried_out(event, command, store, stamps)
            heard = "" if decision.fault else reply
            said[last] = (*said[last], _told(heard, stamps))
            executed = Executed.NO if _is_cut(decision) else Executed.YES
            step = Step(event, decision.fault, executed)
            observed.append(Observed(step, before, dict(store), reply.encode()))
            state = tuple(sorted((key, _told(text, stamps)) for key, text in store.items()))
            shown.add(("state", state))
            following = left[last] if not command.ends_if or heard != command.ends_if else []
            if self._mood is not None and next(self._mood) % 2:
                following = []
            if not following or following[0].operation != command.operation:
                shown.add(("call", last, said[last], state))
            left[last] = following
            del sent[last]
            if following:
                sent[last] = self._sent(last, event.position.ordinal + 1, following[0])
        shown.add(("end", tuple(said.items()), state))
        steps = tuple(seen.step for seen in observed)
        planner.end(RunEnd(steps, valid=True, observed=lambda: tuple(observed) if tells else ()))
        return shown

    def _sent(self, letter: str, ordinal: int, command: Command) -> WireEvent:
        name = _SENT_AS.get(command.name, command.name)
        value = str(next(self._clock)) if command.name == "STAMP" else letter
        key = command.key.encode()
        return WireEvent(
            Position(letter, ordinal),
            WireIndex(command.operation, 1, ordinal, name, command.key),
            (name.encode(), key, value.encode()),
            40,
            is_write=name != "GET",
            keys=(key,),
        )

    def _carried_out(
        self, event: WireEvent, command: Command, store: dict[str, str], stamps: dict[str, str]
    ) -> str:
        value, held = event.args[2].decode(), store.get(command.key, "")
        if command.name == "GET":
            return held or "nil"
        if command.name == "SETNX":
            store.setdefault(command.key, value)
            return str(int(not held))
        if command.name == "STAMP":
            # As a name that is the same in every run, for what is compared.
            stamps[value] = f"when {event.position}"
            store[command.key] = value
            return "OK"
        store[command.key] = held + value
        return str(len(store[command.key]))


def _told(text: str, stamps: Mapping[str, str]) -> str:
    for stamp, name in stamps.items():
        text = text.replace(stamp, name)
    return text


def _is_cut(decision: Decision) -> bool:
    return decision.fault is not None and decision.fault.name == "cut-before"


def faults_at(_: WireEvent) -> tuple[FaultRef, ...]:
    return (FaultRef("cut-before"), FaultRef("lost-reply"))


commands = st.builds(
    Command,
    st.sampled_from(["GET", "SETNX", "APPEND", "STAMP"]),
    st.sampled_from(["a", "b"]),
    st.sampled_from(["", "nil", "1", "0", "OK"]),
    st.integers(1, 2),
)


def in_order(client: list[Command]) -> tuple[Command, ...]:
    return tuple(sorted(client, key=lambda command: command.operation))


several = st.lists(commands, min_size=1, max_size=3).map(in_order)
worlds = st.tuples(several, several) | st.tuples(*[commands.map(lambda one: (one,))] * 3)
APPENDS = Command("APPEND", "k")
LOOKS = Command("SETNX", "k", ends_if="0")


def runs_of(clients: Clients, *, tells: bool = True, mood: Iterator[int] | None = None) -> int:
    world = World(clients, mood)
    world.explore(Interleave(None), tells=tells)
    return world.runs


@given(worlds, st.sampled_from([0, 1]), st.sampled_from([1, None]))
def test_what_is_foreseen_would_have_shown_no_end_no_state_and_no_end_of_a_call(
    clients: Clients, faults: int, bound: int | None
) -> None:
    world = World(clients)
    foreseen = world.explore(Interleave(bound, faults, faults_at))
    assert foreseen == world.explore(Interleave(bound, faults, faults_at), tells=False)


@given(worlds)
def test_foresight_makes_no_run_that_was_not_to_be_made(clients: Clients) -> None:
    assert runs_of(clients) <= runs_of(clients, tells=False)


def test_an_order_in_which_only_what_changes_nothing_comes_elsewhere_is_not_run() -> None:
    """Once one has set the key, nothing that the two others send changes anything, or is answered otherwise."""
    losers = (Command("SETNX", "k"), Command("SETNX", "k"))
    clients = ((Command("SETNX", "k"),), losers, losers)
    assert runs_of(clients) < runs_of(clients, tells=False)


def test_a_time_that_is_another_in_every_run_does_not_hinder_foresight() -> None:
    with_times = ((Command("STAMP", "t"), LOOKS, LOOKS), (LOOKS, LOOKS, LOOKS))
    without = ((Command("APPEND", "t"), LOOKS, LOOKS), (LOOKS, LOOKS, LOOKS))
    assert runs_of(with_times) == runs_of(without) < runs_of(with_times, tells=False)


def test_the_ledger_says_how_many_were_foreseen() -> None:
    world = World(((LOOKS, LOOKS), (LOOKS, LOOKS)))
    planner = Interleave(None)
    world.explore(planner)
    (row,) = planner.ledger.counts()
    assert (row.run, row.not_reached) == (world.runs, 0)
    assert "foreseen" in row.pruned_by


def test_nothing_is_foreseen_of_a_client_that_goes_on_as_it_likes() -> None:
    """It sends something or nothing more after the same answers; from when that is seen, every order is run."""
    world = World(((APPENDS,) * 2,) * 2, mood=iter([0, 0, 0, 0, *([1] * 1_000)]))
    planner = Interleave(None)
    world.explore(planner)
    (row,) = planner.ledger.counts()
    assert "foreseen" not in row.pruned_by


def test_a_random_word_that_begins_like_a_time_is_one_word() -> None:
    assert VOLATILE.fullmatch("1764187123456a98bd691849738b2f9c")


def event_of(*words: str, block: tuple[tuple[str, ...], ...] = ()) -> WireEvent:
    encoded = tuple(word.encode() for word in words)
    inside = tuple(tuple(word.encode() for word in command) for command in block)
    index = WireIndex(1, 1, 1, words[0], "")
    return WireEvent(Position("A", 1), index, encoded, 40, True, (b"k",), inside)


@pytest.mark.parametrize(
    ("event", "reply", "foreseeable"),
    [
        (event_of("HSET", "k", "f", "v"), b":1\r\n", True),
        (event_of("hset", "k", "f", "v"), b":1\r\n", True),
        (event_of("EXPIRE", "k", "60"), b":1\r\n", True),
        (event_of("EXPIRE", "k", "60", "NX"), b":1\r\n", False),
        (event_of("TTL", "k"), b":60\r\n", False),
        (event_of("SPOP", "k"), b"$1\r\na\r\n", False),
        (event_of("WATCH", "k"), b"+OK\r\n", False),
        (event_of("BLPOP", "k", "1"), b"*-1\r\n", False),
        (event_of("EXEC", block=(("SET", "k", "v"), ("GET", "k"))), b"*2\r\n", True),
        (event_of("EXEC", block=(("SET", "k", "v"), ("PTTL", "k"))), b"*2\r\n", False),
        (event_of("SCAN", "0"), b"*2\r\n$1\r\n0\r\n*0\r\n", True),
        (event_of("SCAN", "0"), b"*2\r\n$2\r\n12\r\n*0\r\n", False),
        (event_of("SCAN", "12"), b"*2\r\n$1\r\n0\r\n*0\r\n", False),
    ],
    ids=lambda value: " ".join(map(str, value.args)) if isinstance(value, WireEvent) else "",
)
def test_only_what_depends_on_what_keys_hold_can_be_foreseen(
    event: WireEvent, reply: bytes, foreseeable: bool
) -> None:
    assert can_be_foreseen(event, reply) is foreseeable


@pytest.mark.parametrize(
    ("words", "foreseeable"),
    [
        ((b"TIME",), True),
        ((b"HGETALL", b"k"), True),
        ((b"TTL", b"k"), False),
        ((b"SCAN", b"0"), False),
    ],
)
def test_a_script_may_ask_for_the_time_and_not_for_a_time_to_live(
    words: tuple[bytes, ...], foreseeable: bool
) -> None:
    assert is_foreseeable_in_script(words) is foreseeable

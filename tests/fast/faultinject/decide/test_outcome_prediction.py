"""Foresight against a world of values: what is not run would have shown nothing, and what can't be foreseen is run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midpipe.faultinject.decide.interleave import Interleave
from midpipe.faultinject.decide.predictable import is_predictable_event, is_predictable_in_script
from midpipe.faultinject.decide.simulated_run import VOLATILE
from midpipe.faultinject.vocabulary import Position, WireEvent, WireIndex
from tests.fast.faultinject.decide.store import Clients, Command, World, faults_at

NAMES = ("GET", "SETNX", "APPEND", "STAMP", "SET", "DEL", "LEASE", "TAKE", "COPY", "EXPIRE", "KEYS")
commands = st.builds(
    Command,
    st.sampled_from(NAMES),
    st.sampled_from(["a", "b", "c"]),
    st.sampled_from(["", "nil", "1", "0", "OK", "<"]),
    st.integers(1, 2),
)


def in_order(client: list[Command]) -> tuple[Command, ...]:
    return tuple(sorted(client, key=lambda command: command.operation))


several = st.lists(commands, min_size=1, max_size=3).map(in_order)
worlds = st.tuples(several, several) | st.tuples(*[commands.map(lambda one: (one,))] * 3)


def may_compare_times(clients: Clients) -> bool:
    """Whether it may matter which of two clients read its own clock first."""
    return any(one.name == "TAKE" or one.ends_if == "<" for client in clients for one in client)


APPENDS = Command("APPEND", "k")
LOOKS_AT_B = Command("SETNX", "b")
LOOKS = Command("SETNX", "k", ends_if="0")


def runs_of(clients: Clients, *, tells: bool = True, mood: Iterator[int] | None = None) -> int:
    world = World(clients, mood)
    world.explore(Interleave(None), tells=tells)
    return world.runs


def missed_in(
    clients: Clients, faults: int = 0, bound: int | None = None, *, prune: bool = False
) -> set[object]:
    """Return what an exploration does not show, and one that foresees nothing does.

    Args:
        prune: the other one takes commands that commute for what they are.
    """
    world = World(clients)
    shown = world.explore(Interleave(bound, faults, faults_at))
    plain = Interleave(bound, faults, faults_at, prune=prune)
    return world.explore(plain, tells=False) - shown


@given(worlds, st.sampled_from([0, 1]), st.sampled_from([0, 1, 2]))
def test_what_is_left_out_within_a_bound_would_have_shown_no_end_no_state_and_no_end_of_a_call(
    clients: Clients, faults: int, bound: int
) -> None:
    assert not missed_in(clients, faults, bound)


@given(worlds, st.sampled_from([0, 1]))
def test_what_is_foreseen_would_have_shown_no_end_no_state_and_no_end_of_a_call(
    clients: Clients, faults: int
) -> None:
    assert not missed_in(clients, faults, prune=True)


@given(worlds.filter(lambda clients: not may_compare_times(clients)), st.sampled_from([0, 1]))
def test_what_is_left_out_would_have_shown_no_end_no_state_and_no_end_of_a_call(
    clients: Clients, faults: int
) -> None:
    assert not missed_in(clients, faults)


def test_nothing_is_left_out_for_one_that_is_beyond_the_bound() -> None:
    appends, other = Command("APPEND", "b"), Command("APPEND", "a")
    assert not missed_in(((Command("GET", "b"), appends), (LOOKS_AT_B,), (other,)), bound=0)


def test_of_what_was_not_tried_yet_it_is_not_known_whether_a_call_ends_with_it() -> None:
    clients = (Command("SET", "b"),), (Command("GET", "b"),), (Command("APPEND", "a"),)
    assert not missed_in(clients)


def test_what_ends_a_client_may_not_end_it_with_a_fault() -> None:
    looks = Command("GET", "a")
    goes_on = (Command("GET", "a", ends_if="nil"), Command("GET", "a", operation=2))
    assert not missed_in((goes_on, (looks,)), faults=1)


def test_which_call_had_ended_when_another_began_counts_though_the_commands_commute() -> None:
    """An acknowledged write, a read that is called after it and does not see it, and then a repair."""
    reads = (Command("GET", "z"), Command("GET", "new", operation=2))
    assert not missed_in((reads, (Command("SET", "old"), Command("SET", "new", operation=2))))


def test_the_state_at_the_end_of_a_call_counts_though_the_commands_commute() -> None:
    """The one is told that the request is known, when its job is gone and the request is not yet forgotten."""
    forgets = (Command("GET", "z"), Command("DEL", "job"), Command("DEL", "request"))
    writes = (Command("SET", "job"), Command("SET", "request"))
    looks = (Command("GET", "request", operation=2),)
    assert not missed_in(((*writes, *looks), forgets))


def test_an_order_that_shows_nothing_new_but_a_state_in_the_middle_of_calls_is_run() -> None:
    """The one who writes k last wipes out who wrote it before; only x and j together tell who was first."""
    clients = (
        (Command("SET", "x"), Command("SET", "k")),
        (Command("SET", "j"), Command("SET", "k")),
    )
    assert not missed_in(clients)


def test_what_the_server_answered_counts_though_the_reply_was_lost() -> None:
    """Whether a call that raised may have had an effect is told by it."""
    looks = (Command("GET", "k"),)
    assert not missed_in((looks, looks, (Command("SETNX", "k"),)), faults=1)


def test_a_time_that_has_come_is_not_taken_for_one_to_come_that_stands_in_its_place() -> None:
    """Both are older than the command that compares them with the present."""
    writes = Command("SET", "k")
    lasts = (writes, Command("STAMP", "k"), Command("LEASE", "k"), writes)
    assert not missed_in((lasts, (Command("GET", "z"), Command("TAKE", "k"), writes)))


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
    (row,) = planner.ledger.rows()
    assert (row.run, row.not_reached) == (world.runs, 0)
    assert "predicted" in row.pruned_by


def test_nothing_is_foreseen_of_a_client_that_goes_on_as_it_likes() -> None:
    """It sends something or nothing more after the same answers; from when that is seen, every order is run."""
    world = World(((APPENDS,) * 2,) * 2, mood=iter([0, 0, 0, 0, *([1] * 1_000)]))
    planner = Interleave(None)
    world.explore(planner)
    (row,) = planner.ledger.rows()
    assert "predicted" not in row.pruned_by


def test_a_random_word_that_begins_like_a_time_is_one_word() -> None:
    assert VOLATILE.fullmatch("1764187123456a98bd691849738b2f9c")


def event_of(*words: str, block: tuple[tuple[str, ...], ...] = ()) -> WireEvent:
    encoded = tuple(word.encode() for word in words)
    inside = tuple(tuple(word.encode() for word in command) for command in block)
    index = WireIndex(1, 1, 1, words[0], "")
    return WireEvent(Position("A", 1), index, encoded, 40, True, (b"k",), inside)


@pytest.mark.parametrize(
    ("event", "reply", "predictable"),
    [
        (event_of("HSET", "k", "f", "v"), b":1\r\n", True),
        (event_of("hset", "k", "f", "v"), b":1\r\n", True),
        (event_of("EXPIRE", "k", "60"), b":1\r\n", True),
        (event_of("EXPIRE", "k", "60", "NX"), b":1\r\n", False),
        (event_of("TTL", "k"), b":60\r\n", False),
        (event_of("SPOP", "k"), b"$1\r\na\r\n", False),
        (event_of("SMEMBERS", "k"), b"*1\r\n$1\r\na\r\n", False),
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
    event: WireEvent, reply: bytes, predictable: bool
) -> None:
    assert is_predictable_event(event, reply) is predictable


@pytest.mark.parametrize(
    ("words", "predictable"),
    [
        ((b"TIME",), True),
        ((b"HGETALL", b"k"), True),
        ((b"TTL", b"k"), False),
        ((b"SMEMBERS", b"k"), False),
        ((b"SCAN", b"0"), False),
    ],
)
def test_a_script_may_ask_for_the_time_and_not_for_a_time_to_live(
    words: tuple[bytes, ...], predictable: bool
) -> None:
    assert is_predictable_in_script(words) is predictable

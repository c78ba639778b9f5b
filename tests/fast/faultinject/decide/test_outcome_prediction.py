"""Outcome prediction on a simulated store: pruned orders have no new outcome, and unpredictable orders are run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midpipe.faultinject.decide.interleave import Interleave
from midpipe.faultinject.decide.predictable import is_predictable_event, is_predictable_in_script
from midpipe.faultinject.decide.simulated_run import VOLATILE
from midpipe.faultinject.vocabulary import Position, WireEvent, WireIndex
from tests.fast.faultinject.decide.store import Clients, Command, Simulation, faults_at

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
simulations = st.tuples(several, several) | st.tuples(*[commands.map(lambda one: (one,))] * 3)


def may_compare_times(clients: Clients) -> bool:
    """Whether it may matter which of two clients read its own clock first."""
    return any(one.name == "TAKE" or one.ends_if == "<" for client in clients for one in client)


APPENDS = Command("APPEND", "k")
LOOKS_AT_B = Command("SETNX", "b")
LOOKS = Command("SETNX", "k", ends_if="0")


def runs_of(clients: Clients, *, predicts: bool = True) -> int:
    simulation = Simulation(clients)
    simulation.explore(Interleave(None), predicts=predicts)
    return simulation.runs


def missed_in(
    clients: Clients, faults: int = 0, bound: int | None = None, *, prune: bool = False
) -> set[object]:
    """Return the outcomes that an exploration without prediction has, and one with prediction lacks.

    Args:
        prune: the exploration without prediction prunes orders of commands that commute.
    """
    simulation = Simulation(clients)
    outcomes = simulation.explore(Interleave(bound, faults, faults_at))
    plain = Interleave(bound, faults, faults_at, prune=prune)
    return simulation.explore(plain, predicts=False) - outcomes


@given(simulations, st.sampled_from([0, 1]), st.sampled_from([0, 1, 2]))
def test_within_a_bound_prediction_loses_no_outcome(
    clients: Clients, faults: int, bound: int
) -> None:
    assert not missed_in(clients, faults, bound)


@given(simulations, st.sampled_from([0, 1]))
def test_prediction_loses_no_outcome_that_sleep_sets_keep(clients: Clients, faults: int) -> None:
    assert not missed_in(clients, faults, prune=True)


@given(simulations.filter(lambda clients: not may_compare_times(clients)), st.sampled_from([0, 1]))
def test_prediction_and_sleep_sets_lose_no_outcome(clients: Clients, faults: int) -> None:
    assert not missed_in(clients, faults)


def test_no_order_is_pruned_in_favour_of_one_beyond_the_bound() -> None:
    appends, other = Command("APPEND", "b"), Command("APPEND", "a")
    assert not missed_in(((Command("GET", "b"), appends), (LOOKS_AT_B,), (other,)), bound=0)


def test_an_untried_event_may_end_a_call() -> None:
    clients = (Command("SET", "b"),), (Command("GET", "b"),), (Command("APPEND", "a"),)
    assert not missed_in(clients)


def test_an_event_that_ends_a_client_may_not_end_it_with_a_fault() -> None:
    looks = Command("GET", "a")
    goes_on = (Command("GET", "a", ends_if="nil"), Command("GET", "a", operation=2))
    assert not missed_in((goes_on, (looks,)), faults=1)


def test_which_call_ended_before_another_began_is_an_outcome_even_if_their_commands_commute() -> (
    None
):
    """An acknowledged write, a later read that misses it, and a repair."""
    reads = (Command("GET", "z"), Command("GET", "new", operation=2))
    assert not missed_in((reads, (Command("SET", "old"), Command("SET", "new", operation=2))))


def test_the_state_at_the_end_of_a_call_is_an_outcome_even_if_the_commands_commute() -> None:
    """One client reads that the request is known after its job was deleted and before the request is."""
    forgets = (Command("GET", "z"), Command("DEL", "job"), Command("DEL", "request"))
    writes = (Command("SET", "job"), Command("SET", "request"))
    looks = (Command("GET", "request", operation=2),)
    assert not missed_in(((*writes, *looks), forgets))


def test_an_order_whose_only_new_outcome_is_a_state_in_the_middle_of_calls_is_run() -> None:
    """The last write of k hides the one before it; only x and j together show which client was first."""
    clients = (
        (Command("SET", "x"), Command("SET", "k")),
        (Command("SET", "j"), Command("SET", "k")),
    )
    assert not missed_in(clients)


def test_a_reply_that_was_lost_is_an_outcome() -> None:
    """It decides whether a call that raised may have had an effect."""
    looks = (Command("GET", "k"),)
    assert not missed_in((looks, looks, (Command("SETNX", "k"),)), faults=1)


def test_a_deadline_in_the_past_is_not_confused_with_one_in_the_future() -> None:
    """Both were written before the command that compares them with the present."""
    writes = Command("SET", "k")
    lasts = (writes, Command("STAMP", "k"), Command("LEASE", "k"), writes)
    assert not missed_in((lasts, (Command("GET", "z"), Command("TAKE", "k"), writes)))


@given(simulations)
def test_prediction_adds_no_run(clients: Clients) -> None:
    assert runs_of(clients) <= runs_of(clients, predicts=False)


def test_orders_that_differ_only_in_commands_without_effect_are_pruned() -> None:
    """Once one client has set the key, the commands of the two others change nothing and get the same replies."""
    losers = (Command("SETNX", "k"), Command("SETNX", "k"))
    clients = ((Command("SETNX", "k"),), losers, losers)
    assert runs_of(clients) < runs_of(clients, predicts=False)


def test_a_time_that_differs_in_every_run_does_not_prevent_prediction() -> None:
    with_times = ((Command("STAMP", "t"), LOOKS, LOOKS), (LOOKS, LOOKS, LOOKS))
    without = ((Command("APPEND", "t"), LOOKS, LOOKS), (LOOKS, LOOKS, LOOKS))
    assert runs_of(with_times) == runs_of(without) < runs_of(with_times, predicts=False)


def test_the_ledger_counts_the_runs_that_prediction_saved() -> None:
    clients = ((LOOKS, LOOKS), (LOOKS, LOOKS))
    planner = Interleave(2)
    Simulation(clients).explore(planner)
    without = Interleave(2)
    Simulation(clients).explore(without, predicts=False)
    (row,), (row_without,) = planner.ledger.rows(), without.ledger.rows()
    assert row.pruned_by["predicted"] == row_without.run - row.run > 0


def test_no_order_of_a_nondeterministic_client_is_predicted() -> None:
    """After the same replies it sends a command or none; once that has occurred, every order is run."""
    simulation = Simulation(((APPENDS,) * 2,) * 2, whims=iter([0, 0, 0, 0, *([1] * 1_000)]))
    planner = Interleave(None)
    simulation.explore(planner)
    (row,) = planner.ledger.rows()
    assert "predicted" not in row.pruned_by


def test_a_uuid_that_begins_like_a_time_is_one_value() -> None:
    assert VOLATILE.fullmatch("1764187123456a98bd691849738b2f9c")


def event_of(*words: str, block: tuple[tuple[str, ...], ...] = ()) -> WireEvent:
    encoded = tuple(word.encode() for word in words)
    inside = tuple(tuple(word.encode() for word in command) for command in block)
    index = WireIndex(1, 1, 1, words[0], "")
    return WireEvent(
        Position("A", 1),
        index,
        args=encoded,
        size=40,
        is_write=True,
        keys=(b"k",),
        block=inside,
    )


@pytest.mark.parametrize(
    ("event", "reply", "is_predictable"),
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
def test_only_commands_that_depend_on_the_content_of_keys_are_predictable(
    event: WireEvent, reply: bytes, is_predictable: bool
) -> None:
    assert is_predictable_event(event, reply) is is_predictable


@pytest.mark.parametrize(
    ("words", "is_predictable"),
    [
        ((b"TIME",), True),
        ((b"HGETALL", b"k"), True),
        ((b"TTL", b"k"), False),
        ((b"SMEMBERS", b"k"), False),
        ((b"SCAN", b"0"), False),
    ],
)
def test_a_script_may_ask_for_the_time_and_not_for_a_time_to_live(
    words: tuple[bytes, ...], is_predictable: bool
) -> None:
    assert is_predictable_in_script(words) is is_predictable

"""Time that passes as one more event of an order: leaving orders out loses no outcome of those in which it passes."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from midpipe.faultinject.decide.interleave import Interleave
from midpipe.faultinject.vocabulary import FaultRef, WireEvent
from tests.fast.faultinject.decide.store import ELAPSE, Clients, Command, Simulation, faults_at

NAMES = ("GET", "SET", "APPEND", "SETNX", "EXPIRE", "LEASE", "DEL", "KEYS")
commands = st.builds(
    Command,
    st.sampled_from(NAMES),
    st.sampled_from(["a", "b"]),
    st.sampled_from(["", "nil", "1"]),
    st.integers(1, 2),
)
several = st.lists(commands, min_size=1, max_size=3).map(
    lambda client: tuple(sorted(client, key=lambda command: command.operation))
)
programs = st.tuples(several, several) | st.tuples(*[commands.map(lambda one: (one,))] * 3)


def time_at(_: WireEvent) -> tuple[FaultRef, ...]:
    return (ELAPSE,)


def time_and_faults_at(event: WireEvent) -> tuple[FaultRef, ...]:
    return (ELAPSE, *faults_at(event))


def missed_in(clients: Clients, moves: int = 1, bound: int | None = None) -> set[object]:
    """Return the outcomes that every order has, and that those which are not left out lack."""
    simulation = Simulation(clients)
    faults_of = time_at if moves > 1 else time_and_faults_at
    pruned = simulation.explore(Interleave(bound, moves, faults_of))
    return simulation.explore(Interleave(bound, moves, faults_of, prune=False)) - pruned


def runs_of(clients: Clients, *, prune: bool) -> int:
    simulation = Simulation(clients)
    simulation.explore(Interleave(None, 1, time_at, prune=prune), predicts=False)
    return simulation.runs


@settings(max_examples=30)
@given(programs, st.sampled_from([None, 1]))
def test_time_may_pass_at_any_point_and_no_outcome_is_lost(
    clients: Clients, bound: int | None
) -> None:
    assert not missed_in(clients, bound=bound)


@settings(max_examples=30)
@given(st.tuples(*[st.lists(commands, min_size=1, max_size=2).map(tuple)] * 2))
def test_time_may_pass_twice_and_no_outcome_is_lost(clients: Clients) -> None:
    assert not missed_in(clients, moves=2)


def test_time_passes_between_two_events_that_commute_in_both_orders() -> None:
    """A key with a time to live expires between them; which one was first decides whether the other sees it."""
    expires = (Command("SET", "a"), Command("EXPIRE", "a"))
    appends = (Command("SET", "b"), Command("EXPIRE", "b"))
    assert not missed_in((expires, appends))


def test_after_time_has_passed_orders_of_events_that_commute_are_left_out() -> None:
    clients = ((Command("GET", "a"),) * 2, (Command("GET", "b"),) * 2)
    assert runs_of(clients, prune=True) < runs_of(clients, prune=False)


def test_without_a_fault_to_place_no_time_passes() -> None:
    simulation = Simulation(((Command("SET", "a"),), (Command("SET", "a"),)))
    planner = Interleave(None, 0, time_at)
    simulation.explore(planner)
    assert {row.fault for row in planner.ledger.rows("any")} == {"none"}

"""The interleaver on simulated clients: each order is run once, no outcome is lost, runs with few faults come first."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, pairwise
from math import comb

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from midpipe.faultinject.decide.counting import Counting
from midpipe.faultinject.decide.frontier import Frontier
from midpipe.faultinject.decide.interleave import Interleave
from midpipe.faultinject.decide.pruning import Independence
from midpipe.faultinject.decide.schedule import replay_string
from midpipe.faultinject.decide.scheduler import Scheduler
from midpipe.faultinject.faults import placeable
from midpipe.faultinject.vocabulary import (
    Executed,
    FaultRef,
    Point,
    Position,
    RunEnd,
    Step,
    WireEvent,
    WireIndex,
)

Access = tuple[str, bool]
"""A key, and whether it is written."""
Clients = tuple[tuple[Access, ...], ...]


def event(client: str, ordinal: int, access: Access) -> WireEvent:
    key, writes = access
    index = WireIndex(1, 1, ordinal, "SET" if writes else "GET", key)
    keys = None if key == "?" else (key.encode(),)
    return WireEvent(
        Position(client, ordinal), index, args=(b"x",), size=40, is_write=writes, keys=keys
    )


class Simulation:
    """Clients that make their accesses in order. A write appends its name to the key, a read records the content."""

    def __init__(self, clients: Clients) -> None:
        self._clients = {chr(65 + number): accesses for number, accesses in enumerate(clients)}

    def run(self, planner: Scheduler) -> tuple[tuple[str, ...], object]:
        """Make one run; return its order and its outcome."""
        done = dict.fromkeys(self._clients, 0)
        store: dict[str, tuple[str, ...]] = {}
        seen: list[tuple[str, tuple[str, ...]]] = []
        order: list[str] = []
        steps: list[Step] = []
        last: str | None = None
        while choices := self._choices(done):
            decision = planner.decide(Point(choices, last))
            chosen = decision.event
            last = chosen.position.client
            key, writes = self._clients[last][done[last]]
            name = str(chosen.position)
            touched = sorted({*store, "?"}) if key == "?" else [key]
            seen.append((name, tuple(value for one in touched for value in store.get(one, ()))))
            if writes:
                for one in touched:
                    store[one] = (*store.get(one, ()), name)
            done[last] += 1
            order.append(name)
            steps.append(Step(chosen, decision.fault, Executed.YES))
        planner.end(RunEnd(tuple(steps), valid=True))
        return tuple(order), (tuple(sorted(store.items())), tuple(sorted(seen)))

    def _choices(self, done: dict[str, int]) -> tuple[WireEvent, ...]:
        return tuple(
            event(client, done[client] + 1, accesses[done[client]])
            for client, accesses in sorted(self._clients.items())
            if done[client] < len(accesses)
        )


def runs_of(clients: Clients, planner: Interleave) -> Iterator[tuple[tuple[str, ...], object]]:
    counting = Counting(planner)
    while counting.begin():
        yield Simulation(clients).run(counting)


def accesses(most: int) -> st.SearchStrategy[tuple[Access, ...]]:
    access = st.tuples(st.sampled_from(["a", "b", "c", "?"]), st.booleans())
    return st.lists(access, min_size=1, max_size=most).map(tuple)


simulations = st.tuples(*[accesses(3)] * 2) | st.tuples(*[accesses(2)] * 3)
"""Two clients of up to three accesses, or three of up to two: at most 90 orders, as all of them are run."""


@pytest.mark.parametrize(("one", "other"), [(1, 1), (2, 2), (3, 2), (4, 4)])
def test_without_pruning_every_order_is_run_once(one: int, other: int) -> None:
    clients = (tuple([("k", True)] * one), tuple([("k", True)] * other))
    orders = [order for order, _ in runs_of(clients, Interleave(None, prune=False))]
    assert len(orders) == len(set(orders)) == comb(one + other, one)


@given(simulations, st.sampled_from([None, 1]))
def test_pruning_loses_no_outcome(clients: Clients, bound: int | None) -> None:
    whole = {outcome for _, outcome in runs_of(clients, Interleave(bound, prune=False))}
    pruned = {outcome for _, outcome in runs_of(clients, Interleave(bound))}
    assert pruned == whole


@given(simulations)
def test_pruning_adds_no_run(clients: Clients) -> None:
    whole = [order for order, _ in runs_of(clients, Interleave(None, prune=False))]
    pruned = [order for order, _ in runs_of(clients, Interleave(None))]
    assert len(pruned) <= len(whole)
    assert set(pruned) <= set(whole)


def test_orders_of_clients_without_common_keys_differ_only_in_the_state_when_a_call_ended() -> None:
    """Either client's call may end first, after the other has made none, one, two or three of its writes."""
    clients = ((("a", True),) * 4, (("b", True),) * 4)
    assert len(list(runs_of(clients, Interleave(None)))) == 4 + 4


def test_orders_of_clients_that_only_read_are_tried_once_per_event() -> None:
    """One order, and for each event of the first client one run in which the other client goes before it."""
    clients = ((("a", False),) * 4, (("b", False),) * 4)
    assert len(list(runs_of(clients, Interleave(None)))) == 1 + 4


@given(simulations, st.integers(0, 6), st.booleans())
def test_a_stopped_exploration_continues_from_its_frontier(
    clients: Clients, runs: int, is_interrupted: bool
) -> None:
    def planner(frontier: Frontier | None = None) -> Interleave:
        return Interleave(1, 1, lambda _: (FaultRef("lost-reply"),), frontier=frontier)

    whole = planner()
    orders = [order for order, _ in runs_of(clients, whole)]
    first = planner()
    made = [order for order, _ in islice(runs_of(clients, first), runs)]
    if is_interrupted:
        # Stopped in the middle of a run, which the second exploration makes again.
        first.begin()
    kept = msgspec.json.decode(msgspec.json.encode(first.frontier()), type=Frontier)
    second = planner(kept)
    made += [order for order, _ in runs_of(clients, second)]
    assert made == orders
    assert second.ledger.rows() == whole.ledger.rows()


@pytest.mark.parametrize("bound", [0, 1, 2])
def test_a_bound_of_preemptions_is_kept(bound: int) -> None:
    clients = ((("k", True),) * 3, (("k", True),) * 3)
    for order, _ in runs_of(clients, Interleave(bound, prune=False)):
        client_ids = [name[0] for name in order]
        switches = sum(
            one != other and one in client_ids[number + 1 :]
            for number, (one, other) in enumerate(pairwise(client_ids))
        )
        assert switches <= bound


def orders_of_two(*faults: str) -> list[str]:
    """Return the orders of two clients with two commands each, as they are run, with at most one of the faults."""
    clients = ((("k", True),) * 2, (("k", True),) * 2)
    planner = Interleave(2, 1, lambda _: tuple(map(FaultRef, faults)))
    orders = []
    while planner.begin():
        orders.append(str(planner.current))
        Simulation(clients).run(planner)
    return orders


def test_orders_without_faults_come_first_and_of_these_the_one_without_preemption() -> None:
    orders = orders_of_two("lost-reply")
    faulted = ["!" in order for order in orders]
    assert orders[0] == ""
    assert faulted == sorted(faulted)
    assert faulted.index(True) == comb(4, 2)


def test_faults_come_in_the_rounds_of_a_sweep_those_whose_command_runs_unanswered_first() -> None:
    orders = orders_of_two("crash-before", "cut-before", "lost-reply")
    faults = [order.partition("!")[2].partition(" ")[0] for order in orders if "!" in order]
    assert list(dict.fromkeys(faults)) == ["lost-reply", "cut-before", "crash-before"]
    assert faults == sorted(faults, key=list(dict.fromkeys(faults)).index)


def test_in_a_round_the_orders_with_one_preemption_come_first() -> None:
    faulted = [order for order in orders_of_two("lost-reply") if "!" in order]
    assert faulted[0] == "A1 B1:SET!lost-reply"
    assert faulted.index("A1:SET!lost-reply") < faulted.index("A1 B1 A2:SET!lost-reply")


def test_the_frontier_says_in_which_round_the_exploration_goes_on() -> None:
    planner = Interleave(1, 1, lambda _: (FaultRef("crash-before"), FaultRef("lost-reply")))
    clients = ((("k", True),), (("k", True),))
    rounds = []
    while planner.begin():
        Simulation(clients).run(planner)
        rounds.append(planner.frontier().next_round)
    assert rounds[0] == 0
    assert planner.next_round is None
    assert rounds[:-1] == sorted(rounds[:-1])
    assert len(set(rounds[:-1])) == 3


def test_every_fault_is_placed_at_every_event_of_the_first_order() -> None:
    planner = Interleave(0, 1, placeable)
    clients = ((("k", True),) * 2, (("k", True),))
    placed = []
    while planner.begin():
        placed += [replay_string("p", planner.current)] if planner.current.faults else []
        Simulation(clients).run(planner)
    assert len(placed) == len(set(placed))
    for fault in placeable(event("A", 1, ("k", True))):
        assert any(f"!{fault}" in text for text in placed)


def test_the_ledger_adds_up() -> None:
    planner = Interleave(1)
    clients = ((("a", True), ("k", True)), (("b", True), ("k", True)))
    runs = len(list(runs_of(clients, planner)))
    (row,) = planner.ledger.rows()
    assert (row.run, row.space) == (runs, row.run + row.pruned + row.not_reached + row.invalid)


@pytest.mark.parametrize(
    ("one", "other", "commute"),
    [
        (("a", False), ("a", False), True),
        (("a", True), ("a", False), False),
        (("a", True), ("b", True), True),
        (("?", True), ("b", False), False),
        (("?", False), ("b", False), True),
    ],
)
def test_events_commute_if_they_share_no_key_or_only_read(
    one: Access, other: Access, commute: bool
) -> None:
    assert Independence().may_commute(event("A", 1, one), event("B", 1, other)) is commute

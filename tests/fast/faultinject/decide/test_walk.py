"""Random orders: seeded, complete, and as likely to meet a deep order as PCT promises."""

from __future__ import annotations

from random import Random

from midpipe.faultinject.decide.counting import Counting
from midpipe.faultinject.decide.walk import Walk, share_of_runs
from midpipe.faultinject.vocabulary import FaultRef, WireEvent
from tests.fast.faultinject.decide.test_interleave import Clients, Simulation

TWO_OF_THREE: Clients = ((("k", True),) * 3, (("k", True),) * 3)


def any_event(_: WireEvent) -> tuple[FaultRef, ...]:
    return (FaultRef("cut-before"),)


def orders(walk: Walk, clients: Clients) -> list[str]:
    """Return the order of every run, as text."""
    simulation, counting = Simulation(clients), Counting(walk)
    found = []
    while counting.begin():
        found.append(" ".join(simulation.run(counting)[0]))
    return found


def test_the_same_seed_makes_the_same_orders() -> None:
    one, same, other = (
        orders(Walk(Random, runs=range(1, 21), seed=seed), TWO_OF_THREE) for seed in (7, 7, 8)
    )
    assert (one == same, one == other) == (True, False)


def test_shares_of_a_walk_run_together_what_one_walk_runs() -> None:
    def share(index: int, count: int) -> list[str]:
        runs = share_of_runs(450, index, count)
        walk = Walk(Random, runs=runs, seed=7, depth=3, max_faults=1, faults=any_event)
        return orders(walk, TWO_OF_THREE)

    whole = share(0, 1)
    first, second = share(0, 2), share(1, 2)
    assert first == whole[:100] + whole[200:300] + whole[400:]
    assert second == whole[100:200] + whole[300:400]


def test_a_restarted_run_is_the_same_run() -> None:
    walk = Walk(Random, runs=range(1, 2), seed=3, depth=2)
    walk.begin()
    first = Simulation(TWO_OF_THREE).run(walk)[0]
    walk.restart()
    assert Simulation(TWO_OF_THREE).run(walk)[0] == first


def test_the_schedule_is_the_order_that_was_run() -> None:
    walk = Walk(Random, runs=range(1, 2), seed=5)
    walk.begin()
    order = Simulation(TWO_OF_THREE).run(walk)[0]
    assert " ".join(order) == str(walk.current)


def test_many_walks_run_every_order_of_a_small_program() -> None:
    assert len(set(orders(Walk(Random, runs=range(1, 2_001), seed=1), TWO_OF_THREE))) == 20


def test_random_priorities_run_an_order_of_depth_two_as_often_as_promised() -> None:
    # A goes first and drops at its second step: one of n * k = 2 * 6 runs, with a margin for chance.
    wanted = [
        order
        for order in orders(Walk(Random, runs=range(1, 801), seed=2, depth=2), TWO_OF_THREE)
        if order.startswith("A1 B1")
    ]
    assert len(wanted) >= 0.7 * 800 / (2 * 6)


def test_a_run_has_at_most_the_faults_asked_for() -> None:
    walk = Walk(Random, runs=range(1, 201), seed=4, max_faults=1, faults=any_event)
    simulation = Simulation(TWO_OF_THREE)
    counts = set()
    while walk.begin():
        simulation.run(walk)
        counts.add(len(walk.current.faults))
    assert counts <= {0, 1}
    assert 1 in counts


def test_the_ledger_marks_a_row_as_sampled() -> None:
    walk = Walk(Random, runs=range(1, 6), seed=0)
    orders(walk, TWO_OF_THREE)
    assert [(row.fault, row.space, row.run) for row in walk.ledger.rows()] == [
        ("none (sampled)", 5, 5)
    ]

"""What a soak plans, how it is judged, and how it is shown: values only."""

from __future__ import annotations

from io import StringIO
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from midpipe.faultinject.faults import CATALOGUE
from midpipe.reports.sinks.soak import progress_line, progress_table, render_soak
from midpipe.scenarios.model.verdict import Outcome
from midpipe.scenarios.soak.checker import Bounds, Tally
from midpipe.scenarios.soak.plan import (
    CHAOS,
    OF_THE_SERVER,
    OVERSTAY,
    SoakPlan,
    kinds_of,
    planned,
    spots,
)
from midpipe.scenarios.soak.results import (
    FaultCount,
    LegResult,
    Progress,
    SoakResult,
    Suspect,
    judged,
)

HEAVY = CHAOS["heavy"]
SOUND = Tally(jobs=900, attempts=910, acknowledged=900, delivered=900)
LEG = LegResult(1, (), SOUND, True, 1.0, 1.0, 0.1)
FIRED = (FaultCount("kill", 1, 1), FaultCount("late", None, 4))


def plan(jobs: int = 40_000, chaos: str = "heavy", clients: int = 8, seed: int = 7) -> SoakPlan:
    return SoakPlan(jobs, clients, 8, CHAOS[chaos], seed, leg_jobs=20_000)


def test_every_fault_of_every_level_is_one_of_the_catalogue() -> None:
    for chaos in CHAOS.values():
        assert {*chaos.wire, *chaos.every} <= set(CATALOGUE)


def test_light_chaos_plans_less_than_heavy() -> None:
    light = CHAOS["light"]
    assert light.commands > HEAVY.commands
    assert set(light.wire) < set(HEAVY.wire)
    assert set(light.every) < set(HEAVY.every)


@pytest.mark.parametrize("jobs", [2_000, 20_000])
def test_all_clients_together_deal_every_wire_fault_within_two_cards_each(jobs: int) -> None:
    dealt = {
        spot.fault.name for client in range(16) for spot in islice(spots(plan(jobs), 1, client), 2)
    }
    assert dealt == set(HEAVY.wire)


def test_in_the_long_run_a_client_gets_of_each_fault_what_the_deck_holds() -> None:
    many = [spot.fault.name for spot in islice(spots(plan(), 1, 3), 2_000)]
    per_deck = {name: many.count(name) / 100 for name in HEAVY.wire}
    for name, held in HEAVY.wire.items():
        assert per_deck[name] == pytest.approx(held, rel=0.4), name


def test_spots_are_as_far_apart_as_the_chaos_says() -> None:
    gaps = [spot.after for spot in islice(spots(plan(), 1, 0), 2_000)]
    assert 0.85 * HEAVY.commands < sum(gaps) / len(gaps) < 1.15 * HEAVY.commands


@given(st.integers(1, 60_000), st.integers(0, 99))
def test_each_kind_is_planned_in_every_leg_and_no_fault_is_due_when_the_leg_is_over(
    jobs: int, seed: int
) -> None:
    made = plan(jobs, seed=seed)
    for leg in made.legs:
        found = planned(made, leg, tuple(HEAVY.every))
        assert {fault.fault for fault in found} == set(HEAVY.every)
        assert all(0 <= fault.due_jobs < len(made.jobs_of(leg)) for fault in found)


@given(st.integers(1, 100_000))
def test_legs_share_out_all_jobs(jobs: int) -> None:
    made = plan(jobs)
    assert [job for leg in made.legs for job in made.jobs_of(leg)] == list(range(jobs))


def test_a_server_of_somebody_else_is_not_killed() -> None:
    kinds = kinds_of(HEAVY, own_server=False, leases=True)
    assert not set(OF_THE_SERVER) & set(kinds)
    assert {fault.fault for fault in planned(plan(), 1, kinds)} == {"crash", "freeze"}


def test_without_leases_none_is_overstayed() -> None:
    assert OVERSTAY in kinds_of(HEAVY, own_server=True, leases=True)
    assert OVERSTAY not in kinds_of(HEAVY, own_server=True, leases=False)


# --- judging -----------------------------------------------------------------------------------------


def test_a_sound_soak_passes() -> None:
    assert judged(SOUND, FIRED, [LEG], ()) == (Outcome.PASS, ())


@pytest.mark.parametrize(
    ("tally", "faults", "legs", "invalid_reason", "outcome", "reason"),
    [
        (SOUND + Tally(lost=Bounds(1, 1)), FIRED, [LEG], (), Outcome.FAIL, "1 acknowledged jobs were lost"),
        (SOUND + Tally(doubled=Bounds(2, 3)), FIRED, [LEG], (), Outcome.FAIL, "2 jobs were delivered twice"),
        (SOUND + Tally(unexpected=1), FIRED, [LEG], (), Outcome.FAIL, "1 jobs were handed out that nobody enqueued"),
        (SOUND + Tally(lost=Bounds(0, 2)), FIRED, [LEG], (), Outcome.UNKNOWN, "0 to 2 jobs may be lost"),
        (SOUND, (FaultCount("late", None, 0),), [LEG], (), Outcome.UNKNOWN, "no late was fired"),
        (SOUND, FIRED, [LegResult(4, (), SOUND, False, 1.0, 1.0, 0.1)], (), Outcome.UNKNOWN, "legs 4 were not drained"),
        (SOUND, FIRED, [LEG], ("P1 hung for 40 s",), Outcome.UNKNOWN, "P1 hung for 40 s"),
        (Tally(jobs=9, acknowledged=9, delivered=9), FIRED, [LEG], (), Outcome.UNKNOWN, "only 9 jobs were delivered"),
    ],
)  # fmt: skip
def test_what_makes_a_soak_no_pass(
    tally: Tally,
    faults: tuple[FaultCount, ...],
    legs: list[LegResult],
    invalid_reason: tuple[str, ...],
    outcome: Outcome,
    reason: str,
) -> None:
    found, reasons = judged(tally, faults, legs, invalid_reason)
    assert (found, reasons[0]) == (outcome, reason)


# --- showing -----------------------------------------------------------------------------------------

LOOK = Progress(
    2, 5, "load", 21_000, 100_000, 30.0, 700.0, 55, 1.25, (("kill", 3), ("late", 9)), 0, 4, 1
)


def shown(what: object) -> str:
    console = Console(width=120, file=StringIO())
    console.print(what)
    return written(console)


def written(console: Console) -> str:
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_a_look_tells_rate_depth_latency_faults_and_losses() -> None:
    line = progress_line(LOOK)
    for words in (
        "21,000 of 100,000",
        "700/s",
        "depth 55",
        "1.25 ms",
        "faults 12",
        "doubled 4 in 1 checked",
    ):
        assert words in line
    table = shown(progress_table(LOOK))
    for words in (
        "21,000 of 100,000, 700 a second",
        "55 jobs wait",
        "kill 3 · late 9",
        "4 doubled",
    ):
        assert words in table


def test_a_failed_soak_names_its_jobs_and_the_leg_to_run_again() -> None:
    result = SoakResult(
        subject="some:Queue",
        server="Valkey",
        chaos="heavy",
        seed=7,
        jobs_total=900,
        clients=8,
        workers=8,
        leg_jobs=20_000,
        taking="claim and complete",
        outcome=Outcome.FAIL,
        reasons=("1 acknowledged jobs were lost",),
        is_partial=False,
        seconds=9.0,
        tally=SOUND,
        faults=FIRED,
        latencies=(),
        suspects=(Suspect("job-7", 3, "lost", ("0.1 s P1 enqueue answered True",)),),
        raised=(),
        legs=(LEG,),
        invalid_reason=(),
    )
    console = Console(width=120, file=StringIO())
    render_soak(result, console)
    text = written(console)
    for words in ("job-7 was lost in leg 3", "enqueue answered True", "--leg 3", "seed 7", "FAIL"):
        assert words in text

"""The plan of a soak, its outcome and its report: values only."""

from __future__ import annotations

from dataclasses import replace
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
from midpipe.scenarios.soak.daily_load import jobs_before
from midpipe.scenarios.soak.plan import (
    CHAOS,
    OF_DAYS,
    OVERSTAY,
    SERVER_FAULTS,
    SoakPlan,
    kinds_of,
    over_days,
    planned_faults,
    wire_triggers,
)
from midpipe.scenarios.soak.results import (
    FaultCount,
    Progress,
    SegmentResult,
    SoakResult,
    Suspect,
    judged,
)

HEAVY = CHAOS["heavy"]
SOUND = Tally(jobs=900, attempts=910, acknowledged=900, delivered=900)
SEGMENT = SegmentResult(
    segment=1, plan=(), tally=SOUND, drained=True, load_s=1.0, drain_s=1.0, check_s=0.1
)
FIRED = (FaultCount("kill", 1, 1), FaultCount("late", None, 4))


def plan(jobs: int = 40_000, chaos: str = "heavy", clients: int = 8, seed: int = 7) -> SoakPlan:
    return SoakPlan(jobs, clients, 8, CHAOS[chaos], seed, segment_jobs=20_000)


def test_every_fault_of_every_level_is_one_of_the_catalogue() -> None:
    for chaos in CHAOS.values():
        assert {*chaos.wire, *chaos.every} <= set(CATALOGUE)


def test_light_chaos_plans_less_than_heavy() -> None:
    light = CHAOS["light"]
    assert light.commands > HEAVY.commands
    assert set(light.wire) < set(HEAVY.wire)
    assert set(light.every) < set(HEAVY.every)


@pytest.mark.parametrize("jobs", [2_000, 20_000])
def test_the_first_two_faults_of_all_clients_include_every_wire_fault(jobs: int) -> None:
    names = {
        trigger.fault.name
        for client in range(16)
        for trigger in islice(wire_triggers(plan(jobs), 1, client), 2)
    }
    assert names == set(HEAVY.wire)


def test_a_client_meets_each_wire_fault_as_often_as_the_batch_holds_it() -> None:
    many = [trigger.fault.name for trigger in islice(wire_triggers(plan(), 1, 3), 2_000)]
    per_batch = {name: many.count(name) / 100 for name in HEAVY.wire}
    for name, times in HEAVY.wire.items():
        assert per_batch[name] == pytest.approx(times, rel=0.4), name


def test_the_mean_distance_of_wire_faults_is_the_planned_one() -> None:
    gaps = [trigger.after for trigger in islice(wire_triggers(plan(), 1, 0), 2_000)]
    assert 0.85 * HEAVY.commands < sum(gaps) / len(gaps) < 1.15 * HEAVY.commands


@given(st.integers(1, 60_000), st.integers(0, 99))
def test_each_kind_is_planned_in_every_segment_and_is_due_before_its_end(
    jobs: int, seed: int
) -> None:
    made = plan(jobs, seed=seed)
    for segment in made.segments:
        found = planned_faults(made, segment, tuple(HEAVY.every))
        assert {fault.fault for fault in found} == set(HEAVY.every)
        assert all(0 <= fault.due_jobs < len(made.jobs_of(segment)) for fault in found)


@given(st.integers(1, 100_000))
def test_the_segments_together_have_all_jobs(jobs: int) -> None:
    made = plan(jobs)
    assert [job for segment in made.segments for job in made.jobs_of(segment)] == list(range(jobs))


def test_a_server_that_midpipe_did_not_start_is_not_killed() -> None:
    kinds = kinds_of(HEAVY, own_server=False, leases=True)
    assert not set(SERVER_FAULTS) & set(kinds)
    assert {fault.fault for fault in planned_faults(plan(), 1, kinds)} == {"crash", "freeze"}


def test_faults_of_the_clock_and_failovers_are_planned_only_for_simulated_days() -> None:
    kinds = kinds_of(HEAVY, own_server=True, leases=True)
    assert not set(OF_DAYS) & set(kinds)
    assert set(kinds_of(HEAVY, own_server=True, leases=True, is_stepped=True)) == {
        *kinds,
        *OF_DAYS,
    }


@given(st.integers(1, 40), st.integers(0, 20_000))
def test_the_thirds_of_all_days_together_have_all_jobs(days: int, jobs: int) -> None:
    made = over_days(plan(jobs), days)
    assert len(made.segments) == 3 * days
    assert [job for segment in made.segments for job in made.jobs_of(segment)] == list(range(jobs))


def test_more_jobs_are_due_at_noon_than_at_night() -> None:
    by_hour = [jobs_before(hour + 1, 480, 1) - jobs_before(hour, 480, 1) for hour in range(24)]
    assert min(by_hour[10:16]) > 3 * max(by_hour[:6])


def test_without_leases_no_overstay_is_planned() -> None:
    assert OVERSTAY in kinds_of(HEAVY, own_server=True, leases=True)
    assert OVERSTAY not in kinds_of(HEAVY, own_server=True, leases=False)


# --- judging -----------------------------------------------------------------------------------------


def test_a_sound_soak_passes() -> None:
    assert judged(SOUND, FIRED, [SEGMENT], ()) == (Outcome.PASS, ())


UNKNOWN, FAIL = Outcome.UNKNOWN, Outcome.FAIL
NEVER_LATE = (FaultCount("late", None, 0),)
UNDRAINED = SegmentResult(
    segment=4, plan=(), tally=SOUND, drained=False, load_s=1.0, drain_s=1.0, check_s=0.1
)
FEW = Tally(jobs=9, acknowledged=9, delivered=9)


@pytest.mark.parametrize(
    ("tally", "faults", "segments", "incidents", "outcome", "reason"),
    [
        (SOUND + Tally(lost=Bounds(1, 1)), FIRED, [SEGMENT], (), FAIL, "1 acknowledged jobs were lost"),
        (SOUND + Tally(duplicated=Bounds(2, 3)), FIRED, [SEGMENT], (), FAIL, "2 jobs were delivered twice"),
        (SOUND + Tally(unexpected=1), FIRED, [SEGMENT], (), FAIL, "1 jobs were handed out and never enqueued"),
        (SOUND + Tally(lost=Bounds(0, 2)), FIRED, [SEGMENT], (), UNKNOWN, "0 to 2 jobs may be lost"),
        (SOUND, NEVER_LATE, [SEGMENT], (), UNKNOWN, "these faults were never injected: late"),
        (SOUND, FIRED, [UNDRAINED], (), UNKNOWN, "segments 4 were not drained"),
        (SOUND, FIRED, [SEGMENT], ("P1 hung for 40 s",), UNKNOWN, "P1 hung for 40 s"),
        (FEW, FIRED, [SEGMENT], (), UNKNOWN, "only 9 jobs were delivered; 500 are the least"),
    ],
)  # fmt: skip
def test_what_keeps_a_soak_from_passing(
    tally: Tally,
    faults: tuple[FaultCount, ...],
    segments: list[SegmentResult],
    incidents: tuple[str, ...],
    outcome: Outcome,
    reason: str,
) -> None:
    found, reasons = judged(tally, faults, segments, incidents)
    assert (found, reasons[0]) == (outcome, reason)


# --- showing -----------------------------------------------------------------------------------------

NOW = Progress(
    segment=2,
    segments=5,
    phase="load",
    jobs=21_000,
    jobs_total=100_000,
    seconds=30.0,
    rate=700.0,
    depth=55,
    enqueue_ms=1.25,
    faults=(("kill", 3), ("late", 9)),
    lost=0,
    duplicated=4,
    checked=1,
)


def shown(what: object) -> str:
    console = Console(width=120, file=StringIO())
    console.print(what)
    return written(console)


def written(console: Console) -> str:
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_progress_shows_rate_depth_latency_faults_and_losses() -> None:
    line = progress_line(NOW)
    for words in (
        "21,000 of 100,000",
        "700/s",
        "depth 55",
        "1.25 ms",
        "faults 12",
        "duplicated 4 in 1 checked",
    ):
        assert words in line
    table = shown(progress_table(NOW))
    for words in (
        "21,000 of 100,000, 700 a second",
        "55 jobs wait",
        "kill 3 · late 9",
        "4 duplicated",
    ):
        assert words in table


def test_progress_on_a_stepped_clock_shows_the_day_and_no_latency() -> None:
    now = replace(NOW, days=2.5)
    for text in (progress_line(now), shown(progress_table(now))):
        assert "2.5" in text
        assert "1.25 ms" not in text


def test_a_failed_soak_names_the_jobs_and_the_segment_to_run_again() -> None:
    result = SoakResult(
        subject="some:Queue",
        server="Valkey",
        chaos="heavy",
        seed=7,
        jobs_total=900,
        clients=8,
        workers=8,
        segment_jobs=20_000,
        taking="claim and complete",
        outcome=Outcome.FAIL,
        reasons=("1 acknowledged jobs were lost",),
        is_partial=False,
        seconds=9.0,
        tally=SOUND,
        faults=FIRED,
        latencies=(),
        suspects=(Suspect("job-7", 3, "lost", ("0.1 s P1 enqueue returned True",)),),
        raised=(),
        segments=(SEGMENT,),
        incidents=(),
    )
    console = Console(width=120, file=StringIO())
    render_soak(result, console)
    text = written(console)
    for words in (
        "job-7 was lost in segment 3",
        "enqueue returned True",
        "--segment 3",
        "seed 7",
        "the machine's clock",
        "FAIL",
    ):
        assert words in text

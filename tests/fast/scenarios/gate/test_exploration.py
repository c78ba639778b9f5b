"""The order in which programs are run, and what is reported of those that were too large."""

from __future__ import annotations

import math
from itertools import groupby

import pytest

from midpipe.scenarios.case.requirements import missing_for
from midpipe.scenarios.explore.sweeping import SweepTask
from midpipe.scenarios.gate.options import Options
from midpipe.scenarios.gate.parts.exploration import Exploration
from midpipe.scenarios.gate.parts.part import Results
from midpipe.scenarios.gate.parts.planning import orders_of, sweep_of
from midpipe.scenarios.gate.parts.program_order import simplest_first
from midpipe.scenarios.model.evidence import Traits
from midpipe.scenarios.model.messages import ExplorationDone
from midpipe.scenarios.model.outcome import Severity
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.programs.fleets import FLEETS
from midpipe.scenarios.programs.program import Program
from midpipe.scenarios.programs.registry import SUITES


def names_of(part: Exploration) -> list[str]:
    """Return the programs of a part in the order in which they are run."""
    numbers = iter(part.queue.next, None)
    return [part.task(number, math.inf)[0] for number in numbers]


def fleet(fail_fast: Severity | None = None) -> list[list[Program]]:
    """Return the programs of a fleet in the order in which they are run, those of the same versions together."""
    part = orders_of("fleet", Options(SubjectSpec(), fail_fast=fail_fast), Results())
    programs = [FLEETS[name] for name in names_of(part)]
    return [list(those) for _, those in groupby(programs, lambda p: frozenset(p.versions))]


def test_programs_of_the_same_versions_are_run_one_after_the_other() -> None:
    together = [frozenset(programs[0].versions) for programs in fleet()]
    assert len(together) == len(set(together)) > 1


def test_of_those_the_long_programs_are_begun_first() -> None:
    for programs in fleet():
        lengths = [program.length for program in programs]
        assert lengths == sorted(lengths, reverse=True)
        assert len(set(lengths)) > 1


def test_the_short_ones_are_begun_first_if_the_first_finding_is_enough() -> None:
    for programs in fleet(Severity.LOW):
        lengths = [program.length for program in programs]
        assert lengths == sorted(lengths)
        assert len(set(lengths)) > 1


def test_the_short_ones_are_begun_first_if_the_time_is_limited() -> None:
    part = orders_of("interleave", Options(SubjectSpec(), time_budget_s=60.0), Results())
    lengths = [SUITES["interleave"][name].length for name in names_of(part)]
    assert lengths == sorted(lengths)


def test_a_sweep_begins_with_the_programs_that_end_at_once_because_they_do_not_apply() -> None:
    traits = Traits(frozenset({"enqueue", "work"}), white_box=False, new_schema=False)
    got = Results(traits=traits)
    names = names_of(sweep_of(Options(SubjectSpec(), time_budget_s=60.0), got))
    lacking = [bool(missing_for(SUITES["sweep"][name], SubjectSpec(), traits)) for name in names]
    assert lacking == sorted(lacking, reverse=True)
    assert sum(lacking) < len(names)


@pytest.mark.parametrize(("budget_s", "number"), [(60.0, 1), (None, 0)])
def test_the_simplest_program_samples_every_kind_of_fault_within_a_time_budget(
    budget_s: float | None, number: int
) -> None:
    part = sweep_of(Options(SubjectSpec(), jobs=2, time_budget_s=budget_s), Results())
    tasks = [part.task(each, math.inf) for each in iter(part.queue.next, None)]
    sampling = [name for name, task in tasks if isinstance(task, SweepTask) and task.samples]
    assert sampling == list(simplest_first(SUITES["sweep"])[:number])


def test_only_programs_that_apply_are_counted_as_left_out() -> None:
    traits = Traits(frozenset({"enqueue", "work"}), white_box=False, new_schema=False)
    part = sweep_of(Options(SubjectSpec(), time_budget_s=60.0), Results(traits=traits))
    programs = SUITES["sweep"].values()
    applying = sum(not missing_for(program, SubjectSpec(), traits) for program in programs)
    assert 1 < applying < len(SUITES["sweep"])
    assert part.record_cut_off() == f"{applying} programs: {applying} not started"


def test_the_simplest_programs_come_first_and_variants_after_one_of_each_kind() -> None:
    programs = SUITES["sweep"]
    ordered = simplest_first(programs)
    assert sorted(ordered) == sorted(programs)
    kinds = [{call.method for call in programs[name].clients["A"]} for name in ordered]
    of_each = len({frozenset(kind) for kind in kinds})
    assert 1 < of_each == len({frozenset(kind) for kind in kinds[:of_each]}) < len(ordered)
    for part in (ordered[:of_each], ordered[of_each:]):
        lengths = [programs[name].length for name in part]
        assert lengths == sorted(lengths)


def test_within_a_time_budget_a_program_is_one_task_and_otherwise_one_for_each_worker() -> None:
    limited = Options(SubjectSpec(), jobs=2, time_budget_s=60.0)
    assert len(names_of(sweep_of(limited, Results()))) == len(SUITES["sweep"])
    unlimited = names_of(sweep_of(Options(SubjectSpec(), jobs=2), Results()))
    assert unlimited[::2] == unlimited[1::2]
    assert len(unlimited) == 2 * len(SUITES["sweep"])


def test_a_program_that_is_swept_alone_occupies_every_worker() -> None:
    options = Options(SubjectSpec(), jobs=2, time_budget_s=60.0, programs=("enqueue",))
    assert names_of(sweep_of(options, Results())) == ["enqueue", "enqueue"]


def test_a_program_of_too_many_orders_is_named_and_is_no_doubt_about_those_that_were_run() -> None:
    got = Results()
    part = orders_of("interleave", Options(SubjectSpec(), max_orders=5), got)
    part.take(0, ExplorationDone((), bounded=True))
    part.finish()
    (warning,) = got.warnings
    assert names_of(part)[0] in warning
    assert "--orders" in warning
    assert not got.partial

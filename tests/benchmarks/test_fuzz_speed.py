"""How many examples a second fuzzing runs, by how much it overruns its time, and how soon it finds what is planted."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from midpipe.faultinject.servers.opening import ServerSpec
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.flaws.registry import FLAWS
from midpipe.scenarios.gate.gate import Gate
from midpipe.scenarios.gate.hunting import HuntTask
from midpipe.scenarios.gate.options import Options
from midpipe.scenarios.model.messages import HuntDone
from midpipe.scenarios.model.spec import REFERENCE, SubjectSpec

BUDGET_S = 10.0
FLAW_BUDGET_S = 30.0
SOME = ("as-shipped", "ignores-the-token", "last-arrival-wins", "as-planned-backfill")


@pytest.mark.parametrize(
    "subject",
    [REFERENCE, "midpipe.scenarios.flaws.as_reviewed:SimpleQueue"],
    ids=["clean", "flawed"],
)
def test_overrun_of_the_time_budget_with_shrinking(
    benchmark: Any, tmp_path: Path, subject: str
) -> None:
    options = Options(
        subject=SubjectSpec(subject), fuzz_s=BUDGET_S, parts=("fuzz",), examples=tmp_path
    )
    gate = Gate(options, lambda event: None)
    begun_s = time.monotonic()
    benchmark.pedantic(gate.run, rounds=1, iterations=1)
    seconds = time.monotonic() - begun_s
    verdict = gate.verdict("", "", "")
    (fuzz,) = verdict.parts
    assert verdict.coverage is not None
    benchmark.extra_info.update(
        overrun_s=round(seconds - BUDGET_S, 2),
        findings=len(verdict.findings),
        examples=fuzz.cases,
        examples_per_second=round(fuzz.cases_per_second, 1),
        seen=verdict.coverage.seen,
        known=verdict.coverage.known,
    )


@pytest.mark.parametrize("name", SOME)
def test_first_find_by_fuzzing_beside_the_written_programs(benchmark: Any, name: str) -> None:
    flaw = next(flaw for flaw in FLAWS if flaw.name == name)
    subject = SubjectSpec(flaw.subject)
    worker = Worker(ServerSpec())

    def hunt(task: HuntTask) -> HuntDone:
        (done,) = (m for m in worker.do(task) if isinstance(m, HuntDone))
        return done

    try:
        worker.rig(subject)
        programs = hunt(
            HuntTask(
                subject,
                flaw.caught_by,
                latency_bound_ms=5_000.0,
                programs=flaw.programs,
                suite=flaw.suite,
            )
        )
        fuzzing = HuntTask(
            subject,
            flaw.caught_by,
            latency_bound_ms=5_000.0,
            suite="fuzz",
            budget_s=FLAW_BUDGET_S,
            part=flaw.part,
        )
        fuzzed = benchmark.pedantic(hunt, (fuzzing,), rounds=1, iterations=1)
    finally:
        worker.close()
    benchmark.extra_info.update(
        {f"{flaw.suite}_cases": max((c.case_number for c in programs.caught), default=0)},
        fuzz_cases=max((c.case_number for c in fuzzed.caught), default=0),
        missed=len(set(flaw.caught_by) - {caught.invariant for caught in fuzzed.caught}),
    )

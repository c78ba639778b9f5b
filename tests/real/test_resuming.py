"""An exploration that was ended early, by its time budget or by Ctrl-C, is resumed to the verdict of a complete one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from midpipe.faultinject.errors import UsageError
from midpipe.scenarios.explore.fault_selection import Aim
from midpipe.scenarios.gate.gate import Gate
from midpipe.scenarios.gate.options import Event, Options
from midpipe.scenarios.model.messages import CaseEnded
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.model.verdict import Verdict

OPTIONS = Options(
    subject=SubjectSpec("midpipe.scenarios.flaws.as_shipped:SimpleQueue"),
    jobs=1,
    parts=("interleave",),
    programs=("same-request-twice", "update-vs-get"),
    aim=Aim(("cut-before", "lost-reply")),
    max_preemptions=1,
)


def run(
    checkpoint: Path,
    *,
    resumes: bool = False,
    interrupted_at: int = 0,
    time_budget_s: float | None = None,
) -> tuple[Verdict, int]:
    """Run the gate, to its end or to a case; return the verdict, and how many cases were run."""
    cases = 0

    def listen(event: Event) -> None:
        nonlocal cases
        cases += isinstance(event, CaseEnded)
        if interrupted_at and cases == interrupted_at:
            raise KeyboardInterrupt

    options = replace(OPTIONS, time_budget_s=time_budget_s, checkpoint=checkpoint, resumes=resumes)
    gate = Gate(options, listen)
    try:
        gate.run()
    except KeyboardInterrupt:
        assert interrupted_at
    return gate.verdict("0", "midpipe interleave", "2026-01-01T00:00:00+00:00"), cases


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Verdict, int]:
    checkpoint = tmp_path_factory.mktemp("whole") / "checkpoint.json"
    verdict, cases = run(checkpoint)
    assert not checkpoint.exists()
    return verdict, cases


def comparable(verdict: Verdict) -> object:
    """Return what must be the same: the counts, the findings, and the case of each."""
    return (
        sorted(verdict.ledger, key=lambda row: (row.program, row.fault)),
        [(row.invariant, row.status, row.violations) for row in verdict.invariants],
        [(finding.invariant, finding.replay, finding.cases) for finding in verdict.findings],
        verdict.outcome,
    )


@pytest.mark.parametrize("at", [1, 20])
def test_an_interrupted_run_is_resumed_to_the_same_verdict(
    whole: tuple[Verdict, int], tmp_path: Path, at: int
) -> None:
    checkpoint = tmp_path / "checkpoint.json"
    _, before = run(checkpoint, interrupted_at=at)
    verdict, after = run(checkpoint, resumes=True)
    assert (comparable(verdict), before) == (comparable(whole[0]), at)
    assert after <= whole[1]
    assert not checkpoint.exists()


def test_a_run_whose_time_was_up_is_resumed_with_the_cases_that_were_left(
    whole: tuple[Verdict, int], tmp_path: Path
) -> None:
    checkpoint = tmp_path / "checkpoint.json"
    verdict, before = run(checkpoint, time_budget_s=0.001)
    assert verdict.partial
    verdict, after = run(checkpoint, resumes=True)
    assert (comparable(verdict), before + after) == (comparable(whole[0]), whole[1])
    assert not checkpoint.exists()


def test_a_run_with_other_options_is_refused_before_anything_is_run(tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint.json"
    run(checkpoint, time_budget_s=0.001)
    other = replace(OPTIONS, max_preemptions=None, checkpoint=checkpoint, resumes=True)
    with pytest.raises(UsageError, match="same options"):
        Gate(other, lambda event: None)

"""An exploration that was stopped, by its time or by Ctrl-C, ends where one ends that was not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from midpipe.faultinject.errors import UsageError
from midpipe.reports.resume_file import NAME, keep_stopped, read_stopped
from midpipe.scenarios.gate.gate import Gate
from midpipe.scenarios.gate.options import Event, Options
from midpipe.scenarios.gate.resume import Stopped, asked_by
from midpipe.scenarios.model.messages import CaseEnded
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.model.verdict import Verdict

OPTIONS = Options(
    subject=SubjectSpec("midpipe.scenarios.flaws.as_shipped:SimpleQueue"),
    jobs=1,
    parts=("interleave",),
    programs=("same-request-twice", "update-vs-get"),
)


def run(
    stopped: Stopped | None = None, interrupted_at: int = 0, time_budget_s: float | None = None
) -> tuple[Verdict, Stopped | None, int]:
    """Run the gate, to its end or to a case; return the verdict, what is left, and how many cases were run."""
    cases = 0

    def listen(event: Event) -> None:
        nonlocal cases
        cases += isinstance(event, CaseEnded)
        if interrupted_at and cases == interrupted_at:
            raise KeyboardInterrupt

    gate = Gate(replace(OPTIONS, time_budget_s=time_budget_s), listen, stopped)
    try:
        gate.run()
    except KeyboardInterrupt:
        assert interrupted_at
    return (
        gate.verdict("0", "midpipe interleave", "2026-01-01T00:00:00+00:00"),
        gate.stopped(),
        cases,
    )


@pytest.fixture(scope="module")
def whole() -> tuple[Verdict, int]:
    verdict, left, cases = run()
    assert left is None
    return verdict, cases


def told(verdict: Verdict) -> object:
    """What must be the same: what was counted, what was found, where each first find was."""
    return (
        sorted(verdict.ledger, key=lambda row: (row.program, row.fault)),
        [(row.invariant, row.status, row.violations) for row in verdict.invariants],
        [(finding.invariant, finding.replay, finding.cases) for finding in verdict.findings],
        verdict.outcome,
    )


@pytest.mark.parametrize("at", [1, 20])
def test_a_run_that_was_interrupted_goes_on_to_the_same_verdict(
    whole: tuple[Verdict, int], tmp_path: Path, at: int
) -> None:
    _, stopped, before = run(interrupted_at=at)
    keep_stopped(stopped, tmp_path)
    verdict, left, after = run(read_stopped(tmp_path, asked_by(OPTIONS)))
    assert (told(verdict), left, before) == (told(whole[0]), None, at)
    assert after <= whole[1]


def test_a_run_whose_time_was_up_goes_on_with_what_it_had_not_run(
    whole: tuple[Verdict, int],
) -> None:
    verdict, left, before = run(time_budget_s=0.001)
    assert verdict.partial
    verdict, left, after = run(left)
    assert (told(verdict), left, before + after) == (told(whole[0]), None, whole[1])


def test_a_run_about_something_else_can_not_go_on_from_there(tmp_path: Path) -> None:
    _, stopped, _ = run(time_budget_s=0.001)
    keep_stopped(stopped, tmp_path)
    with pytest.raises(UsageError, match="same options"):
        read_stopped(tmp_path, asked_by(replace(OPTIONS, max_preemptions=None)))


def test_what_was_stopped_is_forgotten_once_it_is_done(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("{}")
    keep_stopped(None, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "told"), [(None, "no stopped run"), ("{", "not a stopped run")]
)
def test_without_a_stopped_run_the_way_out_is_said(
    tmp_path: Path, content: str | None, told: str
) -> None:
    if content is not None:
        (tmp_path / NAME).write_text(content)
    with pytest.raises(UsageError, match=told):
        read_stopped(tmp_path, "anything")

"""A gate that is asked to fail fast ends at the subject's first finding, and otherwise is the whole gate."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from midpipe.faultinject.servers.opening import ServerSpec
from midpipe.scenarios.explore.fault_selection import Aim
from midpipe.scenarios.explore.interleaving import InterleaveTask
from midpipe.scenarios.explore.probing import ProbeTask
from midpipe.scenarios.explore.sweeping import SweepTask
from midpipe.scenarios.explore.worker import Task
from midpipe.scenarios.fuzz.task import FuzzTask
from midpipe.scenarios.gate.gate import Gate
from midpipe.scenarios.gate.options import Event, Options, PartBegan
from midpipe.scenarios.gate.pool import Pool
from midpipe.scenarios.model.messages import CaseEnded, Probed
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.model.verdict import Extent, Outcome, Severity, Verdict

SHIPPED = SubjectSpec("midpipe.scenarios.flaws.as_shipped:SimpleQueue")
REFERENCE = SubjectSpec()


Judged = tuple[Verdict, list[str], int]


def judged(subject: SubjectSpec, fail_fast: Severity | None, *parts: str) -> Judged:
    """Judge by one program of each suite, with a few faults and few orders.

    Return the verdict, which parts were begun, and how many cases were run.
    """
    events: list[Event] = []
    options = Options(
        subject,
        jobs=1,
        parts=parts,
        programs=("enqueue", "same-request-twice"),
        aim=Aim(("cut-before", "lost-reply", "crash", "slow")),
        max_preemptions=1,
        fail_fast=fail_fast,
    )
    gate = Gate(options, events.append)
    gate.run()
    verdict = gate.verdict("0", "midpipe gate", "2026-01-01T00:00:00+00:00")
    begun = [event.part for event in events if isinstance(event, PartBegan)]
    return verdict, begun, sum(isinstance(event, CaseEnded) for event in events)


@pytest.fixture(scope="module")
def whole() -> Judged:
    """A flawed queue, judged to the end."""
    return judged(SHIPPED, None, "sweep", "interleave")


@pytest.fixture(scope="module")
def fast() -> Judged:
    """The same queue, judged to its first finding, with parts that come after it."""
    return judged(SHIPPED, Severity.LOW, "selfcheck", "review", "sweep", "interleave")


def test_the_first_finding_ends_it_before_anything_else_is_begun(fast: Judged) -> None:
    verdict, begun, _ = fast
    assert (verdict.outcome, begun) == (Outcome.FAIL, ["sweep", "stories"])
    assert verdict.warnings == (
        "Stopped at the first finding because of --fail-fast. "
        "Not completed: sweep (1 program: 1 unfinished); interleave (not begun); "
        "selfcheck (not begun); review (not begun).",
    )
    assert [(row.name, row.extent, row.left_out) for row in verdict.parts] == [
        ("sweep", Extent.CUT_SHORT, "1 program: 1 unfinished"),
        ("interleave", Extent.NOT_BEGUN, ""),
        ("selfcheck", Extent.NOT_BEGUN, ""),
        ("review", Extent.NOT_BEGUN, ""),
    ]
    assert verdict.partial


def test_fewer_cases_are_run_and_the_ledger_counts_the_others(fast: Judged, whole: Judged) -> None:
    assert 0 < fast[2] < whole[2]
    left = {row.program for row in fast[0].ledger if row.not_reached}
    assert left == {row.program for row in whole[0].ledger} == {"enqueue", "same-request-twice"}


def test_a_finding_is_reported_as_fully_as_by_the_whole_gate(fast: Judged) -> None:
    finding = fast[0].findings[0]
    same = next(
        f
        for f in judged(SHIPPED, None, "sweep")[0].findings
        if (f.invariant, f.operation) == (finding.invariant, finding.operation)
    )
    assert finding.story is not None
    assert same.story is not None
    assert (finding.replay, len(finding.story.steps)) == (same.replay, len(same.story.steps))
    assert finding.neighbour is not None


def test_a_finding_that_does_not_fail_the_gate_does_not_end_it() -> None:
    verdict, begun, _ = judged(SHIPPED, Severity.CRITICAL, "sweep", "interleave")
    assert (verdict.findings != (), verdict.partial) == (True, False)
    assert begun == ["sweep", "interleave", "stories"]


def spaces(verdict: Verdict) -> set[tuple[str, str, int, int]]:
    """Return what was to be run; how many outcomes are predicted differs from run to run, as two times may coincide."""
    return {(row.program, row.fault, row.space, row.not_reached) for row in verdict.ledger}


def test_a_subject_without_findings_gets_every_part_and_the_same_verdict() -> None:
    whole, _, _ = judged(REFERENCE, None, "sweep", "interleave")
    fast, begun, _ = judged(REFERENCE, Severity.LOW, "sweep", "interleave")
    assert begun == ["sweep", "interleave"]
    assert (fast.outcome, fast.partial) == (Outcome.PASS, False)
    outcomes = [[(row.name, row.outcome, row.extent) for row in run.parts] for run in (fast, whole)]
    assert outcomes[0] == outcomes[1]
    assert fast.warnings == whole.warnings
    assert spaces(fast) == spaces(whole)


def test_an_unknown_does_not_end_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("midpipe.scenarios.explore.interleaving.RUNS_IF_NONDETERMINISTIC", 10)
    (tmp_path / "nondeterministic.py").write_text(
        "import contextlib, random\nfrom reference import Queue as Sound\n\n"
        "class Queue(Sound):\n"
        "    def enqueue(self, *args, **kwargs):\n"
        "        for _ in range(random.SystemRandom().randrange(3)):\n"
        "            with contextlib.suppress(Exception):\n"
        "                self.get_queue_depth()\n"
        "        return super().enqueue(*args, **kwargs)\n"
    )
    nondeterministic = SubjectSpec(f"{tmp_path}/nondeterministic.py:Queue")
    verdict, begun, _ = judged(nondeterministic, Severity.LOW, "sweep", "interleave")
    assert verdict.outcome is Outcome.UNKNOWN
    assert begun == ["sweep", "interleave"]


HOURS: dict[str, Task] = {
    "sweep": SweepTask(
        REFERENCE, "finish-with-result", shard=(0, 1), max_faults=3, latency_bound_ms=5_000.0
    ),
    "interleave": InterleaveTask(
        REFERENCE,
        "finish-vs-reclaim",
        max_preemptions=None,
        max_faults=3,
        prune=False,
        latency_bound_ms=5_000.0,
    ),
    "fuzz": FuzzTask(
        REFERENCE, seed=0, latency_bound_ms=5_000.0, deadline_s=time.monotonic() + 100_000
    ),
}


@pytest.fixture(scope="module", params=[1, 2])
def pool(request: pytest.FixtureRequest) -> Iterator[Pool]:
    with closing(Pool(ServerSpec(), request.param)) as opened:
        yield opened


@pytest.mark.parametrize("name", list(HOURS))
def test_what_is_cancelled_ends_and_its_workers_go_on_with_the_next(pool: Pool, name: str) -> None:
    ran: set[int] = set()
    is_cancelled = False
    for number, message in pool.run([HOURS[name]] * 3):
        ran.add(number)
        if isinstance(message, CaseEnded) and not is_cancelled:
            is_cancelled = True
            pool.cancel()
    assert ran == set(range(pool.jobs))
    answers = [message for _, message in pool.run([ProbeTask(REFERENCE)] * 2)]
    assert [type(answer) for answer in answers] == [Probed, Probed]

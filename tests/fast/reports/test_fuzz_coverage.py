"""What the reports say of the combinations that fuzzing has met, and of those that it has not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from midpipe.reports.explain import coverage_sentence
from midpipe.scenarios.model.verdict import CoverageRow, FuzzCoverage, Outcome, PartRow
from tests.fast.reports.verdicts import PASSED


def test_coverage_is_given_against_the_known_space_with_an_estimate_of_the_rest() -> None:
    rows = (CoverageRow("enqueue", 3, 10, 60), CoverageRow("get_job", 1, 2, 20))
    fuzz = PartRow("fuzz", Outcome.PASS, cases=400)
    verdict = replace(PASSED, parts=(fuzz,), coverage=FuzzCoverage(rows, 0.25))
    sentence = coverage_sentence(verdict)
    assert sentence.startswith("12 combinations")
    assert "of 80" in sentence
    assert "25 of the next 100 cases" in sentence


@pytest.mark.parametrize(
    ("cases", "estimate", "sentence"),
    [
        (9, 0.0, "9 cases are too few to estimate how many are still unseen."),
        (1, 0.5, "1 case is too few to estimate how many are still unseen."),
        (9, 2.0, "Nearly every further case would show a new one, so fuzz for longer."),
        (400, 0.0, "Fuzzing for longer would hardly show new ones."),
    ],
)
def test_nothing_is_estimated_from_a_few_fuzzed_cases(
    cases: int, estimate: float, sentence: str
) -> None:
    parts = (PartRow("sweep", Outcome.PASS, cases=900), PartRow("fuzz", Outcome.PASS, cases=cases))
    coverage = FuzzCoverage((CoverageRow("enqueue", 3, 6, 80),), estimate)
    seen = coverage_sentence(replace(PASSED, parts=parts, coverage=coverage))
    assert seen.endswith(f" {sentence}")


def test_without_fuzzing_there_is_no_coverage_sentence() -> None:
    assert coverage_sentence(PASSED) == ""

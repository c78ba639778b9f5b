"""Verdicts on several servers merged into one: the worst counts, cases add up, and each server keeps its column."""

from __future__ import annotations

import io
import json
import xml.etree.ElementTree as ET
from dataclasses import replace

import jsonschema
import pytest
from rich.console import Console

from midpipe.reports.server_table import own_queues_note, server_rows
from midpipe.reports.sinks.details import render_details
from midpipe.reports.sinks.documents import document
from midpipe.reports.sinks.junit import junit
from midpipe.reports.sinks.markdown import markdown
from midpipe.reports.verdict_file import schema, to_json
from midpipe.scenarios.model.matrix import merged
from midpipe.scenarios.model.spec import replay_command
from midpipe.scenarios.model.verdict import Extent, Outcome, PartRow, Status, Verdict
from tests.fast.reports.verdicts import FAILED, LOST, LOUD, PASSED

OLD = "Redis 6.2.14 (embedded)"
ELSEWHERE = replace(
    LOST, id="F1", replay="enqueue: A1:HSET!late", on="--redis embedded:old", cases=2
)
ON_OLD = replace(FAILED, server=OLD, findings=(ELSEWHERE, replace(LOST, id="F2", cases=4)))
BOTH = merged((FAILED, ON_OLD))
ONE_FAILS = merged((PASSED, replace(FAILED, server=OLD)))


def test_a_verdict_on_one_server_stays_as_it_is() -> None:
    assert merged((FAILED,)) == FAILED


def test_merging_no_verdict_is_an_error() -> None:
    with pytest.raises(ValueError, match="nothing to merge"):
        merged(())


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ((Outcome.PASS, Outcome.PASS), Outcome.PASS),
        ((Outcome.PASS, Outcome.UNKNOWN), Outcome.UNKNOWN),
        ((Outcome.UNKNOWN, Outcome.FAIL), Outcome.FAIL),
    ],
)
def test_the_worst_outcome_counts(outcomes: tuple[Outcome, ...], expected: Outcome) -> None:
    assert merged([replace(PASSED, outcome=outcome) for outcome in outcomes]).outcome is expected


def test_the_same_case_on_two_servers_is_one_finding_and_another_case_another() -> None:
    findings = [(finding.id, finding.invariant, finding.replay) for finding in BOTH.findings]
    assert findings == [
        ("F1", "no-lost-job", LOST.replay),
        ("F2", "no-lost-job", ELSEWHERE.replay),
        ("F3", "quiet-logs", LOUD.replay),
    ]
    assert BOTH.findings[0].cases == LOST.cases + 4


def test_each_server_names_its_own_findings() -> None:
    assert [column.findings for column in BOTH.servers] == [("F1", "F3"), ("F1", "F2")]


def test_cases_are_added_up_so_that_the_ledger_still_balances() -> None:
    (row,) = BOTH.ledger
    assert (row.space, row.run, row.pruned, row.not_reached) == (18, 10, 6, 2)


def test_an_invariant_that_one_server_violates_is_violated() -> None:
    row = next(row for row in BOTH.invariants if row.invariant == "no-lost-job")
    assert (row.status, row.observations, row.violations) == (Status.VIOLATED, 160, 6)


def test_a_warning_names_the_servers_on_which_it_was_given() -> None:
    there = (
        replace(PASSED, warnings=("Both.", "Here only.")),
        replace(PASSED, server=OLD, warnings=("Both.",)),
    )
    assert merged(there).warnings == (
        "On every server: Both.",
        f"On {PASSED.server}: Here only.",
    )


def test_parts_that_run_midpipe_s_own_queues_are_shown_as_run_on_the_first_server() -> None:
    selfcheck, sweep = PartRow("selfcheck", Outcome.PASS), PartRow("sweep", Outcome.PASS)
    first = replace(PASSED, parts=(selfcheck, sweep))
    second = replace(PASSED, server=OLD, parts=(sweep,))
    verdict = merged((first, second))
    rows = {row[0]: row[1:] for row in server_rows(verdict)}
    assert rows["selfcheck"] == ("pass", "on the first")
    assert own_queues_note(verdict).endswith(f"once is enough: on {PASSED.server}.")
    assert own_queues_note(verdict) in markdown(verdict)
    assert own_queues_note(verdict) in document("FULL_REVIEW.md", verdict)


def test_one_partial_verdict_makes_the_whole_partial() -> None:
    assert merged((PASSED, replace(PASSED, partial=True))).partial


def test_the_table_has_a_row_for_each_part_and_invariant_and_a_column_for_each_server() -> None:
    rows = {row[0]: row[1:] for row in server_rows(ONE_FAILS)}
    assert rows[""] == (PASSED.server, OLD)
    assert rows["verdict"] == ("pass", "fail")
    assert rows["selfcheck"] == ("not run", "pass")
    assert rows["no-lost-job"] == ("not run", "violated")
    assert rows["findings"] == ("none", "F1, F2")


def test_a_verdict_on_one_server_has_no_table() -> None:
    assert server_rows(FAILED) == ()


def on_a_terminal(verdict: Verdict) -> str:
    out = io.StringIO()
    render_details(verdict, Console(file=out, width=160))
    return out.getvalue()


@pytest.mark.parametrize("report", [on_a_terminal, markdown])
def test_the_reports_show_the_columns(report: object) -> None:
    assert callable(report)
    text = report(ONE_FAILS)
    head = next(line for line in text.splitlines() if PASSED.server in line and OLD in line)
    verdict = next(line for line in text.splitlines() if line.strip("| ").startswith("verdict"))
    assert head.index(OLD) > head.index(PASSED.server)
    assert verdict.split()[-1 if "|" not in verdict else -2] == "fail"


def test_the_full_review_shows_the_columns() -> None:
    assert f"|  | {PASSED.server} | {OLD} |" in document("FULL_REVIEW.md", ONE_FAILS)


def test_junit_has_a_suite_for_each_server_with_its_own_failures() -> None:
    suites = ET.fromstring(junit(ONE_FAILS)).findall("testsuite")
    failures = {suite.get("name"): suite.get("failures") for suite in suites}
    assert failures[f"midpipe.invariants on {PASSED.server}"] == "0"
    assert failures[f"midpipe.invariants on {OLD}"] == "1"


def test_the_same_invariant_on_two_servers_is_two_test_cases_by_name() -> None:
    cases = ET.fromstring(junit(ONE_FAILS)).iter("testcase")
    names = [case.get("name") for case in cases if case.get("classname") == "midpipe.invariants"]
    assert names
    assert len(set(names)) == len(names)


def test_a_finding_of_another_server_is_replayed_there() -> None:
    line = replay_command(ELSEWHERE.replay, FAILED.again, ELSEWHERE.on)
    assert line == f"midpipe replay '{ELSEWHERE.replay}' {FAILED.again} --redis embedded:old"
    assert line in markdown(BOTH)


def test_a_merged_verdict_keeps_to_the_published_schema() -> None:
    jsonschema.validate(json.loads(to_json(BOTH)), schema())


def test_the_rate_on_each_server_stands_in_its_column() -> None:
    image = "Redis 8.2.3 (container of redis:8)"
    slow = PartRow("sweep", Outcome.PASS, cases=100, seconds=4.0)
    fast = PartRow("sweep", Outcome.PASS, cases=100, seconds=2.0)
    verdict = merged((replace(PASSED, parts=(slow,)), replace(PASSED, server=image, parts=(fast,))))
    rows = {row[0]: row[1:] for row in server_rows(verdict)}
    assert rows["sweep, cases/s"] == ("25", "50")


def test_a_part_that_was_cut_short_on_one_server_is_cut_short_in_total() -> None:
    cut = PartRow("sweep", Outcome.PASS, Extent.CUT_SHORT, 3, 1.0)
    (row,) = merged((PASSED, replace(PASSED, server=OLD, parts=(cut,), partial=True))).parts
    assert (row.extent, row.cases, row.seconds) == (Extent.CUT_SHORT, 903, 6.0)

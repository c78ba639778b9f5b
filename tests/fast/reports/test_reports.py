"""Every report that is made from a verdict: what it must say, and that none of it is read as markup."""

from __future__ import annotations

import io
import json
import re
import shlex
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jsonschema
import junitparser
import msgspec
import pytest
from rich.console import Console

from midpipe.faultinject.errors import UsageError
from midpipe.reports.cli.exit_code import exit_code
from midpipe.reports.explain import explained, not_judged
from midpipe.reports.sinks.details import render_details
from midpipe.reports.sinks.documents import NAMES, document
from midpipe.reports.sinks.junit import junit
from midpipe.reports.sinks.markdown import MAX_BYTES, markdown
from midpipe.reports.sinks.writing import SINKS, write_reports
from midpipe.reports.verdict_file import SCHEMA_FILE, read_verdict, schema, to_json
from midpipe.scenarios.model.finding import PlacedFault
from midpipe.scenarios.model.spec import replay_command
from midpipe.scenarios.model.story import SourceLine, Story
from midpipe.scenarios.model.verdict import (
    SCHEMA,
    CheckerCrash,
    DurabilityRow,
    Extent,
    Outcome,
    PartRow,
    PowerLossRow,
    Verdict,
)
from tests.fast.reports.verdicts import FAILED, LOST, LOUD, PASSED, STORY

LINE = "midpipe replay 'enqueue-with-request-id: A2:HSET!cut-before' --subject shop.queue:Queue --path src"


def on_a_terminal(verdict: Verdict) -> str:
    out = io.StringIO()
    render_details(verdict, Console(file=out, width=120))
    return out.getvalue()


def test_a_verdict_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "verdict.json"
    path.write_text(to_json(FAILED), "utf-8")
    assert read_verdict(path) == FAILED


def test_the_published_schema_is_the_code_s() -> None:
    """Made by: python -c "from midpipe.reports.verdict_file import write_schema; write_schema()"."""
    assert json.loads(SCHEMA_FILE.read_text("utf-8")) == schema()


@pytest.mark.parametrize("verdict", [FAILED, PASSED])
def test_a_verdict_keeps_to_the_published_schema(verdict: Verdict) -> None:
    jsonschema.validate(json.loads(to_json(verdict)), schema())


def test_a_verdict_without_its_outcome_does_not_keep_to_the_schema() -> None:
    broken: dict[str, Any] = json.loads(to_json(PASSED))
    del broken["outcome"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, schema())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{}", "is not a verdict"),
        (b"[]", "is not a verdict"),
        (b"\xff", "is not a verdict"),
        (b'{"schema": 99}', "Update midpipe"),
        (b'{"schema": 1, "outcome": "pass"}', "written by an older midpipe"),
    ],
)
def test_a_file_that_is_not_a_verdict_is_refused_with_the_way_out(
    tmp_path: Path, content: bytes, words: str
) -> None:
    path = tmp_path / "verdict.json"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=words):
        read_verdict(path)


def test_a_finding_is_explained_in_three_sentences() -> None:
    assert explained(LOST) == (
        "In enqueue-with-request-id, midpipe injected cut-before at A2 "
        "(operation 1, attempt 1, command 2: HSET ai:jobs:*).",
        "enqueue answered False for job-1, and get_job finds no such job.",
        "no-lost-job (CRITICAL) was violated in 3 cases: Every enqueue that was answered left a job.",
    )


def test_faults_are_named_even_if_the_story_was_not_recorded() -> None:
    faults = (PlacedFault("cut-before", "A2", "HSET"), PlacedFault("late", "A4", ""))
    untold = replace(LOST, story=None, faults=faults)
    assert explained(untold)[0] == (
        "In enqueue-with-request-id, midpipe injected cut-before at A2 (HSET) and late at A4."
    )


def test_a_finding_without_a_fault_says_that_none_was_needed() -> None:
    assert explained(replace(LOST, faults=()))[0].endswith("no fault was needed.")


CUT = replace(
    PASSED,
    outcome=Outcome.UNKNOWN,
    partial=True,
    parts=(
        PartRow("sweep", Outcome.PASS, Extent.CUT_SHORT, 120, 3.0),
        PartRow("fuzz", Outcome.UNKNOWN, Extent.NOT_BEGUN),
    ),
)


def test_what_was_not_judged_is_listed_part_by_part_and_by_the_ledger() -> None:
    assert not_judged(CUT) == (
        "Sweep was cut short after 120 cases.",
        "Fuzz was not begun.",
        "1 planned case of 1 program was not run, and the ledger says not reached.",
    )


def test_a_complete_run_has_nothing_that_was_not_judged() -> None:
    assert not_judged(FAILED) == ()


def test_a_partial_run_always_says_that_something_was_not_judged() -> None:
    assert len(not_judged(replace(PASSED, ledger=(), partial=True))) == 1


def test_junit_of_a_partial_run_has_an_error_that_says_what_was_not_judged() -> None:
    (error,) = ET.fromstring(junit(CUT)).iter("error")
    assert error.get("message") == "Sweep was cut short after 120 cases."
    assert "Fuzz was not begun." in (error.text or "")


def test_junit_of_an_unknown_outcome_has_an_error_with_the_reason() -> None:
    verdict = replace(PASSED, outcome=Outcome.UNKNOWN, warnings=("No case was run.",))
    (error,) = ET.fromstring(junit(verdict)).iter("error")
    assert error.get("message") == "No case was run."


@pytest.mark.parametrize("verdict", [FAILED, PASSED])
def test_junit_of_a_complete_run_has_no_error(verdict: Verdict) -> None:
    assert list(ET.fromstring(junit(verdict)).iter("error")) == []


@pytest.mark.parametrize("report", [markdown, junit, partial(document, "FULL_REVIEW.md")])
def test_a_checker_that_crashed_is_named(report: Callable[[Verdict], str]) -> None:
    crash = CheckerCrash("no-lost-job", "KeyError: 'x'")
    verdict = replace(PASSED, outcome=Outcome.UNKNOWN, crashes=(crash,))
    assert "no-lost-job crashed: KeyError" in report(verdict)


def test_the_replay_line_can_be_pasted_into_a_shell() -> None:
    assert replay_command(LOST.replay, FAILED.again) == LINE
    assert shlex.split(replay_command("p: A1; rm -rf ~ '", ""))[2] == "p: A1; rm -rf ~ '"


def test_the_terminal_shows_the_outcome_first_and_last() -> None:
    lines = [line for line in on_a_terminal(FAILED).splitlines() if line.strip()]
    assert (lines[0].strip(), lines[-1].strip()) == ("midpipe: FAIL", "midpipe: FAIL")


@pytest.mark.parametrize(
    "said", [LINE, "[/red] reset <by> peer & co", "! The program claim-complete"]
)
def test_the_terminal_shows_text_as_it_is(said: str) -> None:
    assert said in on_a_terminal(FAILED)


def test_the_terminal_names_a_flaw_that_was_missed() -> None:
    assert "FAILED no-duplicate" in on_a_terminal(FAILED)


def test_junit_counts_what_failed_and_never_passes_what_is_unknown(tmp_path: Path) -> None:
    path = tmp_path / "junit.xml"
    path.write_text(junit(FAILED), "utf-8")
    suites = junitparser.JUnitXml.fromfile(str(path))
    found = {suite.name: (suite.tests, suite.failures, suite.skipped) for suite in suites}
    assert found == {
        "midpipe.run": (4, 0, 0),
        "midpipe.invariants": (4, 1, 2),
        "midpipe.selfcheck": (2, 1, 0),
        "midpipe.review": (2, 0, 0),
    }


def test_junit_names_the_file_the_line_and_the_event_of_a_violated_invariant() -> None:
    line = SourceLine("shop/queue.py", 71, "enqueue")
    verdict = replace(FAILED, findings=(replace(LOST, source=line),))
    cases = {case.get("name"): case for case in ET.fromstring(junit(verdict)).iter("testcase")}
    case = cases["no-lost-job"]
    assert (case.get("file"), case.get("line")) == ("shop/queue.py", "71")
    (failure,) = case.iter("failure")
    assert failure.get("message") == (
        "A connection cut before HSET in enqueue (queue.py:71) loses a job"
    )


def test_junit_gives_each_part_its_time() -> None:
    cases = {case.get("name"): case for case in ET.fromstring(junit(FAILED)).iter("testcase")}
    assert cases["sweep"].get("time") == "5.000"


def test_junit_escapes_markup() -> None:
    evidence = ("<tags> & ]]>",)
    verdict = replace(FAILED, findings=(replace(LOST, evidence=evidence),))
    assert "&lt;tags&gt; &amp; ]]&gt;" in junit(verdict)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("verdict", [FAILED, PASSED])
def test_every_document_says_how_it_went(name: str, verdict: Verdict) -> None:
    text = document(name, verdict)
    assert verdict.outcome.upper() in text or name == "FIX_GUIDE.md"


@pytest.mark.parametrize("name", ["REVIEW_SUMMARY.txt", "FIX_GUIDE.md", "FULL_REVIEW.md"])
def test_these_documents_have_the_replay_line_of_each_finding(name: str) -> None:
    assert document(name, FAILED).count(LINE) == 2


def test_the_executive_summary_fits_a_page() -> None:
    many = replace(FAILED, findings=(LOST, LOUD) * 30)
    assert len(document("EXECUTIVE_SUMMARY.txt", many).splitlines()) < 50


def test_markdown_stays_below_the_size_that_hosts_cut_off_and_says_so() -> None:
    long = replace(LOST, story=Story(LOST.replay, STORY.steps * 4000))
    text = markdown(replace(FAILED, findings=(long,) * 3))
    assert len(text.encode()) < MAX_BYTES + 200
    assert text.endswith("(cut off here; the full review has the rest)\n")


def test_a_summary_begins_with_the_findings_and_shows_ten_of_them_step_by_step() -> None:
    many = replace(FAILED, findings=(LOST,) * 12, warnings=("The time budget was up.",))
    text = markdown(many)
    assert text.count("Step by step") == 10
    assert "2 more, which report.html shows step by step" in text
    assert text.index("## F") < text.index("The time budget was up.")


def test_the_executive_summary_has_its_notes_after_the_findings() -> None:
    text = document("EXECUTIVE_SUMMARY.txt", replace(FAILED, warnings=("The time budget was up.",)))
    assert text.index("Recommendation") < text.index("Note: The time budget was up.")


def test_the_index_lists_every_report() -> None:
    text = document("INDEX.md", FAILED)
    listed = set(re.findall(r"\]\(([^)]+)\)", text))
    assert listed == {name for name, _ in SINKS} - {"INDEX.md"}


def test_every_report_is_written_whole(tmp_path: Path) -> None:
    written = write_reports(FAILED, tmp_path / "out")
    assert sorted(path.name for path in written) == sorted(
        path.name for path in (tmp_path / "out").iterdir()
    )


@pytest.mark.parametrize(
    ("outcome", "fail_on", "code"),
    [
        (Outcome.PASS, "LOW", 0),
        (Outcome.UNKNOWN, "LOW", 3),
        (Outcome.FAIL, "LOW", 1),
        (Outcome.FAIL, "CRITICAL", 1),
    ],
)
def test_the_exit_code_follows_from_the_outcome(outcome: Outcome, fail_on: str, code: int) -> None:
    assert exit_code(replace(FAILED, outcome=outcome), fail_on) == code


@pytest.mark.parametrize(("fail_on", "code"), [("MEDIUM", 1), ("HIGH", 0)])
def test_findings_less_severe_than_asked_for_do_not_fail(fail_on: str, code: int) -> None:
    assert exit_code(replace(FAILED, findings=(LOUD,)), fail_on) == code


@pytest.mark.parametrize("part", ["sweep", "interleave", "fleet", "durability", "fuzz"])
def test_less_severe_findings_do_not_fail_whichever_part_found_them(part: str) -> None:
    parts = (PartRow("selfcheck", Outcome.PASS), PartRow(part, Outcome.FAIL))
    assert exit_code(replace(FAILED, parts=parts, findings=(LOUD,)), "HIGH") == 0


def test_less_severe_findings_of_a_partial_run_are_not_a_pass() -> None:
    assert exit_code(replace(FAILED, findings=(LOUD,), partial=True), "HIGH") == 3


def test_a_job_that_a_power_loss_tore_fails_whatever_is_asked_for() -> None:
    torn = (PowerLossRow("enqueue", 12, 1, "HSET", "half a job"),)
    assert exit_code(replace(FAILED, findings=(LOUD,), power_loss=torn), "CRITICAL") == 1


def test_a_selfcheck_that_failed_fails_whatever_is_asked_for() -> None:
    parts = (PartRow("selfcheck", Outcome.FAIL), PartRow("sweep", Outcome.FAIL))
    assert exit_code(replace(FAILED, parts=parts, findings=(LOUD,)), "CRITICAL") == 1


def test_the_schema_number_is_in_the_file() -> None:
    assert msgspec.json.decode(to_json(PASSED))["schema"] == SCHEMA


DURABLE = replace(
    PASSED,
    durability=(
        DurabilityRow(
            persistence="aof-always",
            promise="Nothing is lost.",
            cases=9,
            violated=2,
            violated_invariants=("no-lost-job",),
            replay="get: A1!kill",
            counts=True,
        ),
        DurabilityRow(
            persistence="replica-behind",
            promise="May be lost.",
            cases=5,
            violated=1,
            violated_invariants=("no-lost-job",),
            replay="get: A1",
            counts=False,
        ),
        DurabilityRow(
            persistence="rdb",
            promise="The last snapshot.",
            cases=0,
            violated=0,
            violated_invariants=(),
            replay="",
            counts=False,
        ),
    ),
    power_loss=(
        PowerLossRow("enqueue", 21, 3, "SET k v", "half a job"),
        PowerLossRow("get", 21, 0),
    ),
)


def test_junit_distinguishes_violations_that_count_against_the_queue_from_others() -> None:
    cases = {case.get("name"): case for case in ET.fromstring(junit(DURABLE)).iter("testcase")}
    results = {
        name: next((child.tag for child in case), "passed")
        for name, case in cases.items()
        if case.get("classname") == "midpipe.durability"
    }
    assert results == {
        "the server is killed, aof-always": "failure",
        "the server is killed, replica-behind": "system-out",
        "the server is killed, rdb": "skipped",
        "the power is lost in enqueue": "failure",
        "the power is lost in get": "passed",
    }


def test_the_full_review_separates_a_power_loss_from_a_kill_and_cites_its_source() -> None:
    text = document("FULL_REVIEW.md", DURABLE)
    killed = text.split("## The server is killed")[1].split("##")[0]
    lost = text.split("## The power is lost")[1].split("##")[0]
    assert "| aof-always | 9 | 2 | no-lost-job | yes |" in killed
    assert "| enqueue | 21 | 3 | SET k v | half a job |" in lost
    assert "https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/" in lost

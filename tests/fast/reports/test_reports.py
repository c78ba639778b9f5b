"""Every report from one verdict: what it must say, and that nothing in it is read as markup."""

from __future__ import annotations

import io
import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import junitparser
import msgspec
import pytest
from rich.console import Console

from midpipe.faultinject.errors import UsageError
from midpipe.reports.cli.judging import exit_code, without_secrets
from midpipe.reports.explain import ADVICE, explained, replay_command
from midpipe.reports.sinks.documents import NAMES, document
from midpipe.reports.sinks.junit import junit
from midpipe.reports.sinks.markdown import MOST_BYTES, markdown
from midpipe.reports.sinks.terminal import render_verdict
from midpipe.reports.sinks.writing import write_reports
from midpipe.reports.verdict_file import SCHEMA_FILE, read_verdict, schema, to_json
from midpipe.scenarios.invariants import INVARIANTS
from midpipe.scenarios.model.verdict import (
    SCHEMA,
    DurabilityRow,
    Outcome,
    PowerLossRow,
    Story,
    Verdict,
)
from tests.fast.reports.verdicts import FAILED, LOST, LOUD, PASSED, STORY

LINE = "midpipe replay 'enqueue-with-request-id: A2:HSET!cut-before' --subject shop.queue:Queue --path src"


def on_a_terminal(verdict: Verdict) -> str:
    out = io.StringIO()
    render_verdict(verdict, Console(file=out, width=120))
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
    ("content", "told"),
    [
        (b"{}", "is not a verdict"),
        (b"[]", "is not a verdict"),
        (b"\xff", "is not a verdict"),
        (b'{"schema": 99}', f"reads up to {SCHEMA}"),
    ],
)
def test_a_file_that_is_no_verdict_is_told_with_the_way_out(
    tmp_path: Path, content: bytes, told: str
) -> None:
    path = tmp_path / "verdict.json"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=told):
        read_verdict(path)


def test_a_finding_is_explained_in_three_sentences() -> None:
    assert explained(LOST) == (
        "In enqueue-with-request-id, cut-before was placed at A2 "
        "(operation 1, attempt 1, command 2: HSET ai:jobs:*).",
        "enqueue answered False for job-1, and get_job finds no such job.",
        "no-lost-job (CRITICAL) fell in 3 cases: Every enqueue that was answered left a job.",
    )


def test_every_invariant_has_its_advice() -> None:
    assert set(ADVICE) == set(INVARIANTS)


def test_the_replay_line_can_be_pasted() -> None:
    assert replay_command(LOST.replay, FAILED.again) == LINE


def test_the_terminal_shows_the_outcome_first_and_last() -> None:
    lines = [line for line in on_a_terminal(FAILED).splitlines() if line.strip()]
    assert (lines[0].strip(), lines[-1].strip()) == ("midpipe: FAIL", "midpipe: FAIL")


@pytest.mark.parametrize(
    "said", [LINE, "[/red] reset <by> peer & co", "! The program claim-complete"]
)
def test_the_terminal_says_it_as_it_is(said: str) -> None:
    assert said in on_a_terminal(FAILED)


def test_the_terminal_names_a_flaw_that_was_missed() -> None:
    assert "MISSED no-duplicate" in on_a_terminal(FAILED)


def test_junit_counts_what_failed_and_never_passes_what_is_unknown(tmp_path: Path) -> None:
    path = tmp_path / "junit.xml"
    path.write_text(junit(FAILED), "utf-8")
    suites = junitparser.JUnitXml.fromfile(str(path))
    found = {suite.name: (suite.tests, suite.failures, suite.skipped) for suite in suites}
    assert found == {
        "midpipe.sweep": (4, 1, 2),
        "midpipe.selfcheck": (2, 1, 0),
        "midpipe.review": (2, 0, 0),
    }


def test_junit_holds_what_xml_can_not_hold() -> None:
    evidence = ("a \x00 byte, an \x1b escape, <tags> & ]]>",)
    verdict = replace(FAILED, findings=(replace(LOST, evidence=evidence),))
    assert "a  byte, an  escape, &lt;tags&gt; &amp; ]]&gt;" in junit(verdict)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("verdict", [FAILED, PASSED])
def test_every_document_says_how_it_went(name: str, verdict: Verdict) -> None:
    text = document(name, verdict)
    assert verdict.outcome.upper() in text or name == "FIX_GUIDE.md"


@pytest.mark.parametrize("name", ["REVIEW_SUMMARY.txt", "FIX_GUIDE.md", "FULL_REVIEW.md"])
def test_these_documents_have_the_line_that_replays_each_finding(name: str) -> None:
    assert document(name, FAILED).count(LINE) == 2


def test_the_executive_summary_fits_a_page() -> None:
    many = replace(FAILED, findings=(LOST, LOUD) * 30)
    assert len(document("EXECUTIVE_SUMMARY.txt", many).splitlines()) < 50


def test_markdown_stays_below_what_hosts_cut_off_and_says_so() -> None:
    long = replace(LOST, story=Story(LOST.replay, STORY.steps * 4000))
    text = markdown(replace(FAILED, findings=(long,) * 3))
    assert len(text.encode()) < MOST_BYTES + 200
    assert text.endswith("(cut; the full review has the rest)\n")


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
    parts = (("selfcheck", Outcome.PASS), (part, Outcome.FAIL))
    assert exit_code(replace(FAILED, parts=parts, findings=(LOUD,)), "HIGH") == 0


def test_less_severe_findings_of_a_run_that_was_cut_short_are_no_pass() -> None:
    assert exit_code(replace(FAILED, findings=(LOUD,), partial=True), "HIGH") == 3


def test_a_job_that_a_power_loss_tore_fails_whatever_is_asked_for() -> None:
    torn = (PowerLossRow("enqueue", 12, 1, "HSET", "half a job"),)
    assert exit_code(replace(FAILED, findings=(LOUD,), power_loss=torn), "CRITICAL") == 1


def test_a_selfcheck_that_failed_fails_whatever_is_asked_for() -> None:
    parts = (("selfcheck", Outcome.FAIL), ("sweep", Outcome.FAIL))
    assert exit_code(replace(FAILED, parts=parts, findings=(LOUD,)), "CRITICAL") == 1


def test_no_password_of_a_url_gets_into_the_command() -> None:
    shown = without_secrets("midpipe gate --redis redis://user:s3cret@localhost:1/0 --out x")
    assert shown == "midpipe gate --redis redis://***@localhost:1/0 --out x"


def test_the_schema_number_is_in_the_file() -> None:
    assert msgspec.json.decode(to_json(PASSED))["schema"] == SCHEMA


DURABLE = replace(
    PASSED,
    durability=(
        DurabilityRow(
            "aof-always", "Nothing is lost.", 9, 2, ("no-lost-job",), "get: A1!kill", True
        ),
        DurabilityRow("replica-behind", "May be lost.", 5, 1, ("no-lost-job",), "get: A1", False),
        DurabilityRow("rdb", "The last snapshot.", 0, 0, (), "", False),
    ),
    power_loss=(
        PowerLossRow("enqueue", 21, 3, "SET k v", "half a job"),
        PowerLossRow("get", 21, 0),
    ),
)


def test_junit_tells_what_is_held_against_the_queue_from_what_is_only_told() -> None:
    cases = {case.get("name"): case for case in ET.fromstring(junit(DURABLE)).iter("testcase")}
    told = {
        name: next((child.tag for child in case), "passed")
        for name, case in cases.items()
        if case.get("classname") == "midpipe.durability"
    }
    assert told == {
        "the server is killed, aof-always": "failure",
        "the server is killed, replica-behind": "system-out",
        "the server is killed, rdb": "skipped",
        "the power is lost in enqueue": "failure",
        "the power is lost in get": "passed",
    }


def test_the_full_review_tells_a_power_loss_apart_from_a_kill_and_names_its_source() -> None:
    text = document("FULL_REVIEW.md", DURABLE)
    killed = text.split("## The server is killed")[1].split("##")[0]
    lost = text.split("## The power is lost")[1].split("##")[0]
    assert "| aof-always | 9 | 2 | no-lost-job | yes |" in killed
    assert "| enqueue | 21 | 3 | SET k v | half a job |" in lost
    assert "https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/" in lost

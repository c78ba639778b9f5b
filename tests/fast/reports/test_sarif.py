"""SARIF and GitHub's annotations: what code scanning accepts, and fingerprints that outlive moved lines."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from midpipe.reports.sinks.code_quality import code_quality
from midpipe.reports.sinks.github import (
    MOST_ANNOTATIONS,
    MOST_BYTES,
    is_on_github,
    step_summary,
    workflow_commands,
)
from midpipe.reports.sinks.sarif import sarif
from midpipe.reports.sinks.writing import folder_in_repository
from midpipe.scenarios.model.story import SourceLine
from midpipe.scenarios.model.verdict import Verdict
from tests.fast.reports.verdicts import FAILED, PASSED

LINE = SourceLine("shop/queue.py", 71, "enqueue")


SCHEMA = json.loads(
    (Path(__file__).parents[2] / "data" / "sarif-2.1.0.schema.json").read_text("utf-8")
)
"""OASIS's schema of SARIF 2.1.0 (rtm.5), without its descriptions, as SchemaStore publishes it."""


@pytest.mark.parametrize("verdict", [FAILED, PASSED])
def test_the_document_keeps_to_the_schema(verdict: Verdict) -> None:
    jsonschema.validate(json.loads(sarif(verdict)), SCHEMA)


def test_the_schema_refuses_a_result_without_a_message() -> None:
    broken = json.loads(sarif(FAILED))
    del broken["runs"][0]["results"][0]["message"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, SCHEMA)


def test_microsoft_s_validator_finds_nothing_that_github_would_refuse(tmp_path: Path) -> None:
    tool = shutil.which("sarif-multitool")
    if tool is None:
        pytest.skip(
            "Microsoft's sarif-multitool is not installed (npm: @microsoft/sarif-multitool)"
        )
    (tmp_path / "findings.sarif").write_text(sarif(with_source(LINE)), "utf-8")
    done = subprocess.run(
        # The command of the npm package gives its arguments to a shell.
        [tool, "validate", "findings.sarif", "--rule-kind", "'Sarif;Gh'"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert ": error " not in done.stdout


def test_a_code_quality_report_has_what_gitlab_needs() -> None:
    issues = json.loads(code_quality(with_source(LINE)))
    assert [issue["location"] for issue in issues] == [
        {"path": "shop/queue.py", "lines": {"begin": 71}}
    ] * len(FAILED.findings)
    assert {issue["severity"] for issue in issues} == {"blocker", "major"}
    assert len({issue["fingerprint"] for issue in issues}) == len(issues)
    assert code_quality(PASSED) == "[]\n"


def run_of(verdict: Verdict) -> dict[str, Any]:
    document = json.loads(sarif(verdict))
    assert (document["version"], len(document["runs"])) == ("2.1.0", 1)
    found: dict[str, Any] = document["runs"][0]
    return found


def with_source(line: SourceLine | None) -> Verdict:
    return replace(
        FAILED, findings=tuple(replace(finding, source=line) for finding in FAILED.findings)
    )


def uri_of(result: dict[str, Any]) -> str:
    location = result["locations"][0]["physicalLocation"]
    return str(location["artifactLocation"]["uri"])


def test_every_result_has_a_location_and_a_rule_that_is_listed() -> None:
    run = run_of(FAILED)
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert len(run["results"]) == len(FAILED.findings) > 0
    for result in run["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
        assert result["locations"][0]["physicalLocation"]["region"]["startLine"] >= 1


def test_a_finding_points_to_its_line() -> None:
    (location,) = run_of(with_source(LINE))["results"][0]["locations"]
    place = location["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "shop/queue.py"
    assert place["region"]["startLine"] == 71


def test_no_uri_is_absolute() -> None:
    outside = run_of(with_source(SourceLine("/usr/lib/queue.py", 3, "put")))
    assert [uri_of(result) for result in outside["results"]] == ["queue.py"] * len(FAILED.findings)


def test_a_run_in_a_folder_of_the_repository_names_files_from_its_root() -> None:
    verdict = with_source(LINE)
    (result, *_) = json.loads(sarif(verdict, "services/shop"))["runs"][0]["results"]
    assert uri_of(result) == "services/shop/shop/queue.py"
    (issue, *_) = json.loads(code_quality(verdict, "services/shop"))
    assert issue["location"]["path"] == "services/shop/shop/queue.py"
    (line, *_) = workflow_commands(verdict, "services/shop")
    assert line.startswith("::error file=services/shop/shop/queue.py,line=71,")


def test_the_folder_is_that_below_the_directory_with_git_s_data(tmp_path: Path) -> None:
    here = tmp_path / "services" / "shop"
    here.mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    assert folder_in_repository(here) == "services/shop"
    assert folder_in_repository(tmp_path) == ""


def test_a_file_name_is_written_as_a_uri_allows() -> None:
    run = run_of(with_source(SourceLine("my shop/größe.py", 3, "put")))
    assert uri_of(run["results"][0]) == "my%20shop/gr%C3%B6%C3%9Fe.py"


def test_a_fingerprint_does_not_change_when_lines_move() -> None:
    def fingerprint(line: SourceLine) -> str:
        result = run_of(with_source(line))["results"][0]
        return str(result["partialFingerprints"]["primaryLocationLineHash"])

    assert fingerprint(LINE) == fingerprint(replace(LINE, line=99))
    assert fingerprint(LINE) != fingerprint(replace(LINE, function="update"))


def test_a_pass_is_a_document_without_results() -> None:
    assert run_of(PASSED)["results"] == []


def test_each_of_the_first_findings_is_an_annotation_on_its_line() -> None:
    many = replace(with_source(LINE), findings=with_source(LINE).findings[:1] * 30)
    lines = workflow_commands(many)
    assert len(lines) == MOST_ANNOTATIONS
    assert lines[0].startswith("::error file=shop/queue.py,line=71,title=")
    assert "\n" not in lines[0]


def test_an_annotation_can_not_be_broken_by_a_file_name() -> None:
    (line,) = workflow_commands(
        replace(
            with_source(SourceLine("a,b:c%.py", 1, "f")), findings=with_source(LINE).findings[:1]
        )
    ) or ("",)
    assert line.count("::") == 2


def test_a_long_summary_is_cut_at_a_line_and_says_so() -> None:
    cut = step_summary("line with ✗\n" * 200_000)
    assert len(cut.encode()) < MOST_BYTES + 100
    assert cut.endswith("The rest is in the reports of the run.\n")
    assert step_summary("short\n") == "short\n"


def test_only_a_github_workflow_gets_annotations() -> None:
    assert is_on_github({"GITHUB_ACTIONS": "true"})
    assert not is_on_github({})

"""The verdict as JUnit XML: a test case per invariant, flaw and review issue. Unknown is skipped, never passed."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace

from midpipe.reports.explain import replay_command
from midpipe.scenarios.model.verdict import (
    DurabilityRow,
    FlawRow,
    InvariantRow,
    PowerLossRow,
    ReviewRow,
    ServerColumn,
    Status,
    Verdict,
)


def junit(verdict: Verdict) -> str:
    """Return the XML document."""
    suites = ET.Element("testsuites", name="midpipe")
    for column in verdict.servers:
        cases = [_on_server(verdict, column, row) for row in verdict.invariants]
        _suite(suites, f"sweep on {column.server}", cases)
    if not verdict.servers:
        _suite(suites, "sweep", [_invariant(verdict, row) for row in verdict.invariants])
    _suite(
        suites,
        "durability",
        [*map(_killed, verdict.durability), *map(_without_power, verdict.power_loss)],
    )
    _suite(suites, "selfcheck", [_flaw(row) for row in verdict.selfcheck if row.expected])
    _suite(suites, "review", [_issue(row) for row in verdict.review])
    ET.indent(suites)
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(suites, encoding="unicode") + "\n"
    )


def _suite(suites: ET.Element, name: str, cases: list[ET.Element]) -> None:
    if not cases:
        return
    suite = ET.SubElement(
        suites,
        "testsuite",
        name=f"midpipe.{name}",
        tests=str(len(cases)),
        failures=str(sum(case.find("failure") is not None for case in cases)),
        skipped=str(sum(case.find("skipped") is not None for case in cases)),
        errors="0",
    )
    suite.extend(cases)


def _case(part: str, name: str) -> ET.Element:
    return ET.Element("testcase", classname=f"midpipe.{part}", name=name, time="0")


def _invariant(verdict: Verdict, row: InvariantRow) -> ET.Element:
    case = _case("sweep", row.invariant)
    if row.status is Status.VIOLATED:
        findings = [finding for finding in verdict.findings if finding.invariant == row.invariant]
        failure = ET.SubElement(case, "failure", message=row.claim, type=str(row.severity))
        failure.text = _clean("\n".join(line for finding in findings for line in finding.evidence))
        replays = "\n".join(
            replay_command(finding.replay, verdict.again, finding.on) for finding in findings
        )
        ET.SubElement(case, "system-out").text = _clean(replays)
    elif row.status is not Status.HOLDS:
        ET.SubElement(case, "skipped", message=f"{row.status}: {row.note}")
    return case


def _on_server(verdict: Verdict, column: ServerColumn, row: InvariantRow) -> ET.Element:
    """Return the invariant's test case on one of several servers, with the findings that were made there."""
    status = dict(column.invariants).get(row.invariant)
    note = row.note if status is row.status else ""
    seen = replace(row, status=status or Status.UNKNOWN, note=note if status else "not looked at")
    made = tuple(finding for finding in verdict.findings if finding.id in column.findings)
    case = _invariant(replace(verdict, findings=made), seen)
    # Who reads it may know a case by its name alone, and not by the suite that it stands in.
    case.set("name", f"{row.invariant} on {column.server or 'no server'}")
    return case


def _killed(row: DurabilityRow) -> ET.Element:
    case = _case("durability", f"the server is killed, {row.persistence}")
    told = _clean(
        f"{row.violated} of {row.cases} cases: {', '.join(row.violated_invariants)}\n{row.replay}"
    )
    if not row.cases:
        ET.SubElement(case, "skipped", message="no case was run")
    elif row.violated and row.counts:
        ET.SubElement(case, "failure", message=row.promise, type="durability").text = told
    elif row.violated:
        ET.SubElement(case, "system-out").text = f"{row.promise}\n{told}"
    return case


def _without_power(row: PowerLossRow) -> ET.Element:
    case = _case("durability", f"the power is lost in {row.program}")
    if row.torn:
        message = f"{row.torn} of {row.moments} moments, first after {row.after}"
        failure = ET.SubElement(case, "failure", message=_clean(message), type="durability")
        failure.text = _clean(row.seen)
    return case


def _flaw(row: FlawRow) -> ET.Element:
    case = _case("selfcheck", f"{row.flaw} is caught by {row.invariant}")
    if not row.caught:
        ET.SubElement(case, "failure", message="not caught", type="selfcheck")
    else:
        ET.SubElement(case, "system-out").text = _clean(row.replay)
    return case


def _issue(row: ReviewRow) -> ET.Element:
    case = _case("review", f"{row.issue} on {row.subject}")
    must_hold = row.subject == "reference"
    if row.shown is Status.VIOLATED and must_hold:
        failure = ET.SubElement(case, "failure", message=row.title, type=str(row.severity))
        failure.text = _clean(row.evidence)
    elif row.shown in (Status.UNKNOWN, Status.NOT_APPLICABLE):
        ET.SubElement(case, "skipped", message=f"{row.shown}: {row.evidence}")
    else:
        ET.SubElement(case, "system-out").text = _clean(
            f"{row.shown}: {row.evidence}\n{row.replay}"
        )
    return case


def _clean(text: str) -> str:
    """Leave out what XML 1.0 can't hold."""
    return "".join(
        ch for ch in text if ch in "\t\n\r" or " " <= ch <= "\ud7ff" or "\ue000" <= ch <= "�"
    )

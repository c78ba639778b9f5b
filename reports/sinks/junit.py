"""The verdict as JUnit XML: a test case for each part, invariant, flaw and issue, and one for the run as a whole.

A violated invariant names the title of its worst finding, and the file and line to begin with. Selfcheck and the review
have suites of their own, so that no reader counts midpipe's own queues as the user's. An unknown invariant is skipped.
A run whose outcome is unknown has an error that says what was not judged, so that a reader that looks for failures and
errors only does not take it for a pass.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import replace

from midpipe.reports.explain import not_judged, observed
from midpipe.reports.titles import title_of
from midpipe.scenarios.model.spec import replay_command
from midpipe.scenarios.model.verdict import (
    DurabilityRow,
    Extent,
    FlawRow,
    InvariantRow,
    Outcome,
    PartRow,
    PowerLossRow,
    ReviewRow,
    ServerColumn,
    Status,
    Verdict,
)


def junit(verdict: Verdict) -> str:
    """Return the XML document."""
    suites = ET.Element("testsuites", name="midpipe")
    _suite(suites, "run", [_run(verdict), *map(_part, verdict.parts)])
    for column in verdict.servers:
        cases = [_on_server(verdict, column, row) for row in verdict.invariants]
        _suite(suites, f"invariants on {column.server}", cases)
    if not verdict.servers:
        _suite(suites, "invariants", [_invariant(verdict, row) for row in verdict.invariants])
    _suite(
        suites,
        "durability",
        [*map(_killed, verdict.durability), *map(_without_power, verdict.power_loss)],
    )
    flaws = [row for row in verdict.selfcheck if row.expected or row.outcome is Outcome.FAIL]
    _suite(suites, "selfcheck", list(map(_flaw, flaws)))
    _suite(suites, "review", list(map(_issue, verdict.review)))
    ET.indent(suites)
    document = ET.tostring(suites, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{document}\n'


def _suite(suites: ET.Element, name: str, cases: Sequence[ET.Element]) -> None:
    if not cases:
        return

    def count(tag: str) -> str:
        return str(sum(case.find(tag) is not None for case in cases))

    suite = ET.SubElement(
        suites,
        "testsuite",
        name=f"midpipe.{name}",
        tests=str(len(cases)),
        failures=count("failure"),
        skipped=count("skipped"),
        errors=count("error"),
        time=f"{sum(float(case.get('time', '0')) for case in cases):.3f}",
    )
    suite.extend(cases)


def _case(part: str, name: str) -> ET.Element:
    return ET.Element("testcase", classname=f"midpipe.{part}", name=name, time="0")


def _part(row: PartRow) -> ET.Element:
    """Return the test case of a part of the run, which has a time of its own; what it found is in other suites."""
    case = _case("run", row.name)
    case.set("time", f"{row.seconds:.3f}")
    if row.extent is not Extent.COMPLETE:
        ET.SubElement(case, "skipped", message=str(row.extent))
    else:
        ET.SubElement(case, "system-out").text = f"{row.outcome}, {row.cases} cases"
    return case


def _run(verdict: Verdict) -> ET.Element:
    """Return the test case of the whole run: an error if it is partial or its outcome is unknown."""
    case = _case("run", "everything that was planned was judged")
    reasons = not_judged(verdict)
    if reasons or verdict.outcome is Outcome.UNKNOWN:
        # A partial run without findings is unknown; the warnings say why a complete one is.
        reasons = (*reasons, *map(str, verdict.crashes), *verdict.warnings)
        first = reasons[0] if reasons else "The outcome is unknown."
        error = ET.SubElement(case, "error", message=first, type=str(verdict.outcome))
        error.text = "\n".join(reasons)
    return case


def _invariant(verdict: Verdict, row: InvariantRow) -> ET.Element:
    case = _case("invariants", row.invariant)
    if row.status is Status.VIOLATED:
        findings = [finding for finding in verdict.findings if row.invariant in finding.invariants]
        title = title_of(findings[0], row.invariant) if findings else row.claim
        failure = ET.SubElement(case, "failure", message=title, type=str(row.severity))
        line = findings[0].source if findings else None
        if line is not None:
            case.set("file", line.file)
            case.set("line", str(line.line))
        failure.text = "\n".join(
            line for finding in findings for line in observed(finding, row.invariant)
        )
        ET.SubElement(case, "system-out").text = "\n".join(
            replay_command(finding.replay, verdict.again, finding.on) for finding in findings
        )
    elif row.status is not Status.HOLDS:
        ET.SubElement(case, "skipped", message=f"{row.status}: {row.note}")
    return case


def _on_server(verdict: Verdict, column: ServerColumn, row: InvariantRow) -> ET.Element:
    """Return the invariant's test case on one of several servers, with the findings made there."""
    status = dict(column.invariants).get(row.invariant)
    note = row.note if status is row.status else ""
    seen = replace(row, status=status or Status.UNKNOWN, note=note if status else "not checked")
    made = tuple(finding for finding in verdict.findings if finding.id in column.findings)
    case = _invariant(replace(verdict, findings=made), seen)
    # A reader may identify a case by its name alone, without its suite.
    case.set("name", f"{row.invariant} on {column.server or 'no server'}")
    return case


def _killed(row: DurabilityRow) -> ET.Element:
    case = _case("durability", f"the server is killed, {row.persistence}")
    violated = f"{row.violated} of {row.cases} cases: {', '.join(row.violated_invariants)}"
    text = f"{violated}\n{row.replay}"
    if not row.cases:
        ET.SubElement(case, "skipped", message="no case was run")
    elif row.violated and row.counts:
        ET.SubElement(case, "failure", message=row.promise, type="durability").text = text
    elif row.violated:
        ET.SubElement(case, "system-out").text = f"{row.promise}\n{text}"
    return case


def _without_power(row: PowerLossRow) -> ET.Element:
    case = _case("durability", f"the power is lost in {row.program}")
    if row.torn:
        message = f"{row.torn} of {row.moments} moments, first after {row.after}"
        ET.SubElement(case, "failure", message=message, type="durability").text = row.seen
    return case


def _flaw(row: FlawRow) -> ET.Element:
    verb = "is caught by" if row.expected else "is not accused by"
    case = _case("selfcheck", f"{row.flaw} {verb} {row.invariant}")
    if row.outcome is Outcome.FAIL:
        message = "accused" if row.caught else "not caught"
        ET.SubElement(case, "failure", message=message, type="selfcheck").text = row.replay
    else:
        ET.SubElement(case, "system-out").text = row.replay
    return case


def _issue(row: ReviewRow) -> ET.Element:
    case = _case("review", f"{row.issue} on {row.subject}")
    if row.outcome is Outcome.FAIL:
        message = f"{row.title}: {row.shown}"
        ET.SubElement(case, "failure", message=message, type=str(row.severity)).text = row.evidence
    elif row.shown in (Status.UNKNOWN, Status.NOT_APPLICABLE):
        ET.SubElement(case, "skipped", message=f"{row.shown}: {row.evidence}")
    else:
        ET.SubElement(case, "system-out").text = f"{row.shown}: {row.evidence}\n{row.replay}"
    return case

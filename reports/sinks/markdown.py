"""The verdict as Markdown for a job summary, kept below the size at which hosts silently cut it off."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple

from midpipe.reports.explain import (
    PROGRESS_COLUMNS,
    advice_for,
    consequences_of,
    coverage_sentence,
    explained,
    promises_sentence,
)
from midpipe.reports.facts import not_run_sentences, programs_left_out
from midpipe.reports.markdown_text import Markdown, code, fenced, inline, table_row
from midpipe.reports.server_table import own_queues_note, server_rows
from midpipe.reports.titles import title_of
from midpipe.reports.view import picture
from midpipe.scenarios.model.spec import replay_command
from midpipe.scenarios.model.verdict import Finding, Verdict

MAX_BYTES = 900_000
MOST_FINDINGS = 10
"""How many findings are shown with their stories."""


def markdown(verdict: Verdict) -> str:
    """Return the summary."""
    text = "\n".join(_lines(verdict)) + "\n"
    encoded = text.encode()
    if len(encoded) <= MAX_BYTES:
        return text
    return (
        encoded[:MAX_BYTES].decode("utf-8", "ignore")
        + "\n\n(cut off here; the full review has the rest)\n"
    )


def _lines(verdict: Verdict) -> Iterator[str]:
    yield f"# midpipe: {verdict.outcome.upper()}"
    yield ""
    server = inline(verdict.server or "no server")
    yield f"{code(verdict.subject)} on {server}, {verdict.seconds:.1f} s."
    yield ""
    for finding in verdict.findings[:MOST_FINDINGS]:
        yield from _finding(verdict, finding)
    if left := verdict.findings[MOST_FINDINGS:]:
        yield f"{len(left)} more, which report.html shows step by step:"
        yield ""
        yield from (f"- {inline(_head(finding))}" for finding in left)
        yield ""
    for note in (*verdict.warnings, *map(str, verdict.crashes)):
        yield f"> {inline(note)}"
        yield ""
    if left_out := programs_left_out(verdict):
        yield f"<details><summary>{left_out} not run, as the subject lacks their calls</summary>"
        yield ""
        yield from (f"- {inline(sentence)}" for sentence in not_run_sentences(verdict))
        yield ""
        yield "</details>"
        yield ""
    if verdict.servers:
        yield from _servers(verdict)
    yield from _invariants(verdict)
    if verdict.coverage is not None:
        yield from _coverage(verdict)
    if verdict.progress:
        yield ""
        yield table_row(PROGRESS_COLUMNS)
        yield "| ---: | ---: | ---: | ---: |"
        yield from (table_row(astuple(row)) for row in verdict.progress)


def _finding(verdict: Verdict, finding: Finding) -> Iterator[str]:
    yield f"## {inline(_head(finding))}"
    yield ""
    yield from map(inline, explained(finding))
    yield ""
    for sentence in consequences_of(finding):
        yield f"- {inline(sentence)}"
    if finding.consequences:
        yield ""
    yield f"**Change:** {inline(advice_for(finding))}"
    yield ""
    yield from fenced([replay_command(finding.replay, verdict.again, finding.on)])
    yield ""
    if finding.story is not None:
        yield "<details><summary>Step by step</summary>"
        yield ""
        yield from fenced(map(str, picture(finding.story)))
        yield ""
        yield "</details>"
        yield ""


def _head(finding: Finding) -> str:
    return f"{finding.id} {finding.severity}: {title_of(finding)}"


def _servers(verdict: Verdict) -> Iterator[str]:
    head, *rows = server_rows(verdict)
    yield table_row(head)
    yield table_row([Markdown("---")] * len(head))
    yield from map(table_row, rows)
    yield ""
    if note := own_queues_note(verdict):
        yield inline(note)
        yield ""


def _invariants(verdict: Verdict) -> Iterator[str]:
    yield "| invariant | status | checks | violated in |"
    yield "| --- | --- | ---: | ---: |"
    for row in verdict.invariants:
        yield table_row((row.invariant, row.status, row.observations, row.violations))
    for accepted in verdict.accepted:
        yield ""
        why = f"{accepted.reason}, {accepted.date}"
        yield inline(f"Accepted by the baseline: {title_of(accepted.finding)} ({why}).")
    for known in verdict.gone:
        yield ""
        yield inline(f"In the baseline, and gone: {known.invariant} in {known.operation}.")
    if verdict.promises:
        yield ""
        yield inline(promises_sentence(verdict.promises))


def _coverage(verdict: Verdict) -> Iterator[str]:
    assert verdict.coverage is not None
    yield ""
    yield "| fuzzed operation | places | combinations | of known |"
    yield "| --- | ---: | ---: | ---: |"
    for row in verdict.coverage.operations:
        yield table_row((row.operation, row.places, row.seen, row.known))
    yield ""
    yield inline(coverage_sentence(verdict))

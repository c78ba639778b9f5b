"""The verdict as Markdown for a job summary, kept under the size that hosts cut off silently."""

from __future__ import annotations

from collections.abc import Sequence

from midpipe.reports.explain import advice_for, explained, replay_command
from midpipe.reports.finds import coverage_told
from midpipe.reports.servers import own_queues_told, server_rows
from midpipe.reports.view import picture
from midpipe.scenarios.model.verdict import Story, Verdict

MOST_BYTES = 900_000


def markdown(verdict: Verdict) -> str:
    """Return the summary."""
    lines = [
        f"# midpipe: {verdict.outcome.upper()}",
        "",
        f"`{verdict.subject}` on {verdict.server or 'no server'}, {verdict.seconds:.1f} s.",
        "",
        *(line for warning in verdict.warnings for line in (f"> {warning}", "")),
    ]
    for finding in verdict.findings:
        lines += [
            f"## {finding.id} {finding.severity}: {finding.invariant} in {finding.operation}",
            "",
        ]
        lines += [*explained(finding), "", f"**Change:** {advice_for(finding)}", ""]
        lines += ["```", replay_command(finding.replay, verdict.again, finding.on), "```", ""]
        lines += [
            "<details><summary>Step by step</summary>",
            "",
            "```",
            *told(finding.story),
            "```",
            "",
        ]
        lines += ["</details>", ""]
    if verdict.servers:
        head, *rows = server_rows(verdict)
        lines += [_row(head), _row(("---",) * len(head)), *map(_row, rows), ""]
        lines += [note, ""] if (note := own_queues_told(verdict)) else []
    lines += ["| invariant | status | looked at | violated in |", "| --- | --- | ---: | ---: |"]
    lines += [
        f"| {row.invariant} | {row.status} | {row.observations} | {row.violations} |"
        for row in verdict.invariants
    ]
    if verdict.coverage:
        lines += ["", "| fuzzed operation | places | combinations | of known |"]
        lines += ["| --- | ---: | ---: | ---: |"]
        lines += [
            f"| {r.operation} | {r.places} | {r.seen} | {r.known} |" for r in verdict.coverage
        ]
        lines += ["", coverage_told(verdict)]
    text = "\n".join(lines) + "\n"
    encoded = text.encode()
    if len(encoded) <= MOST_BYTES:
        return text
    return (
        encoded[:MOST_BYTES].decode("utf-8", "ignore") + "\n\n(cut; the full review has the rest)\n"
    )


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def told(story: Story) -> list[str]:
    """Return a story as plain lines."""
    return [str(line) for line in picture(story)]

"""The comparison of several queues as one Markdown page: what goes wrong in which, with the line that replays it."""

from __future__ import annotations

from collections.abc import Sequence

from midpipe.reports.markdown_text import Markdown, code, inline, table_row
from midpipe.scenarios.model.comparison import ASPECTS, PROGRAMS, Aspect, Compared
from midpipe.scenarios.model.spec import replay_command
from midpipe.scenarios.model.verdict import Finding
from midpipe.scenarios.queues import LIBRARIES, Library

_HEAD = """\
# Queue libraries compared

Each library was judged through its adapter by the same programs ({programs}), with every fault at every command, one
fault a case, for at most {budget_s:g} s each, on {server}, on {date}. This page is what the following command prints:

    {command}

A cell says what midpipe found and confirmed: a number names the finding below, with the line that replays it. *no*:
cases checked it, and none failed. *none yet*: none failed, but the budget did not suffice for every case. *not
checked*: no case could; the reason is given under the library. What a library does not promise is not judged.
"""


def comparison_markdown(
    rows: Sequence[Compared], *, command: str, date: str, budget_s: float
) -> str:
    """Return the page.

    Args:
        command: what makes it.
        date: of the run, ISO 8601.
        budget_s: for each queue.
    """
    findings = [finding for row in rows for finding in row.verdict.findings]
    numbers = {id(finding): number for number, finding in enumerate(findings, 1)}
    head = ("library", *(aspect.name for aspect in ASPECTS), "ms enqueue", "ms work", "cases")
    server = next((row.verdict.server for row in rows), "")
    lines = [
        _HEAD.format(
            programs=", ".join(PROGRAMS),
            server=server,
            date=date,
            command=command,
            budget_s=budget_s,
        ),
        table_row(head),
        table_row([Markdown("---")] * len(head)),
    ]
    for row in rows:
        timings = dict(row.timings_ms)
        lines.append(
            table_row(
                (
                    _name(row),
                    *(_cell(row, aspect, numbers) for aspect in ASPECTS),
                    *(
                        f"{timings[call]:g}" if call in timings else "–"
                        for call in ("enqueue", "work")
                    ),
                    f"{row.cases}{' (cut short)' if row.left_out else ''}",
                )
            )
        )
    lines += ["", "The times are medians of calls without faults, through midpipe's proxy.", ""]
    for row in rows:
        lines += _section(row, numbers)
    return "\n".join(lines)


def _name(row: Compared) -> str:
    return row.subject.requirement or row.subject.text


def _cell(row: Compared, aspect: Aspect, numbers: dict[int, int]) -> str:
    found = row.findings(aspect)
    if found:
        return Markdown(f"**{', '.join(str(numbers[id(finding)]) for finding in found)}**")
    if not row.is_checked(aspect):
        return "not checked"
    return "none yet" if row.left_out else "no"


def _section(row: Compared, numbers: dict[int, int]) -> list[str]:
    library = LIBRARIES.get(row.subject.requirement.partition("==")[0])
    lines = [f"## {_name(row)}", ""]
    if library is not None:
        lines += [*_promises(library), ""]
    if row.left_out:
        lines += [f"The budget did not suffice for everything: {row.left_out}.", ""]
    lines += [_finding(finding, numbers[id(finding)], row) for finding in row.verdict.findings]
    if not row.verdict.findings:
        lines.append("Nothing was found.")
    unchecked = [
        f"`{invariant.invariant}`: {invariant.note}."
        for invariant in row.verdict.invariants
        if invariant.note and invariant.invariant in {i for a in ASPECTS for i in a.invariants}
    ]
    if unchecked:
        lines += ["", "Not checked: " + " ".join(unchecked)]
    return [*lines, ""]


def _promises(library: Library) -> list[str]:
    promised = ", ".join(f"{name} {value}" for name, value in library.promises.items())
    sentences = [library.documented, f"Judged by: {promised}."]
    if library.settings_sentence:
        sentences.append(library.settings_sentence)
    return sentences


def _finding(finding: Finding, number: int, row: Compared) -> str:
    seen = finding.evidence[0] if finding.evidence else finding.claim
    again = replay_command(finding.replay, row.subject.options)
    return f"{number}. {finding.severity} `{', '.join(finding.invariants)}`: {inline(seen)} {code(again)}"

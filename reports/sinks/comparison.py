"""The comparison of several queues as one Markdown page: what goes wrong in which, and how fast each is."""

from __future__ import annotations

from collections.abc import Mapping, Set
from pathlib import Path

import msgspec

from midpipe.faultinject.errors import UsageError
from midpipe.reports.markdown_text import Markdown, code, inline, table_row
from midpipe.scenarios.case.story import duration_text
from midpipe.scenarios.model.comparison import (
    ASPECTS,
    PROGRAMS,
    Aspect,
    CallTimes,
    Compared,
    Comparison,
    Shown,
)

_HEAD = """ Queue libraries compared

Each library was judged through its adapter by the same programs ({programs}),
with every fault at every command, one fault a case, for at most {budget_s:g} s each.
Server: {server}. midpipe {midpipe}, {date}. This page is what the following command prints:

<!-- not run: installs releases and takes minutes -->

    {command}
"""
_FAILURES = """\
A cell says what midpipe found and confirmed: a number names the finding below, with the line that replays it. *no*:
cases checked it, and none failed. *none yet*: none failed, but the budget did not suffice for every case. *not
checked*: no case could; the reason is given under the library. What a library does not promise is not judged.
"""
_SPEED = """\
*enqueue* and *jobs/s* are without faults, on the machine's clock and without midpipe's proxy: the median of an enqueue,
in brackets that of a bare SET in the same rounds, which shows how busy the machine was; and the empty jobs that one
worker runs in a second, its start included. *under a fault* shows the calls of the cases above into which a fault was
injected, the caller's retries included: the median, in brackets that of calls that met no fault, and the longest. A
worker that ends at a fault is quick. *recovery* is how long it took at most until the job of a worker that died had
run, if it ran again at all; only a stepped clock (`--clock auto`) measures it. The last three are on the clock that the
caller reads, which midpipe moves on where everything waits. A time-out of the client counts in full; midpipe sets it to
0.25 s where nothing else can notice the fault.
"""
_NONE = Markdown("–")


def comparison_markdown(comparison: Comparison, level: int = 1) -> str:
    """Return the page.

    Args:
        level: of its heading; 1 if it is a page of its own.
    """
    lines = (_head(comparison, level), *_tables(comparison), *_sections(comparison, level + 1))
    return "\n".join(lines)


def _tables(comparison: Comparison) -> tuple[str, ...]:
    """Return the lines of the two tables, with what explains them."""
    numbers = _numbers(comparison)
    failures = ("library", *(aspect.name for aspect in ASPECTS), "cases")
    speed = (
        "library",
        "enqueue, ms",
        "jobs/s",
        "enqueue under a fault, ms",
        "work under a fault, ms",
    )
    rows = [row for row in comparison.rows if not row.reason]
    return (
        _FAILURES,
        *_table(failures, [_failures(row, numbers) for row in rows]),
        "",
        _SPEED,
        *_table((*speed, "recovery"), [_speed(row) for row in rows]),
        "",
    )


def write_comparison(comparison: Comparison, path: Path) -> None:
    """Store a comparison as JSON."""
    text = msgspec.json.format(msgspec.json.encode(comparison), indent=1)
    path.write_bytes(text + b"\n")


def read_comparison(path: Path) -> Comparison:
    """Return a stored comparison. Raises UsageError if the file holds none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Comparison, strict=False)
    except (OSError, msgspec.MsgspecError) as error:
        raise UsageError(
            f"{path} holds no comparison: {error}. Store one with midpipe compare --save {path}."
        ) from None


def _head(comparison: Comparison, level: int) -> str:
    return "#" * level + _HEAD.format(
        programs=", ".join(PROGRAMS),
        budget_s=comparison.budget_s,
        server=comparison.server or "no server",
        midpipe=comparison.midpipe,
        date=comparison.date,
        command=comparison.command,
    )


def _numbers(comparison: Comparison) -> Mapping[int, int]:
    """Return the number of each finding, by its identity: two may be equal."""
    findings = [finding for row in comparison.rows for finding in row.findings]
    return {id(finding): number for number, finding in enumerate(findings, 1)}


def _table(head: tuple[str, ...], rows: list[tuple[object, ...]]) -> list[Markdown]:
    return [table_row(head), table_row([Markdown("---")] * len(head)), *map(table_row, rows)]


def _name(row: Compared) -> str:
    return f"{row.name} {row.version}".strip()


def _failures(row: Compared, numbers: Mapping[int, int]) -> tuple[object, ...]:
    cells = (_cell(row, aspect, numbers) for aspect in ASPECTS)
    return (_name(row), *cells, f"{row.cases}{' (cut short)' if row.left_out else ''}")


def _cell(row: Compared, aspect: Aspect, numbers: Mapping[int, int]) -> str:
    found = row.found(aspect)
    if found:
        return Markdown(f"**{', '.join(str(numbers[id(finding)]) for finding in found)}**")
    if not row.is_checked(aspect):
        return "not checked"
    return "none yet" if row.left_out else "no"


def _speed(row: Compared) -> tuple[object, ...]:
    return (
        _name(row),
        f"{row.rate.enqueue_ms:g} ({row.rate.set_ms:g})" if row.rate else _NONE,
        f"{row.rate.jobs_per_second:g}" if row.rate else _NONE,
        _under_a_fault(row.times_of("enqueue")),
        _under_a_fault(row.times_of("work")),
        _NONE
        if row.recovered_after_s is None
        else duration_text(row.recovered_after_s, rounds_up=True),
    )


def _under_a_fault(times: CallTimes) -> str:
    if times.hit is None:
        return _NONE
    usual = f" ({times.before.median_ms:g})" if times.before else ""
    return f"{times.hit.median_ms:g}{usual}, at most {times.hit.longest_ms:g}"


def _sections(comparison: Comparison, level: int) -> list[str]:
    numbers = _numbers(comparison)
    variants = {row.variant_of for row in comparison.rows}
    found = []
    for row in comparison.rows:
        found += [f"{'#' * level} {_name(row)}", "", *_section(row, variants, numbers)]
    return found


def _section(row: Compared, variants: Set[str], numbers: Mapping[int, int]) -> list[str]:
    lines = []
    said = [row.documented, f"Judged by: {row.promises}." if row.promises else "", row.settings]
    if row.variant_of:
        said.insert(
            0, f"{row.variant_of} as its documentation recommends for jobs that must not be lost."
        )
    elif row.documented and row.name not in variants:
        said.append("No other settings were judged.")
    if any(said):
        lines += [" ".join(filter(None, said)), ""]
    if row.reason:
        return [*lines, f"Not judged: {inline(row.reason)}", ""]
    if row.left_out:
        lines += [f"The budget did not suffice for everything: {row.left_out}.", ""]
    lines += [_finding(finding, numbers[id(finding)]) for finding in row.findings]
    if not row.findings:
        lines.append("Nothing was found.")
    unchecked = [f"`{each.invariant}`: {each.reason}." for each in row.unchecked]
    if unchecked:
        lines += ["", "Not checked: " + " ".join(unchecked)]
    return [*lines, ""]


def _finding(finding: Shown, number: int) -> str:
    names = ", ".join(finding.invariants)
    return f"{number}. {finding.severity} `{names}`: {inline(finding.seen)} {code(finding.command)}"

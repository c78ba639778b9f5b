"""Text from a subject in Markdown: whatever it contains, it is shown as it is and ends no block."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midpipe.reports.markdown_text import code, fenced, inline, table_row
from midpipe.reports.sinks.documents import document
from midpipe.reports.sinks.markdown import markdown
from midpipe.scenarios.model.story import StoryViolation
from midpipe.scenarios.model.verdict import Verdict
from tests.fast.reports.verdicts import FAILED, LOST, STORY

PRINTABLE = st.text(
    st.characters(codec="utf-8", categories=("L", "N", "P", "S"), include_characters=" ")
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<script>alert(1)</script>", r"\<script\>alert(1)\</script\>"),
        ("# H1", r"\# H1"),
        ("- item", r"\- item"),
        ("12. item", r"12\. item"),
        ("---", r"\---"),
        ("> quote", r"\> quote"),
        ("[x](javascript:1)", r"\[x\](javascript:1)"),
        ("a | b", r"a \| b"),
        (
            "*bold* _it_ `code` ~~no~~ &amp; $x$",
            r"\*bold\* \_it\_ \`code\` \~\~no\~\~ \&amp; \$x\$",
        ),
        ("job_id is 12.5, or -1", "job_id is 12.5, or -1"),
    ],
)
def test_markup_in_a_sentence_is_escaped_and_other_text_is_not(text: str, shown: str) -> None:
    assert inline(text) == shown


@given(st.lists(PRINTABLE))
def test_no_line_of_a_block_ends_it(lines: list[str]) -> None:
    first, *block, last = fenced(lines)
    assert block == lines
    assert first == last == "`" * len(first)
    assert not any(re.match(rf"\s*`{{{len(first)},}}\s*$", line) for line in lines)


@given(PRINTABLE.filter(bool))
def test_a_code_span_has_more_ticks_than_its_text(text: str) -> None:
    span = code(text)
    ticks = re.match("`+", span)
    assert ticks is not None
    assert max(map(len, re.findall("`+", text)), default=0) < len(ticks[0].rstrip())
    assert text in span


@given(st.lists(PRINTABLE, min_size=1, max_size=4))
def test_a_row_has_as_many_cells_as_it_was_given(cells: list[str]) -> None:
    assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", table_row(cells))) == len(cells) + 1


NASTY = "``` <script>alert(1)</script> # H1 | --- |"
ATTACKED = replace(
    FAILED,
    subject=NASTY,
    warnings=(NASTY,),
    findings=(
        replace(
            LOST,
            operation=NASTY,
            evidence=(NASTY,),
            story=replace(STORY, violations=(StoryViolation("x", NASTY),)),
        ),
    ),
)


@pytest.mark.parametrize(
    "report", [markdown, partial(document, "FULL_REVIEW.md"), partial(document, "FIX_GUIDE.md")]
)
def test_no_report_reads_a_subject_s_text_as_markup(report: Callable[[Verdict], str]) -> None:
    text = report(ATTACKED)
    outside = re.sub(r"^(`{3,})\n.*?^\1$", "", text, flags=re.MULTILINE | re.DOTALL)
    outside = re.sub(r"(`+).*?(?<!`)\1(?!`)", "", outside)
    assert "<script>" not in outside.replace(r"\<", "")
    assert not re.search(r"^# H1", outside, re.MULTILINE)

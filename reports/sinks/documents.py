"""The four documents that a review leaves behind, and their index, for the run at hand."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from midpipe.reports.explain import (
    advice_for,
    consequences_of,
    coverage_sentence,
    explained,
    neighbour_text,
    promises_sentence,
    rules_text,
    source_text,
)
from midpipe.reports.facts import not_run_sentences, programs_left_out
from midpipe.reports.markdown_text import Markdown, code, fenced, inline, table_row
from midpipe.reports.selfcheck_table import own_queue_sentences
from midpipe.reports.server_table import own_queues_note, server_rows
from midpipe.reports.titles import title_of
from midpipe.reports.view import picture
from midpipe.scenarios.model.spec import replay_command
from midpipe.scenarios.model.story import Story
from midpipe.scenarios.model.verdict import Severity, Verdict

if TYPE_CHECKING:
    import jinja2

NAMES = (
    "EXECUTIVE_SUMMARY.txt",
    "REVIEW_SUMMARY.txt",
    "FIX_GUIDE.md",
    "FULL_REVIEW.md",
    "INDEX.md",
)


def document(name: str, verdict: Verdict) -> str:
    """Return one document, by its file name."""
    counts = {
        severity: sum(finding.severity is severity for finding in verdict.findings)
        for severity in Severity
    }
    environment = _markdown_templates() if name.endswith(".md") else _text_templates()
    return environment.get_template(f"{name}.j2").render(
        verdict=verdict,
        counts=counts,
        doubts=(*verdict.warnings, *map(str, verdict.crashes)),
        not_run=not_run_sentences(verdict),
        left_out=programs_left_out(verdict),
        servers=server_rows(verdict),
        own_queues=own_queues_note(verdict),
        own_queue_sentences=own_queue_sentences(verdict),
        explained=explained,
        consequences_of=consequences_of,
        neighbour_text=neighbour_text,
        title_of=title_of,
        source_text=source_text,
        advice_for=advice_for,
        coverage_sentence=coverage_sentence,
        promises_sentence=promises_sentence,
        replay_command=replay_command,
        rules_text=rules_text,
        code=code,
        block=_block,
        story=_story,
        table_row=lambda *cells: table_row(cells),
    )


def _block(text: str) -> Markdown:
    return Markdown("\n".join(fenced([text])))


def _story(story: Story) -> Markdown:
    return Markdown("\n".join(fenced(map(str, picture(story)))))


def _escaped(value: object) -> str:
    return value if isinstance(value, Markdown) else inline(str(value))


@cache
def _markdown_templates() -> jinja2.Environment:
    """Templates in which every inserted value is escaped, unless it is Markdown already."""
    return _templates(_escaped)


@cache
def _text_templates() -> jinja2.Environment:
    return _templates(None)


def _templates(finalize: Callable[[object], str] | None) -> jinja2.Environment:
    # It takes long to load, and commands that write no document import this module too.
    import jinja2

    return jinja2.Environment(
        loader=jinja2.PackageLoader("midpipe.reports", "templates"),
        autoescape=False,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )

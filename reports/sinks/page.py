"""The verdict as one HTML file that works offline, from ``file://`` and under a strict content security policy.

The first screen is in the markup; the stories are drawn by a script from the data in the page. What a subject wrote
(job ids, payloads) is text everywhere: Jinja escapes it in the markup, and the data is JSON in which no ``<`` is left.
"""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from midpipe.reports.facts import facts
from midpipe.reports.page_data import page_data
from midpipe.reports.titles import title_of
from midpipe.scenarios.model.spec import replay_command
from midpipe.scenarios.model.verdict import Verdict

if TYPE_CHECKING:
    import jinja2

_UNSAFE = str.maketrans(
    {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
)


def page(verdict: Verdict) -> str:
    """Return the HTML document."""
    style, script = _asset("report.css"), _asset("report.js")
    return (
        _templates()
        .get_template("report.html.j2")
        .render(
            verdict=verdict,
            facts=facts(verdict),
            title_of=title_of,
            replay_command=replay_command,
            style=style,
            script=script,
            style_hash=_hash(style),
            script_hash=_hash(script),
            data=embedded(page_data(verdict)),
        )
    )


def embedded(data: object) -> str:
    """Return data as JSON that can't end the element it stands in."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).translate(_UNSAFE)


def _hash(text: str) -> str:
    """Return what the content security policy calls an inline element's text."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@cache
def _asset(name: str) -> str:
    return (files("midpipe.reports") / "templates" / name).read_text("utf-8")


@cache
def _templates() -> jinja2.Environment:
    # It takes long to load, and commands that write no page import this module too.
    import jinja2

    return jinja2.Environment(
        loader=jinja2.PackageLoader("midpipe.reports", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )

"""The verdict as one HTML file that works offline, from ``file://`` and under a strict content security policy.

The first screen is in the markup; the stories are drawn by a script from the data in the page. What a subject wrote
(job ids, payloads) is text everywhere: Jinja escapes it in the markup, and the data is JSON in which no ``<`` is left.
"""

from __future__ import annotations

import json

from midpipe.reports.facts import facts
from midpipe.reports.page_data import page_data
from midpipe.reports.sinks.html import asset, rendered
from midpipe.reports.titles import title_of
from midpipe.scenarios.model.spec import replay_command
from midpipe.scenarios.model.verdict import Verdict

_UNSAFE = str.maketrans(
    {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
)


def page(verdict: Verdict) -> str:
    """Return the HTML document."""
    script = asset("report.js")
    return rendered(
        "report.html.j2",
        script,
        outcome=verdict.outcome,
        verdict=verdict,
        facts=facts(verdict),
        title_of=title_of,
        replay_command=replay_command,
        data=embedded(page_data(verdict)),
    )


def embedded(data: object) -> str:
    """Return data as JSON that can't end the element it stands in."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).translate(_UNSAFE)

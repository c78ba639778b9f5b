"""Renders a template as one HTML file with its style and script inside, under a content security policy.

The policy names the hashes of the style and the script, so nothing else in the file can run. Knows no verdict.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import jinja2


def rendered(template: str, script: str = "", **values: object) -> str:
    """Return the HTML document.

    Args:
        template: its file name; it extends ``base.html.j2``.
        script: the only script that may run; empty if there is none.
        values: what the template shows; ``outcome`` is one of them.
    """
    style = asset("report.css")
    return (
        _templates()
        .get_template(template)
        .render(
            style=style,
            style_hash=_hash(style),
            script=script,
            script_policy=_hash(script) if script else "none",
            **values,
        )
    )


def _hash(text: str) -> str:
    """Return what the content security policy calls an inline element's text."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@cache
def asset(name: str) -> str:
    """Return the text of a style or a script."""
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

"""Writes the comparison in docs/queues.md from docs/queues.json: python .ci/queues.py.

``midpipe compare … --save docs/queues.json`` stores it. What stands outside the two comments is left as it is.
"""

from __future__ import annotations

from pathlib import Path

from midpipe.reports.sinks.comparison import comparison_markdown, read_comparison

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = DOCS / "queues.md"
BEGIN = "<!-- The comparison is written by .ci/queues.py from queues.json. -->"
END = "<!-- The end of the comparison. -->"


def page() -> str:
    """Return the page with the stored comparison in its place."""
    head, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, tail = rest.partition(END)
    comparison = comparison_markdown(read_comparison(DOCS / "queues.json"), level=2)
    return f"{head}{BEGIN}\n\n{comparison}\n{END}{tail}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

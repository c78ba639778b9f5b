"""Writes docs/invariants.md from the invariants themselves: python .ci/invariants.py."""

from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path
from types import ModuleType

from midpipe.reports.explain import ADVICE
from midpipe.scenarios import invariants

PAGE = Path(__file__).resolve().parents[1] / "docs" / "invariants.md"


def page() -> str:
    """Return the page: of each invariant what it says, how it is checked, and what it is blind to."""
    parts = [
        "# Invariants\n",
        "Made from the code by `python .ci/invariants.py`. *always* is checked after every command that the server "
        "runs, *finally* once all is quiet. An invariant that needs a call that your queue lacks, or a "
        "[promise](promises.md) that it does not make, is not judged, and the report lists it. `--only ID` and "
        "`--skip ID` choose. Each has a flawed queue that it must catch: `midpipe selfcheck`.\n",
    ]
    for each in invariants.INVARIANTS.values():
        parts.append(
            f"## {each.id}\n\n{each.severity}, *{each.when}*. {each.claim}\n\n"
            f"{description(module_of(each.id))}\n\nWhat to change: {ADVICE[each.id]}\n"
        )
    return "\n".join(parts)


def module_of(invariant: str) -> ModuleType:
    """Return the module that an invariant is a file of."""
    return import_module(f"{invariants.__name__}.{invariant.replace('-', '_')}")


def description(module: ModuleType) -> str:
    """Return a module's docstring without its title, its paragraphs on one line each."""
    paragraphs = (inspect.getdoc(module) or "").split("\n\n")[1:]
    text = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
    return text.replace("``", "`").replace("Blind to:", "**Blind to:**")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

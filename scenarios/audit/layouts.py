"""Finds a layout: one that ships with midpipe by its name, or a team's own by its file."""

from __future__ import annotations

from pathlib import Path

from midpipe.faultinject.decide.schedule import did_you_mean
from midpipe.faultinject.errors import UsageError
from midpipe.scenarios.audit.layout import Layout
from midpipe.scenarios.audit.layout_file import read_layout
from midpipe.scenarios.queues import FOLDER

_OWN = Path(__file__).parent / "layouts"


def layout_files() -> dict[str, Path]:
    """Return the layouts that ship with midpipe, by name; a library's lies beside its adapter."""
    own = {path.stem: path for path in sorted(_OWN.glob("*.toml"))}
    libraries = {path.stem.removesuffix("_layout"): path for path in FOLDER.glob("*_layout.toml")}
    return {**own, **dict(sorted(libraries.items()))}


def layout_named(name: str, phase: str = "", prefix: str = "") -> Layout:
    """Return a layout.

    Args:
        name: of one that ships with midpipe, or the path of a TOML file.
        phase: of the migration; empty takes the layout's first.
        prefix: stands before every key.

    Raises:
        UsageError: there is no such layout, or its file is not one.
    """
    path = layout_files().get(name, Path(name))
    try:
        return read_layout(path.read_text(encoding="utf-8"), phase, prefix)
    except OSError as error:
        raise UsageError(
            f"There is no layout {name!r}.{did_you_mean(name, layout_files())} "
            "A layout of your own is named by the path of its file (docs/audit.md)."
        ) from error
    except ValueError as error:
        raise UsageError(f"The layout {name!r} can't be used: {error}.") from error

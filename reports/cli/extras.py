"""Checks that the packages of an extra are installed, before a command does anything else."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from midpipe.faultinject.errors import UsageError

EXTRAS = {"proxy": ("h11", "toxiproxy"), "bench": ("hdrh",), "campaign": ("dask", "distributed")}
"""The extras of pyproject.toml that a command may need, with the modules that each installs."""


def require_extra(extra: str, command: str) -> None:
    """Raise UsageError, which names the extra to install, if one of its modules is missing.

    Args:
        command: the command that needs it.
    """
    missing = _missing(EXTRAS[extra])
    if missing:
        raise UsageError(
            f"midpipe {command} needs the extra {extra!r}; not installed: {' and '.join(missing)}. Run "
            f"pip install 'midpipe[{extra}]'."
        )


def _missing(modules: Sequence[str]) -> tuple[str, ...]:
    return tuple(module for module in modules if not _is_installed(module))


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ImportError:
        return False

"""``[tool.midpipe]``: finds a project's pyproject.toml and reads what it says about midpipe.

The table holds options of the command line by their names, tables for single commands, and the subject's promises.
Knows the promises, but no command and no option: who has those checks them.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from midpipe.faultinject.errors import UsageError
from midpipe.scenarios.model.promises import declared

FILE = "pyproject.toml"
TABLE = "[tool.midpipe]"
PROMISES = "promises"


@dataclass(frozen=True, slots=True)
class Configuration:
    """What a project says about midpipe.

    Args:
        file: where it says so; None if there is no such file.
        options: values as written, by key: of an option, or a table of options by the name of a command.
        promises: what the project declares for its queue, by name.
        is_named: the user named the file with ``--config``; it is not just the nearest one.
    """

    file: Path | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    promises: tuple[tuple[str, str | float], ...] = ()
    is_named: bool = False

    def promises_for(self, subject: str) -> tuple[tuple[str, str | float], ...]:
        """Return the promises if they are for this subject: the project names it, or names none."""
        named = self.options.get("subject")
        is_for_it = named is None or os.path.normpath(str(named)) == os.path.normpath(subject)
        return self.promises if is_for_it else ()

    @property
    def named(self) -> str:
        """The file if the user named it, else an empty text."""
        return str(self.file) if self.is_named else ""


def find_configuration(start: Path) -> Configuration:
    """Return the configuration of the nearest pyproject.toml with ``[tool.midpipe]``, from a directory upward.

    Raises:
        UsageError: a pyproject.toml on the way can't be read, or declares a promise that midpipe does not know.
    """
    for directory in (start, *start.parents):
        file = directory / FILE
        if file.is_file():
            table = _table_in(file)
            if table is not None:
                return _configuration(file, table)
    return Configuration()


def read_configuration(file: Path) -> Configuration:
    """Return the configuration in a TOML file.

    Raises:
        UsageError: the file can't be read or has no ``[tool.midpipe]``, or a promise is not one that midpipe knows.
    """
    table = _table_in(file)
    if table is None:
        raise UsageError(
            f"{str(file)!r} has no {TABLE}. Add that table, or name another file with --config."
        )
    return replace(_configuration(file, table), is_named=True)


def _table_in(file: Path) -> Mapping[str, Any] | None:
    try:
        document = tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"{str(file)!r} can't be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{str(file)!r} is not valid TOML: {error}.") from error
    tools = document.get("tool")
    table = tools.get("midpipe") if isinstance(tools, Mapping) else None
    if table is not None and not isinstance(table, Mapping):
        raise UsageError(f"{str(file)!r}: midpipe must be a table: {TABLE}.")
    return table


def _configuration(file: Path, table: Mapping[str, Any]) -> Configuration:
    options = {key: value for key, value in table.items() if key != PROMISES}
    promises = table.get(PROMISES, {})
    if not isinstance(promises, Mapping):
        raise UsageError(
            f"{str(file)!r}: promises is a table, [tool.midpipe.promises], of values by name."
        )
    try:
        declared(promises)
    except UsageError as error:
        raise UsageError(f"{str(file)!r}: {error}") from error
    return Configuration(file, options, tuple(sorted(promises.items())))

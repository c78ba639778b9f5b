"""The JSON Schema of ``[tool.midpipe]``, for editors; it is made from the options of the commands."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from midpipe.reports.cli.configuring import commands_of, configurable, shared_options
from midpipe.reports.cli.main import cli
from midpipe.reports.cli.options import Duration, ShardNumber
from midpipe.scenarios.model.promises import PROMISES, choices_of

SCHEMA_FILE = Path(__file__).parents[1] / "config.schema.json"
_SECONDS = {"type": "number", "exclusiveMinimum": 0}


def schema() -> dict[str, Any]:
    """Return the JSON Schema of the table."""
    ctx = click.Context(cli)
    commands = commands_of(cli, ctx)
    shared = shared_options(commands)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "[tool.midpipe]",
        "description": "Options of midpipe's command line, for every command or in the table of one.",
        "type": "object",
        "properties": {
            **{name: _of_option(option) for name, option in sorted(shared.items())},
            **{name: _of_command(name, command, shared) for name, command in commands.items()},
            "promises": _of_promises(),
        },
        "additionalProperties": False,
    }


def write_schema() -> None:
    """Write the published schema; a test fails when the file is stale."""
    SCHEMA_FILE.write_text(json.dumps(schema(), indent=2) + "\n", "utf-8")


def _of_command(
    name: str, command: click.Command, shared: Mapping[str, click.Option]
) -> dict[str, Any]:
    """Return the schema of a command's table; two options have the name of a command, and may stand there as well."""
    table = {
        "description": f"Options of midpipe {name} only. {command.get_short_help_str(200)}",
        "type": "object",
        "properties": {
            key: _of_option(option) for key, option in sorted(configurable(command).items())
        },
        "additionalProperties": False,
    }
    return {"anyOf": [_of_option(shared[name]), table]} if name in shared else table


def _of_option(option: click.Option) -> dict[str, Any]:
    one = {"type": "boolean"} if option.is_flag else _of_type(option.type)
    several = {"anyOf": [one, {"type": "array", "items": one}]} if option.multiple else one
    return {"description": option.help or "", **several}


def _of_type(kind: Any) -> dict[str, Any]:
    if isinstance(kind, Duration):
        return {"type": ["number", "string"], "pattern": Duration.PATTERN}
    if isinstance(kind, ShardNumber):
        return {"type": "string", "pattern": ShardNumber.PATTERN}
    if isinstance(kind, click.Choice):
        return {"enum": list(kind.choices)}
    if isinstance(kind, click.IntRange | click.FloatRange):
        number = "integer" if isinstance(kind, click.IntRange) else "number"
        bounds = {"minimum": kind.min, "maximum": kind.max}
        return {"type": number} | {k: v for k, v in bounds.items() if v is not None}
    return {"type": {"integer": "integer", "float": "number"}.get(kind.name, "string")}


def _of_promises() -> dict[str, Any]:
    kinds = {name: choices_of(name) for name in PROMISES}
    return {
        "description": "What the queue promises; it is judged by that.",
        "type": "object",
        "properties": {
            name: {"enum": list(kinds[name])} if kinds[name] else _SECONDS for name in PROMISES
        }
        | {"deduplicates_for": {"anyOf": [_SECONDS, {"const": "until-done"}]}},
        "additionalProperties": False,
    }

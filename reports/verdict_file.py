"""The verdict as JSON: writing it, reading it back, and its JSON Schema."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import msgspec

from midpipe.faultinject.errors import UsageError
from midpipe.scenarios.model.safe_text import map_text, printable
from midpipe.scenarios.model.verdict import SCHEMA, Verdict

SCHEMA_FILE = Path(__file__).with_name("verdict.schema.json")


def to_json(verdict: Verdict) -> str:
    """Return the verdict as a JSON document, keys in the order of the fields."""
    return msgspec.json.format(msgspec.json.encode(verdict), indent=2).decode()


def schema() -> dict[str, Any]:
    """Return the JSON Schema of the document; it is the same under every supported version of msgspec.

    Releases of msgspec differ in how they indent the docstrings that become descriptions, and in whether they name a
    default that is an empty object. The docstrings' examples, in Python, are left out.
    """
    found: dict[str, Any] = _normalized(msgspec.json.schema(Verdict))
    return found


def _normalized(node: Any) -> Any:
    if isinstance(node, dict):
        return {
            name: inspect.cleandoc(value).partition("\n\nExample:")[0]
            if name == "description" and isinstance(value, str)
            else _normalized(value)
            for name, value in node.items()
            if (name, value) != ("default", {})
        }
    if isinstance(node, list | tuple):
        return [_normalized(value) for value in node]
    return node


def write_schema() -> None:
    """Write the published schema; a test fails when the file is stale."""
    SCHEMA_FILE.write_text(json.dumps(schema(), indent=2) + "\n", "utf-8")


def read_verdict(path: Path) -> Verdict:
    """Read a stored verdict.

    Raises:
        UsageError: there is no such file, it is broken, or another version of midpipe wrote it with another schema.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"There is no verdict at {str(path)!r} ({error.strerror}). Run 'midpipe gate' first, or name the file."
        ) from error
    try:
        number = msgspec.json.decode(data).get("schema")
        if isinstance(number, int) and number != SCHEMA:
            raise UsageError(_other_schema(path, number))
        return map_text(msgspec.json.decode(data, type=Verdict), printable)
    except (msgspec.MsgspecError, UnicodeDecodeError, AttributeError) as error:
        raise UsageError(
            f"{str(path)!r} is not a verdict: {error}. Run 'midpipe gate' to write one."
        ) from error


def _other_schema(path: Path, number: int) -> str:
    if number > SCHEMA:
        return f"{str(path)!r} has schema {number}, and this midpipe reads schema {SCHEMA}. Update midpipe."
    return (
        f"{str(path)!r} has schema {number}, written by an older midpipe, and this one reads schema {SCHEMA}. "
        "Run 'midpipe gate' again, or install the version that wrote it."
    )

"""The verdict as a JSON file: written, read back, and its schema."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import msgspec

from midpipe.faultinject.errors import UsageError
from midpipe.scenarios.model.verdict import SCHEMA, Verdict

SCHEMA_FILE = Path(__file__).with_name("verdict.schema.json")


def to_json(verdict: Verdict) -> str:
    """Return the verdict as a JSON document, keys in the order of the fields."""
    return msgspec.json.format(msgspec.json.encode(verdict), indent=2).decode()


def schema() -> dict[str, Any]:
    """Return the JSON Schema of the document, the same under every msgspec that the project allows.

    Releases of msgspec differ in how they indent the docstrings that become descriptions.
    """
    found: dict[str, Any] = _with_clean_descriptions(msgspec.json.schema(Verdict))
    return found


def _with_clean_descriptions(node: Any) -> Any:
    if isinstance(node, dict):
        return {
            name: inspect.cleandoc(value)
            if name == "description" and isinstance(value, str)
            else _with_clean_descriptions(value)
            for name, value in node.items()
        }
    if isinstance(node, list | tuple):
        return [_with_clean_descriptions(value) for value in node]
    return node


def write_schema() -> None:
    """Write the published schema anew; a test fails when it is stale."""
    SCHEMA_FILE.write_text(json.dumps(schema(), indent=2) + "\n", "utf-8")


def read_verdict(path: Path) -> Verdict:
    """Read a stored verdict.

    Raises:
        UsageError: there is none, it is broken, or a newer midpipe wrote it.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"There is no verdict at {str(path)!r} ({error.strerror}). Run 'midpipe gate' first, or name the file."
        ) from error
    try:
        number = msgspec.json.decode(data).get("schema")
        if isinstance(number, int) and number > SCHEMA:
            raise UsageError(
                f"{str(path)!r} has schema {number} and this midpipe reads up to {SCHEMA}. Update midpipe."
            )
        return msgspec.json.decode(data, type=Verdict)
    except (msgspec.MsgspecError, AttributeError) as error:
        raise UsageError(
            f"{str(path)!r} is not a verdict: {error}. Run 'midpipe gate' to make one."
        ) from error

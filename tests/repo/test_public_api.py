"""The public API: each name says what it takes, in which units, what it raises, and shows an example that runs."""

from __future__ import annotations

import dataclasses
import doctest
import inspect
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

import midpipe

ROOT = Path(__file__).resolve().parents[2]
MADE_BY_MIDPIPE = ("RedisProxy",)
NAMES = tuple(name for name in midpipe.__all__ if not name.startswith("__"))
IMPORTED = """
import sys
import midpipe
print(sorted(name for name in sys.modules if name.startswith("midpipe.")))
"""


def callables() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Every public function, constructor and method by its dotted name, without those of plain values and errors."""
    for name in NAMES:
        value = getattr(midpipe, name)
        if not isinstance(value, type):
            yield name, value
        elif not issubclass(value, Exception | Enum) and not dataclasses.is_dataclass(value):
            if name not in MADE_BY_MIDPIPE:
                yield name, value
            for method, function in vars(value).items():
                if inspect.isfunction(function) and not method.startswith("_"):
                    yield f"{name}.{method}", function


NAMED, FUNCTIONS = zip(*callables(), strict=True)
VALUES = [value for name in NAMES if dataclasses.is_dataclass(value := getattr(midpipe, name))]


def parameters_of(function: Callable[..., Any]) -> tuple[inspect.Parameter, ...]:
    return tuple(
        parameter
        for parameter in inspect.signature(function).parameters.values()
        if parameter.name != "self"
    )


def text_of(value: object) -> str:
    return inspect.getdoc(value) or ""


def test_importing_midpipe_loads_no_part_of_it() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", IMPORTED], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert loaded.stdout == "[]\n"


def test_every_public_name_is_there_and_is_listed() -> None:
    assert [name for name in midpipe.__all__ if not hasattr(midpipe, name)] == []
    assert set(midpipe.__all__) <= set(dir(midpipe))


def test_a_name_that_is_not_public_is_missing() -> None:
    with pytest.raises(AttributeError, match="'midpipe' has no attribute 'Rig'"):
        midpipe.Rig  # noqa: B018 - the access raises


@pytest.mark.parametrize("name", NAMES)
def test_each_public_name_has_an_example_that_runs(name: str) -> None:
    (example,) = doctest.DocTestFinder(recurse=False).find(getattr(midpipe, name), name, globs={})
    assert example.examples, f"{name} has no example"
    output: list[str] = []
    result = doctest.DocTestRunner(verbose=False).run(example, out=output.append)
    assert result.failed == 0, "".join(output)


@pytest.mark.parametrize("function", FUNCTIONS, ids=NAMED)
def test_each_public_callable_has_types(function: Callable[..., Any]) -> None:
    target = function.__init__ if isinstance(function, type) else function  # type: ignore[misc]
    untyped = [
        parameter.name
        for parameter in parameters_of(target)
        if parameter.annotation is inspect.Parameter.empty
    ]
    assert untyped == []
    assert inspect.signature(target).return_annotation is not inspect.Signature.empty


@pytest.mark.parametrize("function", FUNCTIONS, ids=NAMED)
def test_each_argument_of_a_public_callable_is_described(
    function: Callable[..., Any],
) -> None:
    described = re.findall(r"^    (\w+(?:, \w+)*):", text_of(function), re.MULTILINE)
    names = {word for line in described for word in line.split(", ")}
    assert [found.name for found in parameters_of(function) if found.name not in names] == []


@pytest.mark.parametrize("function", FUNCTIONS, ids=NAMED)
def test_each_public_duration_names_its_unit(function: Callable[..., Any]) -> None:
    unitless = [
        parameter.name
        for parameter in parameters_of(function)
        if "float" in str(parameter.annotation) and not parameter.name.endswith(("_s", "_ms"))
    ]
    assert unitless == []


def errors_of(function: Callable[..., Any]) -> list[str]:
    return re.findall(r"^    (\w+Error):", text_of(function), re.MULTILINE)


@pytest.mark.parametrize("name", ["judge", "Session", "RedisServer"])
def test_each_public_callable_that_can_fail_says_with_what(name: str) -> None:
    assert errors_of(getattr(midpipe, name))


@pytest.mark.parametrize("function", FUNCTIONS, ids=NAMED)
def test_each_error_that_a_public_callable_raises_is_public_and_described(
    function: Callable[..., Any],
) -> None:
    body = function.__init__ if isinstance(function, type) else function  # type: ignore[misc]
    raised = re.findall(r"\braise (\w+)", inspect.getsource(body))
    described = errors_of(function)
    assert [error for error in raised if error not in described] == []
    assert [error for error in described if error not in midpipe.__all__] == []


@pytest.mark.parametrize("value", VALUES)
def test_each_field_of_a_public_value_is_described(value: Any) -> None:
    lines = re.findall(r"^    (\w+(?:, \w+)*):", text_of(value), re.MULTILINE)
    described = {name for line in lines for name in line.split(", ")}
    fields = [field.name for field in dataclasses.fields(value) if not field.name.startswith("_")]
    assert [name for name in fields if name not in described] == []


@pytest.mark.parametrize("value", VALUES)
def test_each_float_field_of_a_public_value_has_a_unit(value: Any) -> None:
    text = text_of(value)
    unitless = [
        field.name
        for field in dataclasses.fields(value)
        if "float" in str(field.type)
        and not field.name.endswith(("_s", "_ms", "seconds"))
        and f"{field.name}:" not in text
    ]
    assert unitless == []

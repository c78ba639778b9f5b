"""Reads the signatures of a class from its source, without importing it. Pure, but for reading the file.

Blind to: methods of base classes in other files, and those that a decorator or a metaclass adds.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from midpipe.faultinject.errors import UsageError


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a method.

    Args:
        annotation: as the source has it; empty if there is none.
        default: the same; empty if the argument is required.
    """

    name: str
    annotation: str
    default: str = ""

    @property
    def is_required(self) -> bool:
        return not self.default


@dataclass(frozen=True, slots=True)
class Signature:
    """A method: its parameters without ``self``.

    Args:
        returns: the annotation of what it returns; empty if there is none.
        takes_any_name: it has a ``**`` parameter.
    """

    name: str
    parameters: tuple[Parameter, ...]
    is_async: bool
    returns: str = ""
    takes_any_name: bool = False


@dataclass(frozen=True, slots=True)
class ClassSignature:
    """A class.

    Args:
        constructor: the parameters of ``__init__``.
        methods: its public methods by name, in the order of the source.
        source: the text of its file without other classes.
    """

    name: str
    constructor: tuple[Parameter, ...]
    methods: Mapping[str, Signature]
    source: str


def read_class(file: Path, name: str) -> ClassSignature:
    """Read a class.

    Raises:
        UsageError: the file can't be read, is not Python, or has no such class.
    """
    try:
        text = file.read_text("utf-8")
        tree = ast.parse(text)
    except OSError as error:
        raise UsageError(f"{file} can't be read: {error.strerror}.") from None
    except (SyntaxError, ValueError) as error:
        raise UsageError(f"{file} is not Python: {error}.") from None
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    if name not in classes:
        known = ", ".join(classes) or "no class"
        raise UsageError(f"{file} has no class {name!r}. It has: {known}.")
    methods: dict[str, Signature] = {}
    lineage = _lineage(classes, name)
    source = text
    for other in classes.values():
        if other not in lineage:
            source = source.replace(ast.get_source_segment(text, other) or "", "")
    for node in lineage:
        for method in node.body:
            if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef):
                methods.setdefault(method.name, _signature(method))
    constructor = methods.pop("__init__", Signature("__init__", (), is_async=False))
    public = {known: found for known, found in methods.items() if not known.startswith("_")}
    return ClassSignature(name, constructor.parameters, public, source)


def _lineage(classes: Mapping[str, ast.ClassDef], name: str) -> list[ast.ClassDef]:
    """Return a class and its base classes in the same file, the class first."""
    found = [classes[name]]
    for node in found:
        for base in node.bases:
            known = classes.get(base.id) if isinstance(base, ast.Name) else None
            if known is not None and known not in found:
                found.append(known)
    return found


def _signature(method: ast.FunctionDef | ast.AsyncFunctionDef) -> Signature:
    arguments = method.args
    positional = (*arguments.posonlyargs, *arguments.args)
    is_static = any(
        isinstance(mark, ast.Name) and mark.id == "staticmethod" for mark in method.decorator_list
    )
    required: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults))
    parameters = [
        _parameter(*each) for each in zip(positional, [*required, *arguments.defaults], strict=True)
    ]
    parameters = parameters if is_static else parameters[1:]
    parameters += [
        _parameter(*each) for each in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    ]
    return Signature(
        method.name,
        tuple(parameters),
        is_async=isinstance(method, ast.AsyncFunctionDef),
        returns=_text(method.returns),
        takes_any_name=arguments.kwarg is not None,
    )


def _parameter(argument: ast.arg, default: ast.expr | None) -> Parameter:
    return Parameter(argument.arg, _text(argument.annotation), _text(default))


def _text(node: ast.expr | None) -> str:
    return ast.unparse(node) if node else ""

"""What can only be read in the source of a Python subject. Pure: source text in, findings out.

A reading answers with sentences of what is wrong, with line numbers; none means that it is not there. It
can't see through helper modules, and says nothing about a subject that is not one Python class.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

_TELLING = ("log", "record", "inc", "observe", "count", "metric", "warn", "debug", "info", "telemetry")

Reading = Callable[[ast.ClassDef], tuple[str, ...]]


def class_in(source: str, name: str) -> ast.ClassDef | None:
    """Return the class of that name, or None."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef) and node.name == name:
            return node
    return None


def imports_in_methods(subject: ast.ClassDef) -> tuple[str, ...]:
    """Find import statements inside methods."""
    return tuple(
        f"{method.name} imports inside the method (line {node.lineno})"
        for method in _methods(subject)
        for node in ast.walk(method)
        if isinstance(node, ast.Import | ast.ImportFrom)
    )


def silent_fallback(subject: ast.ClassDef) -> tuple[str, ...]:
    """Find a get_job that reads two schemas itself and tells nobody which one answered."""
    method = _method(subject, "get_job")
    if method is None:
        return ()
    calls = list(_calls(method))
    reads = [name for name in calls if "hgetall" in name.lower()]
    if len(reads) < 2 or any(_tells(name) for name in calls):
        return ()
    return (f"get_job reads two schemas and neither logs nor counts which (line {method.lineno})",)


def uncounted_updates(subject: ast.ClassDef) -> tuple[str, ...]:
    """Find an update_status that writes and counts nothing, where enqueue counts."""
    enqueue, update = _method(subject, "enqueue"), _method(subject, "update_status")
    if enqueue is None or update is None:
        return ()
    if any("record" in name for name in _calls(enqueue)) and not any(
        "record" in name for name in _calls(update)
    ):
        return (f"update_status counts no dual write (line {update.lineno})",)
    return ()


def tracebacks_in_logs(subject: ast.ClassDef) -> tuple[str, ...]:
    """Find error logs that carry a traceback."""
    return tuple(
        f"{method.name} logs with a traceback (line {node.lineno})"
        for method in _methods(subject)
        for node in ast.walk(method)
        if isinstance(node, ast.Call) and _logs_traceback(node)
    )


def _logs_traceback(call: ast.Call) -> bool:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    asked = any(
        word.arg == "exc_info" and not (isinstance(word.value, ast.Constant) and not word.value.value)
        for word in call.keywords
    )
    return name == "exception" or (asked and name in ("error", "warning", "critical"))


def _methods(subject: ast.ClassDef) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in subject.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _method(subject: ast.ClassDef, name: str) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    return next((method for method in _methods(subject) if method.name == name), None)


def _calls(node: ast.AST) -> Iterator[str]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Call):
            function = inner.func
            if isinstance(function, ast.Attribute):
                yield ast.unparse(function)
            elif isinstance(function, ast.Name):
                yield function.id


def _tells(name: str) -> bool:
    return any(word in name.lower().rpartition(".")[2] or f"{word}." in name.lower() for word in _TELLING)


READINGS: Mapping[str, Reading] = MappingProxyType(
    {
        reading.__name__: reading
        for reading in (imports_in_methods, silent_fallback, uncounted_updates, tracebacks_in_logs)
    }
)

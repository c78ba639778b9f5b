"""Checks of a Python subject's source code, for issues without visible behaviour. Pure: text in, sentences out.

A check returns a sentence with a line number for each place that has the issue. It does not follow calls into helper
modules, and knows nothing of subjects that are not Python classes.
"""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType

_REPORTING = (
    "log",
    "record",
    "inc",
    "observe",
    "count",
    "metric",
    "warn",
    "debug",
    "info",
    "telemetry",
)

Function = ast.FunctionDef | ast.AsyncFunctionDef
Methods = Mapping[str, Function]
SourceCheck = Callable[[Methods], tuple[str, ...]]


def methods_in(sources: Iterable[tuple[str, str, int]]) -> Methods:
    """Parse the methods into syntax trees with the line numbers of their file.

    Args:
        sources: name, text and first line number of each.
    """
    found: dict[str, Function] = {}
    for name, text, first_line in sources:
        tree = ast.parse(textwrap.dedent(text))
        node = tree.body[0]
        if isinstance(node, Function):
            found[name] = ast.increment_lineno(node, first_line - 1)
    return found


def imports_in_methods(methods: Methods) -> tuple[str, ...]:
    """Find import statements inside methods."""
    return tuple(
        f"{method.name} imports inside the method (line {node.lineno})"
        for method in methods.values()
        for node in ast.walk(method)
        if isinstance(node, ast.Import | ast.ImportFrom)
    )


def silent_fallback(methods: Methods) -> tuple[str, ...]:
    """Find a get_job that reads two schemas and neither logs nor counts which one answered."""
    method = methods.get("get_job")
    if method is None:
        return ()
    calls = list(_calls(method))
    reads = [name for name in calls if "hgetall" in name.lower()]
    if len(reads) < 2 or any(_reports(name) for name in calls):
        return ()
    return (f"get_job reads two schemas and neither logs nor counts which (line {method.lineno})",)


def uncounted_updates(methods: Methods) -> tuple[str, ...]:
    """Find an update_status that counts nothing although enqueue counts."""
    enqueue, update = methods.get("enqueue"), methods.get("update_status")
    if enqueue is None or update is None:
        return ()
    if any("record" in name for name in _calls(enqueue)) and not any(
        "record" in name for name in _calls(update)
    ):
        return (f"update_status counts no dual write (line {update.lineno})",)
    return ()


def tracebacks_in_logs(methods: Methods) -> tuple[str, ...]:
    """Find log calls at WARNING or above that carry a traceback."""
    return tuple(
        f"{method.name} logs with a traceback (line {node.lineno})"
        for method in methods.values()
        for node in ast.walk(method)
        if isinstance(node, ast.Call) and _logs_traceback(node)
    )


def _logs_traceback(call: ast.Call) -> bool:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    has_exc_info = any(
        word.arg == "exc_info"
        and not (isinstance(word.value, ast.Constant) and not word.value.value)
        for word in call.keywords
    )
    return name == "exception" or (has_exc_info and name in ("error", "warning", "critical"))


def _calls(node: ast.AST) -> Iterator[str]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Call):
            function = inner.func
            if isinstance(function, ast.Attribute):
                yield ast.unparse(function)
            elif isinstance(function, ast.Name):
                yield function.id


def _reports(name: str) -> bool:
    return any(
        word in name.lower().rpartition(".")[2] or f"{word}." in name.lower() for word in _REPORTING
    )


SOURCE_CHECKS: Mapping[str, SourceCheck] = MappingProxyType(
    {
        check.__name__: check
        for check in (imports_in_methods, silent_fallback, uncounted_updates, tracebacks_in_logs)
    }
)

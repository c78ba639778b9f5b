"""The contract's calls as the subject's process makes them: by name, with only the arguments that each call takes.

Imports nothing of midpipe's and runs on Python 3.8, because it is loaded into the subject's process.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

CALLS = (
    "enqueue",
    "work",
    "claim",
    "heartbeat",
    "complete",
    "fail",
    "give_back",
    "dequeue",
    "tick",
    "get_job",
    "list_jobs",
    "update_status",
    "cancel",
    "depth",
    "get_queue_depth",
    "backfill",
    "backfill_step",
    "cleanup",
)
ALIASES = {"payload": "params", "request_id": "client_request_id"}
"""Names under which a call may ask for an argument of another name."""
_MOST_NAMES = 8


def factory_in(module: Any, name: str) -> Any:
    """Return what a module has under a name. Raises AttributeError, which says what the module has instead."""
    try:
        return getattr(module, name)
    except AttributeError:
        package = module.__name__.partition(".")[0]
        own = [
            each
            for each, value in vars(module).items()
            if callable(value)
            and str(getattr(value, "__module__", "")).partition(".")[0] == package
        ]
        has = ", ".join(own[:_MOST_NAMES]) or "no class"
        raise AttributeError(f"{module.__name__} has no attribute {name!r}; it has {has}") from None


def constructed(factory: Any, url: str) -> Any:
    """Make an instance: with the Redis URL, and with those of its parts that the constructor asks for by name.

    They are ``plain_url``, the URL without its query, and ``socket_timeout_s`` and ``connect_timeout_s``, for drivers
    that do not read the time-outs from the URL.
    """
    parts = urlsplit(url)
    asked = dict(parse_qsl(parts.query))
    offered: dict[str, Any] = {
        f"{name}_timeout_s": float(asked[key])
        for name, key in (("socket", "socket_timeout"), ("connect", "socket_connect_timeout"))
        if key in asked
    }
    offered["plain_url"] = urlunsplit(parts._replace(query=""))
    try:
        names = _parameters_of(factory)
    except (TypeError, ValueError):
        return factory(url)
    taken = {name: value for name, value in offered.items() if name in names}
    return factory(**taken) if "plain_url" in taken else factory(url, **taken)


def read_signatures(factory: Any) -> None:
    """Read the signatures of a class and of its calls once, so that processes that are forked later need not."""
    functions = [getattr(factory, name) for name in calls_of(factory)] if _is_class(factory) else []
    with suppress(TypeError, ValueError):
        _parameters_of(factory)
    for function in functions:
        with suppress(TypeError, ValueError):
            _parameters_of(types.MethodType(function, factory))


def _parameters_of(call: Any) -> Mapping[str, inspect.Parameter]:
    """Return the parameters with which something can be called. Raises TypeError or ValueError if it has none."""
    function = call.__func__ if isinstance(call, types.MethodType) else call
    if isinstance(function, types.FunctionType) or _is_class(call):
        return _known_parameters(function, function is not call)
    return inspect.signature(call).parameters


@functools.lru_cache(maxsize=512)
def _known_parameters(function: Any, is_bound: bool) -> Mapping[str, inspect.Parameter]:
    # Reading a signature takes as long as a whole call of a small subject.
    call = types.MethodType(function, function) if is_bound else function
    return inspect.signature(call).parameters


def _is_class(factory: Any) -> bool:
    """Whether it is a class without a metaclass, which might make it unhashable."""
    return type(factory) is type


def calls_of(kind: type) -> list[str]:
    """Return the contract's calls that a class has."""
    return [name for name in CALLS if callable(getattr(kind, name, None))]


def accepted_by(call: Any) -> list[str] | None:
    """Return the names of the arguments that a call takes, as midpipe offers them; None if it takes any."""
    try:
        parameters = _parameters_of(call).values()
    except (TypeError, ValueError):
        return None
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return None
    named = [
        parameter.name for parameter in parameters if parameter.kind is not parameter.VAR_POSITIONAL
    ]
    return [ALIASES.get(name, name) for name in named]


def arguments_for(call: Any, offered: dict[str, Any]) -> dict[str, Any]:
    """Return those of the offered arguments that a call takes, under the names that it gives them."""
    try:
        parameters = _parameters_of(call)
    except (TypeError, ValueError):
        return offered
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return offered
    found = {}
    for name in parameters:
        offered_as = name if name in offered else ALIASES.get(name, name)
        if offered_as in offered:
            found[name] = offered[offered_as]
    return found


def background_of(instance: Any) -> list[str]:
    """Return the commands that a subject declares as sent in the background, in its attribute ``background``."""
    declared = getattr(instance, "background", None)
    return [str(each) for each in declared] if isinstance(declared, (list, tuple)) else []


def promises_of(instance: Any) -> dict[str, Any]:
    """Return what a subject declares in its attribute ``promises``; empty if that is not a mapping."""
    declared = getattr(instance, "promises", None)
    if not isinstance(declared, dict):
        return {}
    return {str(name): value for name, value in declared.items()}

"""Writes the text of an adapter for a team's own queue, whose methods' parts are known. Pure.

A queue whose worker is a loop around ``pop`` (and ``ack``) gets a ``work`` that is this loop with the job's body of
midpipe. The names, annotations and defaults of parameters decide what they are given.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from midpipe.faultinject.errors import UsageError
from midpipe.scenarios.subjects.roles import IDS, id_parameter
from midpipe.scenarios.subjects.signatures import ClassSignature, Parameter, Signature

_PAYLOADS = (
    *(
        "payload",
        "data",
        "body",
        "job",
        "task",
        "message",
        "msg",
        "item",
        "event",
        "params",
        "args",
    ),
    *("kwargs", "fields", "value", "content", "obj"),
)
_RECEIPTS = ("entry_id", "message_id", "msg_id", "receipt", "stream_id")
_HANDLERS = ("handler", "callback", "func", "fn", "function", "body", "process")
_COUNTS = ("jobs", "count", "max_jobs", "limit", "n")
_WAITS = ("timeout", "block", "wait", "idle")
_DELAYS = ("delay", "delay_s", "delay_seconds", "countdown")
_CLIENTS = (
    *("redis", "client", "connection", "conn", "r", "rdb", "db"),
    *("redis_client", "redis_conn", "redis_connection"),
)
_URLS = ("url", "redis_url", "dsn", "uri")
_PLACES = MappingProxyType(
    {
        **dict.fromkeys(("host", "hostname", "redis_host"), "urlsplit(url).hostname"),
        **dict.fromkeys(("port", "redis_port"), "urlsplit(url).port"),
    }
)
_NAMES = (
    *("name", "queue", "queue_name", "key", "prefix", "namespace", "stream", "group"),
    *("consumer", "worker", "worker_id", "consumer_name", "group_name"),
)
_WHOLE = '{"job_id": job_id, "payload": payload}'


@dataclass(frozen=True, slots=True)
class Plan:
    """What an adapter is made of.

    Args:
        module: what the adapter imports the class from.
        roles: the class's methods by the part that they play.
        promises: by name.
    """

    module: str
    kind: ClassSignature
    roles: Mapping[str, Signature]
    promises: Mapping[str, str | float] = field(default_factory=dict)


def adapter_text(plan: Plan) -> str:
    """Return the adapter's source. Raises UsageError if a required argument has no known meaning."""
    kind, roles = plan.kind, plan.roles
    work = _worker(roles["work"], kind) if "work" in roles else _loop(roles)
    methods = [_enqueue(roles["enqueue"]), work]
    if "tick" in roles:
        tick = roles["tick"]
        call = _call(tick, {})
        methods.append(_method(tick, "tick(self)", "Do the periodic work once.", [call]))
    constructor = _constructor(kind, roles)
    text = "\n\n".join(textwrap.indent(method, "    ") for method in methods)
    imports = "import redis\n" if "redis." in constructor else ""
    standard = "import json\n" if "json." in text else ""
    standard += "from urllib.parse import urlsplit\n" if "urlsplit(" in constructor else ""
    standard += "\n" if standard else ""
    promises = "".join(
        f"        {name!r}: {value!r},\n".replace("'", '"') for name, value in plan.promises.items()
    )
    return (
        f'"""midpipe\'s adapter of {kind.name}, written by `midpipe init`: it maps calls and does nothing else."""\n\n'
        f"{standard}import midpipe_job  # midpipe puts it on the path\n{imports}\n"
        f"from {plan.module} import {kind.name}\n\n\n"
        "class Queue:\n"
        "    # What midpipe holds the queue to: edit it to what you promise (docs/promises.md).\n"
        f"    promises = {{\n{promises}    }}\n\n"
        f"    def __init__(self, url):\n        self.queue = {constructor}\n\n{text}\n"
    )


def _method(like: Signature, head: str, says: str, lines: Sequence[str]) -> str:
    body = "\n".join(f"    {line}" for line in lines)
    return f'{"async " if like.is_async else ""}def {head}:\n    """{says}"""\n{body}'


def _enqueue(method: Signature) -> str:
    known_id = id_parameter(method)
    values = {known_id: "job_id"} if known_id else {}
    if payload := _payload(method):
        is_text = payload.annotation in ("str", "bytes")
        values[payload.name] = f"json.dumps({_WHOLE})" if is_text else _WHOLE
    if method.takes_any_name and not payload:
        values.update(job_id="job_id", payload="json.dumps(payload)")
    if not values:
        raise UsageError(f"{method.name} takes no argument that could be a job.")
    delays = [p.name for p in method.parameters if p.name in _DELAYS]
    values.update(dict.fromkeys(delays[:1], "delay_s"))
    head = f"enqueue(self, job_id, payload=None{', delay_s=0' if delays else ''})"
    # Only a declared truth value says whether the job was in already; a length or an id says nothing of that kind.
    answer = "return " if method.returns == "bool" else ""
    return _method(method, head, "Put a job in.", [f"{answer}{_call(method, values)}"])


def _payload(method: Signature) -> Parameter | None:
    """Return the parameter that takes a job's data; None if there is none."""
    others = [parameter for parameter in method.parameters if parameter.name not in IDS]
    named = sorted(
        (parameter for parameter in others if parameter.name in _PAYLOADS),
        key=lambda parameter: _PAYLOADS.index(parameter.name),
    )
    required = [p for p in others if p.is_required and p.name not in _NAMES]
    optional = [p for p in others[:1] if id_parameter(method) and not _is_number(p)]
    return next(iter((*named, *required, *optional)), None)


def _is_number(parameter: Parameter) -> bool:
    has_one = parameter.default.replace(".", "").isdigit() or parameter.default in ("True", "False")
    return has_one or parameter.annotation in ("int", "float", "bool")


def _worker(method: Signature, kind: ClassSignature) -> str:
    """Return a ``work`` that calls the queue's own worker."""
    values: dict[str, str] = {}
    for parameter in method.parameters:
        if parameter.name in _HANDLERS:
            values[parameter.name] = _handler(kind)
        elif parameter.name in _COUNTS:
            values[parameter.name] = "jobs"
        elif wait := _wait(parameter):
            values[parameter.name] = wait
    call = _call(method, values)
    is_counted = "jobs" in values.values()
    lines = [call] if is_counted else ["for _ in range(jobs):", f"    {call}"]
    says = "Run the queue's worker until it has run so many jobs or gets none."
    return _method(method, "work(self, jobs=1)", says, lines)


def _loop(roles: Mapping[str, Signature]) -> str:
    """Return a ``work`` that is the loop of a worker: take a job, run it, acknowledge it."""
    pop, ack, fail = roles["pop"], roles.get("ack"), roles.get("fail")
    values = {p.name: wait for p in pop.parameters if (wait := _wait(p))}
    values.update({p.name: "1" for p in pop.parameters if p.name in _COUNTS})
    names_jobs = bool(id_parameter(roles["enqueue"]))
    lines = [
        "for _ in range(jobs):",
        f"    taken = {_call(pop, values)}",
        "    if not taken:",
        "        return",
    ]
    run = "midpipe_job.run_taken(taken)"
    if fail is None:
        lines.append(f"    {run}")
    else:
        lines += ["    try:", f"        {run}", "    except midpipe_job.JobFailedError:"]
        lines += [f"        {_call(fail, _taken(fail, names_jobs))}", "        continue"]
    if ack is not None:
        lines.append(f"    {_call(ack, _taken(ack, names_jobs))}")
    says = "Take jobs, run each and acknowledge it, as a worker does."
    return _method(pop, "work(self, jobs=1)", says, lines)


def _taken(method: Signature, names_jobs: bool) -> dict[str, str]:
    """Return what a method that ends a job is given of what was taken.

    Args:
        names_jobs: the caller chooses the ids of jobs; otherwise an id is what the queue calls the job.
    """
    values: dict[str, str] = {}
    for parameter in method.parameters:
        if parameter.name in IDS and names_jobs:
            values[parameter.name] = "midpipe_job.id_of(taken)"
        elif parameter.name in (*IDS, *_RECEIPTS):
            values[parameter.name] = "midpipe_job.receipt_of(taken)"
        elif parameter.is_required and not values:
            values[parameter.name] = "taken"
    return values


def _wait(parameter: Parameter) -> str:
    """Return how long a parameter says to wait for a job, in its unit; empty if it says nothing of that kind."""
    words = parameter.name.split("_")
    is_wait = any(word in _WAITS for word in words) and parameter.annotation != "bool"
    if not is_wait or parameter.default in ("True", "False"):
        return ""
    if words[-1] in ("ms", "millis", "milliseconds"):
        return "200"
    return "1" if parameter.annotation == "int" else "0.2"


def _handler(kind: ClassSignature) -> str:
    """Return the body of a job, a coroutine function if the queue's code awaits what handlers return."""
    awaits = any(
        f"await {prefix}{name}(" in kind.source
        for name in _HANDLERS
        for prefix in ("", "self.", "self._")
    )
    return "midpipe_job.run_taken_async" if awaits else "midpipe_job.run_taken"


def _call(method: Signature, values: Mapping[str, str]) -> str:
    """Return a call of the queue's method, with what its further required arguments can be guessed to be."""
    given = {**_guessed(method.name, method.parameters, values), **values}
    names = dict.fromkeys((*(parameter.name for parameter in method.parameters), *given))
    named = ", ".join(f"{name}={given[name]}" for name in names if name in given)
    return f"{'await ' if method.is_async else ''}self.queue.{method.name}({named})"


def _constructor(kind: ClassSignature, roles: Mapping[str, Signature]) -> str:
    values: dict[str, str] = {}
    is_async = any(method.is_async for method in roles.values())
    client = "redis.asyncio.Redis" if is_async else "redis.Redis"
    for parameter in kind.constructor:
        if _is_client(parameter):
            decodes = ", decode_responses=True" if _expects_text(kind.source) else ""
            values[parameter.name] = f"{client}.from_url(url{decodes})"
        elif parameter.name in _URLS:
            values[parameter.name] = "url"
        elif parameter.name in _PLACES:
            values[parameter.name] = _PLACES[parameter.name]
    if not values:
        raise UsageError(
            f"The constructor of {kind.name} takes neither a Redis URL, nor a host and a port, nor a client "
            f"({', '.join((*_URLS, *_PLACES, *_CLIENTS))}), so midpipe can't give it its own. Let it take one, or "
            "write the adapter yourself (docs/worker.md)."
        )
    handlers = {p.name for p in kind.constructor if p.name in _HANDLERS}
    if "work" in roles and not any(p.name in _HANDLERS for p in roles["work"].parameters):
        values.update(dict.fromkeys(handlers, _handler(kind)))
    given = {**_guessed(kind.name, kind.constructor, values), **values}
    return f"{kind.name}({', '.join(f'{name}={value}' for name, value in given.items())})"


def _is_client(parameter: Parameter) -> bool:
    """Whether a parameter takes a Redis client; a number, as of a database, is none."""
    is_named = parameter.name in _CLIENTS and not parameter.default.isdigit()
    return (is_named and parameter.annotation != "int") or "Redis" in parameter.annotation


def _expects_text(source: str) -> bool:
    """Whether the queue's code makes its own client with decoded replies, so that it expects text."""
    return "decode_responses=True" in source and ".decode(" not in source


def _guessed(
    where: str, parameters: Sequence[Parameter], known: Mapping[str, str]
) -> dict[str, str]:
    found = {}
    for parameter in parameters:
        if not parameter.is_required or parameter.name in known:
            continue
        if parameter.name not in _NAMES:
            raise UsageError(
                f"{where} needs an argument {parameter.name!r}, and midpipe does not know what it means. Give it a "
                "default, or write the adapter yourself (docs/worker.md)."
            )
        found[parameter.name] = '"midpipe"'
    return found

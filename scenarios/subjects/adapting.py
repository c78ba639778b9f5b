"""Writes an adapter for a team's own queue: which of its methods is which call of the contract, and the adapter's text.

Pure. A queue whose worker is a loop around ``pop`` (and ``ack``) gets a ``work`` that is this loop with the job's body
of midpipe. The names of methods and parameters decide; what they don't show the user says.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from types import MappingProxyType

from midpipe.faultinject.errors import UsageError
from midpipe.scenarios.subjects.signatures import ClassSignature, Parameter, Signature

ROLES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "enqueue": ("enqueue", "push", "put", "add", "submit", "send", "publish", "produce"),
        "work": ("work", "consume", "process", "run"),
        "pop": ("pop", "dequeue", "take", "fetch", "reserve", "claim", "receive", "read", "get"),
        "ack": ("ack", "acknowledge", "complete", "done", "finish", "remove", "delete"),
        "fail": ("nack", "fail", "reject", "retry", "release"),
        "tick": ("tick", "reap", "recover", "requeue", "reclaim", "sweep", "promote", "autoclaim"),
    }
)
"""The parts that a queue's methods may play, and the first words of the names that such methods have."""

_IDS = ("job_id", "id", "task_id", "jid", "identifier")
_ENTRY_IDS = ("entry_id", "message_id", "msg_id", "receipt", "stream_id")
_HANDLERS = ("handler", "callback", "func", "fn", "function", "body", "process")
_COUNTS = ("jobs", "count", "max_jobs", "limit", "n")
_WAITS = ("timeout", "timeout_s", "block", "wait", "wait_s", "idle_s")
_CLIENTS = ("redis", "client", "connection", "conn", "r", "redis_client")
_URLS = ("url", "redis_url", "dsn", "uri")
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


def roles_of(kind: ClassSignature, given: Mapping[str, str]) -> dict[str, Signature]:
    """Return which method plays which part.

    Args:
        given: the name of a method by its part, as the user says; counts more than a guess.

    Raises:
        UsageError: the user names what does not exist.
    """
    found: dict[str, Signature] = {}
    for role, name in given.items():
        if role not in ROLES:
            raise UsageError(f"There is no part {role!r} of a queue; there are {', '.join(ROLES)}.")
        if name not in kind.methods:
            near = get_close_matches(name, kind.methods, 1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise UsageError(f"{kind.name} has no method {name!r}.{hint}")
        found[role] = kind.methods[name]
    for role, words in ROLES.items():
        free = [
            method
            for method in kind.methods.values()
            if method not in found.values() and method.name.split("_")[0] in words
        ]
        free.sort(key=lambda method: (method.name not in words, words.index(_first(method))))
        if role not in found and free:
            found[role] = free[0]
    return found


def missing_roles(roles: Mapping[str, Signature]) -> tuple[str, ...]:
    """Return the parts without which there is nothing to judge."""
    missing = [] if "enqueue" in roles else ["enqueue"]
    return (*missing, *(() if {"work", "pop"} & roles.keys() else ("pop",)))


def inferred_promises(roles: Mapping[str, Signature]) -> dict[str, str | float]:
    """Return what the calls suggest: a queue whose jobs are acknowledged delivers at least once, another at most."""
    is_acknowledged = "ack" in roles or "work" in roles
    return {
        "delivery": "at-least-once" if is_acknowledged else "at-most-once",
        "after_crash": "reruns" if is_acknowledged else "lost",
        "deduplicates": "none",
        "order": "none",
    }


def adapter_text(plan: Plan) -> str:
    """Return the adapter's source. Raises UsageError if a required argument has no known meaning."""
    kind, roles = plan.kind, plan.roles
    work = _worker(roles["work"]) if "work" in roles else _loop(roles)
    methods = [_enqueue(roles["enqueue"]), work]
    if "tick" in roles:
        tick = roles["tick"]
        call = _call(tick, {})
        methods.append(_method(tick, "tick(self)", "Do the periodic work once.", [call]))
    constructor = _constructor(kind, is_async=any(method.is_async for method in roles.values()))
    text = "\n\n".join(textwrap.indent(method, "    ") for method in methods)
    imports = "import redis\n" if "redis." in constructor else ""
    json = "import json\n\n" if "json." in text else ""
    promises = "".join(
        f"        {name!r}: {value!r},\n".replace("'", '"') for name, value in plan.promises.items()
    )
    return (
        f'"""midpipe\'s adapter of {kind.name}, written by `midpipe init`: it maps calls and does nothing else."""\n\n'
        f"{json}import midpipe_job  # midpipe puts it on the path\n{imports}\n"
        f"from {plan.module} import {kind.name}\n\n\n"
        "class Queue:\n"
        "    # What midpipe holds the queue to: edit it to what you promise (docs/promises.md).\n"
        f"    promises = {{\n{promises}    }}\n\n"
        f"    def __init__(self, url):\n        self.queue = {constructor}\n\n{text}\n"
    )


def _first(method: Signature) -> str:
    return method.name.split("_")[0]


def _method(like: Signature, head: str, says: str, lines: Sequence[str]) -> str:
    body = "\n".join(f"    {line}" for line in lines)
    return f'{"async " if like.is_async else ""}def {head}:\n    """{says}"""\n{body}'


def _enqueue(method: Signature) -> str:
    names = [parameter.name for parameter in method.parameters]
    has_id = any(name in _IDS for name in names)
    values: dict[str, str] = {name: "job_id" for name in names if name in _IDS}
    others = [p for p in method.parameters if p.name not in _IDS]
    for number, parameter in enumerate(others):
        if number == 0 and (parameter.is_required or has_id):
            whole = "payload" if has_id else _WHOLE
            is_text = parameter.annotation in ("str", "bytes")
            values[parameter.name] = f"json.dumps({whole})" if is_text else whole
    if not values:
        raise UsageError(f"{method.name} takes no argument that could be a job.")
    head = "enqueue(self, job_id, payload=None)"
    # Only a declared truth value says whether the job was in already; a length or an id says nothing of that kind.
    answer = "return " if method.returns == "bool" else ""
    return _method(method, head, "Put a job in.", [f"{answer}{_call(method, values)}"])


def _worker(method: Signature) -> str:
    """Return a ``work`` that calls the queue's own worker."""
    values: dict[str, str] = {}
    for parameter in method.parameters:
        if parameter.name in _HANDLERS:
            values[parameter.name] = "midpipe_job.run_taken"
        elif parameter.name in _COUNTS:
            values[parameter.name] = "jobs"
        elif parameter.name in _WAITS:
            values[parameter.name] = _wait(parameter)
    call = _call(method, values)
    is_counted = "jobs" in values.values()
    lines = [call] if is_counted else ["for _ in range(jobs):", f"    {call}"]
    says = "Run the queue's worker until it has run so many jobs or gets none."
    return _method(method, "work(self, jobs=1)", says, lines)


def _loop(roles: Mapping[str, Signature]) -> str:
    """Return a ``work`` that is the loop of a worker: take a job, run it, acknowledge it."""
    pop, ack, fail = roles["pop"], roles.get("ack"), roles.get("fail")
    values = {p.name: _wait(p) for p in pop.parameters if p.name in _WAITS}
    values.update({p.name: "1" for p in pop.parameters if p.name in _COUNTS})
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
        lines += [f"        {_call(fail, _taken(fail))}", "        continue"]
    if ack is not None:
        lines.append(f"    {_call(ack, _taken(ack))}")
    says = "Take jobs, run each and acknowledge it, as a worker does."
    return _method(pop, "work(self, jobs=1)", says, lines)


def _taken(method: Signature) -> dict[str, str]:
    """Return what a method that ends a job is given of what was taken."""
    values: dict[str, str] = {}
    for parameter in method.parameters:
        if parameter.name in _IDS:
            values[parameter.name] = "midpipe_job.id_of(taken)"
        elif parameter.name in _ENTRY_IDS:
            values[parameter.name] = "taken[0]"
        elif parameter.is_required and not values:
            values[parameter.name] = "taken"
    return values


def _wait(parameter: Parameter) -> str:
    return "1" if parameter.annotation == "int" else "0.2"


def _call(method: Signature, values: Mapping[str, str]) -> str:
    """Return a call of the queue's method, with what its further required arguments can be guessed to be."""
    given = {**_guessed(method.name, method.parameters, values), **values}
    named = ", ".join(
        f"{parameter.name}={given[parameter.name]}"
        for parameter in method.parameters
        if parameter.name in given
    )
    return f"{'await ' if method.is_async else ''}self.queue.{method.name}({named})"


def _constructor(kind: ClassSignature, *, is_async: bool) -> str:
    values: dict[str, str] = {}
    client = "redis.asyncio.Redis" if is_async else "redis.Redis"
    for parameter in kind.constructor:
        if parameter.name in _CLIENTS or "Redis" in parameter.annotation:
            decodes = ", decode_responses=True" if _expects_text(kind.source) else ""
            values[parameter.name] = f"{client}.from_url(url{decodes})"
        elif parameter.name in _URLS:
            values[parameter.name] = "url"
    if not values:
        raise UsageError(
            f"The constructor of {kind.name} takes neither a Redis URL nor a client "
            f"({', '.join((*_URLS, *_CLIENTS))}), so midpipe can't give it its own."
        )
    given = {**_guessed(kind.name, kind.constructor, values), **values}
    return f"{kind.name}({', '.join(f'{name}={value}' for name, value in given.items())})"


def _expects_text(source: str) -> bool:
    """Whether the queue's code makes its own client with decoded replies, so that it expects text."""
    return "decode_responses=True" in source


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

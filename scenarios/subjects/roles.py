"""Which method of a team's queue plays which part: puts a job in, takes one, ends it, does the periodic work. Pure.

The words in the names of the methods decide, and what each method requires. What they don't show the user says.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType

from midpipe.faultinject.errors import UsageError
from midpipe.scenarios.subjects.signatures import ClassSignature, Signature

_PUT = ("enqueue", "push", "put", "add", "submit", "send", "publish", "produce", "schedule")
_MORE_PUT = ("create", "insert", "append", "dispatch", "emit", "delay")
_TAKE = ("pop", "dequeue", "take", "fetch", "reserve", "claim", "lease", "receive", "read")
_END = ("ack", "acknowledge", "complete", "done", "finish", "remove", "delete", "confirm", "commit")
_PERIODIC = ("tick", "reap", "recover", "requeue", "reclaim", "sweep", "promote", "autoclaim")
ROLES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "enqueue": (*_PUT, *_MORE_PUT),
        "work": ("work", "consume", "process", "run", "handle"),
        "pop": (*_TAKE, "get", "next", "poll"),
        "ack": _END,
        "fail": ("nack", "fail", "reject", "retry", "release"),
        "tick": (*_PERIODIC, "restore", "maintain", "maintenance", "redeliver"),
    }
)
"""The parts that a queue's methods may play, and the words in the names that such methods have."""

IDS = ("job_id", "id", "task_id", "jid", "identifier")
"""The names of a job's id as an argument."""
_GIVEN_A_JOB = ("enqueue", "ack", "fail")


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
    for place in (_first_word, _any_word):
        for role, words in ROLES.items():
            free = [
                method
                for method in kind.methods.values()
                if method not in found.values() and place(method, words) and _can_be(role, method)
            ]
            free.sort(key=lambda method: (method.name not in words, place(method, words)))
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


def id_parameter(method: Signature) -> str:
    """Return the name of the parameter by which a method is given a job's id; empty if there is none."""
    names = [parameter.name for parameter in method.parameters]
    return next((name for name in IDS if name in names), "")


def _first_word(method: Signature, words: tuple[str, ...]) -> int:
    """Return the place, from 1, of the first word of the method's name among the words; 0 if it is not there."""
    word = method.name.split("_")[0]
    return words.index(word) + 1 if word in words else 0


def _any_word(method: Signature, words: tuple[str, ...]) -> int:
    """Return the same of whichever word of the name comes first among the words."""
    places = [words.index(word) + 1 for word in method.name.split("_") if word in words]
    return min(places, default=0)


def _can_be(role: str, method: Signature) -> bool:
    """Whether the arguments of a method allow it to play a part."""
    if role in _GIVEN_A_JOB:
        return bool(method.parameters) or method.takes_any_name
    if role == "pop":
        # Such a method looks a known job up.
        return not any(p.is_required and p.name in IDS for p in method.parameters)
    return role != "tick" or not any(p.is_required for p in method.parameters)

"""The atomic steps, as scripts on the server: one round trip each, and right at every point of a cut.

EVALSHA first; a server that does not know the script answers NOSCRIPT and has done nothing, so the whole
script is sent then. There is no SCRIPT LOAD in between that could be cut off from its use.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisClusterException

from .driver import pipeline_to
from .errors import NotDurableError
from .keys import SHARED

DEFAULT_WAIT_MS = 1_000
# Steps that write nothing, so that there is nothing to wait for.
_READS = ("get", "list")


@dataclass(frozen=True, slots=True)
class Durability:
    """What must have a write before a call returns. Without it: the primary's memory, and whatever that keeps.

    Args:
        replicas: so many have received it (WAIT). Survives the loss of the primary if one of them takes over; not if
            another one does, and not the loss of all of them at once.
        disk: the primary's append-only file is synced, and that of the replicas asked for (WAITAOF, Redis 7.2 on, with
            ``appendonly yes``). Survives a power loss of all of them.
        within_ms: for how long to wait; a socket's time-out that is no longer comes first.
    """

    replicas: int = 0
    disk: bool = False
    within_ms: int = DEFAULT_WAIT_MS

    def command(self) -> tuple[str | int, ...]:
        if self.disk:
            return ("WAITAOF", 1, self.replicas, self.within_ms)
        return ("WAIT", self.replicas, self.within_ms)

    def is_met(self, answer: Any) -> bool:
        if self.disk:
            return bool(answer[0] >= 1 and answer[1] >= self.replicas)
        return bool(answer >= self.replicas)


def durability_from(environment: Mapping[str, str] = os.environ) -> Durability | None:
    """Return what AI_JOBS_WAIT_REPLICAS (how many), AI_JOBS_WAIT_DISK (on or off) and AI_JOBS_WAIT_MS ask for.

    Raises:
        ValueError: one of them can't be read.
    """
    replicas = _number(environment, "AI_JOBS_WAIT_REPLICAS", 0)
    disk = environment.get("AI_JOBS_WAIT_DISK", "off")
    if disk not in ("on", "off"):
        raise ValueError(f"AI_JOBS_WAIT_DISK must be on or off; got {disk!r}")
    if not replicas and disk == "off":
        return None
    within_ms = _number(environment, "AI_JOBS_WAIT_MS", DEFAULT_WAIT_MS)
    return Durability(replicas, disk == "on", within_ms)


def _number(environment: Mapping[str, str], name: str, default: int) -> int:
    value = environment.get(name, str(default))
    if not (value.isascii() and value.isdigit()):
        raise ValueError(f"{name} must be a whole number; got {value!r}")
    return int(value)


@dataclass(frozen=True, slots=True)
class Steps:
    """Runs steps for one queue.

    Args:
        client: a driver with ``decode_responses=True``.
        prefix: before every key.
        durability: what must have each write before it counts as done.
    """

    client: Any
    prefix: str = ""
    durability: Durability | None = None

    def run(self, name: str, *arguments: str | int) -> Any:
        """Run the step of ``lua/<name>.lua`` and return its reply.

        Raises:
            NotDurableError: it ran, and not enough have it.
            redis.RedisError: the driver's errors; it ran, or it did not.
        """
        text, sha = _script(name)
        keys = [self.prefix + key for key in SHARED]
        words = (len(keys), *keys, self.prefix, *arguments)
        try:
            return self._sent(name, "EVALSHA", sha, *words)
        except NoScriptError:
            return self._sent(name, "EVAL", text, *words)

    def _sent(self, name: str, *command: str | int) -> Any:
        try:
            return self._answer(name, *command)
        except RedisClusterException as error:
            # Not one of the driver's own RedisErrors; to a caller it is a server that can't be reached.
            raise RedisConnectionError(str(error)) from error

    def _answer(self, name: str, *command: str | int) -> Any:
        if self.durability is None or name in _READS:
            return self.client.execute_command(*command)
        # On one connection, because WAIT speaks of what this connection wrote.
        with pipeline_to(self.client, self.prefix) as pipeline:
            pipeline.execute_command(*command)
            pipeline.execute_command(*self.durability.command())
            answer, had = pipeline.execute(raise_on_error=False)
            for reply in (answer, had):
                if isinstance(reply, Exception):
                    raise reply
        if not self.durability.is_met(had):
            raise NotDurableError(f"done, but {self.durability} is not met: {had}")
        return answer


@cache
def _script(name: str) -> tuple[str, str]:
    """Return a step's text, with what all steps share in front of it, and its name on the server."""
    folder = files(__package__).joinpath("lua")
    text = "".join(folder.joinpath(f"{part}.lua").read_text("utf-8") for part in ("common", name))
    return text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

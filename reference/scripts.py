"""The atomic steps, as scripts on the server: one round trip each, and correct wherever the connection is cut.

EVALSHA is sent first. A server that does not know the script answers NOSCRIPT and has run nothing, so EVAL follows with
the whole script. There is no SCRIPT LOAD between the two that a fault could separate from its use.
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
# These steps write nothing, so they wait for no replica.
_READS = ("get", "list")


@dataclass(frozen=True, slots=True)
class Durability:
    """Which servers and disks must have a write before a call returns. Without it, the primary's memory is enough.

    Args:
        replicas: how many replicas must have received it (WAIT). It then survives the loss of the primary if one of
            them takes over; not if another replica does, and not the loss of all of them at once.
        disk: the append-only files of the primary and of these replicas must be synced (WAITAOF, Redis 7.2 or newer,
            with ``appendonly yes``). It then survives a power loss of all of them.
        within_ms: how long to wait, in milliseconds; should be less than the socket's time-out.
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
    """Return what AI_JOBS_WAIT_REPLICAS (how many), AI_JOBS_WAIT_DISK (on or off) and AI_JOBS_WAIT_MS require.

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
        prefix: put before every key.
        durability: which servers and disks must have each write before it counts as done.
    """

    client: Any
    prefix: str = ""
    durability: Durability | None = None

    def run(self, name: str, *arguments: str | int) -> Any:
        """Run the step of ``lua/<name>.lua`` and return its reply.

        Raises:
            NotDurableError: it was run, and too few servers or disks confirmed it.
            redis.RedisError: the driver's errors; whether it was run is unknown.
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
            # Not a RedisError in the driver; to a caller it means that no server can be reached.
            raise RedisConnectionError(str(error)) from error

    def _answer(self, name: str, *command: str | int) -> Any:
        if self.durability is None or name in _READS:
            return self.client.execute_command(*command)
        # On one connection, because WAIT is about the writes of its own connection.
        with pipeline_to(self.client, self.prefix) as pipeline:
            pipeline.execute_command(*command)
            pipeline.execute_command(*self.durability.command())
            answer, confirmed = pipeline.execute(raise_on_error=False)
            for reply in (answer, confirmed):
                if isinstance(reply, Exception):
                    raise reply
        if not self.durability.is_met(confirmed):
            raise NotDurableError(f"done, but {self.durability} is not met: {confirmed}", answer)
        return answer


@cache
def _script(name: str) -> tuple[str, str]:
    """Return a step's text, after the part that all steps share, and the SHA-1 of both, its name on the server."""
    folder = files(__package__).joinpath("lua")
    text = "".join(folder.joinpath(f"{part}.lua").read_text("utf-8") for part in ("common", name))
    return text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

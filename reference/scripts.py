"""The atomic steps, as scripts on the server: one round trip each, and right at every point of a cut.

EVALSHA first; a server that does not know the script answers NOSCRIPT and has done nothing, so the whole
script is sent then. There is no SCRIPT LOAD in between that could be cut off from its use.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from redis.exceptions import NoScriptError

from reference.errors import NotDurableError

DEFAULT_WAIT_MS = 1_000


@dataclass(frozen=True, slots=True)
class Durability:
    """What must have a write before a call returns. Without it: the primary's memory.

    Args:
        replicas: so many have received it (WAIT). Survives the loss of the primary if one of them takes over.
        disk: the primary's append-only file is synced, and that of the replicas asked for (WAITAOF, Redis 7.2 on).
            Survives a power loss of all of them.
        within_ms: for how long to wait.
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
class Script:
    """A script's text and its name on the server."""

    text: str
    sha: str

    def run(
        self,
        client: Any,
        keys: Sequence[str],
        arguments: Sequence[str | int],
        durability: Durability | None = None,
    ) -> Any:
        """Run the script and return its reply.

        Raises:
            NotDurableError: it ran, and not enough have it.
            redis.RedisError: the driver's errors.
        """
        try:
            return self._sent(
                client, ("EVALSHA", self.sha, len(keys), *keys, *arguments), durability
            )
        except NoScriptError:
            return self._sent(client, ("EVAL", self.text, len(keys), *keys, *arguments), durability)

    def _sent(
        self, client: Any, command: tuple[str | int, ...], durability: Durability | None
    ) -> Any:
        if durability is None:
            return client.execute_command(*command)
        # On one connection, because WAIT speaks of what this connection wrote.
        with client.pipeline(transaction=False) as pipeline:
            pipeline.execute_command(*command)
            pipeline.execute_command(*durability.command())
            answer, had = pipeline.execute(raise_on_error=False)
        for reply in (answer, had):
            if isinstance(reply, Exception):
                raise reply
        if not durability.is_met(had):
            raise NotDurableError(
                f"done, but {durability} is not met within {durability.within_ms} ms: {had}"
            )
        return answer


@cache
def script(name: str) -> Script:
    """Return the script of ``lua/<name>.lua``, with what all scripts share in front of it."""
    folder = files("reference").joinpath("lua")
    text = "".join(folder.joinpath(f"{part}.lua").read_text("utf-8") for part in ("common", name))
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())

"""The atomic steps, as scripts on the server: one round trip each, and right at every point of a cut.

EVALSHA first; a server that does not know the script answers NOSCRIPT and has done nothing, so the whole
script is sent then. There is no SCRIPT LOAD in between that could be cut off from its use.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import redis
from redis.exceptions import NoScriptError


@dataclass(frozen=True, slots=True)
class Script:
    """A script's text and its name on the server."""

    text: str
    sha: str

    def run(self, client: redis.Redis, keys: Sequence[str], arguments: Sequence[str | int]) -> Any:
        """Run the script and return its reply. Raises the driver's errors."""
        words = (*keys, *arguments)
        try:
            return client.evalsha(self.sha, len(keys), *words)  # type: ignore[no-untyped-call,unused-ignore]
        except NoScriptError:
            return client.eval(self.text, len(keys), *words)  # type: ignore[no-untyped-call,unused-ignore]


@cache
def script(name: str) -> Script:
    """Return the script of ``lua/<name>.lua``."""
    text = files("reference").joinpath("lua", f"{name}.lua").read_text("utf-8")
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())

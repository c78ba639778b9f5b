"""How long a blocking command asks the server to wait. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

_LAST = frozenset((b"BLPOP", b"BRPOP", b"BRPOPLPUSH", b"BLMOVE", b"BZPOPMIN", b"BZPOPMAX"))
"""Their last argument is the time-out, in seconds."""
_FIRST = frozenset((b"BLMPOP", b"BZMPOP"))
_IN_MS = {b"WAIT": 2, b"WAITAOF": 3}
"""The time-out in milliseconds is the n-th argument."""

TICK_S = 0.001
"""The server counts whole milliseconds, and so ends a wait up to one later."""


def blocks_for_s(args: Sequence[bytes]) -> float:
    """Return after how many seconds the server ends a blocking command by itself; infinite if it never does.

    Args:
        args: the command's name and arguments.
    """
    name = args[0].upper()
    try:
        if name in _LAST:
            seconds = float(args[-1])
        elif name in _FIRST:
            seconds = float(args[1])
        elif name in _IN_MS:
            seconds = float(args[_IN_MS[name]]) / 1000
        elif name in (b"XREAD", b"XREADGROUP"):
            words = [word.upper() for word in args]
            seconds = float(args[words.index(b"BLOCK") + 1]) / 1000
        else:
            return math.inf
    except (ValueError, IndexError):
        return math.inf
    return seconds if seconds > 0 else math.inf

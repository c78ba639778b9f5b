"""The drivers whose behaviour under faults is tabulated: releases of redis-py, constructors, ways of calling. Data."""

from __future__ import annotations

from dataclasses import dataclass

VERSIONS = ("2.10.6", "3.0.1", "3.1.0", "3.5.3", "4.6.0", "5.3.1", "6.0.0", "8.1.0")
FAULTS = ("cut-before", "lost-reply")


@dataclass(frozen=True, slots=True)
class Constructor:
    """A way to make a client.

    Args:
        name: as a program writes it.
        file: of the subject, in ``subjects``.
        variable: what the subject's environment calls it.
    """

    name: str
    file: str
    variable: str


@dataclass(frozen=True, slots=True)
class Way:
    """A way to send a command.

    Args:
        name: for a reader.
        kind: the subject's class.
        takes: it takes a job; otherwise it puts one in.
    """

    name: str
    kind: str
    takes: bool = False


CONSTRUCTORS = (
    Constructor("Redis()", "redis_py_lists.py", "Redis"),
    Constructor("Redis.from_url()", "redis_py_lists.py", "from_url"),
    Constructor("asyncio.Redis()", "redis_py_async_lists.py", "Redis"),
    Constructor("asyncio.Redis.from_url()", "redis_py_async_lists.py", "from_url"),
)
WAYS = (
    Way("RPUSH", "Push"),
    Way("pipeline(transaction=False)", "Pipeline"),
    Way("pipeline(transaction=True)", "Transaction"),
    Way("transaction(), which watches", "Watch"),
    Way("LPOP", "Push", takes=True),
    Way("BLPOP", "BlockingPop", takes=True),
)

"""Known bugs of redis-py: a command that the server has run is sent again, and a reply is read by the wrong caller."""

from __future__ import annotations

from midpipe.scenarios.known_bugs.bug import KnownBug, Release, Search, adapted

_LISTS = "redis_py_lists.py"
_PUSH = "written(A enqueue-once job-1)"
_ONE_PUSH = Search((_PUSH,), faults=("cut-before", "lost-reply", "lost-reply-fin"))

DRIVER_BUGS = (
    KnownBug(
        id="redis-command-sent-again",
        target=adapted("redis", _LISTS, "Push"),
        summary="A command is sent again when the connection is lost before its reply, though the server has run it.",
        source="redis/redis-py#977",
        bad=Release("3.0.1"),
        good=Release("3.1.0"),
        invariant="no-duplicate",
        search=_ONE_PUSH,
        replay=f"{_PUSH}: A1:RPUSH!lost-reply",
        is_quick=True,
    ),
    KnownBug(
        id="redis-pipeline-sent-again",
        target=adapted("redis", _LISTS, "Pipeline"),
        summary="A pipeline is sent again as a whole when the connection is lost before its last reply.",
        source="redis/redis-py#977",
        bad=Release("3.1.0"),
        good=Release("3.5.3"),
        invariant="no-duplicate",
        search=_ONE_PUSH,
        replay=f"{_PUSH}: A2:RPUSH!lost-reply",
        is_quick=True,
    ),
    KnownBug(
        id="redis-transaction-sent-again",
        target=adapted("redis", _LISTS, "Transaction"),
        summary="MULTI … EXEC is sent again after the server has committed it.",
        source="redis/redis-py#977",
        bad=Release("3.1.0"),
        good=Release("3.5.3"),
        invariant="no-duplicate",
        search=_ONE_PUSH,
        replay=f"{_PUSH}: A1:EXEC!lost-reply",
        is_quick=True,
    ),
    KnownBug(
        id="redis-command-sent-again-by-default",
        target=adapted("redis", _LISTS, "Push"),
        summary="Release 6.0 retries by default, so a command without a reply runs twice; 5.3 did so on request only.",
        source="redis/redis-py#3554",
        bad=Release("6.0.0"),
        good=Release("5.3.1"),
        invariant="no-duplicate",
        search=_ONE_PUSH,
        replay=f"{_PUSH}: A1:RPUSH!lost-reply",
    ),
    KnownBug(
        id="redis-watching-transaction-runs-twice",
        target=adapted("redis", _LISTS, "Watch"),
        summary="Redis.transaction takes a lost reply to EXEC for a changed key, and commits the transaction again.",
        source="docs/reports/redis-py-transaction-runs-twice.md",
        bad=Release("8.1.0"),
        good=None,
        invariant="no-duplicate",
        search=_ONE_PUSH,
        replay=f"{_PUSH}: A3:EXEC!lost-reply",
        is_quick=True,
    ),
)

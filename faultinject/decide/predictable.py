"""Which commands are predictable: their reply and their changes depend only on the content of the keys they touch.

Not predictable is a command that depends on a key's time to live, on randomness, on subscribers, on the connection's
state (WATCH), or on an order that the data type does not define (SMEMBERS lists a small set in order of insertion), and
one that may block. Commands that are not listed here count as unpredictable. ``TIME`` is predictable inside a script,
because ``outcome_prediction`` replaces times by names.
"""

from __future__ import annotations

from collections.abc import Sequence

from midpipe.faultinject.vocabulary import WireEvent

_COMMANDS = frozenset(
    b"""
    APPEND DECR DECRBY DEL ECHO EVAL EVALSHA EVALSHA_RO EVAL_RO EXEC EXISTS FCALL FCALL_RO GET GETDEL GETRANGE
    GETSET HDEL HEXISTS HGET HGETALL HINCRBY HINCRBYFLOAT HLEN HMGET HMSET HSET HSETNX HSTRLEN INCR INCRBY
    INCRBYFLOAT KEYS LINDEX LINSERT LLEN LMOVE LPOP LPOS LPUSH LPUSHX LRANGE LREM LSET LTRIM MGET MSET MSETNX MULTI
    PING PSETEX RENAME RENAMENX RPOP RPOPLPUSH RPUSH RPUSHX SADD SCARD SET SETEX SETNX SETRANGE SISMEMBER SMISMEMBER
    SMOVE SREM STRLEN TYPE UNLINK ZADD ZCARD ZCOUNT ZINCRBY ZMSCORE ZPOPMAX ZPOPMIN ZRANGE ZRANGEBYSCORE ZRANK ZREM
    ZREMRANGEBYRANK ZREMRANGEBYSCORE ZREVRANGE ZREVRANGEBYSCORE ZREVRANK ZSCORE
    """.split()
)
# They set a time to live, which no predictable command reads; with an option (NX, GT, …) they read it themselves.
_EXPIRE = frozenset((b"EXPIRE", b"PEXPIRE", b"EXPIREAT", b"PEXPIREAT"))
_FINAL_CURSOR = b"*2\r\n$1\r\n0\r\n"


def is_predictable(words: Sequence[bytes]) -> bool:
    """Whether a command, given as name and arguments, is predictable."""
    name = words[0].upper()
    return name in _COMMANDS or (name in _EXPIRE and len(words) == 3)


def is_predictable_in_script(words: Sequence[bytes]) -> bool:
    """Whether a script that calls the command is predictable."""
    return words[0].upper() == b"TIME" or is_predictable(words)


def is_predictable_event(event: WireEvent, reply: bytes) -> bool:
    """Whether an event that received this reply is predictable.

    A SCAN is predictable if it returned everything at once, like KEYS.
    """
    if event.name == "SCAN" and not event.block:
        return event.args[1] == b"0" and reply.startswith(_FINAL_CURSOR)
    return all(is_predictable(words) for words in (event.args, *event.block))

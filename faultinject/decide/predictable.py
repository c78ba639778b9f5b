"""Which commands can be foreseen: what they answer and change depends on what the keys that they touch hold, alone.

Left out is what depends on anything that a look at the keys does not show: on a key's time to live, on dice, on who is
listening, on what a connection did before (WATCH), on the order of what has none (SMEMBERS tells the members of a small
set in the order in which they came), and what may wait. A command that is not known here can't be foreseen. ``TIME``
inside a script may be: see ``foresight``, which says how times are dealt with.
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
# They set a time to live, which nothing foreseeable sees; with an option they look at the one that there is.
_EXPIRE = frozenset((b"EXPIRE", b"PEXPIRE", b"EXPIREAT", b"PEXPIREAT"))
_SCANNED_AT_ONCE = b"*2\r\n$1\r\n0\r\n"


def is_foreseeable(words: Sequence[bytes]) -> bool:
    """Whether a command that a client or a script sends is one."""
    name = words[0].upper()
    return name in _COMMANDS or (name in _EXPIRE and len(words) == 3)


def is_foreseeable_in_script(words: Sequence[bytes]) -> bool:
    """Whether a script that sends the command may be foreseen."""
    return words[0].upper() == b"TIME" or is_foreseeable(words)


def can_be_foreseen(event: WireEvent, reply: bytes) -> bool:
    """Whether the event, with the reply that it was given, is one.

    A SCAN is, if it has seen everything at once: then it is a kind of KEYS.
    """
    if event.name == "SCAN" and not event.block:
        return event.args[1] == b"0" and reply.startswith(_SCANNED_AT_ONCE)
    return all(is_foreseeable(words) for words in (event.args, *event.block))

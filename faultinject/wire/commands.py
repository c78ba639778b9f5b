"""The command table: which keys a command touches, and whether it may write, may block, or belongs to the handshake.

The table is parsed from the server's own reply to COMMAND, so it is right for the server under test. Servers from 7.0
on describe where the keys are (https://redis.io/docs/latest/develop/reference/key-specs/). For older servers the
first, last and step positions are used, and of the commands with movable keys only script calls are understood.
Unknown keys are None, and None counts as "any key". Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass

SETUP = frozenset(
    (
        b"HELLO",
        b"AUTH",
        b"SELECT",
        b"CLIENT",
        b"READONLY",
        b"READWRITE",
        b"RESET",
        b"QUIT",
        b"COMMAND",
        b"ASKING",
    )
)
SCRIPT_CALLS = frozenset((b"EVAL", b"EVALSHA", b"EVAL_RO", b"EVALSHA_RO", b"FCALL", b"FCALL_RO"))
# The server flags these neither as reading nor as writing, and they have no effect on data.
_CHANGES_NO_DATA = frozenset(
    (
        b"MULTI",
        b"EXEC",
        b"DISCARD",
        b"WATCH",
        b"UNWATCH",
        b"PING",
        b"ECHO",
        b"TIME",
        b"SUBSCRIBE",
        b"UNSUBSCRIBE",
        b"PSUBSCRIBE",
        b"PUNSUBSCRIBE",
        b"SSUBSCRIBE",
        b"SUNSUBSCRIBE",
        b"WAIT",
        b"WAITAOF",
        b"INFO",
        b"ROLE",
        b"LASTSAVE",
        b"DBSIZE",
    )
)


# Commands without keys that neither change nor read any data, script or message.
_TOUCHES_NOTHING = frozenset((b"MULTI", b"EXEC", b"DISCARD", b"UNWATCH", b"PING", b"ECHO", b"TIME"))


@dataclass(frozen=True, slots=True)
class KeySpec:
    """Where some of a command's keys are. Positions count the command's name and arguments, from 0.

    Args:
        index: where the search begins; without a ``keyword``, the position of the first key or of the key count.
        keyword: the argument after which the search begins, looked for from ``index`` on (negative: backwards from
            the end); empty if there is none.
        is_counted: the command gives the number of its keys, ``count_at`` arguments after the beginning.
        first: of counted keys, the distance from the beginning to the first key.
        last: of other keys, the last key relative to the first; negative counts from the end of the command.
        step: the distance from one key to the next.
        limit: with ``last`` -1, 1/limit of the remaining arguments are keys.
        is_complete: whether these are all the keys that the specification can stand for.
    """

    index: int
    keyword: bytes = b""
    _: KW_ONLY
    is_counted: bool = False
    count_at: int = 0
    first: int = 0
    last: int = 0
    step: int = 1
    limit: int = 0
    is_complete: bool = True

    def keys(self, args: Sequence[bytes]) -> tuple[bytes, ...] | None:
        """Return the keys among a command's name and arguments; None if they do not fit the specification."""
        begin = self._begin(args)
        if begin is None:
            return ()
        if self.is_counted:
            return self._counted(args, begin)
        last = begin + self.last if self.last >= 0 else len(args) + self.last
        if self.last == -1 and self.limit > 1:
            last = begin + (len(args) - begin) // self.limit - 1
        return tuple(args[begin : last + 1 : self.step])

    def _begin(self, args: Sequence[bytes]) -> int | None:
        if not self.keyword:
            return self.index if self.index < len(args) else None
        start = self.index if self.index > 0 else len(args) + self.index
        order = range(start, len(args)) if self.index > 0 else range(start, 0, -1)
        for number in order:
            if args[number].upper() == self.keyword:
                return number + 1
        return None

    def _counted(self, args: Sequence[bytes], begin: int) -> tuple[bytes, ...] | None:
        try:
            count = int(args[begin + self.count_at])
        except (IndexError, ValueError):
            return None
        start = begin + self.first
        return tuple(args[start : start + count * self.step : self.step])


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """One command as its server describes it.

    Args:
        keys_at: where its keys are; None if the server does not say.
    """

    name: bytes
    flags: frozenset[str]
    keys_at: tuple[KeySpec, ...] | None


@dataclass(frozen=True, slots=True)
class CommandTable:
    """The server's commands by name, subcommands as ``XGROUP|CREATE``; ``args`` is a name with its arguments."""

    specs: Mapping[bytes, CommandSpec]

    def spec(self, args: Sequence[bytes]) -> CommandSpec | None:
        """Return the description of the command or subcommand; None if the server does not know it."""
        name = args[0].upper()
        if len(args) > 1:
            found = self.specs.get(name + b"|" + args[1].upper())
            if found is not None:
                return found
        return self.specs.get(name)

    def is_setup(self, args: Sequence[bytes]) -> bool:
        """Whether the command belongs to the handshake of a connection, and touches no data."""
        return args[0].upper() in SETUP

    def is_write(self, args: Sequence[bytes]) -> bool:
        """Whether the command may change data; True for an unknown command."""
        if args[0].upper() in _CHANGES_NO_DATA:
            return False
        spec = self.spec(args)
        return spec is None or "readonly" not in spec.flags

    def is_blocking(self, args: Sequence[bytes]) -> bool:
        """Whether the command may block on the server."""
        spec = self.spec(args)
        return spec is not None and "blocking" in spec.flags

    def keys(self, args: Sequence[bytes]) -> tuple[bytes, ...] | None:
        """Return the keys that the command touches; None if they are unknown."""
        spec = self.spec(args)
        if spec is None or spec.keys_at is None:
            return None
        found: list[bytes] = []
        for key_spec in spec.keys_at:
            keys = key_spec.keys(args)
            if keys is None or not key_spec.is_complete:
                return None
            found += keys
        return tuple(found)

    def touched(self, args: Sequence[bytes]) -> tuple[bytes, ...] | None:
        """Return the keys for which the command's order among other commands can matter; None if it may be any key.

        SCAN and KEYS name no key and read all of them, a script without keys may do anything, and the receivers of a
        PUBLISH are the clients that subscribed before it.
        """
        found = self.keys(args)
        if found == () and args[0].upper() not in _TOUCHES_NOTHING and not _is_info_server(args):
            return None
        return found


def _is_info_server(args: Sequence[bytes]) -> bool:
    """Whether it is INFO server, which describes the server and none of its data."""
    return [word.upper() for word in args] == [b"INFO", b"SERVER"]


def parse_command_table(reply: object) -> CommandTable:
    """Return the table from a server's RESP2 reply to COMMAND."""
    specs: dict[bytes, CommandSpec] = {}
    for entry in _items(reply):
        _add(specs, _items(entry))
    return CommandTable(specs)


def key_pattern(key: bytes) -> str:
    """Return a key with its variable parts as ``*``: ``ai:job:42`` is ``ai:job:*``."""
    words = key.decode("utf-8", "backslashreplace").split(":")
    return ":".join(
        word if number < 2 and word.isalpha() else "*" for number, word in enumerate(words)
    )


def _add(specs: dict[bytes, CommandSpec], entry: Sequence[object]) -> None:
    name = _bytes(entry[0]).upper()
    flags = frozenset(_bytes(flag).decode() for flag in _items(entry[2]))
    specs[name] = CommandSpec(name, flags, _keys_at(name, flags, entry))
    if len(entry) > 9:
        for inner in _items(entry[9]):
            _add(specs, _items(inner))


def _keys_at(
    name: bytes, flags: frozenset[str], entry: Sequence[object]
) -> tuple[KeySpec, ...] | None:
    if name in SCRIPT_CALLS:
        return (KeySpec(2, is_counted=True, first=1),)
    described = _items(entry[8]) if len(entry) > 8 else ()
    if described:
        specs = [_key_spec(_pairs(spec)) for spec in described]
        return tuple(spec for spec in specs if spec) if all(specs) else None
    if "movablekeys" in flags:
        return None
    first, last, step = (int(_bytes(word)) for word in entry[3:6])
    return (KeySpec(first, last=last - first if last >= 0 else last, step=step),) if first else ()


def _key_spec(spec: Mapping[bytes, object]) -> KeySpec | None:
    begin, find = _pairs(spec[b"begin_search"]), _pairs(spec[b"find_keys"])
    where, how = _pairs(begin[b"spec"]), _pairs(find[b"spec"])
    flags = {_bytes(flag).lower() for flag in _items(spec.get(b"flags"))}
    complete = not flags & {b"incomplete"}
    if begin[b"type"] == b"index":
        index, keyword = _number(where[b"index"]), b""
    elif begin[b"type"] == b"keyword":
        index, keyword = _number(where[b"startfrom"]), _bytes(where[b"keyword"]).upper()
    else:
        return None
    if find[b"type"] == b"range":
        last, step = _number(how[b"lastkey"]), _number(how[b"keystep"])
        limit = _number(how[b"limit"])
        return KeySpec(index, keyword, last=last, step=step, limit=limit, is_complete=complete)
    if find[b"type"] == b"keynum":
        first, step = _number(how[b"firstkey"]), _number(how[b"keystep"])
        count_at = _number(how[b"keynumidx"])
        return KeySpec(
            index,
            keyword,
            is_counted=True,
            count_at=count_at,
            first=first,
            step=step,
            is_complete=complete,
        )
    return None


def _pairs(reply: object) -> dict[bytes, object]:
    items = _items(reply)
    return {_bytes(key): _plain(value) for key, value in zip(items[::2], items[1::2], strict=True)}


def _plain(value: object) -> object:
    return value.encode() if isinstance(value, str) else value


def _items(reply: object) -> Sequence[object]:
    return reply if isinstance(reply, tuple) else ()


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def _number(value: object) -> int:
    return int(_bytes(value))

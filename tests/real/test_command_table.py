"""The command table against the server: its COMMAND GETKEYS is the second opinion on where the keys stand."""

from __future__ import annotations

import pytest

from midpipe.faultinject.servers.control import Control
from midpipe.faultinject.wire.commands import CommandTable, parse_command_table

COMMANDS = [
    "GET k",
    "MSET a 1 b 2",
    "DEL a b c",
    "HSET h f v g w",
    "RPUSH l x",
    "BLPOP a b 0",
    "RPOPLPUSH a b",
    "LMOVE a b LEFT RIGHT",
    "BLMPOP 0 2 a b LEFT",
    "SINTERCARD 2 a b",
    "ZUNIONSTORE dst 2 a b WEIGHTS 1 2",
    "XADD s * f v",
    "XREAD COUNT 1 STREAMS a b 0 0",
    "XREADGROUP GROUP g c STREAMS a b > >",
    "XGROUP CREATE s g $",
    "OBJECT ENCODING k",
    "EVAL return 2 a b arg",
    "EVALSHA 0123 1 k arg",
    "FCALL f 2 a b arg",
    "SORT_RO k",
    "BITOP AND dst a b",
    "GEORADIUS k 0 0 1 m",
    "PFMERGE dst a b",
    "MIGRATE host 1 k 0 1",
]
KEYLESS = ["PING", "MULTI", "PUBLISH channel x", "INFO", "SCAN 0", "KEYS *"]


@pytest.fixture
def table(control: Control) -> CommandTable:
    return parse_command_table(control.call("COMMAND"))


@pytest.mark.parametrize("command", COMMANDS)
def test_the_table_finds_the_keys_that_the_server_finds(
    table: CommandTable, control: Control, command: str
) -> None:
    words = command.encode().split()
    found = table.keys(words)
    assert found is None or found == control.call("COMMAND", "GETKEYS", *words)


def test_only_commands_that_name_keys_by_pattern_have_unknown_keys(table: CommandTable) -> None:
    """SORT … BY and GET read keys that a pattern names; MIGRATE names them after a word of its own."""
    untold = [command for command in COMMANDS if table.keys(command.encode().split()) is None]
    assert untold == ["SORT_RO k", "MIGRATE host 1 k 0 1"]


@pytest.mark.parametrize("command", KEYLESS)
def test_a_command_without_keys_has_none(table: CommandTable, command: str) -> None:
    assert table.keys(command.encode().split()) == ()


@pytest.mark.parametrize(
    ("command", "touched"),
    [
        ("GET k", (b"k",)),
        ("EXEC", ()),
        ("PING", ()),
        ("SCAN 0", None),
        ("KEYS *", None),
        ("DBSIZE", None),
        ("FLUSHALL", None),
        ("PUBLISH channel x", None),
        ("EVAL return 0", None),
        ("EVALSHA 0123 1 k", (b"k",)),
    ],
)
def test_a_command_that_sees_keys_without_naming_them_touches_any(
    table: CommandTable, command: str, touched: tuple[bytes, ...] | None
) -> None:
    assert table.touched(command.encode().split()) == touched


@pytest.mark.parametrize(
    ("command", "writes", "blocks"),
    [
        ("GET k", False, False),
        ("HGETALL k", False, False),
        ("SET k v", True, False),
        ("BLPOP k 0", True, True),
        ("EVALSHA 0 0", True, False),
        ("EVALSHA_RO 0 0", False, False),
        ("EXEC", False, False),
        ("PING", False, False),
        ("SCRIPT LOAD x", True, False),
        ("NO.SUCH.COMMAND x", True, False),
    ],
)
def test_what_may_write_and_what_may_wait(
    table: CommandTable, command: str, writes: bool, blocks: bool
) -> None:
    words = command.encode().split()
    assert (table.is_write(words), table.is_blocking(words)) == (writes, blocks)

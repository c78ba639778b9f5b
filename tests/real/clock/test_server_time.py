"""What a server measures: expiry, blocked clients, TIME, idle clients, its own periodic work. At true length."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from midpipe.faultinject.clock.stepped import SteppedClock
from midpipe.faultinject.servers.control import Control
from midpipe.faultinject.vocabulary import Address
from tests.real.clock.children import eventually

DAY_S = 86_400
Ask = Callable[..., Any]


def server_time_s(ask: Ask) -> float:
    seconds, micros = ask("TIME")
    return int(seconds) + int(micros) / 1e6


@pytest.mark.parametrize("script", [False, True], ids=["a command", "a script"])
def test_the_first_time_after_each_move_is_right(
    script: bool, clock: SteppedClock, ask: Ask
) -> None:
    words = ("EVAL", "return redis.call('TIME')", "0") if script else ("TIME",)
    for number in range(300):
        clock.advance(number % 7 + 0.5)
        before_s = clock.wall_s()
        seconds, micros = ask(*words)
        assert before_s - 2e-6 <= int(seconds) + int(micros) / 1e6 <= clock.wall_s()


@pytest.mark.parametrize("ttl_s", [1, 60, DAY_S])
def test_a_key_expires_at_its_time_and_not_before(
    ttl_s: int, clock: SteppedClock, ask: Ask
) -> None:
    ask("SET", "k", "v", "EX", ttl_s)
    clock.advance(ttl_s - 0.5)
    assert ask("GET", "k") == b"v"
    clock.advance(0.5 + 0.001)  # the server counts in whole milliseconds
    assert ask("GET", "k") is None


def test_keys_that_no_command_asks_for_expire_too(clock: SteppedClock, ask: Ask) -> None:
    for number in range(100):
        ask("SET", f"k{number}", "v", "PX", 60_000)
    clock.advance(60)
    eventually(lambda: ask("DBSIZE") == 0 or None)


def test_a_blocked_client_gets_its_time_out(clock: SteppedClock, ask: Ask, server: Path) -> None:
    with socket.socket(socket.AF_UNIX) as blocked:
        blocked.connect(str(server))
        blocked.sendall(b"BLPOP none 3600\r\n")
        eventually(lambda: b"blocked_clients:1" in ask("INFO", "clients") or None)
        clock.advance(3590)
        assert b"blocked_clients:1" in ask("INFO", "clients")
        clock.advance(10)
        assert blocked.recv(100) == b"*-1\r\n"


def test_an_idle_client_is_closed(clock: SteppedClock, ask: Ask, server: Path) -> None:
    ask("CONFIG", "SET", "timeout", "3600")
    idle = Control(Address(path=str(server)))
    idle.call("CLIENT", "SETNAME", "idle")
    clock.advance(3500)
    assert b"name=idle" in ask("CLIENT", "LIST")
    clock.advance(200)
    eventually(lambda: b"name=idle" not in ask("CLIENT", "LIST") or None)
    idle.close()


def test_a_day_that_passes_at_once_leaves_the_server_healthy(clock: SteppedClock, ask: Ask) -> None:
    ask("SET", "k", "v")
    clock.advance(DAY_S)
    before = os.times()
    assert ask("GET", "k") == b"v"
    assert server_time_s(ask) >= clock.wall_s() - 1
    ask("BGSAVE")
    eventually(lambda: b"rdb_bgsave_in_progress:0" in ask("INFO", "persistence") or None)
    assert b"rdb_last_bgsave_status:ok" in ask("INFO", "persistence")
    assert os.times().elapsed - before.elapsed < 60

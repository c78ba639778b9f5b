"""The stepped clock moves only while nothing is on its way, neither in the kernel nor between the processes."""

from __future__ import annotations

import math
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from midpipe.faultinject.clock.stepped import SteppedClock
from midpipe.faultinject.net.handshakes import is_opening
from midpipe.faultinject.net.loop import Loop
from midpipe.faultinject.net.loopback import LOOPBACK, LoopbackPort
from midpipe.faultinject.net.proxy import Listener
from midpipe.faultinject.vocabulary import Address
from midpipe.faultinject.wire.commands import CommandTable
from midpipe.scenarios.case.time_flow import TimeFlow
from tests.real.clock.children import PATIENCE_S, Child

CONNECTS_TWICE_FROM_ONE_PORT = """
import socket, sys
def connected(source):
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.bind(("127.0.0.1", source))
    one.settimeout(5)
    one.connect(("127.0.0.1", int(sys.argv[1])))
    return one
first = connected(0)
source = first.getsockname()[1]
first.recv(1)
first.close()
print("closed", flush=True)
sys.stdin.readline()
try:
    connected(source)
except OSError as error:
    print(type(error).__name__, flush=True)
"""

WRITES_EACH_COMMAND_IN_TWO_PARTS = """
import socket, sys
client = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=5)
try:
    for _ in range(60):
        client.sendall(b"*1\\r\\n")
        client.sendall(b"$4\\r\\nPING\\r\\n")
        assert client.recv(7) == b"+PONG\\r\\n"
    print("answered", flush=True)
except OSError as error:
    print(type(error).__name__, flush=True)
"""

SLEEPS_BEFORE_EACH_COMMAND = """
import random, socket, sys, time
rng = random.Random(1)
client = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=5)
try:
    for _ in range(300):
        time.sleep(rng.uniform(0.002, 0.01))
        client.sendall(b"*1\\r\\n$4\\r\\nPING\\r\\n")
        assert client.recv(7) == b"+PONG\\r\\n"
    print("answered", flush=True)
except OSError as error:
    print(type(error).__name__, flush=True)
"""


def no_wait() -> float:
    return math.inf


def next_line(flow: TimeFlow, child: Child) -> str | None:
    """Return the next line of a program, letting time pass while it waits."""
    line: str | None = None

    def has_come() -> bool:
        nonlocal line
        line = child.line(0.0)
        return line is not None

    flow.run_until(has_come, PATIENCE_S)
    return line


def test_a_refusal_that_the_kernel_delays_is_no_time_out(
    clock: SteppedClock, start: Callable[..., Child], silent: int
) -> None:
    def hang_up(client: socket.socket, server: socket.socket) -> None:
        client.close()
        server.close()

    loop = Loop()
    port = LoopbackPort(loop, lambda: Address(host=LOOPBACK, port=silent), hang_up)
    child = start(sys.executable, "-c", CONNECTS_TWICE_FROM_ONE_PORT, str(port.number))
    flow = TimeFlow(
        loop, clock, tuple, lambda: (child.pid,), no_wait, lambda: is_opening({port.number})
    )
    lines = [next_line(flow, child)]
    port.refuse()
    child.send("connect again")
    lines.append(next_line(flow, child))
    port.close()
    loop.close()
    assert lines == ["closed", "ConnectionRefusedError"]


@pytest.mark.parametrize(
    "program",
    [
        pytest.param(WRITES_EACH_COMMAND_IN_TWO_PARTS, id="parts"),
        pytest.param(SLEEPS_BEFORE_EACH_COMMAND, id="pauses"),
    ],
)
def test_an_answer_comes_before_the_time_out(
    program: str,
    clock: SteppedClock,
    start: Callable[..., Child],
    server: Path,
    ask: Callable[..., bytes],
) -> None:
    loop = Loop()
    listener = Listener(loop, lambda: Address(path=str(server)), CommandTable({}))
    child = start(sys.executable, "-c", program, str(listener.port))
    server_pid = int(ask("INFO", "server").partition(b"process_id:")[2].split()[0])
    line = next_line(
        TimeFlow(
            loop,
            clock,
            lambda: (server_pid,),
            lambda: (child.pid,),
            no_wait,
            lambda: is_opening({listener.port}),
        ),
        child,
    )
    listener.close()
    loop.close()
    assert line == "answered"


def test_a_connection_to_a_full_backlog_is_being_opened(full: int) -> None:
    with socket.socket() as client:
        client.setblocking(False)
        client.connect_ex((LOOPBACK, full))
        assert is_opening({full})


def test_an_accepted_connection_is_not_being_opened(silent: int) -> None:
    with socket.create_connection((LOOPBACK, silent)):
        assert not is_opening({silent})

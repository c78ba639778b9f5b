"""While the kernel answers a request to connect, which it does in real time, no time passes on the stepped clock."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable

from midpipe.faultinject.clock.stepped import SteppedClock
from midpipe.faultinject.net.handshakes import is_opening
from midpipe.faultinject.net.loop import Loop
from midpipe.faultinject.net.loopback import LOOPBACK, LoopbackPort
from midpipe.faultinject.vocabulary import Address
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
    flow = TimeFlow(loop, clock, tuple, lambda: (child.pid,), lambda: is_opening({port.number}))
    lines = [next_line(flow, child)]
    port.refuse()
    child.send("connect again")
    lines.append(next_line(flow, child))
    port.close()
    loop.close()
    assert lines == ["closed", "ConnectionRefusedError"]


def test_a_connection_to_a_full_backlog_is_being_opened(full: int) -> None:
    with socket.socket() as client:
        client.setblocking(False)
        client.connect_ex((LOOPBACK, full))
        assert is_opening({full})


def test_an_accepted_connection_is_not_being_opened(silent: int) -> None:
    with socket.create_connection((LOOPBACK, silent)):
        assert not is_opening({silent})

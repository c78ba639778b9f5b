"""The server closes every client's connection, one that it accepts late among them."""

from __future__ import annotations

from typing import cast

import pytest

from midpipe.faultinject.clock.port import Clock
from midpipe.faultinject.errors import ServerError
from midpipe.faultinject.faults.effects import Effects
from midpipe.faultinject.faults.operator import CLIENT_KILL
from midpipe.faultinject.net.proxy import Proxy
from midpipe.scenarios.case.client_wire import ClientWire
from midpipe.scenarios.case.operator import Operator
from midpipe.scenarios.case.side_effects import SideEffects
from midpipe.scenarios.case.time_flow import TimeFlow

HANG_UP: Effects = CLIENT_KILL.effects(0, None)


class LateServer:
    """A server, and the proxy before it: it has accepted a connection only after so many rounds of CLIENT KILL."""

    def __init__(self, accepts_after: int) -> None:
        self.accepts_after, self.rounds = accepts_after, 0

    def operate(self, commands: tuple[tuple[str, ...], ...]) -> None:
        assert commands == HANG_UP.server.before
        self.rounds += 1

    def has_server_hung_up(self, within_s: float) -> bool:
        return self.rounds > self.accepts_after


class Client:
    client_id = "A"


class Now:
    skewed_s = 0.0

    def now_s(self) -> float:
        return 0.0


def hang_up(server: LateServer) -> None:
    effects = SideEffects(
        cast(Operator, server), cast(Proxy, server), cast(TimeFlow, Now()), cast(Clock, None)
    )
    effects.begin(cast(ClientWire, Client()), HANG_UP)


@pytest.mark.parametrize("accepts_after", [0, 1, 3])
def test_a_connection_that_the_server_accepts_late_is_closed_as_well(accepts_after: int) -> None:
    server = LateServer(accepts_after)
    hang_up(server)
    assert server.rounds == accepts_after + 1


def test_a_server_that_never_closes_them_makes_the_case_invalid() -> None:
    with pytest.raises(ServerError, match="did not close the clients' connections"):
        hang_up(LateServer(accepts_after=1_000))

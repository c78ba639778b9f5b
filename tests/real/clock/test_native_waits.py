"""Each timed function of the C library ends at its deadline: preloaded, and built in under ASan and UBSan."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from midpipe.faultinject.clock.stepped import SteppedClock
from tests.real.clock.children import WAIT_S, Child, check_wait
from tests.real.clock.native_programs import HERE, Program, compiled

NAMES = re.findall(r"\bWAIT\((\w+)\)", (HERE / "waits.c").read_text().partition("waits[] = {")[2])


@pytest.fixture(scope="module", params=["preloaded", "sanitized"])
def waits(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Program:
    folder = tmp_path_factory.mktemp("native")
    return compiled("waits", folder, is_sanitized=request.param == "sanitized")


@pytest.mark.parametrize("name", NAMES)
def test_a_timed_function_ends_at_its_deadline(
    name: str, waits: Program, clock: SteppedClock, start: Callable[..., Child]
) -> None:
    child = start(str(waits.path), name, str(WAIT_S), environment=waits.environment)
    is_in_two_halves = name in ("setitimer", "periodic_timerfd")
    check_wait(clock, child, WAIT_S / 2 if is_in_two_halves else WAIT_S)
    assert child.wait() == 0

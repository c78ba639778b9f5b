"""Properties of every fault in the catalogue."""

from __future__ import annotations

import pytest

from midpipe.faultinject.faults import CATALOGUE, placeable
from midpipe.faultinject.faults.effects import UNTOUCHED, Close, Deliver, Effects, Process
from midpipe.faultinject.faults.fault import Fault
from midpipe.faultinject.vocabulary import Position, WireEvent, WireIndex

EVERY = [(fault, parameter) for fault in CATALOGUE.values() for parameter in fault.variants]
OF_THE_CLOCK = {"elapse", "skew-ahead", "skew-behind", "clock-step"}
KEEPS_EVERY_BYTE = {"slow", "slice", "bandwidth", "freeze", "lag", *OF_THE_CLOCK}


def effects(name: str, size: int = 40, parameter: int | None = None) -> Effects:
    return CATALOGUE[name].effects(size, parameter)


@pytest.mark.parametrize(("fault", "parameter"), EVERY)
def test_only_slow_faults_and_faults_of_the_server_let_command_and_reply_pass_complete(
    fault: Fault, parameter: int | None
) -> None:
    found = effects(fault.name, 40, parameter)
    wire, server = found.wire, found.server
    passes = wire.deliver is Deliver.ALL and wire.reply_passes and wire.close is Close.NO
    assert passes == (
        fault.name in KEEPS_EVERY_BYTE or bool(server.before) or server.snapshots_fail
    )


@pytest.mark.parametrize(("fault", "parameter"), EVERY)
def test_a_fault_that_changes_the_server_needs_a_server_of_midpipe(
    fault: Fault, parameter: int | None
) -> None:
    assert fault.needs_own_server == (effects(fault.name, 40, parameter).server != UNTOUCHED)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 1000])
@pytest.mark.parametrize("name", ["torn-first", "torn-middle", "torn-last"])
def test_a_torn_command_is_incomplete(name: str, size: int) -> None:
    assert effects(name, size).wire.part < size or size == 1


@pytest.mark.parametrize(("fault", "parameter"), EVERY)
def test_a_fault_ends_the_connection_or_the_client_or_makes_it_wait_or_passes(
    fault: Fault, parameter: int | None
) -> None:
    name = fault.name
    found = effects(name, 40, parameter)
    killed = found.process is Process.KILLED
    ways = [
        found.wire.close is not Close.NO,
        killed,
        found.wire.waits,
        found.wire.reply_passes,
    ]
    # The faults in which the reply arrives before the server dies.
    assert ways.count(True) == (2 if name in ("failover-behind", "power-loss") else 1)


def test_inside_a_transaction_only_faults_that_make_sense_there_are_placed() -> None:
    inside = WireEvent(
        Position("A", 1, 2),
        WireIndex(1, 1, 2, "HSET", ""),
        args=(b"HSET",),
        size=30,
        is_write=True,
        keys=None,
    )
    assert {fault.name for fault in placeable(inside)} == {
        "cut-before",
        "torn-first",
        "torn-middle",
        "torn-last",
    }


def test_the_clock_is_moved_where_midpipe_can_move_it_only() -> None:
    event = WireEvent(
        Position("A", 1),
        WireIndex(1, 1, 1, "HSET", ""),
        args=(b"HSET",),
        size=30,
        is_write=True,
        keys=None,
    )
    anywhere, stepped = placeable(event), placeable(event, is_stepped=True)
    assert {fault.name for fault in stepped} - {fault.name for fault in anywhere} == OF_THE_CLOCK


def test_every_fault_has_a_summary() -> None:
    assert [name for name, fault in CATALOGUE.items() if not fault.summary.endswith(".")] == []

"""Ports for servers that find each other over TCP."""

from __future__ import annotations

from itertools import islice

from midpipe.faultinject.ports import BUS_OFFSET, free_ports


def test_two_runs_are_not_given_the_same_ports() -> None:
    one, other = (set(islice(free_ports(run), 50)) for run in ("midpipe-abc", "midpipe-abd"))
    assert not one & other


def test_each_port_is_given_once_with_a_bus_above_it() -> None:
    ports = list(islice(free_ports("midpipe-abc"), 50))
    assert len(set(ports)) == 50
    assert max(ports) + BUS_OFFSET < 65_536

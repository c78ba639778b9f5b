"""Ports for servers that tests start."""

from __future__ import annotations

from uuid import uuid4

from midpipe.faultinject.ports import free_ports


def free_port() -> int:
    """Return a port that is free now, and that the system gives to no client meanwhile: it is not an ephemeral one."""
    return next(free_ports(uuid4().hex))

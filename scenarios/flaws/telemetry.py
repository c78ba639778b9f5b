"""The reviewed queue's telemetry: a counter that is a no-op until somebody starts Prometheus."""

from __future__ import annotations


def record_dual_write_attempt(workspace_id: str, result: str) -> None:
    """Count nothing: nobody has started Prometheus here."""

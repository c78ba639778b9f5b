"""The old queues' telemetry: counters that are no-ops until somebody starts Prometheus."""

from __future__ import annotations


def record_dual_write_attempt(workspace_id: str | None, result: str) -> None:
    """Count nothing: nobody has started Prometheus here."""


def record_read_path(path: str) -> None:
    """Count nothing, as above."""

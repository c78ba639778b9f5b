"""The telemetry of the reviewed queues: without Prometheus, its functions do nothing."""

from __future__ import annotations


def record_dual_write_attempt(workspace_id: str | None, result: str) -> None:
    """Count nothing, because no Prometheus exporter is set up."""


def record_read_path(path: str) -> None:
    """Count nothing, as above."""

"""What a caller of the queue may have to handle beyond the driver's errors."""

from __future__ import annotations

from typing import Any


class JobNotFoundError(LookupError):
    """The job to be updated exists in neither schema, or belongs to another workspace."""


class JobExistsError(ValueError):
    """Another workspace has a job with that id."""


class NotDurableError(RuntimeError):
    """The step was run, but fewer servers or disks confirmed it in time than required. The same call checks again.

    Args:
        reply: what the step answered.
    """

    def __init__(self, message: str, reply: Any) -> None:
        super().__init__(message)
        self.reply = reply


class StillNeededError(RuntimeError):
    """The old schema can't be removed yet; the message gives the reason."""

"""What a caller of the queue may have to handle beyond the driver's errors."""

from __future__ import annotations


class JobNotFoundError(LookupError):
    """The job to be updated exists in neither schema, or is another workspace's."""


class JobExistsError(ValueError):
    """Another workspace has a job of that id."""


class NotDurableError(RuntimeError):
    """The step was done, and fewer servers or disks have it in time than asked for; the same call again asks again."""

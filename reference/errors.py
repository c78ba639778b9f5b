"""What a caller of the queue may have to handle beyond the driver's errors."""

from __future__ import annotations


class JobNotFoundError(LookupError):
    """The job to be updated exists in neither schema."""


class JobExistsError(ValueError):
    """Another workspace has a job of that id."""

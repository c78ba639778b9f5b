"""The queue that passes: atomic dual writes, retry-safe idempotency. Does not know that it is tested.

Needs Redis 6.2 or newer (BLMOVE), or Valkey; waiting for disks (WAITAOF) needs 7.2. Tried on Redis 6.2.14, 7.0.15 and
8.2.3 and on Valkey 9.1.2.
"""

from .queue import Queue

__all__ = ["Queue"]

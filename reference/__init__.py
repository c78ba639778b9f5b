"""The queue that passes: atomic dual writes, retry-safe idempotency. Knows nothing of midpipe.

The folder may be copied into another package, under any name. It needs the package redis; metrics need
prometheus-client as well.

The server is Redis 6.2 or newer (BLMOVE), or Valkey; waiting for disks (WAITAOF) needs 7.2. Tested on Redis 6.2.14,
7.0.15 and 8.2.3 and on Valkey 9.1.2.
"""

from .queue import Queue

__all__ = ["Queue"]

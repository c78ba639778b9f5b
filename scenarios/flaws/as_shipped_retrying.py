"""The queue as shipped, with one line of its constructor changed, so that the driver retries by default."""

from __future__ import annotations

import redis
from redis.connection import parse_url

from midpipe.scenarios.flaws import as_shipped
from midpipe.scenarios.flaws.parts import url_or_default


class SimpleQueue(as_shipped.SimpleQueue):
    """``Redis(...)`` resends a MULTI … EXEC whose reply was lost; ``from_url`` does not."""

    def __init__(self, redis_url: str | None = None) -> None:
        options = parse_url(url_or_default(redis_url))  # type: ignore[no-untyped-call] # redis has no type for it
        self._redis = redis.Redis(**options, decode_responses=True)

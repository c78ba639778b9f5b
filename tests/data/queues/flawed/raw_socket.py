"""A queue that speaks the protocol itself, over a socket that it keeps open after a time-out."""

from __future__ import annotations

import secrets
import socket
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

ENQUEUE = """
if redis.call('HSETNX', 'raw:jobs', ARGV[1], 'pending') == 0 then return 0 end
redis.call('RPUSH', 'raw:waiting', ARGV[1])
return 1
"""
CLAIM = """
local now = redis.call('TIME')[1]
for _, id in ipairs(redis.call('ZRANGEBYSCORE', 'raw:leases', 0, now)) do
    redis.call('ZREM', 'raw:leases', id)
    redis.call('RPUSH', 'raw:waiting', id)
end
local id = redis.call('LPOP', 'raw:waiting')
if not id then return '' end
redis.call('ZADD', 'raw:leases', now + ARGV[1], id)
redis.call('HSET', 'raw:jobs', id, 'running')
redis.call('HSET', 'raw:tokens', id, ARGV[2])
return id
"""
COMPLETE = """
if redis.call('HGET', 'raw:tokens', ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('ZREM', 'raw:leases', ARGV[1])
redis.call('HSET', 'raw:jobs', ARGV[1], 'completed')
return 1
"""


class Wire:
    """One connection. A reply that comes too late is skipped before the reply to the next command."""

    skips_late_replies: ClassVar[bool] = True

    def __init__(self, redis_url: str) -> None:
        parts = urlsplit(redis_url)
        time_out_s = float(parse_qs(parts.query).get("socket_timeout", ["3"])[0])
        self.socket = socket.create_connection((parts.hostname, parts.port), time_out_s)
        self.replies = self.socket.makefile("rb")
        self.late = 0

    def __call__(self, *words: object) -> Any:
        parts = [str(word).encode() for word in words]
        command = b"*%d\r\n" % len(parts)
        command += b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
        self.socket.sendall(command)
        try:
            while self.late:
                self._reply()
                self.late -= 1
            return self._reply()
        except TimeoutError:
            self.late += self.skips_late_replies
            # A file object refuses to be read after a time-out.
            self.replies = self.socket.makefile("rb")
            raise

    def _reply(self) -> Any:
        line = self.replies.readline()
        if not line:
            raise ConnectionError("closed by the server")
        kind, text = line[:1], line[1:-2].decode()
        if kind == b":":
            return int(text)
        if kind == b"$":
            return None if text == "-1" else self.replies.read(int(text) + 2)[:-2].decode()
        raise ConnectionError(f"unexpected reply {line!r}")


class Fixed:
    """Sound: it counts the replies that it has not read."""

    promises: ClassVar[dict[str, str]] = {"deduplicates": "job"}
    wire: ClassVar[type[Wire]] = Wire

    def __init__(self, redis_url: str) -> None:
        self.send = self.wire(redis_url)

    def enqueue(self, job_id: str) -> bool:
        return bool(self.send("EVAL", ENQUEUE, 0, job_id) == 1)

    def claim(self, worker_id: str, lease_s: float = 30.0) -> dict[str, Any] | None:
        token = secrets.token_hex(8)
        job_id = self.send("EVAL", CLAIM, 0, max(1, int(lease_s)), token)
        return {"job_id": job_id, "lease_token": token} if job_id else None

    def complete(self, job_id: str, lease_token: str) -> bool:
        return bool(self.send("EVAL", COMPLETE, 0, job_id, lease_token) == 1)

    def get_job(self, job_id: str) -> dict[str, Any] | None:
        status = self.send("HGET", "raw:jobs", job_id)
        return {"job_id": job_id, "status": status} if status else None


class _TakesLateReplies(Wire):
    skips_late_replies: ClassVar[bool] = False


class Queue(Fixed):
    """It takes a late reply for the reply to its next command."""

    wire: ClassVar[type[Wire]] = _TakesLateReplies

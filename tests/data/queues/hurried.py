"""Three queues as teams write them in a hurry, each sound and flawed; midpipe init makes the adapters of them."""

from __future__ import annotations

import json
from typing import Any

import redis

PUSH_ONCE = """
if not redis.call('SET', KEYS[1], 1, 'NX', 'EX', 86400) then return 0 end
redis.call('RPUSH', KEYS[2], ARGV[1])
return 1
"""


class SoundList:
    """Jobs in a list and their data in a hash; a job that a worker has taken waits in a second list."""

    def __init__(self, client: redis.Redis, name: str = "jobs") -> None:
        self.client = client
        self.name = name
        self.taken = f"{name}:taken"
        self.data = f"{name}:data"

    def push(self, job_id: str, data: Any) -> None:
        with self.client.pipeline() as block:
            block.hset(self.data, job_id, json.dumps(data))
            block.rpush(self.name, job_id)
            block.execute()

    def pop(self) -> dict[str, Any] | None:
        job_id: Any = self.client.lmove(self.name, self.taken, "LEFT", "RIGHT")
        if job_id is None:
            return None
        data: Any = self.client.hget(self.data, job_id)
        if data is None:
            self.client.lrem(self.taken, 1, job_id)
            return None
        return {"job_id": job_id.decode(), "payload": json.loads(data)}

    def ack(self, job_id: str) -> None:
        with self.client.pipeline() as block:
            block.lrem(self.taken, 1, job_id)
            block.hdel(self.data, job_id)
            block.execute()

    def requeue_taken(self) -> None:
        while self.client.lmove(self.taken, self.name, "RIGHT", "LEFT"):
            pass


class FlawedList(SoundList):
    """Takes a job out of Redis before it has run."""

    def pop(self) -> dict[str, Any] | None:
        job_id: Any = self.client.lpop(self.name)
        if job_id is None:
            return None
        data: Any = self.client.hget(self.data, job_id)
        return {"job_id": job_id.decode(), "payload": json.loads(data)}


class SoundStream:
    """A stream with a consumer group; what is not acknowledged for a while is claimed by the next reader."""

    def __init__(self, url: str) -> None:
        self.client = redis.Redis.from_url(url)
        try:
            self.client.xgroup_create("stream", "workers", id="0", mkstream=True)
        except redis.ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    def publish(self, message: str) -> None:
        self.client.xadd("stream", {"message": message})

    def read(self) -> Any:
        entries: Any = self.client.xautoclaim("stream", "workers", "me", 50, count=1)[1]
        if not entries:
            read: Any = self.client.xreadgroup("workers", "me", {"stream": ">"}, count=1)
            entries = read[0][1] if read else []
        return entries[0] if entries else None

    def ack(self, entry_id: Any) -> None:
        self.client.xack("stream", "workers", entry_id)


class FlawedStream(SoundStream):
    """Reads without a list of what is pending."""

    def read(self) -> Any:
        read: Any = self.client.xreadgroup("workers", "me", {"stream": ">"}, count=1, noack=True)
        return read[0][1][0] if read else None


class SoundDequeue:
    """Takes jobs for good, and puts each id in once."""

    def __init__(self, client: redis.Redis) -> None:
        self.client = client

    def put(self, task_id: str, task: Any) -> bool:
        text = json.dumps({"job_id": task_id, "payload": task})
        return bool(self.client.eval(PUSH_ONCE, 2, f"seen:{task_id}", "queue", text))

    def take(self) -> Any:
        return self.client.lpop("queue")


class FlawedDequeue(SoundDequeue):
    """Notes that it knows a job before the job is there."""

    def put(self, task_id: str, task: Any) -> bool:
        if not self.client.set(f"seen:{task_id}", 1, nx=True, ex=86400):
            return False
        self.client.rpush("queue", json.dumps({"job_id": task_id, "payload": task}))
        return True

"""The worker's calls: claim under a lease, heartbeat, complete, fail, give back, wait.

A lease ends when its time is over *and* another claim has taken the job back; until then its holder may still finish.
An exception leaves open whether the step was done; the same call again finds out, for as long as the lease lasts.
"""

from __future__ import annotations

import uuid
from typing import Any

import redis

from . import keys
from .connection import Connection
from .errors import NotDurableError
from .job import COMPLETED, FAILED, RUNNING, Job, decoded, encoded, now

_LEASES_LOOKED_AT = 100


class Leases(Connection):
    """What a worker does with a queue.

    Attributes:
        max_attempts: how often a job is given out before it becomes a dead letter.
    """

    max_attempts = 3

    def claim(self, worker_id: str, lease_s: float = 30.0) -> Job | None:
        """Give the oldest waiting job to a worker: the job, its ``lease_token`` and its ``attempt``, or None.

        Jobs whose leases have ended are put back first, at the end of the queue. If the answer is lost, the driver's
        retry gets the same job again. An exception leaves open whether a job was given out: if so it stays
        claimed until its lease ends, and has used up an attempt.
        """
        keys.checked_id("worker_id", worker_id)
        reclaimed, dead, depth, *claimed = self._step(
            "claim",
            "claim",
            uuid.uuid4().hex,
            _ms("lease_s", lease_s),
            self.max_attempts,
            now(),
            _LEASES_LOOKED_AT,
        )
        told = self._telemetry
        told.count(told.reclaimed, by=reclaimed)
        told.count(told.dead_letters, by=dead)
        told.count(told.jobs, FAILED, by=dead)
        told.saw_depth(depth)
        if not claimed:
            return None
        token, attempt, fields = claimed
        job = decoded(fields) or {}
        told.count(told.jobs, RUNNING)
        self._count_dual_write(job.get("workspace_id", ""), "succeeded")
        return {**job, "lease_token": token, "attempt": attempt}

    def heartbeat(self, job_id: str, lease_token: int, lease_s: float = 30.0) -> bool:
        """Keep a claimed job for another ``lease_s`` seconds, at least.

        Returns:
            False if the lease was taken back, or the job is finished: stop working on it.
        """
        answer, _ = self._lease("heartbeat", job_id, lease_token, _ms("lease_s", lease_s))
        return bool(answer)

    def complete(
        self, job_id: str, workspace_id: str, lease_token: int, result: Any = None
    ) -> bool:
        """Finish a claimed job.

        Returns:
            True if it is finished by this lease; the same call gets the same answer for ``keys.DONE_S`` seconds. False
            if the lease was taken back, or the job was finished by somebody else: nothing was changed.
        """
        keys.checked_workspace(workspace_id)
        answer = self._end("complete", job_id, workspace_id, lease_token, 0, result)
        self._telemetry.count(self._telemetry.jobs, COMPLETED, by=answer)
        return bool(answer)

    def fail(
        self, job_id: str, lease_token: int, result: Any = None, back_off_s: float = 1.0
    ) -> bool:
        """Give a claimed job back, to be tried again after ``back_off_s`` seconds; or a dead letter, the last time.

        Until then it shows as running. The result is kept with a dead letter only.

        Returns:
            As ``complete``.
        """
        ms = _ms("back_off_s", back_off_s)
        answer = self._end("fail", job_id, "", lease_token, ms, result)
        self._telemetry.count(self._telemetry.dead_letters, by=answer == 2)
        self._telemetry.count(self._telemetry.jobs, FAILED, by=answer == 2)
        return bool(answer)

    def give_back(self, job_id: str, lease_token: int) -> bool:
        """Give a claimed job back that was not tried: another worker may have it now, and no attempt is used up.

        Returns:
            As ``complete``.
        """
        answer, _ = self._lease("give_back", job_id, lease_token, 0)
        return bool(answer)

    def wait(self, at_most_s: float = 1.0) -> None:
        """Wait until a job waits, or so long. Takes nothing, so a connection that dies meanwhile costs nothing."""
        pending = self._steps.prefix + keys.PENDING
        seconds = min(at_most_s, self._time_out_s / 2)
        if seconds > 0:
            # Moving the head to where it is changes nothing; a blocking read of a list does not exist.
            self._redis.blmove(pending, pending, seconds, "LEFT", "LEFT")

    def _end(
        self, step: str, job_id: str, workspace_id: str, lease_token: int, ms: int, result: Any
    ) -> int:
        text = "" if result is None else encoded(result)
        try:
            answer, owner = self._lease(step, job_id, lease_token, ms, text, workspace_id)
        except (redis.RedisError, NotDurableError):
            self._count_dual_write(workspace_id, "failed")
            raise
        if answer == 2 or (answer and step == "complete"):
            self._count_dual_write(owner, "succeeded")
        return int(answer)

    def _lease(
        self, step: str, job_id: str, token: int, ms: int, result: str = "", workspace_id: str = ""
    ) -> Any:
        keys.checked_id("job_id", job_id)
        words = (job_id, token, now(), ms, self.max_attempts, result, keys.DONE_S, workspace_id)
        return self._step(step, "lease", step, *words)


def _ms(name: str, seconds: float) -> int:
    if not 0 <= seconds < 1e9:
        raise ValueError(f"{name} must be 0 seconds or more; got {seconds}")
    return int(seconds * 1000)

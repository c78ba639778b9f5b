"""The worker's calls: claim under a lease, heartbeat, complete, fail, give back, wait.

A lease ends when its time is over *and* another claim has taken the job back; until then its holder may still finish.
After an exception it is unknown whether the step was run; the same call again shows it, for as long as the lease lasts.
"""

from __future__ import annotations

import uuid
from contextlib import suppress
from typing import Any

import redis

from . import keys
from .connection import Connection
from .errors import NotDurableError
from .job import COMPLETED, FAILED, RUNNING, Job, decoded, encoded, now

_LEASES_PER_CLAIM = 100


class Leases(Connection):
    """The calls of a worker.

    Attributes:
        max_attempts: how often a job is given out before it becomes a dead letter.
    """

    max_attempts = 3

    def claim(self, worker_id: str, lease_s: float = 30.0) -> Job | None:
        """Give the oldest waiting job to a worker.

        Jobs whose leases have ended are put back first, at the end of the queue. If the reply is lost, the driver's
        retry gets the same job again. After an exception it is unknown whether a job was claimed: if so, it stays
        claimed until its lease ends, and has used up an attempt.

        Args:
            worker_id: for the arguments' check only; the lease is known by its token.
            lease_s: how long the job is reserved, in seconds.

        Returns:
            The job with its ``lease_token`` and its ``attempt`` (1 is the first); None if no job waits.

        Raises:
            ValueError, TypeError: an argument is malformed.
            NotDurableError: too few servers or disks confirmed the claim; a job that was claimed is given back.
        """
        keys.checked_id("worker_id", worker_id)
        words = (
            uuid.uuid4().hex,
            _ms("lease_s", lease_s),
            self.max_attempts,
            now(),
            _LEASES_PER_CLAIM,
        )
        try:
            reclaimed, dead, depth, *claimed = self._step("claim", "claim", *words)
        except NotDurableError as error:
            self._return_unconfirmed(*error.reply[3:])
            raise
        telemetry = self._telemetry
        telemetry.count("reclaimed", by=reclaimed)
        telemetry.count("dead letter", by=dead)
        telemetry.count("job", FAILED, by=dead)
        telemetry.set_depth(depth)
        if not claimed:
            return None
        token, attempt, fields = claimed
        job = decoded(fields) or {}
        telemetry.count("job", RUNNING)
        self._count_dual_write(job.get("workspace_id", ""), "succeeded")
        return {**job, "lease_token": token, "attempt": attempt}

    def heartbeat(self, job_id: str, lease_token: int, lease_s: float = 30.0) -> bool:
        """Extend a lease to at least ``lease_s`` seconds from now.

        Returns:
            False if the lease was taken back or the job is finished: stop working on it.
        """
        answer, _ = self._lease("heartbeat", job_id, lease_token, _ms("lease_s", lease_s))
        return bool(answer)

    def complete(
        self, job_id: str, workspace_id: str, lease_token: int, result: Any = None
    ) -> bool:
        """Finish a claimed job.

        Returns:
            True if this lease finished it; the same call gets the same answer for ``keys.DONE_S`` seconds. False if
            the lease was taken back or the job was finished in another way: nothing was changed.

        Raises:
            ValueError, TypeError: an argument is malformed, or the result is not JSON.
        """
        keys.checked_workspace(workspace_id)
        answer = self._end("complete", job_id, workspace_id, lease_token, 0, result)
        self._telemetry.count("job", COMPLETED, by=answer)
        return bool(answer)

    def fail(
        self, job_id: str, lease_token: int, result: Any = None, back_off_s: float = 1.0
    ) -> bool:
        """Give a claimed job back, to be tried again after ``back_off_s`` seconds.

        Until then its status is running. After the last attempt it becomes a dead letter: its status is failed, and
        only then is the result stored.

        Returns:
            As ``complete``.
        """
        ms = _ms("back_off_s", back_off_s)
        answer = self._end("fail", job_id, "", lease_token, ms, result)
        self._telemetry.count("dead letter", by=answer == 2)
        self._telemetry.count("job", FAILED, by=answer == 2)
        return bool(answer)

    def give_back(self, job_id: str, lease_token: int) -> bool:
        """Give a claimed job back untried: another worker may claim it at once, and no attempt is used up.

        Returns:
            As ``complete``.
        """
        answer, _ = self._lease("give_back", job_id, lease_token, 0)
        return bool(answer)

    def wait(self, at_most_s: float = 1.0) -> None:
        """Wait until the queue has a job, for ``at_most_s`` seconds and at most half of the socket's time-out.

        Takes no job, so a connection that is lost meanwhile loses none.
        """
        pending = self._steps.prefix + keys.PENDING
        seconds = min(at_most_s, self._time_out_s / 2)
        if seconds > 0:
            # Moving the head onto itself changes nothing; Redis has no blocking read of a list.
            self._redis.blmove(pending, pending, seconds, "LEFT", "LEFT")

    def _return_unconfirmed(self, *claimed: Any) -> None:
        """Give back what a claim got that raises; its caller does not have the token, and it was not tried."""
        if claimed:
            token, _, fields = claimed
            # If this fails too, the job comes back when its lease ends.
            with suppress(redis.RedisError, NotDurableError):
                self.give_back((decoded(fields) or {})["job_id"], token)

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

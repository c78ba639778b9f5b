"""The worker's calls: claim under a lease, heartbeat, complete, fail, wait. An ended lease counts for nothing."""

from __future__ import annotations

import uuid
from typing import Any

from reference import keys
from reference.job import Job, decoded, encoded, now
from reference.keys import Keys
from reference.scripts import Durability, script
from reference.telemetry import Telemetry

_LEASES_LOOKED_AT = 100


class Leases:
    """What a worker does with a queue. Mixed into the queue, which provides the attributes.

    Attributes:
        max_attempts: how often a job is given out before it becomes a dead letter.
    """

    max_attempts = 3
    _redis: Any
    _keys: Keys
    _durability: Durability | None
    _telemetry: Telemetry
    _time_out_s: float

    def claim(self, worker_id: str, lease_s: float = 30.0) -> Job | None:
        """Give the oldest waiting job to a worker: the job, its ``lease_token`` and its ``attempt``, or None.

        If the answer is lost, the driver's retry gets the same job again. If all of them are lost, the job
        stays claimed until its lease ends; then it is given out again.
        """
        keys.checked_id("worker_id", worker_id)
        if lease_s < 0:
            raise ValueError(f"lease_s must not be negative; got {lease_s}")
        with self._telemetry.timed("claim"):
            reclaimed, dead, *claimed = self._step(
                "claim",
                (
                    keys.PENDING,
                    keys.LEASES,
                    keys.TOKENS,
                    keys.ATTEMPTS,
                    keys.DEAD,
                    keys.TOKEN_COUNTER,
                ),
                (
                    uuid.uuid4().hex,
                    int(lease_s * 1000),
                    self.max_attempts,
                    now(),
                    _LEASES_LOOKED_AT,
                ),
            )
        self._telemetry.reclaimed.inc(reclaimed)
        self._telemetry.dead_letters.inc(dead)
        if not claimed:
            return None
        token, attempt, fields = claimed
        job = decoded(fields)
        return None if job is None else {**job, "lease_token": int(token), "attempt": int(attempt)}

    def heartbeat(self, job_id: str, lease_token: int, lease_s: float = 30.0) -> bool:
        """Keep a claimed job for another ``lease_s`` seconds. False if the lease has ended: stop working on it."""
        return self._leased("heartbeat", job_id, lease_token, lease_s) == 1

    def complete(
        self, job_id: str, workspace_id: str, lease_token: int, result: Any = None
    ) -> bool:
        """Finish a claimed job. False if its lease has ended, and nothing was changed."""
        keys.checked_workspace(workspace_id)
        return self._leased("complete", job_id, lease_token, 0.0, result) == 1

    def fail(
        self, job_id: str, lease_token: int, result: Any = None, back_off_s: float = 1.0
    ) -> bool:
        """Give a claimed job back, to be tried again after ``back_off_s`` seconds; or a dead letter, the last time.

        Returns:
            False if its lease has ended, and nothing was changed.
        """
        answer = self._leased("fail", job_id, lease_token, back_off_s, result)
        self._telemetry.dead_letters.inc(answer == 2)
        return answer > 0

    def wait(self, at_most_s: float = 1.0) -> None:
        """Wait until a job waits, or so long. Takes nothing, so a connection that dies meanwhile costs nothing."""
        pending = self._keys(keys.PENDING)
        # Moving the head to where it is changes nothing; a blocking read of a list does not exist.
        self._redis.blmove(pending, pending, min(at_most_s, self._time_out_s / 2), "LEFT", "LEFT")

    def _leased(
        self, step: str, job_id: str, lease_token: int, seconds: float, result: Any = None
    ) -> int:
        keys.checked_id("job_id", job_id)
        with self._telemetry.timed(step):
            answer = self._step(
                "lease",
                (keys.LEASES, keys.TOKENS, keys.ATTEMPTS, keys.DEAD),
                (
                    step,
                    job_id,
                    lease_token,
                    now(),
                    int(seconds * 1000),
                    self.max_attempts,
                    "" if result is None else encoded(result),
                ),
            )
        return int(answer)

    def _step(self, name: str, named: tuple[str, ...], arguments: tuple[str | int, ...]) -> Any:
        """Run a script on keys there is one of; the owners come first, the prefix before the arguments."""
        return script(name).run(
            self._redis,
            [self._keys(key) for key in (keys.OWNERS, *named)],
            [self._keys.prefix, *arguments],
            self._durability,
        )

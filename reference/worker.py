"""A worker: claims a job, keeps its lease alive, runs the handler, completes or fails the job; until told to stop.

SIGTERM (or ``stop``): the job at hand is finished, then ``run`` returns. A second SIGTERM: it is given back at once.
A handler that takes longer than a lease without a heartbeat getting through may find its job done by somebody else.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

import redis

from .job import Job, encoded
from .queue import Queue

Handler = Callable[[Job], Any]
_PAUSE_S = 1.0
_log = logging.getLogger(__name__)


class Worker:
    """One worker on one queue.

    Args:
        handler: takes the job, returns its result (JSON values); an exception fails the attempt, and so does a result
            that is no JSON.
        lease_s: how long a dead worker's job stays with it.
        back_off_s: before the second attempt; twice that before the third, and so on.
    """

    def __init__(
        self,
        queue: Queue,
        handler: Handler,
        worker_id: str,
        lease_s: float = 30.0,
        back_off_s: float = 1.0,
    ) -> None:
        self._queue = queue
        self._handler = handler
        self._worker_id = worker_id
        self._lease_s = lease_s
        self._back_off_s = back_off_s
        self._stopping = False

    def stop(self, number: int = 0, frame: FrameType | None = None) -> None:
        """Finish the job at hand and return from ``run``; asked twice, give it back. Fits as a signal handler."""
        # Takes no lock: the thread that a signal interrupts may hold it.
        if self._stopping:
            raise KeyboardInterrupt
        self._stopping = True

    def run(self, *, on_sigterm: bool = True) -> int:
        """Work until stopped; return how many jobs were completed."""
        if on_sigterm:
            signal.signal(signal.SIGTERM, self.stop)
        completed = 0
        while not self._stopping:
            try:
                job = self._queue.claim(self._worker_id, self._lease_s)
                if job is None:
                    self._queue.wait()
                else:
                    completed += self._work(job)
            except redis.RedisError as error:
                # What was under way is left to its lease.
                _log.error("The queue can't be reached: %s.", type(error).__name__)
                time.sleep(_PAUSE_S)
        return completed

    def _work(self, job: Job) -> bool:
        job_id, token = job["job_id"], job["lease_token"]
        done = threading.Event()
        beating = threading.Thread(target=self._beat, args=(job_id, token, done), daemon=True)
        beating.start()
        try:
            result = self._handler(job)
            encoded(result)
        except Exception as error:
            _log.error("A job's handler raised %s.", type(error).__name__)
            _log.debug("job %s failed", job_id)
            back_off_s = self._back_off_s * 2 ** (job["attempt"] - 1)
            self._queue.fail(job_id, token, {"error": type(error).__name__}, back_off_s)
            return False
        except BaseException:
            self._queue.give_back(job_id, token)
            raise
        finally:
            done.set()
            beating.join()
        return self._queue.complete(job_id, job["workspace_id"], token, result)

    def _beat(self, job_id: str, token: int, done: threading.Event) -> None:
        while not done.wait(self._lease_s / 3):
            try:
                if not self._queue.heartbeat(job_id, token, self._lease_s):
                    return
            except redis.RedisError:
                _log.error("A lease can't be kept.")

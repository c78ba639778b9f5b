"""A worker: claims a job, keeps its lease alive, runs the handler, completes or fails the job, and starts again.

After SIGTERM (or ``stop``) ``run`` finishes the job at hand and returns. After a second SIGTERM it gives the job back
and returns at once. If a handler runs longer than a lease and no heartbeat gets through, another worker may run the job
as well.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any

import redis

from .errors import NotDurableError
from .job import Job, encoded
from .queue import Queue

Handler = Callable[[Job], Any]
_PAUSE_S = 1.0
_log = logging.getLogger(__name__)


class _StopNow(BaseException):
    """The worker was asked to stop a second time. Not an Exception, so that a handler does not catch it."""


class Worker:
    """One worker on one queue.

    Args:
        handler: takes the job, returns its result (JSON values). An exception fails the attempt, and so does a result
            that is not JSON.
        worker_id: 1 to 200 characters without ':' or control characters.
        lease_s: how long a dead worker's job stays reserved, in seconds.
        back_off_s: seconds before the second attempt; twice that before the third, and so on.
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
        self._completed = 0

    def stop(self, number: int = 0, frame: FrameType | None = None) -> None:
        """Let ``run`` finish the job at hand and return; called again, let it give the job back and return at once.

        Can be used as a signal handler. The second call must come from the thread that runs ``run``.
        """
        # Takes no lock: the thread that a signal interrupts may hold it.
        if self._stopping:
            raise _StopNow
        self._stopping = True

    def run(self, *, on_sigterm: bool = True) -> int:
        """Work until stopped; return how many jobs were completed.

        Args:
            on_sigterm: install ``stop`` as the handler of SIGTERM; in the main thread only.
        """
        if on_sigterm:
            signal.signal(signal.SIGTERM, self.stop)
        self._completed = 0
        with suppress(_StopNow):
            while not self._stopping:
                self._turn()
        return self._completed

    def _turn(self) -> None:
        """Work on one job, or wait a moment for one."""
        try:
            job = self._queue.claim(self._worker_id, self._lease_s)
            if job is None:
                self._queue.wait()
            else:
                self._completed += self._work(job)
            return
        except redis.RedisError as error:
            _log.error("The queue can't be reached: %s.", type(error).__name__)
        except NotDurableError:
            _log.error("Too few servers confirmed a step in time.")
        # A job that may be claimed by now comes back when its lease ends.
        time.sleep(_PAUSE_S)

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
            except (redis.RedisError, NotDurableError):
                _log.error("A lease can't be extended.")

"""Queues that only time, or a wrong clock, shows to be flawed: the reference with one mistake each.

They are caught on a stepped clock only. Each docstring names the flaw; ``registry.py`` says which fault shows it.
"""

from __future__ import annotations

import time
from typing import Any, ClassVar

from midpipe.scenarios.flaws.parts import new_key, old_key, request_key
from midpipe.scenarios.flaws.single import OpenQueue

DAY_S = 86_400
KNOWN_FOR_S = 200
MINUTE_S = 60
UNTIL = "ai:request-until"


class ForgetsWaitingJobs(OpenQueue):
    """A job's data expires after a day, also if no worker has received the job by then."""

    def enqueue(self, job_id: str, *args: Any, **named: Any) -> bool:
        is_new = super().enqueue(job_id, *args, **named)
        for key in (old_key(job_id), new_key(named.get("workspace_id"), job_id)):
            self.driver.expire(key, DAY_S)
        return is_new


class KeepsRequestsByItsOwnClock(OpenQueue):
    """Forgets a request when the clock of whichever client asks says so."""

    promises: ClassVar = {**OpenQueue.promises, "deduplicates_for": KNOWN_FOR_S}

    def enqueue(self, job_id: str, *args: Any, **named: Any) -> bool:
        request_id = named.get("client_request_id")
        known = request_key(named.get("workspace_id"), request_id)
        if request_id and time.time() > float(self.driver.get(UNTIL) or "inf"):
            self.driver.delete(known)
        is_new = super().enqueue(job_id, *args, **named)
        if request_id:
            self.driver.set(UNTIL, time.time() + KNOWN_FOR_S)
        return is_new


class ExpiresRequestsByItsOwnClock(OpenQueue):
    """Sets the moment at which a request key expires, by the client's clock."""

    promises: ClassVar = {**OpenQueue.promises, "deduplicates_for": KNOWN_FOR_S}

    def enqueue(self, job_id: str, *args: Any, **named: Any) -> bool:
        is_new = super().enqueue(job_id, *args, **named)
        if request_id := named.get("client_request_id"):
            known = request_key(named.get("workspace_id"), request_id)
            self.driver.expireat(known, int(time.time()) + KNOWN_FOR_S)
        return is_new


class MeasuresByTheWallClock(OpenQueue):
    """Refuses to complete a job if the wall clock says that the call has taken a minute."""

    def complete(self, job_id: str, *args: Any, **named: Any) -> bool:
        began_s = time.time()
        self.driver.exists(old_key(job_id))
        if time.time() - began_s > MINUTE_S:
            return False
        return super().complete(job_id, *args, **named)

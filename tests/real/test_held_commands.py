"""What is written down of a call whose command reached the server late."""

from __future__ import annotations

from pathlib import Path

from midpipe.faultinject.servers.opening import ServerSpec
from midpipe.scenarios.explore.replaying import replay_case
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.history import Phase
from midpipe.scenarios.model.spec import SubjectSpec

LOOKS_AGAIN = """
import redis
from midpipe.reference import Queue

class LooksAgain(Queue):
    driver_retries = 0

    def claim(self, worker_id, lease_s=30.0):
        try:
            return super().claim(worker_id, lease_s)
        except (redis.ConnectionError, redis.TimeoutError):
            self._redis.exists("anything")
            return None
"""


def test_a_call_that_goes_on_after_its_command_came_late_has_written(tmp_path: Path) -> None:
    (tmp_path / "looks_again.py").write_text(LOOKS_AGAIN)
    subject = SubjectSpec(f"{tmp_path / 'looks_again.py'}:LooksAgain")
    worker = Worker(ServerSpec())
    try:
        line = "claim-complete: A1:EVALSHA!late=1"
        record = replay_case(worker, subject, line, 5_000.0).record
    finally:
        worker.close()
    (claim,) = [o for o in record.history if o.method == "claim" and o.phase is Phase.PROGRAM]
    assert (record.invalid_reason, claim.value, claim.wrote) == ("", None, True)

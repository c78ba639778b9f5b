"""A queue whose jobs can't be handed out: it decodes what its client has decoded."""

from __future__ import annotations

from typing import Any

from tests.data.queues.sound.pops import Pops


class Undecodable(Pops):
    def dequeue(self) -> Any:
        job_id = super().dequeue()
        return job_id and job_id.decode()

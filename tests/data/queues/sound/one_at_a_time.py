"""A sound queue that runs one job at a time: the next one is handed out once the one before is completed or late."""

from __future__ import annotations

from tests.data.queues.base import CLAIM, Base

# A job whose lease has ended is the next one again.
AT_THE_HEAD = CLAIM.replace("'RPUSH'", "'LPUSH'")


class Queue(Base):
    claim_script = AT_THE_HEAD.replace(
        "local id = ",
        "if redis.call('ZCARD', 'small:active') > 0 then return {} end\nlocal id = ",
    )

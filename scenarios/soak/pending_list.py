"""Takes jobs from the pending list of a queue that gives out none itself."""

from __future__ import annotations

from midpipe.faultinject.servers.control import Control
from midpipe.scenarios.model.state import PENDING_KEY
from midpipe.scenarios.programs.calls import WORKSPACE

_SCRIPT = """
local ids = redis.call('LRANGE', KEYS[1], 0, ARGV[1] - 1)
if #ids > 0 then redis.call('LTRIM', KEYS[1], #ids, -1) end
local out = {}
for i, id in ipairs(ids) do
  out[2 * i - 1] = id
  out[2 * i] = redis.call('EXISTS', 'ai:jobs:' .. id, 'ai:job:' .. ARGV[2] .. ':' .. id)
end
return out
"""
_AT_ONCE = 2_000


def take_pending(control: Control) -> tuple[tuple[str, bool], ...]:
    """Remove the first jobs of the list; return the id of each, and whether the job has data."""
    answer = control.call("EVAL", _SCRIPT, 1, PENDING_KEY, _AT_ONCE, WORKSPACE)
    if not isinstance(answer, tuple):
        return ()
    ids = (
        job.decode("utf-8", "replace") if isinstance(job, bytes) else str(job)
        for job in answer[::2]
    )
    return tuple(zip(ids, map(bool, answer[1::2]), strict=True))

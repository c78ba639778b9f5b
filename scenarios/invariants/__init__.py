"""The invariants by id. Each is a pure function in a file of its own; a new one is one file and one line here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from midpipe.scenarios.invariants.answer_is_true import ANSWER_IS_TRUE
from midpipe.scenarios.invariants.bad_input import BAD_INPUT
from midpipe.scenarios.invariants.bounded_latency import BOUNDED_LATENCY
from midpipe.scenarios.invariants.holder_is_served import HOLDER_IS_SERVED
from midpipe.scenarios.invariants.isolation import ISOLATION
from midpipe.scenarios.invariants.job_is_as_enqueued import JOB_IS_AS_ENQUEUED
from midpipe.scenarios.invariants.list_is_whole import LIST_IS_WHOLE
from midpipe.scenarios.invariants.no_divergence import NO_DIVERGENCE
from midpipe.scenarios.invariants.no_duplicate import NO_DUPLICATE
from midpipe.scenarios.invariants.no_ghost import NO_GHOST
from midpipe.scenarios.invariants.no_lost_job import NO_LOST_JOB
from midpipe.scenarios.invariants.no_orphan import NO_ORPHAN
from midpipe.scenarios.invariants.no_stuck_job import NO_STUCK_JOB
from midpipe.scenarios.invariants.queue_order import QUEUE_ORDER
from midpipe.scenarios.invariants.quiet_logs import QUIET_LOGS
from midpipe.scenarios.invariants.result_is_kept import RESULT_IS_KEPT
from midpipe.scenarios.invariants.retry_succeeds import RETRY_SUCCEEDS
from midpipe.scenarios.invariants.status_order import STATUS_ORDER
from midpipe.scenarios.invariants.telemetry_is_true import TELEMETRY_IS_TRUE
from midpipe.scenarios.invariants.worker_lives import WORKER_LIVES
from midpipe.scenarios.model.evidence import Invariant

INVARIANTS: Mapping[str, Invariant] = MappingProxyType(
    {
        invariant.id: invariant
        for invariant in (
            NO_LOST_JOB,
            RETRY_SUCCEEDS,
            ISOLATION,
            NO_DUPLICATE,
            NO_ORPHAN,
            NO_DIVERGENCE,
            STATUS_ORDER,
            RESULT_IS_KEPT,
            ANSWER_IS_TRUE,
            JOB_IS_AS_ENQUEUED,
            HOLDER_IS_SERVED,
            NO_STUCK_JOB,
            NO_GHOST,
            WORKER_LIVES,
            BOUNDED_LATENCY,
            QUEUE_ORDER,
            LIST_IS_WHOLE,
            BAD_INPUT,
            TELEMETRY_IS_TRUE,
            QUIET_LOGS,
        )
    }
)

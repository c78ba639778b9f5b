"""Opens a connection, makes sure that it can't write, audits, and returns the result."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from midpipe.faultinject.errors import ServerError, UsageError
from midpipe.faultinject.servers.control import Control, UnreachableError
from midpipe.faultinject.servers.external import Location
from midpipe.faultinject.servers.server import fields_of
from midpipe.faultinject.wire.resp import Value
from midpipe.scenarios.audit.access import Access, check_access, recipe
from midpipe.scenarios.audit.auditing import Auditing
from midpipe.scenarios.audit.batch_reader import BatchReader
from midpipe.scenarios.audit.layout import Layout
from midpipe.scenarios.audit.observation import Suspicion
from midpipe.scenarios.audit.pattern import JOB
from midpipe.scenarios.audit.results import AuditResult, Found, Progress, Stage, judged
from midpipe.scenarios.audit.state_file import State, read_state, write_state
from midpipe.scenarios.audit.suspects import Fate, Suspect
from midpipe.scenarios.audit.throttle import Limits
from midpipe.scenarios.audit.throttled_connection import StoppedError, ThrottledConnection

MOST_FOUND = 1_000


@dataclass(frozen=True, slots=True)
class AuditPlan:
    """What to audit, and how.

    Args:
        where: the server and database.
        layout: what is consistent there.
        prefix: that the layout was read with.
        limits: of the throttle.
        sample: the share of jobs to check, more than 0, 1 at most.
        settle_s: how long a suspect settles, in seconds; None takes the layout's.
        state: file to go on from, and to keep up to date; None keeps none.
        pause_file: the audit waits while it exists.
        most_unseen: the share of jobs that may stay unjudged.
        allow_writer: accept a user who may write.
        most_found: how many findings the result lists; all are counted.
    """

    where: Location
    layout: Layout
    prefix: str = ""
    limits: Limits = field(default_factory=Limits)
    sample: float = 1.0
    settle_s: float | None = None
    state: Path | None = None
    pause_file: Path | None = None
    most_unseen: float = 0.01
    allow_writer: bool = False
    most_found: int = MOST_FOUND

    def digest(self) -> str:
        """Return a digest of what must not change when an audit goes on."""
        parts = (
            self.layout,
            self.prefix,
            self.sample,
            str(self.where.address),
            self.where.database,
        )
        return hashlib.blake2b(repr(parts).encode(), digest_size=8).hexdigest()


def audit(
    plan: AuditPlan,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> AuditResult:
    """Audit once.

    Args:
        on_progress: called often.
        should_stop: called often; once it returns true the audit stores its state and returns a partial result.

    Raises:
        ServerError: the server can't be reached, or is not ready.
        UsageError: the user may write or may not read, or the state file is another audit's.

    What goes wrong later ends the audit with a partial result, which says what it was: the server went away, its load
    became critical, or the state could not be stored.
    """
    control = _connected(plan)
    try:
        access = check_access(_call(control), plan.layout, allow_writer=plan.allow_writer)
        state = _state(plan, str(fields_of(control.call("INFO", "server")).get("run_id")))
        waits: list[Callable[[str], None]] = []
        connection = ThrottledConnection(
            control,
            plan.limits,
            plan.pause_file,
            on_wait=lambda reason: waits[0](reason) if waits else None,
            should_stop=should_stop,
            has_to_be_replica=access.is_replica and not plan.allow_writer,
        )
        auditing = Auditing(
            plan.layout,
            connection,
            state,
            sample=plan.sample,
            settle_s=plan.settle_s,
            on_checkpoint=lambda now: write_state(plan.state, now) if plan.state else None,
            on_progress=on_progress,
            should_stop=should_stop,
        )
        waits.append(auditing.throttled_by)
        is_partial, ended_by = False, ""
        try:
            auditing.run()
        except StoppedError:
            is_partial = True
        except (ServerError, UsageError) as error:
            if "NOPERM" in str(error):
                raise UsageError(f"{error}. {recipe(plan.layout)}") from error
            is_partial, ended_by = True, str(error)
        if plan.state is not None and not is_partial:
            plan.state.unlink(missing_ok=True)
        return _result(plan, access, auditing, connection, is_partial=is_partial, ended_by=ended_by)
    finally:
        control.close()


def _connected(plan: AuditPlan) -> Control:
    where = plan.where
    try:
        return Control(
            where.address,
            where.password,
            where.username,
            where.database,
            reader=BatchReader(),
            has_tls=where.has_tls,
        )
    except UnreachableError as error:
        raise ServerError(f"{error.fact} Does it run, and can it be reached from here?") from error
    except ServerError as error:
        if "NOPERM" in str(error):
            raise UsageError(f"{error}. {recipe(plan.layout)}") from error
        raise


def _call(control: Control) -> Callable[..., Value]:
    return lambda *words: control.pipeline([words])[0]


def _state(plan: AuditPlan, run_id: str) -> State:
    fresh = State(options=plan.digest(), server=run_id)
    if plan.state is None:
        return fresh
    if not plan.state.parent.is_dir():
        raise UsageError(f"There is no folder {str(plan.state.parent)!r} for --state.")
    stored = read_state(plan.state, plan.digest())
    if stored is None:
        return fresh
    if stored.server != run_id:
        # Its cursor means nothing to this server: scan again. What the other one confirmed is only suspected here.
        again = (Suspect(found, observed_s=0.0) for found in stored.confirmed)
        stored.open, stored.confirmed = (*stored.open, *again), ()
        stored.server, stored.cursor, stored.stage = run_id, 0, Stage.SCAN
        stored.keys = stored.jobs = stored.other_keys = stored.unjudged = 0
        stored.places, stored.walked, stored.waiting = [], [], []
        stored.before_walk = None
    return stored


def _result(
    plan: AuditPlan,
    access: Access,
    auditing: Auditing,
    connection: ThrottledConnection,
    *,
    is_partial: bool,
    ended_by: str,
) -> AuditResult:
    state, suspects = auditing.state, auditing.suspects
    undecided = suspects.fates[Fate.UNDECIDED]
    unseen = min(1.0, (state.unjudged + undecided) / max(1, state.jobs))
    counts = suspects.counts()
    outcome, reasons = judged(
        sum(counts.values()), unseen, plan.most_unseen, state.keys, is_partial=is_partial
    )
    if ended_by:
        reasons = (*reasons, ended_by)
    return AuditResult(
        layout=plan.layout.name,
        phase=plan.layout.phase,
        server=f"{access.server} at {plan.where.address}/{plan.where.database}",
        outcome=outcome,
        reasons=(*reasons, *access.warnings),
        counts={str(damage): count for damage, count in counts.items()},
        found=tuple(map(_found, suspects.confirmed[: plan.most_found])),
        jobs=state.jobs,
        keys=state.keys,
        other_keys=state.other_keys,
        sample=plan.sample,
        suspects=state.suspicions,
        converged=suspects.fates[Fate.CONVERGED],
        vanished=suspects.fates[Fate.VANISHED],
        undecided=undecided,
        unreadable=state.unreadable,
        unseen=unseen,
        seconds=round(state.seconds, 1),
        ops=state.ops,
        added_latency_ms=round(connection.most_added_ms, 2),
        throttled_s={
            reason: round(seconds, 1) for reason, seconds in sorted(connection.throttled_s.items())
        },
        lag_s=connection.most_lag_s,
        is_partial=is_partial,
        ended_by=ended_by,
    )


def _found(suspicion: Suspicion) -> Found:
    # A request id may say more about a customer than an operator needs.
    shown = (
        f"{name} {value!r}"
        for name, value in suspicion.parts
        if name != JOB and "request" not in name
    )
    return Found(suspicion.damage, suspicion.job_id, ", ".join(shown), suspicion.evidence)

"""Short words for histories of a job's status, and what status-order says of them."""

from __future__ import annotations

from dataclasses import replace

from midpipe.scenarios.invariants import INVARIANTS
from midpipe.scenarios.model.evidence import Evidence
from midpipe.scenarios.model.history import Json, Operation
from midpipe.scenarios.model.promises import declared
from tests.fast.scenarios.invariants.histories import WHITE_BOX, call, evidence

UNDONE = ("In the final state, j is pending; the acknowledged status is running.",)
NO_ORDER = ("Of j, no order of the calls explains a read of pending.",)


def update(
    status: Json = "running", *, at: int = 0, until: int = 0, error: str = "", job_id: str = "j"
) -> Operation:
    made = call(
        "update_status", job_id, at=at, value=None, error=error, request=10 + at, status=status
    )
    return replace(made, completed_at=until or at + 1)


def read(
    status: str = "", *, at: int, until: int = 0, job_id: str = "j", workspace_id: str = "acme"
) -> Operation:
    """A read that shows a job in that status; without one, it finds none."""
    job: Json = {"status": status} if status else None
    made = call("get_job", job_id, at=at, value=job, workspace_id=workspace_id)
    return replace(made, completed_at=until or at + 1)


def done(*, at: int, value: Json = True) -> Operation:
    return call("complete", at=at, value=value, request=10 + at)


def claimed(job_id: str = "j", *, at: int = 0, until: int = 0) -> Operation:
    made = call("claim", "", at=at, value={"job_id": job_id}, lease_s=30.0)
    return replace(made, completed_at=until or at + 1)


def said_of(seen: Evidence) -> tuple[str, ...]:
    return tuple(found.seen for found in INVARIANTS["status-order"].check(seen).violations)


def said(*history: Operation, final: str = "") -> tuple[str, ...]:
    """Return what is said of a history at whose end job j has that status; it is gone if that is empty."""
    return said_of(evidence(*history, found=("j",) if final else (), status=final))


def said_of_a_queue_that(promises: dict[str, Json], *history: Operation) -> tuple[str, ...]:
    """Return what is said of a history at whose end job j is pending."""
    seen = evidence(*history, found=("j",), status="pending")
    return said_of(replace(seen, traits=replace(WHITE_BOX, promises=declared(promises))))

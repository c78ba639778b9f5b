"""no-divergence: where both schemas hold a job, they hold the same; no half-filled hash in either.

Judged after every command that the server executed, because another client can read that state. White box.

Blind to: a job that only one schema holds, which is normal during a migration; and fields that are wrong in both.
"""

from __future__ import annotations

from midpipe.scenarios.model.evidence import (
    Evidence,
    Invariant,
    Judgement,
    Traits,
    needs_white_box,
    violations_at,
)
from midpipe.scenarios.model.outcome import Severity
from midpipe.scenarios.model.state import Fields, Tables

REQUIRED_FIELDS = (
    "job_id",
    "status",
    "action_provider",
    "action_name",
    "params",
    "workspace_id",
    "actor_id",
    "enqueued_at",
)


def differences_of(tables: Tables) -> tuple[str, ...]:
    """Return a clause for each half-filled hash, and for each field in which the schemas differ about a job."""
    seen = [
        *(_half_filled(job_id, "old", fields) for job_id, fields in sorted(tables.old.items())),
        *(
            _half_filled(job_id, "new", fields)
            for (_, job_id), fields in sorted(tables.new.items())
        ),
    ]
    for (_, job_id), new in sorted(tables.new.items()):
        old = tables.old.get(job_id)
        if old is not None and not _half_filled(job_id, "new", new):
            seen += [
                f"{job_id} has {field}={_shown(old, field)} in the old schema "
                f"and {_shown(new, field)} in the new"
                for field in sorted({*old, *new})
                if old.get(field) != new.get(field)
            ]
    return tuple(sentence for sentence in seen if sentence)


def _half_filled(job_id: str, schema: str, fields: Fields) -> str:
    missing = [field for field in REQUIRED_FIELDS if field not in fields]
    return f"{job_id} lacks {', '.join(missing)} in the {schema} schema" if missing else ""


def _shown(fields: Fields, field: str) -> str:
    value = fields.get(field)
    return "nothing" if value is None else repr(value[:40])


def _check(evidence: Evidence) -> Judgement:
    observed = sum(len(moment.tables.new) for moment in evidence.moments)
    return Judgement(observed, violations_at(evidence, differences_of))


def _why_not(traits: Traits) -> str:
    if traits.white_box and not traits.new_schema:
        return "the subject writes one schema only in this environment"
    return needs_white_box(traits)


NO_DIVERGENCE = Invariant(
    id="no-divergence",
    when="always",
    claim="Where both schemas hold a job, they hold the same; no half-filled hash in either.",
    severity=Severity.HIGH,
    check=_check,
    why_not=_why_not,
)

"""Judges a queue through the adapter that midpipe init writes for it, with no edit beyond the promises."""

from __future__ import annotations

from pathlib import Path

from midpipe.scenarios.explore.replaying import replay_case
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.subjects.adapting import Plan, adapter_text
from midpipe.scenarios.subjects.roles import inferred_promises, roles_of
from midpipe.scenarios.subjects.signatures import read_class


def violated(
    worker: Worker,
    folder: Path,
    source: str,
    kind: str,
    line: str,
    *,
    recovers_within_s: float = 1.0,
) -> set[str]:
    """Return the invariants that a case of the class of that name in the source violates."""
    (folder / "jobs.py").write_text(source)
    found = read_class(folder / "jobs.py", kind)
    roles = roles_of(found, {})
    promises = {**inferred_promises(roles), "recovers_within_s": recovers_within_s}
    (folder / "adapter.py").write_text(adapter_text(Plan("jobs", found, roles, promises)))
    subject = SubjectSpec(f"{folder}/adapter.py:Queue", paths=(str(folder),))
    record = replay_case(worker, subject, line, 5_000.0).record
    assert record.is_valid, record.invalid_reason
    return set(record.violated_invariants)

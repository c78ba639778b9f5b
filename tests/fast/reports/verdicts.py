"""A small verdict by hand, for tests of everything that is made from one."""

from __future__ import annotations

from dataclasses import replace

from midpipe.faultinject.decide.ledger import LedgerRow
from midpipe.scenarios.model.verdict import (
    Figure,
    Finding,
    FlawRow,
    InvariantRow,
    KeyChange,
    Outcome,
    ReviewRow,
    Severity,
    Status,
    Story,
    StoryStep,
    Verdict,
)

REPLAY = "enqueue-with-request-id: A2:HSET!cut-before"
STORY = Story(
    REPLAY,
    (
        StoryStep("call", "A", 'enqueue(job_id="job-1")'),
        StoryStep(
            "command",
            "A",
            "SET ai:idempotency:acme:r-1 job-1 NX",
            position="A1",
            place="operation 1, attempt 1, command 1: SET ai:idempotency:*:*",
            executed="yes",
            reply="OK",
            changes=(KeyChange("ai:idempotency:acme:r-1", "", "'job-1'"),),
        ),
        StoryStep(
            "command",
            "A",
            "HSET ai:jobs:job-1 status pending",
            position="A2",
            place="operation 1, attempt 1, command 2: HSET ai:jobs:*",
            fault="cut-before",
            executed="no",
        ),
        StoryStep("raise", "A", "enqueue raised ConnectionError: [/red] reset <by> peer & co"),
    ),
    ("no-lost-job: enqueue answered False for job-1, and get_job finds no such job.",),
)
NEIGHBOUR = Story("enqueue-with-request-id:", (StoryStep("answer", "A", "enqueue → True"),))
LOST = Finding(
    id="F1",
    invariant="no-lost-job",
    severity=Severity.CRITICAL,
    program="enqueue-with-request-id",
    replay=REPLAY,
    claim="Every enqueue that was answered left a job.",
    evidence=("enqueue answered False for job-1, and get_job finds no such job.",),
    operation="enqueue",
    place="A2 (operation 1, attempt 1, command 2: HSET ai:jobs:*)",
    fault="cut-before",
    cases=3,
    story=STORY,
    neighbour=NEIGHBOUR,
)
LOUD = replace(LOST, id="F2", invariant="quiet-logs", severity=Severity.MEDIUM, neighbour=None)
FAILED = Verdict(
    midpipe="0.1.0",
    subject="shop.queue:Queue",
    again="--subject shop.queue:Queue --path src",
    server="Valkey 9.1.2 (embedded)",
    command="midpipe gate --subject shop.queue:Queue --path src",
    started_at="2026-01-02T03:04:05+00:00",
    seconds=12.5,
    outcome=Outcome.FAIL,
    parts=(("selfcheck", Outcome.PASS), ("review", Outcome.PASS), ("sweep", Outcome.FAIL)),
    findings=(LOST, LOUD),
    invariants=(
        InvariantRow("no-lost-job", Severity.CRITICAL, LOST.claim, Status.VIOLATED, 80, 3),
        InvariantRow("isolation", Severity.CRITICAL, "No workspace …", Status.HOLDS, 12, 0),
        InvariantRow(
            "no-divergence", Severity.HIGH, "Both …", Status.NOT_APPLICABLE, 0, 0, "one schema only"
        ),
        InvariantRow("status-order", Severity.HIGH, "An …", Status.UNKNOWN, 0, 0, "saw nothing"),
    ),
    ledger=(LedgerRow("enqueue", "late", 9, 5, 3, ("late-read",), 1, 0, 2),),
    selfcheck=(
        FlawRow("as-reviewed", "no-lost-job", True, True, REPLAY, 77, 0.47),
        FlawRow("as-shipped", "no-duplicate", True, False),
    ),
    review=(
        ReviewRow(
            "CRITICAL-1",
            "The key blocks retries",
            Severity.CRITICAL,
            "as reviewed",
            "behaviour",
            Status.VIOLATED,
            "enqueue answered False …",
            REPLAY,
        ),
        ReviewRow(
            "CRITICAL-1",
            "The key blocks retries",
            Severity.CRITICAL,
            "reference",
            "behaviour",
            Status.HOLDS,
            "not shown in 9 cases",
        ),
    ),
    figures=(Figure("cases per second", 180.0, "1/s"),),
    warnings=("The program claim-complete was not run.",),
)
PASSED = replace(
    FAILED,
    outcome=Outcome.PASS,
    parts=(("sweep", Outcome.PASS),),
    findings=(),
    invariants=FAILED.invariants[1:2],
    selfcheck=(),
    warnings=(),
)

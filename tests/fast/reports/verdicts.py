"""A small verdict as a literal, for tests of everything that is made from one."""

from __future__ import annotations

from dataclasses import replace

from midpipe.faultinject.decide.ledger import Covered, LedgerRow
from midpipe.scenarios.model.finding import PlacedFault
from midpipe.scenarios.model.messages import CaseEnded
from midpipe.scenarios.model.story import (
    KeyChange,
    StepKind,
    Story,
    StoryArgument,
    StoryCall,
    StoryCommand,
    StoryError,
    StoryStep,
    StoryViolation,
)
from midpipe.scenarios.model.verdict import (
    Finding,
    FlawRow,
    InvariantRow,
    Outcome,
    PartRow,
    ReviewRow,
    Severity,
    Status,
    Verdict,
)

# A case without faults, in which nothing was observed.
CASE = CaseEnded(
    program="enqueue",
    replay="enqueue:",
    fault="none",
    faults=0,
    valid=True,
    invalid_reason="",
    violations=(),
    observations=(),
    crashes=(),
    seconds=(0.0, 0.0, 0.0, 0.0),
)
REPLAY = "enqueue-with-request-id: A2:HSET!cut-before"
ENQUEUE = StoryCall("enqueue", (StoryArgument("job_id", '"job-1"'),))
LABEL = "HSET ai:jobs:*"
PLACE = f"operation 1, attempt 1, command 2: {LABEL}"
STORY = Story(
    REPLAY,
    (
        StoryStep(StepKind.CALL, "A", ENQUEUE),
        StoryStep(
            StepKind.COMMAND,
            "A",
            command=StoryCommand(
                ("SET", "ai:idempotency:acme:r-1", "job-1", "NX"),
                position="A1",
                place="operation 1, attempt 1, command 1: SET ai:idempotency:*:*",
                label="SET ai:idempotency:*:*",
                executed="yes",
                reply="OK",
            ),
            changes=(KeyChange("ai:idempotency:acme:r-1", "", "'job-1'"),),
        ),
        StoryStep(
            StepKind.COMMAND,
            "A",
            command=StoryCommand(
                ("HSET", "ai:jobs:job-1", "status", "pending"),
                position="A2",
                place=PLACE,
                label=LABEL,
                fault="cut-before",
                executed="no",
            ),
        ),
        StoryStep(
            StepKind.RAISE,
            "A",
            ENQUEUE,
            error=StoryError("ConnectionError", "[/red] reset <by> peer & co"),
        ),
    ),
    (
        StoryViolation(
            "no-lost-job", "enqueue answered False for job-1, and get_job finds no such job."
        ),
    ),
)
NEIGHBOUR = Story(
    "enqueue-with-request-id:", (StoryStep(StepKind.RETURN, "A", ENQUEUE, value="True"),)
)
LOST = Finding(
    id="F1",
    invariant="no-lost-job",
    severity=Severity.CRITICAL,
    program="enqueue-with-request-id",
    replay=REPLAY,
    claim="Every enqueue that was answered left a job.",
    evidence=("enqueue answered False for job-1, and get_job finds no such job.",),
    operation="enqueue",
    faults=(PlacedFault("cut-before", "A2", PLACE),),
    command=LABEL,
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
    parts=(
        PartRow("selfcheck", Outcome.PASS),
        PartRow("review", Outcome.PASS),
        PartRow("sweep", Outcome.FAIL, cases=900, seconds=5.0),
    ),
    findings=(LOST, LOUD),
    invariants=(
        InvariantRow(
            invariant="no-lost-job",
            severity=Severity.CRITICAL,
            claim=LOST.claim,
            status=Status.VIOLATED,
            observations=80,
            violations=3,
        ),
        InvariantRow(
            invariant="isolation",
            severity=Severity.CRITICAL,
            claim="No workspace …",
            status=Status.HOLDS,
            observations=12,
            violations=0,
        ),
        InvariantRow(
            invariant="no-divergence",
            severity=Severity.HIGH,
            claim="Both …",
            status=Status.NOT_APPLICABLE,
            observations=0,
            violations=0,
            note="one schema only",
        ),
        InvariantRow(
            invariant="status-order",
            severity=Severity.HIGH,
            claim="An …",
            status=Status.UNKNOWN,
            observations=0,
            violations=0,
            note="saw nothing",
        ),
    ),
    ledger=(
        LedgerRow(
            program="enqueue",
            fault="late",
            space=9,
            run=5,
            pruned=3,
            pruned_by={"late-read": 3},
            not_reached=1,
            invalid=0,
            violated=2,
            places={
                "A2:HSET": Covered.RUN,
                "A1:SET": Covered.VIOLATED,
                "A10:GET": Covered.PRUNED,
            },
        ),
    ),
    selfcheck=(
        FlawRow(
            flaw="as-reviewed",
            invariant="no-lost-job",
            expected=True,
            caught=True,
            outcome=Outcome.PASS,
            replay=REPLAY,
            case_number=77,
            seconds=0.47,
        ),
        FlawRow("as-shipped", "no-duplicate", True, False, Outcome.FAIL),
    ),
    review=(
        ReviewRow(
            issue="CRITICAL-1",
            title="The key blocks retries",
            severity=Severity.CRITICAL,
            subject="as reviewed",
            how="behaviour",
            shown=Status.VIOLATED,
            outcome=Outcome.PASS,
            evidence="enqueue answered False …",
            replay=REPLAY,
        ),
        ReviewRow(
            issue="CRITICAL-1",
            title="The key blocks retries",
            severity=Severity.CRITICAL,
            subject="reference",
            how="behaviour",
            shown=Status.HOLDS,
            outcome=Outcome.PASS,
            evidence="not shown in 9 cases",
        ),
    ),
    warnings=("The program claim-complete was not run.",),
)
PASSED = replace(
    FAILED,
    outcome=Outcome.PASS,
    parts=(PartRow("sweep", Outcome.PASS, cases=900, seconds=5.0),),
    findings=(),
    invariants=FAILED.invariants[1:2],
    selfcheck=(),
    warnings=(),
)

"""All flawed queues, what is wrong with each, and which invariants must catch it. Data.

For a flaw in the suite ``sweep``, ``caught_by`` lists the invariants that one client and at most one fault can violate;
a flaw in another suite needs two clients or two versions, and no fault.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Flaw:
    """A queue with a planted flaw.

    Args:
        name: the name in reports.
        subject: ``module:Class``.
        summary: one sentence.
        caught_by: ids of the invariants that it must violate.
        suite: the programs that show it: ``sweep`` (one client), ``interleave`` (two), ``fleet`` (two versions).
        programs: names of those programs in the suite that must show it; empty means all.
        shown_by: the fault of the clock that shows it; empty if no such fault is needed.
        part: what a program must contain (as in ``has_part``) to show this flaw and no other flaw of the same queue.
    """

    name: str
    subject: str
    summary: str
    caught_by: tuple[str, ...]
    suite: str = "sweep"
    programs: tuple[str, ...] = ()
    part: str = ""
    shown_by: str = ""


def _name(kind: str) -> str:
    words = "".join(
        f"-{client_id.lower()}" if client_id.isupper() else client_id for client_id in kind
    )
    return words.lstrip("-")


def _design(name: str, summary: str, *caught_by: str) -> Flaw:
    module = name.replace("-", "_")
    subject = f"midpipe.scenarios.flaws.{module}:SimpleQueue"
    return Flaw(name=name, subject=subject, summary=summary, caught_by=caught_by)


def _single(kind: str, summary: str, *caught_by: str, programs: tuple[str, ...] = ()) -> Flaw:
    subject = f"midpipe.scenarios.flaws.single:{kind}"
    return Flaw(
        name=_name(kind), subject=subject, summary=summary, caught_by=caught_by, programs=programs
    )


def _pair(kind: str, summary: str, *caught_by: str) -> Flaw:
    subject = f"midpipe.scenarios.flaws.pairs:{kind}"
    return Flaw(
        name=_name(kind), subject=subject, summary=summary, caught_by=caught_by, suite="interleave"
    )


def _among_others(kind: str, summary: str, caught_by: str, program: str) -> Flaw:
    return replace(_worker(kind, summary, caught_by, program, "others_waiting"), suite="interleave")


def _counting(kind: str, summary: str, program: str) -> Flaw:
    return Flaw(
        name=_name(kind),
        subject=f"midpipe.scenarios.flaws.counting:{kind}",
        summary=summary,
        caught_by=("telemetry-is-true",),
        programs=(program,),
    )


def _of_the_clock(kind: str, summary: str, caught_by: str, program: str, shown_by: str) -> Flaw:
    return Flaw(
        name=_name(kind),
        subject=f"midpipe.scenarios.flaws.clocks:{kind}",
        summary=summary,
        caught_by=(caught_by,),
        programs=(program,),
        shown_by=shown_by,
    )


def _planned(name: str, summary: str, program: str, part: str) -> Flaw:
    return Flaw(
        name=name,
        subject="midpipe.scenarios.flaws.as_planned:SimpleQueue",
        summary=summary,
        caught_by=("no-divergence", "status-order"),
        suite="fleet",
        programs=(program,),
        part=part,
    )


def _worker(kind: str, summary: str, caught_by: str, program: str, module: str = "workers") -> Flaw:
    return Flaw(
        name=_name(kind),
        subject=f"midpipe.scenarios.flaws.{module}:{kind}",
        summary=summary,
        caught_by=(caught_by,),
        programs=(program,),
    )


FLAWS: tuple[Flaw, ...] = (
    _design(
        "as-reviewed",
        "The request key blocks the retry, three writes are not atomic, the schemas diverge.",
        "no-lost-job",
        "retry-succeeds",
        "no-orphan",
        "no-divergence",
        "answer-is-true",
        "isolation",
        "bad-input",
        "list-is-whole",
    ),
    _design(
        "fix-guide-step-1",
        "Sets the request key last and does not check it first.",
        "no-duplicate",
        "no-orphan",
        "answer-is-true",
    ),
    _design(
        "fix-guide-step-2",
        "After a cut between the transaction and the request key, the retry enqueues a second job.",
        "no-duplicate",
    ),
    _design(
        "as-shipped",
        "The caller repeats a transaction whose reply was lost; an update half-fills a hash.",
        "no-duplicate",
        "no-divergence",
    ),
    _design(
        "as-shipped-retrying",
        "The same with the driver's default retries, which repeat the transaction by themselves.",
        "no-duplicate",
        "no-divergence",
    ),
    _single(
        "CleansUpAfterItself",
        "After an exception it deletes the data of a job that is queued.",
        "no-orphan",
        "answer-is-true",
    ),
    _single("PushesAgain", "Queues an id again with every call.", "no-duplicate"),
    _single(
        "RequestKeyFirst",
        "Sets the request key before it writes the job.",
        "no-lost-job",
        "retry-succeeds",
    ),
    _single("PushesFirst", "Queues an id before it writes the data.", "no-orphan"),
    _single(
        "PlainPipeline",
        "Sends its writes in one pipeline without MULTI, and ignores the request id.",
        "no-duplicate",
        "no-orphan",
        "answer-is-true",
    ),
    _single(
        "SwallowsExceptions", "Returns True after an exception.", "no-lost-job", "answer-is-true"
    ),
    _single(
        "SaysFalseAfterAnException",
        "Returns False after an exception.",
        "no-lost-job",
        "answer-is-true",
    ),
    _single("FireAndForget", "Returns True without waiting for the server's reply.", "no-lost-job"),
    _single("UpdatesOneThenTheOther", "Updates the schemas one after the other.", "no-divergence"),
    _single(
        "FillsHalfAHash", "Creates a new hash with a status and no other fields.", "no-divergence"
    ),
    _single("LastArrivalWins", "Lets an update that arrives late win.", "status-order"),
    _single("ForgetsTheUpdate", "Acknowledges an update that it never sends.", "status-order"),
    _single(
        "StoresLargeResultsApart",
        "Writes a large result after the status.",
        "result-is-kept",
        programs=("finish-with-large-result",),
    ),
    _single("WaitsForEver", "Has no time-out.", "bounded-latency"),
    _single("RetriesForEver", "Retries without limit.", "bounded-latency"),
    _single(
        "DeclaresLessThanItWaits",
        "Declares a latency bound shorter than its own time-out.",
        "bounded-latency",
    ),
    _single("OneRequestForAll", "Keeps request ids without their workspace.", "no-lost-job"),
    _single("ReadsAnybodysJob", "Reads another workspace's job.", "isolation"),
    _single("WritesThenValidates", "Writes before it validates.", "bad-input"),
    _single("TakesAnyWorkspace", "Accepts a job without a workspace.", "bad-input"),
    _single("LogsParams", "Logs a job's params at ERROR.", "quiet-logs"),
    _single("ListsTheOldSchema", "Lists one schema only.", "list-is-whole"),
    _single(
        "PopsBeforeItMarks",
        "Pops a job from the queue before it marks the job running.",
        "no-lost-job",
        "no-orphan",
    ),
    _single(
        "KeepsDeadWorkersJobs",
        "Never hands out a dead worker's job again.",
        "no-lost-job",
        programs=("work-under-a-lease",),
    ),
    _single("GivesTheNewestFirst", "Hands out the newest job first.", "queue-order"),
    _single("ReturnsParamsAsText", "Returns a job's params as text.", "job-is-as-enqueued"),
    _counting(
        "CountsBeforeTheFact", "Counts a dual write as succeeded before it is sent.", "enqueue"
    ),
    _counting("CountsEnqueuesOnly", "Does not count updates as dual writes.", "update-running"),
    _counting(
        "CountsFallbacksAsNew", "Counts a fall-back as a read of the new schema.", "list-old-job"
    ),
    _counting("CountsDuplicatesAsJobs", "Counts a duplicate as a job.", "same-job-again"),
    _worker("PopsJobs", "Takes a job out of Redis before it runs.", "no-lost-job", "work"),
    _worker("NeverPutsBack", "Never runs a dead worker's job again.", "no-stuck-job", "work"),
    _worker("StopsAfterAnError", "Runs nothing after one error.", "worker-lives", "work-twice"),
    _worker("StopsWhenIdle", "Runs nothing after it was idle.", "worker-lives", "idle-then-work"),
    _worker("RunsTheNewestFirst", "Runs the newest job first.", "queue-order", "work-twice"),
    _worker(
        "PushesBlindly",
        "Pushes a job again if the reply was lost.",
        "no-duplicate",
        "enqueue-then-work",
    ),
    _worker(
        "DropsDeadWorkersJobs",
        "Takes the job of a worker that died for a finished one.",
        "no-lost-job",
        "die-then-work",
    ),
    _worker(
        "PromotesInTwoSteps",
        "Takes a delayed job out before it puts it into the waiting list.",
        "no-lost-job",
        "delayed-then-work",
    ),
    _worker(
        "PutsBackWhatIsNotDue",
        "Takes a delayed job that is not due yet out of its set, and puts it back in a step of its own.",
        "no-lost-job",
        "two-delayed-then-tick",
    ),
    _worker(
        "SortsInTwoSteps",
        "Removes the waiting jobs and pushes them again in order, to sort a new one in.",
        "no-stuck-job",
        "enqueue-behind-another",
        "others_waiting",
    ),
    _worker(
        "CancelsNothing",
        "Says that a job is cancelled which it then runs.",
        "no-ghost",
        "cancel-then-work",
    ),
    _worker(
        "FailsInTwoSteps",
        "Ends the lease of a failed job before it puts the job back.",
        "no-lost-job",
        "fail-then-claim",
        "failing",
    ),
    _worker(
        "RetriesInTwoSteps",
        "Takes a failed job out of the running ones before it puts the job back.",
        "no-lost-job",
        "fail-then-work",
        "failing",
    ),
    _worker(
        "TakesTheLowestFirst",
        "Hands out the job of the lowest priority first.",
        "queue-order",
        "enqueues-then-claim",
        "priorities",
    ),
    _worker(
        "RemovesBeforeItPushes",
        "Lets every job wait, and takes one that is due out of its set before it puts it into the waiting list.",
        "no-lost-job",
        "claim-complete",
        "delaying",
    ),
    Flaw(
        "as-shipped-twice",
        "midpipe.scenarios.flaws.as_shipped:SimpleQueue",
        "Two clients with one request id both find no request key.",
        ("no-duplicate",),
        suite="interleave",
    ),
    _planned(
        "as-shipped-in-a-canary",
        "A worker with the flag off completes a job in the old schema; the others read the new one.",
        "mixed-update-read-new-off",
        "two versions",
    ),
    _planned(
        "as-shipped-rolled-back",
        "After a roll-back and another roll-out, updates made in the old schema are missing in the new one.",
        "mixed-roll-read-new-off",
        "a roll",
    ),
    _planned(
        "as-planned-backfill",
        "The backfill overwrites an update between its read and its write.",
        "mixed-backfill-read-new-read-old",
        "backfill",
    ),
    Flaw(
        "as-planned-cleanup",
        "midpipe.scenarios.flaws.as_planned:SimpleQueue",
        "A client reads the new schema before the backfill, and the old one after the clean-up.",
        ("answer-is-true",),
        suite="interleave",
        programs=("cleanup-vs-read",),
        part="cleanup",
    ),
    _pair(
        "ChecksOutsideTheTransaction",
        "Checks for the request and the job before its transaction.",
        "no-duplicate",
    ),
    _pair("ChecksTheOwnerFirst", "Checks a job's workspace before it writes it.", "no-duplicate"),
    _pair(
        "ReleasesAnotherWorkersLease",
        "A worker without the lease deletes the lease of the worker that has it.",
        "holder-is-served",
    ),
    _pair("PeeksThenRemoves", "Reads the head of the queue, and removes it later.", "no-duplicate"),
    _pair(
        "LosesTheRaceForTheHead",
        "Returns None although jobs are pending, after another worker was quicker.",
        "queue-order",
    ),
    _pair("IgnoresTheToken", "Lets every worker complete a job.", "no-duplicate"),
    _pair(
        "GivesEveryoneTheSameToken",
        "Gives all workers of a job the same lease token.",
        "no-duplicate",
    ),
    _pair(
        "ChecksTheTokenFirst",
        "Compares the lease token in a command before the completion.",
        "no-duplicate",
    ),
    _pair(
        "ReclaimsInTwoSteps",
        "Requeues an expired job that another worker has requeued.",
        "no-duplicate",
    ),
    _among_others(
        "ForgetsAnEmptyList",
        "After the last job, takes the list off those with jobs although a job has come meanwhile.",
        "no-stuck-job",
        "enqueue-vs-last-job",
    ),
    _among_others(
        "ForgetsWhatItRefuses",
        "Takes a job again that another worker has, once it has refused a stale completion of it.",
        "no-duplicate",
        "stale-finish-then-enqueue",
    ),
    _pair("PagesByOffset", "Skips a job when an earlier one leaves the listing.", "list-is-whole"),
    _pair(
        "BackfillsInTwoSteps",
        "Overwrites an update between the backfill's read and write.",
        "no-divergence",
    ),
)

CLOCK_FLAWS: tuple[Flaw, ...] = (
    _of_the_clock(
        "ForgetsWaitingJobs",
        "A job's data expires after a day, also if no worker has received the job by then.",
        "no-lost-job",
        "claim-complete",
        "elapse",
    ),
    _of_the_clock(
        "KeepsRequestsByItsOwnClock",
        "Compares the end of a request key with the clock of whichever client asks.",
        "no-duplicate",
        "same-request-again",
        "skew-ahead",
    ),
    _of_the_clock(
        "ExpiresRequestsByItsOwnClock",
        "Sets the moment at which a request key expires by the client's clock.",
        "no-duplicate",
        "same-request-again",
        "skew-behind",
    ),
    _of_the_clock(
        "MeasuresByTheWallClock",
        "Refuses to complete a job if the wall clock says that the call has taken a minute.",
        "holder-is-served",
        "work-under-a-lease",
        "clock-step",
    ),
)
"""They show on a stepped clock only."""

"""All flawed queues, what is wrong with each, and which invariants must catch it. Data.

For a flaw in the suite ``sweep``, ``caught_by`` lists the invariants that one client and at most one fault can violate;
a flaw in another suite needs two clients or two versions, and no fault.
"""

from __future__ import annotations

from midpipe.scenarios.flaws.flaw import (
    Flaw,
    among_others,
    counting,
    design,
    of_the_clock,
    pair,
    planned,
    single,
    worker,
)

FLAWS: tuple[Flaw, ...] = (
    design(
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
    design(
        "fix-guide-step-1",
        "Sets the request key last and does not check it first.",
        "no-duplicate",
        "no-orphan",
        "answer-is-true",
    ),
    design(
        "fix-guide-step-2",
        "After a cut between the transaction and the request key, the retry enqueues a second job.",
        "no-duplicate",
    ),
    design(
        "as-shipped",
        "The caller repeats a transaction whose reply was lost; an update half-fills a hash.",
        "no-duplicate",
        "no-divergence",
    ),
    design(
        "as-shipped-retrying",
        "The same with the driver's default retries, which repeat the transaction by themselves.",
        "no-duplicate",
        "no-divergence",
    ),
    single(
        "CleansUpAfterItself",
        "After an exception it deletes the data of a job that is queued.",
        "no-orphan",
        "answer-is-true",
    ),
    single("PushesAgain", "Queues an id again with every call.", "no-duplicate"),
    single(
        "RequestKeyFirst",
        "Sets the request key before it writes the job.",
        "no-lost-job",
        "retry-succeeds",
    ),
    single("PushesFirst", "Queues an id before it writes the data.", "no-orphan"),
    single(
        "PlainPipeline",
        "Sends its writes in one pipeline without MULTI, and ignores the request id.",
        "no-duplicate",
        "no-orphan",
        "answer-is-true",
    ),
    single(
        "SwallowsExceptions", "Returns True after an exception.", "no-lost-job", "answer-is-true"
    ),
    single(
        "SaysFalseAfterAnException",
        "Returns False after an exception.",
        "no-lost-job",
        "answer-is-true",
    ),
    single("FireAndForget", "Returns True without waiting for the server's reply.", "no-lost-job"),
    single("UpdatesOneThenTheOther", "Updates the schemas one after the other.", "no-divergence"),
    single(
        "FillsHalfAHash", "Creates a new hash with a status and no other fields.", "no-divergence"
    ),
    single("LastArrivalWins", "Lets an update that arrives late win.", "status-order"),
    single("ForgetsTheUpdate", "Acknowledges an update that it never sends.", "status-order"),
    single(
        "StoresLargeResultsApart",
        "Writes a large result after the status.",
        "result-is-kept",
        programs=("finish-with-large-result",),
    ),
    single("WaitsForEver", "Has no time-out.", "bounded-latency"),
    single("RetriesForEver", "Retries without limit.", "bounded-latency"),
    single(
        "DeclaresLessThanItWaits",
        "Declares a latency bound shorter than its own time-out.",
        "bounded-latency",
    ),
    single("OneRequestForAll", "Keeps request ids without their workspace.", "no-lost-job"),
    single("ReadsAnybodysJob", "Reads another workspace's job.", "isolation"),
    single("WritesThenValidates", "Writes before it validates.", "bad-input"),
    single("TakesAnyWorkspace", "Accepts a job without a workspace.", "bad-input"),
    single("LogsParams", "Logs a job's params at ERROR.", "quiet-logs"),
    single("ListsTheOldSchema", "Lists one schema only.", "list-is-whole"),
    single(
        "PopsBeforeItMarks",
        "Pops a job from the queue before it marks the job running.",
        "no-lost-job",
        "no-orphan",
    ),
    single(
        "KeepsDeadWorkersJobs",
        "Never hands out a dead worker's job again.",
        "no-lost-job",
        programs=("work-under-a-lease",),
    ),
    single("GivesTheNewestFirst", "Hands out the newest job first.", "queue-order"),
    single("ReturnsParamsAsText", "Returns a job's params as text.", "job-is-as-enqueued"),
    counting(
        "CountsBeforeTheFact", "Counts a dual write as succeeded before it is sent.", "enqueue"
    ),
    counting("CountsEnqueuesOnly", "Does not count updates as dual writes.", "update-running"),
    counting(
        "CountsFallbacksAsNew", "Counts a fall-back as a read of the new schema.", "list-old-job"
    ),
    counting("CountsDuplicatesAsJobs", "Counts a duplicate as a job.", "same-job-again"),
    worker("PopsJobs", "Takes a job out of Redis before it runs.", "no-lost-job", "work"),
    worker("NeverPutsBack", "Never runs a dead worker's job again.", "no-stuck-job", "work"),
    worker("StopsAfterAnError", "Runs nothing after one error.", "worker-lives", "work-twice"),
    worker("StopsWhenIdle", "Runs nothing after it was idle.", "worker-lives", "idle-then-work"),
    worker("RunsTheNewestFirst", "Runs the newest job first.", "queue-order", "work-twice"),
    worker(
        "PushesBlindly",
        "Pushes a job again if the reply was lost.",
        "no-duplicate",
        "enqueue-then-work",
    ),
    worker(
        "DropsDeadWorkersJobs",
        "Takes the job of a worker that died for a finished one.",
        "no-lost-job",
        "die-then-work",
    ),
    worker(
        "PromotesInTwoSteps",
        "Takes a delayed job out before it puts it into the waiting list.",
        "no-lost-job",
        "delayed-then-work",
    ),
    worker(
        "PutsBackWhatIsNotDue",
        "Takes a delayed job that is not due yet out of its set, and puts it back in a step of its own.",
        "no-lost-job",
        "two-delayed-then-tick",
    ),
    worker(
        "SortsInTwoSteps",
        "Removes the waiting jobs and pushes them again in order, to sort a new one in.",
        "no-stuck-job",
        "enqueue-behind-another",
        "others_waiting",
    ),
    worker(
        "CancelsNothing",
        "Says that a job is cancelled which it then runs.",
        "no-ghost",
        "cancel-then-work",
    ),
    worker(
        "FailsInTwoSteps",
        "Ends the lease of a failed job before it puts the job back.",
        "no-lost-job",
        "fail-then-claim",
        "failing",
    ),
    worker(
        "RetriesInTwoSteps",
        "Takes a failed job out of the running ones before it puts the job back.",
        "no-lost-job",
        "fail-then-work",
        "failing",
    ),
    worker(
        "TakesTheLowestFirst",
        "Hands out the job of the lowest priority first.",
        "queue-order",
        "enqueues-then-claim",
        "priorities",
    ),
    worker(
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
    planned(
        "as-shipped-in-a-canary",
        "A worker with the flag off completes a job in the old schema; the others read the new one.",
        "mixed-update-read-new-off",
        "two versions",
    ),
    planned(
        "as-shipped-rolled-back",
        "After a roll-back and another roll-out, updates made in the old schema are missing in the new one.",
        "mixed-roll-read-new-off",
        "a roll",
    ),
    planned(
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
    pair(
        "ChecksOutsideTheTransaction",
        "Checks for the request and the job before its transaction.",
        "no-duplicate",
    ),
    pair("ChecksTheOwnerFirst", "Checks a job's workspace before it writes it.", "no-duplicate"),
    pair(
        "ReleasesAnotherWorkersLease",
        "A worker without the lease deletes the lease of the worker that has it.",
        "holder-is-served",
    ),
    pair("PeeksThenRemoves", "Reads the head of the queue, and removes it later.", "no-duplicate"),
    pair(
        "LosesTheRaceForTheHead",
        "Returns None although jobs are pending, after another worker was quicker.",
        "queue-order",
    ),
    pair("IgnoresTheToken", "Lets every worker complete a job.", "no-duplicate"),
    pair(
        "GivesEveryoneTheSameToken",
        "Gives all workers of a job the same lease token.",
        "no-duplicate",
    ),
    pair(
        "ChecksTheTokenFirst",
        "Compares the lease token in a command before the completion.",
        "no-duplicate",
    ),
    pair(
        "ReclaimsInTwoSteps",
        "Requeues an expired job that another worker has requeued.",
        "no-duplicate",
    ),
    among_others(
        "ForgetsAnEmptyList",
        "After the last job, takes the list off those with jobs although a job has come meanwhile.",
        "no-stuck-job",
        "enqueue-vs-last-job",
    ),
    among_others(
        "ForgetsTheListItEmptied",
        "A claim that finds no job takes the list off those with jobs although a job has come meanwhile.",
        "no-lost-job",
        "enqueue-vs-empty-claim",
    ),
    among_others(
        "ForgetsWhatItRefuses",
        "Takes a job again that another worker has, once it has refused a stale completion of it.",
        "no-duplicate",
        "stale-finish-then-enqueue",
    ),
    pair("PagesByOffset", "Skips a job when an earlier one leaves the listing.", "list-is-whole"),
    pair(
        "BackfillsInTwoSteps",
        "Overwrites an update between the backfill's read and write.",
        "no-divergence",
    ),
)

CLOCK_FLAWS: tuple[Flaw, ...] = (
    of_the_clock(
        "ForgetsWaitingJobs",
        "A job's data expires after a day, also if no worker has received the job by then.",
        "no-lost-job",
        "claim-complete",
        "elapse",
    ),
    of_the_clock(
        "KeepsRequestsByItsOwnClock",
        "Compares the end of a request key with the clock of whichever client asks.",
        "no-duplicate",
        "same-request-again",
        "skew-ahead",
    ),
    of_the_clock(
        "ExpiresRequestsByItsOwnClock",
        "Sets the moment at which a request key expires by the client's clock.",
        "no-duplicate",
        "same-request-again",
        "skew-behind",
    ),
    of_the_clock(
        "MeasuresByTheWallClock",
        "Refuses to complete a job if the wall clock says that the call has taken a minute.",
        "holder-is-served",
        "work-under-a-lease",
        "clock-step",
    ),
)
"""They show on a stepped clock only."""

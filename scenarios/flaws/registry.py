"""Every flawed queue, what is wrong with it, and which invariants must catch it. Data.

Of a queue for the sweep only invariants are declared that one client and one fault can make fall; what takes two
clients or two versions says so, and needs no fault.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Flaw:
    """A queue with a planted flaw.

    Args:
        name: as in reports.
        subject: ``module:Class``.
        summary: one sentence.
        caught_by: the invariants that must fall.
        suite: the programs that show it: ``sweep`` (one client), ``interleave`` (two), ``fleet`` (two versions).
        programs: of the suite, those that must show it; empty takes all.
        part: what takes part in a program that shows it, where another flaw of the queue might be shown instead.
    """

    name: str
    subject: str
    summary: str
    caught_by: tuple[str, ...]
    suite: str = "sweep"
    programs: tuple[str, ...] = ()
    part: str = ""


def _name(kind: str) -> str:
    words = "".join(
        f"-{client_id.lower()}" if client_id.isupper() else client_id for client_id in kind
    )
    return words.lstrip("-")


def _design(name: str, summary: str, *caught_by: str) -> Flaw:
    module = name.replace("-", "_")
    return Flaw(name, f"midpipe.scenarios.flaws.{module}:SimpleQueue", summary, caught_by)


def _single(kind: str, summary: str, *caught_by: str, programs: tuple[str, ...] = ()) -> Flaw:
    subject = f"midpipe.scenarios.flaws.single:{kind}"
    return Flaw(_name(kind), subject, summary, caught_by, programs=programs)


def _pair(kind: str, summary: str, *caught_by: str) -> Flaw:
    subject = f"midpipe.scenarios.flaws.pairs:{kind}"
    return Flaw(_name(kind), subject, summary, caught_by, suite="interleave")


def _counting(kind: str, summary: str, program: str) -> Flaw:
    subject, caught_by = f"midpipe.scenarios.flaws.counting:{kind}", ("telemetry-is-true",)
    return Flaw(_name(kind), subject, summary, caught_by, programs=(program,))


def _planned(name: str, summary: str, program: str, part: str) -> Flaw:
    caught_by = ("no-divergence", "status-order")
    subject = "midpipe.scenarios.flaws.as_planned:SimpleQueue"
    return Flaw(name, subject, summary, caught_by, "fleet", (program,), part)


FLAWS: tuple[Flaw, ...] = (
    _design(
        "as-reviewed",
        "The request key blocks the retry, three writes tear apart, the schemas drift.",
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
        "The request key comes last and nobody looks at it first.",
        "no-duplicate",
        "no-orphan",
        "answer-is-true",
    ),
    _design(
        "fix-guide-step-2",
        "A cut between the transaction and the request key lets the retry in again.",
        "no-duplicate",
    ),
    _design(
        "as-shipped",
        "A transaction whose reply is lost is run again by the caller; an update half-fills a hash.",
        "no-duplicate",
        "no-divergence",
    ),
    _design(
        "as-shipped-retrying",
        "The same with the driver's default retries, which run the transaction again by themselves.",
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
        "Marks a request as known before its job is written.",
        "no-lost-job",
        "retry-succeeds",
    ),
    _single("PushesFirst", "Queues an id before its data is there.", "no-orphan"),
    _single(
        "PlainPipeline",
        "Sends its writes in one packet, without MULTI.",
        "no-orphan",
        "answer-is-true",
    ),
    _single("SwallowsExceptions", "Says True after an exception.", "no-lost-job", "answer-is-true"),
    _single(
        "SaysFalseAfterAnException",
        "Says False after an exception.",
        "no-lost-job",
        "answer-is-true",
    ),
    _single("FireAndForget", "Says True without waiting for the server.", "no-lost-job"),
    _single("UpdatesOneThenTheOther", "Updates the schemas one after the other.", "no-divergence"),
    _single("FillsHalfAHash", "Makes a new hash out of nothing but a status.", "no-divergence"),
    _single("LastArrivalWins", "Lets an update win that arrives late.", "status-order"),
    _single("ForgetsTheUpdate", "Answers an update that it never sends.", "status-order"),
    _single(
        "StoresLargeResultsApart",
        "Writes a large result after the status.",
        "result-is-kept",
        programs=("finish-with-large-result",),
    ),
    _single("WaitsForEver", "Has no time-out.", "bounded-latency"),
    _single("RetriesForEver", "Has no end to its retries.", "bounded-latency"),
    _single(
        "DeclaresLessThanItWaits",
        "Promises an answer sooner than its time-out lets it give up.",
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
        "Takes a job off the queue before it is marked.",
        "no-lost-job",
        "no-orphan",
    ),
    _single(
        "KeepsDeadWorkersJobs",
        "Never gives a dead worker's job out again.",
        "no-lost-job",
        programs=("work-under-a-lease",),
    ),
    _single("GivesTheNewestFirst", "Takes jobs off the wrong end of the queue.", "queue-order"),
    _counting(
        "CountsBeforeTheFact", "Counts a dual write as succeeded before it is sent.", "enqueue"
    ),
    _counting("CountsEnqueuesOnly", "Counts no update as a dual write.", "update-running"),
    _counting(
        "CountsFallbacksAsNew", "Counts a fall-back as a read of the new schema.", "list-old-job"
    ),
    _counting("CountsDuplicatesAsJobs", "Counts a duplicate as a job.", "same-job-again"),
    Flaw(
        "as-shipped-twice",
        "midpipe.scenarios.flaws.as_shipped:SimpleQueue",
        "Two clients with one request id both find that it is not known.",
        ("no-duplicate",),
        suite="interleave",
    ),
    _planned(
        "as-shipped-in-a-canary",
        "A worker with the flag off finishes a job in the old schema; the others go on reading the new.",
        "mixed-update-read-new-off",
        "two versions",
    ),
    _planned(
        "as-shipped-rolled-back",
        "A roll-back and a second try leave updates in the old schema that the new one never sees.",
        "mixed-roll-read-new-off",
        "a roll",
    ),
    _planned(
        "as-planned-backfill",
        "The backfill overwrites an update that came between its read and its write.",
        "mixed-backfill-read-new-read-old",
        "backfill",
    ),
    Flaw(
        "as-planned-cleanup",
        "midpipe.scenarios.flaws.as_planned:SimpleQueue",
        "A reader looks at the new schema before the backfill, and at the old one after the clean-up.",
        ("answer-is-true",),
        "interleave",
        ("cleanup-vs-read",),
        "cleanup",
    ),
    _pair(
        "ChecksOutsideTheTransaction",
        "Looks first, and writes whatever came meanwhile.",
        "no-duplicate",
    ),
    _pair("ChecksTheOwnerFirst", "Asks whose a job is before it writes it.", "no-duplicate"),
    _pair(
        "PeeksThenRemoves", "Looks at the head of the queue, and removes it later.", "no-duplicate"
    ),
    _pair(
        "LosesTheRaceForTheHead",
        "Says that no job waits after another worker was quicker.",
        "queue-order",
    ),
    _pair("IgnoresTheToken", "Lets anybody finish a job.", "no-duplicate"),
    _pair("GivesEveryoneTheSameToken", "Fences nobody.", "no-duplicate"),
    _pair(
        "ChecksTheTokenFirst", "Compares the token before, not while, it finishes.", "no-duplicate"
    ),
    _pair(
        "ReclaimsInTwoSteps",
        "Puts an expired job back that somebody else put back.",
        "no-duplicate",
    ),
    _pair("PagesByOffset", "Skips a job when another one leaves the page before.", "list-is-whole"),
    _pair(
        "BackfillsInTwoSteps", "Overwrites an update with what it read before it.", "no-divergence"
    ),
)

"""Released queue libraries by name: what to install for each, its adapter, and what its documentation promises.

An adapter is a file of its own beside this one, hosted by the interpreter of an environment in which the library is
installed; so it imports nothing of midpipe's but the job's body. Its name is not the library's, which it would hide.
An adapter maps calls and has no queue logic. It leaves the library's defaults alone, except for the settings listed
here, most of which shorten the library's own recovery to what a case can wait for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

FOLDER = Path(__file__).parent


class Language(StrEnum):
    """The language of a library and of its adapter."""

    PYTHON = "Python"
    NODE = "Node.js"
    GO = "Go"


_PINS = MappingProxyType({Language.PYTHON: "=={}", Language.NODE: "@{}", Language.GO: "@v{}"})


@dataclass(frozen=True, slots=True)
class Library:
    """A released queue library.

    Args:
        name: as in ``--queue``.
        package: its name in its language's registry; empty for the reference, which comes with midpipe.
        adapter: the adapter's file and its class, as in ``rq_adapter.py:Queue``. Without a class it is ``Queue`` in
            Node.js; an adapter in Go takes the name as the first word of its command line.
        promises: what it is judged by, as in a subject's attribute ``promises``.
        documented: what its documentation says of delivery, and where, in one sentence.
        extra: the extra of its package that brings its Redis driver; empty if there is none.
        requires: further packages that it needs, as requirements.
        settings: what the adapter sets instead of a default, and the default; empty if nothing.
        language: in which it is written.
        variant_of: the library of which these are the settings that its documentation recommends for jobs that must not
            be lost; empty for its defaults.
    """

    name: str
    package: str
    adapter: str
    promises: Mapping[str, str | float]
    documented: str
    extra: str = ""
    requires: tuple[str, ...] = field(default=())
    settings: str = ""
    language: Language = Language.PYTHON
    variant_of: str = ""

    @property
    def settings_sentence(self) -> str:
        """What midpipe sets instead of a default, as a sentence; empty if it sets nothing."""
        return (
            f"midpipe runs {self.name} with {self.settings}, the defaults in brackets."
            if self.settings
            else ""
        )

    def packages(self, version: str) -> tuple[str, ...]:
        """Return what to install for a release, as requirements; for the newest if the version is empty."""
        extra = f"[{self.extra}]" if self.extra else ""
        pin = _PINS[self.language].format(version) if version else ""
        return (f"{self.package}{extra}{pin}", *self.requires)


_AT_LEAST_ONCE: Mapping[str, str | float] = {"delivery": "at-least-once", "order": "none"}
_DEFAULTS = (
    Library(
        "rq",
        "rq",
        "rq_adapter.py:Queue",
        # A job that was fetched and not begun is put back after a minute, by the next maintenance.
        {**_AT_LEAST_ONCE, "after_crash": "fails", "recovers_within_s": 120.0},
        "A job whose worker dies goes to the FailedJobRegistry (python-rq.org, Workers).",
    ),
    Library(
        "celery",
        "celery",
        "celery_adapter.py:Queue",
        {**_AT_LEAST_ONCE, "after_crash": "lost", "recovers_within_s": 4.0},
        "A task is acknowledged just before it runs, so one whose worker dies then is not redelivered; one that is not "
        "acknowledged is redelivered after the visibility timeout (docs.celeryq.dev, Glossary and Using Redis).",
        extra="redis",
        settings="solo pool; remote control off (on), visibility_timeout 1 s (1 h), "
        "unacked_restore_interval 1 s (10 s), unacked_restore_throttle 1 (10)",
    ),
    Library(
        "huey",
        "huey",
        "huey_adapter.py:Queue",
        {"delivery": "at-most-once", "after_crash": "lost", "order": "fifo"},
        "At-least-once delivery is not guaranteed: tasks that run when the consumer ends are lost "
        "(huey.readthedocs.io, Consumer shutdown).",
        requires=("redis",),
        settings="blocking=False (True)",
    ),
    Library(
        "dramatiq",
        "dramatiq",
        "dramatiq_adapter.py:Queue",
        {**_AT_LEAST_ONCE, "after_crash": "reruns", "recovers_within_s": 3.0},
        "Messages of a worker that stops sending heartbeats are requeued (dramatiq.io, RedisBroker: "
        "heartbeat_timeout).",
        extra="redis",
        settings="heartbeat_timeout 1 s (60 s), maintenance_chance always (0.1 %), restart delay 50 ms (3 s)",
    ),
    Library(
        "arq",
        "arq",
        "arq_adapter.py:Queue",
        # A dead worker keeps its job for the job's time-out and the ten seconds that arq adds.
        {
            **_AT_LEAST_ONCE,
            "after_crash": "reruns",
            "deduplicates": "job",
            "recovers_within_s": 11.0,
        },
        "Jobs aren't removed from the queue until they have succeeded or failed, so they may be called more than once; "
        "an id that is enqueued already is refused (arq-docs.helpmanual.io, Usage).",
        settings="job timeout 1 s (300 s), poll_delay 50 ms (0.5 s)",
    ),
    Library(
        "saq",
        "saq",
        "saq_adapter.py:Queue",
        {
            **_AT_LEAST_ONCE,
            "after_crash": "fails",
            "deduplicates": "job",
            "deduplicates_for": "until-done",
            "recovers_within_s": 4.0,
        },
        "Stuck jobs are swept: retried if attempts are left, else aborted; of a key that is not done one job exists "
        "(saq-py.readthedocs.io, Job: key, heartbeat, retries).",
        extra="redis",
        requires=("typing_extensions",),
        settings="heartbeat 1 s (none; the job's time-out of 10 s counts), sweep lock 1 s (60 s)",
    ),
    Library(
        "taskiq-list",
        "taskiq-redis",
        "taskiq_adapter.py:ListQueue",
        {"delivery": "at-most-once", "after_crash": "lost", "order": "none"},
        "ListQueueBroker has no acknowledgements: tasks are lost when their worker dies (README of taskiq-redis).",
    ),
    Library(
        "taskiq-stream",
        "taskiq-redis",
        "taskiq_adapter.py:StreamQueue",
        # Unacknowledged messages are taken over only after a read that was not empty, so no time is promised.
        {**_AT_LEAST_ONCE, "after_crash": "reruns"},
        "RedisStreamBroker supports acknowledgements and is meant for data whose durability matters (README of "
        "taskiq-redis).",
        settings="idle_timeout 0.5 s (600 s), xread_block 50 ms (2 s), xread_count 1 (100)",
        variant_of="taskiq-list",
    ),
    Library(
        "streaq",
        "streaq",
        "streaq_adapter.py:Queue",
        {**_AT_LEAST_ONCE, "after_crash": "reruns", "recovers_within_s": 3.0},
        "Tasks that are idle for longer than idle_timeout are enqueued again (streaq.readthedocs.io, Worker).",
        settings="idle_timeout 1 s (60 s), burst mode",
    ),
    Library(
        "bullmq",
        "bullmq",
        "bullmq_adapter.mjs",
        {
            **_AT_LEAST_ONCE,
            "after_crash": "reruns",
            "deduplicates": "job",
            "recovers_within_s": 3.0,
        },
        "Jobs are delivered exactly once in the ideal case and at least once in the worst; stalled jobs are moved back "
        "to waiting; of a custom job id one job exists (docs.bullmq.io, Workers: Stalled jobs, and Jobs: Job ids).",
        requires=("ioredis",),
        settings="lockDuration 0.5 s (30 s), stalledInterval 0.2 s (30 s), drainDelay 50 ms (5 s)",
        language=Language.NODE,
    ),
    Library(
        "asynq",
        "github.com/hibiken/asynq",
        "asynq_adapter.go",
        # Its lease of 30 s, its recoverer's minute, and the delay of up to 44 s before the first retry can't be set.
        {
            **_AT_LEAST_ONCE,
            "after_crash": "reruns",
            "deduplicates": "job",
            "recovers_within_s": 160.0,
        },
        "At least one execution of a task is guaranteed; tasks of a crashed worker are recovered; a task id is unique "
        "(README of asynq, and TaskID in its reference).",
        settings="TaskCheckInterval 20 ms (1 s)",
        language=Language.GO,
    ),
)
_BY_NAME = {library.name: library for library in _DEFAULTS}
_RECOMMENDED = (
    replace(
        _BY_NAME["rq"],
        name="rq-safe",
        adapter="rq_adapter.py:SafeQueue",
        promises={**_AT_LEAST_ONCE, "after_crash": "reruns", "recovers_within_s": 300.0},
        documented="A job with retries left is enqueued again when it fails (python-rq.org, Exceptions & Retries).",
        settings="retry Retry(max=3) (none)",
        variant_of="rq",
    ),
    replace(
        _BY_NAME["celery"],
        name="celery-safe",
        adapter="celery_adapter.py:SafeQueue",
        promises={**_AT_LEAST_ONCE, "after_crash": "reruns", "recovers_within_s": 4.0},
        documented="With acks_late a task is acknowledged after it has run, and is redelivered after the visibility "
        "timeout if its worker died (docs.celeryq.dev, Tasks: acks_late, and Using Redis: Visibility timeout).",
        settings="task_acks_late True (False), task_reject_on_worker_lost True (False), worker_prefetch_multiplier 1 "
        f"(4), {_BY_NAME['celery'].settings}",
        variant_of="celery",
    ),
    replace(
        _BY_NAME["saq"],
        name="saq-safe",
        adapter="saq_adapter.py:SafeQueue",
        promises={
            **_BY_NAME["saq"].promises,
            "after_crash": "reruns",
            "recovers_within_s": 30.0,
        },
        documented="A job with attempts left is retried when it is swept (saq-py.readthedocs.io, Job: retries and "
        "heartbeat).",
        settings=f"retries 3 (1), {_BY_NAME['saq'].settings}",
        variant_of="saq",
    ),
)
REFERENCE = Library(
    "reference",
    "",
    "reference_adapter.py:Queue",
    {
        **_AT_LEAST_ONCE,
        "after_crash": "reruns",
        "deduplicates": "request",
        "recovers_within_s": 4.0,
    },
    "A job whose lease ends is handed out again, and each request enqueues one job (docs/reference-queue.md).",
    settings="lease 1 s (30 s), back_off 0 s (1 s), both schemas",
)
"""midpipe's own queue, with its own worker; it is judged as the others are."""
_ALL = (*_DEFAULTS, *_RECOMMENDED, REFERENCE)
LIBRARIES: Mapping[str, Library] = MappingProxyType({library.name: library for library in _ALL})


def recommended_for(name: str) -> tuple[Library, ...]:
    """Return the settings that a library's documentation recommends for jobs that must not be lost, as libraries."""
    return tuple(library for library in _ALL if library.variant_of == name)

"""Readings of a subject's source: what they see, and what they leave alone."""

from __future__ import annotations

import pytest

from midpipe.scenarios.review.source import READINGS, methods_in


def read(reading: str, **methods: str) -> tuple[str, ...]:
    sources = [(name, text, 10) for name, text in methods.items()]
    return READINGS[reading](methods_in(sources))


@pytest.mark.parametrize(
    ("reading", "method", "text", "told"),
    [
        (
            "imports_in_methods",
            "enqueue",
            "    def enqueue(self):\n        from metrics import count\n",
            "enqueue imports inside the method (line 11)",
        ),
        (
            "silent_fallback",
            "get_job",
            "def get_job(self):\n    return self.r.hgetall('new') or self.r.hgetall('old')\n",
            "get_job reads two schemas and neither logs nor counts which (line 10)",
        ),
        (
            "tracebacks_in_logs",
            "enqueue",
            "def enqueue(self):\n    log.error('lost', exc_info=True)\n",
            "enqueue logs with a traceback (line 11)",
        ),
        (
            "tracebacks_in_logs",
            "enqueue",
            "async def enqueue(self):\n    self.log.exception('lost')\n",
            "enqueue logs with a traceback (line 11)",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_line(
    reading: str, method: str, text: str, told: str
) -> None:
    assert read(reading, **{method: text}) == (told,)


@pytest.mark.parametrize(
    ("reading", "method", "text"),
    [
        ("imports_in_methods", "enqueue", "def enqueue(self):\n    count()\n"),
        ("silent_fallback", "get_job", "def get_job(self):\n    return self.r.hgetall('new')\n"),
        (
            "silent_fallback",
            "get_job",
            "def get_job(self):\n    a = self.r.hgetall('n')\n    count('old')\n    return self.r.hgetall('o')\n",
        ),
        (
            "tracebacks_in_logs",
            "enqueue",
            "def enqueue(self):\n    log.error('x', exc_info=False)\n",
        ),
        (
            "tracebacks_in_logs",
            "enqueue",
            "def enqueue(self):\n    log.debug('x', exc_info=True)\n",
        ),
    ],
)
def test_what_is_not_wrong_is_not_told(reading: str, method: str, text: str) -> None:
    assert read(reading, **{method: text}) == ()


def test_an_update_that_counts_nothing_is_told_where_enqueue_counts() -> None:
    enqueue = "def enqueue(self):\n    record_dual_write('ok')\n"
    silent = "def update_status(self):\n    self.r.hset('k')\n"
    assert read("uncounted_updates", enqueue=enqueue, update_status=silent) == (
        "update_status counts no dual write (line 10)",
    )


def test_an_update_need_not_count_where_nothing_does() -> None:
    silent = "def update_status(self):\n    self.r.hset('k')\n"
    assert (
        read("uncounted_updates", enqueue="def enqueue(self):\n    pass\n", update_status=silent)
        == ()
    )

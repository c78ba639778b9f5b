"""The checks of a subject's source code: what they report, and what they accept."""

from __future__ import annotations

import pytest

from midpipe.scenarios.review.source import SOURCE_CHECKS, methods_in


def sentences_of(check: str, **methods: str) -> tuple[str, ...]:
    sources = [(name, text, 10) for name, text in methods.items()]
    return SOURCE_CHECKS[check](methods_in(sources))


@pytest.mark.parametrize(
    ("check", "method", "text", "sentence"),
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
def test_each_issue_is_reported_with_its_line(
    check: str, method: str, text: str, sentence: str
) -> None:
    assert sentences_of(check, **{method: text}) == (sentence,)


@pytest.mark.parametrize(
    ("check", "method", "text"),
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
def test_correct_code_gives_no_sentence(check: str, method: str, text: str) -> None:
    assert sentences_of(check, **{method: text}) == ()


def test_an_update_that_counts_nothing_is_reported_if_enqueue_counts() -> None:
    enqueue = "def enqueue(self):\n    record_dual_write('ok')\n"
    silent = "def update_status(self):\n    self.r.hset('k')\n"
    assert sentences_of("uncounted_updates", enqueue=enqueue, update_status=silent) == (
        "update_status counts no dual write (line 10)",
    )


def test_an_update_need_not_count_if_enqueue_does_not() -> None:
    silent = "def update_status(self):\n    self.r.hset('k')\n"
    assert (
        sentences_of(
            "uncounted_updates", enqueue="def enqueue(self):\n    pass\n", update_status=silent
        )
        == ()
    )

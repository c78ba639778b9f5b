"""Text that is safe to write: secrets hidden in every form, nothing left that a terminal or a document acts on."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midpipe.scenarios.model.safe_text import (
    Redaction,
    map_text,
    printable,
    redaction_of,
    safe_command,
    without_secret_literals,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("redis://user:s3cret@localhost:1/0", "redis://***@localhost:1/0"),
        ("redis://:aa@SECRET@host", "redis://***@host"),
        ("Write redis://user:password@host.", "Write redis://user:password@host."),
        (
            "at redis://:SECRET@h/0, or redis://:SECRET@i/1",
            "at redis://***@h/0, or redis://***@i/1",
        ),
        ("rediss://h:1?ssl=1&password=SECRET&db=2", "rediss://h:1?ssl=1&password=***&db=2"),
        ("ConnectionError('redis://u:SECRET@h')", "ConnectionError('redis://***@h')"),
        ("DB_PASSWORD=SECRET midpipe", "DB_PASSWORD=*** midpipe"),
        ('complete(lease_token="9f", job_id="j")', 'complete(lease_token="9f", job_id="j")'),
        ("AI_JOBS_NEW_SCHEMA=on", "AI_JOBS_NEW_SCHEMA=on"),
    ],
)
def test_a_secret_that_its_surroundings_give_away_is_hidden(text: str, shown: str) -> None:
    assert Redaction()(text) == shown


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("redis.Redis(password='hunter2', db=1)", "redis.Redis(password='***', db=1)"),
        ('API_KEY: str = "sk-\\"1"', 'API_KEY: str = "***"'),
        ('config["db_password"] = f"{a}b"', 'config["db_password"] = f"***"'),
        ('os.environ.get("API_TOKEN", "abc")', 'os.environ.get("API_TOKEN", "***")'),
        ('{"secret": "abc", "job": "j-1"}', '{"secret": "***", "job": "j-1"}'),
        ('self.redis.set(f"lease:{token}", "1")', 'self.redis.set(f"lease:{token}", "1")'),
        ('self.redis.rpush("jobs", job_id)', 'self.redis.rpush("jobs", job_id)'),
    ],
)
def test_a_literal_that_is_a_secret_is_hidden_in_code(line: str, shown: str) -> None:
    assert without_secret_literals(line) == shown


@pytest.mark.parametrize(
    "word",
    [
        "redis://user:{}@localhost:1/0",
        "--redis=redis://:{}@localhost:1/0",
        "redis://localhost:1/0?password={}",
        "DB_PASSWORD={}",
        "--env=db_password={}",
    ],
)
@given(secret=st.text(st.characters(codec="utf-8", exclude_characters="&#;+%"), min_size=6))
def test_a_secret_of_the_command_line_is_hidden_wherever_it_occurs(word: str, secret: str) -> None:
    redact = redaction_of([word.format(quote(secret) if "?password=" in word else secret)])
    forms = (secret, quote(secret, safe=""), quote_plus(secret), repr(secret), shlex.quote(secret))
    for form in forms:
        assert secret not in redact(f"<{form}>")


@pytest.mark.parametrize(
    "text",
    [
        "\x1b]0;owned\x07",
        "a\x00b",
        "\u202egnp.exe",
        "two\nlines",
        "\r",
        "\u2028",
        "\x9b31m",
        "\ud800",
    ],
)
def test_nothing_that_a_terminal_acts_on_is_left(text: str) -> None:
    assert printable(text).isprintable()


@given(st.text())
def test_text_that_is_printable_is_left_alone_and_escaping_twice_is_escaping_once(
    text: str,
) -> None:
    assert printable(printable(text)) == printable(text)
    if text.isprintable():
        assert printable(text) == text


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (("--redis", "redis://u:pw@h:1/0"), "--redis 'redis://***@h:1/0'"),
        (("--env", "DB_PASSWORD=x"), "--env 'DB_PASSWORD=***'"),
        (("--env=db_token=x y",), "'--env=db_token=***'"),
        (("--env", "MODE=on", "--out", "a b"), "--env MODE=on --out 'a b'"),
    ],
)
def test_a_command_is_shown_without_even_the_shortest_secret(
    words: tuple[str, ...], shown: str
) -> None:
    assert safe_command(words) == shown


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Box:
    name: str
    colour: Colour
    inside: tuple[str | int | None, ...]
    box: Box | None = None


def test_every_text_of_a_value_is_changed_and_nothing_else() -> None:
    box = Box("a", Colour.RED, ("b", 1, None), Box("c", Colour.RED, ()))
    changed = map_text(box, str.upper)
    assert changed == Box("A", Colour.RED, ("B", 1, None), Box("C", Colour.RED, ()))

"""A run followed without a server: the server's data, each client's next command, the outcomes so far. Values only.

Times and random identifiers differ from run to run. Here they are replaced by names, which do not; see
``outcome_prediction``.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from midpipe.faultinject.vocabulary import WireEvent

VOLATILE = re.compile(
    r"(?<![0-9a-f])[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}(?![0-9a-f])"
    r"|\d{4}-\d\d-\d\d[T ]\d\d:[0-9:.]+(?:[+-]\d\d:?\d\d|Z)?"
    r"|(?<![0-9.])\d{13}(?:\.\d+)?(?![0-9.])"
    r"|(?<![0-9.])\d{10}\.\d+(?![0-9.])"
)
"""A UUID, which may begin like a time; or a time: as text, or as a number of milliseconds or seconds."""
START = "start"
"""The source of the names of values that the server held before the run."""
_NAME = re.compile("\x02[^\x03]*\x03")

RankedNames = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class NextCommand:
    """The command that a client sends next.

    Args:
        words: its name and arguments, volatile values replaced by names.
        keys: the keys that it touches; None for any key.
    """

    event: WireEvent
    words: tuple[str, ...]
    keys: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Effect:
    """What a command did: its reply, and the new content of each key that it changed."""

    reply: str
    changes: tuple[tuple[str, str], ...]

    def names(self) -> frozenset[str]:
        return names_in((self.reply, *(text for _, text in self.changes)))

    def renamed(self, source: str, other: str) -> Effect:
        """Return the effect with the names of one source replaced by the names of another."""

        def rename(text: str) -> str:
            return text.replace(f"\x02{source}.", f"\x02{other}.")

        return Effect(rename(self.reply), tuple((key, rename(text)) for key, text in self.changes))


class Names:
    """The names of one run's volatile values. A value is named after the source that it first appeared from."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._counts: Counter[str] = Counter()

    def replace(self, text: str, source: str) -> str:
        """Return the text with names for its volatile values; new values are named after the source."""

        def name(match: re.Match[str]) -> str:
            value = match[0]
            if value not in self._names:
                self._counts[source] += 1
                self._names[value] = f"\x02{source}.{self._counts[source]}\x03"
            return self._names[value]

        return VOLATILE.sub(name, text)


def is_name_from(name: str, source: str) -> bool:
    """Whether a value was named after the source."""
    return name.startswith(f"\x02{source}.")


def names_in(texts: Iterable[str]) -> frozenset[str]:
    """Return the names that occur in texts."""
    return frozenset().union(*map(_names_in_text, texts))


@lru_cache(maxsize=4_096)
def _names_in_text(text: str) -> frozenset[str]:
    # The same texts return in each step and each run.
    return frozenset(_NAME.findall(text))


@dataclass(slots=True, kw_only=True)
class SimulatedRun:
    """The state of a run after some of its steps.

    Args:
        state: the server's data, by key.
        pending: the next command of each client; a client that has finished is absent.
        past: of each client, a digest of the commands it sent, their effects, and the faults at them.
        calls_before: of each client, a digest of which other calls had ended when each of its calls began.
        calls_ended: of each client, how many of its calls, or attempts at a call, have ended.
        known_names: of each client, the names that it has sent or received.
        first_seen: the number of the step at which each name first appeared.
        steps: the number of steps so far.
        outcomes: digests of the states, the ends of calls and the end of the run so far.
    """

    state: dict[str, str]
    pending: dict[str, NextCommand]
    past: dict[str, str]
    calls_before: dict[str, str]
    calls_ended: dict[str, int]
    known_names: dict[str, frozenset[str]]
    first_seen: dict[str, int]
    steps: int = 0
    outcomes: set[str] = field(default_factory=set)

    def note_names(self, texts: Iterable[str]) -> frozenset[str]:
        """Return the names in texts, and note when the new ones appeared. Names from before the run are not new."""
        names = names_in(texts)
        for name in names:
            if not is_name_from(name, START):
                self.first_seen.setdefault(name, self.steps)
        return names

    def ranked(self, names: Iterable[str]) -> RankedNames:
        """Return names with their rank in the order in which they first appeared."""
        steps = sorted({self.first_seen.get(name, -1) for name in names})
        return tuple(sorted((name, steps.index(self.first_seen.get(name, -1))) for name in names))

    def inputs(self, client_id: str) -> tuple[str, ...]:
        """Return a client's next command, and the content of the keys that it touches."""
        command = self.pending[client_id]
        keys = sorted(self.state) if command.keys is None else command.keys
        return (*command.words, *(text for key in keys for text in (key, self.state.get(key, ""))))

    def inputs_digest(self, client_id: str) -> str:
        """Return a digest of everything that the effect of a client's next command depends on."""
        inputs = self.inputs(client_id)
        return digest((client_id, inputs, self.ranked(names_in(inputs))))

    def source(self, client_id: str, inputs: str) -> str:
        """Return the source of the values that a client's next command creates, given the digest of its inputs."""
        return digest((self.past[client_id], inputs))

    def state_digest(self) -> str:
        """Return a digest of the server's data."""
        ranked = self.ranked(names_in(self.state.values()))
        return digest((tuple(sorted(self.state.items())), ranked))


def digest(value: object) -> str:
    """Return a short text that identifies a value made of texts and numbers."""
    return hashlib.blake2b(repr(value).encode(), digest_size=12).hexdigest()

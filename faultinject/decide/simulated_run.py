"""An order as it is followed without a server: what the server holds, what each client sends next, what was shown.

Values only. What is not the same twice, times and random words, stands here under names; ``foresight`` says why.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from midpipe.faultinject.vocabulary import WireEvent

VOLATILE = re.compile(
    r"(?<![0-9a-f])[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}(?![0-9a-f])"
    r"|\d{4}-\d\d-\d\d[T ]\d\d:[0-9:.]+(?:[+-]\d\d:?\d\d|Z)?"
    r"|(?<![0-9.])\d{13}(?:\.\d+)?(?![0-9.])"
    r"|(?<![0-9.])\d{10}\.\d+(?![0-9.])"
)
"""128 random bits, which may begin like a time, and times, as text or as a number of ms or s."""
_AT_START = "\x02start."
_NAME = re.compile("\x02[^\x03]*\x03")

Ranked = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Sent:
    """A command that a client sends after certain answers.

    Args:
        words: with names for what is volatile.
        keys: that it touches; None is all of them.
    """

    event: WireEvent
    words: tuple[str, ...]
    keys: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Effect:
    """What a command answered, and what it left in the keys that it changed."""

    reply: str
    changes: tuple[tuple[str, str], ...]

    def names(self) -> frozenset[str]:
        return names_in((self.reply, *(text for _, text in self.changes)))

    def brought_up_by(self, source: str, another: str) -> Effect:
        """Return it with the names that one source brought up as another one's."""

        def told(text: str) -> str:
            return text.replace(f"\x02{source}.", f"\x02{another}.")

        return Effect(told(self.reply), tuple((key, told(text)) for key, text in self.changes))


class Names:
    """Names for the times and random words of one run: by what brought them up."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._counts: Counter[str] = Counter()

    def told(self, text: str, source: str) -> str:
        """Return the text with names; what has none yet is named after its source."""

        def name(match: re.Match[str]) -> str:
            word = match[0]
            if word not in self._names:
                self._counts[source] += 1
                self._names[word] = f"\x02{source}.{self._counts[source]}\x03"
            return self._names[word]

        return VOLATILE.sub(name, text)


def names_in(texts: Iterable[str]) -> frozenset[str]:
    """Return the names that stand in texts."""
    return frozenset(name for text in texts for name in _NAME.findall(text))


@dataclass(slots=True)
class SimulatedRun:
    """An order as far as it has come.

    Args:
        state: what the server holds.
        waiting: what each client sends next; a client that has nothing left is not there.
        past: a digest of what each client sent, what the server answered and changed, and what was lost of it.
        before: a digest of which calls had ended when each client's calls began.
        ended: how many calls, or attempts at one, of each client have ended.
        known: the names that each client has come across.
        born: the step before which each name came up.
        shown: what the order has shown so far.
    """

    state: dict[str, str]
    waiting: dict[str, Sent]
    past: dict[str, str]
    before: dict[str, str]
    ended: dict[str, int]
    known: dict[str, frozenset[str]]
    born: dict[str, int]
    steps: int = 0
    shown: set[str] = field(default_factory=set)

    def meet(self, texts: Iterable[str]) -> frozenset[str]:
        """Return the names in texts; those that are new have come up now. What was there at the start is older."""
        names = names_in(texts)
        for name in names:
            if not name.startswith(_AT_START):
                self.born.setdefault(name, self.steps)
        return names

    def ranked(self, names: Iterable[str]) -> Ranked:
        """Return names with the order in which they came up."""
        births = sorted({self.born.get(name, -1) for name in names})
        return tuple(sorted((name, births.index(self.born.get(name, -1))) for name in names))

    def met(self, client_id: str) -> tuple[str, ...]:
        """Return a client's command, and what the keys hold that it touches."""
        sent = self.waiting[client_id]
        keys = sorted(self.state) if sent.keys is None else sent.keys
        return (*sent.words, *(text for key in keys for text in (key, self.state.get(key, ""))))

    def scene(self, client_id: str) -> str:
        """Return a digest of what the effect of a client's command depends on."""
        met = self.met(client_id)
        return digest((client_id, met, self.ranked(names_in(met))))

    def source(self, client_id: str, scene: str) -> str:
        """Return what names are called after that a client's command brings up in a scene."""
        return digest((self.past[client_id], scene))

    def held(self) -> str:
        """Return a digest of the whole state."""
        ranked = self.ranked(names_in(self.state.values()))
        return digest((tuple(sorted(self.state.items())), ranked))


def digest(value: object) -> str:
    """Return a short text that stands for a value of texts and numbers, and for no other."""
    return hashlib.blake2b(repr(value).encode(), digest_size=12).hexdigest()

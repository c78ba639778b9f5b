"""An order as it is followed without a server: what the server holds, what each client sends next, what was shown.

Values only. What is not the same twice, times and random words, stands here under names; ``foresight`` says why.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from faultinject.vocabulary import FaultRef, WireEvent

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

    def names(self) -> tuple[str, ...]:
        return tuple(
            name
            for text in (self.reply, *(t for _, t in self.changes))
            for name in _NAME.findall(text)
        )

    def renamed(self, names: Mapping[str, str]) -> Effect:
        return Effect(
            _renamed(self.reply, names),
            tuple((key, _renamed(text, names)) for key, text in self.changes),
        )

    def with_fault(self, fault: FaultRef | None) -> Effect:
        """Return what is left of it with a fault: nobody hears a reply that is lost."""
        return self if fault is None else replace(self, reply="")


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


def _renamed(text: str, names: Mapping[str, str]) -> str:
    return _NAME.sub(lambda match: names[match[0]], text) if "\x02" in text else text


def names_in(texts: Iterable[str]) -> frozenset[str]:
    """Return the names that stand in texts."""
    return frozenset(name for text in texts for name in _NAME.findall(text))


@dataclass(frozen=True, slots=True)
class Scene:
    """A command and what it will meet.

    Args:
        names: that stand in it.
        inputs: it, with the places of the names instead of them, and the order in which they came up.
    """

    names: tuple[str, ...]
    inputs: str

    def taken(self, effect: Effect, source: str) -> Effect:
        """Return an effect with places instead of names; those that it brought up itself are numbered on their own."""
        places = {name: f"\x02#{number}\x03" for number, name in enumerate(self.names)}
        for name in effect.names():
            places.setdefault(name, name.replace(source, "!"))
        return effect.renamed(places)

    def given(self, effect: Effect, source: str) -> Effect:
        """Return the effect with names instead of places."""
        names = {f"\x02#{number}\x03": name for number, name in enumerate(self.names)}
        for place in effect.names():
            names.setdefault(place, place.replace("!", source))
        return effect.renamed(names)


@dataclass(slots=True)
class Course:
    """An order as far as it has come.

    Args:
        state: what the server holds.
        waiting: what each client sends next; a client that has nothing left is not there.
        past: a digest of what each client sent and was answered.
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

    def scene(self, letter: str) -> Scene:
        """Return what the effect of a client's command depends on."""
        sent = self.waiting[letter]
        keys = sorted(self.state) if sent.keys is None else sent.keys
        texts = (*sent.words, *(text for key in keys for text in (key, self.state.get(key, ""))))
        names = tuple(dict.fromkeys(name for text in texts for name in _NAME.findall(text)))
        local = {name: f"\x02#{number}\x03" for number, name in enumerate(names)}
        told = tuple(_renamed(text, local) for text in texts)
        born = tuple(rank for _, rank in sorted(self.ranked(names), key=lambda n: local[n[0]]))
        return Scene(names, digest((letter, sent.event.index.operation, told, born)))

    def held(self) -> str:
        """Return a digest of the whole state."""
        ranked = self.ranked(names_in(self.state.values()))
        return digest((tuple(sorted(self.state.items())), ranked))


def digest(value: object) -> str:
    """Return a short text that stands for a value of texts and numbers, and for no other."""
    return hashlib.blake2b(repr(value).encode(), digest_size=12).hexdigest()

"""Reads jobs in pipelines: their copies, pointers and places. Asks through a function, so it knows no socket.

Each step is one pipeline for a batch of jobs. The replies of one job are not of one moment; a job that looks
damaged because of this does not do so again once it has settled.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import msgspec

from midpipe.faultinject.errors import ServerError
from midpipe.faultinject.wire.resp import ErrorReply, Value
from midpipe.scenarios.audit.layout import Layout
from midpipe.scenarios.audit.list_walk import ListWalk
from midpipe.scenarios.audit.observation import Delivery, Observation, bytes_of, text_of
from midpipe.scenarios.audit.pattern import JOB
from midpipe.scenarios.audit.rules import complete_parts, wanted_places
from midpipe.scenarios.audit.stream_walk import stream_walk

Command = Sequence[bytes | str | int | float]
Ask = Callable[[Sequence[Command]], Sequence[Value]]
_MEMBERS_PER_READ = 1000
_MOST_BYTES = 256
_READS: Mapping[str, str] = {"hash": "HGETALL", "string": "GET", "json": "GET"}
_SCANS: Mapping[str, str] = {"zset": "ZSCAN", "hash": "HSCAN", "set": "SSCAN"}
_MEMBERSHIP: Mapping[str, str] = {"zset": "ZSCORE", "hash": "HEXISTS", "set": "SISMEMBER"}


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a place.

    Args:
        job_id: of the job that it names; a digest if members are opaque.
        parts: of the place's key and of the member, job_id included.
        score: of a sorted set; for an entry of a stream how often it was delivered.
        delivery: of an entry that is not acknowledged.
    """

    job_id: str
    parts: Mapping[str, str]
    score: float | None
    delivery: Delivery | None = None

    def observed(self, place: str) -> Observation:
        """Return an observation, not filled, of the job in that place."""
        observation = Observation(self.job_id, dict(self.parts), place)
        if self.score is not None:
            observation.scores[place] = self.score
        observation.deliveries[place] = self.delivery
        return observation


class Counted(NamedTuple):
    """How often a job is in a place, its score, and its delivery that was not acknowledged for longest."""

    number: int = 0
    score: float | None = None
    delivery: Delivery | None = None


class Reading:
    """Reads for one audit.

    Args:
        layout: of the keys.
        ask: sends commands, and returns their answers with error replies as values.
        known: returns the keys of a place, by its name, that the scan has found.

    Attributes:
        unreadable: how many keys are of another type than the layout says.
    """

    def __init__(
        self, layout: Layout, ask: Ask, known: Callable[[str], Iterable[str]] = lambda place: ()
    ) -> None:
        self._layout = layout
        self._ask = ask
        self._known = known
        self.unreadable = 0

    def scan(self, cursor: int, glob: str, count: int) -> tuple[int, list[str]]:
        """Return the next cursor and the keys of one step of a scan; 0 ends it. Raises ServerError."""
        reply = self._ask([("SCAN", cursor, "MATCH", bytes_of(glob), "COUNT", count)])[0]
        match reply:
            case (bytes() as following, tuple() as keys):
                return int(following), [text_of(key) for key in keys if isinstance(key, bytes)]
        raise ServerError("The server's answer to SCAN can't be read.")

    def fill(self, observations: Sequence[Observation]) -> None:
        """Read everything about these jobs that needs no walk."""
        self._read_pointers(observations)
        # A copy may hold the part of the key of the next one.
        while wanted := [
            (observation, name, key)
            for observation in observations
            for name in self._layout.records
            if name not in observation.copies
            and name not in observation.unread
            and (key := self._layout.patterns[name].formed(observation.parts)) is not None
        ]:
            kinds = [self._layout.records[name].type for _, name, _ in wanted]
            replies = self._ask(
                [
                    (_READS[kind], bytes_of(key))
                    for kind, (_, _, key) in zip(kinds, wanted, strict=True)
                ]
            )
            for kind, (observation, name, _), reply in zip(kinds, wanted, replies, strict=True):
                try:
                    observation.copies[name] = fields_of(kind, reply)
                except ValueError:
                    self.unreadable += 1
                    observation.unread.add(name)
            for observation in observations:
                complete_parts(self._layout, observation)
        self._read_places(observations)

    def existing(self, observations: Sequence[Observation]) -> list[bool]:
        """Return for each job whether it has a record, without reading it."""
        keys = [
            [
                bytes_of(key)
                for name in self._layout.records
                if (key := self._layout.patterns[name].formed(observation.parts)) is not None
            ]
            for observation in observations
        ]
        replies = iter(self._ask([("EXISTS", *each) for each in keys if each]))
        return [bool(each) and next(replies) not in (0, None) for each in keys]

    def pointed(self, pointers: Sequence[tuple[str, str]]) -> list[Observation]:
        """Return an observation, not filled, of the job that each pointer names.

        Args:
            pointers: name in the layout, and key.
        """
        observations = []
        replies = self._ask([("GET", bytes_of(key)) for _, key in pointers])
        for (name, key), reply in zip(pointers, replies, strict=True):
            parts = self._layout.patterns[name].match(key)
            if isinstance(reply, bytes) and reply and parts is not None:
                job_id = text_of(reply)
                observations.append(Observation(job_id, {**parts, JOB: job_id}, name))
            self._count_unreadable(reply)
        return observations

    def members(self, place: str, key: str) -> Iterator[tuple[Member, ...] | None]:
        """Walk a place; yield its members in chunks, and None where everything so far has to be forgotten.

        Raises:
            TornError: it changes so much that a walk proves nothing.
        """
        kind = self._layout.places[place].type
        parts = self._layout.patterns[place].match(key) or {}
        if kind == "stream":
            yield from self._stream_members(place, key)
            return
        chunks = self._list_chunks(place, key) if kind == "list" else self._scan_chunks(kind, key)
        for chunk in chunks:
            if chunk is None:
                yield None
                continue
            found = (self._member(place, parts, member, score) for member, score in chunk)
            yield tuple(member for member in found if member is not None)

    def count(self, observations: Iterable[tuple[Observation, frozenset[str]]]) -> None:
        """Walk places, and fill in how often each job is in them; what is torn stays open.

        Args:
            observations: each with the places to walk for it.
        """
        by_key: dict[tuple[str, str], dict[str, list[Observation]]] = {}
        for observation, places in observations:
            for place in places:
                key = self._layout.patterns[place].formed(observation.parts)
                if key is not None:
                    by_key.setdefault((place, key), {}).setdefault(observation.job_id, []).append(
                        observation
                    )
        for (place, key), by_job in by_key.items():
            counted = self.counted(place, key, by_job)
            if counted is None:
                continue
            for job_id, several in by_job.items():
                found = counted.get(job_id, Counted())
                for observation in several:
                    observation.counts[place] = found.number
                    observation.scores[place] = found.score
                    observation.deliveries[place] = found.delivery

    def counted(self, place: str, key: str, wanted: Iterable[str]) -> dict[str, Counted] | None:
        """Return how often each of these jobs is in a place; None if the walk proves nothing."""
        names = frozenset(wanted)
        found: dict[str, Counted] = {}
        try:
            for chunk in self.members(place, key):
                if chunk is None:
                    found.clear()
                    continue
                for member in chunk:
                    if member.job_id in names:
                        before = found.get(member.job_id, Counted())
                        waits = (each for each in (before.delivery, member.delivery) if each)
                        longest = max(waits, key=lambda each: each.idle_s, default=None)
                        found[member.job_id] = Counted(before.number + 1, member.score, longest)
        except TornError:
            return None
        return found

    def _member(
        self, place: str, parts: Mapping[str, str], raw: bytes, score: float | None
    ) -> Member | None:
        pattern = self._layout.members.get(place)
        if pattern is None:
            job_id = "#" + hashlib.blake2b(raw, digest_size=8).hexdigest()
            return Member(job_id, {**parts, JOB: job_id}, score)
        matched = pattern.match(text_of(raw))
        if matched is None:
            return None
        known = {**parts, **matched}
        return Member(known[JOB], known, score)

    def _stream_members(self, place: str, key: str) -> Iterator[tuple[Member, ...]]:
        """Walk what a worker still gets of a stream; a deleted entry has nothing but its id."""
        parts = self._layout.patterns[place].match(key) or {}
        described = self._layout.places[place]
        for entries in stream_walk(self._ask, bytes_of(key), described.group):
            if entries is None:
                self.unreadable += 1
                raise TornError
            members = []
            for entry in entries:
                raw = entry.value_of(described.field)
                member = None if raw is None else self._member(place, parts, raw, entry.times)
                self.unreadable += member is None
                if member is not None:
                    members.append(replace(member, delivery=entry.delivery))
            yield tuple(members)

    def _list_chunks(
        self, place: str, key: str
    ) -> Iterator[list[tuple[bytes, float | None]] | None]:
        walk = ListWalk(self._layout.places[place].pushed_at, _MEMBERS_PER_READ)
        restarts = 0
        while not walk.is_done:
            reply = self._ask([("LRANGE", bytes_of(key), *walk.next_range())])[0]
            if self._count_unreadable(reply):
                raise TornError
            new = walk.take([item for item in _items(reply) if isinstance(item, bytes)])
            if walk.is_torn:
                raise TornError
            if walk.restarts > restarts:
                restarts = walk.restarts
                yield None
            yield [(member, None) for member in new]

    def _scan_chunks(self, kind: str, key: str) -> Iterator[list[tuple[bytes, float | None]]]:
        cursor: Value = b"0"
        while True:
            assert isinstance(cursor, bytes)
            reply = self._ask([(_SCANS[kind], bytes_of(key), cursor, "COUNT", _MEMBERS_PER_READ)])[
                0
            ]
            if self._count_unreadable(reply):
                raise TornError
            cursor, items = _items(reply)
            flat = [item for item in _items(items) if isinstance(item, bytes)]
            if kind == "set":
                yield [(member, 1.0) for member in flat]
            else:
                pairs = zip(flat[::2], flat[1::2], strict=True)
                yield [(member, float(score) if kind == "zset" else 1.0) for member, score in pairs]
            if cursor == b"0":
                return

    def _read_pointers(self, observations: Sequence[Observation]) -> None:
        wanted = [
            (observation, key)
            for observation in observations
            if observation.origin in self._layout.pointers
            and (key := self._layout.patterns[observation.origin].formed(observation.parts))
            is not None
        ]
        if wanted:
            replies = self._ask([("GET", bytes_of(key)) for _, key in wanted])
            for (observation, _), reply in zip(wanted, replies, strict=True):
                value = reply if isinstance(reply, bytes) else None
                observation.pointed[observation.origin] = None if value is None else text_of(value)

    def _read_places(self, observations: Sequence[Observation]) -> None:
        wanted = []
        for observation in observations:
            for place in sorted(wanted_places(self._layout, observation)):
                member = observation.member(self._layout, place)
                if member is None or observation.is_walked(self._layout, place):
                    continue
                if place in self._layout.within_places():
                    observation.scores[place] = None
                for key in self._keys_of(place, observation):
                    command = (
                        _MEMBERSHIP[self._layout.places[place].type],
                        bytes_of(key),
                        bytes_of(member),
                    )
                    wanted.append((observation, place, command))
        if wanted:
            replies = self._ask([command for _, _, command in wanted])
            for (observation, place, _), reply in zip(wanted, replies, strict=True):
                if not self._count_unreadable(reply) and observation.scores.get(place) is None:
                    observation.scores[place] = _score(reply)

    def _keys_of(self, place: str, observation: Observation) -> list[str]:
        """Return the place's key; if it has parts that nothing of the job says, those that the scan found instead."""
        pattern = self._layout.patterns[place]
        key = pattern.formed(observation.parts)
        if key is not None:
            return [key]
        if place not in self._layout.within_places():
            return []
        return [
            key
            for key in self._known(place)
            if all(
                observation.parts.get(part, value) == value
                for part, value in (pattern.match(key) or {}).items()
            )
        ]

    def _count_unreadable(self, reply: Value) -> bool:
        is_error = isinstance(reply, ErrorReply)
        self.unreadable += is_error
        return is_error


class TornError(Exception):
    """A place changes so much while it is walked that the walk proves nothing."""


def fields_of(kind: str, reply: Value) -> dict[str, bytes] | None:
    """Return the fields of a record, a long one by its digest; None if there is no such key.

    Thousands of jobs are kept at a time, and a payload can have megabytes. Ids, times and statuses are short, and of a
    payload only whether two are equal is asked.

    Args:
        kind: the record's type.
        reply: to the command that reads it.

    Raises:
        ValueError: the key is of another type, or holds no JSON object.
    """
    if isinstance(reply, ErrorReply):
        raise ValueError(str(reply))
    if kind == "hash":
        return _pairs(reply)
    if not isinstance(reply, bytes):
        return None
    if kind == "string":
        return {"value": _short(reply)}
    return {
        name: _short(value.encode() if isinstance(value, str) else msgspec.json.encode(value))
        for name, value in msgspec.json.decode(reply, type=dict[str, Any]).items()
    }


def _pairs(reply: Value) -> dict[str, bytes] | None:
    flat = [item for item in _items(reply) if isinstance(item, bytes)]
    pairs = zip(flat[::2], flat[1::2], strict=True)
    return {text_of(name): _short(value) for name, value in pairs} or None


def _short(value: bytes) -> bytes:
    if len(value) <= _MOST_BYTES:
        return value
    return b"%d bytes: %b" % (len(value), hashlib.blake2b(value, digest_size=16).digest())


def _score(reply: Value) -> float | None:
    if reply is None or reply == 0:
        return None
    return float(reply) if isinstance(reply, bytes | int | float) else None


def _items(reply: Value) -> tuple[Value, ...]:
    return reply if isinstance(reply, tuple) else ()

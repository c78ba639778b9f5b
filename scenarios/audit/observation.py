"""What was read of one job, and the suspicions that it raises. Values.

A value holds the job's fields, payload included; a suspicion and everything that is stored or reported holds ids, names
of fields and statuses only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from midpipe.scenarios.audit.layout import Damage, Layout

Fields = Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Delivery:
    """The last delivery of an entry of a stream that is not acknowledged.

    Args:
        times: how often it was delivered.
        idle_s: how long ago, in seconds.
        is_gone: the entry was deleted from the stream since, and the group still waits for it.
    """

    times: int
    idle_s: float
    is_gone: bool = False


@dataclass(slots=True)
class Observation:
    """What was read of one job at one time; filled in as the replies arrive.

    Args:
        job_id: of the job.
        parts: the parts of its keys that are known, job_id included: from the key that led here, then from its fields.
        origin: the record, place or pointer that led here.
        copies: by record: the fields, None if there is no such key; a record is left out if its key can't be formed.
        scores: by place: the score (1 where there are none), None if the job is not a member. Left out if not read.
        counts: by place that was walked: how often the job is in it. Left out if it was not walked.
        deliveries: by stream that was walked: the delivery that was not acknowledged for longest; None without one.
        pointed: by pointer: the job that it names, None if it does not exist.
        unread: records whose key is of another type.
    """

    job_id: str
    parts: dict[str, str]
    origin: str
    copies: dict[str, Fields | None] = field(default_factory=dict)
    scores: dict[str, float | None] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    deliveries: dict[str, Delivery | None] = field(default_factory=dict)
    pointed: dict[str, str | None] = field(default_factory=dict)
    unread: set[str] = field(default_factory=set)

    @property
    def present(self) -> dict[str, Fields]:
        """The copies that exist."""
        return {name: fields for name, fields in self.copies.items() if fields is not None}

    def status(self, layout: Layout) -> str | None:
        """Return the job's status; None without a copy, or if its copies disagree."""
        found = {
            text_of(fields.get(layout.records[name].status, b""))
            for name, fields in self.present.items()
        }
        return found.pop() if len(found) == 1 else None

    def is_walked(self, layout: Layout, place: str) -> bool:
        """Whether only a walk shows if the job is in the place: a list or stream, or its member can't be formed."""
        return layout.places[place].type in ("list", "stream") or self.member(layout, place) is None

    def member(self, layout: Layout, place: str) -> str | None:
        """Return the member of the place that names the job; None if it can't be formed."""
        pattern = layout.members.get(place)
        return None if pattern is None else pattern.formed(self.parts)

    def is_nowhere(self) -> bool:
        """Whether nothing that was read knows the job any more."""
        return not (
            self.present
            or any(self.counts.values())
            or any(score is not None for score in self.scores.values())
            or any(self.pointed.values())
        )

    def fingerprint(self) -> str:
        """Return a digest of what was read, without counts: any progress of the job changes it."""
        digest = hashlib.blake2b(digest_size=8)
        for name, fields in sorted(self.present.items()):
            for key, value in sorted(fields.items()):
                digest.update(f"{name} {key} {len(value)} ".encode("utf-8", "surrogateescape"))
                digest.update(value)
        scores = sorted(item for item in self.scores.items() if item[1] is not None)
        digest.update(repr(scores).encode())
        digest.update(repr(sorted(self.pointed.items())).encode("utf-8", "surrogateescape"))
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A rule that an observation of a job contradicts. It may be a job in flight.

    Args:
        damage: what it would be.
        rule: the rule's number in the layout, from 0.
        job_id, parts, origin: how to read the job again; as in Observation.
        evidence: what was seen, without payload.
        fingerprint: of the observation.
    """

    damage: Damage
    rule: int
    job_id: str
    parts: tuple[tuple[str, str], ...]
    origin: str
    evidence: str
    fingerprint: str

    @property
    def key(self) -> tuple[int, str, tuple[tuple[str, str], ...]]:
        """What makes it the same suspicion in a later observation."""
        return (self.rule, self.job_id, self.parts)


def text_of(data: bytes) -> str:
    """Return bytes as text that turns back into the same bytes."""
    return data.decode("utf-8", "surrogateescape")


def bytes_of(text: str) -> bytes:
    """Return the bytes that ``text_of`` has turned into this text."""
    return text.encode("utf-8", "surrogateescape")

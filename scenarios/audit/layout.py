"""What a consistent key space of a queue looks like, as data: its keys, and what has to hold between them. Pure.

A layout is a TOML file. A *record* is a hash or a string that holds one job. A *place* is a list, sorted set, set,
hash or stream whose members name jobs. A *pointer* is a string that holds a job's id. A *rule* says what must
hold between them, and which damage it is if it does not. A team writes one for its own queue; those that ship with
midpipe are read the same way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal

import msgspec

from midpipe.scenarios.audit.pattern import Pattern

Field = str
Status = str
Some = msgspec.Meta(min_length=1)
Seconds = Annotated[float, msgspec.Meta(ge=0)]


class Damage(StrEnum):
    """What can be wrong with a job, the worst first."""

    LOST = "lost"
    ORPHANED = "orphaned"
    STUCK = "stuck"
    DOUBLED = "doubled"
    MALFORMED = "malformed"
    DIVERGING = "diverging"


MEANING: Mapping[Damage, str] = {
    Damage.LOST: "named by the queue or a request, and its data is nowhere",
    Damage.ORPHANED: "has data, and is in no place where a worker would find it",
    Damage.STUCK: "belongs to a worker that does not come back",
    Damage.DOUBLED: "is queued twice, or queued again although it has run",
    Damage.MALFORMED: "lacks fields, has an unknown status or an invalid part in its key",
    Damage.DIVERGING: "two copies differ, or one is missing",
}


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of a layout: unknown names in it are errors."""


class Record(Part, frozen=True, kw_only=True):
    """A kind of key that holds one job.

    Args:
        key: the pattern of its key; has the part ``job_id``.
        type: the key's type. A string has no fields, unless it is a JSON object: then they are its members.
        status: the field with the job's status; empty if there is none.
        required: fields that every job has.
        statuses: the vocabulary of statuses; empty allows any.
    """

    key: str
    type: Literal["hash", "string", "json"] = "hash"
    status: Field = "status"
    required: tuple[Field, ...] = ()
    statuses: tuple[Status, ...] = ()


class Place(Part, frozen=True, kw_only=True):
    """A kind of key whose members name jobs.

    Args:
        key: the pattern of its key.
        type: the key's type.
        member: the pattern of a member; empty if members are opaque, such as a pickled message.
        pushed_at: for a list: the end at which jobs are put in. It is read from that end, so that no job is missed.
        group: for a stream: the consumer group whose workers run the jobs. What it has acknowledged is no member.
        field: for a stream: the field whose value is the member; empty takes the entry's id.
    """

    key: str
    type: Literal["list", "zset", "set", "hash", "stream"]
    member: str = "{job_id}"
    pushed_at: Literal["head", "tail"] = "tail"
    group: str = ""
    field: Field = ""


class Pointer(Part, frozen=True, kw_only=True):
    """A kind of string that holds a job's id: a request key, say."""

    key: str


class _Rule(Part, frozen=True, kw_only=True, tag_field="rule"):
    """A rule; ``phases`` limits it to some phases of a migration, empty is all."""

    phases: tuple[str, ...] = ()


class Placed(_Rule, frozen=True, kw_only=True, tag="placed"):
    """A job with one of these statuses is in one of these places. Judged only if all its copies agree on the status."""

    status: Annotated[tuple[Status, ...], Some]
    places: Annotated[tuple[str, ...], Some]
    damage: Damage = Damage.ORPHANED


class Kept(_Rule, frozen=True, kw_only=True, tag="kept"):
    """Every member of the place has a record."""

    place: str
    damage: Damage = Damage.LOST


class Pointed(_Rule, frozen=True, kw_only=True, tag="pointed"):
    """The job that the pointer names has a record."""

    pointer: str
    damage: Damage = Damage.LOST


class Within(_Rule, frozen=True, kw_only=True, tag="within"):
    """Every member of the place is a member of one of these places too, under the same name."""

    place: str
    places: Annotated[tuple[str, ...], Some]
    damage: Damage = Damage.ORPHANED


class Once(_Rule, frozen=True, kw_only=True, tag="once"):
    """No job is more than once in the list or stream."""

    place: str
    damage: Damage = Damage.DOUBLED


class Waiting(_Rule, frozen=True, kw_only=True, tag="waiting"):
    """A member of the list has one of these statuses."""

    place: str
    status: Annotated[tuple[Status, ...], Some]
    damage: Damage = Damage.DOUBLED


class Same(_Rule, frozen=True, kw_only=True, tag="same"):
    """Copies of one job in these two records have equal fields, where both exist."""

    records: tuple[str, str]
    ignore: tuple[Field, ...] = ()
    damage: Damage = Damage.DIVERGING


class Copied(_Rule, frozen=True, kw_only=True, tag="copied"):
    """A job that one record holds is held by the other as well."""

    source: str
    target: str
    damage: Damage = Damage.DIVERGING


class Due(_Rule, frozen=True, kw_only=True, tag="due"):
    """A member's score, a time, is not long past.

    Args:
        unit: of the score.
        grace_s: how long past it may be, in seconds.
    """

    place: str
    unit: Literal["s", "ms"] = "s"
    grace_s: Seconds = 60.0
    damage: Damage = Damage.STUCK


class Aged(_Rule, frozen=True, kw_only=True, tag="aged"):
    """A job with one of these statuses has not had it for long.

    Args:
        field: holds since when, in ISO 8601 or in seconds since 1970.
        longer_than_s: from when on it is damage, in seconds.
    """

    status: Annotated[tuple[Status, ...], Some]
    field: Field
    longer_than_s: Seconds = 3600.0
    damage: Damage = Damage.STUCK


class Acknowledged(_Rule, frozen=True, kw_only=True, tag="acknowledged"):
    """An entry that the stream's group was delivered is acknowledged, or delivered again, before long.

    Args:
        longer_than_s: from when on it is damage, in seconds since its last delivery.
    """

    place: str
    longer_than_s: Seconds = 3600.0
    damage: Damage = Damage.STUCK


class Stored(_Rule, frozen=True, kw_only=True, tag="stored"):
    """An entry that the stream's group was delivered and has not acknowledged is still in the stream."""

    place: str
    damage: Damage = Damage.LOST


class Named(_Rule, frozen=True, kw_only=True, tag="named"):
    """A part of a record's key has this form, a regular expression that matches all of it."""

    part: str
    matches: str
    damage: Damage = Damage.MALFORMED


OfStream = Acknowledged | Stored
Rule = (
    Placed
    | Kept
    | Pointed
    | Within
    | Once
    | Waiting
    | Same
    | Copied
    | Due
    | Aged
    | OfStream
    | Named
)


@dataclass(frozen=True, slots=True)
class Layout:
    """A layout in one phase.

    Args:
        name, summary: for reports.
        phase: of the migration; empty if the layout has none.
        settle_s: how long, in seconds, a job may look damaged while everything is in order: at least the longest lease.
        records, places, pointers: by name; keys have the prefix.
        patterns: of every key, by name.
        members: how a member names a job, by the place's name; places with opaque members are left out.
        rules: those that hold in the phase.
    """

    name: str
    summary: str
    phase: str
    settle_s: float
    records: Mapping[str, Record]
    places: Mapping[str, Place]
    pointers: Mapping[str, Pointer]
    patterns: Mapping[str, Pattern]
    members: Mapping[str, Pattern]
    rules: tuple[Rule, ...]

    def within_places(self) -> frozenset[str]:
        """Return the places in which members of another one have to be."""
        return frozenset(
            place for rule in self.rules if isinstance(rule, Within) for place in rule.places
        )

    def repeats_unseen_by_scan(self) -> frozenset[str]:
        """Return the places in which no job may be twice, and in which no record's status says that it has to be."""
        expected = {
            place for rule in self.rules if isinstance(rule, Placed) for place in rule.places
        }
        return frozenset(rule.place for rule in self.rules if isinstance(rule, Once)) - expected

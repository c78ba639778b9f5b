"""Reads a layout from the text of its TOML file, and refuses one that can't be right. Pure."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from typing import Annotated

import msgspec

from midpipe.scenarios.audit.layout import (
    Acknowledged,
    Copied,
    Due,
    Kept,
    Layout,
    Named,
    OfStream,
    Once,
    Part,
    Place,
    Placed,
    Pointed,
    Pointer,
    Record,
    Rule,
    Same,
    Seconds,
    Some,
    Stored,
    Waiting,
    Within,
)
from midpipe.scenarios.audit.pattern import JOB, Pattern


class _File(Part, frozen=True, kw_only=True):
    """A layout as it stands in its file."""

    name: str
    summary: str = ""
    job_id: Annotated[str, Some] = ".+"
    settle_s: Seconds = 60.0
    phases: tuple[str, ...] = ()
    record: dict[str, Record] = msgspec.field(default_factory=dict)
    place: dict[str, Place] = msgspec.field(default_factory=dict)
    pointer: dict[str, Pointer] = msgspec.field(default_factory=dict)
    rule: tuple[Rule, ...] = ()


def read_layout(text: str, phase: str = "", prefix: str = "") -> Layout:
    """Return the layout that a TOML text describes.

    Args:
        phase: one of its phases; empty takes the first.
        prefix: stands before every key.

    Raises:
        ValueError: the text is not a layout, or it has no such phase. The message says what is wrong and where.
    """
    try:
        file = msgspec.convert(tomllib.loads(text), _File)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ValueError(str(error)) from error
    chosen = phase or next(iter(file.phases), "")
    if chosen and chosen not in file.phases:
        has = f"its phases are {', '.join(file.phases)}" if file.phases else "it has no phases"
        raise ValueError(f"there is no phase {chosen!r} in the layout {file.name}: {has}")
    _check(file)
    return Layout(
        name=file.name,
        summary=file.summary,
        phase=chosen,
        settle_s=file.settle_s,
        records=file.record,
        places=file.place,
        pointers=file.pointer,
        patterns={name: Pattern.of(prefix + key, file.job_id) for name, key in _keys(file).items()},
        members={
            name: Pattern.of(place.member, file.job_id)
            for name, place in file.place.items()
            if place.member
        },
        rules=tuple(rule for rule in file.rule if not rule.phases or chosen in rule.phases),
    )


def _keys(file: _File) -> dict[str, str]:
    return {
        name: part.key
        for parts in (file.record, file.place, file.pointer)
        for name, part in parts.items()
    }


def _check(file: _File) -> None:
    """Raise ValueError if a name is used twice or refers to nothing, or a record does not say which job it holds."""
    names = [*file.record, *file.place, *file.pointer]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"the name {twice!r} is used twice")
    if not file.rule:
        raise ValueError("it has no rule, so nothing would be checked")
    for name, record in file.record.items():
        if JOB not in Pattern.of(record.key).parts:
            raise ValueError(f"the key of record {name!r} has no part {{job_id}}")
    for name, place in file.place.items():
        if (place.type == "stream") != bool(place.group):
            raise ValueError(f"place {name!r} needs a group if it is a stream, and only then")
        parts = {*Pattern.of(place.key).parts, *Pattern.of(place.member).parts}
        if place.member and JOB not in parts:
            raise ValueError(
                f"neither the key nor a member of place {name!r} has a part {{job_id}}"
            )
    for number, rule in enumerate(file.rule, 1):
        _check_rule(file, rule, f"rule {number}")


def _check_rule(file: _File, rule: Rule, where: str) -> None:
    if unknown := set(rule.phases) - set(file.phases):
        raise ValueError(
            f"{where} names the phase {min(unknown)!r}, which the layout does not have"
        )
    places: Sequence[str] = ()
    records: Sequence[str] = ()
    match rule:
        case Placed():
            places = rule.places
        case Within():
            places = (rule.place, *rule.places)
        case Kept() | Once() | Waiting() | Due() | Acknowledged() | Stored():
            places = (rule.place,)
        case Pointed():
            if rule.pointer not in file.pointer:
                raise ValueError(
                    f"{where} names the pointer {rule.pointer!r}, which does not exist"
                )
        case Same():
            records = rule.records
        case Copied():
            records = (rule.source, rule.target)
        case Named(part=part, matches=matches):
            if not any(part in Pattern.of(key).parts for key in _keys(file).values()):
                raise ValueError(f"{where} names the part {part!r}, which no key has")
            try:
                re.compile(matches)
            except re.error as error:
                raise ValueError(
                    f"{where} has matches = {matches!r}, which is no regular expression: {error.msg}"
                ) from error
    for kind, named, known in (
        ("place", places, file.place),
        ("record", records, file.record),
    ):
        for name in named:
            if name not in known:
                raise ValueError(f"{where} names the {kind} {name!r}, which does not exist")
    if isinstance(rule, Waiting) and file.place[rule.place].type != "list":
        raise ValueError(f"{where} is about a list, and {rule.place!r} is none")
    if isinstance(rule, Once) and file.place[rule.place].type not in ("list", "stream"):
        raise ValueError(f"{where} is about a list or stream, and {rule.place!r} is none")
    if isinstance(rule, OfStream) and file.place[rule.place].type != "stream":
        raise ValueError(f"{where} is about a stream, and {rule.place!r} is none")
    if isinstance(rule, Due) and file.place[rule.place].type != "zset":
        raise ValueError(f"{where} is about a sorted set, and {rule.place!r} is none")

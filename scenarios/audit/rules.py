"""Judges what was read of one job by a layout's rules. Pure.

Blind to: damage that no rule of the layout describes, a job that has left no key at all, and what a payload means.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from midpipe.scenarios.audit.layout import (
    Acknowledged,
    Aged,
    Copied,
    Damage,
    Due,
    Kept,
    Layout,
    Named,
    Once,
    Placed,
    Pointed,
    Rule,
    Same,
    Stored,
    Waiting,
    Within,
)
from midpipe.scenarios.audit.observation import Observation, Suspicion, text_of

_MOST_FIELDS_NAMED = 6


def complete_parts(layout: Layout, observation: Observation) -> None:
    """Take the parts of keys that are still unknown from the job's fields."""
    for pattern in layout.patterns.values():
        for part in pattern.parts:
            for fields in observation.present.values():
                if part not in observation.parts and part in fields:
                    observation.parts[part] = text_of(fields[part])


def wanted_places(layout: Layout, observation: Observation) -> frozenset[str]:
    """Return the places that have to be read for this job, given its copies."""
    status = observation.status(layout)
    wanted = {observation.origin} & set(layout.places)
    for rule in layout.rules:
        wanted.update(_expected_in(rule, status, observation.origin))
    return frozenset(wanted)


def _expected_in(rule: Rule, status: str | None, origin: str) -> tuple[str, ...]:
    """Return the places of which a rule expects one to have the job; none if it does not speak about it."""
    if isinstance(rule, Placed):
        return rule.places if status in rule.status else ()
    return rule.places if isinstance(rule, Within) and rule.place == origin else ()


def open_places(layout: Layout, observation: Observation) -> frozenset[str]:
    """Return the places that have to be walked before the job can be judged."""
    status = observation.status(layout)
    wanted: set[str] = set()
    for rule in layout.rules:
        if places := _expected_in(rule, status, observation.origin):
            found = any(observation.scores.get(place) is not None for place in places)
            if not found:
                wanted.update(place for place in places if observation.is_walked(layout, place))
    if observation.origin in layout.places and observation.is_walked(layout, observation.origin):
        wanted.add(observation.origin)
    return frozenset(
        place
        for place in wanted - set(observation.counts)
        if layout.patterns[place].formed(observation.parts) is not None
    )


def examine(layout: Layout, observation: Observation, now_s: float) -> tuple[Suspicion, ...]:
    """Return what is suspicious about a job.

    Args:
        observation: what was read; a place that was not read leads to no suspicion.
        now_s: the server's time, in seconds since 1970.
    """
    if observation.unread:
        # What can't be read is neither damaged nor in order; it is counted where it was read.
        return ()
    malformed = _malformed(layout, observation)
    found = [
        (rule.damage, number, text)
        for number, rule in enumerate(layout.rules)
        if (text := _evidence(layout, rule, observation, now_s))
        and not (isinstance(rule, Same) and malformed)
    ]
    if malformed:
        # Not a rule of its own: it follows from how the records are described.
        found.append((Damage.MALFORMED, -1, malformed))
    if not found:
        return ()
    parts, fingerprint = tuple(sorted(observation.parts.items())), observation.fingerprint()
    return tuple(
        Suspicion(
            damage=damage,
            rule=number,
            job_id=observation.job_id,
            parts=parts,
            origin=observation.origin,
            evidence=text,
            fingerprint=fingerprint,
        )
        for damage, number, text in found
    )


def _evidence(layout: Layout, rule: Rule, observation: Observation, now_s: float) -> str:
    """Return what contradicts a rule, as text without payload; empty if nothing does."""
    match rule:
        case Placed():
            return _not_placed(layout, rule, observation)
        case Within(place=place, places=places):
            if place != observation.origin or not _is_member(observation, place):
                return ""
            is_known = _is_in_none(layout, places, observation)
            return f"is in {place} and not in {' or '.join(places)}" if is_known else ""
        case Kept(place=place):
            is_member = _is_member(observation, place)
            return "" if observation.present or not is_member else f"is in {place} and has no data"
        case Pointed(pointer=pointer):
            names = observation.pointed.get(pointer) == observation.job_id
            return (
                f"is named by a {pointer} key and has no data"
                if names and not observation.present
                else ""
            )
        case Once(place=place):
            count = observation.counts.get(place, 0)
            return f"is {count} times in {place}" if count > 1 else ""
        case Waiting():
            status = observation.status(layout)
            is_wrong = status is not None and status not in rule.status
            if observation.counts.get(rule.place, 0) and is_wrong:
                return f"is {_shown(layout, status or '')} and still in {rule.place}"
            return ""
        case Same():
            return _difference(layout, rule, observation)
        case Copied(source=source, target=target):
            if (
                observation.copies.get(source) is None
                or observation.copies.get(target, {}) is not None
            ):
                return ""
            return f"is in {source} and not in {target}"
        case Due():
            score = observation.scores.get(rule.place)
            if score is None:
                return ""
            late_s = now_s - (score / 1000 if rule.unit == "ms" else score)
            return f"was due in {rule.place} some time ago" if late_s > rule.grace_s else ""
        case Aged():
            return _aged(layout, rule, observation, now_s)
        case Acknowledged(place=place, longer_than_s=longest_s):
            delivery = observation.deliveries.get(place)
            if delivery is None or delivery.idle_s <= longest_s:
                return ""
            return f"was delivered from {place}, and not acknowledged for more than {longest_s:g} s"
        case Stored(place=place):
            delivery = observation.deliveries.get(place)
            is_gone = delivery is not None and delivery.is_gone
            return (
                f"was delivered from {place} and not acknowledged, and is deleted"
                if is_gone
                else ""
            )
        case Named(part=part, matches=matches):
            value = observation.parts.get(part)
            if value is None or not observation.present or re.fullmatch(matches, value):
                return ""
            return f"has a {part} that is {'empty' if not value else 'not valid'}"


def _not_placed(layout: Layout, rule: Placed, observation: Observation) -> str:
    status = observation.status(layout)
    if status is None or status not in rule.status:
        return ""
    if not _is_in_none(layout, rule.places, observation):
        return ""
    return f"is {_shown(layout, status)} and not in {' or '.join(rule.places)}"


def _is_member(observation: Observation, place: str) -> bool:
    return bool(observation.counts.get(place)) or observation.scores.get(place) is not None


def _is_in_none(layout: Layout, places: tuple[str, ...], observation: Observation) -> bool:
    """Whether the job is certainly in none of these places. In one whose key can't be formed, it can't be."""
    return not any(
        _is_member(observation, place)
        or (place not in observation.scores and place not in observation.counts)
        for place in places
        if place in observation.scores
        or layout.patterns[place].formed(observation.parts) is not None
    )


def _malformed(layout: Layout, observation: Observation) -> str:
    """Return what is wrong with the copies themselves."""
    for name, fields in observation.present.items():
        record = layout.records[name]
        missing = [part for part in record.required if part not in fields]
        if missing:
            return f"{name} lacks {_names(missing)}"
        if record.statuses and text_of(fields.get(record.status, b"")) not in record.statuses:
            return f"{name} has a status that is not in the vocabulary"
    return ""


def _difference(layout: Layout, rule: Same, observation: Observation) -> str:
    first, second = rule.records
    one, other = observation.copies.get(first), observation.copies.get(second)
    if one is None or other is None:
        return ""
    differing = sorted(
        name
        for name in {*one, *other}
        if name not in rule.ignore and one.get(name) != other.get(name)
    )
    if not differing:
        return ""
    status = layout.records[first].status
    if status in differing:
        values = (
            f"{name} is {_shown(layout, text_of(copy.get(status, b'')))}"
            for name, copy in ((first, one), (second, other))
        )
        rest = [name for name in differing if name != status]
        return ", ".join(values) + (f"; also {_names(rest)}" if rest else "")
    return f"{first} and {second} differ in {_names(differing)}"


def _aged(layout: Layout, rule: Aged, observation: Observation, now_s: float) -> str:
    status = observation.status(layout)
    if status is None or status not in rule.status:
        return ""
    since = [
        moment
        for fields in observation.present.values()
        if (moment := _moment(text_of(fields.get(rule.field, b"")))) is not None
    ]
    if not since or now_s - max(since) <= rule.longer_than_s:
        return ""
    return f"is {_shown(layout, status)} for more than {rule.longer_than_s:g} s"


def _moment(text: str) -> float | None:
    """Return a time in seconds since 1970, from ISO 8601 (UTC if it names no zone) or a number."""
    try:
        return float(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _shown(layout: Layout, status: str) -> str:
    """Return a status that some record or rule knows; any other could be payload."""
    known = {word for record in layout.records.values() for word in record.statuses}
    about = (rule for rule in layout.rules if isinstance(rule, Placed | Waiting | Aged))
    known |= {word for rule in about for word in rule.status}
    return status if status in known else "in an unknown status"


def _names(fields: list[str]) -> str:
    rest = len(fields) - _MOST_FIELDS_NAMED
    return ", ".join(fields[:_MOST_FIELDS_NAMED]) + (f" and {rest} more" if rest > 0 else "")

"""The server's state as values: every key, and the tables that the reviewed queue's key layout makes of them.

This is the only module that knows that layout. Pure: a case takes the snapshot by running one script on the server, so
that it shows one moment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from types import MappingProxyType

import msgspec

from midpipe.scenarios.model.story import KeyChange

OLD_PREFIX = "ai:jobs:"
NEW_PREFIX = "ai:job:"
PENDING_KEY = "ai:queue:pending"
REQUEST_PREFIX = "ai:idempotency:"

SNAPSHOT_SCRIPT = """
local function map(list)
  local found = {}
  for at = 1, #list, 2 do found[list[at]] = list[at + 1] end
  return found
end
local function digest(text) return '(' .. #text .. ' bytes, SHA-1 ' .. redis.sha1hex(text) .. ')' end
local function add_group(out, group)
  local name = cjson.encode(group['name'])
  out[#out + 1] = 'group ' .. name .. ' at ' .. group['last-delivered-id']
  for _, item in ipairs(group['consumers']) do
    out[#out + 1] = 'consumer ' .. cjson.encode(map(item)['name']) .. ' of ' .. name
  end
  for _, item in ipairs(group['pel'] or group['pending']) do
    out[#out + 1] = 'pending ' .. item[1] .. ' of ' .. name .. ' for ' .. cjson.encode(item[2])
      .. ', deliveries: ' .. item[4]
  end
end
local function stream(key)
  local info = map(redis.call('XINFO', 'STREAM', key, 'FULL', 'COUNT', 0))
  local out = {}
  for _, item in ipairs(info['entries']) do out[#out + 1] = item[1] .. ' ' .. cjson.encode(item[2]) end
  out[#out + 1] = 'last id ' .. info['last-generated-id']
  for _, item in ipairs(info['groups']) do add_group(out, map(item)) end
  return out
end
local read = {
  hash = function(key) return redis.call('HGETALL', key) end,
  list = function(key) return redis.call('LRANGE', key, 0, -1) end,
  set = function(key) return redis.call('SMEMBERS', key) end,
  zset = function(key) return redis.call('ZRANGE', key, 0, -1, 'WITHSCORES') end,
  string = function(key) return {redis.call('GET', key)} end,
  stream = stream
}
local function dump(key)
  local text = redis.pcall('DUMP', key)
  return {type(text) == 'string' and digest(text) or 'not readable'}
end
local time = redis.call('TIME')
local out = {}
local function entry(key)
  local kind = redis.call('TYPE', key)['ok']
  local words = (read[kind] or dump)(key)
  for at, word in ipairs(words) do
    if #word > 65536 then words[at] = word:sub(1, 100):gsub('[\\128-\\255]+$', '') .. '… ' .. digest(word) end
  end
  return {key, kind, words, redis.call('PTTL', key)}
end
for _, key in ipairs(redis.call('KEYS', '*')) do
  if key ~= 'midpipe:lock' then out[#out + 1] = entry(key) end
end
out = {time[1] * 1000 + math.floor(time[2] / 1000), out}
return ARGV[1] == 'packed' and cmsgpack.pack(out) or out
"""
"""Returns every key at one moment; with the argument ``packed`` as MessagePack, which decodes ten times faster.

A word of more than 64 KiB is cut and gets its SHA-1, so that large values are compared without being copied. A stream
becomes a word for each entry, group, consumer and pending entry; times since the last delivery are left out, as times
to live are. Of a module's type only the SHA-1 of its DUMP is known. The lock of
a run in an external database (LOCK_KEY) is left out.
"""

_Entry = tuple[str, str, tuple[str, ...], int]
_PACKED = msgspec.msgpack.Decoder(tuple[int, tuple[_Entry, ...]])

Fields = Mapping[str, str]
_SHOWN_KINDS = ("hash", "list", "set", "stream", "string", "zset")
_MOST_SHOWN = 400
_MOST_IN_A_LINE = 60
"""How long a value may be, in characters, to be shown from its beginning although an equal part comes first."""
_LEAST_BEFORE = 12
"""How many equal characters are shown before the first that differs, of a long element."""
_GONE_WITHIN_MS = 1
"""A key that expires so soon, as that of a lease of no time, is in no state: else the machine's speed would decide."""
_TELLING_FIELDS = ("job_id", "status", "workspace_id")


@dataclass(frozen=True, slots=True)
class RedisValue:
    """The type and the words of one key, sorted where the order means nothing.

    Args:
        words: the elements of a list or set; the fields of a hash as field, value, field, value, …; the lines that
            SNAPSHOT_SCRIPT makes of a stream.
        expires_at_ms: when the key expires, in ms of the server's clock; None if it has no TTL. Two values that
            differ in nothing else are equal.
    """

    kind: str
    words: tuple[str, ...]
    expires_at_ms: int | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        if self.kind == "hash":
            return "{" + ", ".join(f"{k}: {v!r}" for k, v in self.fields().items()) + "}"
        if self.kind == "string":
            return repr("".join(self.words))
        return "[" + ", ".join(self.words) + "]"

    def fields(self) -> dict[str, str]:
        """Return the fields of a hash."""
        return dict(zip(self.words[::2], self.words[1::2], strict=True))


State = Mapping[str, RedisValue]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The server's state at one moment, by the server's own clock."""

    state: State
    taken_at_ms: int

    def expired_since(
        self, states: Iterable[State], job_ids: Iterable[str], by_ms: float
    ) -> frozenset[str]:
        """Return the jobs that a key of the earlier states names which had expired by a time; it may be there anew.

        Args:
            by_ms: on the server's clock.
        """
        expired = {
            key: value
            for state in states
            for key, value in state.items()
            if self.state.get(key) != value
            and value.expires_at_ms is not None
            and value.expires_at_ms <= by_ms
        }
        return frozenset(job_id for job_id in job_ids if expired and names_job(expired, job_id))

    def differs_by_more_than_time(self, before: State) -> bool:
        """Whether it differs from an earlier state by more than the expiry of keys whose TTL has run out."""
        return self.state != {
            key: value
            for key, value in before.items()
            if key in self.state
            or value.expires_at_ms is None
            or value.expires_at_ms > self.taken_at_ms + _GONE_WITHIN_MS
        }


@dataclass(frozen=True, slots=True)
class Tables:
    """One state, read by the key layout of the reviewed queue.

    Args:
        old: job_id → fields of the old schema.
        new: (workspace_id, job_id) → fields of the new schema.
        pending: job ids in queue order.
        requests: (workspace_id, client_request_id) → job_id.
    """

    old: Mapping[str, Fields]
    new: Mapping[tuple[str, str], Fields]
    pending: tuple[str, ...]
    requests: Mapping[tuple[str, str], str]

    def statuses(self, job_id: str) -> tuple[str, ...]:
        """Return the job's status in each schema that holds it."""
        copies = [self.old[job_id]] if job_id in self.old else []
        copies += [fields for (_, known), fields in self.new.items() if known == job_id]
        return tuple(fields.get("status", "") for fields in copies)

    def has_data(self, job_id: str) -> bool:
        return bool(self.statuses(job_id))

    @property
    def job_ids(self) -> tuple[str, ...]:
        """Every job that either schema holds, sorted."""
        return tuple(sorted({*self.old, *(job_id for _, job_id in self.new)}))


def snapshot_of_packed(reply: object) -> Snapshot | None:
    """Return the snapshot in the script's packed reply; None if a key or value is not UTF-8."""
    try:
        return _snapshot(*_PACKED.decode(reply if isinstance(reply, bytes) else b""))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def snapshot_of(reply: object) -> Snapshot:
    """Return the snapshot in the script's plain reply, in which ``_text`` escapes words that are not UTF-8."""
    taken_at_ms, entries = reply if isinstance(reply, tuple) else (0, ())
    return _snapshot(
        taken_at_ms,
        (
            (_text(key), _text(kind), tuple(_text(word) for word in value), lasts_ms)
            for key, kind, value, lasts_ms in entries
        ),
    )


def _snapshot(taken_at_ms: int, entries: Iterable[_Entry]) -> Snapshot:
    state: dict[str, RedisValue] = {}
    for key, name, words, lasts_ms in entries:
        if 0 <= lasts_ms <= _GONE_WITHIN_MS:
            continue
        if name == "hash":
            pairs = sorted(zip(words[::2], words[1::2], strict=True))
            words = tuple(word for pair in pairs for word in pair)
        elif name == "set":
            words = tuple(sorted(words))
        expires_at_ms = taken_at_ms + lasts_ms if lasts_ms >= 0 else None
        state[key] = RedisValue(name, words, expires_at_ms)
    return Snapshot(MappingProxyType(dict(sorted(state.items()))), taken_at_ms)


def tables_of(state: State) -> Tables:
    """Return the tables of the reviewed queue in a state, without keys of any other layout."""
    old: dict[str, Fields] = {}
    new: dict[tuple[str, str], Fields] = {}
    requests: dict[tuple[str, str], str] = {}
    pending: tuple[str, ...] = ()
    for key, value in state.items():
        if key == PENDING_KEY:
            pending = value.words
        elif key.startswith(OLD_PREFIX) and value.kind == "hash":
            old[key.removeprefix(OLD_PREFIX)] = value.fields()
        elif key.startswith(NEW_PREFIX) and value.kind == "hash":
            workspace_id, _, job_id = key.removeprefix(NEW_PREFIX).partition(":")
            new[workspace_id, job_id] = value.fields()
        elif key.startswith(REQUEST_PREFIX) and value.kind == "string":
            workspace_id, _, request_id = key.removeprefix(REQUEST_PREFIX).partition(":")
            requests[workspace_id, request_id] = "".join(value.words)
    return Tables(old, new, pending, requests)


def contents_of(state: State) -> Mapping[str, str] | None:
    """Return each key's value as text; None if a key has a module's type, of which a snapshot has only a digest."""
    if any(value.kind not in _SHOWN_KINDS for value in state.values()):
        return None
    return {key: "\n".join((value.kind, *value.words)) for key, value in state.items()}


def names_job(state: State, job_id: str) -> bool:
    """Whether some key of the state names the job, in its own name or in its value."""
    return bool(places_of(state, job_id))


def places_of(state: State, job_id: str) -> frozenset[str]:
    """Return the keys of the state that name the job, in their own name or in their value."""
    named = _naming(job_id)
    return frozenset(key for key, value in state.items() if named.search(f"{key} {value}"))


def records_of(state: State, job_id: str) -> frozenset[str]:
    """Return the keys that name the job, without those that only count for it, or lock it for some time."""
    named = _naming(job_id)
    return frozenset(
        key for key in places_of(state, job_id) if not _only_counts(key, state[key], named)
    )


def words_on(state: State, job_id: str) -> Mapping[str, tuple[tuple[str, ...], ...]]:
    """Return what each key says of a job: the whole value of a stream and of a key that has the job in its name.

    Of any other key the members, fields or words that name the job.
    """
    named = _naming(job_id)
    said = {}
    for key, value in state.items():
        size = 2 if value.kind in ("hash", "zset") else 1
        parts = tuple(zip(*(value.words[at::size] for at in range(size)), strict=True))
        naming = tuple(part for part in parts if named.search(" ".join(part)))
        is_whole = named.search(key) or (naming and value.kind == "stream")
        if is_whole or naming:
            said[key] = parts if is_whole else naming
    return said


def _naming(job_id: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w-]){re.escape(job_id)}(?![\w-])")


def _only_counts(key: str, value: RedisValue, named: re.Pattern[str]) -> bool:
    """Whether what a key says of the job it names is a number or, in a text that expires, anything."""
    if value.kind == "string":
        return value.expires_at_ms is not None or _is_number("".join(value.words))
    if value.kind != "hash":
        return False
    said = [text for name, text in value.fields().items() if named.search(f"{key} {name} {text}")]
    return all(map(_is_number, said))


def _is_number(text: str) -> bool:
    return re.fullmatch(r"-?\d+(\.\d+)?", text) is not None


def is_job_changed(before: State, after: State) -> bool:
    """Whether the two states differ in the data of any job, in either schema."""
    return any(
        key.startswith((OLD_PREFIX, NEW_PREFIX)) and before.get(key) != after.get(key)
        for key in {*before, *after}
    )


def changes_between(before: State, after: State) -> tuple[KeyChange, ...]:
    """Return the keys that differ, in key order; of a hash that both states hold, only the fields that differ.

    Of a long value that both states hold, the part before the first difference is left out.
    """
    return tuple(
        _change(key, before.get(key), after.get(key))
        for key in sorted({*before, *after})
        if before.get(key) != after.get(key)
    )


def _change(key: str, before: RedisValue | None, after: RedisValue | None) -> KeyChange:
    if before is None or after is None:
        return KeyChange(key, _shown(before), _shown(after))
    if before.kind != "hash" or after.kind != "hash":
        return KeyChange(key, *_from_difference(str(before), str(after)))
    old, new = before.fields(), after.fields()
    pairs = {
        name: _from_difference(_quoted(old, name), _quoted(new, name))
        for name in {**old, **new}
        if old.get(name) != new.get(name)
    }
    removed = {name: pair[0] for name, pair in pairs.items() if name in old}
    added = {name: pair[1] for name, pair in pairs.items() if name in new}
    return KeyChange(key, _fields(removed), _fields(added))


def _from_difference(before: str, after: str) -> tuple[str, str]:
    """Return both texts; if one is long, from the element on in which they differ, with "…" for what is left out."""
    common = sum(
        1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(before, after, strict=False))
    )
    if max(len(before), len(after)) <= _MOST_IN_A_LINE or common <= _LEAST_BEFORE:
        return _cut(before), _cut(after)
    element = before.rfind(", ", 0, common)
    is_near = element >= 0 and common - element < _MOST_IN_A_LINE
    begin = element + 2 if is_near else common - _LEAST_BEFORE
    return _cut(f"…{before[begin:]}"), _cut(f"…{after[begin:]}")


def _shown(value: RedisValue | None) -> str:
    if value is None:
        return ""
    if value.kind != "hash":
        return _cut(str(value))
    fields = value.fields()
    names = [name for name in _TELLING_FIELDS if name in fields] or list(fields)
    return _fields({name: _cut(_quoted(fields, name)) for name in names})


def _fields(shown: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{name}: {text}" for name, text in shown.items()) + "}"


def _quoted(fields: Fields, name: str) -> str:
    return repr(fields[name]) if name in fields else ""


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}… ({len(text)} characters)"


def _text(value: object) -> str:
    """Return a word as text; if it is not UTF-8, with escapes, so that different words stay different."""
    if not isinstance(value, bytes):
        return str(value)
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")

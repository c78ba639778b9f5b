"""A corpus that fuzzing workers share, on one machine or on many: the failing cases of all, and what is covered.

It is kept through Hypothesis' database interface: in a directory, in a Redis, or wherever fsspec can write. Failing
cases are replay lines, as in the example files, and not Hypothesis' own choices, which mean something only to the
batch that made them. Knows nothing of how a case is run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from hypothesis.database import DirectoryBasedExampleDatabase, ExampleDatabase

from midpipe.faultinject.errors import UsageError
from midpipe.scenarios.model.coverage import Combination, Coverage, Met
from midpipe.scenarios.model.safe_text import redaction_of
from midpipe.scenarios.model.spec import SubjectSpec

_FINDS, _COVERED = "finds", "covered"
_REDIS = ("redis://", "rediss://", "unix://")
_REDIS_PREFIX = b"midpipe:corpus:"
_TIME_OUT_S = 5.0


class Corpus:
    """The part of a corpus that belongs to one subject.

    Args:
        where: a directory, ``redis://host:port/db``, or a URL that fsspec knows, as ``s3://bucket/folder``.

    Every method but ``covered_now`` raises UsageError if the corpus can't be read or written.
    """

    def __init__(self, where: str, subject: SubjectSpec) -> None:
        self._where = where
        self._identity = f"{subject.name} {subject.options}"
        self._known: set[Combination] = set()
        self._read: set[bytes] = set()
        with self._errors_explained():
            self._database = _database_at(where)

    def finds(self) -> tuple[str, ...]:
        """Return the replay lines of failing cases, sorted."""
        return tuple(sorted(value.decode() for value in self._fetch(_FINDS)))

    def add_find(self, replay: str) -> None:
        """Add the replay line of a failing case."""
        self._save(_FINDS, replay.encode())

    def drop_find(self, replay: str) -> None:
        """Remove a replay line that no longer fits the subject."""
        with self._errors_explained():
            self._database.delete(self._key(_FINDS), replay.encode())

    def newly_covered(self) -> tuple[Met, ...]:
        """Return what other workers have covered since the last call."""
        news = [value for value in self._fetch(_COVERED) if value not in self._read]
        self._read.update(news)
        met = [m for value in news for m in msgspec.json.decode(value, type=tuple[Met, ...])]
        self._known.update((m.place, m.fault) for m in met)
        return tuple(met)

    def add_covered(self, coverage: Coverage) -> None:
        """Add what a worker has covered and the corpus does not have yet."""
        new = sorted(coverage.cases.keys() - self._known)
        if new:
            value = msgspec.json.encode(
                tuple(Met(place, fault, coverage.possible[place]) for place, fault in new),
                order="deterministic",
            )
            self._read.add(value)
            self._known.update(new)
            self._save(_COVERED, value)

    def _fetch(self, kind: str) -> tuple[bytes, ...]:
        with self._errors_explained():
            return tuple(self._database.fetch(self._key(kind)))

    def _save(self, kind: str, value: bytes) -> None:
        with self._errors_explained():
            self._database.save(self._key(kind), value)

    def _key(self, kind: str) -> bytes:
        return hashlib.sha256(f"{kind} {self._identity}".encode()).hexdigest().encode()

    @contextmanager
    def _errors_explained(self) -> Iterator[None]:
        from redis import RedisError

        try:
            yield
        except (OSError, ValueError, ImportError, RedisError) as error:
            where = redaction_of((self._where,))(self._where)
            raise UsageError(f"The corpus {where!r} can't be used: {error}.") from error


def _database_at(where: str) -> ExampleDatabase:
    if where.startswith(_REDIS):
        from hypothesis.extra.redis import RedisExampleDatabase
        from redis import Redis

        server = Redis.from_url(
            where, socket_timeout=_TIME_OUT_S, socket_connect_timeout=_TIME_OUT_S
        )
        return RedisExampleDatabase(server, key_prefix=_REDIS_PREFIX)
    if "://" in where:
        return _FileSystemDatabase(where)
    return DirectoryBasedExampleDatabase(Path(where))


class _FileSystemDatabase(ExampleDatabase):
    """A file for each value, in a folder for each key, wherever fsspec can write."""

    def __init__(self, url: str) -> None:
        super().__init__()
        from fsspec.core import url_to_fs

        self._files, self._root = url_to_fs(url)

    def fetch(self, key: bytes) -> Iterable[bytes]:
        folder = self._folder(key)
        # Another machine may have added files since this one has listed them.
        self._files.invalidate_cache(folder)
        if self._files.exists(folder):
            yield from self._files.cat(self._files.ls(folder, detail=False)).values()

    def save(self, key: bytes, value: bytes) -> None:
        self._files.makedirs(self._folder(key), exist_ok=True)
        self._files.pipe_file(self._file(key, value), value)

    def delete(self, key: bytes, value: bytes) -> None:
        if self._files.exists(self._file(key, value)):
            self._files.rm_file(self._file(key, value))

    def _folder(self, key: bytes) -> str:
        return f"{self._root}/{key.decode()}"

    def _file(self, key: bytes, value: bytes) -> str:
        return f"{self._folder(key)}/{hashlib.sha256(value).hexdigest()}"

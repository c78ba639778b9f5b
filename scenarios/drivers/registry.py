"""The drivers whose behaviour under faults is tabulated: their releases, constructors, ways of calling. Data."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from itertools import product
from types import MappingProxyType

from midpipe.scenarios.known_bugs.bug import adapted
from midpipe.scenarios.queues import Language, Library

FAULTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"lost-reply": ("lost-reply", "lost-reply-fin"), "cut-before": ("cut-before",)}
)
"""What happens to the command, and the faults that do it: a driver may react to a reset and to a FIN differently."""


@dataclass(frozen=True, slots=True)
class Constructor:
    """A way to make a client.

    Args:
        name: as a program writes it.
        file: of the subject, in ``subjects``.
        variable: what the subject's environment calls it.
        since: the first release that has it; empty if every release does that is tabulated.
    """

    name: str
    file: str
    variable: str
    since: tuple[int, ...] = ()

    def exists_in(self, version: str) -> bool:
        """Whether a release has it."""
        return tuple(map(int, re.findall(r"\d+", version))) >= self.since


@dataclass(frozen=True, slots=True)
class Way:
    """A way to send a command.

    Args:
        name: for a reader.
        kind: the subject's class.
        takes: it takes a job; otherwise it puts one in.
        leaves_no_job: the command leaves nothing on the server, so its runs are counted on the wire.
        command: what is sent to change the server; needed where it has to be found on the wire.
        before: a command that is sent before it, takes effect without it, and is counted on the wire.
    """

    name: str
    kind: str
    takes: bool = False
    leaves_no_job: bool = False
    command: str = ""
    before: str = ""


@dataclass(frozen=True, slots=True)
class Driver:
    """A client library.

    Args:
        name: as its documentation calls it.
        package: its name in its language's registry.
        versions: the releases that are tabulated.
        constructors: the ways to make a client.
        ways: the ways to send a command.
        language: in which it is written.
        is_of_cluster: it is a client of a Redis Cluster.
        asks_sentinels: it is a client that asks Sentinels for the primary.
        subscribes: its files have a class ``Receive``, a subscriber.
    """

    name: str
    package: str
    versions: tuple[str, ...]
    constructors: tuple[Constructor, ...]
    ways: tuple[Way, ...]
    _: KW_ONLY
    language: Language = Language.PYTHON
    is_of_cluster: bool = False
    asks_sentinels: bool = False
    subscribes: bool = False

    def constructors_of(self, versions: Sequence[str]) -> Iterator[tuple[str, Constructor]]:
        """Yield each constructor of each release, after the release."""
        for version, constructor in product(versions, self.constructors):
            if constructor.exists_in(version):
                yield version, constructor

    def target(self, constructor: Constructor, way: Way) -> Library:
        """Return what to install, with the subject that calls it in this way."""
        return adapted(self.package, constructor.file, way.kind, language=self.language)


PUSH = Way("RPUSH", "Push", command="RPUSH")
_PLAIN = Way("pipeline(transaction=False)", "Pipeline", before="INCR")
_TRANSACTION = Way("pipeline(transaction=True)", "Transaction", command="EXEC")
_WATCH = Way("transaction(), which watches", "Watch")
POP = Way("LPOP", "Push", takes=True, command="LPOP")
_BLOCKING_POP = Way("BLPOP", "BlockingPop", takes=True)
PUBLISH = Way("PUBLISH", "Publish", leaves_no_job=True, command="PUBLISH")
RECEIVE = Way("subscriber", "Receive")
_ASYNCIO_SINCE = (4, 2)

REDIS_PY = Driver(
    "redis-py",
    "redis",
    ("2.10.6", "3.0.1", "3.1.0", "3.5.3", "4.6.0", "5.3.1", "6.0.0", "8.1.0"),
    (
        Constructor("Redis()", "redis_py_lists.py", "Redis"),
        Constructor("Redis.from_url()", "redis_py_lists.py", "from_url"),
        Constructor("asyncio.Redis()", "redis_py_async_lists.py", "Redis", _ASYNCIO_SINCE),
        Constructor(
            "asyncio.Redis.from_url()", "redis_py_async_lists.py", "from_url", _ASYNCIO_SINCE
        ),
    ),
    (PUSH, _PLAIN, _TRANSACTION, _WATCH, POP, _BLOCKING_POP, PUBLISH),
    subscribes=True,
)
REDIS_PY_CLUSTER = Driver(
    "redis-py, Cluster",
    "redis",
    ("4.6.0", "5.3.1", "6.0.0", "8.1.0"),
    (
        Constructor("RedisCluster()", "redis_py_lists.py", "RedisCluster"),
        Constructor("RedisCluster.from_url()", "redis_py_lists.py", "RedisCluster.from_url"),
    ),
    (PUSH, Way("pipeline()", "Pipeline", before="INCR"), POP, _BLOCKING_POP),
    is_of_cluster=True,
)
REDIS_PY_SENTINEL = Driver(
    "redis-py, Sentinel",
    "redis",
    ("3.5.3", "4.6.0", "5.3.1", "6.0.0", "8.1.0"),
    (
        Constructor("Sentinel().master_for()", "redis_py_lists.py", "Sentinel"),
        Constructor(
            "asyncio.Sentinel().master_for()", "redis_py_async_lists.py", "Sentinel", _ASYNCIO_SINCE
        ),
    ),
    (PUSH, _TRANSACTION, POP),
    asks_sentinels=True,
)
VALKEY_PY = Driver(
    "valkey-py",
    "valkey",
    ("6.0.2", "6.2.0"),
    (
        Constructor("Valkey()", "redis_py_lists.py", "Redis"),
        Constructor("Valkey.from_url()", "redis_py_lists.py", "from_url"),
        Constructor("asyncio.Valkey()", "redis_py_async_lists.py", "Redis"),
        Constructor("asyncio.Valkey.from_url()", "redis_py_async_lists.py", "from_url"),
    ),
    REDIS_PY.ways,
    subscribes=True,
)
COREDIS = Driver(
    "coredis",
    "coredis",
    ("4.24.0", "5.7.0", "6.9.0"),
    (
        Constructor("Redis()", "coredis_lists.py", "Redis"),
        Constructor("Redis.from_url()", "coredis_lists.py", "from_url"),
    ),
    (PUSH, _PLAIN, _TRANSACTION, POP, _BLOCKING_POP),
)
_MULTI = Way("multi()", "Transaction", command="EXEC")
IOREDIS = Driver(
    "ioredis",
    "ioredis",
    ("4.31.0", "5.11.1", "6.0.0"),
    (
        Constructor("new Redis()", "ioredis_lists.mjs", "Redis"),
        Constructor(
            "new Redis({autoResendUnfulfilledCommands: false})", "ioredis_lists.mjs", "no-resending"
        ),
    ),
    (
        PUSH,
        Way("pipeline()", "Pipeline", before="INCR"),
        _MULTI,
        POP,
        _BLOCKING_POP,
        PUBLISH,
    ),
    language=Language.NODE,
    subscribes=True,
)
IOREDIS_SENTINEL = Driver(
    "ioredis, Sentinel",
    "ioredis",
    IOREDIS.versions,
    (Constructor("new Redis({sentinels, name})", "ioredis_lists.mjs", "Sentinel"),),
    (PUSH, _MULTI, POP),
    language=Language.NODE,
    asks_sentinels=True,
)
GO_REDIS = Driver(
    "go-redis",
    "github.com/redis/go-redis/v9",
    ("9.0.5", "9.23.0"),
    (
        Constructor("NewClient(&Options{})", "go_redis_lists.go", "Options"),
        Constructor("NewClient(ParseURL())", "go_redis_lists.go", "from_url"),
        Constructor("NewClient(&Options{MaxRetries: -1})", "go_redis_lists.go", "no-retries"),
    ),
    (
        PUSH,
        Way("Pipelined()", "Pipeline", before="INCR"),
        Way("TxPipelined()", "Transaction"),
        Way("Watch(), called again if TxFailedErr", "Watch"),
        POP,
        _BLOCKING_POP,
    ),
    language=Language.GO,
)
DRIVERS = (
    REDIS_PY,
    REDIS_PY_CLUSTER,
    REDIS_PY_SENTINEL,
    VALKEY_PY,
    COREDIS,
    IOREDIS,
    IOREDIS_SENTINEL,
    GO_REDIS,
)

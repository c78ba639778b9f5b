"""The driver that a URL names: to one server, to the primary of a group that Sentinels watch, or to a Cluster.

    redis://[user:password@]host[:port][/database][?socket_timeout=…]      and all else that ``redis.from_url`` takes
    redis+sentinel://[user:password@]host:port[,host:port…]/service[/database][?…]
    redis+cluster://[user:password@]host:port[,host:port…][?…]

User and password are those of the servers, not of the Sentinels. While another server takes over, calls raise; as
always, making the same call again shows whether the first one was run.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import MovedError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

SENTINEL, CLUSTER = "redis+sentinel", "redis+cluster"
DEFAULT_TIME_OUT_S = 2.0
BACKOFF_BASE_S, BACKOFF_CAP_S = 0.0005, 0.05
# redis-py gives no types to these three.
_sentinel: Any = redis.sentinel.Sentinel
_cluster_node: Any = redis.cluster.ClusterNode
_parse_url: Any = redis.connection.parse_url


def driver_for(url: str, retries: int) -> Any:
    """Return a driver that sends a command again, up to ``retries`` times, after a lost connection or a time-out.

    Raises:
        ValueError: the URL can't be read.
    """
    defaults: dict[str, Any] = {
        "decode_responses": True,
        "socket_timeout": DEFAULT_TIME_OUT_S,
        "socket_connect_timeout": DEFAULT_TIME_OUT_S,
        "retry": Retry(ExponentialBackoff(cap=BACKOFF_CAP_S, base=BACKOFF_BASE_S), retries),
    }
    again_on = [RedisConnectionError, RedisTimeoutError]
    scheme = url.partition("://")[0]
    if scheme == SENTINEL:
        service, options = _service(url)
        options = {**defaults, "retry_on_error": again_on, **options}
        timeouts = {name: options[name] for name in ("socket_timeout", "socket_connect_timeout")}
        watching = _sentinel(_hosts(url), sentinel_kwargs=timeouts, **options)
        return watching.master_for(service)
    if scheme == CLUSTER:
        nodes = [_cluster_node(host, port) for host, port in _hosts(url)]
        return redis.RedisCluster(startup_nodes=nodes, **{**defaults, **_options(url, "")})
    return redis.from_url(url, **defaults, retry_on_error=again_on)


def is_cluster(client: Any) -> bool:
    """Whether a driver is a Cluster's."""
    return isinstance(client, redis.RedisCluster)


@contextmanager
def pipeline_to(client: Any, key: str) -> Iterator[Any]:
    """Yield a pipeline without a transaction to the server that serves a key.

    In a Cluster, the driver looks up its nodes again after an error.
    """
    if not is_cluster(client):
        with client.pipeline(transaction=False) as pipeline:
            yield pipeline
        return
    serving = client.get_redis_connection(client.get_node_from_key(key))
    try:
        with serving.pipeline(transaction=False) as pipeline:
            yield pipeline
    except (redis.ConnectionError, redis.TimeoutError, MovedError):
        client.nodes_manager.initialize()
        raise


def _service(url: str) -> tuple[str, dict[str, Any]]:
    service, _, database = urlsplit(url).path.strip("/").partition("/")
    if not service:
        raise ValueError(
            f"a {SENTINEL} URL names the service that the Sentinels watch: {SENTINEL}://host:port/service"
        )
    return service, _options(url, database or "0")


def _hosts(url: str) -> list[tuple[str, int]]:
    hosts = []
    for place in urlsplit(url).netloc.rpartition("@")[2].split(","):
        host, _, port = place.rpartition(":")
        if not host or not port.isdigit():
            raise ValueError("each host of the URL has a port: host:port,host:port")
        hosts.append((host, int(port)))
    return hosts


def _options(url: str, database: str) -> dict[str, Any]:
    """Return the driver's options for a URL's user, password, database and query."""
    parts = urlsplit(url)
    user, at, _ = parts.netloc.rpartition("@")
    found = dict(_parse_url(f"redis://{user}{at}localhost/{database}?{parts.query}"))
    del found["host"]
    return found

"""Shards as tasks of Dask.distributed: on a cluster in this machine's own processes, or on one that runs elsewhere.

Few tasks are submitted at a time, because Dask blames every task that is assigned to a worker that dies. A shard whose
worker died runs again; its result is keyed by the shard, so it counts once. Called off, the workers end the processes
of their shards; a worker that is killed takes them along.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

import dask
from distributed import Client, Event, Future, LocalCluster, as_completed, get_worker

from midpipe.faultinject.errors import MidpipeError, UsageError
from midpipe.scenarios.campaign.shard_run import ShardResult, run_shard
from midpipe.scenarios.model.shard import Shard

DASK_SETTINGS = {
    "distributed.scheduler.allowed-failures": 100,
    # A cluster on this machine gives up a worker that has not come back by then, and a busy machine starts one slowly.
    "distributed.deploy.lost-worker-timeout": "10 minutes",
}
_MOST_RUNS = 5
"""After so many runs without a verdict a shard is given up."""
_CONNECTS_WITHIN_S = 30


@dataclass(frozen=True, slots=True)
class Where:
    """Where the workers are.

    Args:
        workers: number of workers of a cluster on this machine; 0 for a cluster elsewhere.
        scheduler: the address of a cluster elsewhere, as ``tcp://host:8786``.
    """

    workers: int = 0
    scheduler: str = ""


def parse_where(text: str, cores: int) -> Where:
    """Read ``local``, ``local:4`` or ``dask://host:8786``. Raises UsageError.

    Args:
        cores: number of workers of ``local``.
    """
    if found := re.fullmatch(r"local(?::([1-9][0-9]{0,2}))?", text):
        return Where(workers=int(found[1] or cores))
    if found := re.fullmatch(r"dask://([^/\s]+:[0-9]+)", text):
        return Where(scheduler=f"tcp://{found[1]}")
    raise UsageError(f"--on takes local, local:N or dask://host:port; got {text!r}.")


def run_on(
    where: Where,
    arguments: Sequence[str],
    shards: Sequence[Shard],
    show: Callable[[str], object] = str,
) -> Iterator[ShardResult]:
    """Run the shards, and yield the result of each as it comes; stop iterating to call the others off.

    Args:
        show: receives the shards' lines of progress, in a thread of Dask's.

    Raises:
        UsageError: there is no scheduler at the address.
        MidpipeError: a shard has ended without a verdict too often.
    """
    with ExitStack() as opened:
        client = opened.enter_context(_client_of(where))
        name = f"midpipe-{uuid.uuid4().hex}"
        stop = Event(name, client=client)
        opened.callback(stop.set)
        client.subscribe_topic(name, lambda event: show(event[1]))
        opened.callback(client.unsubscribe_topic, name)
        waiting = list(reversed(shards))
        runs: dict[Shard, int] = {}
        under_way: dict[Future[ShardResult], Shard] = {}

        def submit() -> Future[ShardResult] | None:
            if not waiting:
                return None
            shard = waiting.pop()
            runs[shard] = runs.get(shard, 0) + 1
            future = client.submit(
                _task, tuple(arguments), shard, name, key=f"{shard}-{uuid.uuid4().hex}", pure=False
            )
            under_way[future] = shard
            return future

        places = max(1, sum(client.nthreads().values()))
        ended = as_completed(filter(None, [submit() for _ in range(places)]), loop=client.loop)
        for future in ended:
            shard = under_way.pop(future)
            is_finished = future.status == "finished"
            if not is_finished and runs[shard] < _MOST_RUNS:
                waiting.append(shard)
            elif not is_finished:
                raise MidpipeError(
                    f"Shard {shard} ended {_MOST_RUNS} times without a verdict: {future.exception()}"
                )
            # Before the result is handed on, so that the worker does not wait for the caller.
            if following := submit():
                ended.add(following)
            if is_finished:
                yield future.result()


@contextmanager
def _client_of(where: Where) -> Iterator[Client]:
    with dask.config.set(DASK_SETTINGS), ExitStack() as opened:
        if where.scheduler:
            try:
                client = Client(where.scheduler, timeout=_CONNECTS_WITHIN_S, set_as_default=False)
            except OSError as error:
                raise UsageError(
                    f"No Dask scheduler answers at {where.scheduler}: {error}."
                ) from error
        else:
            cluster = opened.enter_context(
                LocalCluster(
                    n_workers=where.workers,
                    threads_per_worker=1,
                    dashboard_address=None,
                    silence_logs=50,
                )
            )
            client = Client(cluster, set_as_default=False)
        with client:
            yield client


def _task(arguments: tuple[str, ...], shard: Shard, name: str) -> ShardResult:
    """Run a shard on a worker.

    Args:
        name: of the event that calls it off, and of the topic of its progress.
    """
    return run_shard(arguments, shard, Event(name).is_set, partial(get_worker().log_event, name))

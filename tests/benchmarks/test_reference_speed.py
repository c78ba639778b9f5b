"""What the reference costs, as ratios in one run: calls against floors, telemetry, workers, pages of long lists.

Contenders take turns, so that a busy machine is busy for all of them. Over a Unix socket, where a round trip costs
least and the ratios are at their worst; over a network all of them come closer to 1.
"""

from __future__ import annotations

import itertools
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import redis
from prometheus_client import CollectorRegistry

from midpipe.faultinject.reaper import RunDirectory
from midpipe.faultinject.servers.embedded import EmbeddedServer
from midpipe.reference import Queue
from midpipe.reference.job import now
from midpipe.reference.migration import Phase
from midpipe.reference.telemetry import Telemetry

ROUNDS = 1_000
JOB: dict[str, Any] = {
    "action_provider": "mail",
    "action_name": "send",
    "params": {"to": "someone@example.org", "copies": 2},
    "workspace_id": "acme",
    "actor_id": "user-7",
}


@pytest.fixture(scope="module")
def path() -> Iterator[str]:
    with RunDirectory() as run:
        server = EmbeddedServer(None, run)
        assert server.address.path is not None
        yield server.address.path
        server.stop()


@pytest.fixture
def driver(path: str) -> Iterator[Any]:
    client = redis.Redis(unix_socket_path=path, decode_responses=True)
    client.flushall()
    yield client
    client.close()


def medians_us(contenders: Mapping[str, Callable[[str], object]]) -> dict[str, float]:
    """Return each contender's median time in µs; they take turns in every order, each with a new id every time."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    # None profits for long from whom it comes after.
    orders = itertools.cycle(itertools.permutations(contenders.items()))
    for number in range(ROUNDS + 100):
        for name, call in next(orders):
            begun_s = time.perf_counter()
            call(f"{name}-{number}")
            times[name].append(time.perf_counter() - begun_s)
    return {name: statistics.median(taken[100:]) * 1e6 for name, taken in times.items()}


def record(benchmark: Any, found: Mapping[str, float], **ratios: tuple[str, str]) -> None:
    """Keep the medians, and the ratio of each named pair."""
    benchmark.extra_info.update({f"{name}_us": round(us, 1) for name, us in found.items()})
    for name, (one, other) in ratios.items():
        benchmark.extra_info[name] = round(found[one] / found[other], 3)


def same_writes(driver: Any) -> Callable[[str], object]:
    """Return a pipeline of the commands that an enqueue with dual writes runs, with their values, and no checks."""
    places = itertools.count(1)

    def send(job_id: str) -> object:
        fields = {
            "job_id": job_id,
            "status": "pending",
            **{name: str(value) for name, value in JOB.items()},
            "result": "",
            "enqueued_at": now(),
        }
        pipeline = driver.pipeline(transaction=False)
        pipeline.hset(f"bare:jobs:{job_id}", mapping=fields)
        pipeline.hset(f"bare:job:acme:{job_id}", mapping=fields)
        pipeline.hset("bare:owners", job_id, "acme")
        pipeline.incr("bare:sequence")
        pipeline.zadd("bare:index:acme", {job_id: next(places)})
        pipeline.rpush("bare:queue", job_id)
        pipeline.set(f"bare:idempotency:acme:{job_id}", job_id, ex=86_400)
        return pipeline.execute()

    return send


def test_enqueue_against_what_it_could_cost(benchmark: Any, driver: Any) -> None:
    dual = Queue(client=driver, phase=Phase.DUAL_READ_NEW)
    old = Queue(client=driver, phase=Phase.OLD)
    contenders = {
        "dual": lambda name: dual.enqueue(name, **JOB, client_request_id=name),
        "old_only": lambda name: old.enqueue(name, **JOB, client_request_id=name),
        "same_writes": same_writes(driver),
        "set": lambda name: driver.set(name, "1"),
    }
    found = benchmark.pedantic(medians_us, (contenders,), rounds=1, iterations=1)
    record(
        benchmark,
        found,
        dual_to_same_writes=("dual", "same_writes"),
        dual_to_old_only=("dual", "old_only"),
        dual_to_set=("dual", "set"),
    )
    benchmark.extra_info["dual_write_costs_ms"] = round(
        (found["dual"] - found["old_only"]) / 1000, 4
    )


def test_the_other_calls_against_a_round_trip(benchmark: Any, driver: Any) -> None:
    queue = Queue(client=driver, phase=Phase.DUAL_READ_NEW)

    def update(name: str) -> None:
        queue.update_status("job-" + name.split("-")[1], "running", workspace_id="acme")

    def work(_: str) -> None:
        job = queue.claim("w")
        assert job is not None
        queue.complete(job["job_id"], "acme", job["lease_token"])

    for number in range(ROUNDS + 100):
        queue.enqueue(f"job-{number}", **JOB)
        queue.enqueue(f"work-{number}", **JOB)
    contenders = {
        "update_status": update,
        "get_job": lambda name: queue.get_job("job-" + name.split("-")[1], "acme"),
        "claim_and_complete": work,
        "get": lambda name: driver.get(name),
    }
    found = benchmark.pedantic(medians_us, (contenders,), rounds=1, iterations=1)
    ratios = {name: (name, "get") for name in contenders}
    record(benchmark, found, **ratios)


def test_telemetry_on_against_off(benchmark: Any, driver: Any) -> None:
    on = Queue(client=driver, telemetry=Telemetry(CollectorRegistry()), phase=Phase.DUAL_READ_NEW)
    off = Queue(client=driver, telemetry=Telemetry(), phase=Phase.DUAL_READ_NEW)
    contenders = {
        "on": lambda name: on.enqueue(name, **JOB),
        "off": lambda name: off.enqueue(name, **JOB),
    }
    found = benchmark.pedantic(medians_us, (contenders,), rounds=1, iterations=1)
    record(benchmark, found, on_to_off=("on", "off"))


WORKER = """
import sys
from midpipe.reference import Queue
from midpipe.reference.worker import Worker

class UntilEmpty(Queue):
    def wait(self, at_most_s=1.0):
        worker.stop()

worker = Worker(UntilEmpty(), lambda job: {"done": True}, sys.argv[1])
worker._queue.get_queue_depth()
print("ready", flush=True)
sys.stdin.readline()
print(worker.run(), flush=True)
"""


def jobs_per_second(path: str, workers: int, jobs: int) -> float:
    """Return how many jobs a second so many worker processes do that have nothing to do but to say so."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, f"w-{number}"],
            env={"REDIS_URL": f"unix://{path}", "AI_JOBS_NEW_SCHEMA": "on"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(workers)
    ]
    assert all(process.stdout and process.stdout.readline() == "ready\n" for process in started)
    begun_s = time.perf_counter()
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    done = [int(process.stdout.readline()) for process in started if process.stdout]
    seconds = time.perf_counter() - begun_s
    for process in started:
        process.communicate()
    assert sum(done) == jobs
    return jobs / seconds


def test_jobs_a_second_with_one_worker_and_with_four(
    benchmark: Any, driver: Any, path: str
) -> None:
    queue = Queue(client=driver, phase=Phase.DUAL_READ_NEW)
    jobs, rounds = 2_000, 3

    def measure() -> dict[int, float]:
        rates: dict[int, list[float]] = {1: [], 4: []}
        for round_number, workers in itertools.product(range(rounds), rates):
            for number in range(jobs):
                queue.enqueue(f"job-{round_number}-{workers}-{number}", **JOB)
            rates[workers].append(jobs_per_second(path, workers, jobs))
        return {workers: statistics.median(found) for workers, found in rates.items()}

    found = benchmark.pedantic(measure, rounds=1, iterations=1)
    benchmark.extra_info.update(
        jobs_per_second_1=round(found[1]),
        jobs_per_second_4=round(found[4]),
        ratio=round(found[4] / found[1], 2),
    )


BULK = """
-- ARGV: first number, how many, workspace. Jobs as the last phase keeps them once they are done.
for number = ARGV[1], ARGV[1] + ARGV[2] - 1 do
  local id = 'job-' .. string.format('%d', number)
  local status = number % 10 == 0 and 'failed' or 'completed'
  redis.call('HSET', 'ai:job:' .. ARGV[3] .. ':' .. id, 'job_id', id, 'status', status,
    'action_provider', 'mail', 'action_name', 'send', 'params', '{}', 'workspace_id', ARGV[3], 'actor_id', 'user-7',
    'result', '', 'enqueued_at', '2026-01-01T00:00:00+00:00')
  redis.call('HSET', 'ai:owners', id, ARGV[3])
  redis.call('ZADD', 'ai:index:' .. ARGV[3], redis.call('INCR', 'ai:sequence'), id)
end
"""


def test_a_page_costs_the_same_however_many_jobs_there_are(benchmark: Any, driver: Any) -> None:
    sizes = {"hundred": 100, "ten_thousand": 10_000, "million": 1_000_000}
    queue = Queue(client=driver, phase=Phase.NEW)
    made = 0
    for workspace, size in sizes.items():
        for first in range(made, made + size, 10_000):
            driver.eval(BULK, 0, first, min(size, 10_000), workspace)
        made += size
    middle = {}
    for name, size in sizes.items():
        first_place = float(driver.zrange(f"ai:index:{name}", 0, 0, withscores=True)[0][1])
        middle[name] = f"{int(first_place + size / 2 + 25)}/end"
    asked: dict[str, dict[str, Any]] = {
        "first": {},
        "of_one_status": {"status": "failed"},
        "from_the_middle": {"cursor": ""},
    }

    def measure() -> dict[str, float]:
        times: dict[tuple[str, str], list[float]] = {}
        for _, (what, words), name in itertools.product(range(200), asked.items(), sizes):
            given = {**words, "cursor": middle[name]} if "cursor" in words else words
            begun_s = time.perf_counter()
            page = queue.list_jobs(name, limit=50, **given)
            times.setdefault((what, name), []).append(time.perf_counter() - begun_s)
            assert len(page["items"]) == (
                10 if (what, name) == ("of_one_status", "hundred") else 50
            )
        return {f"{what}_{name}": statistics.median(t) * 1e6 for (what, name), t in times.items()}

    found = benchmark.pedantic(measure, rounds=1, iterations=1)
    ratios = {
        f"{what}_million_to_ten_thousand": (f"{what}_million", f"{what}_ten_thousand")
        for what in asked
    }
    record(benchmark, found, **ratios, million_to_hundred=("first_million", "first_hundred"))

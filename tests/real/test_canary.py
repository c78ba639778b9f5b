"""A canary judged by a real Prometheus that scrapes real workers: good ones pass, and each kind of bad one does not.

Needs Debian's package ``prometheus``; without it these tests are skipped, but not in CI.
"""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from string import Template

import pytest
import redis

from midpipe.faultinject.reaper import RunDirectory
from midpipe.faultinject.servers.opening import open_server, parse_server_spec
from midpipe.faultinject.servers.server import Server
from midpipe.scenarios.canary.canary import Canary, Schedule, plan_named
from midpipe.scenarios.canary.plan import queries_of
from midpipe.scenarios.canary.prometheus import Prometheus
from midpipe.scenarios.model.outcome import Outcome
from tests.real.canary_fleet import Fleet, judged, outcomes, slow_release, words_for
from tests.real.commands import ran, started
from tests.real.test_monitoring import _NAME, metric_names, program
from tests.real.waiting import wait_until
from tests.support.ports import free_port


@pytest.fixture
def fleet(server: Server, tmp_path: Path) -> Iterator[Fleet]:
    client = redis.Redis(unix_socket_path=server.address.path)
    client.flushall()
    client.close()
    made = Fleet(server, tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="module")
def own_server(run_directory: RunDirectory) -> Iterator[Server]:
    started = open_server(parse_server_spec("embedded"), run_directory)
    yield started
    started.stop()


@pytest.fixture(scope="module")
def mixed(
    server: Server, own_server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """One worker of each kind, each in a fleet of its own, so that a label matcher chooses what the canary is.

    The one with slow scripts has a server of its own, as a fleet of another region has, so that the others do not wait
    for them.
    """
    folder = tmp_path_factory.mktemp("mixed")
    made = Fleet(server, folder)
    made.worker("old-1", "old")
    made.worker("new-1", "new")
    made.worker("slow-1", "slow", own_server, PAUSE_S="0.2", **slow_release(folder))
    made.worker("ahead-1", "ahead", READ_PREFERS_NEW="on")
    made.worker("shipped-1", "shipped", AS_SHIPPED="yes")
    made.worker("forgetful-1", "forgetful", FORGETS="yes")
    made.watch(silent=1)
    made.wait_for('ai_jobs_total{fleet="forgetful",status="completed"} > 20')
    made.wait_for('absent(ai_jobs_dual_write_total{fleet="forgetful"})')
    yield made
    made.close()


@pytest.mark.parametrize(
    ("canary", "slower", "code", "said"),
    [
        # Whether two equal workers are equally fast is up to the machine.
        pytest.param("new", 100.0, 0, {}, id="good"),
        pytest.param(
            "slow",
            1.2,
            1,
            {"p99 of a call": "fail", "mean of a call": "fail"},
            id="slow-scripts-on-its-own-server",
        ),
        pytest.param(
            "new|ahead", 100.0, 1, {"every canary is in the phase": "fail"}, id="wrong-phase"
        ),
        pytest.param(
            "new|shipped", 100.0, 3, {"every canary exports its phase": "unknown"}, id="as-shipped"
        ),
        pytest.param(
            "new|forgetful",
            100.0,
            3,
            {"every canary exports its dual writes": "unknown"},
            id="counter-vanished",
        ),
    ],
)
def test_the_kind_of_worker_that_half_of_the_canary_is_decides_the_verdict(
    mixed: Fleet, tmp_path: Path, canary: str, slower: float, code: int, said: dict[str, str]
) -> None:
    # With four seconds before, so that a slow worker has written often enough.
    got, output, report = judged(
        mixed, tmp_path, "--since", "4s", slower=slower, canary=f'fleet=~"{canary}"'
    )
    assert (got, outcomes(report)) == (code, said), output


@pytest.mark.nightly(reason="slow scripts on a server of their own are judged in every CI")
@pytest.mark.parametrize(("is_slow", "code"), [(False, 0), (True, 1)])
def test_scripts_that_are_slow_on_a_server_that_both_fleets_use_fail_the_canary_by_its_mean(
    fleet: Fleet, tmp_path: Path, is_slow: bool, code: int
) -> None:
    """One new worker beside three old ones, on one server, as in a real roll-out, with the same plan for both releases.

    While a slow script runs, the server does nothing else. So the slowest calls of the old fleet wait for it, and take
    about as long as the new worker's own: whether the p99 differ is up to the machine, and here they are allowed a
    ratio that they never reach. But most calls of the old fleet meet no slow script, and every call of the new worker
    is one. What is compared is the mean of each worker's calls in the last four seconds, at every tenth of a second.
    """
    release = slow_release(tmp_path) if is_slow else {}
    for number in range(3):
        fleet.worker(f"old-{number}", "old", PAUSE_S="0.2")
    fleet.worker("new-1", "new", PAUSE_S="1.5", **release)
    fleet.watch()
    fleet.wait_for('ai_jobs_total{fleet="new",status="completed"} > 5')
    got, output, report = judged(fleet, tmp_path, "--since", "10s", slower=100.0, on_average=4.0)
    said = {"mean of a call": "fail"} if is_slow else {}
    assert (got, outcomes(report)) == (code, said), output
    assert ("· mean of a call: median" in output) is is_slow


def test_a_failure_names_the_way_back_the_query_and_its_value(mixed: Fleet, tmp_path: Path) -> None:
    code, output, _ = judged(mixed, tmp_path, "--phase", "dual-read-new", slower=100.0)
    assert code == 1
    assert "Roll back to dual-read-old: set AI_JOBS_NEW_SCHEMA=on READ_PREFERS_NEW=off" in output
    assert "count(ai_jobs_phase{" in output
    assert "1 is more than 0" in output


def test_a_write_that_fails_once_fails_the_canary_at_once(fleet: Fleet, tmp_path: Path) -> None:
    fleet.worker("old-1", "old")
    fleet.worker("new-1", "new", HOW_OFTEN_AGAIN="0")
    fleet.watch()
    client = redis.Redis(unix_socket_path=fleet._server.address.path)

    def has_failed() -> bool:
        client.client_kill_filter(_type="normal", skipme=True)
        return bool(
            Prometheus(fleet.url)
            .instant('sum(ai_jobs_dual_write_total{result="failed",fleet="new"}) > 0', time.time())
            .values
        )

    wait_until(has_failed, 60.0)
    client.close()
    code, output, report = judged(fleet, tmp_path, "--since", "60s", "--count", "9")
    assert (code, outcomes(report)["no dual write failed"]) == (1, "fail")
    assert len(report["measurements"]) == 1
    assert "Roll back to old: set AI_JOBS_NEW_SCHEMA=off" in output
    assert "midpipe audit --redis URL --layout reviewed --phase dual" in output
    assert report["roll_back"]


def test_an_exporter_that_is_gone_is_unknown(fleet: Fleet, tmp_path: Path) -> None:
    fleet.worker("old-1", "old")
    fleet.worker("new-1", "new")
    fleet.watch()
    fleet.workers["new-1"].kill()
    wait_until(
        lambda: (
            not Prometheus(fleet.url)
            .instant('ai_jobs_dual_write_total{fleet="new"}', time.time())
            .values
        ),
        30.0,
    )
    code, output, report = judged(fleet, tmp_path, "--since", "5s", "--count", "1", slower=1000.0)
    assert (code, outcomes(report)["no dual write failed"]) == (3, "unknown")
    assert "there is no such series now" in output


def test_a_prometheus_that_is_down_is_unknown(tmp_path: Path) -> None:
    words = ["canary", "--prometheus", f"http://user:secret-word@127.0.0.1:{free_port()}"]
    words += ["--canary", 'a="b"', "--baseline", 'a="c"', "--count", "1"]
    code, output, errors = ran(*words, cwd=tmp_path)
    assert (code, errors) == (3, "")
    assert output.count("Prometheus does not answer") == 2, "of the measurement, and of all"
    assert "every rule: Prometheus does not answer" in output
    written = (tmp_path / ".midpipe" / "canary" / "canary.json").read_text()
    assert "secret-word" not in output + written


def test_a_prometheus_that_never_answers_does_not_hold_up_an_interrupt(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}"
        words = ["canary", "--prometheus", url, "--canary", 'a="b"', "--baseline", 'a="c"']
        with started(*words, "--interval", "0.1s", cwd=tmp_path, tmp=tmp_path) as process:
            # It waits for the answer to its first question, and would wait for those to two dozen more.
            connection, _ = mute.accept()
            process.send_signal(signal.SIGINT)
            connection.close()
            output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert "ended before the last measurement" in output


def test_a_prometheus_that_never_answers_is_asked_three_times_in_a_measurement() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as mute:
        canary = Canary(
            Prometheus(f"http://127.0.0.1:{mute.getsockname()[1]}", time_out_s=0.05),
            plan_named("reviewed"),
            Schedule(count=1),
            canary='a="b"',
            baseline='a="c"',
            phase="dual-read-old",
            sleep=lambda _seconds: True,
        )
        (measured,) = canary.run()
        mute.setblocking(False)
        assert sum(1 for _ in connections(mute)) == 3
    assert measured.outcome is Outcome.UNKNOWN
    (reason,) = measured.reasons
    assert reason.startswith("every rule: Prometheus does not answer at")


def connections(server: socket.socket) -> Iterator[None]:
    """Yield for each connection that waits to be accepted."""
    with suppress(BlockingIOError):
        while True:
            server.accept()[0].close()
            yield


@pytest.mark.nightly(reason="one that is down from the beginning is judged in every CI")
def test_a_prometheus_that_goes_down_meanwhile_is_unknown(fleet: Fleet, tmp_path: Path) -> None:
    fleet.worker("old-1", "old")
    fleet.worker("new-1", "new")
    fleet.watch()
    words = words_for(fleet, tmp_path, slower=1000.0)
    with started(*words, cwd=tmp_path, tmp=tmp_path) as process:
        assert process.stdout is not None
        assert fleet.prometheus is not None
        # The first measurement is shown as soon as it is made.
        first = process.stdout.readline()
        fleet.prometheus.kill()
        rest, _ = process.communicate(timeout=60)
    assert process.returncode == 3, first + rest
    assert "Prometheus does not answer" in rest


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("--plan", "revewed"), "There is no plan 'revewed'. midpipe has reviewed"),
        (("--at", "2026-01-01"), "--at needs --since"),
        (("--prometheus", "prometheus:9090"), "takes a URL like http://127.0.0.1:9090"),
        (("--prometheus", "http://127.0.0.1:99999"), "takes a URL like http://127.0.0.1:9090"),
        (("--baseline", 'a="b" '), "--canary and --baseline name the same workers"),
        (("--canary", ""), "--canary takes label matchers"),
        (("--baseline", " "), "--baseline takes label matchers"),
    ],
)
def test_what_can_not_be_judged_is_said_before_anything_is_asked(
    tmp_path: Path, more: tuple[str, ...], says: str
) -> None:
    words = ["canary", "--prometheus", "http://127.0.0.1:1", "--canary", 'a="b"']
    code, output, errors = ran(*words, "--baseline", 'a="c"', *more, cwd=tmp_path)
    assert (code, output, says in errors) == (2, "", True)


def test_labels_that_are_not_promql_are_refused_at_once(fleet: Fleet, tmp_path: Path) -> None:
    fleet.watch(has_workers=False)
    words = [
        "canary",
        "--prometheus",
        fleet.url,
        "--canary",
        "fleet=new",
        "--baseline",
        'fleet="old"',
    ]
    code, _, errors = ran(*words, "--interval", "0.1s", cwd=tmp_path)
    assert (code, "Check the labels given to --canary" in errors) == (2, True), errors


def test_every_query_of_the_plan_can_be_read_and_names_metrics_that_exist(tmp_path: Path) -> None:
    words = {"canary": 'f="c"', "baseline": 'f="b"', "window": "60s", "phase": "old only"}
    queries = [
        Template(query).substitute(words)
        for rule in plan_named("reviewed").rule
        for query in queries_of(rule)
    ]
    rules = [{"record": f"plan:{n}", "expr": expr} for n, expr in enumerate(queries)]
    made = tmp_path / "plan.yml"
    made.write_text(json.dumps({"groups": [{"name": "plan", "rules": rules}]}))
    checked = subprocess.run(
        [program("promtool"), "check", "rules", str(made)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
    assert {name for query in queries for name in _NAME.findall(query)} - metric_names() == set()


def recorded(folder: Path, end_s: int, *, failed_at_h: float | None, slower: float) -> None:
    """Give Prometheus 48 hours of a fleet of one old and one new worker, a value every two minutes."""
    begin_s, samples = end_s - 48 * 3600, []

    def record(family: str, kind: str, labels: str, per_minute: float, minute: int) -> None:
        total = "_total" if kind == "counter" else ""
        value = per_minute * minute if kind != "gauge" else per_minute
        samples.append(
            ((family, kind), f"{family}{total}{{{labels}}} {value} {begin_s + 60 * minute}")
        )

    for minute in range(0, 48 * 60 + 1, 2):
        for fleet, factor in (("old", 1.0), ("new", slower)):
            who = f'fleet="{fleet}",instance="{fleet}-1"'
            wrote = f"{who},result="
            # Latencies spread evenly over the bucket, which a slower worker's are beyond in part.
            in_time = 100.0 * min(1.0, 1.0 / factor)
            record("ai_jobs_dual_write", "counter", f'{wrote}"succeeded"', 100, minute)
            has_failed = fleet == "new" and failed_at_h is not None and minute > failed_at_h * 60
            line = f'ai_jobs_dual_write_total{{{wrote}"failed"}} {int(has_failed)} {begin_s + 60 * minute}'
            samples.append((("ai_jobs_dual_write", "counter"), line))
            record("ai_jobs_dead_letter", "counter", who, 0, minute)
            record("ai_jobs_errors", "counter", f'{who},operation="enqueue"', 0, minute)
            record("ai_jobs_divergent", "gauge", who, 0, minute)
            record("ai_jobs_phase", "gauge", f'{who},phase="dual write, read old"', 1, minute)
            for bound, count in (("0.01", in_time), ("0.1", 100.0), ("+Inf", 100.0)):
                bucket = f'ai_job_latency_seconds_bucket{{{who},le="{bound}"}} {count * minute}'
                samples.append(
                    (("ai_job_latency_seconds", "histogram"), f"{bucket} {begin_s + 60 * minute}")
                )
            for what, per_minute in (("count", 100.0), ("sum", 0.5 * factor)):
                line = f"ai_job_latency_seconds_{what}{{{who}}} {per_minute * minute} {begin_s + 60 * minute}"
                samples.append((("ai_job_latency_seconds", "histogram"), line))
    lines = []
    for family, kind in dict.fromkeys(name for name, _ in samples):
        lines.append(f"# TYPE {family} {kind}")
        # The samples of one series have to follow each other.
        chosen = [line for name, line in samples if name == (family, kind)]
        lines += sorted(
            chosen, key=lambda line: (line.rpartition("}")[0], int(line.rsplit(" ", 1)[1]))
        )
    (folder / "series.txt").write_text("\n".join([*lines, "# EOF", ""]))
    words = [program("promtool"), "tsdb", "create-blocks-from", "openmetrics"]
    run = subprocess.run(
        [*words, "series.txt", "data"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize(
    ("failed_at_h", "slower", "code", "failed"),
    [
        (None, 1.0, 0, ()),
        (37.0, 1.0, 1, ("no dual write failed",)),
        pytest.param(None, 1.5, 1, ("p99 of a call", "mean of a call"), marks=pytest.mark.nightly),
    ],
)
def test_a_canary_of_two_days_is_judged_by_what_was_recorded(
    fleet: Fleet,
    tmp_path: Path,
    failed_at_h: float | None,
    slower: float,
    code: int,
    failed: tuple[str, ...],
) -> None:
    end_s = int(time.time()) // 3600 * 3600 - 3600
    recorded(tmp_path, end_s, failed_at_h=failed_at_h, slower=slower)
    fleet.watch(has_workers=False)
    at = datetime.fromtimestamp(end_s, UTC).isoformat()
    words = ["canary", "--prometheus", fleet.url, "--at", at, "--since", "48h", "--step", "10m"]
    words += ["--canary", 'fleet="new"', "--baseline", 'fleet="old"']
    got, output, _ = ran(*words, cwd=tmp_path)
    report = json.loads((tmp_path / ".midpipe" / "canary" / "canary.json").read_text())
    assert (got, outcomes(report)) == (code, dict.fromkeys(failed, "fail")), output

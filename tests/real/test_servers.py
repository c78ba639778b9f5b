"""Servers to break: midpipe's own start, are emptied and end with midpipe; external ones are used only if safe."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from midpipe.faultinject.errors import ServerError, UsageError
from midpipe.faultinject.reaper import RunDirectory
from midpipe.faultinject.servers.control import Control
from midpipe.faultinject.servers.embedded import EmbeddedServer
from midpipe.faultinject.servers.external import ExternalServer, parse_url
from midpipe.faultinject.servers.opening import ServerSpec, open_server, parse_server_spec
from midpipe.faultinject.vocabulary import LOCK_KEY, Address
from tests.real.commands import ran
from tests.real.waiting import is_running, wait_until
from tests.support.children import running
from tests.support.ports import free_port


@pytest.fixture
def run() -> Iterator[RunDirectory]:
    with RunDirectory() as directory:
        yield directory


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def external_server(run: RunDirectory, port: int, server: EmbeddedServer) -> Iterator[int]:
    """A server on a TCP port of its own, with the password ``s3cret``; yields the port."""
    words = [server.binary, "--port", str(port), "--save", "", "--requirepass", "s3cret"]
    with running([*words, "--dir", str(run.path)], stdout=subprocess.DEVNULL) as process:
        run.guard(process.pid)
        wait_until(lambda: is_listening(port))
        yield port
    run.release(process.pid)


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_the_embedded_server_answers_and_reports_its_software(run: RunDirectory) -> None:
    server = EmbeddedServer(None, run)
    control = Control(server.address)
    answer = control.call("PING")
    control.close()
    server.stop()
    assert (answer, server.name.startswith("Valkey ")) == ("PONG", True)


def test_the_embedded_server_owns_no_tcp_port(control: Control) -> None:
    assert control.call("CONFIG", "GET", "port") == (b"port", b"0")


def test_a_reset_empties_the_data_and_leaves_the_scripts_known(
    server: EmbeddedServer, control: Control
) -> None:
    control.call("SET", "k", "v")
    sha = control.call("SCRIPT", "LOAD", "return 1")
    assert isinstance(sha, bytes)
    server.reset(control)
    assert (control.call("DBSIZE"), control.call("SCRIPT", "EXISTS", sha)) == (0, (1,))


def test_a_reset_deletes_the_functions(server: EmbeddedServer, control: Control) -> None:
    library = "#!lua name=one\nserver.register_function('f', function() return 1 end)"
    control.call("FUNCTION", "LOAD", library)
    server.reset(control)
    assert control.call("FUNCTION", "LIST") == ()


def test_a_server_that_does_not_answer_in_time_is_reported_as_timed_out(
    server: EmbeddedServer,
) -> None:
    impatient = Control(server.address, timeout_s=0.05)
    server.suspend()
    try:
        with pytest.raises(ServerError, match="does not answer: timed out"):
            impatient.call("PING")
    finally:
        server.resume()
        impatient.close()


def test_a_missing_binary_is_reported_with_the_way_out(run: RunDirectory) -> None:
    with pytest.raises(ServerError, match=r"no server binary '/no/such'.*--redis embedded:"):
        open_server(parse_server_spec("embedded:/no/such"), run)


def test_a_binary_that_is_no_server_is_reported_with_its_output(run: RunDirectory) -> None:
    script = run.path / "not-a-server"
    script.write_text("#!/bin/sh\necho I bake bread >&2\nexit 3\n")
    script.chmod(0o755)
    with pytest.raises(ServerError, match=r"exited with code 3.*I bake bread"):
        open_server(parse_server_spec(f"embedded:{script}"), run)


@pytest.mark.parametrize("module", ["testcontainers.core", "docker"])
def test_a_container_without_the_extra_names_the_extra_to_install(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    # As if it were not installed, whether it is or not.
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ServerError, match=r"extra 'docker'.*pip install 'midpipe\[docker\]'"):
        open_server(parse_server_spec("docker:redis:8"), run)


CHILD = """
import sys, time
from midpipe.faultinject.reaper import RunDirectory
from midpipe.faultinject.servers.embedded import EmbeddedServer
run = RunDirectory()
server = EmbeddedServer(None, run)
print(server.pid, run.path, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_server_and_directory_are_removed_however_midpipe_dies(how: signal.Signals) -> None:
    with running(
        [sys.executable, "-c", CHILD],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
    ) as child:
        assert child.stdout is not None
        pid, directory = child.stdout.readline().split()
        assert is_running(int(pid))
        child.send_signal(how)
        child.wait()
    wait_until(lambda: not is_running(int(pid)) and not Path(directory).exists())


def test_a_run_directory_may_be_closed_twice() -> None:
    run = RunDirectory()
    run.close()
    run.close()
    assert not run.path.exists()


def test_an_empty_external_database_is_used_and_left_empty(external_server: int) -> None:
    server = ExternalServer(f"redis://:s3cret@127.0.0.1:{external_server}/3")
    control = Control(server.address, server.password, server.username, server.database)
    control.call("SET", "k", "v")
    server.stop()
    held = control.call("DBSIZE")
    control.close()
    assert held == 0


def test_an_external_database_with_keys_is_refused_and_not_changed(
    external_server: int,
) -> None:
    control = Control(Address(host="127.0.0.1", port=external_server), "s3cret", database=2)
    control.call("SET", "precious", "1")
    with pytest.raises(ServerError, match=r"Database 2 .* holds 1 key\..*nothing was touched"):
        ExternalServer(f"redis://:s3cret@127.0.0.1:{external_server}/2")
    value = control.call("GET", "precious")
    control.close()
    assert value == b"1"


def test_a_reset_of_one_database_does_not_touch_the_others(external_server: int) -> None:
    neighbour = Control(Address(host="127.0.0.1", port=external_server), "s3cret", database=2)
    neighbour.call("SET", "precious", "1")
    server = ExternalServer(f"redis://:s3cret@127.0.0.1:{external_server}/3")
    control = Control(server.address, server.password, server.username, server.database)
    control.call("SET", "k", "v")
    server.reset(control)
    held = (control.call("KEYS", "*"), neighbour.call("GET", "precious"))
    control.close()
    neighbour.close()
    server.stop()
    assert held == ((LOCK_KEY.encode(),), b"1")


def test_a_key_that_somebody_adds_later_ends_the_run_and_stays(external_server: int) -> None:
    server = ExternalServer(url_of(external_server))
    with closing(as_midpipe(server)) as control, closing(as_another(external_server)) as other:
        control.call("SET", "k", "v")
        other.call("SET", "precious", "1")
        with pytest.raises(UsageError, match=r"Another client writes .*: SET precious from 127\.0"):
            server.reset(control)
        server.stop()
        assert other.call("GET", "precious") == b"1"


def test_somebody_who_only_reads_does_not_end_the_run(external_server: int) -> None:
    server = ExternalServer(url_of(external_server))
    with closing(as_midpipe(server)) as control, closing(as_another(external_server)) as other:
        control.call("EVAL", "return redis.call('SET', KEYS[1], 'v')", 1, "k")
        held = (other.call("GET", "k"), other.call("DBSIZE"))
        server.reset(control)
        server.stop()
        assert (held, other.call("DBSIZE")) == ((b"v", 2), 0)


def test_a_second_run_in_the_same_database_is_refused_until_the_first_has_ended(
    external_server: int,
) -> None:
    first = ExternalServer(url_of(external_server))
    with pytest.raises(
        UsageError, match=rf"Another run of midpipe \(pid {os.getpid()} on .*\) uses"
    ):
        ExternalServer(url_of(external_server))
    ExternalServer(url_of(external_server, 4)).stop()
    first.stop()
    ExternalServer(url_of(external_server)).stop()


KILLED = """
import os, signal, sys
from midpipe.faultinject.servers.control import Control
from midpipe.faultinject.servers.external import ExternalServer
from midpipe.faultinject.reaper import RunDirectory
server = ExternalServer(sys.argv[1], RunDirectory())
control = Control(server.address, server.password, server.username, server.database)
for _ in range(2):
    server.reset(control)
    control.call("SET", "ours", "v")
server.reset(control)
control.call("SET", "ours", "v")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_run_leaves_the_keys_of_other_clients_only(external_server: int) -> None:
    with closing(as_another(external_server)) as other:
        subprocess.run([sys.executable, "-c", KILLED, url_of(external_server)], check=False)
        other.call("SET", "precious", "1")
        wait_until(lambda: other.call("KEYS", "*") == (b"precious",))


def test_a_sweep_ends_with_a_usage_error_as_soon_as_another_client_writes(
    external_server: int, tmp_path: Path
) -> None:
    def write_once_it_runs() -> None:
        with closing(as_another(external_server)) as other:
            wait_until(lambda: len(keys_of(other)) > 1, within_s=60.0)
            other.call("SET", "precious", "1")

    writer = threading.Thread(target=write_once_it_runs)
    writer.start()
    code, _, errors = ran("sweep", "--redis", url_of(external_server), cwd=tmp_path)
    writer.join()
    assert (code, "SET precious" in errors, "s3cret" in errors) == (2, True, False), errors
    with closing(as_another(external_server)) as other:
        assert other.call("GET", "precious") == b"1"


def keys_of(control: Control) -> tuple[object, ...]:
    answer = control.call("KEYS", "*")
    assert isinstance(answer, tuple)
    return answer


def url_of(port: int, database: int = 3) -> str:
    return f"redis://:s3cret@127.0.0.1:{port}/{database}"


def as_midpipe(server: ExternalServer) -> Control:
    return Control(server.address, server.password, server.username, server.database)


def as_another(port: int) -> Control:
    return Control(Address(host="127.0.0.1", port=port), "s3cret", database=3)


@pytest.mark.parametrize("credentials", ["", ":wr0ng@", "nobody:s3cret@"])
def test_the_message_about_credentials_shows_their_place_in_the_url_and_contains_none(
    external_server: int, credentials: str
) -> None:
    with pytest.raises(ServerError) as raised:
        ExternalServer(f"redis://{credentials}127.0.0.1:{external_server}/0")
    message = str(raised.value)
    assert ("redis://user:password@" in message, "s3cret" in message, "wr0ng" in message) == (
        True,
        False,
        False,
    )


def test_a_port_without_a_server_is_reported_with_the_way_out(port: int) -> None:
    with pytest.raises(ServerError, match=r"No server answers at 127\.0\.0\.1:\d+.*--redis"):
        ExternalServer(f"redis://127.0.0.1:{port}/0")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("redis://db.example.com/0", "not on this machine"),
        ("redis://localhost:port/0", "port a number"),
        ("redis://localhost/first", "must be a number"),
        ("embeded", "--redis takes embedded"),
        ("embedded:", "--redis takes embedded"),
        ("docker:", "docker:image"),
        ("http://u:s3cret@localhost", "--redis takes embedded"),
    ],
)
def test_a_malformed_server_is_refused_without_showing_secrets(text: str, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_server_spec(text)
    assert (message in str(raised.value), "s3cret" in str(raised.value)) == (True, False)


def test_no_repr_holds_the_password() -> None:
    url = "redis://u:s3cret@localhost:6380/2"
    shown = f"{parse_url(url)!r} {parse_server_spec(url)!r} {ServerSpec('external', url)!s}"
    assert "s3cret" not in shown


def test_a_unix_url_names_path_and_database() -> None:
    where = parse_url("unix:///run/redis.sock?db=4")
    assert (where.address, where.database) == (Address(path="/run/redis.sock"), 4)

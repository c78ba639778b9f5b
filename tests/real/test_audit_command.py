"""midpipe audit as its user runs it: who may audit, what it prints and writes, and its exit codes."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from midpipe.faultinject.errors import ServerError, UsageError
from midpipe.faultinject.servers.embedded import binary_from_the_wheel
from midpipe.faultinject.servers.external import parse_url
from midpipe.faultinject.servers.server import Server
from midpipe.scenarios.audit.audit import AuditPlan, audit
from midpipe.scenarios.audit.layouts import layout_named
from tests.real.commands import is_one_sentence, ran, started
from tests.real.queues import LEGACY
from tests.real.waiting import wait_until
from tests.support.children import running
from tests.support.ports import free_port

SECRET = "4111-1111"
JOB: dict[Any, Any] = {**LEGACY, "status": "completed", "params": json.dumps({"card": SECRET})}


@pytest.fixture
def driver(server: Server) -> Iterator[Any]:
    client = redis.Redis(unix_socket_path=server.address.path, decode_responses=True)
    client.flushall()
    yield client
    client.acl_deluser("midpipe-audit")
    client.close()


def url_of(server: Server, user: str = "") -> str:
    return f"unix://{f'{user}@' if user else ''}{server.address.path}"


def plan_of(url: str, **more: Any) -> AuditPlan:
    return AuditPlan(parse_url(url), layout_named("reviewed", "dual"), settle_s=0.1, **more)


def refusal(url: str) -> str:
    with pytest.raises(UsageError) as refused:
        audit(plan_of(url))
    return str(refused.value)


def allow_as_the_recipe_says(driver: Any, message: str) -> None:
    """Run the command of the message, as a shell would take it apart."""
    found = re.search(r"ACL SETUSER midpipe-audit .*?(?= \(on Redis 6)", message)
    assert found is not None, message
    driver.execute_command(*shlex.split(found[0]))


def test_a_user_who_may_write_is_refused_and_the_recipe_makes_one_who_may_not(
    driver: Any, server: Server
) -> None:
    driver.hset("ai:jobs:job-0", mapping=JOB)
    message = refusal(url_of(server))
    assert message.startswith("The user 'default' may write: the server would run SET")
    allow_as_the_recipe_says(driver, message)
    result = audit(plan_of(url_of(server, "midpipe-audit:PASSWORD")))
    assert (result.jobs, result.outcome, result.reasons) == (1, "pass", ())


def test_a_user_who_may_write_one_kind_of_key_is_refused(driver: Any, server: Server) -> None:
    allow_as_the_recipe_says(driver, refusal(url_of(server)))
    driver.execute_command("ACL", "SETUSER", "midpipe-audit", "~ai:queue:pending", "+rpush")
    message = refusal(url_of(server, "midpipe-audit:PASSWORD"))
    assert "would run RPUSH on 'ai:queue:pending'" in message


def test_a_user_who_may_not_ask_is_refused(driver: Any, server: Server) -> None:
    allow_as_the_recipe_says(driver, refusal(url_of(server)))
    driver.execute_command("ACL", "SETUSER", "midpipe-audit", "-acl|dryrun")
    assert "may not ask with ACL DRYRUN" in refusal(url_of(server, "midpipe-audit:PASSWORD"))


def test_a_user_who_may_not_ask_for_its_name_is_not_taken_for_the_default_user(
    driver: Any, server: Server
) -> None:
    allow_as_the_recipe_says(driver, refusal(url_of(server)))
    driver.execute_command("ACL", "SETUSER", "midpipe-audit", "-acl|whoami")
    message = refusal(url_of(server, "midpipe-audit:PASSWORD"))
    assert message.startswith("The audit's user may not ask with ACL WHOAMI for its name")


def test_a_replica_that_refuses_writes_takes_any_user(tmp_path: Path) -> None:
    ports = [str(free_port()) for _ in range(2)]
    common = ["--save", "", "--repl-diskless-sync-delay", "0"]
    words = [[binary_from_the_wheel(), "--port", port, *common] for port in ports]
    words[1] += ["--replicaof", "127.0.0.1", ports[0]]
    quiet: dict[str, Any] = {"cwd": tmp_path, "stdout": subprocess.DEVNULL}
    with running(words[0], **quiet), running(words[1], **quiet):
        primary, replica = (redis.Redis(port=int(port)) for port in ports)
        wait_until(lambda: answers(primary) and answers(replica))
        primary.hset("ai:jobs:job-0", mapping=JOB)
        wait_until(lambda: bool(replica.exists("ai:jobs:job-0")), 60.0)
        result = audit(plan_of(f"redis://127.0.0.1:{ports[1]}/0"))
        primary.close()
        replica.close()
    assert (result.jobs, result.outcome) == (1, "pass")
    assert "replica" in result.server


def answers(client: Any) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


def command(server: Server, *more: str, cwd: Path) -> tuple[int, str, str]:
    words = ["audit", "--redis", url_of(server), "--settle", "0.1", "--allow-writer", *more]
    return ran(*words, cwd=cwd)


def test_the_reports_name_the_damage_and_hold_no_payload(
    driver: Any, server: Server, tmp_path: Path
) -> None:
    driver.hset("ai:jobs:job-0", mapping=JOB)
    driver.hset("ai:job:acme:job-0", mapping={**JOB, "status": "running"})
    code, output, errors = command(
        server, "--phase", "dual", "--textfile", "audit-node.prom", cwd=tmp_path
    )
    assert (code, errors) == (1, "")
    assert "diverging: job-0 (workspace_id 'acme') old is completed, new is running" in output
    assert "midpipe: FAIL" in output
    folder = tmp_path / ".midpipe" / "audit"
    written = {path.name: path.read_text() for path in folder.iterdir()}
    assert set(written) == {"audit.html", "audit.json", "audit.md", "audit.prom"}
    assert not [text for text in (output, *written.values()) if SECRET in text]
    assert json.loads(written["audit.json"])["counts"]["diverging"] == 1
    damaged = 'midpipe_audit_damaged_jobs{damage="diverging",layout="reviewed",phase="dual"} 1.0'
    assert damaged in written["audit.prom"]
    assert (tmp_path / "audit-node.prom").read_text() == written["audit.prom"]
    if promtool := shutil.which("promtool"):
        checked = subprocess.run(
            [promtool, "check", "metrics"],
            input=written["audit.prom"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize(
    ("more", "code", "says"),
    [
        (("--prefix", "shop:"), 3, "is it the right database, layout and --prefix?"),
        (("--layout", "rqq"), 2, "There is no layout 'rqq'. Did you mean 'rq'?"),
        (("--phase", "dull"), 2, "there is no phase 'dull'"),
        (("--sample", "0%"), 2, "must be more than 0%"),
        (("--max-load", "ops"), 2, "is not a field of INFO with a number"),
        (("--max-load", "used_memry=1"), 2, "has no number 'used_memry'"),
        (("--critical-load", "connected_clients=0"), 3, "connected_clients is above 0"),
    ],
)
def test_what_can_not_be_audited_is_said_in_one_sentence(
    driver: Any, server: Server, tmp_path: Path, more: tuple[str, ...], code: int, says: str
) -> None:
    driver.hset("ai:jobs:job-0", mapping=JOB)
    got, output, errors = command(server, *more, cwd=tmp_path)
    assert (got, says in output + errors) == (code, True), output + errors
    assert code == 3 or is_one_sentence(errors) or "Usage:" in errors


def test_a_key_of_another_type_is_not_judged_and_too_many_make_it_unknown(
    driver: Any, server: Server, tmp_path: Path
) -> None:
    driver.set("ai:jobs:job-0", "a string")
    code, output, _ = command(server, cwd=tmp_path)
    assert (code, "100.00% of the jobs could not be judged" in output) == (3, True)


def test_watching_audits_again_and_serves_the_latest_figures(
    driver: Any, server: Server, tmp_path: Path
) -> None:
    port = free_port()
    words = ["audit", "--redis", url_of(server), "--allow-writer", "--settle", "0.1"]
    words += ["--watch", "0.1", "--listen", f"127.0.0.1:{port}", "--phase", "dual"]
    damaged = 'midpipe_audit_damaged_jobs{damage="diverging",layout="reviewed",phase="dual"}'

    def figures() -> str:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
                return str(answer.read().decode())
        except OSError:
            return ""

    driver.hset("ai:jobs:job-0", mapping=JOB)
    temporary = tmp_path / "t"
    temporary.mkdir()
    with started(*words, cwd=tmp_path, tmp=temporary) as process:
        wait_until(lambda: f"{damaged} 0.0" in figures(), 60.0)
        driver.hset("ai:job:acme:job-0", mapping={**JOB, "status": "running"})
        wait_until(lambda: f"{damaged} 1.0" in figures(), 60.0)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 1, errors
    assert "midpipe: PASS" in output
    assert "midpipe: FAIL" in output


@pytest.fixture
def with_tls(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """A server that speaks TLS only, with a certificate that no system knows; yields its port and the certificate."""
    redis_server, openssl = shutil.which("redis-server"), shutil.which("openssl")
    if redis_server is None or openssl is None:
        if os.environ.get("CI"):
            pytest.fail("redis-server and openssl are needed: apt-get install redis-server openssl")
        pytest.skip("redis-server and openssl are needed")
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    words = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *names]
    subprocess.run(
        [*words, "-keyout", "key", "-out", "cert"], cwd=tmp_path, check=True, capture_output=True
    )
    port = free_port()
    options = {
        "tls-port": port,
        "port": 0,
        "tls-cert-file": "cert",
        "tls-key-file": "key",
        "save": "",
    }
    options |= {"tls-auth-clients": "no"}
    words = [
        redis_server,
        *(word for name, value in options.items() for word in (f"--{name}", str(value))),
    ]
    with running(words, cwd=tmp_path, stdout=subprocess.DEVNULL):
        client = redis.Redis(port=port, ssl=True, ssl_ca_certs=str(tmp_path / "cert"))
        wait_until(lambda: answers(client))
        client.hset("ai:jobs:job-0", mapping=JOB)
        client.close()
        yield port, tmp_path / "cert"


def test_tls_needs_a_certificate_that_is_trusted(
    with_tls: tuple[int, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, certificate = with_tls

    def audited() -> str:
        where = parse_url(f"rediss://127.0.0.1:{port}/0", may_be_remote=True)
        layout = layout_named("reviewed", "dual")
        return audit(AuditPlan(where, layout, settle_s=0.1, allow_writer=True)).outcome

    with pytest.raises(ServerError, match="SSL_CERT_FILE"):
        audited()
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert audited() == "pass"


def test_another_kind_of_url_is_refused(tmp_path: Path) -> None:
    code, _, errors = ran("audit", "--redis", "http://127.0.0.1:1", cwd=tmp_path)
    assert (code, "must begin with redis://, unix://, rediss://" in errors) == (2, True)


GATE_AND_AUDIT = """
[tool.midpipe]
program = ["enqueue"]
only = ["no-lost-job"]
fault = ["cut-before"]
[tool.midpipe.audit]
allow-writer = true
settle = "0.1s"
phase = "dual"
"""


def test_a_gate_that_passes_fails_if_the_audit_after_it_does(
    driver: Any, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pyproject.toml").write_text(GATE_AND_AUDIT)
    code, _, errors = ran("gate", "--and", "audit", cwd=tmp_path)
    assert (code, "MIDPIPE_AUDIT_REDIS" in errors, (tmp_path / ".midpipe").exists()) == (
        2,
        True,
        False,
    )
    driver.rpush("ai:queue:pending", "<b>job-1</b>")
    monkeypatch.setenv("MIDPIPE_AUDIT_REDIS", url_of(server))
    code, output, errors = ran("gate", "--and", "audit", cwd=tmp_path)
    outcomes = [line for line in output.splitlines() if line in ("midpipe: PASS", "midpipe: FAIL")]
    assert (code, outcomes[-1]) == (1, "midpipe: FAIL"), output + errors
    assert json.loads((tmp_path / ".midpipe" / "verdict.json").read_text())["outcome"] == "pass"
    page = (tmp_path / ".midpipe" / "audit" / "audit.html").read_text()
    assert "&lt;b&gt;job-1&lt;/b&gt;" in page
    assert "<b>" not in page

"""The assumptions of the reduction, on a real server: scripts touch the keys they declare, and no key is overlooked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from midpipe.faultinject.decide.frontier import Frontier
from midpipe.faultinject.decide.interleave import Interleave
from midpipe.faultinject.decide.pruning import Independence
from midpipe.scenarios.explore.orders import Orders
from midpipe.scenarios.explore.script_watch import ScriptWatch, escaped, monitored_command
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.messages import CaseEnded
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.model.state import contents_of
from midpipe.scenarios.programs.pairs import PAIRS

SCRIPTED = '''
from midpipe.scenarios.flaws.as_reviewed import SimpleQueue
from midpipe.scenarios.flaws.parts import decoded, fields_of, old_key

LOOK = "return redis.call('EXISTS', {request})"
WRITE = """
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
redis.call('RPUSH', {pending}, ARGV[1])
redis.call('SET', {request}, ARGV[1])
"""

class Scripted(SimpleQueue):
    """Looks by one script and writes by another."""

    declares = False

    def enqueue(self, job_id, provider=None, name=None, params=None, workspace_id=None, actor_id=None,
                client_request_id=None, **named):
        request = "ai:idempotency:acme:" + str(client_request_id)
        words = [w for pair in fields_of(job_id, "p", "a", {}, "acme", "u").items() for w in pair]
        shared = [request, "ai:queue:pending"]
        names = {"request": "KEYS[2]", "pending": "KEYS[3]"}
        if not self.declares:
            shared, names = [], {"request": repr(request), "pending": "'ai:queue:pending'"}
        keys = [old_key(job_id), *shared]
        if self._redis.eval(LOOK.format(**names), len(keys), *keys):
            return False
        self._redis.eval(WRITE.format(**names), len(keys), *keys, job_id, *words)
        return True

class Declared(Scripted):
    declares = True
'''


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scripted") / "scripted.py"
    path.write_text(SCRIPTED)
    return path


def orders_of(
    worker: Worker, subject: str, program: str = "same-request-twice"
) -> tuple[list[CaseEnded], Independence]:
    rig = worker.rig(SubjectSpec(subject, environment=(("AI_JOBS_NEW_SCHEMA", "off"),)))

    def plan(independence: Independence, frontier: Frontier | None) -> Interleave:
        return Interleave(independence=independence, frontier=frontier)

    orders = Orders(rig, PAIRS[program], plan, 5_000.0)
    return list(orders.cases()), orders.planner.independence


def duplicates(cases: list[CaseEnded]) -> list[str]:
    return [c.replay for c in cases for v in c.violations if v.invariant == "no-duplicate"]


def test_a_script_that_touches_undeclared_keys_is_detected(worker: Worker, file: Path) -> None:
    cases, known = orders_of(worker, f"{file}:Scripted")
    assert duplicates(cases)
    assert len(known.untrusted_scripts) == 2


def test_no_order_is_reported_twice_when_the_exploration_starts_again(
    worker: Worker, file: Path
) -> None:
    cases, _ = orders_of(worker, f"{file}:Scripted")
    assert len({case.replay for case in cases}) == len(cases)


def test_a_script_that_declares_its_keys_is_trusted(worker: Worker, file: Path) -> None:
    cases, known = orders_of(worker, f"{file}:Declared")
    assert duplicates(cases)
    assert known.untrusted_scripts == set()


def test_the_watch_names_a_script_as_the_server_does(worker: Worker, file: Path) -> None:
    rig = worker.rig(SubjectSpec(f"{file}:Declared"))
    watch = ScriptWatch(rig)
    try:
        script = "return redis.call('GET', 'not ' .. KEYS[1])"
        sha = rig.control.call("SCRIPT", "LOAD", script)
        assert isinstance(sha, bytes)
        rig.control.call("EVALSHA", sha, 1, "k")
        rig.control.call("EVAL", "return redis.call('GET', KEYS[1])", 1, "k")
        assert watch.untrusted_scripts() == {sha.decode()}
        assert watch.untrusted_scripts() == set()
    finally:
        watch.close()


def test_a_script_that_reads_a_time_to_live_is_not_predicted(worker: Worker, file: Path) -> None:
    rig = worker.rig(SubjectSpec(f"{file}:Declared"))
    watch = ScriptWatch(rig)
    known = Independence()
    try:
        rig.control.call("EVAL", "return redis.call('GET', KEYS[1])", 1, "k")
        assert not watch.update(known)
        rig.control.call("EVAL", "return redis.call('TTL', KEYS[1])", 1, "k")
        assert watch.update(known)
        assert (len(known.unpredictable_scripts), known.untrusted_scripts) == (1, set())
    finally:
        watch.close()


def test_the_content_of_a_set_does_not_include_the_order_of_insertion(
    worker: Worker, file: Path
) -> None:
    """So SMEMBERS, which reveals it, is not predicted."""
    rig = worker.rig(SubjectSpec(f"{file}:Declared"))

    def added(*members: str) -> tuple[object, Mapping[str, str] | None]:
        rig.control.call("DEL", "k")
        for member in members:
            rig.control.call("SADD", "k", member)
        return rig.control.call("SMEMBERS", "k"), contents_of(rig.snapshot().state)

    (one, held), (other, the_same) = added("a", "b"), added("b", "a")
    assert (one != other, held) == (True, the_same)


@pytest.mark.parametrize(
    ("line", "received"),
    [
        (
            b'1.5 [0 127.0.0.1:1] "SET" "k" "a \\"b\\" \\x00\\n"',
            (False, (b"SET", b"k", b'a "b" \x00\n')),
        ),
        (b'1.5 [0 lua] "GET" "k"', (True, (b"GET", b"k"))),
        (b"OK", None),
    ],
)
def test_a_line_of_monitor_is_parsed(
    line: bytes, received: tuple[bool, tuple[bytes, ...]] | None
) -> None:
    assert monitored_command(line) == received


def test_a_word_is_parsed_as_it_was_escaped() -> None:
    word = bytes(range(256))
    line = b'1.5 [0 127.0.0.1:1] "ECHO" "%b"' % escaped(word)
    assert monitored_command(line) == (False, (b"ECHO", word))


def test_the_watch_does_not_judge_the_snapshots_of_midpipe(worker: Worker, file: Path) -> None:
    rig = worker.rig(SubjectSpec(f"{file}:Declared"))
    rig.control.call("SET", "k", "v")
    watch = ScriptWatch(rig)
    try:
        rig.snapshot()
        assert watch.untrusted_scripts() == set()
    finally:
        watch.close()


WATCHING = '''
import redis
from midpipe.scenarios.flaws.as_reviewed import SimpleQueue
from midpipe.scenarios.flaws.parts import fields_of, old_key

class Watching(SimpleQueue):
    """WATCHes the request, and leaves it out of its transaction. A slower one trusts the queue's length."""

    watches = True

    def enqueue(self, job_id, *_, client_request_id=None, **named):
        request = "ai:idempotency:acme:" + str(client_request_id)
        fields = fields_of(job_id, "p", "a", {}, "acme", "u")
        with self._redis.pipeline() as block:
            block.watch("midpipe:" + job_id, request)
            if block.exists(request):
                return False
            block.multi()
            block.hset(old_key(job_id), mapping=fields)
            try:
                block.execute()
            except redis.WatchError:
                return not self._redis.llen("ai:queue:pending")
        self._redis.set(request, job_id)
        self._redis.rpush("ai:queue:pending", job_id)
        return True
'''


def test_a_transaction_that_watches_a_key_depends_on_it(worker: Worker, tmp_path: Path) -> None:
    (tmp_path / "watching.py").write_text(WATCHING)
    subject = SubjectSpec(
        f"{tmp_path / 'watching.py'}:Watching", environment=(("AI_JOBS_NEW_SCHEMA", "off"),)
    )
    rig = worker.rig(subject)

    def raised(*, prune: bool) -> set[str]:
        def plan(independence: Independence, frontier: Frontier | None) -> Interleave:
            return Interleave(None, prune=prune, independence=independence, frontier=frontier)

        cases = Orders(rig, PAIRS["same-request-twice"], plan, 5_000.0).cases()
        return {v.invariant for case in cases for v in case.violations}

    pruned = raised(prune=True)
    # The answer is untrue where the transaction fails between the other client's SET and its RPUSH.
    assert "answer-is-true" in pruned
    assert pruned == raised(prune=False)

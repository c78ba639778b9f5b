"""Subjects in separate processes: what they may do wrong, and what midpipe then reports."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from midpipe.faultinject.errors import SubjectError
from midpipe.faultinject.net.loop import Loop
from midpipe.faultinject.reaper import RunDirectory
from midpipe.scenarios.model.history import Json
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.subjects.hosting import Answer, HostProcess

Hosted = Callable[..., HostProcess]


def call(host: HostProcess, method: str, *, counts: bool = True, **arguments: object) -> Answer:
    """Make a call and wait for its answer."""
    answers: list[Answer] = []
    host.call("A", method, arguments, answers.append, counts=counts)  # type: ignore[arg-type] # JSON values, all of them
    assert host.loop.run_until(lambda: bool(answers), 10.0)
    return answers[0]


def opened(host: HostProcess) -> HostProcess:
    host.wait_until_ready()
    host.make_instance("A", "redis://127.0.0.1:1/0")
    return host


def body(*lines: str) -> str:
    """Return a class ``Q`` with one method ``go`` of these lines."""
    return "class Q:\n def __init__(self, url): self.url = url\n def go(self, x=None):\n" + "".join(
        f"  {line}\n" for line in lines
    )


def test_an_instance_gets_the_url_and_answers_with_values(hosted: Hosted) -> None:
    host = opened(hosted(body("return {'url': self.url, 'x': x}")))
    assert call(host, "go", x=[1, None, "ä"])["ok"] == {
        "url": "redis://127.0.0.1:1/0",
        "x": [1, None, "ä"],
    }


COUNTING = (
    "from prometheus_client import Counter\n"
    "DUAL = Counter('ai_jobs_dual_write', 'Both.', ['result'])\n"
    "OTHER = Counter('app_other', 'Not asked for.')\n"
)


def test_a_new_instance_reports_which_requested_counters_it_exports(hosted: Hosted) -> None:
    host = hosted(COUNTING + body("pass"))
    host.wait_until_ready()
    assert host.make_instance("A", "redis://x").counters == {"ai_jobs_dual_write"}


def test_an_answer_lists_the_counters_that_increased_during_the_call(hosted: Hosted) -> None:
    host = opened(
        hosted(COUNTING + body("DUAL.labels(x).inc(2)", "OTHER.inc()", "if x == 'bad': 1 / 0"))
    )
    counted = [call(host, "go", x=word)["counted"] for word in ("good", "bad", "good")]
    assert counted == [
        [("ai_jobs_dual_write", {"result": word}, 2.0)] for word in ("good", "bad", "good")
    ]


def test_a_counter_without_labels_is_listed(hosted: Hosted) -> None:
    source = (
        "from prometheus_client import Counter\nREADS = Counter('relay_job_read_path', 'All.')\n"
    )
    host = opened(hosted(source + body("READS.inc(3)")))
    assert call(host, "go")["counted"] == [("relay_job_read_path", {}, 3.0)]


def test_a_counter_of_a_custom_collector_is_listed(hosted: Hosted) -> None:
    source = (
        "from prometheus_client import REGISTRY\n"
        "from prometheus_client.core import CounterMetricFamily\n"
        "class Own:\n"
        " number = 0\n"
        " def collect(self):\n"
        "  family = CounterMetricFamily('ai_jobs', 'Own.', labels=['status', 'by'])\n"
        "  family.add_metric(['pending', 'me'], self.number)\n"
        "  return [family]\n"
        "REGISTRY.register(Own())\n"
    )
    host = opened(hosted(source + body("Own.number += 1")))
    assert call(host, "go")["counted"] == [("ai_jobs", {"by": "me", "status": "pending"}, 1.0)]


def test_a_call_without_counting_lists_no_counters(hosted: Hosted) -> None:
    host = opened(hosted(COUNTING + body("DUAL.labels('good').inc()")))
    assert "counted" not in call(host, "go", counts=False)


def test_increases_during_a_call_without_counting_belong_to_no_later_call(hosted: Hosted) -> None:
    host = opened(hosted(COUNTING + body("DUAL.labels('good').inc(x)")))
    call(host, "go", x=5, counts=False)
    assert call(host, "go", x=1)["counted"] == [("ai_jobs_dual_write", {"result": "good"}, 1.0)]


def test_the_version_of_a_package_is_looked_up_once(hosted: Hosted) -> None:
    source = (
        "from importlib import metadata\n"
        "LOOKED_UP, found = [], metadata.distribution\n"
        "metadata.distribution = lambda name: LOOKED_UP.append(name) or found(name)\n"
    )
    twice = "metadata.version('redis') == metadata.version('redis') == found('redis').version"
    assert call(opened(hosted(source + body(f"return [{twice}, *LOOKED_UP]"))), "go")["ok"] == [
        True,
        "redis",
    ]


def test_a_subject_without_counters_reports_none_instead_of_no_increases(hosted: Hosted) -> None:
    assert call(opened(hosted(body("pass"))), "go")["counted"] is None


CONTRACT = (
    "class Q:\n"
    " promises = {'order': 'fifo'}\n"
    " def __init__(self, url): pass\n"
    " def enqueue(self, job_id, payload=None, *, request_id=None): return [job_id, payload, request_id]\n"
    " def work(self, **offered): return sorted(offered)\n"
    " def connect(self): pass\n"
)


def test_a_new_instance_reports_its_calls_of_the_contract_and_what_they_take(
    hosted: Hosted,
) -> None:
    host = hosted(CONTRACT)
    host.wait_until_ready()
    opened = host.make_instance("A", "redis://x")
    assert opened.methods == {"enqueue", "work"}
    assert opened.accepts == {
        "enqueue": frozenset({"job_id", "params", "client_request_id"}),
        "work": None,
    }
    assert opened.promises == {"order": "fifo"}


def test_a_call_gets_the_arguments_that_it_takes_under_its_own_names(hosted: Hosted) -> None:
    host = hosted(CONTRACT)
    host.wait_until_ready()
    host.make_instance("A", "redis://x")
    offered: dict[str, Json] = {
        "job_id": "j",
        "params": {"n": 1},
        "client_request_id": "r",
        "actor_id": "u",
    }
    answers: list[Answer] = []
    host.call("A", "enqueue", offered, answers.append)
    host.call("A", "work", {"jobs": 1, "idle_s": 0.1}, answers.append)
    assert host.loop.run_until(lambda: len(answers) == 2, 10.0)
    assert [answer["ok"] for answer in answers] == [["j", {"n": 1}, "r"], ["idle_s", "jobs"]]


def test_a_declared_bound_is_reported_in_milliseconds(hosted: Hosted) -> None:
    host = hosted(body("pass") + " latency_bound_s = 1.5\n")
    host.wait_until_ready()
    assert host.make_instance("A", "redis://x").latency_bound_ms == 1500.0


def test_an_exception_is_reported_with_its_classes(hosted: Hosted) -> None:
    host = opened(hosted("class Odd(ValueError): pass\n" + body("raise Odd('no')")))
    error = call(host, "go")["error"]
    assert (error["type"], error["message"]) == ("Odd", "no")
    assert "ValueError" in error["kinds"]


def test_a_subject_that_calls_exit_is_reported_and_keeps_running(hosted: Hosted) -> None:
    host = opened(hosted(body("import sys", "if x: sys.exit(3)", "return 'still here'")))
    assert call(host, "go", x=1)["error"]["type"] == "SystemExit"
    assert call(host, "go")["ok"] == "still here"


def test_a_value_that_json_can_not_hold_is_shown(hosted: Hosted) -> None:
    host = opened(hosted(body("return [b'raw', {1, }]")))
    assert call(host, "go")["ok"] == [{"repr": "b'raw'"}, {"repr": "{1}"}]


def test_a_value_that_contains_itself_is_shown(hosted: Hosted) -> None:
    host = opened(hosted(body("a = []", "a.append(a)", "return a")))
    assert call(host, "go")["ok"] == {"repr": "[[...]]"}


@pytest.mark.parametrize(
    "value",
    ["10 ** 400", "float('nan')", "'\\ud800'", "{'\\ud800': ['\\udcff']}"],
    ids=["large", "nan", "surrogate", "nested-surrogate"],
)
def test_a_value_that_only_python_takes_for_json_is_an_answer(hosted: Hosted, value: str) -> None:
    answer = call(opened(hosted(body(f"return {value}"))), "go")["ok"]
    assert json.dumps(answer, ensure_ascii=False).encode()


def nested(levels: int) -> str:
    return body("value = []", f"for _ in range({levels}): value = [value]", "return value")


def test_an_answer_that_is_nested_too_deeply_is_blamed_on_the_subject(hosted: Hosted) -> None:
    error = call(opened(hosted(nested(500))), "go")["error"]
    assert (error["type"], "nested more than 100 levels deep" in error["message"]) == (
        "MalformedAnswer",
        True,
    )


def test_a_value_that_is_nested_too_deeply_for_json_is_named_by_its_type(hosted: Hosted) -> None:
    assert call(opened(hosted(nested(100_000))), "go")["ok"] == {
        "repr": "(a list that can't be shown)"
    }


def test_a_bound_that_is_no_number_is_blamed_on_the_subject(hosted: Hosted) -> None:
    with pytest.raises(
        SubjectError, match=r"latency_bound_s is nan, and must be a positive number"
    ):
        opened(hosted(body("pass") + " latency_bound_s = float('nan')\n"))


def test_an_exception_whose_text_no_file_can_hold_is_reported(hosted: Hosted) -> None:
    host = opened(hosted(body("import os", "raise OSError(os.fsdecode(b'/lost\\xff'))")))
    assert call(host, "go")["error"]["message"] == "/lost\\udcff"


def test_a_large_answer_is_read_in_linear_time(hosted: Hosted) -> None:
    host = opened(hosted(body("return 'x' * (x << 20)")))

    def seconds(size: int) -> float:
        begun_s = time.perf_counter()
        assert len(call(host, "go", x=size)["ok"]) == size << 20
        return time.perf_counter() - begun_s

    seconds(1)
    # Ten times the size takes a hundred times as long if what has arrived is copied at each read.
    assert seconds(50) < 30 * max(seconds(5), 0.02)


def test_an_async_method_is_awaited(hosted: Hosted) -> None:
    source = (
        body("pass")
        + " async def slow(self):\n  import asyncio\n  await asyncio.sleep(0)\n  return 7\n"
    )
    assert call(opened(hosted(source)), "slow")["ok"] == 7


def test_a_subjects_output_does_not_get_between_the_answers(hosted: Hosted) -> None:
    host = opened(
        hosted(body("import os", "print('loud', flush=True)", "os.write(1, b'louder')", "return 1"))
    )
    assert (call(host, "go")["ok"], host.printed()) == (1, "loud\nlouder")


def test_a_subject_can_not_read_the_requests(hosted: Hosted) -> None:
    host = opened(hosted(body("import sys", "return sys.stdin.read()")))
    assert call(host, "go")["ok"] == ""


def test_log_lines_at_warning_or_above_come_with_the_answer(hosted: Hosted) -> None:
    source = "import logging\n" + body(
        "logging.info('quiet')", "logging.getLogger('q').error('lost %s', x)", "return 1"
    )
    assert call(opened(hosted(source)), "go", x="job-1")["logs"] == [["ERROR", "q", "lost job-1"]]


def test_a_traceback_in_a_log_line_comes_with_it(hosted: Hosted) -> None:
    source = "import logging\n" + body(
        "try: 1 / 0", "except ZeroDivisionError: logging.exception('odd')", "return 1"
    )
    ((_, _, text),) = call(opened(hosted(source)), "go")["logs"]
    assert "ZeroDivisionError" in text


def test_a_subject_has_its_own_environment(hosted: Hosted) -> None:
    source = "import os\nFLAG = os.environ['FLAG']\n" + body("return FLAG")
    assert call(opened(hosted(source, FLAG="on")), "go")["ok"] == "on"


def test_a_file_in_a_package_keeps_its_relative_imports(tmp_path: Path) -> None:
    package = tmp_path / "app"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "names.py").write_text("NAME = 'relative'")
    (package / "queue.py").write_text("from .names import NAME\n" + body("return NAME"))
    loop = Loop()
    with RunDirectory() as run:
        host = HostProcess(SubjectSpec(f"{package / 'queue.py'}:Q"), loop, run)
        answer = call(opened(host), "go")
        host.kill()
    loop.close()
    assert answer["ok"] == "relative"


@pytest.mark.parametrize("paths", [(), (".",)])
def test_a_file_named_like_a_module_of_the_standard_library_does_not_hide_it(
    tmp_path: Path, paths: tuple[str, ...]
) -> None:
    (tmp_path / "names.py").write_text("NAME = 'beside'")
    (tmp_path / "queue.py").write_text(
        "import redis\nfrom names import NAME\n"
        + body("import queue", "return NAME, queue.Empty.__name__")
    )
    loop = Loop()
    with RunDirectory() as run:
        spec = SubjectSpec(
            f"{tmp_path / 'queue.py'}:Q", paths=tuple(str(tmp_path / path) for path in paths)
        )
        host = HostProcess(spec, loop, run)
        answer = call(opened(host), "go")
        host.kill()
    loop.close()
    assert answer["ok"] == ["beside", "Empty"]


def test_midpipes_own_modules_do_not_shadow_the_subjects(hosted: Hosted) -> None:
    host = opened(
        hosted(body("import importlib.util", "return importlib.util.find_spec('hosting') is None"))
    )
    assert call(host, "go")["ok"] is True

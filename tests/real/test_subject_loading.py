"""Subjects that can't be loaded: what is wrong with them, and what midpipe reports."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from midpipe.faultinject.errors import SubjectError
from midpipe.faultinject.net.loop import Loop
from midpipe.faultinject.reaper import RunDirectory
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.subjects.hosting import HostProcess

Hosted = Callable[..., HostProcess]


def _open(host: HostProcess) -> None:
    host.wait_until_ready()
    host.make_instance("A", "redis://127.0.0.1:1/0")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import no_such_module", "can't be loaded: ModuleNotFoundError"),
        (
            "x = 1",
            "can't be loaded: AttributeError: subject has no attribute 'Q'; it has no class.",
        ),
        (
            "from json import loads\nclass Queue: pass\ndef made(): pass",
            "it has Queue, made. Check",
        ),
        ("raise SystemExit('nope')", "can't be loaded: SystemExit: nope"),
        ("class Q(:", "can't be loaded: SyntaxError"),
        ("import os\nos._exit(4)", "ended with exit code 4"),
        ("print('hm\\nno', flush=True)\nimport os\nos._exit(4)", "It printed: hm no"),
    ],
)
def test_a_module_that_can_not_be_loaded_is_reported_with_the_reason(
    hosted: Hosted, source: str, message: str
) -> None:
    with pytest.raises(SubjectError) as raised:
        hosted(source).wait_until_ready()
    assert message in str(raised.value)


def test_a_module_that_hangs_is_reported(hosted: Hosted) -> None:
    with pytest.raises(SubjectError, match=r"not loaded within 0.5 s.*--patience"):
        hosted("import time\ntime.sleep(60)", patience_s=0.5).wait_until_ready()


def test_a_module_that_computes_is_waited_for_because_the_machine_may_be_busy(
    hosted: Hosted,
) -> None:
    hosted(
        "import time\nuntil = time.process_time() + 1.3\nwhile time.process_time() < until: pass\n"
        "class Q:\n def __init__(self, url): pass\n",
        patience_s=1.0,
    ).wait_until_ready()


@pytest.mark.parametrize(
    ("constructor", "message"),
    [
        ("def __init__(self): pass", "constructor .* raised TypeError.*one argument, a Redis URL"),
        ("def __init__(self, url): raise OSError('no disk')", "raised OSError: no disk"),
        ("def __init__(self, url):\n  import time\n  time.sleep(60)", "did not return within 1 s"),
        ("def __init__(self, url):\n  import os\n  os._exit(5)", "ended with exit code 5"),
    ],
)
def test_a_constructor_that_fails_is_reported(
    hosted: Hosted, constructor: str, message: str
) -> None:
    host = hosted(f"class Q:\n {constructor}\n", patience_s=1.0)
    host.wait_until_ready()
    with pytest.raises(SubjectError, match=message):
        host.make_instance("A", "redis://x")


@pytest.mark.parametrize(
    ("prints", "message"),
    [
        ("print('hello')", "does not follow the subject protocol (it is not JSON"),
        ("print('[1]')", "Expected `object`, got `array`"),
        (
            'print(\'{"ready": true}\'); print(\'{"id": 9, "ok": 1}\')',
            "does not answer any request",
        ),
        ("pass", "ended with exit code 0"),
    ],
)
def test_a_command_that_answers_garbage_is_reported(prints: str, message: str) -> None:
    loop = Loop()
    with RunDirectory() as run:
        spec = SubjectSpec(
            f'command: {sys.executable} -u -c "{prints.replace(chr(34), chr(92) + chr(34))}"'
        )
        host = HostProcess(spec, loop, run)
        with pytest.raises(SubjectError) as raised:
            _open(host)
        host.kill()
    loop.close()
    assert message in str(raised.value)


def test_a_command_that_can_not_be_run_is_reported() -> None:
    with RunDirectory() as run, pytest.raises(SubjectError, match="can't be started"):
        HostProcess(SubjectSpec("command: /no/such/program"), Loop(), run)

"""midpipe init: writes an adapter that needs no edit, runs it without faults, and faults then find what is flawed."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path

import pytest

from midpipe.scenarios.explore.replaying import replay_case
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.spec import SubjectSpec
from tests.real.commands import is_one_sentence, ran

HURRIED = Path(__file__).parent.parent / "data" / "queues" / "hurried.py"
RECOVERS = ("--promise", "recovers_within_s=1")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "shop").mkdir()
    shutil.copy(HURRIED, tmp_path / "shop" / "jobs.py")
    return tmp_path


@pytest.mark.parametrize(
    ("kind", "options", "line", "expected"),
    [
        ("SoundList", RECOVERS, "work: A1:LMOVE!lost-reply", set()),
        ("FlawedList", RECOVERS, "work: A1:LPOP!lost-reply", {"no-stuck-job"}),
        ("SoundStream", RECOVERS, "work: A2:XREADGROUP!crash", set()),
        ("FlawedStream", RECOVERS, "work: A1:XREADGROUP!crash", {"no-stuck-job"}),
        ("SoundDequeue", (), "enqueue: A1:EVAL!cut-before", set()),
        (
            # Recovery waits on the stepped clock for the day in which the key that knows the job expires.
            "FlawedDequeue",
            (),
            "enqueue: A2:RPUSH!cut-before",
            {"no-lost-job", "retry-succeeds"},
        ),
    ],
)
def test_the_adapter_of_a_queue_needs_no_edit_to_tell_a_flawed_one_from_a_sound_one(
    project: Path,
    worker: Worker,
    kind: str,
    options: tuple[str, ...],
    line: str,
    expected: set[str],
) -> None:
    code, output, errors = ran("init", f"shop/jobs.py:{kind}", *options, cwd=project)
    assert code == 0, output + errors
    assert "ran job-1, job-2" in output
    promises = output.partition("\npromises ")[2].partition("Without faults")[0]
    assert promises.split()[0] == "declared"
    assert max(map(len, promises.splitlines())) <= 120
    subject = SubjectSpec(f"{project}/midpipe_queue.py:Queue", paths=(str(project),))
    record = replay_case(worker, subject, line, 5_000.0).record
    assert record.is_valid, record.invalid_reason
    assert record.violated_invariants == expected


def test_the_configuration_is_added_once_and_keeps_what_was_there(project: Path) -> None:
    (project / "pyproject.toml").write_text('[project]\nname = "shop"\n')
    ran("init", "shop/jobs.py:SoundDequeue", cwd=project)
    _, output, _ = ran("init", "shop/jobs.py:SoundDequeue", "--force", cwd=project)
    assert "has [tool.midpipe] already" in output
    written = tomllib.loads((project / "pyproject.toml").read_text())
    assert written == {
        "project": {"name": "shop"},
        "tool": {"midpipe": {"subject": "midpipe_queue.py:Queue"}},
    }


def test_a_library_needs_no_adapter(project: Path) -> None:
    code, _, _ = ran("init", "--queue", "rq", cwd=project)
    assert code == 0
    assert tomllib.loads((project / "pyproject.toml").read_text())["tool"]["midpipe"] == {
        "queue": "rq"
    }


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "Name your queue's class"),
        (("shop/jobs.py:Missing",), "has no class 'Missing'. It has: SoundList"),
        (("shop/none.py:Queue",), "can't be read"),
        (("shop/jobs.py:SoundList", "--call", "pop=poop"), "Did you mean 'pop'?"),
        (("shop/jobs.py:SoundList", "--call", "pup=pop"), "There is no part 'pup'"),
        (("shop/jobs.py:SoundList", "--promise", "delivery=often"), "at-least-once"),
    ],
)
def test_what_can_t_be_adapted_is_refused_in_one_sentence(
    project: Path, words: tuple[str, ...], says: str
) -> None:
    code, _, errors = ran("init", *words, cwd=project)
    assert code == 2
    assert says in errors
    assert is_one_sentence(errors)
    assert not (project / "midpipe_queue.py").exists()


def test_an_adapter_that_is_there_is_not_replaced_unless_forced(project: Path) -> None:
    (project / "midpipe_queue.py").write_text("mine")
    code, _, errors = ran("init", "shop/jobs.py:SoundList", cwd=project)
    assert code == 2
    assert "--force" in errors
    assert (project / "midpipe_queue.py").read_text() == "mine"

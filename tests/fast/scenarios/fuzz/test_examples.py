"""What fuzzing keeps on disk: examples as replay lines, and a checkpoint from which a long run goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from midpipe.faultinject.errors import UsageError
from midpipe.scenarios.fuzz.examples import (
    MOST_KEPT,
    Example,
    example_file,
    read_examples,
    write_examples,
)
from midpipe.scenarios.model.checkpoint import (
    Checkpoint,
    SavedFind,
    read_checkpoint,
    write_checkpoint,
)
from midpipe.scenarios.model.coverage import Place
from midpipe.scenarios.model.spec import SubjectSpec

SUBJECT = SubjectSpec("shop.queue:Queue")
FOUND = Example("written(A enqueue job-1, B claim): A1 B1!lost-reply", "no-lost-job in enqueue")
PLACE = Place("enqueue", 1, "EVALSHA", again=False, state="absent")
STANDS = Checkpoint(
    subject="--subject shop.queue:Queue",
    seed=7,
    budget_s=600.0,
    spent_s=120.0,
    next_seeds=(31, 1_000_030),
    examples=900,
    cases={"none (sampled)": (800, 1, 0), "late (sampled)": (100, 0, 3)},
    sometimes={"an enqueue was refused as a duplicate": 40},
    coverage=((PLACE, "late", 12),),
    possible=((PLACE, ("late", "stall")),),
    found=(
        SavedFind("no-duplicate", "enqueue", FOUND.replay, "p", 1, ("seen",), 3, "@reproduce…"),
    ),
    violations={"no-duplicate": 3},
    observations={"no-duplicate": 2_000},
)


def test_examples_are_read_back_as_they_were_kept(tmp_path: Path) -> None:
    path = example_file(tmp_path / "new", SUBJECT)
    write_examples(path, SUBJECT, [FOUND, Example("enqueue: A1!late")])
    assert read_examples(path) == (FOUND, Example("enqueue: A1!late"))


def test_without_a_file_there_are_no_examples(tmp_path: Path) -> None:
    assert read_examples(tmp_path / "none.txt") == ()


def test_an_example_is_kept_once_and_the_oldest_of_too_many_goes(tmp_path: Path) -> None:
    path = tmp_path / "many.txt"
    many = [Example(f"enqueue: A{number}!late") for number in range(1, MOST_KEPT + 3)]
    write_examples(path, SUBJECT, [*many, many[-1]])
    assert read_examples(path) == tuple(many[2:])


def test_a_subject_in_another_environment_has_examples_of_its_own(tmp_path: Path) -> None:
    other = SubjectSpec(SUBJECT.text, environment=(("AI_JOBS_NEW_SCHEMA", "off"),))
    assert example_file(tmp_path, SUBJECT) != example_file(tmp_path, other)


def test_a_checkpoint_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "run" / "checkpoint.json"
    write_checkpoint(path, STANDS)
    assert read_checkpoint(path, STANDS.subject, 2) == STANDS


@pytest.mark.parametrize(
    ("subject", "jobs"), [("--subject other.queue:Queue", 2), (STANDS.subject, 3)]
)
def test_a_run_of_another_subject_is_not_resumed(tmp_path: Path, subject: str, jobs: int) -> None:
    path = tmp_path / "checkpoint.json"
    write_checkpoint(path, STANDS)
    with pytest.raises(UsageError, match="belongs to"):
        read_checkpoint(path, subject, jobs)


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"format": 1}'])
def test_a_broken_checkpoint_is_refused_with_the_way_out(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "checkpoint.json"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="new run without --resume"):
        read_checkpoint(path, STANDS.subject, 2)


def test_without_an_interrupted_run_there_is_nothing_to_resume(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no run to resume"):
        read_checkpoint(tmp_path / "none.json", STANDS.subject, 2)

"""The example database of fuzzing: replay lines of failing examples in a file per subject."""

from __future__ import annotations

from pathlib import Path

from midpipe.scenarios.fuzz.examples import (
    MOST_KEPT,
    Example,
    example_file,
    read_examples,
    write_examples,
)
from midpipe.scenarios.model.spec import SubjectSpec

SUBJECT = SubjectSpec("shop.queue:Queue")
FOUND = Example("written(A enqueue job-1, B claim): A1 B1!lost-reply", "no-lost-job in enqueue")


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

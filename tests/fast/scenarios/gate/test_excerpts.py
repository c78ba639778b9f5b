"""The code that a finding shows: the lines of its story's commands and those around them, of files that are text."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from midpipe.scenarios.gate.excerpts import code_of
from midpipe.scenarios.model.story import (
    CommandSource,
    SourceLine,
    StepKind,
    Story,
    StoryCommand,
    StoryStep,
)


def story_at(*places: tuple[Path, int]) -> Story:
    steps = []
    for file, line in places:
        source = SourceLine(str(file), line, "enqueue")
        command = StoryCommand(("SET", "k", "v"), source=CommandSource(source, (source,)))
        steps.append(StoryStep(StepKind.COMMAND, "A", command=command))
    return Story("enqueue: A1!late", tuple(steps))


def test_a_few_lines_around_each_command_are_read(tmp_path: Path) -> None:
    file = tmp_path / "queue.py"
    file.write_text("".join(f"\tline {number}\n" for number in range(1, 31)))
    found = [(each.line, each.text) for each in code_of(story_at((file, 2), (file, 20)))]
    lines = [1, 2, 3, 4, 5, 17, 18, 19, 20, 21, 22, 23]
    assert found == [(number, f"    line {number}") for number in lines]


def test_a_literal_after_a_secret_s_name_is_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "queue.py"
    file.write_text("redis = Redis(password='hunter2')\n")
    assert [each.text for each in code_of(story_at((file, 1)))] == ["redis = Redis(password='***')"]


@pytest.mark.timeout(10)
def test_what_is_no_text_or_is_gone_has_no_code(tmp_path: Path) -> None:
    pipe, image, gone = tmp_path / "pipe", tmp_path / "image.py", tmp_path / "gone.py"
    os.mkfifo(pipe)
    image.write_bytes(b"\xff\xfe\x00")
    assert code_of(story_at((pipe, 1), (image, 1), (gone, 1), (tmp_path, 1))) == ()
    assert code_of(None) == ()

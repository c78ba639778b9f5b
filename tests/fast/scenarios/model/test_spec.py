"""What a subject's name on the command line stands for, with the names that version 0.1 used."""

from __future__ import annotations

from pathlib import Path

import pytest

from midpipe.faultinject.errors import UsageError
from midpipe.scenarios.model.spec import SubjectSpec, parse_subject


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("reference:Queue", "midpipe.reference:Queue"),
        (
            "scenarios.flaws.as_shipped:SimpleQueue",
            "midpipe.scenarios.flaws.as_shipped:SimpleQueue",
        ),
    ],
)
def test_a_subject_of_a_0_1_replay_line_is_found_in_midpipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse_subject(old).text == new


def test_the_reference_under_its_0_1_name_is_the_default_subject(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse_subject("reference:Queue") == SubjectSpec()


@pytest.mark.parametrize("module", ["scenarios/shop.py", "scenarios/shop/__init__.py"])
@pytest.mark.parametrize("is_current_directory", [True, False])
def test_a_module_of_that_name_on_the_subject_s_own_path_is_the_subject(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, is_current_directory: bool
) -> None:
    (tmp_path / module).parent.mkdir(parents=True)
    (tmp_path / module).touch()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path if is_current_directory else tmp_path / "elsewhere")
    spec = parse_subject("scenarios.shop:Queue", paths=() if is_current_directory else ("..",))
    assert spec.text == "scenarios.shop:Queue"


def test_a_module_that_the_project_s_own_package_lacks_is_found_in_midpipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "scenarios").mkdir()
    monkeypatch.chdir(tmp_path)
    text = "scenarios.flaws.as_shipped:SimpleQueue"
    assert parse_subject(text).text == f"midpipe.{text}"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("command: node 'queue.mjs", "No closing quotation. Check its quotes"),
        ("command:", "names no program"),
        ("command: ''", "names no program"),
    ],
)
def test_a_command_that_can_not_be_split_into_words_is_refused(text: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        parse_subject(text)

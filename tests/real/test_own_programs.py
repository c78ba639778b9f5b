"""Programs and invariants of the user's own: the example of the page, and what a mistake is answered with."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from midpipe.faultinject.errors import UsageError
from midpipe.scenarios.invariants.selection import Selection
from midpipe.scenarios.programs.registry import chosen_programs, program_named, programs_of
from tests.real.commands import is_one_sentence, ran
from tests.real.test_pytest_plugin import ran as ran_pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "own-programs.md"


@pytest.fixture
def mails(tmp_path: Path) -> Path:
    """A folder with the page's files: a queue that runs a job before it takes it out, and what it is judged by."""
    queue, checks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    (tmp_path / "mail_queue.py").write_text(queue)
    (tmp_path / "mail_checks.py").write_text(checks)
    return tmp_path


def verdict_in(folder: Path, command: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / ".midpipe" / command / "verdict.json").read_text())
    return found


def test_a_program_of_ones_own_finds_what_an_invariant_of_ones_own_forbids_and_replays_it(
    mails: Path,
) -> None:
    named = ("--programs", "mail_checks.py", "--subject", "mail_queue.py:Queue")
    aimed = ("--program", "two-workers", "--only", "one-mail", "--faults", "0", "--jobs", "1")
    code, output, errors = ran("interleave", *named, *aimed, cwd=mails)
    verdict = verdict_in(mails, "interleave")
    assert (code, [row["invariant"] for row in verdict["invariants"]]) == (1, ["one-mail"]), errors
    (finding,) = verdict["findings"]
    assert finding["program"] == "file(mail_checks.py two-workers)"
    assert (finding["claim"], finding["severity"]) == ("No mail is sent twice.", "HIGH")
    code, output, _ = ran("replay", finding["replay"], *named, cwd=mails)
    assert (code, "mail-1 was started twice." in output) == (1, True), output


def test_a_fault_is_placed_where_it_is_aimed_at_and_nowhere_else(mails: Path) -> None:
    named = ("--programs", "mail_checks.py", "--subject", "mail_queue.py:Queue", "--jobs", "1")
    aimed = ("--program", "mail", "--fault", "cut-before", "--at", "lpop:wait*", "--jobs", "1")
    code, output, errors = ran("sweep", *named, *aimed, cwd=mails)
    verdict = verdict_in(mails, "sweep")
    assert code == 1, output + errors
    ledger = {row["fault"]: row["run"] for row in verdict["ledger"]}
    assert ledger == {"none": 1, "cut-before": 1}


def test_a_fault_that_was_aimed_at_no_command_makes_the_run_unknown(mails: Path) -> None:
    named = ("--programs", "mail_checks.py", "--subject", "mail_queue.py:Queue", "--jobs", "1")
    code, output, _ = ran("sweep", *named, "--program", "mail", "--at", "XADD", cwd=mails)
    assert (code, "no command of its programs matches --at XADD" in output) == (3, True), output


def test_a_program_written_on_the_command_line_is_swept(mails: Path) -> None:
    written = "written(A enqueue mail-1)"
    named = ("--subject", "mail_queue.py:Queue", "--jobs", "1", "--fault", "cut-before")
    code, output, errors = ran("sweep", *named, "--program", written, cwd=mails)
    assert code == 0, output + errors
    assert {row["program"] for row in verdict_in(mails, "sweep")["ledger"]} == {written}


def test_the_suites_for_pytest_take_the_file(mails: Path) -> None:
    run = ran_pytest(
        mails,
        "--pyargs",
        "midpipe.scenarios.suites",
        "--midpipe-subject=mail_queue.py:Queue",
        "--midpipe-programs=mail_checks.py",
        "-k",
        "mail_checks.py and two-workers",
    )
    assert "one-mail" in run.stdout, run.stdout + run.stderr
    assert "--programs mail_checks.py" in run.stdout


def test_own_programs_join_the_suite_of_their_number_of_clients(mails: Path) -> None:
    file = str(mails / "mail_checks.py")
    assert f"file({file} mail)" in programs_of("sweep", (), [file])
    assert f"file({file} two-workers)" in programs_of("interleave", (), [file])
    assert programs_of("sweep", ("enqueue",), [file]).keys() == {"enqueue"}
    assert chosen_programs(["mail", "enqueue"], [file]) == (f"file({file} mail)", "enqueue")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("sweep", "--only", "no-lost-jobs"), "Did you mean 'no-lost-job'?"),
        (("sweep", "--skip", "no-orphans"), "Did you mean 'no-orphan'?"),
        (("sweep", "--only", "isolation", "--skip", "isolation"), "leave no invariant"),
        (("sweep", "--fault", "lost-replay"), "Did you mean 'lost-reply'?"),
        (("sweep", "--programs", "broken.py"), "can't be loaded: NameError"),
        (("gate", "--with-selfcheck", "--only", "isolation"), "Leave it out"),
    ],
)
def test_a_selection_that_can_not_be_made_is_answered_in_one_sentence(
    tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    (tmp_path / "broken.py").write_text("nothing")
    code, _, errors = ran(*arguments, cwd=tmp_path)
    assert (code, words in errors, is_one_sentence(errors)) == (2, True, True), errors


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("one = Program('Mail', '', {})", "lower-case words joined by hyphens"),
        ("one = Program('mail', '', {'client': ()})", "named A, B, …; got 'client'"),
        ("one, two = Program('mail', '', {}), Program('mail', '', {})", "two programs 'mail'"),
    ],
)
def test_a_program_that_no_replay_line_could_name_is_refused(
    tmp_path: Path, source: str, words: str
) -> None:
    file = tmp_path / "checks.py"
    file.write_text(f"from midpipe import Program\n{source}\n")
    with pytest.raises(UsageError, match=words):
        programs_of("sweep", (), [str(file)])


def test_a_program_that_its_file_has_not_is_answered_with_the_nearest_one(mails: Path) -> None:
    with pytest.raises(UsageError, match="Did you mean 'mail'"):
        program_named(f"file({mails / 'mail_checks.py'} mial)")


def test_an_invariant_with_an_id_of_midpipes_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "checks.py"
    file.write_text(
        "from midpipe import Invariant, Severity\n"
        "mine = Invariant('no-orphan', 'finally', '', Severity.LOW, None)\n"
    )
    with pytest.raises(UsageError, match="Two invariants have the id 'no-orphan'"):
        _ = Selection(files=(str(file),)).invariants

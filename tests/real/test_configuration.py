"""[tool.midpipe] in pyproject.toml: its options, its promises, and what a user who misspells one reads."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner

from midpipe.reports.cli.config_schema import SCHEMA_FILE, schema
from midpipe.reports.cli.main import cli
from midpipe.scenarios.model.promises import declared
from tests.real.commands import is_one_sentence, ran

QUEUE = """\
import midpipe_job
import redis


class Queue:
    def __init__(self, url):
        self.redis = redis.Redis.from_url(url)

    def enqueue(self, job_id):
        self.redis.rpush("waiting", job_id)

    def work(self):
        job_id = self.redis.lpop("waiting")
        if job_id is not None:
            midpipe_job.run(job_id.decode())
"""
LOSES_A_JOB = "work: A1:LPOP!lost-reply"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a queue that takes a job out of Redis before it runs."""
    (tmp_path / "shop_queue.py").write_text(QUEUE)
    return tmp_path


def configured(folder: Path, text: str) -> Path:
    file = folder / "pyproject.toml"
    file.write_text(f'[project]\nname = "shop"\n\n{text}')
    return file


def verdict_in(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "sweep" / "verdict.json").read_text("utf-8"))
    return found


def test_a_queue_is_swept_as_its_project_says_and_held_to_what_the_project_promises(
    project: Path,
) -> None:
    configured(
        project,
        """
        [tool.midpipe]
        subject = "shop_queue.py:Queue"
        out = "results"
        jobs = 1

        [tool.midpipe.sweep]
        program = "work"

        [tool.midpipe.promises]
        delivery = "at-most-once"
        """,
    )
    below = project / "src"
    below.mkdir()
    code, output, errors = ran("sweep", cwd=below)
    verdict = verdict_in(project / "results")
    assert (code, verdict["subject"]) == (0, "../shop_queue.py:Queue"), output + errors
    assert {row["program"] for row in verdict["ledger"]} == {"work"}
    promises = {row["promise"]: (row["value"], row["source"]) for row in verdict["promises"]}
    assert promises["delivery"] == ("at-most-once", "declared")
    assert promises["after_crash"][1] == "default"
    assert promises["deduplicates"][1] != "declared"
    assert re.search(r"^promises +declared delivery at-most-once", output, re.MULTILINE)


def test_the_command_line_counts_more_than_the_file(project: Path) -> None:
    configured(project, '[tool.midpipe]\nsubject = "no.such.module:Queue"\nqueue = "rq"')
    code, output, errors = ran("replay", "work:", "--subject", "shop_queue.py:Queue", cwd=project)
    assert code == 0, output + errors


@pytest.mark.parametrize(
    ("subject", "code"), [("shop_queue.py:Queue", 0), ("shop_queue.py:Another", 1)]
)
def test_promises_are_for_the_configured_subject(project: Path, subject: str, code: int) -> None:
    with (project / "shop_queue.py").open("a") as file:
        file.write("\n\nclass Another(Queue):\n    pass\n")
    promises = '[tool.midpipe.promises]\ndelivery = "at-most-once"'
    configured(project, f'[tool.midpipe]\nsubject = "./shop_queue.py:Queue"\n{promises}')
    ended, output, errors = ran("replay", LOSES_A_JOB, "--subject", subject, cwd=project)
    assert ended == code, output + errors


def test_a_replay_line_names_the_file_that_the_user_named(project: Path) -> None:
    file = project / "strict.toml"
    file.write_text('[tool.midpipe]\nsubject = "shop_queue.py:Queue"\nprogram = ["work"]\njobs = 1')
    where = ("--fault", "lost-reply", "--at", "LPOP")
    code, output, _ = ran("sweep", "--config", "strict.toml", *where, cwd=project)
    assert code == 1
    assert "--config strict.toml" in output


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[tool.midpipe]\nsubjekt = "q.py:Queue"', "Did you mean 'subject'?"),
        ("[tool.midpipe.swep]\njobs = 1", "Did you mean 'sweep'?"),
        ("[tool.midpipe.sweep]\nproramm = 1", "Did you mean 'program'?"),
        ("[tool.midpipe.sweep]\nfuzz = '5s'", "midpipe sweep has no option 'fuzz'"),
        ("[tool.midpipe.proxy]\nport = 8475", "midpipe proxy takes no options from [tool.midpipe]"),
        ("[tool.midpipe.promises]\ndelivry = 1", "Did you mean 'delivery'?"),
        ("[tool.midpipe.promises]\ndelivery = 'at-most-twice'", "Did you mean 'at-most-once'?"),
        ("[tool.midpipe]\njobs = 'two'", "jobs: 'two' is not a valid integer"),
        ("[tool.midpipe]\njobs = [1, 2]", "jobs takes one value"),
        ("[tool.midpipe]\ntime-budget = '10 minutes'", "write 90, 90s, 10m or 2h"),
        ("[tool.midpipe]\nfail-fast = 'yes'", "fail-fast takes true or false"),
        ("[tool.midpipe]\njobs = true", "jobs takes a value"),
        ("[tool.midpipe]\nenv = {A = '1'}", "env is an option and takes no table"),
        ("[tool.midpipe]\npromises = 1", "promises is a table"),
        ("[tool.midpipe\n", "is not valid TOML"),
        ("[tool]\nmidpipe = 1", "midpipe must be a table"),
    ],
)
def test_a_mistake_in_the_file_is_answered_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, words: str
) -> None:
    file = configured(tmp_path, text)
    monkeypatch.chdir(tmp_path)
    error = CliRunner().invoke(cli, ["gate"]).exception
    assert (words in str(error), str(file) in str(error)) == (True, True), error


def test_a_mistake_in_the_file_ends_with_exit_code_2(tmp_path: Path) -> None:
    configured(tmp_path, "[tool.midpipe.gate]\nfail_onn = 'HIGH'")
    code, _, errors = ran("sweep", cwd=tmp_path)
    assert (code, "Did you mean 'fail-on'?" in errors, is_one_sentence(errors)) == (2, True, True)


def test_a_named_file_without_the_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text("[project]")
    code, _, errors = ran("sweep", "--config", "other.toml", cwd=tmp_path)
    assert (code, "has no [tool.midpipe]" in errors, is_one_sentence(errors)) == (2, True, True)


def test_the_published_schema_is_fresh() -> None:
    """Made by: python -c "from midpipe.reports.cli.config_schema import write_schema; write_schema()"."""
    assert json.loads(SCHEMA_FILE.read_text("utf-8")) == schema()


@pytest.mark.parametrize(
    ("text", "is_valid"),
    [
        ('subject = "q.py:Q"\njobs = 4\nfail-on = "HIGH"\nprogram = ["enqueue", "work"]', True),
        ("time-budget = 90", True),
        ('time-budget = "10m"', True),
        ("[fuzz]\nseed = 3", True),
        ('fuzz = "20s"', True),
        ('[promises]\ndelivery = "at-most-once"\nrecovers_within_s = 2.5', True),
        ('fail-on = "SEVERE"', False),
        ("jobs = 0", False),
        ('[promises]\ndelivery = "sometimes"', False),
        ("[sweep]\nunknown = 1", False),
        ("unknown = 1", False),
    ],
)
def test_an_editor_accepts_what_the_command_line_accepts(text: str, is_valid: bool) -> None:
    validator = jsonschema.Draft202012Validator(schema())
    assert validator.is_valid(tomllib.loads(text)) is is_valid


def test_the_schema_has_every_promise() -> None:
    properties = schema()["properties"]["promises"]["properties"]
    numbers = {name: 1.0 for name, rule in properties.items() if rule.get("type") == "number"}
    words = {name: rule["enum"][0] for name, rule in properties.items() if "enum" in rule}
    accepted = declared(numbers, words, {"deduplicates_for": "until-done"})
    assert {name for name, _ in accepted.sources} == set(properties)

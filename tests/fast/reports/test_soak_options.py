"""Options of ``midpipe soak`` that had another name once."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from midpipe.reports.cli.main import cli


@pytest.mark.parametrize(
    ("segment", "segment_jobs"), [("--segment", "--segment-jobs"), ("--leg", "--leg-jobs")]
)
def test_the_former_names_of_the_options_still_work(
    tmp_path: Path, segment: str, segment_jobs: str
) -> None:
    words = ["soak", "--out", str(tmp_path), "--jobs-total", "300", segment_jobs, "100", segment]
    ended = CliRunner().invoke(cli, [*words, "9"])
    assert ended.exit_code == 2
    assert "the plan has 3 segments" in ended.output


def test_the_help_shows_the_present_names_only() -> None:
    shown = CliRunner().invoke(cli, ["soak", "--help"]).output
    assert "--segment-jobs" in shown
    assert "--leg" not in shown

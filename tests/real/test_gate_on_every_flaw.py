"""The gate fails every flawed queue, in every round. Whether the right invariant falls is selfcheck's to say.

``MIDPIPE_ROUNDS=10 tox -e nightly -- tests/real/test_gate_on_every_flaw.py`` for ten rounds of each; without it, one.
``-k pairs`` takes some of the queues, ``--durations=0`` shows how long each took.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from midpipe.reports.verdict_file import read_verdict
from midpipe.scenarios.flaws.registry import FLAWS
from midpipe.scenarios.model.verdict import Outcome
from tests.real.commands import ran

ROUNDS = int(os.environ.get("MIDPIPE_ROUNDS", "1"))


@pytest.mark.nightly
@pytest.mark.timeout(600 * ROUNDS)
@pytest.mark.parametrize("subject", sorted({flaw.subject for flaw in FLAWS}))
def test_the_gate_fails_every_flawed_queue_in_every_round(tmp_path: Path, subject: str) -> None:
    for _ in range(ROUNDS):
        arguments = ("gate", "--fail-fast", "--subject", subject)
        code, output, errors = ran(*arguments, cwd=tmp_path, timeout_s=600)
        verdict = read_verdict(tmp_path / ".midpipe" / "verdict.json")
        seen = (code, verdict.outcome, bool(verdict.findings))
        assert seen == (1, Outcome.FAIL, True), output + errors

"""The checkpoint file: round trip, and the messages for one that a run cannot be resumed from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from midpipe.faultinject.decide.interleave import Interleave
from midpipe.faultinject.decide.ledger import Ledger
from midpipe.faultinject.errors import UsageError
from midpipe.scenarios.gate.options import Options
from midpipe.scenarios.gate.resume import (
    Checkpoint,
    CheckpointFile,
    FuzzState,
    OrdersState,
    request_of,
)
from midpipe.scenarios.gate.tally import Tally, ViolationGroup
from midpipe.scenarios.model.coverage import Place
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.model.verdict import CheckerCrash

FUZZ = Options(SubjectSpec("shop.queue:Queue"), parts=("fuzz",))
ORDERS = replace(FUZZ, parts=("interleave",))
PLACE = Place("enqueue", 1, "EVALSHA", again=False, state="absent")
GROUP = ViolationGroup(
    invariant="no-duplicate",
    method="enqueue",
    replay="written(A enqueue job-1): A1!late",
    program="written(A enqueue job-1)",
    faults=1,
    evidence=("job-1 was delivered 2 times.",),
    cases=3,
    blob="@reproduce_failure('6', b'')",
)
TALLY = Tally(
    cases=900,
    invalid=[("enqueue: A1!late", "the fault did not fire")],
    crashes={CheckerCrash("no-orphan", "KeyError"), CheckerCrash("quiet-logs", "KeyError")},
    violations={"no-duplicate": 3},
    observations={"no-duplicate": 2_000},
    groups=[GROUP],
    violated_invariants={"enqueue: A1!late": frozenset({"no-duplicate", "no-lost-job"})},
    seconds=[1.0, 2.0, 3.0, 4.0],
)
LEDGER = Ledger()
LEDGER.planned("late", "A1:RPUSH")
LEDGER.pruned("late", "late-read", "A2:HGET")
LEDGER.ended("late", "A1:RPUSH", valid=True, violated=True)
FUZZING = Checkpoint(
    request=request_of(FUZZ),
    spent_s=120.0,
    tally=TALLY,
    fuzz=FuzzState(
        next_seeds=(31, 1_000_030),
        ledger=LEDGER,
        sometimes={"an enqueue was refused as a duplicate": 40},
        nondeterministic={"enqueue: A1!late": "at wire event 2"},
        examples=900,
        coverage=((PLACE, "late", 12),),
        possible=((PLACE, ("late", "stall")),),
    ),
)
EXPLORING = Checkpoint(
    request=request_of(ORDERS),
    spent_s=60.0,
    tally=TALLY,
    orders=OrdersState(
        finished=("update-vs-get",),
        frontiers={"same-request-twice": Interleave().frontier()},
        missing={"two-claims": ("claim",)},
        nondeterministic={"update-vs-get": "at wire event 2"},
        cases=900,
        violated=3,
        invalid=1,
        ledger=LEDGER.rows("update-vs-get"),
    ),
)


@pytest.mark.parametrize("checkpoint", [FUZZING, EXPLORING], ids=["fuzz", "interleave"])
def test_a_checkpoint_is_read_back_as_it_was_written(
    tmp_path: Path, checkpoint: Checkpoint
) -> None:
    file = CheckpointFile(tmp_path / "run" / "checkpoint.json", checkpoint.request)
    file.write(checkpoint)
    assert file.read() == checkpoint


def test_the_checkpoint_of_a_completed_run_is_removed(tmp_path: Path) -> None:
    file = CheckpointFile(tmp_path / "checkpoint.json", FUZZING.request)
    file.write(FUZZING)
    file.write(None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "options",
    [
        replace(FUZZ, subject=SubjectSpec("other.queue:Queue")),
        replace(FUZZ, jobs=FUZZ.jobs + 1),
        replace(FUZZ, seed=FUZZ.seed + 1),
        ORDERS,
    ],
    ids=["subject", "jobs", "seed", "part"],
)
def test_a_checkpoint_of_another_request_is_refused(tmp_path: Path, options: Options) -> None:
    path = tmp_path / "checkpoint.json"
    CheckpointFile(path, FUZZING.request).write(FUZZING)
    with pytest.raises(UsageError, match="Use the same options, or leave --resume out"):
        CheckpointFile(path, request_of(options)).read()


@pytest.mark.parametrize(
    "options",
    [
        replace(ORDERS, programs=("update-vs-get",)),
        replace(ORDERS, max_preemptions=None),
        replace(ORDERS, max_interleaved_faults=2),
        replace(ORDERS, prune=False),
    ],
    ids=["programs", "preemptions", "faults", "prune"],
)
def test_a_checkpoint_of_other_orders_is_refused(tmp_path: Path, options: Options) -> None:
    path = tmp_path / "checkpoint.json"
    CheckpointFile(path, EXPLORING.request).write(EXPLORING)
    with pytest.raises(UsageError, match="Use the same options, or leave --resume out"):
        CheckpointFile(path, request_of(options)).read()


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"format": 1}'])
def test_a_broken_checkpoint_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "checkpoint.json"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"can't be read.*start a new run"):
        CheckpointFile(path, FUZZING.request).read()


def test_a_checkpoint_of_another_version_is_refused(tmp_path: Path) -> None:
    file = CheckpointFile(tmp_path / "checkpoint.json", FUZZING.request)
    file.write(replace(FUZZING, format=1))
    with pytest.raises(UsageError, match="another version of midpipe"):
        file.read()


def test_a_run_without_a_checkpoint_cannot_be_resumed(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no run to resume"):
        CheckpointFile(tmp_path / "none.json", FUZZING.request).read()

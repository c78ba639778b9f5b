"""The model of large campaigns: its table in the documents, and what has to hold in it."""

from __future__ import annotations

import importlib.util
import random
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def model() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "campaign_model", ROOT / ".ci" / "campaign_model.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_table_in_the_documents_is_the_model_s(model: ModuleType) -> None:
    assert model.table() in (ROOT / "docs" / "figures.md").read_text("utf-8")


def test_without_losses_and_overhead_ten_workers_are_ten_times_as_fast(model: ModuleType) -> None:
    ideal = replace(
        model.MEASURED, shard_s=0.0, spread=0.0, task_s=0.0, merge_s=0.0, lost_per_hour=1e-9
    )
    one, ten = (model.simulate(workers, 1_000, random.Random(0), ideal) for workers in (1, 10))
    assert one.seconds == pytest.approx(10 * ten.seconds)
    assert (one.repeated, ten.overhead) == (0.0, pytest.approx(0.0))


def test_a_shard_whose_machine_is_taken_away_runs_again(model: ModuleType) -> None:
    frequent = replace(model.MEASURED, lost_per_hour=60.0)
    lossy = model.simulate(10, 1_000, random.Random(0), frequent)
    assert lossy.repeated > 0.1
    assert lossy.seconds > model.simulate(10, 1_000, random.Random(0), model.MEASURED).seconds

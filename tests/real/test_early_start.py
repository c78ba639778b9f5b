"""Starting a server and a subject before the rest of midpipe is loaded."""

from __future__ import annotations

import psutil
import pytest

from midpipe.faultinject.errors import ServerError
from midpipe.faultinject.servers.opening import ServerSpec
from midpipe.scenarios.explore.early_start import start_early
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.spec import SubjectSpec


def loading_processes() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if child.cmdline()[2:3] == ["fork"]]


def test_a_worker_uses_the_process_that_loads_its_subject_already() -> None:
    started = start_early(ServerSpec(), SubjectSpec())
    loading = loading_processes()
    worker = Worker(ServerSpec(), started=started)
    try:
        worker.rig(SubjectSpec())
        assert loading_processes() == loading
    finally:
        worker.close()
    assert not any(process.is_running() for process in loading)


def test_a_subject_that_was_loaded_for_nothing_is_ended_with_the_worker() -> None:
    started = start_early(ServerSpec(), SubjectSpec())
    loading = loading_processes()
    Worker(ServerSpec(), started=started).close()
    assert not any(process.is_running() for process in loading)


def test_nothing_is_left_of_an_early_start_whose_server_can_not_be_started() -> None:
    with pytest.raises(ServerError):
        start_early(ServerSpec(where="/no/such/server"), SubjectSpec())
    assert not loading_processes()

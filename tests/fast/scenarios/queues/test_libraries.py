"""The released libraries that midpipe knows: each entry names what exists, and promises what midpipe can judge."""

from __future__ import annotations

import pytest

from midpipe.scenarios.model.promises import declared
from midpipe.scenarios.queues import FOLDER, LIBRARIES, Library

each_library = pytest.mark.parametrize("library", LIBRARIES.values(), ids=LIBRARIES)
MOST_LINES = 85


@each_library
def test_a_library_has_an_adapter_of_one_page(library: Library) -> None:
    adapter = FOLDER / library.adapter.partition(":")[0]
    assert len(adapter.read_text("utf-8").splitlines()) <= MOST_LINES


@each_library
def test_a_library_promises_what_midpipe_knows_and_names_its_source(library: Library) -> None:
    assert declared(library.promises).delivery
    assert library.documented.endswith(").")


def test_the_requirement_of_a_release_is_written_as_its_registry_takes_it() -> None:
    assert LIBRARIES["celery"].packages("5.7.0") == ("celery[redis]==5.7.0",)
    assert LIBRARIES["bullmq"].packages("6.7.0") == ("bullmq@6.7.0", "ioredis")
    assert LIBRARIES["asynq"].packages("0.26.0") == ("github.com/hibiken/asynq@v0.26.0",)

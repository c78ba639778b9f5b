"""What a run that ended before the stories of its findings says it left out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from midpipe.scenarios.gate.options import Options
from midpipe.scenarios.gate.parts.part import Results
from midpipe.scenarios.gate.parts.stories import Stories
from midpipe.scenarios.model.messages import StoryDone
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.model.story import Story
from tests.fast.scenarios.gate.test_tally import ended, tally_of

RECORDED = StoryDone(
    story=Story("enqueue: A1!kill", ()),
    violated_invariants=(),
    unplaced=(),
    invalid_reason="",
    shape=(),
)


@pytest.mark.parametrize(
    ("violated", "recorded", "phrase"),
    [
        (("no-lost-job",), 0, "the story of 1 finding"),
        (("no-lost-job", "no-duplicate"), 0, "the stories of 2 findings"),
        (("no-lost-job", "no-duplicate"), 1, "the story of 1 of 2 findings"),
        (("no-lost-job", "no-duplicate"), 2, ""),
    ],
)
def test_the_stories_that_were_not_recorded_are_counted(
    violated: tuple[str, ...], recorded: int, phrase: str
) -> None:
    results = Results(tally=tally_of(ended("enqueue: A1!kill", *violated)))
    stories = Stories(Options(SubjectSpec()), results)
    for number in range(recorded):
        stories.take(number, RECORDED)
    assert stories.record_cut_off() == phrase


def test_a_finding_names_the_program_to_which_shrinking_cut_its_case() -> None:
    results = Results(tally=tally_of(ended("enqueue-once: A1!kill", "no-lost-job")))
    stories = Stories(Options(SubjectSpec()), results)
    stories.take(0, replace(RECORDED, violated_invariants=("no-lost-job",)))
    stories.finish()
    (finding,) = results.findings
    assert (finding.program, finding.replay) == ("enqueue", "enqueue: A1!kill")

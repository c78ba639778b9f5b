"""Stories: each finding's shortest case and a neighbouring case that passes, run again and recorded step by step."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from midpipe.faultinject.decide.schedule import (
    Schedule,
    command_at,
    parse_replay_string,
    replay_string,
)
from midpipe.faultinject.faults import CATALOGUE
from midpipe.scenarios.explore.stories import SHRINKS_FOR_S, StoryTask
from midpipe.scenarios.explore.worker import Task
from midpipe.scenarios.fuzz.examples import example_file, read_examples, write_examples
from midpipe.scenarios.gate.excerpts import code_of
from midpipe.scenarios.gate.grouping import culprit_of, one_per_cause
from midpipe.scenarios.gate.options import Options
from midpipe.scenarios.gate.parts.part import Results
from midpipe.scenarios.gate.tally import ViolationGroup
from midpipe.scenarios.gate.task_queue import TaskQueue
from midpipe.scenarios.model.finding import KindRow, PlacedFault
from midpipe.scenarios.model.messages import Message, StoryDone
from midpipe.scenarios.model.story import Story
from midpipe.scenarios.model.verdict import Finding

STORY_RUNS = 3


class Stories:
    """Makes a finding of each kind of violation. One whose story could not be recorded is still a finding."""

    name = "stories"

    def __init__(self, options: Options, results: Results) -> None:
        self._options = options
        self._results = results
        self._groups = results.tally.ranked(options.judged_by.invariants)
        self._stories: dict[int, StoryDone] = {}
        self.queue = TaskQueue(2 * len(self._groups))

    def task(self, number: int, deadline_s: float) -> tuple[str, Task]:
        """Return the task of a finding's case; those of the neighbouring cases come after all of them."""
        tally, count = self._results.tally, len(self._groups)
        group = self._groups[number % count]
        # A run that stopped at its first finding may not have run the case without faults.
        neighbour = tally.neighbour_of(group) or replay_string(group.program, Schedule())
        is_case = number < count
        replay = group.replay if is_case else neighbour
        task = StoryTask(
            self._options.subject,
            replay,
            latency_bound_ms=self._options.latency_bound_ms,
            shrinks_for=group.invariant if is_case else "",
            shrinks_s=max(0.0, min(SHRINKS_FOR_S, deadline_s - time.monotonic())),
            deadline_s=deadline_s,
            runs=STORY_RUNS if is_case else 1,
        )
        return replay, task

    def record_cut_off(self) -> str:
        count = len(self._groups)
        untold = sum(number not in self._stories for number in range(count))
        if not untold:
            return ""
        noun = "story" if untold == 1 else "stories"
        of = f"{untold} of " if untold < count else ""
        return f"the {noun} of {of}{count} finding{'' if count == 1 else 's'}"

    def take(self, number: int, message: Message) -> None:
        if isinstance(message, StoryDone):
            self._stories[number] = message

    def finish(self) -> None:
        findings = tuple(self._finding(number, group) for number, group in enumerate(self._groups))
        self._keep_examples(findings)
        self._results.findings = one_per_cause(findings)
        self._results.kinds = tuple(
            KindRow(group.method, group.confirmed, finding)
            for group, finding in zip(self._groups, findings, strict=True)
        )

    def _keep_examples(self, findings: Sequence[Finding]) -> None:
        """Replace examples in the example database by the shorter cases that shrinking found."""
        directory, subject = self._options.examples, self._options.subject
        if directory is None:
            return
        path = example_file(directory, subject)
        smaller = {
            group.replay: finding.replay
            for group, finding in zip(self._groups, findings, strict=True)
        }
        kept = read_examples(path)
        if any(example.replay in smaller for example in kept):
            shrunk = [replace(e, replay=smaller.get(e.replay, e.replay)) for e in kept]
            write_examples(path, subject, shrunk)

    def _finding(self, number: int, group: ViolationGroup) -> Finding:
        case, neighbour = self._stories.get(number), self._stories.get(len(self._groups) + number)
        if case is not None and (
            case.nondeterministic or group.invariant not in case.violated_invariants
        ):
            again = (
                "not in the runs for its story"
                if group.invariant not in case.violated_invariants
                else "not in the same way each time"
            )
            self._results.warnings.append(
                f"{case.story.replay!r} violated {group.invariant} when it was run again, but {again}: the subject is "
                f"nondeterministic there{': ' + case.nondeterministic if case.nondeterministic else ''}."
            )
        story = case.story if case is not None else None
        replay = story.replay if story is not None else group.replay
        passes = neighbour is not None and group.invariant not in neighbour.violated_invariants
        invariant = self._options.judged_by.invariants[group.invariant]
        faults = _placed_faults(replay, story)
        begins_in = group.hit or group.method if story is None else group.method
        culprit = culprit_of(story, group.invariant, begins_in)
        return Finding(
            id=f"F{number + 1}",
            invariant=group.invariant,
            severity=invariant.severity,
            # Shrinking may have found a shorter program than the one that was generated.
            program=parse_replay_string(replay, CATALOGUE)[0],
            replay=replay,
            claim=invariant.claim,
            evidence=group.evidence,
            operation=culprit.call,
            faults=faults,
            cases=group.cases,
            replays=group.replays,
            story=story,
            neighbour=neighbour.story if neighbour is not None and passes else None,
            # The line reproduces the fuzzed case, not the shorter one that was found since.
            blob=group.blob if replay == group.replay else "",
            on=self._options.server.option,
            source=culprit.source,
            command=culprit.command or next((fault.place for fault in faults), ""),
            code=code_of(story),
            method=group.method,
        )


def _placed_faults(replay: str, story: Story | None) -> tuple[PlacedFault, ...]:
    """Return the faults of a case's schedule, with their places as far as its story knows them."""
    commands = [step.command for step in story.steps if step.command] if story else []
    places = {(command.position, command.fault): command.place for command in commands}
    return tuple(
        PlacedFault(
            fault=str(step.fault),
            position=str(step.position),
            place=places.get((str(step.position), str(step.fault)), command_at(step)),
        )
        for step in parse_replay_string(replay, CATALOGUE)[1].faults
    )

"""Stories: each finding's shortest case and a neighbouring case that passes, run again and recorded step by step."""

from __future__ import annotations

import time
from dataclasses import replace

from midpipe.faultinject.decide.schedule import Schedule, parse_replay_string, replay_string
from midpipe.faultinject.faults import CATALOGUE
from midpipe.scenarios.explore.stories import SHRINKS_FOR_S, StoryTask
from midpipe.scenarios.explore.worker import Task
from midpipe.scenarios.fuzz.examples import example_file, read_examples, write_examples
from midpipe.scenarios.gate.options import Options
from midpipe.scenarios.gate.parts.part import Results
from midpipe.scenarios.gate.tally import ViolationGroup
from midpipe.scenarios.invariants import INVARIANTS
from midpipe.scenarios.model.messages import Message, StoryDone
from midpipe.scenarios.model.story import SourceLine, StepKind, Story
from midpipe.scenarios.model.verdict import Finding, PlacedFault

STORY_RUNS = 3


class Stories:
    """Makes a finding of each kind of violation. One whose story could not be recorded is still a finding."""

    name = "stories"

    def __init__(self, options: Options, results: Results) -> None:
        self._options = options
        self._results = results
        self._stories: dict[int, StoryDone] = {}

    def tasks(self) -> tuple[tuple[str, Task], ...]:
        tally = self._results.tally
        cases: list[tuple[str, str]] = []
        for group in tally.ranked():
            neighbour = tally.neighbour_of(group)
            # A run that stopped at its first finding may not have run the case without faults.
            neighbour = neighbour or replay_string(group.program, Schedule())
            cases += [(group.replay, group.invariant), (neighbour, "")]
        subject, bound_ms = self._options.subject, self._options.latency_bound_ms
        shrinks_s = self._shrinks_s(len(cases) // 2)
        return tuple(
            (
                replay,
                StoryTask(
                    subject=subject,
                    replay=replay,
                    latency_bound_ms=bound_ms,
                    shrinks_for=shrinks_for,
                    shrinks_s=shrinks_s,
                    runs=STORY_RUNS if shrinks_for else 1,
                ),
            )
            for replay, shrinks_for in cases
        )

    def _shrinks_s(self, findings: int) -> float:
        """Return how long to shrink each finding, in seconds: its share of the time left, if there is a limit."""
        if self._results.stories_deadline_s is None or not findings:
            return SHRINKS_FOR_S
        left_s = max(0.0, self._results.stories_deadline_s - time.monotonic())
        return min(SHRINKS_FOR_S, left_s * self._options.jobs / findings)

    def take(self, number: int, message: Message) -> None:
        if isinstance(message, StoryDone):
            self._stories[number] = message

    def finish(self, seconds: float) -> None:
        self._results.findings = tuple(
            self._finding(number, group)
            for number, group in enumerate(self._results.tally.ranked())
        )
        self._keep_examples()

    def _keep_examples(self) -> None:
        """Replace examples in the example database by the shorter cases that shrinking found."""
        directory, subject = self._options.examples, self._options.subject
        if directory is None:
            return
        path = example_file(directory, subject)
        groups, findings = self._results.tally.ranked(), self._results.findings
        smaller = {
            group.replay: finding.replay for group, finding in zip(groups, findings, strict=True)
        }
        kept = read_examples(path)
        if any(example.replay in smaller for example in kept):
            shrunk = [replace(e, replay=smaller.get(e.replay, e.replay)) for e in kept]
            write_examples(path, subject, shrunk)

    def _finding(self, number: int, group: ViolationGroup) -> Finding:
        case, neighbour = self._stories.get(2 * number), self._stories.get(2 * number + 1)
        if case is not None and (
            case.nondeterministic or group.invariant not in case.violated_invariants
        ):
            again = (
                "did not"
                if group.invariant not in case.violated_invariants
                else "did so differently"
            )
            self._results.warnings.append(
                f"{case.story.replay!r} violated {group.invariant} once and {again} when run again: the subject is "
                f"nondeterministic there{': ' + case.nondeterministic if case.nondeterministic else ''}."
            )
        story = case.story if case is not None else None
        replay = story.replay if story is not None else group.replay
        passes = neighbour is not None and group.invariant not in neighbour.violated_invariants
        invariant = INVARIANTS[group.invariant]
        return Finding(
            id=f"F{number + 1}",
            invariant=group.invariant,
            severity=invariant.severity,
            program=group.program,
            replay=replay,
            claim=invariant.claim,
            evidence=group.evidence,
            operation=group.method,
            faults=_placed_faults(replay, story),
            cases=group.cases,
            story=story,
            neighbour=neighbour.story if neighbour is not None and passes else None,
            blob=group.blob,
            on=self._options.server.option,
            source=_source(story, group.method),
        )


def _source(story: Story | None, method: str) -> SourceLine | None:
    """Return the line that sent the command to begin with: the one with the fault, else the method's last one."""
    calls: dict[str, str] = {}
    found: SourceLine | None = None
    for step in story.steps if story else ():
        if step.kind is StepKind.CALL and step.call is not None:
            calls[step.client] = step.call.method
        if step.command is None or step.command.source is None:
            continue
        if step.command.fault:
            return step.command.source.sent
        if not method or calls.get(step.client) == method:
            found = step.command.source.sent
    return found


def _placed_faults(replay: str, story: Story | None) -> tuple[PlacedFault, ...]:
    """Return the faults of a case's schedule, with their places as far as its story knows them."""
    commands = [step.command for step in story.steps if step.command] if story else []
    places = {(command.position, command.fault): command.place for command in commands}
    return tuple(
        PlacedFault(
            fault=str(step.fault),
            position=str(step.position),
            place=places.get((str(step.position), str(step.fault)), step.command),
        )
        for step in parse_replay_string(replay, CATALOGUE)[1].faults
    )

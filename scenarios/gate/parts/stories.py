"""Stories: each finding's shortest case and a neighbouring case that passes, run again and recorded step by step."""

from __future__ import annotations

import time
from dataclasses import replace

from midpipe.faultinject.decide.schedule import Schedule, replay_string
from midpipe.scenarios.explore.tasks import SHRINKS_FOR_S, Message, StoryTask, StoryTold, Task
from midpipe.scenarios.fuzz.examples import example_file, read_examples, write_examples
from midpipe.scenarios.gate.options import Options
from midpipe.scenarios.gate.parts.part import Results
from midpipe.scenarios.gate.tally import Found, Kind
from midpipe.scenarios.invariants import INVARIANTS
from midpipe.scenarios.model.verdict import Finding, Story

STORY_RUNS = 3


class Stories:
    """Makes a finding of each kind of violation. One whose story could not be recorded is still a finding."""

    name = "stories"

    def __init__(self, options: Options, results: Results) -> None:
        self._options = options
        self._results = results
        self._stories: dict[int, StoryTold] = {}

    def tasks(self) -> tuple[tuple[str, Task], ...]:
        tally = self._results.tally
        cases: list[tuple[str, str]] = []
        for kind, found in tally.kinds():
            neighbour = tally.neighbour_of(kind, found)
            # A run that stopped at its first finding may not have run the case without faults.
            neighbour = neighbour or replay_string(found.program, Schedule())
            cases += [(found.replay, kind.invariant), (neighbour, "")]
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
        if isinstance(message, StoryTold):
            self._stories[number] = message

    def finish(self, seconds: float) -> None:
        self._results.findings = tuple(
            self._finding(number, kind, found)
            for number, (kind, found) in enumerate(self._results.tally.kinds())
        )
        self._keep_examples()

    def _keep_examples(self) -> None:
        """Replace examples in the example database by the shorter cases that shrinking found."""
        directory, subject = self._options.examples, self._options.subject
        if directory is None:
            return
        path = example_file(directory, subject)
        smaller = {
            found.replay: finding.replay
            for (_, found), finding in zip(
                self._results.tally.kinds(), self._results.findings, strict=True
            )
        }
        kept = read_examples(path)
        if any(example.replay in smaller for example in kept):
            shrunk = [replace(e, replay=smaller.get(e.replay, e.replay)) for e in kept]
            write_examples(path, subject, shrunk)

    def _finding(self, number: int, kind: Kind, found: Found) -> Finding:
        case, neighbour = self._stories.get(2 * number), self._stories.get(2 * number + 1)
        if case is not None and (
            case.nondeterministic or kind.invariant not in case.violated_invariants
        ):
            again = (
                "did not"
                if kind.invariant not in case.violated_invariants
                else "did so differently"
            )
            self._results.warnings.append(
                f"{case.story.replay!r} violated {kind.invariant} once and {again} when run again: the subject is "
                f"nondeterministic there{': ' + case.nondeterministic if case.nondeterministic else ''}."
            )
        story = case.story if case is not None else Story(found.replay, ())
        passes = neighbour is not None and kind.invariant not in neighbour.violated_invariants
        placed = next((step for step in story.steps if step.fault), None)
        invariant = INVARIANTS[kind.invariant]
        return Finding(
            id=f"F{number + 1}",
            invariant=kind.invariant,
            severity=invariant.severity,
            program=found.program,
            replay=story.replay,
            claim=invariant.claim,
            evidence=found.evidence,
            operation=kind.method,
            place=f"{placed.position} ({placed.place})" if placed else "",
            fault=placed.fault if placed else "",
            cases=found.cases,
            story=story,
            neighbour=neighbour.story if neighbour is not None and passes else None,
            blob=found.blob,
            on=self._options.server.option,
        )

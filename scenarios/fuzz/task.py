"""The task of fuzzing a subject: first the failing cases that are known, then batch after batch until the deadline."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, dataclass

from midpipe.faultinject.decide.schedule import parse_replay_string
from midpipe.faultinject.errors import SubjectError, UsageError
from midpipe.faultinject.faults import CATALOGUE
from midpipe.faultinject.servers.persistence import Persistence
from midpipe.scenarios.case.rig import Rig
from midpipe.scenarios.explore.replaying import confirmed_replay
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.fuzz.space import Steering
from midpipe.scenarios.model.messages import CaseEnded, FuzzBatch, Message, ended_from
from midpipe.scenarios.model.record import Violation
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.programs.registry import program_named

_PERSISTENCE = Persistence.AOF_ALWAYS


@dataclass(frozen=True, slots=True)
class FuzzTask:
    """Generate programs, orders and faults, and run them.

    Args:
        seed: of the first batch; the same seed gives the same examples, as far as the time allows.
        latency_bound_ms: for a subject that declares none.
        deadline_s: on the monotonic clock, which all processes share; no case begins after it.
        time_s: how long to run examples, from the moment the subject is ready; it may take long on a busy machine. The
            first examples, one for each required event, are run even if they take longer.
        invariants: stop once each of them was violated; empty goes on until the deadline.
        examples: replay strings to run first.
        corpus: where workers share what they find, as in Corpus; its failing cases are run first. Empty shares nothing.
        steering: what decides on the examples that come next.
    """

    subject: SubjectSpec
    _: KW_ONLY
    seed: int
    latency_bound_ms: float
    deadline_s: float
    time_s: float = math.inf
    invariants: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    corpus: str = ""
    steering: Steering = Steering.COVERAGE

    def run(self, worker: Worker) -> Iterator[Message]:
        # Hypothesis takes a third of a second to load, and no other task needs it.
        from midpipe.scenarios.fuzz.corpus import Corpus
        from midpipe.scenarios.fuzz.fuzzing import Fuzzing

        corpus = Corpus(self.corpus, self.subject) if self.corpus else None
        finds = corpus.finds() if corpus else ()
        known: list[Violation] = []
        for message in self._known_cases(worker, tuple(dict.fromkeys((*finds, *self.examples)))):
            if isinstance(message, CaseEnded):
                known += message.violations
            elif corpus:
                for line in set(message.stale) & set(finds):
                    corpus.drop_find(line)
            yield message
        fuzzing = Fuzzing(
            worker.rig(self.subject),
            seed=self.seed,
            latency_bound_ms=self.latency_bound_ms,
            deadline_s=self.deadline_s,
            time_s=self.time_s,
            invariants=self.invariants,
            steering=self.steering,
            known=known,
            corpus=corpus,
            durable=self._durable_rig(worker),
            is_cancelled=worker.is_cancelled,
        )
        yield from fuzzing.run()

    def _known_cases(
        self, worker: Worker, lines: tuple[str, ...]
    ) -> Iterator[CaseEnded | FuzzBatch]:
        batch = FuzzBatch(self.seed)
        ends_s = min(self.deadline_s, time.monotonic() + self.time_s)
        for line in lines:
            if worker.is_over(ends_s):
                break
            try:
                name, schedule = parse_replay_string(line, CATALOGUE)
                replayed = confirmed_replay(
                    worker,
                    self.subject,
                    program_named(name),
                    schedule,
                    self.latency_bound_ms,
                    is_over=lambda: worker.is_over(ends_s),
                )
            except (SubjectError, UsageError):
                batch.stale.append(line)
                continue
            if replayed.unplaced:
                batch.stale.append(line)
            else:
                yield ended_from(replayed.record, schedule)
        yield batch

    def _durable_rig(self, worker: Worker) -> Callable[[], Rig] | None:
        """Return what makes a rig on a server that may be killed; None if the server is not midpipe's own."""
        if not worker.server.is_ours:
            return None
        return lambda: worker.second_rig(self.subject, _PERSISTENCE)

"""One audit: scans the keys, walks the places, and reads every suspect again once it has settled.

    scan     every key once; each job's copies are read, and the rules that need no walk are judged
    walk     every list (and every place whose members can't be read by name) once: its members have to have data, and
             the jobs that should be in it are struck off
    settle   suspects are read again, until none is open

Memory: bounded by the limits below, whatever the key space. Jobs that should be in a list wait for its walk in batches;
if more of them wait than a batch holds, the list is walked several times.

Blind to: what ``rules`` is blind to, and a job that is created after the scan has passed the place of its key.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from itertools import islice

from midpipe.scenarios.audit.copies import first_of_their_jobs
from midpipe.scenarios.audit.found_places import FoundPlaces
from midpipe.scenarios.audit.layout import Due, Kept, Layout, OfStream, Once, Waiting, Within
from midpipe.scenarios.audit.list_walk import Repeats
from midpipe.scenarios.audit.observation import Observation, Suspicion, bytes_of
from midpipe.scenarios.audit.pattern import JOB, glob_of
from midpipe.scenarios.audit.reading import Member, Reading, TornError
from midpipe.scenarios.audit.results import Progress, Stage
from midpipe.scenarios.audit.rules import examine, open_places
from midpipe.scenarios.audit.state_file import Parts, State
from midpipe.scenarios.audit.suspects import Suspect, Suspects
from midpipe.scenarios.audit.throttled_connection import StoppedError, ThrottledConnection

MOST_WAITING = 100_000
MOST_OPAQUE = 500_000
_SLOW_S, _QUICK_S = 0.1, 0.03
_LEAST_KEYS, _MOST_KEYS = 20, 500
_SUSPECTS_PER_LOOK = 5_000
_JOBS_PER_READ = 200
_STORE_EVERY_S, _STORING_SHARE = 1.0, 0.05


class Auditing:
    """One audit of one database.

    Args:
        layout: what is consistent.
        connection: sends the reads.
        state: where to begin; it is kept up to date.
        sample: share of jobs to check.
        settle_s: how long a suspect settles, in seconds.
        on_checkpoint: called between batches; may store the state.
        on_progress: called between batches.
        should_stop: whether the audit has been asked to stop.
    """

    def __init__(
        self,
        layout: Layout,
        connection: ThrottledConnection,
        state: State,
        *,
        sample: float = 1.0,
        settle_s: float | None = None,
        on_checkpoint: Callable[[State], None] = lambda state: None,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self._layout = layout
        self._connection = connection
        self._places = FoundPlaces(state.places)
        self._reading = Reading(layout, connection, self._places.keys_of)
        self._inner = frozenset(rule.place for rule in layout.rules if isinstance(rule, Within))
        self._sample = sample
        self.state = state
        self.suspects = Suspects(layout.settle_s if settle_s is None else settle_s)
        self.suspects.restore(state.open, state.confirmed, state.fates)
        self._waiting: dict[tuple[str, Parts], tuple[str, tuple[str, ...]]] = {
            (job_id, parts): (origin, places) for job_id, parts, origin, places in state.waiting
        }
        self._on_checkpoint = on_checkpoint
        self._on_progress = on_progress
        self._should_stop = should_stop
        self._stored_s = time.monotonic()
        self._storing_s = 0.0
        self._batch = 100
        self._began_s = time.monotonic() - state.seconds
        self._ops_before = state.ops
        self._unreadable_before = state.unreadable
        self._throttled_by = ""
        self._part_done = 0.0

    def run(self) -> None:
        """Audit to the end, from wherever the state is.

        Raises:
            StoppedError, ServerError: it ended early; the state says where.
        """
        state = self.state
        if state.stage is Stage.SCAN:
            self._scan()
            self._next(Stage.WALK)
        if state.stage is Stage.WALK:
            self._walk()
            self._next(Stage.SETTLE)
        if state.stage is Stage.SETTLE:
            self._settle()
            self._next(Stage.DONE)

    def throttled_by(self, reason: str) -> None:
        """Take what the connection waits for now; shown with the progress."""
        if reason != self._throttled_by:
            self._throttled_by = reason
            self._report()

    def _next(self, stage: Stage) -> None:
        self.state.stage = stage
        self._pause(at_once=True)

    def _pause(self, *, at_once: bool = False) -> None:
        """Report, and now and then bring the state up to date: between two batches, where an audit can go on."""
        self._report()
        stops = self._should_stop()
        now_s = time.monotonic()
        every_s = max(_STORE_EVERY_S, self._storing_s / _STORING_SHARE)
        if not (stops or at_once or now_s - self._stored_s > every_s):
            return
        state, suspects = self.state, self.suspects
        state.seconds = now_s - self._began_s
        state.ops = self._ops_before + self._connection.ops
        state.unreadable = self._unreadable_before + self._reading.unreadable
        state.places = list(self._places)
        state.waiting = [(job, parts, *waiting) for (job, parts), waiting in self._waiting.items()]
        state.open, state.confirmed = suspects.open, suspects.confirmed
        state.fates = tuple(suspects.fates.items())
        self._on_checkpoint(state)
        self._stored_s = time.monotonic()
        self._storing_s = self._stored_s - now_s
        if stops:
            raise StoppedError

    def _report(self) -> None:
        state = self.state
        seconds = max(time.monotonic() - self._began_s, 1e-6)
        self._on_progress(
            Progress(
                stage=state.stage,
                part_done=self._part_done,
                keys=state.keys,
                jobs=state.jobs,
                suspects=len(self.suspects),
                confirmed=sum(self.suspects.counts().values()),
                ops_s=(self._ops_before + self._connection.ops) / seconds,
                throttled_by=self._throttled_by,
            )
        )

    def _scan(self) -> None:
        glob = glob_of(self._layout.patterns.values())
        while True:
            begun_s = time.monotonic()
            cursor, keys = self._reading.scan(self.state.cursor, glob, self._batch)
            self._observe(keys)
            self._adapt(time.monotonic() - begun_s)
            self.state.cursor = cursor
            self._part_done = int(f"{cursor:064b}"[::-1], 2) / 2**64 if cursor else 1.0
            if len(self._waiting) >= MOST_WAITING:
                self._strike_off()
            self._pause()
            if not cursor:
                break
        self._strike_off()

    def _observe(self, keys: Sequence[str]) -> None:
        """Observe the jobs of a batch of keys."""
        observations: list[Observation] = []
        pointers: list[tuple[str, str]] = []
        layout = self._layout
        for key in keys:
            name, parts = self._kind_of(key)
            self.state.keys += bool(name)
            if not name:
                self.state.other_keys += 1
            elif name in layout.records:
                if self._is_sampled(parts[JOB]):
                    observations.append(Observation(parts[JOB], parts, name))
            elif name in layout.pointers:
                pointers.append((name, key))
            elif not self._places.add(name, key):
                self.state.unjudged += 1
        self._examine(first_of_their_jobs(layout, self._connection, observations))
        pointed = [
            observation
            for observation in (self._reading.pointed(pointers) if pointers else ())
            if self._is_sampled(observation.job_id)
        ]
        if pointed:
            kept = self._reading.existing(pointed)
            # A pointer to a job that exists is in order; only the others are read.
            self._examine(
                [
                    observation
                    for observation, exists in zip(pointed, kept, strict=True)
                    if not exists
                ],
                counts=False,
            )

    def _kind_of(self, key: str) -> tuple[str, dict[str, str]]:
        for name, pattern in self._layout.patterns.items():
            parts = pattern.match(key)
            if parts is not None:
                return name, parts
        return "", {}

    def _is_sampled(self, job_id: str) -> bool:
        if self._sample >= 1:
            return True
        digest = hashlib.blake2b(bytes_of(job_id), digest_size=8).digest()
        return int.from_bytes(digest) < self._sample * 2**64

    def _adapt(self, seconds: float) -> None:
        """Make the batches smaller if one takes long, as with large payloads, and larger if it does not."""
        if seconds > _SLOW_S:
            self._batch = max(_LEAST_KEYS, self._batch // 2)
        elif seconds < _QUICK_S:
            self._batch = min(_MOST_KEYS, self._batch * 2)

    def _examine(self, observations: Sequence[Observation], *, counts: bool = True) -> None:
        """Read jobs, judge them, and keep those that need a walk."""
        if not observations:
            return
        self._reading.fill(observations)
        now_s = self._connection.now_s()
        for observation in observations:
            self.state.jobs += counts
            self.state.unjudged += bool(observation.unread)
            self._suspect(examine(self._layout, observation, now_s), now_s)
            self._wait_for_walk(observation)

    def _wait_for_walk(self, observation: Observation) -> None:
        if places := open_places(self._layout, observation):
            key = observation.job_id, _parts(observation)
            self._waiting[key] = observation.origin, tuple(sorted(places))

    def _suspect(self, found: Sequence[Suspicion], now_s: float) -> None:
        before = len(self.suspects)
        self.suspects.add(found, now_s)
        self.state.suspicions += len(self.suspects) - before

    def _strike_off(self) -> None:
        """Walk the places for the jobs that wait for it; those that are not there, or twice, are read again."""
        wanted: dict[tuple[str, str], set[str]] = {}
        for (job_id, parts), (_, places) in self._waiting.items():
            for place in places:
                key = self._layout.patterns[place].formed(dict(parts))
                if key is not None:
                    wanted.setdefault((place, key), set()).add(job_id)
        counted = {
            (place, key): self._reading.counted(place, key, jobs)
            for (place, key), jobs in wanted.items()
        }
        odd: list[Observation] = []
        for (job_id, parts), (origin, places) in self._waiting.items():
            keys = [(place, self._layout.patterns[place].formed(dict(parts))) for place in places]
            found = [counted.get((place, key)) for place, key in keys if key is not None]
            if any(each is None for each in found):
                self.state.unjudged += 1
            elif sum(each.get(job_id, (0, None))[0] for each in found if each is not None) != 1:
                odd.append(Observation(job_id, dict(parts), origin))
        self._waiting.clear()
        remaining = iter(odd)
        while batch := list(islice(remaining, _SUSPECTS_PER_LOOK)):
            self._observe_closely(batch)

    def _observe_closely(self, observations: Sequence[Observation]) -> list[tuple[Suspicion, ...]]:
        """Read jobs and walk all places that they need; suspect what is wrong, and return it for each job."""
        for first in range(0, len(observations), _JOBS_PER_READ):
            self._reading.fill(observations[first : first + _JOBS_PER_READ])
        self._reading.count(
            (observation, open_places(self._layout, observation)) for observation in observations
        )
        now_s = self._connection.now_s()
        found = [examine(self._layout, observation, now_s) for observation in observations]
        for each in found:
            self._suspect(each, now_s)
        return found

    def _walk(self) -> None:
        """Walk every place whose members some rule is about."""
        about = {
            rule.place
            for rule in self._layout.rules
            if isinstance(rule, Kept | Once | Waiting | Due | Within | OfStream)
        }
        state = self.state
        walked = set(state.walked)
        once = self._layout.repeats_unseen_by_scan()
        for place, key in tuple(self._places):
            if place not in about or (place, key) in walked:
                continue
            # A walk that was stopped, or that has to begin again, counts from where it began.
            state.before_walk = state.before_walk or (state.jobs, state.unjudged)
            state.jobs, state.unjudged = state.before_walk
            remembers = place not in self._layout.members or place in once
            seen = Repeats(MOST_OPAQUE) if remembers else None
            try:
                for chunk in self._reading.members(place, key):
                    if chunk is None:
                        seen = None if seen is None else Repeats(MOST_OPAQUE)
                        state.jobs, state.unjudged = state.before_walk
                        continue
                    sampled = [member for member in chunk if self._is_sampled(member.job_id)]
                    self._members(place, sampled, seen)
            except TornError:
                state.unjudged += 1
            state.unjudged += seen.left_out if seen else 0
            self._strike_off()
            state.walked.append((place, key))
            state.before_walk = None
            self._pause()

    def _members(self, place: str, members: Sequence[Member], seen: Repeats | None) -> None:
        """Judge members of a place by their own; ``seen`` counts those that are opaque."""
        # Jobs with records are counted where those are scanned; without records, a hash or stream holds the jobs.
        counts = place not in self._layout.members or (
            not self._layout.records and self._layout.places[place].type in ("hash", "stream")
        )
        self.state.jobs += len(members) if counts else 0
        for first in range(0, len(members), _JOBS_PER_READ):
            observations = []
            for member in members[first : first + _JOBS_PER_READ]:
                observation = member.observed(place)
                if observation.is_walked(self._layout, place):
                    observation.counts[place] = 1 if seen is None else seen.count(member.job_id)
                observations.append(observation)
            self._reading.fill(observations)
            now_s = self._connection.now_s()
            for observation in observations:
                self._suspect(examine(self._layout, observation, now_s), now_s)
                if observation.origin in self._inner:
                    self._wait_for_walk(observation)
            if len(self._waiting) >= MOST_WAITING:
                self._strike_off()
            self._pause()

    def _settle(self) -> None:
        while len(self.suspects):
            now_s = self._connection.now_s()
            due = list(islice(self.suspects.due(now_s), _SUSPECTS_PER_LOOK))
            if not due:
                self._connection.sleep(min(1.0, self.suspects.wait_s(now_s)), "suspects settle")
                self._report()
                continue
            self._observe_again(due)
            self._pause()

    def _observe_again(self, due: Sequence[Suspect]) -> None:
        observations = [
            Observation(each.suspicion.job_id, dict(each.suspicion.parts), each.suspicion.origin)
            for each in due
        ]
        for first in range(0, len(observations), _JOBS_PER_READ):
            self._reading.fill(observations[first : first + _JOBS_PER_READ])
        self._reading.count(
            (observation, open_places(self._layout, observation)) for observation in observations
        )
        now_s = self._connection.now_s()
        for suspect, observation in zip(due, observations, strict=True):
            if observation.unread or open_places(self._layout, observation):
                self.suspects.not_seen(suspect, now_s)
                continue
            found = examine(self._layout, observation, now_s)
            self.suspects.observed_again(suspect, found, now_s, is_nowhere=observation.is_nowhere())


def _parts(observation: Observation) -> Parts:
    return tuple(sorted(observation.parts.items()))

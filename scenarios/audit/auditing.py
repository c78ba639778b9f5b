"""One audit: scans the keys, walks the places, and looks at every suspect again once it has settled.

    scan     every key once; each job's copies are read, and the rules that need no walk are judged
    walk     every list (and every place whose members can't be asked for) once: its members have to have data, and the
             jobs that should be in it are struck off
    settle   suspects are looked at again, until none is open

Memory: bounded by the limits below, whatever the key space. Jobs that should be in a list wait for its walk in batches;
if more of them wait than a batch holds, the list is walked several times.

Blind to: what ``rules`` is blind to, and a job that is created after the scan has passed the place of its key.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from itertools import islice

from midpipe.scenarios.audit.asking import Asking, StoppedError
from midpipe.scenarios.audit.layout import Due, Kept, Layout, Once, Waiting
from midpipe.scenarios.audit.looked import Look, Suspicion, bytes_of
from midpipe.scenarios.audit.pattern import JOB, glob_of
from midpipe.scenarios.audit.reading import Command, Member, Reading, TornError
from midpipe.scenarios.audit.results import Progress, Stage
from midpipe.scenarios.audit.rules import examine, open_places
from midpipe.scenarios.audit.state_file import Parts, State
from midpipe.scenarios.audit.suspects import Suspect, Suspects

MOST_WAITING = 100_000
MOST_PLACES = 10_000
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
        asking: sends the reads.
        state: where to begin; it is kept up to date.
        sample: share of jobs to look at.
        settle_s: how long a suspect settles, in seconds.
        on_checkpoint: called between batches; may store the state.
        on_progress: called between batches.
        should_stop: whether the audit has been asked to stop.
    """

    def __init__(
        self,
        layout: Layout,
        asking: Asking,
        state: State,
        sample: float = 1.0,
        settle_s: float | None = None,
        on_checkpoint: Callable[[State], None] = lambda state: None,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self._layout = layout
        self._asking = asking
        self._reading = Reading(layout, asking)
        self._sample = sample
        self.state = state
        self.suspects = Suspects(layout.settle_s if settle_s is None else settle_s)
        self.suspects.restore(state.open, state.confirmed, state.fates)
        self._waiting: dict[tuple[str, Parts], tuple[str, ...]] = {
            (job_id, parts): places for job_id, parts, places in state.waiting
        }
        self._places = dict.fromkeys(state.places)
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
        state.ops = self._ops_before + self._asking.ops
        state.unreadable = self._unreadable_before + self._reading.unreadable
        state.places = list(self._places)
        state.waiting = [(job, parts, places) for (job, parts), places in self._waiting.items()]
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
                ops_s=(self._ops_before + self._asking.ops) / seconds,
                throttled_by=self._throttled_by,
            )
        )

    def _scan(self) -> None:
        glob = glob_of(self._layout.patterns.values())
        while True:
            begun_s = time.monotonic()
            cursor, keys = self._reading.scan(self.state.cursor, glob, self._batch)
            self._look_at(keys)
            self._adapt(time.monotonic() - begun_s)
            self.state.cursor = cursor
            self._part_done = int(f"{cursor:064b}"[::-1], 2) / 2**64 if cursor else 1.0
            if len(self._waiting) >= MOST_WAITING:
                self._strike_off()
            self._pause()
            if not cursor:
                break
        self._strike_off()

    def _look_at(self, keys: Sequence[str]) -> None:
        """Look at a batch of keys."""
        looks: list[Look] = []
        pointers: list[tuple[str, str]] = []
        layout = self._layout
        for key in keys:
            name, parts = self._kind_of(key)
            self.state.keys += bool(name)
            if not name:
                self.state.other_keys += 1
            elif name in layout.records:
                if self._is_sampled(parts[JOB]):
                    looks.append(Look(parts[JOB], parts, name))
            elif name in layout.pointers:
                pointers.append((name, key))
            elif len(self._places) < MOST_PLACES:
                self._places[name, key] = None
            else:
                self.state.unjudged += 1
        self._examine(self._first_of_their_jobs(looks))
        pointed = [
            look
            for look in (self._reading.pointed(pointers) if pointers else ())
            if self._is_sampled(look.job_id)
        ]
        if pointed:
            kept = self._reading.existing(pointed)
            # A pointer to a job that exists is in order; only the others are worth a look.
            self._examine(
                [look for look, exists in zip(pointed, kept, strict=True) if not exists],
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

    def _first_of_their_jobs(self, looks: Sequence[Look]) -> list[Look]:
        """Leave out a copy whose job is looked at from another copy, unless that belongs elsewhere."""
        first = next(iter(self._layout.records), "")
        chosen = [look for look in looks if look.origin == first]
        later = [look for look in looks if look.origin != first]
        asked: list[tuple[Look, list[str], Command]] = []
        for look in later:
            key = self._layout.patterns[first].formed(look.parts)
            if key is not None:
                known = self._layout.patterns[first].parts
                parts = [part for part in look.parts if part not in known]
                words: Command = (
                    ("HMGET", bytes_of(key), *parts) if parts else ("EXISTS", bytes_of(key))
                )
                asked.append((look, parts, words))
        replies = self._asking([words for _, _, words in asked])
        seen_elsewhere = {
            id(look)
            for (look, parts, _), reply in zip(asked, replies, strict=True)
            if reply == 1
            or (parts and reply == tuple(bytes_of(look.parts[part]) for part in parts))
        }
        return [*chosen, *(look for look in later if id(look) not in seen_elsewhere)]

    def _adapt(self, seconds: float) -> None:
        """Make the batches smaller if one takes long, as with large payloads, and larger if it does not."""
        if seconds > _SLOW_S:
            self._batch = max(_LEAST_KEYS, self._batch // 2)
        elif seconds < _QUICK_S:
            self._batch = min(_MOST_KEYS, self._batch * 2)

    def _examine(self, looks: Sequence[Look], *, counts: bool = True) -> None:
        """Read jobs, judge them, and keep those that need a walk."""
        if not looks:
            return
        self._reading.fill(looks)
        now_s = self._asking.now_s()
        for look in looks:
            self.state.jobs += counts
            self.state.unjudged += bool(look.unread)
            self._suspect(examine(self._layout, look, now_s), now_s)
            if places := open_places(self._layout, look):
                self._waiting[look.job_id, _parts(look)] = tuple(sorted(places))

    def _suspect(self, found: Sequence[Suspicion], now_s: float) -> None:
        before = len(self.suspects)
        self.suspects.add(found, now_s)
        self.state.suspicions += len(self.suspects) - before

    def _strike_off(self) -> None:
        """Walk the places for the jobs that wait for it; those that are not there, or twice, are looked at again."""
        wanted: dict[tuple[str, str], set[str]] = {}
        for (job_id, parts), places in self._waiting.items():
            for place in places:
                key = self._layout.patterns[place].formed(dict(parts))
                if key is not None:
                    wanted.setdefault((place, key), set()).add(job_id)
        counted = {
            (place, key): self._reading.counted(place, key, jobs)
            for (place, key), jobs in wanted.items()
        }
        odd: list[Look] = []
        for (job_id, parts), places in self._waiting.items():
            keys = [(place, self._layout.patterns[place].formed(dict(parts))) for place in places]
            found = [counted.get((place, key)) for place, key in keys if key is not None]
            if any(each is None for each in found):
                self.state.unjudged += 1
            elif sum(each.get(job_id, (0, None))[0] for each in found if each is not None) != 1:
                odd.append(Look(job_id, dict(parts), places[0]))
        self._waiting.clear()
        for look, origin in ((look, look.origin) for look in odd):
            look.origin = next(iter(self._layout.records), origin)
        remaining = iter(odd)
        while batch := list(islice(remaining, _SUSPECTS_PER_LOOK)):
            self._look_closely(batch)

    def _look_closely(self, looks: Sequence[Look]) -> list[tuple[Suspicion, ...]]:
        """Read jobs and walk all places that they need; suspect what is wrong, and return it for each job."""
        for first in range(0, len(looks), _JOBS_PER_READ):
            self._reading.fill(looks[first : first + _JOBS_PER_READ])
        self._reading.count((look, open_places(self._layout, look)) for look in looks)
        now_s = self._asking.now_s()
        found = [examine(self._layout, look, now_s) for look in looks]
        for each in found:
            self._suspect(each, now_s)
        return found

    def _walk(self) -> None:
        """Walk every place whose members some rule is about."""
        about = {
            rule.place
            for rule in self._layout.rules
            if isinstance(rule, Kept | Once | Waiting | Due)
        }
        walked = set(self.state.walked)
        for place, key in list(self._places):
            if place not in about or (place, key) in walked:
                continue
            seen = _Repeats(MOST_OPAQUE) if place not in self._layout.members else None
            try:
                for chunk in self._reading.members(place, key):
                    if chunk is None:
                        seen = None if seen is None else _Repeats(MOST_OPAQUE)
                        continue
                    sampled = [member for member in chunk if self._is_sampled(member.job_id)]
                    self._members(place, sampled, seen)
            except TornError:
                self.state.unjudged += 1
            self.state.unjudged += seen.left_out if seen else 0
            self.state.walked.append((place, key))
            self._pause()

    def _members(self, place: str, members: Sequence[Member], seen: _Repeats | None) -> None:
        """Judge members of a place by their own; ``seen`` counts those that are opaque."""
        for first in range(0, len(members), _JOBS_PER_READ):
            looks = []
            for member in members[first : first + _JOBS_PER_READ]:
                look = Look(member.job_id, dict(member.parts), place)
                if look.is_walked(self._layout, place):
                    look.counts[place] = 1 if seen is None else seen.count(member.job_id)
                    # Jobs with records are counted where those are scanned.
                    self.state.jobs += seen is not None
                if member.score is not None:
                    look.scores[place] = member.score
                looks.append(look)
            self._reading.fill(looks)
            now_s = self._asking.now_s()
            for look in looks:
                self._suspect(examine(self._layout, look, now_s), now_s)
            self._pause()

    def _settle(self) -> None:
        while len(self.suspects):
            now_s = self._asking.now_s()
            due = list(islice(self.suspects.due(now_s), _SUSPECTS_PER_LOOK))
            if not due:
                self._asking.sleep(min(1.0, self.suspects.wait_s(now_s)), "suspects settle")
                self._report()
                continue
            self._look_again(due)
            self._pause()

    def _look_again(self, due: Sequence[Suspect]) -> None:
        looks = [
            Look(each.suspicion.job_id, dict(each.suspicion.parts), each.suspicion.origin)
            for each in due
        ]
        for first in range(0, len(looks), _JOBS_PER_READ):
            self._reading.fill(looks[first : first + _JOBS_PER_READ])
        self._reading.count((look, open_places(self._layout, look)) for look in looks)
        now_s = self._asking.now_s()
        for suspect, look in zip(due, looks, strict=True):
            if look.unread or open_places(self._layout, look):
                self.suspects.not_seen(suspect, now_s)
                continue
            found = examine(self._layout, look, now_s)
            self.suspects.looked_again(suspect, found, now_s, is_nowhere=look.is_nowhere())


class _Repeats:
    """Counts opaque members, up to so many different ones."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._seen: set[str] = set()
        self.left_out = 0

    def count(self, member: str) -> int:
        """Return 2 for a member that was seen before, else 1."""
        if member in self._seen:
            return 2
        if len(self._seen) >= self._most:
            self.left_out += 1
        else:
            self._seen.add(member)
        return 1


def _parts(look: Look) -> Parts:
    return tuple(sorted(look.parts.items()))

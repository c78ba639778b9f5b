"""A chain of toxics for one direction of one connection, sans I/O: chunks and times in, bytes out.

Each stage handles one chunk after the other, passes it to the next, and waits while the next has no room; so a slow
stage slows down its source, as Toxiproxy's channels do. A change of the chain interrupts the stage that it affects: the
chunks that the stage holds pass at once, nothing is dropped, and its toxicity is drawn again.

::

    bytes -> [latency] -> [slicer] -> [limit_data] -> output
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from midpipe.faultinject.toxiproxy.api_state import ToxicSpec
from midpipe.faultinject.toxiproxy.toxics.noop import NOOP
from midpipe.faultinject.toxiproxy.toxics.toxic import NEVER_S, Chunk, Memory, Rng, Step, Toxic

_OUTPUT_ROOM = 4
RngOf = Callable[[str], Rng]
"""Returns the random numbers of a toxic, by its name, so that no toxic's draws depend on another's."""


class _Stage:
    """One toxic on this connection, with the chunks before it and the steps that it has planned."""

    def __init__(self, spec: ToxicSpec, toxic: Toxic, rng: Rng, now_s: float) -> None:
        self.toxic = toxic
        self.rng = rng
        self.inbox: deque[tuple[Chunk | None, float]] = deque()
        self.steps: deque[Step] = deque()
        self.memory = Memory()
        self.has_ended = False
        self.is_removed = False
        self._took_end = False
        self.begin(spec, now_s)

    def begin(self, spec: ToxicSpec, now_s: float) -> None:
        """Continue with these attributes; toxicity is drawn again."""
        self.spec = spec
        self.numbers = spec.numbers
        self.acts = self.toxic if self.rng() < spec.toxicity else NOOP
        self.clock_s = self.last_input_s = now_s

    @property
    def has_room(self) -> bool:
        return len(self.inbox) < self.toxic.room

    @property
    def due_s(self) -> float | None:
        """When there is something to do, if nothing arrives before; None if nothing is planned."""
        if self.has_ended:
            return None
        if self.steps:
            due_s = self.clock_s + self.steps[0].wait_s
            return due_s if due_s < NEVER_S else None
        if self.inbox:
            return self.inbox[0][1]
        return self._idle_until_s()

    def _idle_until_s(self) -> float | None:
        idle_ms = self.spec.number(self.acts.idle_ms) if self.acts.idle_ms else 0
        return self.last_input_s + idle_ms / 1000 if idle_ms > 0 else None

    def plan(self, now_s: float) -> bool:
        """Plan the steps for the next chunk, or for the end of an idle stream; return whether there are steps."""
        while not self.steps and self.inbox:
            chunk, arrived_s = self.inbox.popleft()
            self.clock_s = max(self.clock_s, arrived_s)
            self.last_input_s = max(self.last_input_s, arrived_s)
            self._took_end = chunk is None
            self.steps += self.acts.take(chunk, self)
        idle_s = self._idle_until_s()
        if not self.steps and idle_s is not None and idle_s <= now_s:
            self.steps.append(Step(ends=True))
            self.clock_s = max(self.clock_s, idle_s)
        return bool(self.steps)

    def interrupted(self) -> tuple[Chunk, ...]:
        """Drop the planned steps and return the chunks in them; the end of the stream is planned again."""
        held = tuple(step.chunk for step in self.steps if step.chunk is not None)
        ending = [step for step in self.steps if step.ends]
        self.steps.clear()
        if ending and self._took_end:
            self.inbox.appendleft((None, self.clock_s))
        elif ending:
            self.steps.append(Step(ending[0].wait_s, ends=True))
        return held


class Chain:
    """The toxics of one direction.

    Attributes:
        output: the bytes to send, in order; the caller removes what it sends.
        has_ended: whether the stream ends after them.

    Args:
        specs: the toxics, in order.
        toxic_of: returns the toxic of a type.
    """

    def __init__(
        self,
        specs: Sequence[ToxicSpec],
        toxic_of: Callable[[str], Toxic],
        rng: RngOf,
        now_s: float,
    ) -> None:
        self._toxic_of = toxic_of
        self._rng = rng
        self._stages: list[_Stage] = []
        self.output: deque[bytes] = deque()
        self.has_ended = False
        self._is_removing = False
        for spec in specs:
            self._stages.append(_Stage(spec, toxic_of(spec.type), rng(spec.name), now_s))

    @property
    def is_empty(self) -> bool:
        """Whether there is no toxic, so that bytes may bypass the chain."""
        return not self._stages

    @property
    def is_at_rest(self) -> bool:
        """Whether it holds no bytes."""
        return not self.output and not any(stage.inbox or stage.steps for stage in self._stages)

    @property
    def is_full(self) -> bool:
        """Whether the stages wait until some of the output is removed."""
        return len(self.output) >= _OUTPUT_ROOM

    @property
    def wants_input(self) -> bool:
        """Whether more bytes may be fed."""
        return self._has_room(0)

    @property
    def due_s(self) -> float | None:
        """When to call ``advance`` if nothing else happens before; None for never."""
        due = [
            stage.due_s
            for number, stage in enumerate(self._stages)
            if stage.due_s is not None and self._has_room(number + 1)
        ]
        return min(due, default=None)

    def feed(self, data: bytes | None, now_s: float) -> None:
        """Take bytes that were read, or None for the end of the stream."""
        self._put(0, None if data is None else Chunk(data, now_s), now_s)

    def advance(self, now_s: float) -> None:
        """Carry out all steps that are due."""
        stages = self._stages
        if len(stages) == 1:
            self._run(0, now_s)
        # From the last stage to the first, because a stage that makes room lets the one before it continue.
        progress = len(stages) > 1
        while progress:
            progress = False
            for number in reversed(range(len(stages))):
                progress = self._run(number, now_s) or progress
        if self._is_removing:
            self._stages = [s for s in stages if not (s.is_removed and s.has_ended)]
            self._is_removing = any(s.is_removed for s in self._stages)

    def add(self, spec: ToxicSpec, now_s: float) -> None:
        """Append a toxic."""
        if self._stages:
            self._interrupt(len(self._stages) - 1, now_s)
        ended = self.has_ended
        stage = _Stage(spec, self._toxic_of(spec.type), self._rng(spec.name), now_s)
        stage.has_ended = ended
        self._stages.append(stage)

    def update(self, spec: ToxicSpec, now_s: float) -> None:
        """Change a toxic's attributes."""
        for number, stage in enumerate(self._stages):
            if stage.spec.name == spec.name and not stage.is_removed:
                stage.spec = spec
                self._interrupt(number, now_s)

    def remove(self, name: str, now_s: float) -> None:
        """Remove a toxic; the chunks before it go to the next stage."""
        for number, stage in enumerate(self._stages):
            if stage.spec.name == name and not stage.is_removed:
                self._interrupt(number, now_s)
                if stage.toxic.ends_when_removed and not stage.has_ended:
                    self._end(number, now_s)
                if number:
                    self._interrupt(number - 1, now_s)
                stage.is_removed = True
                if stage.steps:
                    # It has lost bytes already and was about to end the stream, so the end still follows.
                    self._is_removing = True
                    return
                if not stage.has_ended:
                    for chunk, arrived_s in stage.inbox:
                        self._put(number + 1, chunk, arrived_s)
                del self._stages[number]
                return

    def _interrupt(self, number: int, now_s: float) -> None:
        stage = self._stages[number]
        if stage.has_ended:
            return
        for chunk in stage.interrupted():
            self._put(number + 1, chunk, now_s)
        stage.begin(stage.spec, now_s)

    def _run(self, number: int, now_s: float) -> bool:
        stage = self._stages[number]
        progress = False
        while not stage.has_ended and self._has_room(number + 1) and stage.plan(now_s):
            step = stage.steps[0]
            due_s = stage.clock_s + step.wait_s
            if due_s > now_s:
                break
            stage.steps.popleft()
            stage.clock_s = due_s
            progress = True
            if step.chunk is not None:
                self._put(number + 1, step.chunk, due_s)
            if step.ends:
                self._end(number, due_s)
        return progress

    def _end(self, number: int, now_s: float) -> None:
        self._stages[number].has_ended = True
        self._stages[number].steps.clear()
        self._put(number + 1, None, now_s)

    def _put(self, number: int, chunk: Chunk | None, now_s: float) -> None:
        if number < len(self._stages):
            self._stages[number].inbox.append((chunk, now_s))
        elif chunk is None:
            self.has_ended = True
        elif chunk.data:
            self.output.append(chunk.data)

    def _has_room(self, number: int) -> bool:
        if number < len(self._stages):
            return self._stages[number].has_room
        return not self.is_full

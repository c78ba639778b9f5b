"""Judges a roll-out: measures again and again, and ends at the first failure that counts."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from midpipe.faultinject.errors import UsageError
from midpipe.scenarios.canary.judging import Asked, Judged, judge
from midpipe.scenarios.canary.plan import Latency, Plan, read_plan
from midpipe.scenarios.canary.prometheus import Prometheus
from midpipe.scenarios.canary.rollback import PHASES
from midpipe.scenarios.model.outcome import Outcome, merge

_MOST_TIME_OUTS = 3
_FOLDER = Path(__file__).parent / "plans"


@dataclass(frozen=True, slots=True)
class Schedule:
    """When to measure.

    Args:
        interval_s: between two measurements, in seconds.
        count: of measurements.
        failure_limit: how many measurements in which the latency fails are tolerated; a counter's never are.
        initial_delay_s: before the first; what happens to the latency until then is left out.
        since_s: how long before the start the window begins, in seconds.
        step_s: between two values of the latency, in seconds.
        at_s: judge as of this time, in seconds since 1970, with one measurement; None is now.
    """

    interval_s: float = 300.0
    count: int = 12
    failure_limit: int = 0
    initial_delay_s: float = 0.0
    since_s: float = 0.0
    step_s: float = 60.0
    at_s: float | None = None


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measurement.

    Args:
        number: from 1.
        at_s: when, in seconds since 1970.
        window_s: the time that was judged, in seconds.
        judged: the rules.
    """

    number: int
    at_s: float
    window_s: float
    judged: tuple[Judged, ...]

    @property
    def outcome(self) -> Outcome:
        """Of all rules together."""
        return merge(each.outcome for each in self.judged)

    @property
    def common_error(self) -> str:
        """What every query was answered by, if that is one and the same error; else empty."""
        errors = {asked.error for each in self.judged for asked in each.asked}
        return errors.pop() if len(errors) == 1 else ""

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it is not pass."""
        if self.common_error:
            return (f"every rule: {self.common_error}",)
        return tuple(
            f"{each.rule}: {each.reason}"
            for each in self.judged
            if each.outcome is not Outcome.PASS
        )


@dataclass(frozen=True, slots=True)
class CanaryResult:
    """What a roll-out came to.

    Args:
        plan, phase, canary, baseline: what was judged.
        outcome: fail as soon as a rule has failed more often than tolerated; else that of the last measurement.
        reasons: why it is not pass.
        measurements: all of them.
        is_partial: it was ended before the last.
    """

    plan: str
    phase: str
    canary: str
    baseline: str
    outcome: Outcome
    reasons: tuple[str, ...]
    measurements: tuple[Measurement, ...]
    is_partial: bool = False


def plan_named(name: str) -> Plan:
    """Return a plan that ships with midpipe, or the one in a TOML file. Raises UsageError."""
    shipped = {path.stem: path for path in sorted(_FOLDER.glob("*.toml"))}
    path = shipped.get(name, Path(name))
    try:
        plan = read_plan(path.read_text(encoding="utf-8"))
        for rule in plan.rule:
            if unknown := sorted({*rule.phases} - {*PHASES}):
                raise ValueError(
                    f"the rule {rule.name!r} is for the phase {unknown[0]!r}; the phases are {', '.join(PHASES)}"
                )
        return plan
    except OSError as error:
        raise UsageError(
            f"There is no plan {name!r}. midpipe has {', '.join(shipped)}; or give the path of a file (docs/canary.md)."
        ) from error
    except ValueError as error:
        raise UsageError(f"The plan {name!r} can't be used: {error}.") from error


class _StopAskedError(Exception):
    """The judgement was asked to stop within a measurement."""


class _Patience:
    """Bounds how long one measurement waits for answers that do not come.

    Args:
        left_s: how long; after that no further query is asked.
    """

    def __init__(self, left_s: float) -> None:
        self._left_s = left_s
        self._unanswered = Asked("")

    def asked(self, query: str, ask: Callable[[], Asked]) -> Asked:
        """Ask, unless there is no patience left: then the query has the error of the last one without an answer."""
        if self._left_s <= 0:
            return replace(self._unanswered, query=query)
        began_s = time.monotonic()
        answer = ask()
        if answer.error:
            self._left_s -= time.monotonic() - began_s
            self._unanswered = answer
        return answer


class Canary:
    """One roll-out under judgement.

    Args:
        prometheus: has the metrics.
        plan: the rules.
        schedule: when to measure.
        canary, baseline: the label matchers of the two fleets, as in PromQL: ``fleet="canary"``.
        phase: of the migration; what ``$phase`` stands for.
        sleep: waits so many seconds; returns False if the judgement was asked to stop.
    """

    def __init__(
        self,
        prometheus: Prometheus,
        plan: Plan,
        schedule: Schedule,
        *,
        canary: str,
        baseline: str,
        phase: str,
        sleep: Callable[[float], bool],
    ) -> None:
        self._prometheus = prometheus
        self._plan = plan
        self._schedule = schedule
        self._phase = phase
        self._words = {"canary": canary, "baseline": baseline, "phase": PHASES.get(phase, phase)}
        self._sleep = sleep
        self._failures: Counter[str] = Counter()
        self._measurements: list[Measurement] = []
        self._is_partial = False

    def run(self) -> Iterator[Measurement]:
        """Yield each measurement, until one fails for good or all are done."""
        schedule = self._schedule
        count = 1 if schedule.at_s is not None else schedule.count
        started_s = (schedule.at_s or time.time()) - schedule.since_s
        for number in range(1, count + 1):
            wait_s = schedule.initial_delay_s if number == 1 else schedule.interval_s
            if schedule.at_s is None and not self._sleep(wait_s):
                self._is_partial = True
                return
            try:
                measured = self._measure(number, started_s, schedule.at_s or time.time())
            except _StopAskedError:
                self._is_partial = True
                return
            self._measurements.append(measured)
            yield measured
            if self._has_failed():
                return

    def result(self) -> CanaryResult:
        """Return the outcome so far."""
        failed = [name for name, count in self._failures.items() if count > self._limit(name)]
        last = self._measurements[-1] if self._measurements else None
        if failed:
            outcome = Outcome.FAIL
        elif last is None or self._is_partial:
            outcome = Outcome.UNKNOWN
        elif last.outcome is Outcome.FAIL:
            # A failure that is still tolerated is no reason to advance.
            outcome = Outcome.UNKNOWN
        else:
            outcome = last.outcome
        reasons = list(last.reasons) if last else []
        if self._is_partial:
            reasons.append("it was ended before the last measurement")
        words = self._words
        return CanaryResult(
            plan=self._plan.name,
            phase=self._phase,
            canary=words["canary"],
            baseline=words["baseline"],
            outcome=outcome,
            reasons=tuple(reasons),
            measurements=tuple(self._measurements),
            is_partial=self._is_partial,
        )

    def _measure(self, number: int, started_s: float, now_s: float) -> Measurement:
        window_s = max(1.0, now_s - started_s)
        words = {**self._words, "window": f"{max(1, round(window_s * 1000))}ms"}
        warm_s = min(now_s, started_s + self._schedule.initial_delay_s)

        prometheus, step_s = self._prometheus, self._schedule.step_s
        patience = _Patience(_MOST_TIME_OUTS * prometheus.time_out_s)

        def instant(query: str) -> Asked:
            self._go_on()
            return patience.asked(query, partial(prometheus.instant, query, now_s))

        def over_time(query: str) -> Asked:
            self._go_on()
            ask = partial(prometheus.over_time, query, warm_s, now_s, step_s)
            return patience.asked(query, ask)

        judged = tuple(
            judge(
                rule,
                instant,
                over_time,
                words,
            )
            for rule in self._plan.rule
            if not rule.phases or self._phase in rule.phases
        )
        for each in judged:
            self._failures[each.rule] += each.outcome is Outcome.FAIL
        return Measurement(number, now_s, window_s, judged)

    def _go_on(self) -> None:
        """Raise if the judgement was asked to stop: a Prometheus that hangs would hold up each of many queries."""
        if not self._sleep(0.0):
            raise _StopAskedError

    def _has_failed(self) -> bool:
        return any(count > self._limit(name) for name, count in self._failures.items())

    def _limit(self, name: str) -> int:
        """Return how many failures of a rule are tolerated: of one about correctness none."""
        is_latency = any(isinstance(rule, Latency) for rule in self._plan.rule if rule.name == name)
        return self._schedule.failure_limit if is_latency else 0

"""Cases on a stepped clock: waits last as long as they say, and take a moment."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from midpipe.faultinject.clock.compiling import compiler
from midpipe.faultinject.errors import SubjectError, UsageError
from midpipe.faultinject.servers.opening import AUTO, STEPPED, WALL, ServerSpec, parse_server_spec
from midpipe.faultinject.servers.server import Server
from midpipe.scenarios.case.story import duration_text
from midpipe.scenarios.explore.probing import ProbeTask
from midpipe.scenarios.explore.replaying import replay_case
from midpipe.scenarios.explore.sweeping import SweepTask
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.gate.hunting import HuntTask
from midpipe.scenarios.model.history import Operation
from midpipe.scenarios.model.messages import CaseEnded, HuntDone, OnMachinesClock, Probed
from midpipe.scenarios.model.record import CaseRecord, Passed
from midpipe.scenarios.model.spec import SubjectSpec
from tests.real.commands import ran

BOUND_MS = 5_000.0
DATA = Path(__file__).parents[1] / "data"
WAITS = """
import os, subprocess, threading, time
from midpipe.reference import Queue

class Patient(Queue):
    latency_bound_s = 3_600

class Sleeps(Patient):
    def enqueue(self, *args, **named):
        time.sleep(1_800)
        return super().enqueue(*args, **named)

class WaitsForAThread(Patient):
    def enqueue(self, *args, **named):
        thread = threading.Timer(600, lambda: None)
        thread.start()
        thread.join()
        return super().enqueue(*args, **named)

class Blocks(Patient):
    def claim(self, worker_id, lease_s=30.0):
        driver = self._redis
        driver.connection_pool.connection_kwargs["socket_timeout"] = None
        popped = driver.blpop(["no-such-list"], 900)
        return popped and {"job_id": popped[1]}

class WaitsForEver(Queue):
    latency_bound_s = 0.5

    def update_status(self, *args, **named):
        threading.Event().wait()

class StartsAStaticProgram(Patient):
    def update_status(self, *args, **named):
        subprocess.run([os.environ["STATIC"]])
        return super().update_status(*args, **named)
"""


HOURLY = """
import time
from midpipe.scenarios.flaws.workers import ListQueue

class Hourly(ListQueue):
    promises = {"delivery": "at-least-once", "order": "none", "recovers_within_s": 3_600}

    def enqueue(self, job_id, payload=None):
        super().enqueue(job_id, payload)
        self.redis.set("shop:swept", "1", nx=True, ex=3_600)

    def tick(self):
        if self.redis.set("shop:swept", "1", nx=True, ex=3_600):
            super().tick()
"""


@pytest.fixture(scope="module")
def stepped() -> Iterator[Worker]:
    """A worker whose server and subjects are on a stepped clock."""
    worker = Worker(ServerSpec(clock=STEPPED))
    yield worker
    worker.close()


@pytest.fixture(scope="module")
def waiting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of the queues that wait."""
    file = tmp_path_factory.mktemp("waiting") / "waiting.py"
    file.write_text(WAITS)
    return file


def record_of(worker: Worker, subject: SubjectSpec, replay: str) -> CaseRecord:
    record = replay_case(worker, subject, replay, BOUND_MS).record
    assert record.invalid_reason == ""
    return record


def first(record: CaseRecord, method: str) -> Operation:
    return next(operation for operation in record.history if operation.method == method)


def passed_s(record: CaseRecord) -> float:
    return sum(entry.seconds for entry in record.entries if isinstance(entry, Passed))


@pytest.mark.parametrize(
    ("name", "replay", "method", "seconds"),
    [
        ("Sleeps", "enqueue:", "enqueue", 1_800),
        ("WaitsForAThread", "enqueue:", "enqueue", 600),
        ("Blocks", "claim-complete:", "claim", 900),
    ],
)
def test_a_call_that_waits_takes_its_time_on_the_clock_only(
    stepped: Worker, waiting: Path, name: str, replay: str, method: str, seconds: int
) -> None:
    began_s = time.monotonic()
    record = record_of(stepped, SubjectSpec(f"{waiting}:{name}"), replay)
    real_s = time.monotonic() - began_s
    waited_s = first(record, method).duration_ms / 1000
    assert seconds <= waited_s <= seconds + real_s
    assert real_s < seconds / 10


@pytest.mark.parametrize("fault", ["stall", "black-hole", "pause", "late"])
def test_a_silent_server_is_given_up_at_the_time_out_and_the_step_is_recorded(
    stepped: Worker, fault: str
) -> None:
    record = record_of(stepped, SubjectSpec(), f"enqueue: A1!{fault}")
    assert passed_s(record) >= 0.2
    assert record.violations == ()


def test_a_call_that_waits_for_nothing_hangs_and_violates_the_bound(
    stepped: Worker, waiting: Path
) -> None:
    record = record_of(stepped, SubjectSpec(f"{waiting}:WaitsForEver"), "update-once:")
    error = first(record, "update_status").error
    assert error is not None
    assert error.type == "Hang"
    assert "bounded-latency" in record.violated_invariants


@pytest.fixture(scope="module")
def static_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program that says it is ready and sleeps, linked so that nothing can be preloaded."""
    folder = tmp_path_factory.mktemp("static")
    source, program = folder / "static.c", folder / "static"
    source.write_text(
        "#include <stdio.h>\n#include <unistd.h>\n"
        'int main(void) { puts("{\\"ready\\": true}"); fflush(stdout); usleep(200000); return 0; }\n'
    )
    subprocess.run([*(compiler() or ()), "-static", "-o", program, source], check=True)
    return program


def test_a_subject_that_does_not_read_the_clock_is_refused_or_judged_on_the_machines_clock(
    static_program: Path,
) -> None:
    subject = SubjectSpec(f"command: {static_program}", patience_s=2.0)
    for clock, outcome in ((STEPPED, UsageError), (AUTO, SubjectError)):
        worker = Worker(ServerSpec(clock=clock))
        try:
            with pytest.raises(outcome):
                worker.rig(subject)
        finally:
            worker.close()


def test_a_case_is_invalid_if_a_program_of_the_subject_does_not_read_the_clock(
    stepped: Worker, waiting: Path, static_program: Path
) -> None:
    subject = SubjectSpec(
        f"{waiting}:StartsAStaticProgram", environment=(("STATIC", str(static_program)),)
    )
    record = replay_case(stepped, subject, "update-once:", BOUND_MS).record
    assert "does not read the stepped clock" in record.invalid_reason


def test_a_task_begins_again_on_the_machines_clock_if_a_program_of_the_subject_does_not_read_the_stepped_one(
    waiting: Path, static_program: Path
) -> None:
    subject = SubjectSpec(
        f"{waiting}:StartsAStaticProgram", environment=(("STATIC", str(static_program)),)
    )
    task = SweepTask(subject, "update-once", shard=(0, 1), max_faults=0, latency_bound_ms=BOUND_MS)
    with closing(Worker(ServerSpec())) as worker:
        note, *cases = (
            message
            for message in worker.do(task)
            if isinstance(message, CaseEnded | OnMachinesClock)
        )
    assert isinstance(note, OnMachinesClock)
    assert "does not read the stepped clock" in str(note)
    assert [isinstance(case, CaseEnded) and case.valid for case in cases] == [True]


def test_a_replay_begins_again_on_the_machines_clock_as_well(
    waiting: Path, static_program: Path
) -> None:
    subject = SubjectSpec(
        f"{waiting}:StartsAStaticProgram", environment=(("STATIC", str(static_program)),)
    )
    with closing(Worker(ServerSpec())) as worker:
        record_of(worker, subject, "update-once:")
        assert "does not read the stepped clock" in worker.fell_back


@pytest.mark.parametrize(
    "words",
    [
        ("replay", "enqueue:"),
        ("sweep", "--program", "enqueue", "--fault", "cut-before", "--jobs", "1"),
    ],
    ids=lambda words: words[0],
)
def test_a_command_notes_why_the_clock_is_not_moved(words: tuple[str, ...]) -> None:
    # Its path is as short as that of the server's socket has to be.
    with TemporaryDirectory(prefix="a folder") as folder:
        code, out, errors = ran(*words, cwd=Path(folder))
    assert code in (0, 3), errors
    note = " ".join(out.split())
    assert "On the machine's clock, so without faults of the clock:" in note
    assert "can't be named in LD_PRELOAD: it has a space or a colon." in note


def test_a_hunt_that_needs_the_stepped_clock_reports_why_it_ran_nothing(
    wall_worker: Worker,
) -> None:
    hunt = HuntTask(SubjectSpec(), (), latency_bound_ms=BOUND_MS, needs_stepped_clock=True)
    (done,) = wall_worker.do(hunt)
    assert done == HuntDone((), cases=0, invalid=0, runnable=0, reason="--clock wall was given")


def test_a_server_that_midpipe_does_not_start_is_judged_on_the_machines_clock_with_a_note(
    server: Server,
) -> None:
    with closing(Worker(parse_server_spec(f"unix://{server.address.path}"))) as worker:
        note, probed = worker.do(ProbeTask(SubjectSpec()))
    assert isinstance(probed, Probed)
    assert note == OnMachinesClock("midpipe has to start what reads the clock")


def test_the_lease_of_a_dead_worker_ends_at_its_own_length(stepped: Worker) -> None:
    record = record_of(stepped, SubjectSpec(), "claim-complete: A1!crash")
    assert 25.0 < passed_s(record) < 60.0
    assert record.delivered == ("job-1",)
    assert record.violations == ()


def test_a_claim_is_not_expected_to_find_a_job_whose_lease_ends_only_after_the_case(
    stepped: Worker,
) -> None:
    record = record_of(stepped, SubjectSpec(), "claim-complete: A1!pause")
    assert record.violations == ()


@pytest.mark.parametrize("where", ["docker", "redis://localhost:1/0"])
def test_a_server_that_midpipe_does_not_start_itself_is_refused(where: str) -> None:
    spec = parse_server_spec(where)
    with pytest.raises(UsageError, match="--clock stepped takes the embedded server"):
        Worker(ServerSpec(spec.kind, spec.where, STEPPED))


def test_the_clock_is_among_the_options_that_name_the_server() -> None:
    assert ServerSpec().option == ""
    assert ServerSpec(clock=STEPPED).option == "--clock stepped"
    assert ServerSpec(clock=WALL).option == "--clock wall"
    assert ServerSpec("docker", "valkey:8").option == "--redis docker:valkey:8"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2497, "0.25 s"),
        (5.0, "5 s"),
        (90.0, "90 s"),
        (113.0, "110 s"),
        (180.0, "3 minutes"),
        (86_400.0, "24 hours"),
    ],
)
def test_a_duration_is_written_with_two_digits(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(31.2, "32 s"), (0.07, "0.07 s"), (3_601.0, "61 minutes")]
)
def test_a_duration_at_most_is_not_rounded_down(seconds: float, text: str) -> None:
    assert duration_text(seconds, rounds_up=True) == text


def test_the_time_until_a_dead_workers_job_is_received_again_is_measured(stepped: Worker) -> None:
    record = record_of(stepped, SubjectSpec(), "claim-complete: A1!crash")
    assert record.recovered_after_s is not None
    assert 29.0 < record.recovered_after_s < 60.0
    assert record_of(stepped, SubjectSpec(), "claim-complete:").recovered_after_s is None


def test_a_worker_that_died_before_it_took_a_job_says_nothing_about_recovery(
    stepped: Worker, tmp_path: Path
) -> None:
    record = record_of(stepped, SubjectSpec(), "claim-complete: A1!crash-before")
    assert record.delivered == ("job-1",)
    assert record.recovered_after_s is None
    file = tmp_path / "hourly.py"
    file.write_text(HOURLY)
    early = "enqueue-then-work: A3:LMOVE!crash-before"
    record = record_of(stepped, SubjectSpec(f"{file}:Hourly"), early)
    assert [run.job_id for run in record.executions if run.has_ended] == ["job-1"]
    assert record.recovered_after_s is None


def test_a_worker_is_called_again_when_what_its_queue_promises_is_due(
    stepped: Worker, tmp_path: Path
) -> None:
    file = tmp_path / "hourly.py"
    file.write_text(HOURLY)
    record = record_of(stepped, SubjectSpec(f"{file}:Hourly"), "enqueue-then-work: A3:LMOVE!crash")
    assert record.violations == ()
    assert [run.job_id for run in record.executions if run.has_ended] == ["job-1"]
    assert record.recovered_after_s is not None
    assert 3_590 < record.recovered_after_s < 7_200


@pytest.mark.parametrize(
    ("queue", "replay", "violated"),
    [
        ("BacksOff", "die-then-work:", set()),
        ("BacksOff", "die-then-work: A3:EVAL!crash", set()),
        ("PromotesInTwoSteps", "die-then-work:", set()),
        ("PromotesInTwoSteps", "die-then-work: A5:RPUSH!crash-before", {"no-stuck-job"}),
    ],
)
def test_the_periodic_work_is_done_once_a_dead_workers_time_is_over(
    stepped: Worker, queue: str, replay: str, violated: set[str]
) -> None:
    subject = SubjectSpec(f"{DATA}/queues/backs_off.py:{queue}")
    record = record_of(stepped, subject, replay)
    assert record.violated_invariants == violated
    assert passed_s(record) >= 30.0


def test_recovery_waits_for_a_lease_that_was_renewed_after_time_had_passed(stepped: Worker) -> None:
    record = record_of(stepped, SubjectSpec(), "heartbeat-vs-reclaim: A1:EVALSHA!elapse=60")
    assert (record.delivered, record.violations) == (("job-1",), ())


def test_a_job_that_has_ended_may_expire(stepped: Worker) -> None:
    subject = SubjectSpec(f"{DATA}/queues/reaped.py:FinishedJobsExpire")
    replay = "two-enqueues-vs-claim: A1 B1 B2 B3 A2:EVAL!elapse=90000"
    assert record_of(stepped, subject, replay).violations == ()

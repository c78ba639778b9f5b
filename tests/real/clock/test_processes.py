"""Forks, programs started by programs, threads and signals: all of them stay on the clock, and none is lost."""

from __future__ import annotations

import mmap
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from midpipe.faultinject.clock import go_program
from midpipe.faultinject.clock.compiling import compiler
from midpipe.faultinject.clock.go_program import is_go_program
from midpipe.faultinject.clock.port import Kind
from midpipe.faultinject.clock.stepped import SteppedClock
from tests.real.clock.children import Child, eventually

DAY_S = 86_400
READS = """
import os, subprocess, sys, time
def read(): print(time.time(), time.monotonic(), flush=True)
"""


def python(source: str) -> tuple[str, str, str]:
    return sys.executable, "-c", READS + source


@pytest.mark.parametrize(
    "source",
    [
        "sys.stdin.readline(); read()",
        "child = os.fork()\nif not child: sys.stdin.readline(); read(); os._exit(0)\nos.wait()",
        "subprocess.run([sys.executable, '-c', 'import time; input(); print(time.time(), time.monotonic())'])",
        "os.execv(sys.executable, ['python', '-c', 'import time; input(); print(time.time(), time.monotonic())'])",
        "import threading\nthread = threading.Thread(target=lambda: (sys.stdin.readline(), read()))\nthread.start()",
    ],
    ids=["itself", "fork", "a program", "exec", "a thread"],
)
def test_a_process_reads_the_moved_clock_however_it_came_to_be(
    source: str, clock: SteppedClock, start: Callable[..., Child]
) -> None:
    child = start(*python(source))
    clock.advance(DAY_S)
    before_s = clock.wall_s(), clock.now_s()
    child.send("")
    wall_s, now_s = map(float, (child.line() or "").split())
    after_s = clock.wall_s(), clock.now_s()
    assert before_s[0] <= wall_s <= after_s[0]
    assert before_s[1] <= now_s <= after_s[1]
    assert wall_s > time.time() + DAY_S - 60


def test_the_clocks_of_a_process_never_go_back_while_it_is_moved(
    clock: SteppedClock, start: Callable[..., Child]
) -> None:
    source = """
last, end = 0.0, time.monotonic() + 1000 * 60
print("go", flush=True)  # the moves begin now, when the end is known
while last < end:
    now = time.monotonic()
    if now < last: print("went back by", last - now, flush=True); break
    last = now
else: print("ok", flush=True)
"""
    child = start(*python(source))
    assert child.line() == "go"
    for _ in range(1000):
        clock.advance(60)
    assert child.line() == "ok"


def test_every_thread_is_woken_at_its_own_deadline(start: Callable[..., Child]) -> None:
    source = """
import threading
began = time.monotonic()
def wait(seconds):
    time.sleep(seconds)
    print(seconds, int(time.monotonic() - began) // 100 * 100, flush=True)
for number in range(1, 21): threading.Thread(target=wait, args=(number * 100,)).start()
"""
    child = start(*python(source))
    eventually(lambda: len(child.waits()) >= 20 or None)
    lines = [child.advance_until_a_line(runs_first=True) for _ in range(20)]
    assert lines == [f"{number * 100} {number * 100}" for number in range(1, 21)]


def test_a_signal_that_the_program_handles_interrupts_a_wait_as_ever(
    start: Callable[..., Child],
) -> None:
    source = """
import signal, threading
class Stop(Exception): pass
def stop(*_): raise Stop
signal.signal(signal.SIGTERM, stop)
for wait in (lambda: time.sleep(1000), lambda: threading.Event().wait(1000)):
    try: print("go", flush=True); wait()
    except Stop: print("stopped", flush=True)
"""
    child = start(*python(source))
    for _ in range(2):
        assert child.line() == "go"
        child.await_wait(1000)
        child.signal(signal.SIGTERM)
        assert child.line() == "stopped"


def test_signals_and_moves_at_the_same_time_lose_neither(
    clock: SteppedClock, start: Callable[..., Child]
) -> None:
    source = """
import signal
count = 0
def count_one(*_):
    global count
    count += 1
    # Not print(): the next signal may arrive before it returns, and the standard stream can't be entered twice.
    os.write(1, b"%d\\n" % count)
signal.signal(signal.SIGUSR1, count_one)
print("go", flush=True)
time.sleep(1_000_000)
print("slept", flush=True)
"""
    child = start(*python(source))
    assert child.line() == "go"
    child.await_wait(1_000_000)
    for number in range(1, 101):
        child.signal(signal.SIGUSR1)
        clock.advance(1)
        assert child.line() == str(number)
    clock.advance(1_000_000)
    assert child.line() == "slept"


def test_the_programs_own_handler_for_the_wake_signal_is_called_for_its_own_signals_only(
    clock: SteppedClock, start: Callable[..., Child]
) -> None:
    source = """
import signal
signal.signal(signal.SIGURG, lambda *_: print("urgent", flush=True))
print("go", flush=True)
time.sleep(1000)
print("slept", flush=True)
os.kill(os.getpid(), signal.SIGURG)
"""
    child = start(*python(source))
    assert child.line() == "go"
    child.await_wait(1000)
    clock.advance(1000)
    assert [child.line(), child.line()] == ["slept", "urgent"]


@pytest.mark.parametrize(
    "source",
    [
        "signal.signal(signal.SIGURG, signal.SIG_IGN)",
        "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))",
    ],
)
def test_a_program_cannot_disable_the_wake_signal(
    source: str, clock: SteppedClock, start: Callable[..., Child]
) -> None:
    child = start(*python(f"import signal; {source}; time.sleep(1000); print('ok')"))
    child.await_wait(1000)
    clock.advance(1000)
    assert child.line(0.5) == "ok"


def test_a_killed_process_is_no_longer_waited_for(
    clock: SteppedClock, start: Callable[..., Child]
) -> None:
    dead, alive = start("sleep", "100"), start("sleep", "200")
    dead.await_wait(100)
    alive.await_wait(200)
    dead.signal(signal.SIGKILL)  # it stays a zombie, which still has a thread
    eventually(lambda: not dead.waits() or None)
    advance = clock.advance_to_next_deadline()
    assert advance is not None
    assert [waiter.pid for waiter in advance.woken] == [alive.pid]
    assert alive.wait() == 0


def test_a_stopped_process_is_skipped_and_times_out_when_it_continues(
    clock: SteppedClock, start: Callable[..., Child]
) -> None:
    stopped, other = start("sleep", "100"), start("sleep", "200")
    stopped.await_wait(100)
    other.await_wait(200)
    stopped.signal(signal.SIGSTOP)
    eventually(lambda: any(waiter.is_stopped for waiter in stopped.waits()) or None)
    advance = clock.advance_to_next_deadline()
    assert advance is not None
    assert other.pid in [waiter.pid for waiter in advance.woken]
    assert other.wait() == 0
    stopped.signal(signal.SIGCONT)
    assert stopped.wait() == 0


def test_waiters_say_who_waits_for_what_until_when(
    clock: SteppedClock, start: Callable[..., Child]
) -> None:
    start("sleep", "300").await_wait(300)
    poller = start(*python("import select; select.poll().poll(100_000)"))
    poller.await_wait(100)
    locked = start(*python("import threading; threading.Event().wait(200)"))
    locked.await_wait(200)
    kinds = [(waiter.kind, round(waiter.left_s, -2)) for waiter in clock.waiters()]
    assert kinds == [(Kind.DESCRIPTOR, 100), (Kind.LOCK, 200), (Kind.SLEEP, 300)]
    assert [waiter.pid for waiter in clock.waiters(among=[locked.pid])] == [locked.pid]
    advance = clock.advance_to_next_deadline(among=[locked.pid])
    assert advance is not None
    assert 170 < advance.seconds <= 200


def test_a_program_without_the_c_library_is_known_not_to_follow(
    clock: SteppedClock, start: Callable[..., Child], tmp_path: Path
) -> None:
    source = tmp_path / "static.c"
    source.write_text("#include <unistd.h>\nint main(void) { return sleep(1000); }\n")
    program = tmp_path / "static"
    subprocess.run([*(compiler() or ()), "-static", "-o", program, source], check=True)
    unreached, reached = start(str(program)), start("sleep", "1000")
    reached.await_wait(1000)
    assert (clock.follows(reached.pid), clock.follows(unreached.pid)) == (True, False)


def test_a_program_in_go_is_known_not_to_follow_though_it_loads_the_c_library(
    clock: SteppedClock, start: Callable[..., Child], tmp_path: Path
) -> None:
    program = tmp_path / "sleep"
    # What the linker of Go writes into an executable, in one that is none otherwise.
    program.write_bytes(Path("/bin/sleep").read_bytes() + b"\xff Go buildinf:")
    program.chmod(0o755)
    unreached = start(str(program), "1000")
    unreached.await_wait(1000)
    assert not clock.follows(unreached.pid)


def test_a_held_clock_stands_still_and_then_goes_on(
    clock: SteppedClock, start: Callable[..., Child]
) -> None:
    child = start(*python("import threading\nwhile True: sys.stdin.readline(); read()"))
    clock.hold()
    readings = []
    for _ in range(3):
        child.send("")
        readings.append(child.line())
        time.sleep(0.01)
    assert len(set(readings)) == 1
    clock.advance(10)
    child.send("")
    held = float((readings[0] or "").split()[1])
    assert float((child.line() or "").split()[1]) == held + 10
    clock.go_on()
    child.send("")
    assert float((child.line() or "").split()[1]) > held + 10


def test_while_the_clock_is_held_a_wait_lasts_until_it_is_moved(
    clock: SteppedClock, start: Callable[..., Child]
) -> None:
    children = [start("sleep", "0.3"), start(*python("import select; select.poll().poll(300)"))]
    clock.hold()
    for child in children:
        child.await_wait(0.3)
    time.sleep(0.4)
    assert [len(child.waits()) for child in children] == [1, 1]
    clock.advance(0.3)
    assert [child.wait() for child in children] == [0, 0]


@pytest.mark.skipif(sys.platform != "linux", reason="the clock is stepped on Linux only")
def test_the_program_of_several_processes_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = Path(shutil.copy(shutil.which("sleep") or "", tmp_path / "sleeps"))
    read: list[int] = []

    def mapped(file: int, length: int, *, access: int) -> mmap.mmap:
        read.append(file)
        return mmap.mmap(file, length, access=access)

    monkeypatch.setattr(
        go_program, "mmap", SimpleNamespace(mmap=mapped, ACCESS_READ=mmap.ACCESS_READ)
    )
    for _ in range(2):
        with subprocess.Popen([program, "60"]) as process:
            assert not is_go_program(process.pid)
            process.kill()
    assert len(read) == 1

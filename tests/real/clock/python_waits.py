"""The ways in which a Python program can wait for time to pass, as source. ``WAIT`` stands for the seconds.

A program calls ``go()`` before it waits and ``ok()`` after it, which prints the seconds that passed on its own clock.
``SILENT``, ``FULL`` and ``SERVER`` stand for two ports and a path that the test passes.
"""

from __future__ import annotations

from textwrap import dedent, indent

from tests.real.clock.children import WAIT_S

FRAME = """\
import signal, socket, sys, threading, time
began_s = 0.0
def go():
    global began_s
    print("go", flush=True)
    began_s = time.monotonic()
def ok():
    print(time.monotonic() - began_s, flush=True)
"""
REDIS = """\
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
def silent(kind=redis.Redis, retry=Retry):
    return kind(port=SILENT, socket_timeout=WAIT, retry=retry(NoBackoff(), 0), protocol=2, driver_info=None)
"""


def program(source: str, **names: object) -> str:
    """Return a whole program."""
    text = FRAME + dedent(source)
    for name, value in {"WAIT": WAIT_S, **names}.items():
        text = text.replace(name, repr(value))
    return text


def _in_a_thread(source: str) -> str:
    body = indent(dedent(source), "    ")
    return f"def wait():\n{body}\nthread = threading.Thread(target=wait); go(); thread.start(); thread.join(); ok()"


SLEEPS = {
    "time.sleep": "go(); time.sleep(WAIT); ok()",
    "time.sleep in a thread": _in_a_thread("time.sleep(WAIT)"),
    "sched": """
        import sched
        plan = sched.scheduler(time.monotonic, time.sleep)
        go(); plan.enter(WAIT, 1, ok); plan.run()
        """,
}
DESCRIPTORS = {
    "select": "import select; a, b = socket.socketpair(); go(); select.select([a], [], [], WAIT); ok()",
    "poll": """
        import select
        a, b = socket.socketpair(); poll = select.poll(); poll.register(a, select.POLLIN)
        go(); poll.poll(WAIT * 1000); ok()
        """,
    "epoll": """
        import select
        a, b = socket.socketpair(); poll = select.epoll(); poll.register(a, select.EPOLLIN)
        go(); poll.poll(WAIT); ok()
        """,
    "recv with a time-out": """
        connection = socket.create_connection(("127.0.0.1", SILENT)); connection.settimeout(WAIT); go()
        try: connection.recv(1)
        except TimeoutError: ok()
        """,
    "connect with a time-out": """
        connection = socket.socket(); connection.settimeout(WAIT); go()
        try: connection.connect(("127.0.0.1", FULL))
        except TimeoutError: ok()
        """,
    "recv with SO_RCVTIMEO": """
        import struct
        connection = socket.create_connection(("127.0.0.1", SILENT))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", WAIT, 0)); go()
        try: connection.recv(1)
        except BlockingIOError: ok()
        """,
}
THREADS = {
    "Event.wait": "go(); threading.Event().wait(WAIT); ok()",
    "Event.wait in a thread": _in_a_thread("threading.Event().wait(WAIT)"),
    "Condition.wait": "c = threading.Condition(); c.acquire(); go(); c.wait(WAIT); ok()",
    "Lock.acquire": "lock = threading.Lock(); lock.acquire(); go(); lock.acquire(timeout=WAIT); ok()",
    "Semaphore.acquire": "s = threading.Semaphore(0); go(); s.acquire(timeout=WAIT); ok()",
    "Timer": "timer = threading.Timer(WAIT, ok); go(); timer.start(); timer.join()",
    "Queue.get": """
        import queue; go()
        try: queue.Queue().get(timeout=WAIT)
        except queue.Empty: ok()
        """,
    "Future.result": """
        import concurrent.futures; go()
        try: concurrent.futures.Future().result(WAIT)
        except concurrent.futures.TimeoutError: ok()
        """,
}
LOOPS = {
    "short sleeps": """
        end_s = time.time() + WAIT; go()
        while time.time() < end_s: time.sleep(0.001)
        ok()
        """,
    "two busy threads": """
        def busy():
            while True: pass
        threading.Thread(target=busy, daemon=True).start()
        end_s = time.monotonic() + WAIT; go()
        while time.monotonic() < end_s: pass
        ok()
        """,
}
"""No deadline is published here: the program polls the clock."""
SIGNALS = {
    "alarm": """
        def ring(*_): raise KeyError
        signal.signal(signal.SIGALRM, ring); go(); signal.alarm(WAIT)
        try: time.sleep(10**6)
        except KeyError: ok()
        """,
    "alarm in a busy loop": """
        def ring(*_): raise KeyError
        signal.signal(signal.SIGALRM, ring); go(); signal.alarm(WAIT)
        try:
            number = 0
            while True: number += 1
        except KeyError: ok()
        """,
    "setitimer": """
        def ring(*_): raise KeyError
        signal.signal(signal.SIGALRM, ring); go(); signal.setitimer(signal.ITIMER_REAL, WAIT)
        try: signal.pause()
        except KeyError: ok()
        """,
    "sigtimedwait": """
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        go(); signal.sigtimedwait([signal.SIGTERM], WAIT); ok()
        """,
}
CHILDREN = {
    "a forked child's sleep": """
        import os; go(); child = os.fork()
        if not child: time.sleep(WAIT); os._exit(0)
        os.waitpid(child, 0); ok()
        """,
    "a forked child's alarm": """
        import os; go(); child = os.fork()
        if not child:
            signal.alarm(WAIT)
            while True: signal.pause()
        os.waitpid(child, 0); ok()
        """,
    "another program": "import subprocess; go(); subprocess.run(['sleep', str(WAIT)]); ok()",
    "subprocess.run": """
        import subprocess; go()
        try: subprocess.run(["sleep", "1000000"], timeout=WAIT, capture_output=True)
        except subprocess.TimeoutExpired: ok()
        """,
    "Process.join": """
        import multiprocessing
        process = multiprocessing.get_context("fork").Process(target=time.sleep, args=(10**6,))
        process.start(); go(); process.join(WAIT); ok(); process.kill()
        """,
    "multiprocessing.Queue.get": """
        import multiprocessing, queue
        empty = multiprocessing.Queue(); go()
        try: empty.get(timeout=WAIT)
        except queue.Empty: ok()
        """,
    "multiprocessing.Lock": """
        import multiprocessing
        lock = multiprocessing.Lock(); lock.acquire(); go(); lock.acquire(timeout=WAIT); ok()
        """,
}
ASYNC = {
    "asyncio.sleep": """
        import asyncio
        async def main(): go(); await asyncio.sleep(WAIT); ok()
        asyncio.run(main())
        """,
    "asyncio.wait_for": """
        import asyncio
        async def main():
            go()
            try: await asyncio.wait_for(asyncio.Event().wait(), WAIT)
            except TimeoutError: ok()
        asyncio.run(main())
        """,
    "uvloop": """
        import asyncio, uvloop
        async def main(): go(); await asyncio.sleep(WAIT); ok()
        uvloop.run(main())
        """,
}
DRIVERS = {
    "redis-py's socket_timeout": REDIS
    + """
client = silent(); go()
try: client.get("k")
except redis.TimeoutError: ok()
""",
    "redis.asyncio's socket_timeout": REDIS
    + """
import asyncio, redis.asyncio, redis.asyncio.retry
async def main():
    client = silent(redis.asyncio.Redis, redis.asyncio.retry.Retry); go()
    try: await client.get("k")
    except redis.TimeoutError: ok()
asyncio.run(main())
""",
}
BLOCKING = {
    "BLPOP": """
        import redis
        client = redis.Redis(unix_socket_path=SERVER, socket_timeout=10 * WAIT); client.ping()
        go(); assert client.blpop("none", WAIT) is None; ok()
        """,
    "XREAD BLOCK": """
        import redis
        client = redis.Redis(unix_socket_path=SERVER, socket_timeout=10 * WAIT); client.ping()
        go(); assert not client.xread({"none": "$"}, block=WAIT * 1000); ok()
        """,
}
"""The server measures the time here; it checks its clock ten times a second."""

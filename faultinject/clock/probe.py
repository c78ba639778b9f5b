"""A script that the self-test runs on the clock: it waits in each way in turn. Imports nothing of midpipe.

Prints the name of each wait before it, and after it the seconds that passed on its own clock.
"""

import ctypes
import select
import sys
import threading
import time
from collections.abc import Callable

WAIT_S = float(sys.argv[1]) if len(sys.argv) > 1 else 0.0
LIBC = ctypes.CDLL(None)


def sleep() -> None:
    time.sleep(WAIT_S)


def poll() -> None:
    select.poll().poll(int(WAIT_S * 1000))


def semaphore() -> None:
    lock = threading.Lock()
    lock.acquire()
    lock.acquire(timeout=WAIT_S)


def condition() -> None:
    # Larger than the C library's, and zeroed as by its static initializers.
    variable, mutex = ctypes.create_string_buffer(128), ctypes.create_string_buffer(128)
    deadline = time.time() + WAIT_S
    until = (ctypes.c_long * 2)(int(deadline), int(deadline % 1 * 1e9))
    LIBC.pthread_mutex_lock(mutex)
    while LIBC.pthread_cond_timedwait(variable, mutex, until) == 0:
        pass
    LIBC.pthread_mutex_unlock(mutex)


def main() -> None:
    waits: tuple[Callable[[], None], ...] = (sleep, poll, semaphore, condition)
    for wait in waits:
        began_s = time.monotonic()
        sys.stdout.write(f"{wait.__name__}\n")
        sys.stdout.flush()
        wait()
        sys.stdout.write(f"{time.monotonic() - began_s}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

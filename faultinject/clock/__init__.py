"""Time as a step of the schedule: processes read a clock that midpipe moves.

A process started with ``clock.environment()`` preloads a small library (``native/``). The library adds an offset to
every clock that the process reads, and publishes which thread waits until when. midpipe sees every time-out, lease and
back-off that a process is waiting for, and can end any of them at once, at its true length::

    clock = open_clock(folder, server_binary)              # stepped, or the wall clock with clock.reason
    process = subprocess.Popen(command, env={**os.environ, **clock.environment()})
    ...
    clock.waiters()                                        # (Waiter(pid=…, kind=DESCRIPTOR, left_s=4.98), …)
    clock.advance_to_next_deadline(among=[process.pid])    # 4.98 s pass, and that call times out
    clock.skew(process.pid, -30.0)                         # its wall clock is now half a minute behind
    clock.close()

Between the moves the clock runs at real speed, so that code which polls the time goes on. ``hold`` stops it, for a
window that needs exact times. Children (forked, or started with the environment of their parent) are on the same clock
and have their parent's skew.

The clock does not reach code that reads the time without the C library (Go, statically linked programs, futex system
calls), the modification times of files, and time-outs inside the kernel (of TCP, for example). ``follows`` says whether
a process has loaded the library; ``open_clock`` tests the library in a process and in a server before it is trusted.

Prior art: libfaketime, which reads its offset from a file and does not wake threads that wait.
"""

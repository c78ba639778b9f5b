"""Each way in which a Node program can wait ends at its deadline."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest

from midpipe.faultinject.clock.stepped import SteppedClock
from tests.real.clock.children import WAIT_S, Child, check_wait
from tests.real.clock.conftest import missing

FRAME = """
let began = 0;
const go = () => { console.log("go"); began = performance.now(); };
const ok = () => { console.log((performance.now() - began) / 1000); process.exit(0); };
const WAIT_MS = WAIT * 1000;
"""
WAITS = {
    "setTimeout": "go(); setTimeout(ok, WAIT_MS)",
    "timers/promises": "go(); require('timers/promises').setTimeout(WAIT_MS).then(ok)",
    "setInterval": "let ticks = 0; go(); setInterval(() => { if (++ticks == 3) ok(); }, WAIT_MS / 3)",
    "AbortSignal.timeout": """
        go(); AbortSignal.timeout(WAIT_MS).addEventListener("abort", ok); setInterval(() => {}, 1e8)
        """,
    "Atomics.wait": "go(); Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, WAIT_MS); ok()",
    "a worker thread": """
        const { Worker } = require("worker_threads");
        const worker = new Worker(`
            // It measures by itself: its messages arrive late on a busy machine.
            const { parentPort } = require("worker_threads"), began = performance.now();
            parentPort.postMessage("go");
            setTimeout(() => parentPort.postMessage((performance.now() - began) / 1000), ${WAIT_MS})
        `, { eval: true });
        worker.on("message", message => { console.log(message); if (message != "go") process.exit(0); })
        """,
    "a socket's time-out": """
        const socket = require("net").connect(SILENT, "127.0.0.1", () => { go(); socket.setTimeout(WAIT_MS, ok); })
        """,
    "a child process's time-out": """
        go(); require("child_process").exec("sleep 1000000", { timeout: WAIT_MS }, ok)
        """,
}

FIRST_DEADLINES_S = {
    "setInterval": WAIT_S / 3,
    # V8 looks for garbage in a new worker after eight seconds, and now and then after that.
    "a worker thread": 8.0,
}


@pytest.mark.parametrize("name", WAITS)
def test_a_wait_in_node_ends_at_its_deadline(
    name: str, clock: SteppedClock, start: Callable[..., Child], silent: int
) -> None:
    node = shutil.which("node")
    if node is None:
        missing("node is not installed")
    source = (FRAME + WAITS[name]).replace("SILENT", str(silent))
    child = start(str(node), "-e", source.replace("WAIT *", f"{WAIT_S} *"))
    # Node truncates the present to milliseconds before it adds a time-out.
    check_wait(clock, child, FIRST_DEADLINES_S.get(name, WAIT_S), rounding_s=0.001)

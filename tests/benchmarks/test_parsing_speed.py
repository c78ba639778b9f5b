"""What the fast path of the parsers saves, on frames as a job queue sends and receives them.

The two ways take turns on the same frames in the same run, so that a busy machine is busy for both.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from midpipe.faultinject.wire import readers
from midpipe.faultinject.wire.readers import CommandReader, ReplyReader
from midpipe.faultinject.wire.resp import encode_command

ROUNDS = 40
FRAMES_PER_ROUND = 200

COMMANDS = {
    "set": encode_command("SET", "ai:lock:job-1", "worker-a"),
    "script": encode_command("EVALSHA", "a" * 40, 3, *["ai:job:job-1"] * 3, *["word"] * 10),
    "hash": encode_command("HSET", "ai:job:job-1", *["field", "value"] * 12),
}
REPLIES = {
    "status": b"+OK\r\n",
    "number": b":1\r\n",
    "bulk": b"$5\r\njob-1\r\n",
    "hash": b"*24\r\n" + b"$5\r\nfield\r\n$5\r\nvalue\r\n" * 12,
}


def read_command(frame: bytes) -> None:
    reader = CommandReader()
    for _ in range(FRAMES_PER_ROUND):
        reader.feed(frame)
        assert reader.next_command() is not None


def read_reply(frame: bytes) -> None:
    reader = ReplyReader()
    for _ in range(FRAMES_PER_ROUND):
        reader.feed(frame)
        assert reader.next_reply() is not None


CASES: dict[str, tuple[Callable[[bytes], None], bytes]] = {
    **{f"command-{name}": (read_command, frame) for name, frame in COMMANDS.items()},
    **{f"reply-{name}": (read_reply, frame) for name, frame in REPLIES.items()},
}


@pytest.mark.parametrize("case", CASES)
def test_the_fast_path_against_the_incremental_parser(
    benchmark: Any, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    read, frame = CASES[case]
    usual_bytes = readers.FAST_PATH_BYTES

    def seconds(fast_path_bytes: int) -> float:
        monkeypatch.setattr(readers, "FAST_PATH_BYTES", fast_path_bytes)
        begun = time.perf_counter()
        read(frame)
        return time.perf_counter() - begun

    def both() -> tuple[float, float]:
        pairs = [(seconds(usual_bytes), seconds(0)) for _ in range(ROUNDS)]
        return min(fast for fast, _ in pairs), min(slow for _, slow in pairs)

    fast_s, slow_s = benchmark.pedantic(both, rounds=1, iterations=1, warmup_rounds=1)
    benchmark.extra_info.update(
        fast_us=round(fast_s / FRAMES_PER_ROUND * 1e6, 2),
        incremental_us=round(slow_s / FRAMES_PER_ROUND * 1e6, 2),
        fast_path_gain=round(slow_s / fast_s, 2),
    )

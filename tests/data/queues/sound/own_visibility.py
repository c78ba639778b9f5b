"""A queue with a visibility time-out of its own, which it promises; it ignores the lease that a worker asks for."""

from __future__ import annotations

from typing import Any, ClassVar

from tests.data.queues.base import Base


class Queue(Base):
    promises: ClassVar[dict[str, float]] = {"visibility_timeout_s": 1.0}
    visibility_s: ClassVar[float] = 1.0

    def claim(self, worker_id: str, lease_s: float = 30.0) -> dict[str, Any] | None:
        return super().claim(worker_id, self.visibility_s)


class Unpromised(Queue):
    """The same without its promise, and too long to end by chance: nothing says for how long recovery has to wait."""

    promises: ClassVar[dict[str, float]] = {}
    visibility_s: ClassVar[float] = 600.0

"""Plants damage of each kind into a queue's keys, in known numbers, for an audit to find."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from midpipe.scenarios.audit.layout import Damage
from tests.real.audit_load import PLANTED
from tests.real.queues import LEGACY

SECRET = "4111-1111"


def fields(job_id: str, status: str = "completed", **more: str) -> dict[str, str]:
    params = json.dumps({"card": SECRET})
    return {**LEGACY, "job_id": job_id, "status": status, "params": params, **more}


class Planting:
    """Plants damage of each kind that the layout of a queue describes, and remembers it.

    Attributes:
        layout, phase: of the queue.
        planted: ids of the damaged jobs.
    """

    layout: ClassVar[str]
    phase: ClassVar[str] = ""

    def __init__(self, driver: Any, rng: random.Random) -> None:
        self.driver = driver
        self.rng = rng
        self.planted: dict[Damage, set[str]] = {damage: set() for damage in Damage}
        self.healing: list[str] = []

    def some(self) -> range:
        """Return a few numbers."""
        return range(self.rng.randint(1, 6))

    def names(self, damage: Damage, kind: str) -> Iterator[str]:
        """Yield the names of a few jobs that will have this damage."""
        for number in self.some():
            name = f"{PLANTED}-{kind}-{number}"
            self.planted[damage].add(name)
            yield name

    def healing_names(self) -> Iterator[str]:
        """Yield the names of jobs that are in order again within the time that a suspect settles."""
        for number in range(5):
            name = f"{PLANTED}-heals-{number}"
            self.healing.append(name)
            yield name

    def load(self, url: str, name: str) -> Sequence[str]:
        """Return the command that loads the queue, as ``audit_load`` does."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Make what the queue makes when it starts."""

    def sane(self, count: int) -> None:
        """Put in jobs that are in order."""
        raise NotImplementedError

    def put_in(self, name: str) -> None:
        """Put in a job as the queue does, for a worker to take."""
        raise NotImplementedError

    def plant(self) -> None:
        """Plant damage of every kind, and jobs that heal."""
        raise NotImplementedError

    def heal(self) -> None:
        """Bring those jobs in order."""
        raise NotImplementedError

    def persisting(self) -> Mapping[Damage, set[str]]:
        """Return what of the damage is still there after an audit under load."""
        return self.planted


class Reviewed(Planting):
    """The reviewed queue while it writes both schemas."""

    layout = "reviewed"
    phase = "dual"

    def load(self, url: str, name: str) -> Sequence[str]:
        return [sys.executable, "-m", "tests.real.audit_load", url, name]

    def copies(self, old: dict[str, str], new: dict[str, str] | None = None) -> None:
        job_id = old["job_id"]
        self.driver.hset(f"ai:jobs:{job_id}", mapping=old)
        self.driver.hset(f"ai:job:acme:{job_id}", mapping=new or old)

    def queued(self, *job_ids: str) -> None:
        self.driver.rpush("ai:queue:pending", *job_ids)

    def sane(self, count: int) -> None:
        for number in range(count):
            self.copies(fields(f"before-{number}"))

    def put_in(self, name: str) -> None:
        self.copies(fields(name, "pending"))
        self.queued(name)

    def plant(self) -> None:
        for job_id in self.names(Damage.LOST, "ghost"):
            self.queued(job_id)
        for job_id in self.names(Damage.LOST, "request"):
            self.driver.set(f"ai:idempotency:acme:r-{job_id}", job_id, ex=86400)
        for job_id in self.names(Damage.ORPHANED, "orphan"):
            self.copies(fields(job_id, "pending"))
        for job_id in self.names(Damage.STUCK, "stuck"):
            self.copies(fields(job_id, "running", started_at="2025-10-17T10:16:00+00:00"))
        for job_id in self.names(Damage.DOUBLED, "twice"):
            self.copies(fields(job_id, "pending"))
            self.queued(job_id, job_id)
        for job_id in self.names(Damage.DOUBLED, "again"):
            self.copies(fields(job_id))
            self.queued(job_id)
        for job_id in self.names(Damage.MALFORMED, "half"):
            self.copies(fields(job_id))
            self.driver.delete(f"ai:job:acme:{job_id}")
            self.driver.hset(f"ai:job:acme:{job_id}", "status", "completed")
        for job_id in self.names(Damage.DIVERGING, "status"):
            self.copies(fields(job_id), fields(job_id, "running"))
        for job_id in self.names(Damage.DIVERGING, "new-only"):
            self.driver.hset(f"ai:job:acme:{job_id}", mapping=fields(job_id))
        for job_id in self.healing_names():
            self.copies(fields(job_id, "pending"))

    def heal(self) -> None:
        for job_id in self.healing:
            self.queued(job_id)

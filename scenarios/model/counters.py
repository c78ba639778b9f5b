"""The Prometheus counters of the reviewed queue that midpipe reads from a subject. Data."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

DUAL_WRITES = "ai_jobs_dual_write"
READS = "relay_job_read_path"
LISTS = "relay_job_list_read_path"
JOBS = "ai_jobs"
LABELS: Mapping[str, str] = MappingProxyType(
    {DUAL_WRITES: "result", READS: "path", LISTS: "", JOBS: "status"}
)
"""By counter, the label that distinguishes its values; an empty label means that they are summed."""

"""What midpipe_service passes to a service."""

from __future__ import annotations

from midpipe.scenarios.subjects.job.midpipe_service import plain_url


def test_a_plain_url_has_no_time_outs() -> None:
    assert (
        plain_url("redis://u:p@127.0.0.1:7000/2?socket_timeout=3") == "redis://u:p@127.0.0.1:7000/2"
    )

"""What an audit keeps of the records that it reads."""

from __future__ import annotations

import pytest

from midpipe.faultinject.wire.resp import ErrorReply, Value
from midpipe.scenarios.audit.reading import fields_of

LONG, OTHER = b'"' + 1_000_000 * b"x" + b'"', b'"' + 999_999 * b"x" + b'y"'


def reply_of(kind: str, payload: bytes) -> Value:
    """Return the reply to reading a job with a payload."""
    replies: dict[str, Value] = {
        "hash": (b"status", b"pending", b"params", payload),
        "json": b'{"status": "pending", "params": %b}' % payload,
        "string": payload,
    }
    return replies[kind]


@pytest.mark.parametrize("kind", ["hash", "json", "string"])
def test_a_payload_is_kept_by_its_digest_and_differs_where_it_differs(kind: str) -> None:
    kept = fields_of(kind, reply_of(kind, LONG))
    assert kept is not None
    assert sum(map(len, kept.values())) < 300
    assert kept == fields_of(kind, reply_of(kind, LONG))
    assert kept != fields_of(kind, reply_of(kind, OTHER))
    assert kind == "string" or kept["status"] == b"pending"


def test_a_key_that_does_not_exist_has_no_fields_and_one_of_another_type_is_refused() -> None:
    assert fields_of("hash", ()) is None
    assert fields_of("string", None) is None
    with pytest.raises(ValueError, match="WRONGTYPE"):
        fields_of("hash", ErrorReply("WRONGTYPE Operation against a key"))

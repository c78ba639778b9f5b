"""Shares of a number of cases: which one a case belongs to, on every machine and in every version of Python alike."""

from __future__ import annotations

from zlib import crc32


def share_of(text: str, count: int) -> int:
    """Return the index of the share to which a case, or whatever the text names, belongs.

    Args:
        count: number of shares; share ``i`` of ``n`` is made of the shares ``i``, ``i + n``, … of a multiple of ``n``.
    """
    return crc32(text.encode()) % count

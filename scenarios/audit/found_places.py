"""The places that a scan has found: a bounded collection of keys, by the name of their place. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

MOST_PLACES = 10_000


class FoundPlaces:
    """Keys of places, in the order in which they were found.

    Args:
        found: name of the place, and key.
    """

    def __init__(self, found: Iterable[tuple[str, str]] = ()) -> None:
        self._keys: dict[str, dict[str, None]] = {}
        self._count = 0
        for place, key in found:
            self.add(place, key)

    def add(self, place: str, key: str) -> bool:
        """Add a key; return whether there was room for it."""
        keys = self._keys.setdefault(place, {})
        if key not in keys:
            if self._count >= MOST_PLACES:
                return False
            keys[key] = None
            self._count += 1
        return True

    def keys_of(self, place: str) -> tuple[str, ...]:
        """Return the keys of a place."""
        return tuple(self._keys.get(place, ()))

    def __iter__(self) -> Iterator[tuple[str, str]]:
        for place, keys in self._keys.items():
            for key in keys:
                yield place, key

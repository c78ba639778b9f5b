"""Patterns of keys and members, such as ``ai:job:{workspace_id}:{job_id}``: match a key, form one from parts. Pure.

The part ``job_id`` may contain anything, also colons, unless the layout says what its form is. Every other part ends at
a colon and may be empty, because a key with an empty part is what a missing check leaves behind, and has to be seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

JOB = "job_id"
_PART = re.compile(r"\{([A-Za-z_]\w*)\}", re.ASCII)
_GLOB_SPECIAL = re.compile(r"([\\*?\[\]])")


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern of text with named parts in braces.

    Raises:
        ValueError: a part occurs twice, or the form of an id is no regular expression.
    """

    text: str
    parts: tuple[str, ...]
    _compiled: re.Pattern[str]

    @classmethod
    def of(cls, text: str, job_id: str = ".+") -> Pattern:
        """Return the pattern that a text describes.

        Args:
            job_id: the form of a job's id, as a regular expression.
        """
        pieces = _PART.split(text)
        parts = tuple(pieces[1::2])
        if len(set(parts)) < len(parts):
            raise ValueError(f"{text!r} names a part twice")
        expression = "".join(
            re.escape(piece)
            if number % 2 == 0
            else f"(?P<{piece}>{job_id if piece == JOB else '[^:]*?'})"
            for number, piece in enumerate(pieces)
        )
        try:
            return cls(text, parts, re.compile(expression, re.DOTALL))
        except re.error as error:
            raise ValueError(
                f"job_id = {job_id!r} is no regular expression: {error.msg}"
            ) from error

    @property
    def literal(self) -> str:
        """The text before the first part."""
        return _PART.split(self.text)[0]

    def match(self, text: str) -> dict[str, str] | None:
        """Return the parts of a text that has this form, else None."""
        found = self._compiled.fullmatch(text)
        return None if found is None else found.groupdict()

    def formed(self, parts: Mapping[str, str]) -> str | None:
        """Return the text with these parts; None if one is missing."""
        if any(part not in parts for part in self.parts):
            return None
        return _PART.sub(lambda found: parts[found[1]], self.text)


def glob_of(patterns: Iterable[Pattern]) -> str:
    """Return what MATCH takes for every key that has one of these forms: what they begin with."""
    literals = [pattern.literal for pattern in patterns]
    least, most = min(literals), max(literals)
    same = [a == b for a, b in zip(least, most, strict=False)]
    common = least[: same.index(False) if False in same else len(same)]
    return _GLOB_SPECIAL.sub(r"\\\1", common) + "*"

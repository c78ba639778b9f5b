"""Chooses from which copy each job of a batch is observed. Asks through a function, so it knows no socket."""

from __future__ import annotations

from collections.abc import Sequence

from midpipe.scenarios.audit.layout import Layout
from midpipe.scenarios.audit.observation import Observation, bytes_of
from midpipe.scenarios.audit.reading import Ask, Command


def first_of_their_jobs(
    layout: Layout, ask: Ask, observations: Sequence[Observation]
) -> list[Observation]:
    """Leave out a copy whose job is observed from another copy, unless that belongs elsewhere.

    Args:
        ask: sends commands, and returns their answers.
    """
    first = next(iter(layout.records), "")
    chosen = [observation for observation in observations if observation.origin == first]
    later = [observation for observation in observations if observation.origin != first]
    asked: list[tuple[Observation, list[str], Command]] = []
    for observation in later:
        key = layout.patterns[first].formed(observation.parts)
        if key is not None:
            known = layout.patterns[first].parts
            parts = [part for part in observation.parts if part not in known]
            words: Command = (
                ("HMGET", bytes_of(key), *parts) if parts else ("EXISTS", bytes_of(key))
            )
            asked.append((observation, parts, words))
    replies = ask([words for _, _, words in asked])
    seen_elsewhere = {
        id(observation)
        for (observation, parts, _), reply in zip(asked, replies, strict=True)
        if reply == 1
        or (parts and reply == tuple(bytes_of(observation.parts[part]) for part in parts))
    }
    return [
        *chosen,
        *(observation for observation in later if id(observation) not in seen_elsewhere),
    ]

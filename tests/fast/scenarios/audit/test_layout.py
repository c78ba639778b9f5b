"""Layouts: those that ship can be read in every phase, and a wrong one is refused with what is wrong."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import get_args

import pytest

from midpipe.faultinject.errors import UsageError
from midpipe.scenarios.audit.layout import Damage, Rule
from midpipe.scenarios.audit.layout_file import read_layout
from midpipe.scenarios.audit.layouts import layout_files, layout_named
from midpipe.scenarios.audit.pattern import Pattern, glob_of

SMALL = """
name = "small"
phases = ["one", "two"]
[record.job]
key = "job:{job_id}"
[place.waiting]
key = "waiting"
type = "list"
[[rule]]
rule = "placed"
status = ["new"]
places = ["waiting"]
"""


@pytest.mark.parametrize("name", layout_files())
def test_a_layout_that_ships_can_be_read_in_every_phase(name: str) -> None:
    phases = tomllib.loads(layout_files()[name].read_text(encoding="utf-8")).get("phases", [""])
    layouts = [layout_named(name, phase) for phase in phases]
    assert [layout.phase for layout in layouts] == phases
    assert all(layout.rules for layout in layouts)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("[record.job]", "[record.job]\ncolour = 1"), "unknown field `colour`"),
        (('rule = "placed"', 'rule = "plaiced"'), "Invalid value 'plaiced'"),
        (
            ('places = ["waiting"]', 'places = ["wating"]'),
            "the place 'wating', which does not exist",
        ),
        (("job:{job_id}", "job:{id}"), "no part {job_id}"),
        (('type = "list"', 'type = "lisp"'), "Invalid enum value 'lisp'"),
        (('name = "small"', "name = small"), "Invalid value"),
        (("[place.waiting]", "[place.job]"), "the name 'job' is used twice"),
        (('type = "list"', 'type = "stream"'), "place 'waiting' needs a group"),
        (
            (
                'rule = "placed"\nstatus = ["new"]\nplaces = ["waiting"]',
                'rule = "stored"\nplace = "waiting"',
            ),
            "is about a stream, and 'waiting' is none",
        ),
        (('name = "small"', 'name = "small"\njob_id = "[0-9"'), "is no regular expression"),
        (
            ("[[rule]]", '[[rule]]\nrule = "named"\npart = "job_id"\nmatches = "[a-"\n[[rule]]'),
            "rule 1 has matches",
        ),
        (
            ("[[rule]]", '[[rule]]\nrule = "named"\npart = "regoin"\nmatches = "a"\n[[rule]]'),
            "'regoin', which no key has",
        ),
        (
            ('type = "list"', 'type = "list"\nmember = "{jobId}"'),
            "neither the key nor a member of place 'waiting' has a part {job_id}",
        ),
        (('places = ["waiting"]', "places = []"), "length >= 1"),
        (('status = ["new"]', "status = []"), "length >= 1"),
        (('name = "small"', 'name = "small"\nsettle_s = -1'), ">= 0.0"),
    ],
)
def test_a_wrong_layout_is_refused_with_what_is_wrong(
    change: tuple[str, str], message: str
) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        read_layout(SMALL.replace(*change))
    assert message in str(refused.value)


def test_a_phase_that_the_layout_does_not_have_is_refused_with_those_it_has() -> None:
    with pytest.raises(ValueError, match="its phases are one, two"):
        read_layout(SMALL, "three")


def test_a_layout_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(UsageError, match="Known: arq, asynq, bullmq"):
        layout_named("no-such-layout")


def test_a_prefix_stands_before_every_key() -> None:
    layout = read_layout(SMALL, prefix="shop:")
    assert layout.patterns["waiting"].formed({}) == "shop:waiting"


@pytest.mark.parametrize(
    ("pattern", "text", "parts"),
    [
        (
            "ai:job:{workspace_id}:{job_id}",
            "ai:job:acme:j-1",
            {"workspace_id": "acme", "job_id": "j-1"},
        ),
        ("ai:job:{workspace_id}:{job_id}", "ai:job::a:b", {"workspace_id": "", "job_id": "a:b"}),
        ("{job_id}:{execution}", "a:b:c", {"job_id": "a:b", "execution": "c"}),
        ("{tenantId}:{job_id}", "acme:j-1", {"tenantId": "acme", "job_id": "j-1"}),
        ("ai:jobs:{job_id}", "ai:jobs:", None),
        ("ai:jobs:{job_id}", "ai:job:acme:j-1", None),
    ],
)
def test_a_pattern_matches_and_forms_its_keys(
    pattern: str, text: str, parts: dict[str, str] | None
) -> None:
    compiled = Pattern.of(pattern)
    assert compiled.match(text) == parts
    assert parts is None or compiled.formed(parts) == text


def test_the_glob_covers_every_pattern_and_is_literal() -> None:
    assert glob_of(map(Pattern.of, ("a[1]:x:{job_id}", "a[1]:y"))) == r"a\[1\]:*"


def test_the_layout_in_the_documentation_can_be_read() -> None:
    text = (Path(__file__).parents[4] / "docs" / "audit.md").read_text(encoding="utf-8")
    assert read_layout(text.split("```toml\n")[1].split("```")[0]).name == "shop"


def test_the_documentation_lists_every_rule_and_damage() -> None:
    text = (Path(__file__).parents[4] / "docs" / "audit.md").read_text(encoding="utf-8")
    kinds = {kind.__struct_config__.tag for kind in get_args(Rule)}
    assert kinds <= set(re.findall(r"^\| `(\w+)`", text, re.MULTILINE))
    assert set(Damage) <= set(re.findall(r"`(\w+)`", text))

"""The page of a verdict in a real browser: keys, addresses, printing, what a screen reader gets, hostile text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from midpipe.faultinject.faults import CATALOGUE
from midpipe.reports.sinks.page import page
from midpipe.scenarios.model.finding import CodeLine
from midpipe.scenarios.model.story import CommandSource, SourceLine, Story
from midpipe.scenarios.model.verdict import Verdict
from tests.fast.reports.verdicts import FAILED, LOST, LOUD, PASSED, STORY

pytestmark = pytest.mark.browser

Opened = Callable[..., Any]
LINE = SourceLine("shop/queue.py", 71, "enqueue")
SENT = CommandSource(LINE, (LINE,))
CURRENT = ".story li[aria-current]"


CODE = tuple(
    CodeLine("shop/queue.py", number, text)
    for number, text in [
        (70, "    def enqueue(self, job_id):"),
        (
            71,
            '        self.redis.set(f"ai:idempotency:{job_id}", "</ol><script>owned = 1</script>")',
        ),
        (90, "    # far away"),
    ]
)


def with_source(story: Story, source: CommandSource = SENT) -> Story:
    steps = tuple(
        replace(step, command=replace(step.command, source=source)) if step.command else step
        for step in story.steps
    )
    return replace(story, steps=steps)


TWO = replace(
    FAILED,
    findings=(
        replace(LOST, source=LINE, story=with_source(STORY), code=CODE),
        replace(LOUD, operation="get_job", neighbour=None),
    ),
)


def test_the_first_screen_has_the_verdict_the_findings_and_the_replay_line(opened: Opened) -> None:
    shown = opened(page(TWO))
    assert shown.locator(".outcome").inner_text() == "✗ FAIL"
    assert shown.locator("#findings li").count() == 2
    assert (
        "midpipe replay 'enqueue-with-request-id: A2" in shown.locator(".replay").first.inner_text()
    )
    assert shown.locator(".source").inner_text() == "shop/queue.py:71 in enqueue"


def test_a_finding_opens_at_its_fault_and_j_and_k_step_through_it(opened: Opened) -> None:
    shown = opened(page(TWO))
    assert "✂ cut-before" in shown.locator(CURRENT).inner_text()
    shown.keyboard.press("j")
    assert "raised ConnectionError" in shown.locator(CURRENT).inner_text()
    shown.keyboard.press("k")
    shown.keyboard.press("k")
    assert "SET ai:idempotency" in shown.locator(CURRENT).inner_text()
    assert shown.evaluate("document.activeElement.dataset.step") == "1"


def test_a_finding_without_a_fault_opens_at_the_line_of_code(opened: Opened) -> None:
    (called, sent, faulty, raised) = STORY.steps
    assert faulty.command is not None
    calm = replace(faulty, command=replace(faulty.command, fault="", executed="yes"))
    story = with_source(replace(STORY, steps=(called, sent, calm, raised)))
    finding = replace(LOST, source=LINE, story=story)
    shown = opened(page(replace(FAILED, findings=(finding,))))
    assert "SET ai:idempotency" in shown.locator(CURRENT).inner_text()


def test_the_panel_shows_the_keys_and_the_code_at_the_cursor(opened: Opened) -> None:
    panel = opened(page(TWO), "#F1/2").locator("#panel")
    assert "ai:idempotency:acme:r-1" in panel.locator(".changed").inner_text()
    assert "shop/queue.py:71 in enqueue" in panel.inner_text()


def test_the_code_around_the_line_is_shown_and_the_line_is_marked(opened: Opened) -> None:
    shown = opened(page(TWO))
    code = shown.locator("article > .code")
    assert code.locator("li").count() == 2
    assert code.locator("[aria-current]").inner_text().split()[:2] == ["▶", "71"]
    assert "</ol><script>owned" in code.inner_text()
    shown.keyboard.press("k")
    assert "self.redis.set" in shown.locator("#panel .code").inner_text()


def test_the_panel_names_the_lines_that_put_commands_into_a_pipeline(opened: Opened) -> None:
    queued = CommandSource(LINE, (LINE,), (replace(LINE, line=69), replace(LINE, line=70)))
    story = with_source(STORY, queued)
    shown = opened(page(replace(FAILED, findings=(replace(LOST, source=LINE, story=story),))))
    frames = shown.locator("#panel .frame").all_inner_texts()
    assert frames == [f"shop/queue.py:{line} in enqueue" for line in (71, 69, 70)]


@pytest.mark.parametrize("fragment", ["", "#run", "#coverage"])
def test_no_part_of_the_page_is_wider_than_a_phone(opened: Opened, fragment: str) -> None:
    shown = opened(page(TWO), fragment, viewport={"width": 390, "height": 844})
    assert shown.evaluate("document.documentElement.scrollWidth") == 390
    cells = shown.locator(".claims td").evaluate_all(
        "cells => cells.filter((cell) => cell.innerText.length > 9).map((cell) => cell.clientWidth)"
    )
    assert all(width > 100 or not width for width in cells)


def test_the_neighbour_stands_beside_the_finding_on_a_laptop(opened: Opened) -> None:
    shown = opened(page(TWO), viewport={"width": 1440, "height": 900})
    story, neighbour = (shown.locator(".story").nth(number).bounding_box() for number in (0, 1))
    assert story["x"] + story["width"] <= neighbour["x"]


def test_n_and_p_go_from_finding_to_finding(opened: Opened) -> None:
    shown = opened(page(TWO))
    shown.keyboard.press("n")
    assert "in get_job" in shown.locator("article h2").inner_text()
    shown.keyboard.press("p")
    assert "(queue.py:71)" in shown.locator("article h2").inner_text()


def test_the_address_names_finding_and_step_and_opens_there(opened: Opened) -> None:
    shown = opened(page(TWO))
    shown.keyboard.press("n")
    shown.keyboard.press("j")
    address = shown.evaluate("location.hash")
    again = opened(page(TWO), address)
    assert address.startswith("#F2/")
    assert again.locator(CURRENT).inner_text() == shown.locator(CURRENT).inner_text()


def test_an_address_that_names_nothing_opens_the_first_finding(opened: Opened) -> None:
    assert opened(page(TWO), "#F99/7").evaluate("location.hash").startswith("#F1/")


def test_the_filter_hides_findings_and_n_skips_them(opened: Opened) -> None:
    shown = opened(page(TWO))
    shown.keyboard.press("/")
    shown.keyboard.type("quiet-logs")
    assert shown.locator("#findings li:visible").count() == 1
    shown.keyboard.press("Escape")
    shown.keyboard.press("n")
    assert shown.evaluate("location.hash").startswith("#F2/")


def test_a_question_mark_shows_the_keys_and_escape_hides_them(opened: Opened) -> None:
    shown = opened(page(TWO))
    shown.keyboard.press("?")
    assert shown.get_by_role("dialog").is_visible()
    shown.keyboard.press("Escape")
    assert not shown.get_by_role("dialog").is_visible()


def test_the_replay_line_is_copied(opened: Opened) -> None:
    shown = opened(page(TWO))
    shown.evaluate(
        "document.addEventListener('copy', () => { window.copied = document.activeElement.value; })"
    )
    # file:// is a secure context in Chromium, so that the page first tries the clipboard.
    shown.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    shown.get_by_role("button", name="Copy").first.click()
    assert shown.get_by_role("button", name="Copied").is_visible()
    assert shown.evaluate("window.copied").startswith("midpipe replay 'enqueue-with-request-id")


def test_a_screen_reader_gets_the_story_as_an_ordered_list(opened: Opened) -> None:
    tree = opened(page(TWO)).locator("main").aria_snapshot()
    assert '- list "The steps of F1":' in tree
    assert "client A: command HSET ai:jobs:job-1 status pending, fault cut-before" in tree


def test_the_passing_neighbour_is_beside_the_finding(opened: Opened) -> None:
    neighbour = opened(page(TWO)).locator(".neighbour")
    assert "The nearest case in which no-lost-job holds" in neighbour.inner_text()
    assert "✓ Every invariant holds." in neighbour.inner_text()


def test_coverage_is_a_map_of_programs_and_faults(opened: Opened) -> None:
    shown = opened(page(TWO), "#coverage")
    cell = shown.get_by_role("cell", name="enqueue, late: 5 run, 2 violated")
    assert cell.inner_text() == "✗ 5"


def test_a_program_of_the_map_opens_to_its_positions(opened: Opened) -> None:
    shown = opened(page(TWO), "#coverage")
    cell = shown.get_by_role("cell", name="enqueue, A1:SET, late: violated")
    assert cell.count() == 0
    shown.get_by_role("button", name="enqueue").press("Enter")
    assert cell.inner_text() == "✗"
    assert shown.locator(".places th").all_inner_texts() == ["A1:SET", "A2:HSET", "A10:GET"]


def test_print_shows_every_finding_and_no_controls(opened: Opened) -> None:
    shown = opened(page(TWO))
    shown.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    shown.emulate_media(media="print")
    assert shown.locator("article:visible").count() == 2
    assert shown.locator("#view-coverage").is_visible()
    assert not shown.locator("nav").is_visible()


def test_a_map_of_all_faults_fits_a_sheet_of_paper(opened: Opened) -> None:
    (row, *_) = FAILED.ledger
    ledger = tuple(
        replace(row, program="finish-with-large-result", fault=fault) for fault in CATALOGUE
    )
    shown = opened(page(replace(TWO, ledger=ledger)), viewport={"width": 718, "height": 1050})
    shown.emulate_media(media="print")
    assert shown.evaluate("document.documentElement.scrollWidth") == 718


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_follows_the_colour_scheme(opened: Opened, scheme: str) -> None:
    shown = opened(page(TWO), color_scheme=scheme)
    background = shown.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == (scheme == "light")


def test_a_pass_opens_at_what_was_judged(opened: Opened) -> None:
    shown = opened(page(PASSED))
    assert shown.get_by_role("heading", name="What was judged").is_visible()
    assert "No findings." in shown.locator("#findings").inner_text()


HOSTILE = (
    "</script><script>window.owned = 1</script>",
    "<img src=x onerror='window.owned = 1'>",
    "\u2028'\"`${window.owned = 1}",
    "{{ 7 * 7 }}<!--",
)


def hostile(verdict: Verdict, text: str) -> Verdict:
    (called, sent, *further) = STORY.steps
    assert sent.command is not None
    bad = replace(sent, command=replace(sent.command, words=("SET", text), reply=text))
    story = Story(text, (called, bad, *further), STORY.violations)
    finding = replace(
        LOST, evidence=(text,), operation=text, replay=f"enqueue: {text}", story=story
    )
    return replace(verdict, subject=text, server=text, findings=(finding,), warnings=(text,))


@pytest.mark.parametrize("text", HOSTILE)
def test_text_of_a_subject_is_never_run(opened: Opened, text: str) -> None:
    shown = opened(page(hostile(FAILED, text)))
    assert shown.evaluate("window.owned") is None
    assert shown.locator("h1").inner_text().split() == text.split()
    assert text.split()[0] in shown.locator(".story").first.inner_text()


def test_no_script_but_the_page_s_own_can_run(browser: Any) -> None:
    """The policy allows what it has the hash of, so that even text that got into the markup could not run."""
    own = page(TWO)
    assert "unsafe" not in own
    shown = browser.new_page()
    shown.set_content(own)
    shown.evaluate("""() => {
        const script = document.createElement('script');
        script.textContent = 'window.owned = 1';
        document.addEventListener('securitypolicyviolation', () => { window.refused = 1; });
        document.body.append(script);
    }""")
    assert shown.evaluate("[window.owned, window.refused]") == [None, 1]
    shown.close()

"""A browser for the tests of the page. Without Playwright or a Chromium the tests are skipped, and fail in CI.

``MIDPIPE_BROWSER`` names the browser's executable. ``MIDPIPE_WITHOUT_BROWSER`` is the reason why a CI system has none;
then the tests are skipped there as well.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def skip_or_fail(reason: str) -> None:
    """Skip on a laptop; fail in CI, which has to give the reason if something is missing."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    # A developer need not have a browser; CI has one, and a test that it can't run is a failure there.
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A Playwright browser."""
    if reason := os.environ.get("MIDPIPE_WITHOUT_BROWSER"):
        # Set where no browser can be installed; its value is the reason that pytest shows.
        pytest.skip(reason)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        skip_or_fail("Playwright is not installed: pip install '.[browser]'")
    executable = os.environ.get("MIDPIPE_BROWSER") or next(
        filter(None, map(shutil.which, _NAMES)), None
    )
    if executable is None:
        skip_or_fail(f"no browser is installed: none of {', '.join(_NAMES)}")
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """A function that opens a document from ``file://`` without a network; the page must report no error."""
    contexts: list[Any] = []
    complaints: list[str] = []

    def open_page(text: str, address: str = "", **options: Any) -> Any:
        file = tmp_path / "report.html"
        file.write_text(text, "utf-8")
        context = browser.new_context(offline=True, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request",
            lambda request: complaints.append(request.url) if "file:" not in request.url else None,
        )
        page.goto(f"{file.as_uri()}{address}")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []

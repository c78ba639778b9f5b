"""What all tests share: the profiles of the property tests, and nothing else.

``midpipe`` is for a laptop; ``midpipe-ci`` draws the same examples on every run, so that a red build
is red again; ``midpipe-brief`` tries a few of them, where the versions of the dependencies are tested;
``midpipe-fuzz`` looks much longer (``tox -e fuzz``). No profile has a deadline: the time that an
example takes says more about the machine than about the code.
"""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("midpipe", deadline=None)
settings.register_profile(
    "midpipe-ci", deadline=None, derandomize=True, database=None, print_blob=True
)
settings.register_profile("midpipe-brief", deadline=None, derandomize=True, max_examples=10)
settings.register_profile("midpipe-fuzz", deadline=None, max_examples=20_000, print_blob=True)
settings.load_profile("midpipe-ci" if os.environ.get("CI") else "midpipe")

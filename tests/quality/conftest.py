"""The worker that the searches run on: the one of the real tests."""

from tests.real.conftest import worker

__all__ = ["worker"]

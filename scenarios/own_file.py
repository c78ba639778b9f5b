"""A user's own Python file: loads it once in each process, and finds the values of a kind in it.

The file is named with ``--programs`` and holds programs and invariants, made with midpipe's public API. Knows neither.
"""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from midpipe.faultinject.errors import UsageError

Value = TypeVar("Value")


def values_in(file: str, kind: type[Value]) -> tuple[Value, ...]:
    """Return the values of a kind that stand at the top of a Python file, or in tuples and lists there, each once.

    Raises:
        UsageError: there is no such file, or it can't be run.
    """
    module = _module(str(Path(file).resolve()), file)
    found: list[Value] = []
    for value in vars(module).values():
        for each in value if isinstance(value, tuple | list) else (value,):
            if isinstance(each, kind) and not any(each is known for known in found):
                found.append(each)
    return tuple(found)


@cache
def _module(path: str, shown: str) -> ModuleType:
    """Run the file as a module, which can import modules beside it; what it has loaded stays loaded."""
    if not Path(path).is_file():
        raise UsageError(f"There is no file {shown!r}. Name a Python file with --programs.")
    spec = importlib.util.spec_from_file_location(f"midpipe_own_{Path(path).stem}", path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{shown!r} is not a Python file; its name must end in .py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    sys.path.insert(0, str(Path(path).parent))
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UsageError(f"{shown!r} can't be loaded: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(str(Path(path).parent))
    return module

"""Hosts a Python subject in a separate process, under the subject's own interpreter. Needs nothing but Python 3.8.

It reads one JSON object a line from standard input and writes its answers to standard output. The subject's own output
goes to standard error, so that it can't get between the answers. Imports nothing of midpipe, because the subject's
environment need not have it.

::

    → (started)                                            {"ready": true}
    ← {"id": 1, "do": "open", "client": "A", "redis": "redis://…", "counters": ["ai_jobs", …]}
    → {"id": 1, "ok": true, "methods": ["enqueue", …], "accepts": {"enqueue": ["job_id", …]}, "promises": {…},
       "latency_bound_s": null, "waits_for_replicas": false, "counters": […],
       "service": false}
    ← {"id": 2, "do": "call", "client": "A", "method": "enqueue", "args": {…}}
    → {"id": 2, "ok": true, "ms": 1.2}      or      {"id": 2, "error": {"type": …, "message": …, "kinds": […]}}
    ← {"id": 3, "do": "source", "client": "A"}
    → {"id": 3, "ok": {"enqueue": ["def enqueue(self, …", 41], …}}
    ← {"id": 4, "do": "load", "client": "A", "work": "enqueue", "seconds": 0.5, "history": "/…", …}     (see load.py)
    → {"id": 4, "ok": {"job": 17, "attempts": 9, …}}
    ← {"id": 5, "do": "close", "client": "A"}              ← {"id": 6, "do": "exit"}

``children`` in an answer says whether the subject has started processes that still run. ``imported`` in the answer of a
forked process lists the modules of libraries that it has imported since the last answer.
``kinds`` are the names of the exception's classes; ``logs`` are the lines at WARNING or above since the last answer, as
[level, logger, text]. ``counters`` are those of the requested counters that the subject has in prometheus_client's
default registry; each answer to a call then lists their increases as ``"counted": [[name, {label: value}, by], …]``,
unless the call has ``"counts": false``. As a fork server (``fork`` instead of ``serve``) it loads the subject once, and
forks a serving process for each request on the socket that is its standard input.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import importlib
import importlib.util
import inspect
import json
import logging
import os
import signal
import socket
import sys
import sysconfig
import time
from pathlib import Path
from typing import Any

_STANDARD = getattr(sys, "stdlib_module_names", {"queue"})  # known since Python 3.10
_TEXT_LENGTH = 2000
_REAPED_WITHIN_S = 5.0


class _LogLines(logging.Handler):
    """Keeps log lines at WARNING or above until the next answer."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[list[str]] = []
        self.setFormatter(logging.Formatter("%(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = self.format(record)
        except Exception as error:  # a broken log call is a mistake of the subject, so report it
            text = f"{record.msg!r} can't be formatted: {error}"
        self.lines.append([str(record.levelname), str(record.name), text[:_TEXT_LENGTH]])

    def take(self) -> list[list[str]]:
        taken, self.lines = self.lines, []
        return taken


class _Host:
    """Answers requests with the subject's instances, one for each client."""

    def __init__(self, factory: Any) -> None:
        self._factory = factory
        self._instances: dict[str, Any] = {}
        self._loads: dict[str, Any] = {}
        self._loop: Any = None
        self._stacks: Any = None
        self._counts = _neighbour("counts").Counts()
        self._calls: dict[type, dict[str, Any]] = {}
        self.logs = _LogLines()

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        root = logging.getLogger()
        if self.logs not in root.handlers:
            root.addHandler(self.logs)
        begun = time.perf_counter()
        answer: dict[str, Any]
        try:
            answer = self._perform(request)
        except BaseException as error:  # a subject that calls sys.exit() must not end its host
            answer = {"error": _described(error)}
        answer["ms"] = round((time.perf_counter() - begun) * 1000, 3)
        if request["do"] == "call" and request.get("counts", True):
            answer["counted"] = self._counts.increases()
        answer["id"] = request.get("id")
        answer["children"] = _has_children()
        lines = self.logs.take()
        if lines:
            answer["logs"] = lines
        return answer

    def _perform(self, request: dict[str, Any]) -> dict[str, Any]:
        client = request.get("client", "")
        if request["do"] == "call":
            method = getattr(self._instances[client], request["method"])
            if request.get("counts", True):
                self._counts.begin()
            given = _neighbour("contract").arguments_for(method, request["args"])
            return {"ok": self._awaited(method(**given))}
        if request["do"] == "source":
            return {"ok": _sources(type(self._instances[client]))}
        if request["do"] == "load":
            return {"ok": self._load_of(client).step(request)}
        self._close(client)
        if request["do"] == "open":
            if request.get("journal"):
                os.environ["MIDPIPE_JOURNAL"] = request["journal"]
            if request.get("stacks") and self._stacks is None:
                self._stacks = _neighbour("stacks").Stacks(request["stacks"])
            made = _neighbour("contract").constructed(self._factory, request["redis"])
            instance = self._awaited(made)
            self._instances[client] = instance
            counters = self._counts.find(request.get("counters") or [])
            bound = getattr(instance, "latency_bound_s", None)
            return {
                "ok": True,
                **self._contract_of(instance),
                "latency_bound_s": bound if isinstance(bound, (int, float)) else None,
                "waits_for_replicas": getattr(instance, "waits_for_replicas", False) is True,
                "counters": counters,
                "service": _runs_service(instance),
            }
        return {"ok": True, "clean": self._has_left_nothing()}

    def _contract_of(self, instance: Any) -> dict[str, Any]:
        """Return which calls the subject has, which arguments they take, and what it promises."""
        contract = _neighbour("contract")
        kind = type(instance)
        if kind not in self._calls:
            names = contract.calls_of(kind)
            accepts = {name: contract.accepted_by(getattr(instance, name)) for name in names}
            self._calls[kind] = {"methods": names, "accepts": accepts}
        return {
            **self._calls[kind],
            "promises": contract.promises_of(instance),
            "background": contract.background_of(instance),
        }

    def _load_of(self, client: str) -> Any:
        if client not in self._loads:
            instance = self._instances[client]

            def call(method: str, arguments: dict[str, Any]) -> Any:
                return self._awaited(getattr(instance, method)(**arguments))

            self._loads[client] = _neighbour("load").Load(call)
        return self._loads[client]

    def _awaited(self, value: Any) -> Any:
        if not inspect.isawaitable(value):
            return value
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            asyncio.set_event_loop(self._loop)

        async def wait() -> Any:
            return await value

        return self._loop.run_until_complete(wait())

    def _has_left_nothing(self) -> bool:
        """Whether no instance is there, and those that were have left no task, thread, connection or process."""
        if self._instances or _has_children():
            return False
        if self._loop is not None:
            if asyncio.all_tasks(self._loop):
                return False
            self._loop.close()
            self._loop = None
        gc.collect()
        return bool(_neighbour("forking").runs_nothing())

    def _close(self, client: str) -> None:
        self._loads.pop(client, None)
        instance = self._instances.pop(client, None)
        for owner in (instance, getattr(instance, "_redis", None)):
            close = getattr(owner, "aclose", None) or getattr(owner, "close", None)
            if callable(close):
                try:
                    self._awaited(close())
                except BaseException:  # an instance that can't be closed is dropped all the same
                    continue
                return


def _runs_service(instance: Any) -> bool:
    """Whether the instance has started a service, so that the caller of an operation outlives what performs it."""
    module = sys.modules.get("midpipe_service")
    if module is None:
        return False
    return any(isinstance(value, module.Service) for value in vars(instance).values())


def _sources(kind: type) -> dict[str, Any]:
    """Return the text and the first line number of every method, including inherited ones."""
    found = {}
    for name in dir(kind):
        method = inspect.unwrap(getattr(kind, name, None) or _sources)
        if not name.startswith("__") and inspect.isfunction(method):
            try:
                lines, first = inspect.getsourcelines(method)
            except (OSError, TypeError):
                continue
            found[name] = ["".join(lines), first]
    return found


def _described(error: BaseException) -> dict[str, Any]:
    try:
        message = str(error)
    except Exception:  # an exception whose __str__ raises still has a type
        message = "(its message can't be shown)"
    kinds = [kind.__name__ for kind in type(error).__mro__ if kind is not object]
    return {"type": type(error).__name__, "message": message[:_TEXT_LENGTH], "kinds": kinds}


def _plain(value: Any) -> Any:
    try:
        text = repr(value)
    except Exception:  # a value whose repr raises, or that is nested too deeply, still has a type
        text = f"(a {type(value).__name__} that can't be shown)"
    return {"repr": text[:_TEXT_LENGTH]}


_ENCODER = json.JSONEncoder(default=_plain)


def _line(message: dict[str, Any]) -> bytes:
    try:
        text = _ENCODER.encode(message)
    except (TypeError, ValueError, RecursionError):
        text = json.dumps({**message, "ok": _plain(message.get("ok"))})
    return text.encode() + b"\n"


def _loaded(spec: str) -> Any:
    where, _, name = spec.rpartition(":")
    module = (
        _module_of_file(Path(where)) if where.endswith(".py") else importlib.import_module(where)
    )
    return _neighbour("contract").factory_in(module, name)


def _remember_versions() -> None:
    """Cache package versions, because redis-py looks up its own at each connection. Failed lookups are not cached."""
    metadata = sys.modules.get("importlib.metadata")
    if metadata is not None:
        metadata.version = functools.lru_cache(maxsize=None)(metadata.version)  # type: ignore[attr-defined] # of any module


def _module_of_file(path: Path) -> Any:
    """Import a file. A file inside a package gets its dotted name, so that its relative imports work."""
    path = path.resolve()
    root, name = path.parent, path.stem
    while (root / "__init__.py").is_file():
        root, name = root.parent, f"{root.name}.{name}"
    _put_on_path(str(root))
    if "." in name:
        return importlib.import_module(name)
    return _executed(f"_subject_{name}" if name in _STANDARD else name, path)


def _put_on_path(directory: str) -> None:
    """Insert a directory after the standard library, because redis-py imports a module named ``queue``."""
    standard = sysconfig.get_path("stdlib")
    libraries = (standard, os.path.join(standard, "lib-dynload"))
    last = max((n for n, path in enumerate(sys.path) if path in libraries), default=-1)
    sys.path.insert(last + 1, directory)


def _neighbour(name: str) -> Any:
    """Import a file beside this one, once, under a name that no subject uses."""
    own = f"_midpipe_{name}"
    return sys.modules.get(own) or _executed(own, Path(__file__).resolve().with_name(f"{name}.py"))


def _executed(name: str, path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _own_streams() -> tuple[Any, Any]:
    """Return the protocol's two streams, and give the subject an empty input and standard error as its output."""
    requests, answers = os.dup(0), os.dup(1)
    _print_to(2)
    return os.fdopen(requests, "rb"), os.fdopen(answers, "wb", buffering=0)


def _print_to(file: int) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(file, 1)
    os.dup2(file, 2)


def _write(file: Any, line: bytes) -> None:
    """Write a whole line; a process that is stopped amid a long one writes a part of it first."""
    left = memoryview(line)
    while left:
        left = left[file.write(left) :]


def _serve(factory: Any, requests: Any, answers: Any, imports: Any = None) -> None:
    host = _Host(factory)
    _write(answers, _line({"ready": True}))
    for line in requests:
        request = json.loads(line)
        if request["do"] == "exit":
            break
        answer = host.answer(request)
        imported = imports.new() if imports else []
        if imported:
            answer["imported"] = imported
        _write(answers, _line(answer))
    if _has_children():
        # midpipe has died. Its reaper finds the subject's processes as long as this one lives.
        time.sleep(_REAPED_WITHIN_S)


def _serve_forks(factory: Any, control: socket.socket) -> None:
    """Fork processes that serve the subject, as requested, until the other side closes the socket."""

    def serve(requests: int, answers: int, printed: int, imports: Any) -> None:
        _print_to(printed)
        os.close(printed)
        _serve(factory, os.fdopen(requests, "rb"), os.fdopen(answers, "wb", buffering=0), imports)

    forking = _neighbour("forking")
    _neighbour("counts")
    _neighbour("contract").read_signatures(factory)
    forking.serve_forks(control, serve, getattr(factory, "__module__", ""))


def _has_children() -> bool:
    """Whether the subject has started processes that it has not waited for; True where that can't be known."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    except AttributeError:
        pass
    return True


def main(arguments: list[str]) -> int:
    """Serve until the input ends. ``arguments``: serve or fork, the subject, and any number of ``--path DIR``."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    how, subject, *paths = arguments
    if how == "fork":
        control = socket.socket(fileno=os.dup(0))
        answers: Any = control.makefile("wb", buffering=0)
        _print_to(2)
    else:
        requests, answers = _own_streams()
    here = str(Path(__file__).resolve().parent)
    sys.path[:] = [path for path in sys.path if path != here]
    # What a job's body is made of, for this process and those that a worker starts.
    jobs = os.path.join(here, "job")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), jobs)))
    for path in (jobs, *reversed(paths[1::2])):
        _put_on_path(path)
    try:
        factory = _loaded(subject)
    except BaseException as error:  # report every failure to import, SystemExit too
        _write(answers, _line({"ready": False, "error": _described(error)}))
        return 2
    _remember_versions()
    if how == "fork":
        _serve_forks(factory, control)
    else:
        _serve(factory, requests, answers)
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    logging.shutdown()
    os._exit(code)

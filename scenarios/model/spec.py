"""How a user names a subject: where its code is, under which interpreter and environment it runs. Plain values."""

from __future__ import annotations

import re
import shlex
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from midpipe.faultinject.errors import UsageError

REFERENCE = "midpipe.reference:Queue"
DEFAULT_PATIENCE_S = 20.0
DEFAULT_ENVIRONMENT = (("AI_JOBS_METRICS", "on"), ("AI_JOBS_NEW_SCHEMA", "on"))
"""By default the reference writes both schemas and counts in Prometheus metrics."""
NAMED_IN_0_1 = ("reference", "scenarios")
"""Top-level packages that version 0.1 installed, and that are parts of midpipe now."""
_NAMED = re.compile(r"(?P<where>.+):(?P<name>[A-Za-z_][A-Za-z0-9_]*)")
HOST_FILE = Path(__file__).parents[1] / "subjects" / "host.py"


@dataclass(frozen=True, slots=True)
class SubjectSpec:
    """A subject and how to host it.

    Args:
        text: ``module:Class``, ``path/to/file.py:Class``, or ``command: …`` for a program that speaks the subject
            protocol.
        paths: directories that are put in front of the subject's import path.
        python: path of the interpreter that hosts a Python subject.
        environment: variables set for the subject; they override midpipe's own environment.
        patience_s: seconds that the subject may take to load, and its constructor to return.
        promises: what the user declares for it, by name; these count more than its own declarations.
        beside: the other subject of a mixed fleet, if the user named one.
        requirement: the release of a library that the user named instead of a subject: ``rq==3.0.0``.
        background: commands that it sends in the background, as ``wire.pattern`` writes them; these have no position.
        config: the file that the user named with ``--config``, in which the promises stand; empty if none was named.
    """

    text: str = REFERENCE
    paths: tuple[str, ...] = ()
    python: str = sys.executable
    environment: tuple[tuple[str, str], ...] = DEFAULT_ENVIRONMENT
    patience_s: float = DEFAULT_PATIENCE_S
    beside: SubjectSpec | None = None
    promises: tuple[tuple[str, str | float], ...] = ()
    requirement: str = ""
    config: str = ""
    background: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The subject's name in reports and messages: that of the release, otherwise what ``--subject`` takes."""
        return self.requirement.replace("==", " ") or self.text

    @property
    def options(self) -> str:
        """The options that name this subject on a command line, quoted for a shell; empty for the default."""
        default = SubjectSpec()
        words = ["--config", self.config] if self.config else []
        if self.requirement:
            words += ["--queue", self.requirement]
        elif self.text != default.text:
            words += ["--subject", self.text]
        for path in self.paths:
            words += ["--path", path]
        if self.python != default.python and not self.requirement:
            words += ["--python", self.python]
        for name, value in self.environment:
            if (name, value) not in default.environment:
                words += ["--env", f"{name}={value}"]
        for pattern in () if self.config else self.background:
            words += ["--background", pattern]
        if self.beside is not None:
            words += ["--beside", self.beside.text]
            for name, value in self.beside.environment:
                if (name, value) not in self.environment:
                    words += ["--beside-env", f"{name}={value}"]
        return shlex.join(words)

    def varied(self, environment: tuple[tuple[str, str], ...], *, beside: bool) -> SubjectSpec:
        """Return the subject, or the one beside it, with further environment variables.

        Raises:
            UsageError: ``beside`` is asked for and there is no second subject.
        """
        if beside and self.beside is None:
            raise UsageError("The program needs two subjects. Name the second one with --beside.")
        chosen = self.beside if beside and self.beside is not None else self
        return replace(
            chosen,
            environment=tuple(sorted({**dict(chosen.environment), **dict(environment)}.items())),
            beside=None,
        )

    @property
    def command(self) -> tuple[str, ...]:
        """The command that starts a process which hosts the subject."""
        if not self.is_python:
            return tuple(shlex.split(self.text.removeprefix("command:")))
        return (self.python, str(HOST_FILE), "serve", *self._hosted)

    @property
    def is_python(self) -> bool:
        """Whether midpipe's host loads it, so that one process can load it once and fork others."""
        return not self.text.startswith("command:")

    @property
    def fork_server_command(self) -> tuple[str, ...]:
        """The command that starts a fork server, which loads a Python subject and forks processes that host it."""
        return (self.python, str(HOST_FILE), "fork", *self._hosted)

    @property
    def _hosted(self) -> tuple[str, ...]:
        roots = (*self.paths, str(Path.cwd()))
        paths = [word for path in roots for word in ("--path", path)]
        return (self.text, *paths)


def parse_subject(
    text: str,
    paths: tuple[str, ...] = (),
    python: str = sys.executable,
    *,
    environment: tuple[str, ...] = (),
    patience_s: float = DEFAULT_PATIENCE_S,
    beside: SubjectSpec | None = None,
) -> SubjectSpec:
    """Return the subject that a command line's options name.

    Args:
        text, paths, python, patience_s: as in SubjectSpec.
        environment: ``NAME=value`` words, which override DEFAULT_ENVIRONMENT.
        beside: the other subject of a mixed fleet.

    A module that version 0.1 installed under another name, as in a replay line of that version, is looked up in
    midpipe, unless a directory of the subject's own import path has that module.

    Raises:
        UsageError: the text does not name a subject, its file does not exist, or a variable has no ``=``.
    """
    if text.startswith("command:"):
        _check_command(text)
    else:
        match = _NAMED.fullmatch(text)
        if match is None:
            raise UsageError(
                f"{text!r} does not name a class. Write module:Class or path/to/file.py:Class, "
                "or 'command: …' for a program that speaks the subject protocol."
            )
        where = match["where"]
        if where.endswith(".py") and not Path(where).is_file():
            raise UsageError(
                f"There is no file {where!r}. Give its path relative to the current directory, or an absolute one."
            )
        if where.partition(".")[0] in NAMED_IN_0_1 and not _has_module((*paths, "."), where):
            text = f"midpipe.{text}"
    variables = dict(DEFAULT_ENVIRONMENT)
    for word in environment:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise UsageError(f"A variable of the environment is NAME=value; got {word!r}.")
        variables[name] = value
    return SubjectSpec(
        text=text,
        paths=paths,
        python=python,
        environment=tuple(sorted(variables.items())),
        patience_s=patience_s,
        beside=beside,
    )


def _check_command(text: str) -> None:
    try:
        words = shlex.split(text.removeprefix("command:"))
    except ValueError as error:
        raise UsageError(f"--subject {text!r} can't be read: {error}. Check its quotes.") from None
    if not words or not words[0]:
        raise UsageError(
            f"--subject {text!r} names no program. Write it after the colon, as in 'command: node queue.mjs'."
        )


def _has_module(paths: tuple[str, ...], module: str) -> bool:
    """Return whether one of the directories holds the module's file, or a package of that name."""
    found = [Path(path, *module.split(".")) for path in paths]
    return any(path.with_suffix(".py").is_file() or path.is_dir() for path in found)


def replay_command(replay: str, again: str, on: str = "") -> str:
    """Return the shell command that runs a case again.

    Args:
        replay: the argument of ``midpipe replay``.
        again: the options that name the subject, quoted for a shell.
        on: the option that names the server, quoted for a shell; empty for the default.
    """
    return " ".join(filter(None, ("midpipe replay", _quoted(replay), again, on)))


def _quoted(replay: str) -> str:
    """Return the line quoted for a shell; also one that needs no quotes, so that all look alike."""
    quoted = shlex.quote(replay)
    return quoted if quoted.startswith("'") else f"'{quoted}'"

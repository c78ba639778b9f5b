"""Takes a command's options from ``[tool.midpipe]`` where the command line does not give them.

An option has the name that it has on the command line. At the top of the table it stands for every command with an
option of that name and kind; in a command's own table, ``[tool.midpipe.sweep]``, for that command only. Paths are
relative to the file. Every key is checked, also those of other commands, so that a misspelt one is never ignored.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from midpipe.faultinject.decide.schedule import did_you_mean
from midpipe.faultinject.errors import UsageError
from midpipe.scenarios.subjects.configuration import (
    PROMISES,
    TABLE,
    Configuration,
    find_configuration,
    read_configuration,
)

_META = "midpipe.configuration"
_IN_A_FILE = re.compile(r"(?P<file>[^:]+\.py):(?P<name>\w+)")
_NOT_CONFIGURABLE = frozenset({"config", "help"})


def configuration_of(ctx: click.Context | None) -> Configuration:
    """Return the configuration that a command was given; an empty one outside of a command."""
    found = ctx.meta.get(_META) if ctx is not None else None
    return found if isinstance(found, Configuration) else Configuration()


def configurable(command: click.Command) -> dict[str, click.Option]:
    """Return the options of a command that a configuration may hold, by name; none if the command reads none."""
    if CONFIG not in command.params:
        return {}
    options = [each for each in command.params if isinstance(each, click.Option)]
    return {name: option for option in options for name in _names(option)}


def _names(option: click.Option) -> Iterator[str]:
    if not option.hidden:
        long = [word.removeprefix("--") for word in option.opts if word.startswith("--")]
        yield from (name for name in long if name not in _NOT_CONFIGURABLE)


def commands_of(group: click.Group, ctx: click.Context) -> dict[str, click.Command]:
    """Return the commands of a group by name, in order."""
    found = {name: group.get_command(ctx, name) for name in group.list_commands(ctx)}
    return {name: command for name, command in found.items() if command is not None}


def shared_options(commands: Mapping[str, click.Command]) -> dict[str, click.Option]:
    """Return the options that the top of the table may hold, by name; each is that of the first command that has it."""
    shared: dict[str, click.Option] = {}
    for command in commands.values():
        for name, option in configurable(command).items():
            shared.setdefault(name, option)
    return shared


def is_same_kind(one: click.Option, other: click.Option) -> bool:
    """Whether two options of one name mean the same; ``--baseline`` is a file here and a class there."""
    return (one.metavar, one.type.name, one.multiple) == (
        other.metavar,
        other.type.name,
        other.multiple,
    )


def _configure(ctx: click.Context, _: click.Parameter, value: Path | None) -> None:
    configuration = read_configuration(value) if value else find_configuration(Path.cwd())
    ctx.meta[_META] = configuration
    if configuration.file is None:
        return
    root = ctx.find_root()
    commands = (
        commands_of(root.command, root)
        if isinstance(root.command, click.Group)
        else {ctx.command.name or "": ctx.command}
    )
    try:
        _check_keys(configuration.options, commands)
        ctx.default_map = dict(_defaults(ctx, configuration, commands))
    except UsageError as error:
        raise UsageError(f"{str(configuration.file)!r}: {error}") from error


CONFIG = click.Option(
    ["--config"],
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    is_eager=True,
    expose_value=False,
    callback=_configure,
    help=f"Take options from {TABLE} in this file; by default in the nearest pyproject.toml, upward from here.",
)


def _check_keys(options: Mapping[str, Any], commands: Mapping[str, click.Command]) -> None:
    """Raise UsageError for a key that names neither an option nor a command."""
    shared = shared_options(commands)
    for key, value in options.items():
        if isinstance(value, Mapping):
            if _spelt(key) in shared:
                raise UsageError(f"{key} is an option and takes no table; got {dict(value)!r}.")
            if key not in commands:
                hint = did_you_mean(key, {*commands, PROMISES})
                raise UsageError(
                    f"{TABLE} has a table {key!r}, and there is no such command.{hint}"
                )
            if CONFIG not in commands[key].params:
                raise UsageError(f"midpipe {key} takes no options from {TABLE}.")
            known = configurable(commands[key])
            for name in value:
                if _spelt(name) not in known:
                    hint = did_you_mean(_spelt(name), known)
                    raise UsageError(f"midpipe {key} has no option {name!r}.{hint}")
        elif _spelt(key) not in shared:
            raise UsageError(f"There is no option {key!r}.{did_you_mean(_spelt(key), shared)}")


def _defaults(
    ctx: click.Context, configuration: Configuration, commands: Mapping[str, click.Command]
) -> Iterator[tuple[str, Any]]:
    """Yield what the configuration gives for each option of the command, by the name of its parameter."""
    shared = shared_options(commands)
    own = configuration.options.get(ctx.command.name or "")
    own_values = (
        {_spelt(key): value for key, value in own.items()} if isinstance(own, Mapping) else {}
    )
    top_values = {
        _spelt(key): value
        for key, value in configuration.options.items()
        if not isinstance(value, Mapping)
    }
    assert configuration.file is not None
    base = configuration.file.parent
    for name, option in configurable(ctx.command).items():
        if name in own_values:
            value = own_values[name]
        elif name in top_values and is_same_kind(option, shared[name]):
            value = top_values[name]
        else:
            continue
        assert option.name is not None
        yield option.name, _checked(ctx, option, name, value, base)


def _checked(ctx: click.Context, option: click.Option, name: str, value: Any, base: Path) -> Any:
    """Return a value as click takes it for the option. Raises UsageError if it is none that the option takes."""
    if option.is_flag != isinstance(value, bool):
        raise UsageError(
            f"{name} takes {'true or false' if option.is_flag else 'a value'}; got {value!r}."
        )
    if option.multiple:
        value = tuple(value) if isinstance(value, list) else (value,)
    elif isinstance(value, list):
        raise UsageError(f"{name} takes one value; got {value!r}.")
    located = (
        tuple(_located(option, each, base) for each in value)
        if option.multiple
        else _located(option, value, base)
    )
    try:
        option.type_cast_value(ctx, located)
    except click.BadParameter as error:
        raise UsageError(f"{name}: {error.message}") from error
    return located


def _located(option: click.Option, value: Any, base: Path) -> Any:
    """Return a path as seen from the working directory; anything else as it is."""
    if not isinstance(value, str) or base.resolve() == Path.cwd().resolve():
        return value
    if isinstance(option.type, click.Path):
        is_on_the_search_path = option.type.executable and "/" not in value
        return value if is_on_the_search_path else _from_here(base, value)
    in_a_file = _IN_A_FILE.fullmatch(value) if option.metavar == "MODULE:CLASS" else None
    return f"{_from_here(base, in_a_file['file'])}:{in_a_file['name']}" if in_a_file else value


def _from_here(base: Path, path: str) -> str:
    return path if os.path.isabs(path) else os.path.relpath(base.resolve() / path)


def _spelt(key: str) -> str:
    return key.replace("_", "-")

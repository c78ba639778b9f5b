"""The entry point: commands by name, loaded when called; errors as one clear sentence."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import tempfile
import traceback

import click

from midpipe import __version__
from midpipe.faultinject.errors import InternalError, MidpipeError

_COMMANDS = (
    "gate",
    "sweep",
    "interleave",
    "fleet",
    "durability",
    "fuzz",
    "soak",
    "bench",
    "network",
    "proxy",
    "selfcheck",
    "reproduce",
    "replay",
    "report",
)


class _LazyGroup(click.Group):
    """Imports a command's module only when it is asked for, so that --help is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command = getattr(importlib.import_module(f"midpipe.reports.cli.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from midpipe.faultinject.decide.schedule import did_you_mean

            raise click.UsageError(error.message + did_you_mean(args[0], _COMMANDS), ctx) from error


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="midpipe")
def cli() -> None:
    """midpipe breaks the wire at every point and shows which jobs it costs.

    It runs the real code of a Redis-backed job queue against a real server, through a proxy that stops the
    conversation at every position and does there everything a network can do. A finding comes with one short
    string that replays it.

    \b
    Start here:    midpipe gate
    Your queue:    midpipe gate --subject path/to/file.py:Class
    The review:    midpipe reproduce CRITICAL-1
    """


def main() -> int:
    """Run the command line and return the exit code."""
    # A CI system cancels with SIGTERM; that ends midpipe in order, as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        code = cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return 2
    except (click.Abort, KeyboardInterrupt):
        click.echo("midpipe: interrupted", err=True)
        # If it came while a dataclass was being made, CPython ends itself by SIGINT later on, whatever this returns.
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT,))
        return 130
    except InternalError as error:
        return _internal(str(error), error.trace)
    except MidpipeError as error:
        click.echo(f"midpipe: {error}", err=True)
        if os.environ.get("MIDPIPE_TRACE"):
            traceback.print_exc()
        return error.exit_code
    except BrokenPipeError:
        # Whoever read the results has gone; there is nobody to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (
        Exception
    ) as error:  # midpipe's own fault; its user wants a sentence, its authors the trace
        return _internal(f"{type(error).__name__}: {error}", traceback.format_exc())
    return code if isinstance(code, int) else 0


def _internal(message: str, trace: str) -> int:
    handle, name = tempfile.mkstemp(prefix="midpipe-trace-", suffix=".txt")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(trace or message)
    click.echo(
        f"midpipe: this is midpipe's own fault: {message}. Please report it with {name}.", err=True
    )
    return 2


if __name__ == "__main__":
    sys.exit(main())

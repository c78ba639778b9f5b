"""The entry point: finds the command, loads its module, and turns errors into one sentence and an exit code."""

from __future__ import annotations

import errno
import importlib
import io
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping

import click

from midpipe import __version__
from midpipe.faultinject.errors import InternalError, MidpipeError
from midpipe.reports.cli.invocation import redaction, safe_text

_TASKS: Mapping[str, Mapping[str, str]] = {
    "Judge a queue": {
        "gate": "Judge a queue by every part of midpipe.",
        "sweep": "Inject every fault at every command of one client.",
        "interleave": "Run every order of the commands of several clients.",
        "fleet": "Run two versions of a queue side by side.",
        "durability": "Kill the server before and after every command.",
        "fuzz": "Generate programs, orders and faults at random.",
    },
    "Look closer": {
        "replay": "Run the case that a replay line names, and show it step by step.",
        "campaign": "Run the shards of a command on many workers.",
        "merge": "Make one verdict of the verdicts on the shards of a run.",
        "report": "Show a verdict file, and write its documents again.",
        "baseline": "Accept the findings of a verdict, so that later runs fail on new ones.",
        "reproduce": "Show the issues of a reviewed queue, step by step.",
        "selfcheck": "Show that each flawed queue is caught.",
    },
    "Load and production": {
        "soak": "Put many jobs through a queue under faults.",
        "bench": "Measure how long each call takes.",
        "network": "Run a queue's calls through a Toxiproxy.",
        "audit": "Report what is wrong with the jobs of a live queue, read-only.",
        "canary": "Judge a roll-out by its metrics.",
    },
    "Tools": {
        "init": "Write an adapter and [tool.midpipe] for your own queue.",
        "proxy": "Run the fault proxy by itself, with Toxiproxy's API.",
        "queues": "List the released libraries that --queue takes by name.",
        "bugs": "Find known bugs of released libraries again.",
        "compare": "Judge several queues in the same way, on one page.",
        "drivers": "Tabulate what Redis drivers do when a connection is lost.",
    },
}
"""The commands by what a user wants to do, and what each does: so that --help need not load them."""
_COMMANDS = tuple(command for commands in _TASKS.values() for command in commands)

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class _LazyGroup(click.Group):
    """Imports a command's module only when the command is called, so that --help is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        longest = max(map(len, _COMMANDS))
        for task, commands in _TASKS.items():
            with formatter.section(task):
                formatter.write_dl(
                    [(f"{name:<{longest}}", does) for name, does in commands.items()]
                )

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command = getattr(importlib.import_module(f"midpipe.reports.cli.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)
        from midpipe.reports.cli.configuring import CONFIG

        # The proxy has a --config of its own: Toxiproxy's.
        if not any("--config" in param.opts for param in command.params):
            command.params.append(CONFIG)
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
    """midpipe breaks the connection between a job queue and its Redis at every point, and shows which jobs that costs.

    It runs the queue's real code against a real server, through a proxy that understands the protocol, and injects at
    every position what a network, a server or a dying process can do. A finding comes with one line that replays it.

    \b
    Start here:    midpipe gate
    Your queue:    midpipe gate --subject path/to/file.py:Class
    An example:    midpipe reproduce CRITICAL-1
    """


def main() -> int:
    """Run the command line and return the exit code."""
    # A CI system cancels with SIGTERM; midpipe ends in the same order as after Ctrl-C. Where SIGINT is ignored from the
    # start (nohup, a shell's background job), it stays ignored, as by convention, and SIGTERM is the way to end a run.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        # A command measures its time budget from here: loading its module can take seconds on a busy machine.
        code = cli.main(standalone_mode=False, obj=time.monotonic())
    except click.ClickException as error:
        shown = io.StringIO()
        error.show(shown)
        for line in shown.getvalue().splitlines():
            click.echo(safe_text()(line), err=True)
        return 2
    except (click.Abort, KeyboardInterrupt):
        click.echo("midpipe: interrupted", err=True)
        # If the signal arrived while a dataclass was being made, CPython ends the process by SIGINT later on,
        # whatever this function returns.
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT,))
        return 130
    except InternalError as error:
        return _internal(str(error), error.trace)
    except MidpipeError as error:
        _say(str(error))
        if os.environ.get("MIDPIPE_TRACE"):
            click.echo(redaction()(traceback.format_exc()), err=True)
        return error.exit_code
    except BrokenPipeError:
        # The reader of the results has closed the pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        if error.errno not in _NO_ROOM:
            return _internal(f"{type(error).__name__}: {error}", traceback.format_exc())
        # What could not be flushed can't be written at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        _say(
            f"the results can't be written: {error.strerror}. Make room, or write them somewhere else."
        )
        return 2
    except (
        Exception
    ) as error:  # a fault of midpipe: the user gets a sentence, the authors the trace
        return _internal(f"{type(error).__name__}: {error}", traceback.format_exc())
    return code if isinstance(code, int) else 0


def _say(sentence: str) -> None:
    """Print a sentence on standard error, without secrets and control characters."""
    click.echo(f"midpipe: {safe_text()(sentence)}", err=True)


def _internal(message: str, trace: str) -> int:
    """Report a fault of midpipe itself, with its trace in a file, or on standard error if there is no room for one."""
    trace = redaction()(trace or message)
    where = "the trace above"
    try:
        handle, where = tempfile.mkstemp(prefix="midpipe-trace-", suffix=".txt")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(trace)
    except OSError:
        click.echo(trace, err=True)
    _say(f"this is midpipe's own fault: {message}. Please report it with {where}.")
    return 2


if __name__ == "__main__":
    sys.exit(main())

"""Writes docs/programs.md from the programs themselves: python .ci/programs.py."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from midpipe.scenarios.model.history import is_over_at_once
from midpipe.scenarios.programs.calls import WORKSPACE
from midpipe.scenarios.programs.fleets import FLEETS, programs_of_version_pair
from midpipe.scenarios.programs.program import Call, Program, Retry
from midpipe.scenarios.programs.registry import SUITES

PAGE = Path(__file__).resolve().parents[1] / "docs" / "programs.md"
PAIR = ("this", "other")
INTRODUCTION = """# Programs

Made from the code by `python .ci/programs.py`. A program says what the clients do in a case; faults and orders are
added to it. `--program NAME` chooses some; [your own](own-programs.md) run beside them. A program is left out, and the
report lists it, if your queue lacks what the last column names: [calls](calls.md), or the keys of the
[reference queue](reference-queue.md), in which the start state is written.

`A`, `B` and `C` are clients, each a process with its own connections; their calls are made in the order of the line.
*First* are the calls that prepare the case without faults, *last* the reads after it. A call in brackets is left out if
the queue lacks it.
"""
FLEET = """`midpipe fleet` runs each of these for pairs of versions; the name ends in the pair. `this` is the queue
under test, `other` the one that `--beside` or `--beside-env` names. The other versions are the stages of the
[reference queue's migration](reference-queue.md), and need its two key schemas."""
SHOWN = ("job_id", "client_request_id", "status")
RETRIED = ("enqueue", "update_status")


def page() -> str:
    """Return the page: of each program what it is for, its calls, and what the queue must have."""
    pairs = ", ".join(f"`{pair}`" for pair in version_pairs())
    parts = [
        INTRODUCTION,
        "## sweep: one client\n\nEvery fault at every command: `midpipe sweep`.\n",
        *table(SUITES["sweep"].values()),
        "\n## interleave: several clients\n\nThe orders of the clients' commands that can differ, and faults in them: "
        "`midpipe interleave`.\n",
        *table(SUITES["interleave"].values()),
        f"\n## fleet: two versions side by side\n\n{FLEET} The pairs are {pairs}.\n",
        *table(programs_of_version_pair(*PAIR)),
    ]
    return "\n".join(parts) + "\n"


def table(programs: Iterable[Program]) -> Iterator[str]:
    """Yield the lines of a table of programs."""
    yield "| program | what happens | calls | needs |"
    yield "| --- | --- | --- | --- |"
    for program in programs:
        cells = (f"`{program.name}`", program.summary, calls_of(program), needs_of(program))
        yield f"| {' | '.join(cells)} |"


def version_pairs() -> tuple[str, ...]:
    """Return the pairs of versions as the programs' names end in them: ``off-read-old``."""
    prefix = next(programs_of_version_pair(*PAIR)).name.removesuffix("-".join(PAIR))
    return tuple(name.removeprefix(prefix) for name in FLEETS if name.startswith(prefix))


def calls_of(program: Program) -> str:
    """Return who calls what, in one line."""
    clients = [f"{client_id}: {listed(calls)}" for client_id, calls in program.clients.items()]
    first = [f"*first* {listed(program.prepare)}"] if program.prepare else []
    last = [f"*last* {listed(program.reads)}"] if program.reads else []
    return "; ".join((*first, *clients, *last))


def listed(calls: Iterable[Call]) -> str:
    """Return the calls with their arguments that matter, separated by commas."""
    return ", ".join(map(line_of, calls))


def line_of(call: Call) -> str:
    """Return a call with its arguments that matter."""
    words = [call.method, *(str(call.arguments[name]) for name in SHOWN if is_shown(call, name))]
    workspace = call.arguments.get("workspace_id", WORKSPACE)
    notes = [
        *([f"{call.arguments['jobs']} jobs"] if call.arguments.get("jobs", 1) != 1 else ()),
        *(["a lease that ends at once"] if is_over_at_once(call.arguments) else ()),
        *(body_of(call)),
        *([f"delay_s={call.arguments['delay_s']}"] if "delay_s" in call.arguments else ()),
        *([f"workspace_id={shortened(workspace)}"] if workspace != WORKSPACE else ()),
        *(["not retried"] if call.method in RETRIED and call.retry is Retry.NONE else ()),
        *(["a new job_id for each attempt"] if call.retry is Retry.NEW_JOB_ID else ()),
        *(["by the other version"] if call.version.beside else ()),
    ]
    text = " ".join((f"`{' '.join(words)}`", *([f"({', '.join(notes)})"] if notes else ())))
    return f"[{text}]" if call.optional else text


def is_shown(call: Call, name: str) -> bool:
    """Whether an argument is a value that is known before the program runs."""
    return isinstance(call.arguments.get(name), str)


def shortened(value: object) -> str:
    """Return a value as in Python, a long text cut off."""
    text = repr(value)
    return text if len(text) < 30 else f"{text[:10]}…"


def body_of(call: Call) -> tuple[str, ...]:
    """Return what the job's body does, if that is not to succeed."""
    params = call.arguments.get("params")
    body = params.get("body", "succeed") if isinstance(params, dict) else "succeed"
    return () if body == "succeed" else (f"its body: {body}",)


def needs_of(program: Program) -> str:
    """Return what a queue must have."""
    delay = ["a `delay_s` of `enqueue`"] if program.delays_jobs else []
    keys = ["the reference queue's keys"] if program.seed else []
    one_of = " or ".join(f"`{method}`" for method in sorted(program.alternatives))
    methods = [
        *(f"`{method}`" for method in sorted(program.methods)),
        *([one_of] if one_of else ()),
    ]
    return ", ".join((*methods, *delay, *keys))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

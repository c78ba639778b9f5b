"""Mutation tests of what judges a case: does some history notice the loss of each condition?

Each mutant changes one condition of one module: an operand is dropped, a comparison is turned round or moved by one, a
``not`` is dropped, a branch is always or never taken, a filter is dropped, ``any`` becomes ``all``. The pure tests that
reach the changed function run on it, in this process, until one fails. A mutant with which all of them pass survives.
One that needs no history is in EXPLAINED with the reason; any other is listed, and the exit code is 1.

    python .ci/mutation.py [MODULE …]        without an argument: the invariants, and the drain

Only code inside functions is changed: its compiled form is put into the functions that the tests have imported.
"""

from __future__ import annotations

import ast
import inspect
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import CodeType, FrameType, FunctionType, ModuleType

import pytest
from _pytest.runner import runtestprotocol

ROOT = Path(__file__).parent.parent
TESTS = ("tests/fast/scenarios/invariants", "tests/fast/scenarios/case/test_draining.py")
# The first tries every answer on every invariant, and checks only that none raises; the second takes seconds a history.
IGNORED = ("test_odd_answers.py", "test_foreign_histories.py")
INVARIANTS = "scenarios/invariants"
NOT_JUDGING = ("__init__", "selection")
DRAIN = "draining"
AT_MOST_S = 5
PROPERTY_AT_MOST_S = 120
NEGATED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.GtE,
    ast.GtE: ast.Lt,
    ast.Gt: ast.LtE,
    ast.LtE: ast.Gt,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
MOVED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
}
SWAPPED = {"any": "all", "all": "any"}
_NO_TIES = "No two moments of a history are equal."
EXPLAINED: Mapping[str, str] = {
    "linearizability: 'take.end <= by_value[take.value].start'": _NO_TIES,
    "linearizability: 'ended[number].end <= puts[value].start'": _NO_TIES,
    "linearizability: 'taken[before].start >= last_taken'": _NO_TIES,
    "linearizability: 'last_taken >= taken[value].end'": _NO_TIES,
    "linearizability: 'start <= merged[-1][1]'": _NO_TIES,
    "linearizability: 'merged[number][1] >= empty.end'": _NO_TIES,
    "order_search: 'ordered[first + number].start < first_end'": _NO_TIES,
    "order_search: 'len(known) >= most'": "One more order or one less makes no difference.",
    "order_search: always 'configuration not in known'": "It saves work, and changes no answer.",
    "no_duplicate: without '()'": "For the type checker: a Counter of None is empty.",
    "no_stuck_job: without '()'": "For the type checker: where there is a claim, it is known what was delivered.",
    "telemetry_is_true: without '()'": "For the type checker: calls without counts are left out before.",
    "no_lost_job: 'traits.methods > _LEASES'": "Every subject has enqueue as well.",
}
"""Why no history can notice a change, or none has to, by module and change."""


class Mutation(ast.NodeTransformer):
    """Makes the change of that number in a tree.

    Attributes:
        made: a few words on the change; empty if there is no such number.
        line: where it was made.
    """

    def __init__(self, number: int) -> None:
        self._left = number
        self.made = ""
        self.line = 0

    def _one_of(self, node: ast.AST, line: int, changes: list[tuple[str, ast.AST]]) -> ast.AST:
        for what, changed in changes:
            if self._left == 0 and not self.made:
                self.made, self.line = what, line
                return changed
            self._left -= 1
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        self.generic_visit(node)
        changes: list[tuple[str, ast.AST]] = []
        for value in node.values:
            others = [other for other in node.values if other is not value]
            kept = others[0] if len(others) == 1 else ast.BoolOp(node.op, others)
            changes.append((f"without {ast.unparse(value)!r}", kept))
        return self._one_of(node, node.lineno, changes)

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        changes: list[tuple[str, ast.AST]] = []
        for at, operator in enumerate(node.ops):
            for table in (NEGATED, MOVED):
                if other := table.get(type(operator)):
                    ops = [*node.ops[:at], other(), *node.ops[at + 1 :]]
                    changed = ast.Compare(node.left, ops, node.comparators)
                    changes.append((f"{ast.unparse(changed)!r}", changed))
        return self._one_of(node, node.lineno, changes)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        is_not = isinstance(node.op, ast.Not)
        changes: list[tuple[str, ast.AST]] = [(f"not a {ast.unparse(node)!r}", node.operand)]
        return self._one_of(node, node.lineno, changes if is_not else [])

    def visit_If(self, node: ast.If) -> ast.AST:
        self.generic_visit(node)
        changes: list[tuple[str, ast.AST]] = [
            (
                f"{word} {ast.unparse(node.test)!r}",
                ast.If(ast.Constant(value), node.body, node.orelse),
            )
            for word, value in (("always", True), ("never", False))
        ]
        return self._one_of(node, node.lineno, changes)

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        self.generic_visit(node)
        changes: list[tuple[str, ast.AST]] = [
            (f"always {ast.unparse(node.body)!r}", node.body),
            (f"always {ast.unparse(node.orelse)!r}", node.orelse),
        ]
        return self._one_of(node, node.lineno, changes)

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        self.generic_visit(node)
        changes: list[tuple[str, ast.AST]] = []
        for test in node.ifs:
            others = [other for other in node.ifs if other is not test]
            changed = ast.comprehension(node.target, node.iter, others, node.is_async)
            changes.append((f"no filter {ast.unparse(test)!r}", changed))
        return self._one_of(node, node.target.lineno, changes)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        changes: list[tuple[str, ast.AST]] = []
        if isinstance(node.func, ast.Name) and node.func.id in SWAPPED:
            other = ast.Name(SWAPPED[node.func.id], ast.Load())
            changes.append(
                (f"{other.id}, not {node.func.id}", ast.Call(other, node.args, node.keywords))
            )
        return self._one_of(node, node.lineno, changes)


def mutants_of(path: Path) -> Iterator[tuple[int, str, CodeType]]:
    """Yield of each mutant of a file the line, what it changes there, and its compiled form."""
    text, number = path.read_text(), 0
    while True:
        mutation = Mutation(number)
        tree = mutation.visit(ast.parse(text))
        if not mutation.made:
            return
        code = compile(ast.fix_missing_locations(tree), str(path), "exec")
        yield mutation.line, mutation.made, code
        number += 1


def functions_of(module: ModuleType) -> dict[str, FunctionType]:
    """Return the functions and methods that a module defines, by qualified name."""
    found: dict[str, FunctionType] = {}
    for owner in (module, *filter(inspect.isclass, vars(module).values())):
        for value in vars(owner).values():
            value = value.fget if isinstance(value, property) else value
            if isinstance(value, FunctionType) and value.__module__ == module.__name__:
                found[value.__qualname__] = value
    return found


Place = tuple[str, str]
"""File and qualified name of a function."""


@contextmanager
def mutated(module: ModuleType, code: CodeType) -> Iterator[set[Place]]:
    """Put a mutant's code into the module's functions; yields those that differ."""
    functions = functions_of(module)
    kept = {name: function.__code__ for name, function in functions.items()}
    changed = {name: code for name, code in _codes_in(code) if name in functions}
    for name, body in changed.items():
        functions[name].__code__ = body
    try:
        yield {
            (kept[name].co_filename, name) for name, body in changed.items() if body != kept[name]
        }
    finally:
        for name, body in kept.items():
            functions[name].__code__ = body


def _codes_in(code: CodeType) -> Iterator[tuple[str, CodeType]]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant.co_qualname, constant
            yield from _codes_in(constant)


class Survivors:
    """A pytest plugin that runs the collected tests on every mutant, and lists those that survive.

    Attributes:
        count: by module, how many mutants there were, how many of them are explained, and how many others survived.
    """

    def __init__(self, paths: tuple[Path, ...]) -> None:
        self._paths = paths
        self.count: dict[str, tuple[int, int, int]] = {}

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        # Property tests take seconds, so they come last, and only for what no example has noticed.
        items = sorted(session.items, key=_is_property)
        reached: dict[pytest.Item, set[Place]] = {}
        for item in items:
            with _noting_calls() as reached[item]:
                is_broken = _fails(item)
            if is_broken:
                raise pytest.UsageError(f"{item.nodeid} fails without any change.")
        for path in self._paths:
            self._try(path, items, reached)
        return True

    def _try(
        self, path: Path, items: list[pytest.Item], reached: Mapping[pytest.Item, set[Place]]
    ) -> None:
        module = import_module("midpipe." + ".".join(path.relative_to(ROOT).with_suffix("").parts))
        survivors: list[str] = []
        explained = {change for change in EXPLAINED if change.startswith(f"{path.stem}: ")}
        number = known = 0
        for line, what, code in mutants_of(path):
            with mutated(module, code) as changed:
                if not changed:
                    continue
                number += 1
                notices = next(
                    (item for item in items if changed & reached[item] and _fails(item)), None
                )
            change = f"{path.stem}: {what}"
            if notices is None and change in EXPLAINED:
                known += 1
                explained.discard(change)
            elif notices is None:
                survivors.append(f"{path.stem}.py:{line}: {what}")
            elif not _is_property(notices):
                # What has noticed one mutant probably notices the next one of the same function.
                items.remove(notices)
                items.insert(0, notices)
        survivors += [f"explained, but does not survive: {change}" for change in sorted(explained)]
        self.count[path.stem] = number, known, len(survivors)
        say(f"{path.stem}: {number} mutants, {known} explained, {len(survivors)} survive")
        for what in survivors:
            say(f"    {what}")


@contextmanager
def _noting_calls() -> Iterator[set[Place]]:
    """Note which functions are called meanwhile."""
    found: set[Place] = set()

    def note(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call":
            found.add((frame.f_code.co_filename, frame.f_code.co_qualname))

    sys.setprofile(note)
    try:
        yield found
    finally:
        sys.setprofile(None)


def _is_property(item: pytest.Item) -> bool:
    return hasattr(getattr(item, "obj", None), "hypothesis")


def _fails(item: pytest.Item) -> bool:
    """Run a test; whether it fails. One that does not end has noticed the change as well."""

    def too_long(*_: object) -> None:
        raise TimeoutError

    item._initrequest() if hasattr(item, "_initrequest") else None
    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(PROPERTY_AT_MOST_S if _is_property(item) else AT_MOST_S)
    try:
        return any(report.failed for report in runtestprotocol(item, log=False, nextitem=None))
    except TimeoutError:
        return True
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def say(line: str) -> None:
    """Write a line past pytest, which captures what its tests print."""
    sys.__stdout__.write(f"{line}\n")
    sys.__stdout__.flush()


def main(names: list[str]) -> int:
    paths = [
        path for path in sorted((ROOT / INVARIANTS).glob("*.py")) if path.stem not in NOT_JUDGING
    ]
    paths.append(ROOT / f"scenarios/case/{DRAIN}.py")
    chosen = tuple(path for path in paths if not names or path.stem in names)
    survivors = Survivors(chosen)
    options = [
        *(f"--ignore={ROOT / TESTS[0] / name}" for name in IGNORED),
        "-q",
        "-n",
        "0",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:benchmark",
        "--timeout=0",
        # Draws the same examples each time.
        "--hypothesis-profile=midpipe-brief",
    ]
    status = pytest.main([*options, *(str(ROOT / test) for test in TESTS)], [survivors])
    if not survivors.count:
        return int(status)
    mutants, known, alive = (sum(counts) for counts in zip(*survivors.count.values(), strict=True))
    say(f"{mutants} mutants, {known} explained, {alive} survive")
    return int(status) or int(alive > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

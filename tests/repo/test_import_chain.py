"""How far an import goes: no module imports itself through others, and the longest chain of imports is bounded."""

from __future__ import annotations

from graphlib import TopologicalSorter

import grimp

LONGEST = 18
"""What bounds it: a command, judging, the gate, its parts (4); tasks, orders, exploration, runs (4); one case: run,
case, clients, side effects (4); proxy, link, conversation (3); readers, fast path, RESP (3). Each adds a meaning
of its own; a shorter chain would merge two of them or hide what one of them uses."""


def test_the_longest_chain_of_imports_is_bounded_and_no_chain_is_a_circle() -> None:
    graph = grimp.build_graph("midpipe", exclude_type_checking_imports=True, cache_dir=None)
    imported = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    chains: dict[str, tuple[str, ...]] = {}
    for module in TopologicalSorter(imported).static_order():
        below = max((chains[name] for name in sorted(imported[module])), key=len, default=())
        chains[module] = (module, *below)
    longest = max(chains.values(), key=len)
    assert len(longest) <= LONGEST, " imports ".join(longest)

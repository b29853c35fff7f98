"""Which messages can contain themselves, or have to do with one that can, found in one walk over all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

__all__ = ["around_cycles", "components"]


def around_cycles(edges: Mapping[str, Sequence[str]]) -> frozenset[str]:
    """The nodes that reach themselves, those behind them, and all that lead to any of these."""
    groups = list(components(edges))  # what a node leads to comes before it
    found: set[str] = set()
    for group in reversed(groups):
        if len(group) > 1 or group[0] in edges[group[0]] or group[0] in found:
            found.update(group)
            found.update(inner for node in group for inner in edges[node])
    for group in groups:
        if any(inner in found for inner in edges[group[0]]):
            found.update(group)
    return frozenset(found)


def components(edges: Mapping[str, Sequence[str]]) -> Iterator[list[str]]:
    """Groups of nodes that reach each other; each group behind those that it leads to.

    This is Tarjan's algorithm without recursion, so that no chain of messages is too long for it.
    """
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    waiting: set[str] = set()
    for root in edges:
        if root in index:
            continue
        path = [(root, iter(edges[root]))]
        index[root] = low[root] = len(index)
        stack.append(root)
        waiting.add(root)
        while path:
            node, inner = path[-1]
            following = next((each for each in inner if _is_open(each, node, index, low, waiting)), None)
            if following is not None:
                index[following] = low[following] = len(index)
                stack.append(following)
                waiting.add(following)
                path.append((following, iter(edges[following])))
                continue
            path.pop()
            if path:
                low[path[-1][0]] = min(low[path[-1][0]], low[node])
            if low[node] == index[node]:
                component = [stack.pop()]
                while component[-1] != node:
                    component.append(stack.pop())
                waiting.difference_update(component)
                yield component


def _is_open(each: str, node: str, index: Mapping[str, int], low: dict[str, int], waiting: set[str]) -> bool:
    """Whether a node is new; of one on the way here, notes that it can be reached."""
    if each not in index:
        return True
    if each in waiting:
        low[node] = min(low[node], index[each])
    return False

"""Simplifies repetitions in a syntax tree, so that the repeated parts never match the empty text.

A *count* is a node with a least and a greatest number of copies: `a{2,5}` is _Count(a, 2, 5). Counts of
counts become one count where no number of copies is lost. `SomeOf` is a node: some of its parts in their
order, at least one. Examples: `(a?){9}` is `a{0,9}`, `(a|aa){3}` is `a{3,6}`, `(a{1,3}){0,5}` is `a{0,15}`,
and a copy in `(a?b?){9}` is one of `a`, `b` and `ab` (SomeOf((a, b))). The same texts match. A backtracking
matcher would try them in another order; an automaton has no order.
"""

from __future__ import annotations

from itertools import groupby
from typing import NamedTuple

from structgen.automata.regex.syntax_tree import (
    EMPTY,
    Alternation,
    Concatenation,
    Node,
    Repetition,
    SomeOf,
    concatenate_nodes,
    make_alternation,
)


class _Count(NamedTuple):
    """`min_count` to `max_count` copies of the node `of`.

    `of`: None for the empty text. `max_count`: None for no bound. The count may be empty if `min_count` is 0.
    """

    of: Node | None
    min_count: int
    max_count: int | None


def simplify_tree(tree: Node) -> Node:
    """Return an equivalent tree whose counted parts never match the empty text, where such a tree is known.
    Assertions stay as they are. Cost: some microseconds a node."""
    return _write_node(_count_node(tree))


def _count_node(node: Node) -> _Count:
    """Return a node as a count of copies of a node that is never empty, where such a count is known."""
    if isinstance(node, Repetition):
        return _repeat_count(_count_node(node.of), node.min_count, node.max_count)
    if isinstance(node, Concatenation):
        return _join_counts([_count_node(part) for part in node.parts])
    if isinstance(node, Alternation):
        return _count_alternatives([_count_node(part) for part in node.parts])
    return _Count(node, 1, 1)


def _repeat_count(part: _Count, min_count: int, max_count: int | None) -> _Count:
    """Return the count of `min_count` to `max_count` copies of the count `part`; None: no bound."""
    if part.of is None or max_count == 0:
        return _Count(None, 0, 0)
    if part.min_count == 0:
        min_count = 0
    together = None if max_count is None or part.max_count is None else max_count * part.max_count
    # Do copies of `min_count` to `max_count` parts cover every number without a gap? With one more copy the
    # least number must not pass the highest number of fewer copies by more than one.
    highest = together if part.max_count is None else min_count * part.max_count
    leaves_none = highest is None or (min_count + 1) * part.min_count <= highest + 1
    if part.min_count <= 1 or min_count == max_count or (min_count and leaves_none):
        return _Count(part.of, min_count * part.min_count, together)
    return _Count(_write_node(part), min_count, max_count)


def _join_counts(parts: list[_Count]) -> _Count:
    """Return the concatenation of some counts as one count; neighbours of equal nodes are added."""
    counts: list[_Count] = []
    for part in parts:
        if part.of is None:
            continue
        previous = counts[-1] if counts else None
        if previous is not None and previous.of == part.of:
            min_count = previous.min_count + part.min_count
            max_count: int | None = None
            if previous.max_count is not None and part.max_count is not None:
                max_count = previous.max_count + part.max_count
            counts[-1] = _Count(part.of, min_count, max_count)
        else:
            counts.append(part)
    if len(counts) < 2:
        if counts:
            return counts[0]
        return _Count(None, 0, 0)
    if not any(part.min_count for part in counts):
        # All may be empty: one or more of them in their order, or the empty text.
        copies = [_write_node(part._replace(min_count=1)) for part in counts]
        return _Count(SomeOf(tuple(copies)), 0, 1)
    # Some counts are never empty. Each run of optional counts between them becomes one count.
    joined_parts: list[_Count] = []
    for has_least, run in groupby(counts, lambda part: part.min_count > 0):
        if has_least:
            joined_parts += run
        else:
            joined_parts.append(_join_counts(list(run)))
    return _Count(concatenate_nodes(*map(_write_node, joined_parts)), 1, 1)


def _count_alternatives(parts: list[_Count]) -> _Count:
    """Return the alternation of some counts as one count. Counts of the same node without a gap between their
    numbers are merged: `a{1,2}|a{3,5}` -> `a{1,5}`."""
    if all(part.min_count == part.max_count == 1 for part in parts):
        return _Count(make_alternation(list(map(_write_node, parts))), 1, 1)  # trees take long to hash
    apart: list[_Count] = []  # counts with a gap after them
    counts: dict[Node, _Count] = {}
    for part in sorted(parts, key=lambda part: part.min_count):
        of = part.of
        if of is None:
            continue
        # The empty text is put back at the end: until then each count has one copy at least.
        part = part._replace(min_count=max(part.min_count, 1))
        previous = counts.get(of)
        if previous is not None and previous.max_count is None:
            continue
        if previous is not None and previous.max_count is not None:
            leaves_no_gap = previous.max_count + 1 >= part.min_count
            if leaves_no_gap:
                max_count = None if part.max_count is None else max(previous.max_count, part.max_count)
                part = previous._replace(max_count=max_count)
            else:
                apart.append(previous)
        counts[of] = part
    min_count = min(1, *(part.min_count for part in parts))  # 0: the whole may be empty
    apart += counts.values()
    if len(apart) == 1 and (min_count or apart[0].min_count == 1):
        return apart[0]._replace(min_count=min_count and apart[0].min_count)
    if apart:
        return _Count(make_alternation(list(map(_write_node, apart))), min_count, 1)
    return _Count(None, 0, 0)


def _write_node(part: _Count) -> Node:
    """Return the tree of a count."""
    if part.of is None:
        return EMPTY
    if part.min_count == part.max_count == 1:
        return part.of
    return Repetition(part.of, part.min_count, part.max_count)

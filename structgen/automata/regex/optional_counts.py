"""Counts of parts that may be empty or long in several ways, as plain counts of parts that are not empty.

`(a?){9}` is `a{0,9}`, `(a|aa){3}` is `a{3,6}`, `(a{1,3}){0,5}` is `a{0,15}`, and a copy in `(a?b?){9}` is one
of `a`, `b` and `ab` (`SomeOf`: some of the parts in their order, at least one). The same texts match. A
backtracking matcher would try them in another order; an automaton has no order.
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
    alternatives,
    concatenated,
)


class _Count(NamedTuple):
    """`least` to `most` copies of a node (None: no bound); of no node, the empty text. `least` 0: it may
    be empty."""

    of: Node | None
    least: int
    most: int | None


def simplified(tree: Node) -> Node:
    """Return an equivalent tree whose counted parts never match the empty text, where such a tree is known.
    Assertions stay as they are. Cost: some microseconds a node."""
    return _written(_counted(tree))


def _counted(node: Node) -> _Count:
    if isinstance(node, Repetition):
        return _repeated(_counted(node.of), node.least, node.most)
    if isinstance(node, Concatenation):
        return _in_order([_counted(part) for part in node.parts])
    if isinstance(node, Alternation):
        return _either([_counted(part) for part in node.parts])
    return _Count(node, 1, 1)


def _repeated(part: _Count, least: int, most: int | None) -> _Count:
    """Return `least` to `most` copies of a count of copies."""
    if part.of is None or most == 0:
        return _Count(None, 0, 0)
    if part.least == 0:
        least = 0
    together = None if most is None or part.most is None else most * part.most
    # copies of `least..most` parts cover every number without a gap
    highest = together if part.most is None else least * part.most
    leaves_none = highest is None or (least + 1) * part.least <= highest + 1
    if part.least <= 1 or least == most or (least and leaves_none):
        return _Count(part.of, least * part.least, together)
    return _Count(_written(part), least, most)


def _in_order(parts: list[_Count]) -> _Count:
    """Return counts one after another; equal nodes are counted together."""
    counts: list[_Count] = []
    for part in parts:
        if part.of is None:
            continue
        before = counts[-1] if counts else None
        if before is not None and before.of == part.of:
            most = None if before.most is None or part.most is None else before.most + part.most
            counts[-1] = _Count(part.of, before.least + part.least, most)
        else:
            counts.append(part)
    if len(counts) < 2:
        return counts[0] if counts else _Count(None, 0, 0)
    if not any(part.least for part in counts):
        return _Count(SomeOf(tuple(_written(part._replace(least=1)) for part in counts)), 0, 1)
    runs = [(has_least, list(run)) for has_least, run in groupby(counts, lambda part: part.least > 0)]
    parts = [part for has_least, run in runs for part in (run if has_least else [_in_order(run)])]
    return _Count(concatenated(*map(_written, parts)), 1, 1)


def _either(parts: list[_Count]) -> _Count:
    """Return alternatives; counts of one node that leave no number between them out are one."""
    if all(part.least == part.most == 1 for part in parts):
        return _Count(alternatives(list(map(_written, parts))), 1, 1)  # trees take long to hash
    apart: list[_Count] = []
    counts: dict[Node, _Count] = {}
    for part in sorted(parts, key=lambda part: part.least):
        of = part.of
        if of is None:
            continue
        part = part._replace(least=max(part.least, 1))
        known = counts.get(of)
        if known is not None and known.most is None:
            continue
        if known is not None and known.most is not None and known.most + 1 >= part.least:
            part = known._replace(most=None if part.most is None else max(known.most, part.most))
        elif known is not None:
            apart.append(known)
        counts[of] = part
    least = min(1, *(part.least for part in parts))  # 0: the whole may be empty
    apart += counts.values()
    if len(apart) == 1 and (least or apart[0].least == 1):
        return apart[0]._replace(least=least and apart[0].least)
    return _Count(alternatives(list(map(_written, apart))), least, 1) if apart else _Count(None, 0, 0)


def _written(part: _Count) -> Node:
    if part.of is None:
        return EMPTY
    return part.of if part.least == part.most == 1 else Repetition(part.of, part.least, part.most)

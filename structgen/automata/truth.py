"""Formulas over strings as trees over numbered atoms, ready to be judged by which atoms accept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias, Union

from structgen.automata.formats import format_beside, format_bound, format_meaning
from structgen.automata.lookless import without_looks
from structgen.automata.program import AllTree, NotTree, Program, Tree, compile_pattern
from structgen.errors import GrammarError
from structgen.ir import All, Any_, Format, Formula, Length, Not, Pattern, Words

Atom: TypeAlias = Union[Program, Words]
# A formula over atoms by number: ("atom", i), ("length", least, most), ("not", f), ("all", f...), ("any",
# f...).
TruthTree: TypeAlias = tuple[Any, ...]


class TreeBuilder:
    """Turns formulas into trees over numbered atoms."""

    def __init__(self, formats: Mapping[str, str]) -> None:
        self.formats = formats
        self.atoms: dict[Atom, int] = {}
        self.breaks: set[int] = set()

    def node(self, formula: Formula, denied: bool = False, whole: bool = True) -> TruthTree:
        """Return the tree of a formula that stands behind an odd number of negations (`denied`), or not.

        `whole`: nothing but lengths and excluded words is asked for beside it (`formats.format_beside`).
        """
        if isinstance(formula, Pattern):
            return self.tree(compile_pattern(formula.source))
        if isinstance(formula, Words):
            return self.atom(formula)
        if isinstance(formula, Length):
            if formula.least > 0:
                self.breaks.add(formula.least)
            if formula.most is not None:
                self.breaks.add(formula.most + 1)
            return ("length", formula.least, formula.most)
        if isinstance(formula, Format):
            extra = self.formats.get(formula.name)
            if extra is not None:
                return self.node(Pattern(extra))
            meaning = (format_bound if denied else format_meaning if whole else format_beside)(formula.name)
            return self.atom(meaning) if isinstance(meaning, Program) else self.node(meaning, denied, whole)
        if isinstance(formula, Not):
            return ("not", self.node(formula.of, not denied, False))
        if isinstance(formula, All):
            whole = whole and sum(map(_asks, formula.of)) <= 1
            return ("all", *(self.node(part, denied, whole) for part in formula.of))
        if isinstance(formula, Any_):
            return ("any", *(self.node(part, denied, whole) for part in formula.of))
        raise GrammarError(
            f"{type(formula).__name__} does not speak of strings.",
            cure="Use string atoms in a string's formula.",
        )

    def tree(self, tree: Tree) -> TruthTree:
        if isinstance(tree, Program):
            return self.atom(without_looks(tree) or tree)
        if isinstance(tree, NotTree):
            return ("not", self.tree(tree.of))
        assert isinstance(tree, AllTree)
        return ("all", *map(self.tree, tree.of))

    def atom(self, atom: Atom) -> TruthTree:
        return ("atom", self.atoms.setdefault(atom, len(self.atoms)))


def _asks(formula: Formula) -> bool:
    """Return whether a part of a conjunction is more than a length or words that are excluded."""
    return not (isinstance(formula, Length) or (isinstance(formula, Not) and isinstance(formula.of, Words)))


def evaluate(node: TruthTree, flags: list[bool], length: int) -> bool:
    kind = node[0]
    if kind == "atom":
        return flags[node[1]]
    if kind == "length":
        return bool(node[1] <= length and (node[2] is None or length <= node[2]))
    if kind == "not":
        return not evaluate(node[1], flags, length)
    parts = (evaluate(part, flags, length) for part in node[1:])
    return all(parts) if kind == "all" else any(parts)


def foresee(node: TruthTree, flags: list[bool | None], length: int) -> bool | None:
    """Return what a tree will surely be however the string goes on, or None.

    `flags`: of each atom whether it has matched for good, never will, or may (None); `length`: what is read,
    at least.
    """
    kind = node[0]
    if kind == "atom":
        return flags[node[1]]
    if kind == "length":
        if node[2] is not None and length > node[2]:
            return False
        return True if node[1] <= length and node[2] is None else None
    if kind == "not":
        inner = foresee(node[1], flags, length)
        return None if inner is None else not inner
    settled = kind == "any"
    unknown = False
    for part in node[1:]:
        found = foresee(part, flags, length)
        if found is settled:
            return settled
        unknown = unknown or found is None
    return None if unknown else not settled

"""Formulas over strings as Boolean trees over numbered atoms, and in postfix order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, Union

from structgen.automata.formats.named_formats import format_beside, format_bound, format_meaning
from structgen.automata.programs.determinizer_tables import (
    ALL,
    ANY,
    ATOM,
    FORMULA_END,
    LENGTH,
    NOT_ATOM,
    NOT_LENGTH,
)
from structgen.automata.programs.instructions import Program, is_plain
from structgen.automata.programs.lookaround_elimination import without_lookarounds
from structgen.automata.programs.thompson_construction import (
    AllTree,
    NotTree,
    Tree,
    compile_pattern,
    compile_union,
)
from structgen.errors import GrammarError
from structgen.language.ir import All, Any_, Format, Formula, Length, Not, Pattern, Words

Atom: TypeAlias = Union[Program, Words]
# A formula over atoms by number: ("atom", i), ("length", least, most), ("not", f), ("all", f...), ("any",
# f...).
BooleanTree: TypeAlias = tuple[Any, ...]


_LEAVES = ("atom", "length")


class TreeBuilder:
    """Turns formulas into trees over numbered atoms."""

    def __init__(self, formats: Mapping[str, str]) -> None:
        self.formats = formats
        self.atoms: dict[Atom, int] = {}
        self.breaks: set[int] = set()

    def node(self, formula: Formula, denied: bool = False, whole: bool = True) -> BooleanTree:
        """Return the tree of a formula. `denied`: it is under an odd number of negations.

        `whole`: beside it, the string must meet lengths and excluded words alone (`format_beside`).
        """
        done: list[BooleanTree] = []
        stack = [(formula, denied, whole, False)]
        while stack:
            formula, denied, whole, ready = stack.pop()
            if isinstance(formula, Not):
                if ready:
                    done[-1] = ("not", done[-1])
                else:
                    stack += [(formula, denied, whole, True), (formula.of, not denied, False, False)]
            elif isinstance(formula, (All, Any_)):
                below = formula.of
                united: BooleanTree | None = None
                if isinstance(formula, Any_):
                    united, below = self._united(formula)
                if ready or not below:
                    start = len(done) - len(below)
                    parts = done[start:] if united is None else [united, *done[start:]]
                    del done[start:]
                    one = united is not None and len(parts) == 1
                    done.append(parts[0] if one else ("all" if isinstance(formula, All) else "any", *parts))
                    continue
                stack.append((formula, denied, whole, True))
                if isinstance(formula, All):
                    whole = whole and sum(map(_asks, formula.of)) <= 1
                    whole = whole and not _asks_long_names(formula)
                stack.extend((part, denied, whole, False) for part in reversed(below))
            else:
                done.append(self._leaf(formula, denied, whole))
        return done[0]

    def _united(self, formula: Any_) -> tuple[BooleanTree | None, tuple[Formula, ...]]:
        """Return one program for all plain patterns of a disjunction (None: fewer than two), and the others.

        One program has fewer states than several, and is trimmed, so its liveness is known.
        """
        plain: list[str] = []
        rest: list[Formula] = []
        for part in formula.of:
            tree = compile_pattern(part.source) if isinstance(part, Pattern) else None
            if isinstance(part, Pattern) and isinstance(tree, Program) and is_plain(tree):
                plain.append(part.source)
            else:
                rest.append(part)
        if len(plain) < 2:
            return None, formula.of
        return self.atom(compile_union(tuple(dict.fromkeys(plain)))), tuple(rest)

    def _leaf(self, formula: Formula, denied: bool, whole: bool) -> BooleanTree:
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
        raise GrammarError(
            f"{type(formula).__name__} does not speak of strings.",
            cure="Use string atoms in a string's formula.",
        )

    def tree(self, tree: Tree) -> BooleanTree:
        if isinstance(tree, Program):
            return self.atom(without_lookarounds(tree))
        if isinstance(tree, NotTree):
            return ("not", self.tree(tree.of))
        assert isinstance(tree, AllTree)
        return ("all", *map(self.tree, tree.of))

    def atom(self, atom: Atom) -> BooleanTree:
        return ("atom", self.atoms.setdefault(atom, len(self.atoms)))


def _asks(formula: Formula) -> bool:
    """Return whether a part of a conjunction is neither a length nor excluded words."""
    return not (isinstance(formula, Length) or (isinstance(formula, Not) and isinstance(formula.of, Words)))


def _asks_long_names(formula: All) -> bool:
    """Return whether an international name must have a least length: then not every text is an end
    (`label_lengths`)."""
    least = max((part.least for part in formula.of if isinstance(part, Length)), default=0)
    return least > 1 and Format("idn-hostname") in formula.of


def atoms_of(node: BooleanTree) -> frozenset[int]:
    """Return the numbers of the atoms of a tree."""
    found: set[int] = set()
    stack = [node]
    while stack:
        node = stack.pop()
        if node[0] == "atom":
            found.add(node[1])
        elif node[0] != "length":
            stack += node[1:]
    return frozenset(found)


def postfix(nodes: Sequence[BooleanTree]) -> tuple[list[int], int, set[int]]:
    """Return the disjunction of trees in postfix order, the trees in their order
    moved to the leaves; the most operands that its evaluation holds; and the atoms that it asks to match."""
    code: list[int] = []
    asked: set[int] = set()
    held = most = 0
    stack: list[tuple[BooleanTree, bool, bool]] = [(("any", *reversed(nodes)), False, False)]
    while stack:
        node, denied, ready = stack.pop()
        if node[0] == "not":
            stack.append((node[1], not denied, False))
            continue
        if node[0] in _LEAVES or ready or len(node) == 1:
            held += 1
        if node[0] == "atom":
            code += (NOT_ATOM if denied else ATOM, node[1], 0)
            asked |= set() if denied else {node[1]}
        elif node[0] == "length":
            code += (NOT_LENGTH if denied else LENGTH, node[1], -1 if node[2] is None else node[2])
        elif ready or len(node) == 1:
            code += (ALL if (node[0] == "all") != denied else ANY, len(node) - 1, 0)
            held -= len(node) - 1
        else:
            stack.append((node, denied, True))
            stack.extend((part, denied, False) for part in node[1:])
        most = max(most, held)
    return [*code, FORMULA_END], most, asked

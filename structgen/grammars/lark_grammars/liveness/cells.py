"""The cells of the parser's stack, for liveness: a state of the parser, and how many brackets are open
there.

lark's indenter drops newlines where a bracket is open. If each nonterminal opens as many more brackets than
it closes in all its texts, the stack tells how many are open: exact up to the most that one rule opens,
beyond which some are open at every place of the rule.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from structgen.grammars.lark_grammars.reading.loaded_grammar import END, ParserTables, Rule
from structgen.grammars.text_grammars.context_free.productive_symbols import productive
from structgen.grammars.text_grammars.context_free.rules import reached


class Cells(NamedTuple):
    """How cells follow one another. A cell is a pair (state, mode), where the mode is the open brackets, up
    to the largest one, which stays."""

    modes: int
    """How many modes are told apart; 1: brackets do not matter."""
    steps: npt.NDArray[np.int32]
    """For each state how many more brackets the symbol before it opens than it closes."""
    is_exact: bool
    """Whether the stack tells which brackets are open."""

    def after(self, mode: int, state: int) -> int:
        """Return the mode at a state above a mode; -1: the symbol closes what is not open."""
        return mode if mode == self.modes - 1 else max(-1, min(self.modes - 1, mode + int(self.steps[state])))


def column_after(column: int, byte: int, tab_size: int) -> int:
    """Return the column behind the last line break after one more byte; below 0: no line break yet."""
    if byte == ord("\n"):
        return 0
    return column if column < 0 else column + {ord("\t"): tab_size, ord(" "): 1}.get(byte, 0)


def classes_of_bytes(classes: bytes, tables: ParserTables) -> bytes:
    """Return the classes of bytes; where an indenter counts blanks, these are classes of their own."""
    if tables.indentation is None:
        return classes
    kinds, numbers = {10: 1, 9: 2, 32: 3}, dict[tuple[int, int], int]()
    return bytes(
        numbers.setdefault((kind, kinds.get(byte, 0)), len(numbers)) for byte, kind in enumerate(classes)
    )


def usable_rules(tables: ParserTables, terminals: Collection[int]) -> list[Rule]:
    """Return the rules that occur in a derivation of a whole text, if only some terminals have a lexeme."""
    derive = productive([(-1 - rule.origin, rule.symbols) for rule in tables.rules], terminals)
    usable = [rule for rule in tables.rules if derive.issuperset(rule.symbols)]
    starts = [one.origin for one in usable if tables.nonterminals[one.origin].startswith("$root_")]
    met = reached([(-1 - one.origin, one.symbols) for one in usable], [-1 - one for one in starts])
    return [rule for rule in usable if -1 - rule.origin in met]


def cells_of(tables: ParserTables, rules: Sequence[Rule]) -> Cells:
    """Return the cells of a grammar. `rules`: those that are used (`usable_rules`)."""
    steps = np.zeros(len(tables.kernels), np.int32)
    indentation = tables.indentation
    if indentation is None:
        return Cells(1, steps, True)
    terminals = dict.fromkeys(indentation.opening, 1) | dict.fromkeys(indentation.closing, -1)
    balances = balances_of(rules, terminals)
    if balances is None:
        return Cells(1, steps, not terminals)
    every = terminals | balances
    most = 1 + max((max(_prefixes(rule, every)) for rule in rules), default=0)
    for state, kernel in enumerate(tables.kernels):
        for rule, dot in kernel[:1]:
            steps[state] = every.get(tables.rules[rule].symbols[dot - 1], 0) if dot else 0
    return Cells(most + 1, steps, True)


def blocks_are_even(tables: ParserTables, made: Collection[int]) -> bool:
    """Return whether the parser's stack tells how many of the indenter's blocks are open: each nonterminal
    opens as many more than it closes in all its texts, and whole texts close them all. `made`: the terminals
    that have a lexeme."""
    lines = tables.indentation
    if lines is None:
        return True
    rules = usable_rules(tables, {END, lines.indent, lines.dedent, *made})
    terminals = {lines.indent: 1, lines.dedent: -1}
    balances = balances_of(rules, terminals)
    if balances is None:
        return False
    return not any(
        balances[-1 - one.origin] for one in rules if tables.nonterminals[one.origin].startswith("$root_")
    )


def balances_of(rules: Sequence[Rule], terminals: dict[int, int]) -> dict[int, int] | None:
    """Return for each nonterminal (-1 - its number) how many more brackets each of its texts opens than it
    closes, for those that derive a text; None if that differs, or one closes what it has not opened."""
    found: dict[int, int] = {}
    left, before = list(rules), -1
    while len(left) != before:
        before, unknown = len(left), list[Rule]()
        for rule in left:
            if any(one < 0 and one not in found for one in rule.symbols):
                unknown.append(rule)
                continue
            total = sum(found[one] if one < 0 else terminals.get(one, 0) for one in rule.symbols)
            if found.setdefault(-1 - rule.origin, total) != total:
                return None
        left = unknown
    return None if lowest(rules, terminals | found) < 0 else found


def lowest(rules: Sequence[Rule], balances: dict[int, int]) -> int:
    """Return the least balance of a beginning of a nonterminal's texts (0 at most)."""
    least: dict[int, int] = {}
    for _ in range(len(rules) + 2):
        before = dict(least)
        for rule in rules:
            here, origin = 0, -1 - rule.origin
            for symbol in rule.symbols:
                below = least.get(symbol, 0) if symbol < 0 else min(0, balances.get(symbol, 0))
                least[origin] = min(least.get(origin, 0), here + below)
                here += balances.get(symbol, 0)
        if least == before:
            return min(least.values(), default=0)
    return -len(rules)  # each round finds deeper ones


def _prefixes(rule: Rule, balances: dict[int, int]) -> list[int]:
    found = [0]
    for symbol in rule.symbols:
        found.append(found[-1] + balances.get(symbol, 0))
    return found

"""The frames of the parser's stack, for liveness: a state of the parser, and how many brackets are open
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
from structgen.grammars.text_grammars.context_free.productive_symbols import productive_symbols
from structgen.grammars.text_grammars.context_free.rules import reachable_symbols


class StackFrames(NamedTuple):
    """The frames that stacks have, by number. A frame is a state and the open brackets, up to the most that
    are counted: once there are so many, they are never fewer again."""

    is_exact: bool
    """Whether the stack tells which brackets are open."""
    bracket_balance: npt.NDArray[np.int32]
    """[states]: how many more brackets the symbol before a state opens than it closes."""
    state: npt.NDArray[np.int32]
    brackets: npt.NDArray[np.int32]
    """[frames]"""
    at: npt.NDArray[np.int32]
    """[states, open brackets]: the frame, -1: no stack has it."""
    below: npt.NDArray[np.int32]
    """Pairs of a frame and one that may be directly below it, sorted by the first..."""
    below_at: npt.NDArray[np.int32]
    """... and where those of each frame begin."""

    def frames_of_stack(self, states: Sequence[int]) -> npt.NDArray[np.int32] | None:
        """Return the frames of a stack (states, the bottom first); None where it closes what is not open, or
        no stack is so."""
        max_brackets, brackets, frames = self.at.shape[1] - 1, 0, np.empty(len(states), np.int32)
        for depth, state in enumerate(states):
            if depth and brackets < max_brackets:
                brackets = min(max_brackets, brackets + int(self.bracket_balance[state]))
            frames[depth] = self.at[state, brackets] if brackets >= 0 else -1
            if frames[depth] < 0:
                return None
        return frames


def column_after(column: int, byte: int, tab_size: int) -> int:
    """Return the column behind the last line break after one more byte; below 0: no line break yet."""
    if byte == ord("\n"):
        return 0
    return column if column < 0 else column + {ord("\t"): tab_size, ord(" "): 1}.get(byte, 0)


def classes_of_bytes(classes: bytes, tables: ParserTables) -> bytes:
    """Return the classes of bytes; where an indenter counts blanks, these are classes of their own."""
    if tables.indentation is None:
        return classes
    blanks, numbers = {10: 1, 9: 2, 32: 3}, dict[tuple[int, int], int]()
    return bytes(
        numbers.setdefault((byte_class, blanks.get(byte, 0)), len(numbers))
        for byte, byte_class in enumerate(classes)
    )


def usable_rules(tables: ParserTables, terminals: Collection[int]) -> list[Rule]:
    """Return the rules that occur in a derivation of a whole text, if only some terminals have a lexeme."""
    derive = productive_symbols([(-1 - rule.origin, rule.symbols) for rule in tables.rules], terminals)
    usable = [rule for rule in tables.rules if derive.issuperset(rule.symbols)]
    starts = [rule.origin for rule in usable if tables.nonterminals[rule.origin].startswith("$root_")]
    met = reachable_symbols(
        [(-1 - rule.origin, rule.symbols) for rule in usable], [-1 - rule for rule in starts]
    )
    return [rule for rule in usable if -1 - rule.origin in met]


def frames_of(
    tables: ParserTables,
    actions: npt.NDArray[np.int32],
    gotos: npt.NDArray[np.int32],
    rules: Sequence[Rule],
) -> StackFrames:
    """Return the frames of a grammar. `actions`, `gotos`: of its tables, without the symbols that no rule of
    `rules`, those that are used (`usable_rules`), has."""
    is_exact, max_brackets, bracket_balance = _count_brackets(tables, rules)
    after = np.concatenate([actions - 1, gotos], axis=1)
    below, symbols = np.nonzero(after >= 0)
    states_above, every = after[below, symbols], np.arange(max_brackets + 1)
    # once the most that are counted are open, they stay
    then = np.where(
        every == max_brackets, every, np.minimum(max_brackets, every + bracket_balance[states_above, None])
    )
    counts = max_brackets + 1
    pairs = np.stack([states_above[:, None] * counts + then, below[:, None] * counts + every], axis=2)[
        then >= 0
    ]
    has_stack, met = np.zeros(len(bracket_balance) * counts, np.bool_), np.array([tables.start * counts])
    while not has_stack[met].all():
        has_stack[met] = True
        met = pairs[has_stack[pairs[:, 1]], 0]
    number = np.where(has_stack, np.cumsum(has_stack) - 1, -1).astype(np.int32)
    frame_pairs = number[pairs[has_stack[pairs[:, 1]]]]
    frame_pairs = frame_pairs[np.argsort(frame_pairs[:, 0], kind="stable")]
    state, brackets = np.divmod(np.flatnonzero(has_stack).astype(np.int32), np.int32(counts))
    begins = np.searchsorted(frame_pairs[:, 0], np.arange(len(state) + 1)).astype(np.int32)
    return StackFrames(
        is_exact, bracket_balance, state, brackets, number.reshape(-1, counts), frame_pairs, begins
    )


def _count_brackets(tables: ParserTables, rules: Sequence[Rule]) -> tuple[bool, int, npt.NDArray[np.int32]]:
    """Return whether the stack tells which brackets are open, how many are counted at most (0: they do not
    matter), and `StackFrames.bracket_balance`."""
    bracket_balance, lines = np.zeros(len(tables.kernels), np.int32), tables.indentation
    terminals = {} if lines is None else dict.fromkeys(lines.opening, 1) | dict.fromkeys(lines.closing, -1)
    balances = balances_of(rules, terminals) if terminals else None
    if balances is None:
        return not terminals, 0, bracket_balance
    every = terminals | balances
    max_brackets = 1 + max((max(_prefix_balances(rule, every)) for rule in rules), default=0)
    for state, kernel in enumerate(tables.kernels):
        for rule, dot in kernel[:1]:
            bracket_balance[state] = every.get(tables.rules[rule].symbols[dot - 1], 0) if dot else 0
    return True, max_brackets, bracket_balance


def blocks_are_even(tables: ParserTables, produced_terminals: Collection[int]) -> bool:
    """Return whether the parser's stack tells how many of the indenter's blocks are open: each nonterminal
    opens as many more than it closes in all its texts, and whole texts close them all. `produced_terminals`:
    the terminals that have a lexeme."""
    lines = tables.indentation
    if lines is None:
        return True
    rules = usable_rules(tables, {END, lines.indent, lines.dedent, *produced_terminals})
    terminals = {lines.indent: 1, lines.dedent: -1}
    balances = balances_of(rules, terminals)
    if balances is None:
        return False
    return not any(
        balances[-1 - rule.origin] for rule in rules if tables.nonterminals[rule.origin].startswith("$root_")
    )


def balances_of(rules: Sequence[Rule], terminals: dict[int, int]) -> dict[int, int] | None:
    """Return for each nonterminal (-1 - its number) how many more brackets each of its texts opens than it
    closes, for those that derive a text; None if that differs, or one closes what it has not opened."""
    balances: dict[int, int] = {}
    rules_left, count_before = list(rules), -1
    while len(rules_left) != count_before:
        count_before, unknown = len(rules_left), list[Rule]()
        for rule in rules_left:
            if any(symbol < 0 and symbol not in balances for symbol in rule.symbols):
                unknown.append(rule)
                continue
            total = sum(
                balances[symbol] if symbol < 0 else terminals.get(symbol, 0) for symbol in rule.symbols
            )
            if balances.setdefault(-1 - rule.origin, total) != total:
                return None
        rules_left = unknown
    return None if lowest_balance(rules, terminals | balances) < 0 else balances


def lowest_balance(rules: Sequence[Rule], balances: dict[int, int]) -> int:
    """Return the least balance of a beginning of a nonterminal's texts (0 at most)."""
    lowest_of: dict[int, int] = {}
    for _ in range(len(rules) + 2):
        lowest_before = dict(lowest_of)
        for rule in rules:
            here, origin = 0, -1 - rule.origin
            for symbol in rule.symbols:
                below = lowest_of.get(symbol, 0) if symbol < 0 else min(0, balances.get(symbol, 0))
                lowest_of[origin] = min(lowest_of.get(origin, 0), here + below)
                here += balances.get(symbol, 0)
        if lowest_of == lowest_before:
            return min(lowest_of.values(), default=0)
    return -len(rules)  # each round finds deeper ones


def _prefix_balances(rule: Rule, balances: dict[int, int]) -> list[int]:
    heights = [0]
    for symbol in rule.symbols:
        heights.append(heights[-1] + balances.get(symbol, 0))
    return heights

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

from structgen.base.native.array_types import IndexArray, Int32Array
from structgen.grammars.lark_grammars.reading.loaded_grammar import END, ParserTables, Rule
from structgen.grammars.text_grammars.context_free.productive_symbols import productive_symbols
from structgen.grammars.text_grammars.context_free.rules import reachable_symbols


class StackFrames(NamedTuple):
    """The frames that stacks have, by number. A frame is a state and the open brackets, up to the most that
    are counted: once there are so many, they are never fewer again."""

    is_exact: bool
    """Whether the stack tells which brackets are open."""
    bracket_balance: Int32Array
    """[states]: how many more brackets the symbol before a state opens than it closes."""
    state: Int32Array
    brackets: Int32Array
    """[frames]"""
    at: Int32Array
    """[states, open brackets]: the frame, -1: no stack has it."""
    below: Int32Array
    """Pairs of a frame and one that may be directly below it, sorted by the first."""
    below_at: Int32Array
    """Where the pairs of each frame begin in `below`."""

    def frames_of_stack(self, states: Sequence[int]) -> Int32Array | None:
        """Return the frames of a stack (states, the bottom first); None where it closes what is not open, or
        no stack is so."""
        max_brackets = self.at.shape[1] - 1
        brackets = 0
        frames = np.empty(len(states), np.int32)
        for depth, state in enumerate(states):
            # No symbol is before the lowest state. Once the most that are counted are open, they stay.
            if depth and brackets < max_brackets:
                brackets = min(max_brackets, brackets + int(self.bracket_balance[state]))
            frames[depth] = self.at[state, brackets] if brackets >= 0 else -1
            if frames[depth] < 0:
                return None
        return frames


def column_after(column: int, byte: int, tab_size: int) -> int:
    """Return the column after the last line break after one more byte; below 0: no line break yet."""
    if byte == ord("\n"):
        return 0
    if column < 0:
        return column
    # lark's indenter counts the blanks and tabs of a newline, and no other characters.
    if byte == ord("\t"):
        return column + tab_size
    return column + 1 if byte == ord(" ") else column


def classes_of_bytes(classes: bytes, tables: ParserTables) -> bytes:
    """Return the classes of bytes; where an indenter counts blanks, these are classes of their own."""
    if tables.indentation is None:
        return classes
    blanks = b"\n\t "
    numbers: dict[tuple[int, int], int] = {}
    return bytes(
        numbers.setdefault((byte_class, blanks.find(byte)), len(numbers))
        for byte, byte_class in enumerate(classes)
    )


def usable_rules(tables: ParserTables, terminals: Collection[int]) -> list[Rule]:
    """Return the rules that occur in a derivation of a whole text, if only some terminals have a lexeme."""
    # Among symbols a nonterminal is -1 - its number. `$root_start` is lark's own start symbol.
    expansions = [(-1 - rule.origin, rule.symbols) for rule in tables.rules]
    productive = productive_symbols(expansions, terminals)
    usable = [rule for rule in tables.rules if productive.issuperset(rule.symbols)]
    usable_expansions = [(-1 - rule.origin, rule.symbols) for rule in usable]
    roots = [-1 - origin for origin in _root_origins(tables, usable)]
    reachable = reachable_symbols(usable_expansions, roots)
    return [rule for rule in usable if -1 - rule.origin in reachable]


def _root_origins(tables: ParserTables, rules: Sequence[Rule]) -> set[int]:
    """Return the nonterminals of some rules that are lark's own start symbols."""
    return {rule.origin for rule in rules if tables.nonterminals[rule.origin].startswith("$root_")}


def frames_of(
    tables: ParserTables,
    actions: Int32Array,
    gotos: Int32Array,
    rules: Sequence[Rule],
) -> StackFrames:
    """Return the frames of a grammar.

    `tables`: the parser's; `rules`: those that are used (`usable_rules`); `actions`, `gotos`: of the tables,
    without the symbols that no rule of `rules` has. Without an indenter a frame is a state that some stack
    has, and `brackets` is 0."""
    is_exact, max_brackets, bracket_balance = _count_brackets(tables, rules)
    # A shift is 1 + the next state in the table of actions, a goto the next state; below 0: neither.
    next_states = np.concatenate([actions - 1, gotos], axis=1)
    counts = max_brackets + 1
    pairs = _possible_pairs(next_states, bracket_balance, max_brackets)
    # Of these pairs, some stack has those that are reached from the start upwards.
    has_stack = np.zeros(len(bracket_balance) * counts, np.bool_)
    candidates = np.array([tables.start * counts])
    while not has_stack[candidates].all():
        has_stack[candidates] = True
        candidates = pairs[has_stack[pairs[:, 1]], 0]
    frame_of = np.where(has_stack, np.cumsum(has_stack) - 1, -1).astype(np.int32)
    frame_pairs = frame_of[pairs[has_stack[pairs[:, 1]]]]
    frame_pairs = frame_pairs[np.argsort(frame_pairs[:, 0], kind="stable")]
    frames = np.flatnonzero(has_stack).astype(np.int32)
    state, brackets = np.divmod(frames, np.int32(counts))
    frame_numbers = np.arange(len(state) + 1)
    begins = np.searchsorted(frame_pairs[:, 0], frame_numbers).astype(np.int32)
    return StackFrames(
        is_exact,
        bracket_balance,
        state,
        brackets,
        at=frame_of.reshape(-1, counts),
        below=frame_pairs,
        below_at=begins,
    )


def _possible_pairs(
    next_states: Int32Array,
    bracket_balance: Int32Array,
    max_brackets: int,
) -> IndexArray:
    """Return all pairs of a frame and one directly below it that the parser's table allows. A frame is a
    number here: its state * (`max_brackets` + 1) + its open brackets. `next_states`: [states, symbols]."""
    states_below, symbols = np.nonzero(next_states >= 0)
    states_above = next_states[states_below, symbols]
    counts = max_brackets + 1
    brackets_below = np.arange(counts)
    brackets_above = np.minimum(max_brackets, brackets_below + bracket_balance[states_above, None])
    # Once the most that are counted are open, they stay.
    brackets_above = np.where(brackets_below == max_brackets, brackets_below, brackets_above)
    upper = states_above[:, None] * counts + brackets_above
    lower = states_below[:, None] * counts + brackets_below
    pairs: IndexArray = np.stack([upper, lower], axis=2)[brackets_above >= 0]
    return pairs


def _count_brackets(tables: ParserTables, rules: Sequence[Rule]) -> tuple[bool, int, Int32Array]:
    """Return whether the stack tells which brackets are open, how many are counted at most (0: they do not
    matter), and `StackFrames.bracket_balance`."""
    bracket_balance = np.zeros(len(tables.kernels), np.int32)
    indentation = tables.indentation
    terminals: dict[int, int] = {}
    if indentation is not None:
        terminals = dict.fromkeys(indentation.opening, 1) | dict.fromkeys(indentation.closing, -1)
    balances = balances_of(rules, terminals) if terminals else None
    if balances is None:
        return not terminals, 0, bracket_balance
    symbol_balances = terminals | balances
    highest = (max(_prefix_balances(rule, symbol_balances)) for rule in rules)
    max_brackets = 1 + max(highest, default=0)
    for state, kernel in enumerate(tables.kernels):
        # All items of a kernel have the same symbol before the dot, so the first one tells.
        for rule, dot in kernel[:1]:
            if dot:
                symbol = tables.rules[rule].symbols[dot - 1]
                bracket_balance[state] = symbol_balances.get(symbol, 0)
    return True, max_brackets, bracket_balance


def blocks_are_even(tables: ParserTables, produced_terminals: Collection[int]) -> bool:
    """Return whether the parser's stack tells how many of the indenter's blocks are open: each nonterminal
    opens as many more than it closes in all its texts, and whole texts close them all. `produced_terminals`:
    the terminals that have a lexeme."""
    indentation = tables.indentation
    if indentation is None:
        return True
    terminals = {indentation.indent: 1, indentation.dedent: -1}
    rules = usable_rules(tables, {END, *terminals, *produced_terminals})
    balances = balances_of(rules, terminals)
    if balances is None:
        return False
    return not any(balances[-1 - root] for root in _root_origins(tables, rules))


def balances_of(rules: Sequence[Rule], terminals: dict[int, int]) -> dict[int, int] | None:
    """Return for each nonterminal (-1 - its number) how many more brackets each of its texts opens than it
    closes, for those that derive a text; None if that differs, or one closes what it has not opened."""
    balances: dict[int, int] = {}
    rules_left = list(rules)
    count_before = -1
    # Rules whose nonterminals are known come first, round by round, until a round brings nothing new.
    while len(rules_left) != count_before:
        count_before = len(rules_left)
        unknown: list[Rule] = []
        for rule in rules_left:
            if any(symbol < 0 and symbol not in balances for symbol in rule.symbols):
                unknown.append(rule)
                continue
            symbol_balances = (
                balances[symbol] if symbol < 0 else terminals.get(symbol, 0) for symbol in rule.symbols
            )
            total = sum(symbol_balances)
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
            balance = 0
            origin = -1 - rule.origin
            for symbol in rule.symbols:
                symbol_balance = balances.get(symbol, 0)
                if symbol < 0:
                    lowest_inside = lowest_of.get(symbol, 0)
                else:
                    lowest_inside = min(0, symbol_balance)
                lowest_of[origin] = min(lowest_of.get(origin, 0), balance + lowest_inside)
                balance += symbol_balance
        if lowest_of == lowest_before:
            return min(lowest_of.values(), default=0)
    return -len(rules)  # a loop of rules: each round would find deeper ones


def _prefix_balances(rule: Rule, balances: dict[int, int]) -> list[int]:
    """Return the balance before each symbol of a rule, and after the last one."""
    heights = [0]
    for symbol in rule.symbols:
        heights.append(heights[-1] + balances.get(symbol, 0))
    return heights

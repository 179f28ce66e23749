"""The checks of `lark_table_checks`, for the arrays of files."""

from __future__ import annotations

from itertools import accumulate, chain
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from structgen.lark_grammars.compiled import registers as K
from structgen.lark_grammars.kept import lark_table_checks as S
from structgen.native.raw_memory import address_of
from structgen.tokens.array_checks import are_in, are_shaped

if TYPE_CHECKING:
    from structgen.lark_grammars.kept.state_snapshot import Slots, StateSnapshot
    from structgen.lark_grammars.reading.loaded_grammar import ParserTables
    from structgen.lark_grammars.tables.grammar_tables import GrammarTables, Records

Array = npt.NDArray[Any]


class GrammarFacts(NamedTuple):
    """Facts about a grammar as words for compiled code, and the arrays whose addresses they contain."""

    words: npt.NDArray[np.int64]
    held: tuple[Array, ...]

    def of(self, lexemes: int, tokens: int) -> int:
        """Return the address of the words, for so many lexeme states and tokens."""
        self.words[S.S_LEXEMES], self.words[S.S_TOKENS] = lexemes, tokens
        return address_of(self.words)


class RecordBounds(NamedTuple):
    """The valid ranges of the numbers in records."""

    facts: GrammarFacts
    tokens: int
    nodes: int
    """Nodes of the vocabulary's trie."""
    lexemes: int = 0
    lists: Array | None = None
    """The lists of endings of lexemes."""
    rows: int = 0
    """The number of dense rows stored beside the records."""


def are_records(records: Records, bounds: RecordBounds) -> bool:
    """Return whether compiled code can safely follow the records of a file. Cost: 2 ns a number."""
    made, size = records.made, len(records.made)
    count, known = len(records.tries), records.records.shape[-1]
    shapes: list[tuple[str, tuple[int, ...]]] = [
        ("<i8", (1 + count, known)),
        ("<i8", (count,)),
        ("<i8", (size,)),
        ("<i8", (len(records.addresses),)),
        ("<i8", (len(records.rows),)),
    ]
    if not are_shaped(records, shapes) or known > bounds.lexemes:
        return False
    if not are_in(records.addresses, 0, size) or not are_in(records.rows, 0, size):
        return False
    marks, seen = np.zeros(size, np.uint8), np.zeros(size, np.int32)
    marks[records.addresses] = 1
    marks[records.rows] = 2
    # a word that is listed twice as an address is invalid
    if int((marks == 1).sum()) != len(records.addresses) or int((marks == 2).sum()) != len(records.rows):
        return False
    assert bounds.lists is not None
    w, lists = bounds.facts.of(bounds.lexemes, bounds.tokens), len(bounds.lists)
    bounds.facts.words[S.S_LISTS] = address_of(bounds.lists)
    arrays = address_of(made), address_of(marks), size, address_of(records.records), known
    rest = address_of(records.tries), count, bounds.nodes, bounds.rows, lists, address_of(seen)
    return int(S.records_are_valid(w, *arrays, *rest)) == 0


def facts_of(tables: ParserTables) -> GrammarFacts | None:
    """Return the facts about a parser; None if its tables are inconsistent. Cost: some us a rule."""
    states, terminals, rules = len(tables.kernels), len(tables.terminals), tables.rules
    actions = np.ascontiguousarray(tables.actions, np.int32)
    gotos = np.ascontiguousarray(tables.gotos, np.int32)
    nonterminals = len(tables.nonterminals)
    if actions.shape != (states, terminals) or gotos.shape != (states, nonterminals):
        return None
    if tables.context_of.shape != (states,) or not 0 <= tables.start < states:
        return None
    contexts = len(tables.contexts)
    if not are_in(tables.context_of, 0, contexts):
        return None
    sizes = [len(rule.symbols) for rule in rules]
    ends = np.array([0, *accumulate(sizes)], np.int32)
    symbols = np.fromiter(chain.from_iterable(rule.symbols for rule in rules), np.int32, sum(sizes))
    origins = np.array([rule.origin for rule in rules], np.int32)
    kernels = np.array([0, *accumulate(map(len, tables.kernels))], np.int32)
    pairs = chain.from_iterable(chain.from_iterable(tables.kernels))
    items = np.fromiter(pairs, np.int32, 2 * int(kernels[-1])).reshape(-1, 2)
    if not are_in(symbols, -nonterminals, terminals):
        return None
    counts = states, terminals, nonterminals, len(rules), contexts

    def facts(actions: npt.NDArray[np.int32], symbols: npt.NDArray[np.int32]) -> GrammarFacts:
        held = actions, gotos, kernels, items, ends, symbols, origins
        words = np.array([*counts, *map(address_of, held), tables.start, 0, 0, 0], np.int64)
        return GrammarFacts(words, held)

    checked = facts(*_named_once(tables, actions, symbols))
    return facts(actions, symbols) if S.parser_is_valid(address_of(checked.words)) == 0 else None


def _named_once(
    tables: ParserTables, actions: npt.NDArray[np.int32], symbols: npt.NDArray[np.int32]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Return actions and right sides of rules with each terminal under the first of its numbers.

    Lark lists a terminal twice if it is ignored and used in a rule. Both numbers have the same actions, and
    rules use one of them. Columns that differ are unchanged, and are found invalid later.
    """
    first: dict[str, int] = {}
    number = np.array([first.setdefault(one.name, at) for at, one in enumerate(tables.terminals)], np.int32)
    again = np.flatnonzero(number != np.arange(len(number)))
    if not len(again):
        return actions, symbols
    merged = actions.copy()
    for at in again.tolist():
        if np.array_equal(actions[:, at], actions[:, number[at]]):
            merged[:, at] = 0
    named = symbols.copy()
    is_terminal = symbols >= 0  # the others are nonterminals, of which there may be more than terminals
    named[is_terminal] = number[symbols[is_terminal]]
    return merged, named


def are_grammar_tables(facts: GrammarFacts, grammar_tables: GrammarTables) -> bool:
    """Return whether compiled code can safely follow these tables. Cost: 2 ns a number."""
    states, terminals, _, rules, contexts = facts.words[:5].tolist()
    lexemes = len(grammar_tables.newlines)
    if terminals > K.TAILED:
        return False  # no tables are stored for such a grammar
    if grammar_tables.moves.ndim != 2 or grammar_tables.fixed.shape not in ((256,), (257,)):
        return False
    width = grammar_tables.moves.shape[1]
    if int(grammar_tables.fixed[:256].max()) + 1 != width or grammar_tables.certified.shape not in (
        (states,),
        (0,),
    ):
        return False
    shapes: list[tuple[str, tuple[int, ...]]] = [
        ("|u1", grammar_tables.fixed.shape),
        ("<i8", (lexemes, width)),
        ("|u1", (lexemes,)),
        ("<i4", (lexemes,)),
        ("<i4", (len(grammar_tables.lists),)),
        ("<i4", (contexts,)),
        ("<i4", (states,)),
        ("|u1", (contexts, terminals)),
        ("|u1", (terminals, width)),
        ("<i4", (rules,)),
        ("<i4", (rules,)),
        ("|u1", grammar_tables.certified.shape),
    ]
    if not are_shaped(grammar_tables, shapes):
        return False
    ends, origins = facts.held[4], facts.held[6]
    if not np.array_equal(grammar_tables.origins, origins) or not np.array_equal(
        grammar_tables.sizes, np.diff(ends)
    ):
        return False
    if not are_in(grammar_tables.starts, K.UNKNOWN, lexemes) or not are_in(
        grammar_tables.separability, 0, K.SEPARABLE_PENDING
    ):
        return False
    begun = grammar_tables.moves[grammar_tables.starts[grammar_tables.starts >= 0]]
    kinds = begun & K.KIND_BITS
    if ((begun >= 0) & ((kinds == K.MOVE_BEFORE) | (kinds == K.MOVE_OLD))).any():
        return False  # a lexeme that ends before its first byte would never stop
    w = facts.of(lexemes, 0)
    lists = address_of(grammar_tables.lists)
    return bool(
        S.moves_are_valid(w, address_of(grammar_tables.moves), lexemes, width)
        and S.lists_are_valid(
            w,
            address_of(grammar_tables.endings),
            address_of(grammar_tables.plans),
            lists,
            len(grammar_tables.lists),
        )
    )


def is_snapshot(facts: GrammarFacts, snapshot: StateSnapshot, slots: Slots, lexemes: int) -> bool:
    """Return whether compiled code can safely follow a snapshot without masks. Cost: 10 ns a row."""
    count, stacked, placed, known = (len(one) for one in snapshot[1:5])
    shapes: list[tuple[str, tuple[int, ...]]] = [
        ("<i8", (count, 10)),
        ("<i8", (stacked, 2)),
        ("<i8", (placed, 4)),
        ("<i8", (known, 4)),
        ("<i8", (placed, 1)),
    ]
    if not are_shaped(snapshot[1:6], shapes):
        return False
    for one, rows in zip(slots, (count, stacked, placed, known), strict=True):
        size = len(one)
        if not are_shaped([one], [("<i4", (size,))]) or size == 0 or size & (size - 1):
            return False
        if not S.slots_are_valid(address_of(one), size, rows):
            return False
    sizes = [
        number
        for array, rows in zip(snapshot[1:5], (count, stacked, placed, known), strict=True)
        for number in (address_of(array), rows)
    ]
    w = facts.of(lexemes, 0)
    return int(S.states_are_valid(w, *sizes, address_of(snapshot.flags), snapshot.start)) == 0

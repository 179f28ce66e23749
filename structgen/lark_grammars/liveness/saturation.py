"""From which stacks do texts lead to an end? Reachability of the parser as a pushdown system, by
saturation.

The stacks from which a pushdown system reaches an end are a regular set (Bouajjani, Esparza and Maler,
CONCUR 1997). Here it is computed from above: the *run* above a cell of the stack is all that the parser
does until it takes the cell away. It ends when a rule is reduced whose symbols reach the cell or below,
before some letter (`letters`). So for each state on top, and each letter or boundary before it, the
saturation finds the nonterminals that may be reduced then, how many more cells go, and the letters that may
be read next. That is a least fixpoint (`saturated_runs`, compiled). A stack is live if the runs above its
cells, one after the other, lead to the end.

A *boundary* is between two lexemes. Its *kind* is what the text before it owes, and whether the indenter's
newline was read last. A boundary is *certain* in a state of the parser if every stack with this state on top
leads to the end from there (`certain_nodes`). In most grammars nearly all are, and then nobody needs to look
below the top.

The indenter's lines are letters as well. Behind a newline comes INDENT, or DEDENT any number of times, or
neither: the open widths may be any, and each of them is met by some column (`Letters.has_free_lines`). At
the text's end come the DEDENTs of all open blocks. Whether brackets are open is a part of each cell.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Any, Final, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from structgen.lark_grammars.lexer.work_budget import SEARCH_STEPS, WorkBudget
from structgen.lark_grammars.liveness import certain_nodes as C
from structgen.lark_grammars.liveness import saturated_runs as S
from structgen.lark_grammars.liveness.balances import Brackets
from structgen.lark_grammars.liveness.letters import NOTHING, Obligations
from structgen.lark_grammars.liveness.saturated_runs import Runs
from structgen.lark_grammars.parser.lalr_parser import Parser
from structgen.lark_grammars.reading.loaded_grammar import END, ParserTables, Rule
from structgen.native.raw_memory import address_of
from structgen.native.typed_blocks import word_of, words_of

ENDING: Final = -2
"""In place of an obligation: the text has ended, and the open blocks are closed."""
PLAIN, LINE, DEDENTED = range(3)
"""What was read before a boundary: a newline; a DEDENT behind a newline; anything else (PLAIN)."""
_END_BIT: Final = 1
_MOST_REMEMBERED: Final = 1 << 18
"""The most stacks whose verdicts are remembered; past it all are dropped."""
_GROWTH: Final = 4
"""By how much arrays grow that are full."""

_GROWING: Final[dict[str, dict[str, tuple[type[Any], int]]]] = {
    "key": {
        "key_cells": (np.int32, 1),
        "key_reads": (np.int32, 1),
        "key_rows": (np.int64, 1),
        "queue": (np.int32, 1),
        "is_queued": (np.uint8, 1),
        "users": (np.int32, 1),
    },
    "row": {"rows": (np.int64, 1)},
    "use": {"use_keys": (np.int32, 1), "use_nexts": (np.int32, 1), "use_slots": (np.int64, 2)},
    "node": {
        "node_cells": (np.int32, 1),
        "node_rows": (np.int64, 0),
        "node_slots": (np.int32, 2),
        "choices_at": (np.int32, 1),
        "is_certain": (np.uint8, 1),
        "is_shown": (np.uint8, 1),
    },
    "choice": {"choices": (np.int32, 1)},
}
"""The arrays that grow together, in the order of KEYS_FULL, ...: the type of each, and its words for one; 0:
as a row of bits."""

Boundary: TypeAlias = tuple[int, int]
"""A kind of boundary: the obligation, and PLAIN, LINE or DEDENTED."""
FREE: Final[Boundary] = NOTHING, PLAIN
"""The kind number 0: nothing is owed."""
_Ends: TypeAlias = "dict[tuple[int, int], int]"
"""How runs above a cell may end: a nonterminal that is reduced, and how many more cells go; with the letters
that may come next, as bits. (ACCEPTS: the text may end.)"""
_ACCEPTS: Final = (-1, 0)


class LetterSource(Protocol):
    """What the saturation asks of a lexer."""

    def of(self, context: int, owed: int, inside: bool) -> Mapping[int, Obligations]:
        """Return the letters that may come between two lexemes."""

    def may_end(self, context: int, owed: int) -> bool:
        """Return whether the text may end between two lexemes, as far as the lexer tells."""


class Saturation:
    """The live stacks of one grammar. Cost: 1 us for each state and letter, and the letters. Not
    thread-safe."""

    def __init__(
        self,
        tables: ParserTables,
        parser: Parser,
        letters: LetterSource,
        brackets: Brackets,
        rules: Collection[Rule],
        budget: WorkBudget,
        kinds: Iterable[Boundary] = (),
    ) -> None:
        """`rules`: those that are used (`usable_rules`). `kinds`: of boundaries, besides those that letters
        leave. Raises LimitError if the letters spend the budget."""
        self._rules = rules
        self._tables, self._parser, self._letters, self._brackets = tables, parser, letters, brackets
        self._budget = budget
        self._numbers: dict[tuple[int, int], int] = {}
        """The letters by terminal and obligation; the first one is the text's end."""
        self.kinds: list[Boundary] = []
        """The kinds of boundaries."""
        self._kind_numbers: dict[Boundary, int] = {}
        self._words = np.zeros(words_of(Runs), np.int64)
        self._address = address_of(self._words)
        self._arrays: dict[str, npt.NDArray[Any]] = {}
        self._cells = {0: brackets.first}
        """For each stack the cell on top, as `Brackets` has it."""
        self._live: dict[tuple[int, int], bool] = {}
        self._ends: dict[tuple[int, int], _Ends] = {}
        self._build(kinds)

    # --- stacks ---------------------------------------------------------------------------------------------

    def is_live(self, stack: int, owed: int) -> bool:
        """Return whether some text leads from a stack, between two lexemes, to an end, if an obligation is
        open."""
        key = stack, owed
        known = self._live.get(key)
        if known is None:
            if len(self._live) > _MOST_REMEMBERED:
                self._live.clear()
            known = self._live[key] = self._reaches_end(stack, owed)
        return known

    def _reaches_end(self, stack: int, owed: int) -> bool:
        parser, gotos, end = self._parser, self._tables.gotos, self._tables.end
        done: dict[int, int] = defaultdict(int)
        """For each stack the letters with which it was visited."""
        done[stack] = self._first_letters(stack, owed)
        pending = [(stack, done[stack])]
        while pending:
            here, letters = pending.pop()
            ends = self._ends_of(self._cell(here), letters)
            if _ACCEPTS in ends:
                return True
            for (origin, below), letters in ends.items():
                under = parser.pop(here, below + 1)
                if under < 0:
                    continue
                goto = int(gotos[parser.top[under], origin])
                if goto == end and letters & _END_BIT:
                    return True
                if goto < 0:
                    continue
                after = parser.push(under, goto)
                fresh = letters & ~done[after]
                if fresh:
                    done[after] |= fresh
                    self._budget.spend(SEARCH_STEPS)
                    pending.append((after, fresh))
        return False

    def _first_letters(self, stack: int, owed: int) -> int:
        """Return the letters that may come on a stack, as bits; all of them have numbers."""
        cell = self._cell(stack)
        context = int(self._tables.context_of[self._parser.top[stack]])
        found = self._letters_at(context, self._brackets.is_open(cell), (owed, PLAIN))
        if not set(found) <= self._numbers.keys():
            self._build([*self.kinds, (owed, PLAIN)])
        return sum(1 << self._numbers[one] for one in found)

    def _cell(self, stack: int) -> int:
        """Return the cell on top of a stack."""
        parser, cells, missing = self._parser, self._cells, list[int]()
        while stack not in cells:
            missing.append(stack)
            stack = parser.below[stack]
        for one in reversed(missing):
            cells[one] = self._brackets.after(cells[stack], parser.top[one])
            stack = one
        return cells[stack]

    def _ends_of(self, cell: int, letters: int) -> _Ends:
        """Return how the runs above a cell may end that begin with some letters."""
        known = self._ends.get((cell, letters))
        if known is not None:
            return known
        found: _Ends = defaultdict(int)
        number = int(self._arrays["cell_at"][cell]) - 1
        state = self._brackets.state(cell)
        keys: list[int] = []
        row = self._tables.actions[state]
        for letter in _ones(letters) if number >= 0 else ():
            action = int(row[self._letter_terminals[letter]])
            size = len(self._tables.rules[-1 - action].symbols) if action < 0 else 0
            if size:
                found[self._tables.rules[-1 - action].origin, size - 1] |= 1 << letter
            elif action:
                keys.append(self._call(S.ask_for, self._address, number, letter))
        if keys:
            self._call(S.saturate, self._address)
        for key in keys:
            for end, rest in self._rows_of(key, state).items():
                found[end] |= rest
        self._ends[cell, letters] = dict(found)
        return found

    def _rows_of(self, key: int, state: int) -> _Ends:
        """Return how the runs of a key may end."""
        words, slots = int(self._words[Runs.words]), self._slots[state]
        first = int(self._arrays["key_rows"][key])
        held = self._arrays["rows"][first : first + (1 + len(slots)) * words].reshape(-1, words)
        found = {
            end: int.from_bytes(row.tobytes(), "little")
            for end, row in zip((_ACCEPTS, *slots), held, strict=True)
        }
        return {end: letters for end, letters in found.items() if letters}

    # --- boundaries -----------------------------------------------------------------------------------------

    def certain(self) -> npt.NDArray[np.bool_]:
        """Return bool[kinds, states, 2]: whether a boundary of each of `kinds` is certain in a state of the
        parser, with no bracket open and with some. It is not if some cell of the state has it only behind
        letters that this saturation does not know. Cost: some milliseconds for a thousand states."""
        cells, letters = int(self._words[Runs.cells]), int(self._words[Runs.letters])
        for kind in range(self._first_kinds):
            for cell in range(cells):
                self._call(S.ask_for, self._address, cell, letters + kind)
        self._call(S.saturate, self._address)
        asked = self._arrays["key_at"].reshape(cells, letters + len(self.kinds))[:, letters:].T > 0
        nodes = {
            (kind, cell): self._call(C.boundary_node, self._address, cell, kind)
            for kind, cell in np.argwhere(asked).tolist()
        }
        self._call(C.certify, self._address)
        places = self._arrays["cell_states"][:cells], (self._arrays["cell_modes"][:cells] > 0).astype(np.intp)
        found = np.zeros((len(self.kinds), len(self._tables.kernels), 2), np.bool_)
        refused = np.zeros_like(found)
        for kind in range(len(self.kinds)):
            of = np.array([nodes.get((kind, cell), -1) for cell in range(cells)])
            is_certain = (of >= 0) & (self._arrays["is_certain"][of] != 0)
            found[(kind, *places)] = True
            refused[kind, places[0][~is_certain], places[1][~is_certain]] = True
        return found & ~refused

    # --- the tables of compiled code ------------------------------------------------------------------------

    def _build(self, kinds: Iterable[Boundary]) -> None:
        """Make the tables, with the letters that may come at some kinds of boundaries and at those that
        letters leave."""
        self._numbers, self._kind_numbers, self.kinds = {}, {}, []
        self._letter_number(END, NOTHING)
        first = [FREE, *kinds]
        rows = self._rows_of_letters(first)
        self._first_kinds = len({*first})
        """The kinds that all states may have."""
        self._ends.clear()
        tables, words = self._tables, self._words
        words[Runs.states], words[Runs.terminals] = len(tables.kernels), len(tables.terminals)
        words[Runs.nonterminals], words[Runs.end] = len(tables.nonterminals), tables.end
        self._put("actions", np.ascontiguousarray(tables.actions, np.int32))
        self._put("gotos", np.ascontiguousarray(tables.gotos, np.int32))
        self._put("contexts", np.ascontiguousarray(tables.context_of, np.int32))
        self._put("origins", np.array([rule.origin for rule in tables.rules], np.int32))
        self._put("sizes", np.array([len(rule.symbols) for rule in tables.rules], np.int32))
        self._slots = [
            sorted({(tables.rules[rule].origin, dot - 1) for rule, dot in kernel if dot})
            for kernel in tables.kernels
        ]
        """For each state how runs above it may end, but for the text's end."""
        self._put("slot_begins", np.array([0, *accumulate(map(len, self._slots))], np.int32))
        slots = [end for of_state in self._slots for end in of_state]
        self._put("slot_origins", np.array([origin for origin, _below in slots] or [0], np.int32))
        self._put("slot_belows", np.array([below for _origin, below in slots] or [0], np.int32))
        self._put_letters(rows)
        self._put_cells()
        self._make_room()
        self._call(S.saturate, self._address)

    def _rows_of_letters(self, kinds: Iterable[Boundary]) -> dict[tuple[int, bool, int], int]:
        """Return for each context and kind of boundary, without and with an open bracket, the letters that
        may come, as bits."""
        tables, indentation = self._tables, self._tables.indentation
        targets = _contexts_after(tables)
        pending = [(context, self._kind(kind)) for kind in kinds for context in range(len(tables.contexts))]
        met, found = set(pending), dict[tuple[int, bool, int], int]()
        for context, kind in pending:
            for inside in (False, True) if indentation is not None else (False,):
                bits = 0
                for terminal, owed in self._letters_at(context, inside, self.kinds[kind]):
                    bits |= 1 << self._letter_number(terminal, owed)
                    behind = self._kind(self._behind(terminal, owed))
                    for one in targets[terminal]:
                        if (one, behind) not in met:
                            met.add((one, behind))
                            pending.append((one, behind))
                found[context, inside, kind] = bits
        return found

    def _letters_at(self, context: int, inside: bool, kind: Boundary) -> list[tuple[int, int]]:
        """Return the letters that may come at a boundary."""
        indentation, (owed, line) = self._tables.indentation, kind
        found: list[tuple[int, int]] = []
        if owed == ENDING or self._letters.may_end(context, owed):
            found.append((END, NOTHING))
            if indentation is not None:
                found.append((indentation.dedent, ENDING))
        if owed != ENDING:
            for terminal, lefts in self._letters.of(context, owed, inside).items():
                found += [(terminal, left) for left in lefts]
            if indentation is not None and line != PLAIN:
                found.append((indentation.dedent, owed))
            if indentation is not None and line == LINE:
                found.append((indentation.indent, owed))
        return found

    def _behind(self, terminal: int, owed: int) -> Boundary:
        """Return the kind of the boundary behind a letter."""
        indentation = self._tables.indentation
        if indentation is None or owed == ENDING:
            return owed, PLAIN
        return owed, {indentation.newline: LINE, indentation.dedent: DEDENTED}.get(terminal, PLAIN)

    def _letter_number(self, terminal: int, owed: int) -> int:
        return self._numbers.setdefault((terminal, owed), len(self._numbers))

    def _kind(self, kind: Boundary) -> int:
        known = self._kind_numbers.get(kind)
        if known is None:
            known = self._kind_numbers[kind] = len(self.kinds)
            self.kinds.append(kind)
        return known

    def _put_letters(self, rows: Mapping[tuple[int, bool, int], int]) -> None:
        count, kinds, contexts = len(self._numbers), len(self.kinds), len(self._tables.contexts)
        words = (count + 63) // 64
        self._words[Runs.letters], self._words[Runs.words], self._words[Runs.kinds] = count, words, kinds
        self._letter_terminals = [terminal for terminal, _owed in self._numbers]
        behind = [self._kind_numbers.get(self._behind(*letter), 0) for letter in self._numbers]
        self._put("letter_terminals", np.array(self._letter_terminals, np.int32))
        self._put("letter_kinds", np.array(behind, np.int32))
        available = np.zeros((contexts, 2, kinds, words), np.int64)
        for (context, inside, kind), bits in rows.items():
            available[context, int(inside), kind] = np.frombuffer(
                bits.to_bytes(8 * words, "little"), np.int64
            )
        self._put("available", available)
        # stacks may hold symbols that a source of fewer letters does not have
        symbols = {one for rule in self._rules for one in rule.symbols}
        is_used = np.zeros(len(self._tables.terminals) + len(self._tables.nonterminals), np.uint8)
        is_used[[one if one >= 0 else len(self._tables.terminals) - 1 - one for one in symbols]] = 1
        self._put("is_used", is_used)

    def _put_cells(self) -> None:
        brackets, words = self._brackets, self._words
        cells = len(self._tables.kernels) * brackets.modes
        words[Runs.modes] = brackets.modes
        self._put("steps", np.array(brackets.steps, np.int32))
        for field in ("cell_at", "cell_states", "cell_modes"):
            self._put(field, np.zeros(cells, np.int32))
        self._put("below_begins", np.zeros(cells + 1, np.int32))
        pairs = int(S.find_cells(self._address, self._tables.start))
        self._put("belows", np.zeros(pairs + 1, np.int32))
        S.find_belows(self._address)

    def _make_room(self) -> None:
        """Make room for keys and nodes: for some of each cell, at first."""
        words, width = self._words, int(self._words[Runs.words])
        cells, nonterminals = int(words[Runs.cells]), len(self._tables.nonterminals)
        self._put("key_at", np.zeros(cells * int(words[Runs.letters] + words[Runs.kinds]), np.int32))
        for field in ("key_room", "row_room", "use_room", "node_room", "choice_room"):
            words[word_of(Runs, field)] = 0
        for field in (
            "keys",
            "first_queued",
            "queued",
            "used",
            "uses",
            "nodes",
            "choice_count",
            "expanded",
            "mark",
        ):
            words[word_of(Runs, field)] = 0
        widest = (1 + max(map(len, self._slots))) * width
        for field in ("above", "target"):
            self._put(field, np.zeros(widest, np.int64))
        self._put("row", np.zeros(width, np.int64))
        for field in ("pending", "done"):
            self._put(field, np.zeros(nonterminals * width, np.int64))
        for field in ("pending_list", "touched"):
            self._put(field, np.zeros(nonterminals, np.int32))
        for field in ("marks", "frontier", "next_frontier"):
            self._put(field, np.zeros(cells, np.int32))
        sizes = {"key": 8 * cells, "row": 24 * cells * width, "use": 1 << (32 * cells).bit_length()}
        sizes |= {"node": 1 << (4 * cells).bit_length(), "choice": 64 * cells}
        for what, size in sizes.items():
            self._grow(what, size)
        for cell in range(cells):
            self._call(S.ask_for, self._address, cell, int(words[Runs.letters]))

    def _grow(self, what: str, size: int) -> None:
        """Give compiled code more room for keys, rows, uses, nodes or choices."""
        width = int(self._words[Runs.words])
        for field, (kind, each) in _GROWING[what].items():
            old, new = self._arrays.get(field), np.zeros((each or width) * size, kind)
            is_kept = self._words[word_of(Runs, f"{what}_room")] and not field.endswith("_slots")
            if old is not None and is_kept:
                new[: len(old)] = old
            self._put(field, new)
        self._words[word_of(Runs, f"{what}_room")] = size
        S.hash_again(self._address)
        C.hash_nodes(self._address)

    def _call(self, function: Callable[..., Any], *arguments: int) -> int:
        """Return the result of compiled code, once there is room for it."""
        while (code := int(function(*arguments))) < 0:
            what = (*_GROWING,)[-1 - code]
            self._grow(what, _GROWTH * int(self._words[word_of(Runs, f"{what}_room")]))
        return code

    def _put(self, field: str, array: npt.NDArray[Any]) -> None:
        self._arrays[field] = array
        self._words[word_of(Runs, field)] = address_of(array)


def _contexts_after(tables: ParserTables) -> list[list[int]]:
    """Return for each terminal the contexts of the states to which it is shifted."""
    return [sorted(set(tables.context_of[column[column > 0] - 1].tolist())) for column in tables.actions.T]


def _ones(bits: int) -> Iterator[int]:
    while bits:
        low = bits & -bits
        yield low.bit_length() - 1
        bits ^= low

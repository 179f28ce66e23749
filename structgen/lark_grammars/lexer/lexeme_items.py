"""The items of lexeme states as numbers, and the closure of each after each class of bytes.

The closure of a thread or a slot after a byte does not depend on the state that contains it.
So it is computed once (`ordered_matching`), for all classes of bytes, when compiled code first needs it
(`lexeme_rows`). This file numbers items, guards and look-behind states, makes the rows that compiled code has
requested, and owns the arrays of `LexerTables`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from operator import itemgetter
from typing import Any, Final, NamedTuple, TypeAlias, Union

import numpy as np
import numpy.typing as npt

from structgen.automata.unicode.utf8 import DONE, ByteNode
from structgen.lark_grammars.lexer import lexeme_rows as R
from structgen.lark_grammars.lexer import work_budget as F
from structgen.lark_grammars.lexer.class_rows import ClassRow, ClassRows, SharedParts
from structgen.lark_grammars.lexer.lexeme_rows import LexerTables
from structgen.lark_grammars.lexer.ordered_matching import (
    NO_LOOK_BEHIND,
    Guards,
    LookAheadGuard,
    LookBehindState,
    OrderedProgram,
    Thread,
    with_guards,
)
from structgen.native.raw_memory import address_of
from structgen.native.typed_blocks import word_of, words_of

_FAILS: Final = -1
"""In a row of guards: one of them has failed."""
_TRUE: Final = -2
"""In a row of one guard: it holds."""
_EMPTY: Final = -1
"""The initial value of some arrays, instead of 0."""
_UNKNOWN: Final = frozenset(("slots", "variants", "next_look_behinds", "first"))
_STATES: Final = 512
"""The initial capacity in states."""
_LISTS: Final = {"state": "states", "tracked": "tracked", "source": "source_lists"}
"""Interned lists: the prefixes of their arrays' names, and their fields in `LexerTables`."""
_ROOMS: Final = {
    "scratch": word_of(LexerTables, "scratch_room"),
    "viable": word_of(LexerTables, "state_room"),
} | {
    f"{name}_{array}": word_of(LexerTables, field, room)
    for name, field in _LISTS.items()
    for array, room in (("begins", "room"), ("pool", "pool_room"))
}
"""The positions in the block of the arrays' lengths."""


def _word_of(name: str) -> int:
    """Return the position in the block of an array's address."""
    kind, _, array = name.partition("_")
    if kind in _LISTS and array:
        return word_of(LexerTables, _LISTS[kind], array)
    return word_of(LexerTables, name)


@dataclass(frozen=True, slots=True)
class Slot:
    """An accept among the items of a state: `terminal` has matched at the last byte; -1: earlier (an old
    slot)."""

    terminal: int
    guards: Guards


Item: TypeAlias = Union[Thread, Slot]


class KeptItems(NamedTuple):
    """All items and states, as in a file. Guards, rows and the lists in a row are numbers."""

    singles: Sequence[LookAheadGuard]
    behinds: Sequence[LookBehindState]
    items: npt.NDArray[np.int32]
    """As in `LexerTables`."""
    at: npt.NDArray[np.int32]
    """The instruction of each thread; -1 for a slot."""
    reach: npt.NDArray[np.int64]
    names: npt.NDArray[np.uint8]
    guard_begins: npt.NDArray[np.int32]
    guard_pool: npt.NDArray[np.int32]
    lists: npt.NDArray[np.int32]
    parts: npt.NDArray[np.uint8]
    """The partitions of rows: the part of each class."""
    row_parts: npt.NDArray[np.int32]
    row_begins: npt.NDArray[np.int32]
    row_pool: npt.NDArray[np.int32]
    """For each row its partition, and, from ROW_BEGINS on, the list of each part."""
    variants: npt.NDArray[np.int32]
    state_begins: npt.NDArray[np.int32]
    state_pool: npt.NDArray[np.int32]
    tracked_begins: npt.NDArray[np.int32]
    tracked_pool: npt.NDArray[np.int32]


class LexemeItems:
    """The numbers of items, guards and look-behind states, and the arrays of `LexerTables`. Not
    thread-safe."""

    def __init__(
        self,
        program: OrderedProgram,
        representative: Sequence[int],
        terminals: int,
        unless: Sequence[Mapping[int, Sequence[int]]],
        exact: Mapping[int, tuple[int, int]],
    ) -> None:
        """`representative`: a byte of each class. `unless`, `exact`: see LexemeStates."""
        self.program = program
        self.budget = F.WorkBudget()
        """Spent for rows and states."""
        self._representative = representative
        self._column: Callable[..., Any] = itemgetter(*representative)
        if len(representative) == 1:
            self._column = itemgetter(slice(1))
        """Picks one byte of each class from a row of 256 bytes."""
        self._unless, self._terminals = unless, terminals
        width = len(representative)
        triples = [
            [(terminal, exact[one][1], one) for terminal, of in names.items() for one in of]
            for names in unless
        ]
        sizes = [0, *map(len, triples)]
        flat = [triple for of in triples for triple in of]
        self._names = [sum(1 << terminal for terminal in names) for names in unless]
        self._named: dict[int, set[int]] = {}
        """For each terminal, the strings that may replace it."""
        for names in unless:
            for terminal, of in names.items():
                self._named.setdefault(terminal, set()).update(of)
        int32, int64 = np.int32, np.int64
        self.words = words = np.zeros(words_of(LexerTables), int64)
        """The block `LexerTables`."""
        self._address = address_of(words)
        words[LexerTables.width], words[LexerTables.unless_count] = width, len(unless)
        words[LexerTables.terminals] = terminals
        match_words = (2 * terminals + 63) // 64
        words[LexerTables.terminal_words], words[LexerTables.match_words] = (
            (terminals + 63) // 64,
            match_words,
        )
        self._arrays: dict[str, npt.NDArray[Any]] = {}
        for name, shape, kind in (
            ("notes", (R.MOST_NOTES, 3), int64),
            ("items", (256, R.I_WORDS), int32),
            ("names", (256, len(unless)), np.uint8),
            ("reach", (256, match_words), int64),
            ("guard_begins", (64,), int32),
            ("guard_pool", (64,), int32),
            ("slots", (16, terminals), int32),
            ("cells", (512, width), int32),
            ("lists", (2048,), int32),
            ("variants", (16, 4), int32),
            ("next_look_behinds", (4, width), int32),
            ("viable", (_STATES, (terminals + 63) // 64), int64),
            ("after", (_STATES, width), int32),
            ("sources", (_STATES, width), int32),
            ("first", (_STATES, width), int32),
            ("stamps", (256,), int64),
            ("marks", (_STATES,), int64),
            ("scratch", (4096,), int32),
            ("class_hashes", (width,), int64),
            ("class_index", (width + R.CLASS_ROOM,), int32),
            ("state_begins", (_STATES + 1,), int64),
            ("state_pool", (8 * _STATES,), int32),
            ("tracked_begins", (65,), int64),
            ("tracked_pool", (512,), int32),
            ("source_begins", (65,), int64),
            ("source_pool", (256,), int32),
        ):
            self._put(name, np.full(shape, _EMPTY if name in _UNKNOWN else 0, kind))
        self._put("unless_begins", np.cumsum(sizes, dtype=int32))
        self._put("unless", np.array(flat, int32).reshape(-1, 3))
        for name in _LISTS:
            self._set_count(name, int(name != "state"))  # list 0 of the others is the empty list
            self._index(name)
        self.objects: list[Item] = []
        self._may_end: list[bool] = []
        self._asks: list[int] = []
        self._row_of: list[int] = []
        """The row of each item, in the format of the arrays."""
        self._fresh: list[tuple[list[int], int]] = []
        self._bits: dict[int, tuple[bytes, bytes]] = {}
        self._at_end: dict[tuple[int, int], int | None] = {}
        self._numbers: dict[Item, int] = {}
        self._guards: list[Guards] = []
        self._guard_reach: dict[int, int] = {}
        """For each tuple of guards, the matches that its instructions reach; on demand."""
        self._guard_numbers: dict[Guards, int] = {}
        self._singles: list[LookAheadGuard] = []
        self._single_numbers: dict[LookAheadGuard, int] = {}
        self.behinds: list[LookBehindState] = []
        """The look-behind states, by number."""
        self._behind_numbers: dict[LookBehindState, int] = {}
        self._lists: dict[tuple[int, ...], int] = {}
        self._numbers_at: dict[int, tuple[int, ...]] = {}
        self._members: dict[int, frozenset[Any]] = {}
        """The items of a list, by its position."""
        self._fresh_lists: list[int] = []
        """Numbers that the array of lists does not have yet."""
        self._listed = self._written = self._asking = self._entered = 0
        self._parts = ClassRows(width)
        self._rows: list[ClassRow[int] | None] = []
        """The rows of items: for each part of the classes the position of a list; None: still in `_kept`."""
        self._kept: KeptItems | None = None
        """The contents of a file, from which rows are made on demand."""
        self._closures_behind: dict[LookBehindState, dict[int, list[int]]] = {}
        self._closures: dict[tuple[ByteNode, int, int, int], int] = {}
        self._ways: dict[ByteNode, ClassRow[tuple[ByteNode | None, int]]] = {}
        self._plain: dict[int, frozenset[Any]] = {}
        """Closures of instructions that do not look behind."""
        self._plain_ways: dict[int, list[tuple[list[int], int]]] = {}
        self._sets: list[frozenset[Any]] = []
        """Sets of threads, by number."""
        self._set_numbers: dict[frozenset[Any], int] = {}
        self._guard_rows: dict[tuple[int, int], ClassRow[int]] = {}
        self._single_rows: dict[tuple[LookAheadGuard, int], ClassRow[int]] = {}
        self._missing_bytes = self._parts.of([_more(byte) for byte in representative])
        """The classes by the number of bytes missing from their characters, as in `LookBehindState`."""
        self._look_behind_rows: dict[int, ClassRow[int]] = {}
        """The look-behind state after each class of bytes, by look-behind state."""
        self._marks = 0
        self._queue, self._ends = np.zeros(256, np.int32), np.zeros(3, np.int64)
        self._queue_at, self._ends_at = address_of(self._queue), address_of(self._ends)
        words[LexerTables.look_behinds] = self._arrays["variants"].shape[1]
        self.guards(())
        self._arrays["next_look_behinds"][self.behind(NO_LOOK_BEHIND)] = 0
        self._look_behind_rows[0] = ClassRow(self._parts.whole, [0])
        self._list(())

    # --- room -----------------------------------------------------------------------------------------------

    def array(self, name: str) -> npt.NDArray[Any]:
        """Return an array of `LexerTables` by the name of its field; another object once it has grown."""
        return self._arrays[name]

    def _put(self, name: str, array: npt.NDArray[Any]) -> None:
        words, values = [_word_of(name)], [address_of(array)]
        if name in _ROOMS:
            words.append(_ROOMS[name])
            values.append(len(array))
        # one statement: after an interrupt Python and compiled code must read the same arrays
        self._arrays[name], self.words[words] = array, values

    def _reserve(self, count: int, *names: str) -> None:
        """Make room for rows in some arrays."""
        for name in names:
            array = self._arrays[name]
            if count > len(array):
                shape = (max(count, 2 * len(array)), *array.shape[1:])
                grown = np.empty(shape, array.dtype)
                grown[: len(array)] = array
                grown[len(array) :] = _EMPTY if name in _UNKNOWN else 0
                self._put(name, grown)

    def _grow(self) -> None:
        """Make more room in all arrays that compiled code fills."""
        words = self.words
        wanted = int(words[LexerTables.wanted])
        for name in _LISTS:
            count = self._count_of(name)
            begin = int(self._arrays[f"{name}_begins"][count])
            pool = len(self._arrays[f"{name}_pool"])
            if 2 * count >= words[_ROOMS[f"{name}_begins"]] or 2 * begin >= pool or begin + wanted > pool:
                self._reserve_lists(name, 2 * count, 2 * (begin + wanted))
        self._reserve_states(2 * self.states)
        self._reserve(2 * wanted, "scratch")
        words[LexerTables.wanted] = 0

    def _reserve_lists(self, name: str, count: int, words: int) -> None:
        self._reserve(count + 2, f"{name}_begins")
        self._reserve(words, f"{name}_pool")
        if 2 * len(self._arrays[f"{name}_begins"]) > len(self._arrays[f"{name}_index"]):
            self._index(name)

    def _index(self, name: str) -> None:
        """Make a hash index for all lists of a kind for which there is room."""
        size = 1 << (2 * len(self._arrays[f"{name}_begins"])).bit_length()
        index, field = np.full(size, _EMPTY, np.int32), _LISTS[name]
        words = [_word_of(f"{name}_index"), word_of(LexerTables, field, "mask")]
        values = [address_of(index), size - 1]
        ahead = self.words.copy()
        ahead[words] = values
        R.index_anew(address_of(ahead) + 8 * word_of(LexerTables, field))
        self._arrays[f"{name}_index"], self.words[words] = index, values

    def _count_of(self, name: str) -> int:
        """Return the number of lists of a kind."""
        return int(self.words[word_of(LexerTables, _LISTS[name], "count")])

    def _set_count(self, name: str, count: int) -> None:
        self.words[word_of(LexerTables, _LISTS[name], "count")] = count

    def _reserve_states(self, count: int) -> None:
        self._reserve(count, "after", "sources", "first", "viable", "marks")

    @property
    def states(self) -> int:
        """How many states there are."""
        return self._count_of("state")

    @property
    def rows(self) -> int:
        """How many items have rows."""
        return len(self._rows)

    def retry(self, call: Callable[..., int], *arguments: Any) -> int:
        """Call a routine of `lexeme_rows`, making room as it asks; return its result."""
        while True:
            found = call(self.ready(), *arguments)
            if found != R.FULL:
                return found
            self._grow()

    # --- numbers --------------------------------------------------------------------------------------------

    def number(self, item: Item) -> int:
        """Return the number of an item."""
        known = self._numbers.get(item)
        if known is None:
            known = self._add(item)
            self._numbers[item] = known
        return known

    def _add(self, item: Item) -> int:
        """Number a new item, and keep its row of `items` for `ready`.

        An exception may come between any two lines. The last line counts the item; before it, the next item
        would take the same number.
        """
        program = self.program
        guards = item[1] if isinstance(item, tuple) else item.guards
        held = self.guards(guards) if guards else 0
        reached = self._reach_of(held)
        kind, match, always, may_end = R.THREAD, -1, False, True
        if isinstance(item, tuple):
            at = item[0]
            reached |= program.reach(at)
            if program.node_of(at) is not None:
                always, may_end = program.always_matches(at), False
            elif (matched := program.match_of(at)) is not None:
                kind, match = R.MATCH, matched
        else:
            kind, match = R.SLOT, item.terminal
        # the items that it refers to get smaller numbers
        bare = self.number((item[0], ())) if isinstance(item, tuple) and guards else -1
        if kind == R.MATCH and match < self._terminals:
            for terminal in (match, *self._named.get(match, ())):
                if self._arrays["slots"][held, terminal] < 0:
                    self._arrays["slots"][held, terminal] = self.number(Slot(terminal, guards))
        asks = -1
        if reached & 1:
            asks = self._asking
            self._asking += 1
            self._reserve(self._asking, "variants")
        number = len(self.objects)
        words = [kind, held, match, int(always), asks, number if bare < 0 else bare, R.NONE, int(may_end)]
        self._may_end[number:], self._row_of[number:] = (may_end,), (R.NONE,)
        self._asks[number:] = (asks,)
        self._fresh[number - self._entered :] = ((words, reached >> 1),)
        self.objects.append(item)
        return number

    def ready(self) -> int:
        """Write new numbers into the arrays; return the address of `LexerTables`."""
        if self._written < self._listed:
            begin, end = self._written, self._listed
            self._reserve(end, "lists")
            self._arrays["lists"][begin:end] = self._fresh_lists[: end - begin]
            self._written, self._fresh_lists = end, []
        begin, count = self._entered, len(self.objects)
        if begin < count:
            self._reserve(count, "items", "names", "reach", "stamps")
            fresh = self._fresh[: count - begin]
            self._arrays["items"][begin:count] = [words for words, _found in fresh]
            both = [self._bits_of(found) for _words, found in fresh]
            for name, place in (("reach", 0), ("names", 1)):
                array = self._arrays[name]
                octets = np.frombuffer(b"".join([one[place] for one in both]), array.dtype)
                array[begin:count] = octets.reshape(-1, array.shape[1])
            self._entered, self._fresh = count, []
        return self._address

    def _bits_of(self, found: int) -> tuple[bytes, bytes]:
        known = self._bits.get(found)
        if known is None:
            names = bytes(bool(found & names) for names in self._names)
            known = self._bits[found] = (
                found.to_bytes(8 * int(self.words[LexerTables.match_words]), "little"),
                names,
            )
        return known

    def guards(self, guards: Guards) -> int:
        """Return the number of some guards."""
        known = self._guard_numbers.get(guards)
        if known is None:
            self.budget.looks_ahead = self.budget.looks_ahead or bool(guards)
            known = len(self._guards)
            begin = int(self._arrays["guard_begins"][known])
            self._reserve(known + 2, "guard_begins")
            self._reserve(known + 1, "slots")
            self._reserve(begin + len(guards), "guard_pool")
            for place, guard in enumerate(guards, begin):
                self._arrays["guard_pool"][place] = self._single(guard)
            self._arrays["guard_begins"][known + 1] = begin + len(guards)
            self._guards.append(guards)
            self._guard_numbers[guards] = known
        return known

    def _reach_of(self, guards: int) -> int:
        """Return the matches that the instructions of some guards reach, as bits."""
        known = self._guard_reach.get(guards)
        if known is None:
            known = 0
            for at in instructions(Slot(-1, self._guards[guards])):
                known |= self.program.reach(at)
            self._guard_reach[guards] = known
        return known

    def _single(self, guard: LookAheadGuard) -> int:
        known = self._single_numbers.get(guard)
        if known is None:
            known = len(self._singles)
            self._singles.append(guard)
            self._single_numbers[guard] = known
        return known

    def behind(self, behind: LookBehindState) -> int:
        """Return the number of a look-behind state."""
        known = self._behind_numbers.get(behind)
        if known is None:
            known = len(self.behinds)
            self._reserve_behinds(known + 1)
            self.behinds.append(behind)
            self._behind_numbers[behind] = known
        return known

    def _reserve_behinds(self, count: int) -> None:
        self._reserve(count, "next_look_behinds")
        variants = self._arrays["variants"]
        if count > variants.shape[1]:
            grown = np.full((len(variants), 2 * count), _EMPTY, np.int32)
            grown[:, : variants.shape[1]] = variants
            words = [_word_of("variants"), LexerTables.look_behinds]
            values = [address_of(grown), grown.shape[1]]
            self._arrays["variants"], self.words[words] = grown, values

    # --- states ---------------------------------------------------------------------------------------------

    def settled(
        self, items: Sequence[int], behind: LookBehindState, tracked: Sequence[int], unless: int
    ) -> int:
        """Return the number of the state of some items. Its look-behind state and tracked threads are dropped
        if no item depends on them. `tracked`: items, in order."""
        words = np.array([0] * R.S_ITEMS + [*items], np.int32)
        held = np.array(tracked, np.int32)
        number = self.behind(behind)
        arguments = address_of(words), len(words), address_of(held), len(held)
        return self.retry(R.find_settled, *arguments, number, unless)

    def _listed_at(self, name: str, number: int) -> list[int]:
        begins = self._arrays[f"{name}_begins"]
        found: list[int] = self._arrays[f"{name}_pool"][begins[number] : begins[number + 1]].tolist()
        return found

    def state(self, number: int) -> list[int]:
        """Return the numbers of a state: S_LOOK_BEHIND, S_TRACKED, S_UNLESS, and its items."""
        return self._listed_at("state", number)

    def tracked(self, number: int) -> list[int]:
        """Return the items of a set of tracked threads."""
        return self._listed_at("tracked", number)

    def sources(self, number: int) -> tuple[int, ...]:
        """Return the sources of the slots after a move, by their list's number."""
        return tuple(self._listed_at("source", number))

    def matched(self, number: int) -> set[int]:
        """Return the matches in a set of tracked threads."""
        items = (self.objects[one] for one in self.tracked(number))
        found = (self.program.match_of(one[0]) for one in items if isinstance(one, tuple))
        return {match for match in found if match is not None}

    def match_at_end(self, number: int, behind: int) -> int | None:
        """Return the match of an item at the end of the text. The match of a slot is its terminal."""
        if not self._may_end[number]:
            return None
        key = number, behind
        if key not in self._at_end:
            item, before = self.objects[number], self.behinds[behind]
            if isinstance(item, Slot):
                holds = self.program.holds_at_end(item.guards, before)
                self._at_end[key] = item.terminal if holds else None
            else:
                self._at_end[key] = self.program.matches_at_end(item, before)
        return self._at_end[key]

    def make_rows(self, states: Sequence[int], most: int) -> npt.NDArray[np.int32]:
        """Make the rows of some states and of up to `most` states reachable from them, nearest first; return
        the visited states. Raises LimitError."""
        self._marks += 2
        most = max(most, len(states))
        if most > len(self._queue):
            longer = np.zeros(2 * most, np.int32)
            self._queue, self._queue_at = longer, address_of(longer)
        queue, ends = self._queue, self._ends
        queue[: len(states)] = states
        ends[:] = len(states), most, self._marks
        self._arrays["marks"][queue[: len(states)]] = self._marks
        while True:
            before, begun = self.states, self._state_words
            asked = self.retry(R.make_rows, self._queue_at, self._ends_at) == R.NOTED
            made, words = self.states - before, self._state_words - begun
            try:
                if made:
                    self.budget.check_states(self.states)
                    self.budget.spend(F.STATE_STEPS * made + words // F.NUMBERS_PER_STEP)
                if not asked:
                    return queue[: int(ends[0])].copy()
                self._answer()
            finally:
                self._forget_notes()

    @property
    def _state_words(self) -> int:
        return int(self._arrays["state_begins"][self.states])

    def _answer(self) -> None:
        """Make the requested rows."""
        count = int(self.words[LexerTables.note_count])
        for kind, first, second in self._arrays["notes"][:count].tolist():
            if kind == R.NOTE_LOOK_BEHIND:
                self._behind_row(first)
            else:
                row = self._row(first, second)
                item = self.objects[first]
                guards = item[1] if isinstance(item, tuple) else item.guards
                self.budget.spend(F.ROW_STEPS + len(row.said) * (1 + len(guards) // F.GUARDS_PER_STEP))

    def _forget_notes(self) -> None:
        """Mark requested rows that were not made as unknown, so that they are requested again."""
        count = int(self.words[LexerTables.note_count])
        self.words[LexerTables.note_count] = 0
        for kind, first, second in self._arrays["notes"][:count].tolist():
            if kind == R.NOTE_LOOK_BEHIND:
                cells, at = self._arrays["next_look_behinds"][first], 0
            elif self._asks[first] < 0:
                cells, at = self._arrays["items"][first], R.I_ROW
            else:
                cells, at = self._arrays["variants"][self._asks[first]], second
            if cells[at] == R.ASKED:
                cells[at] = R.NONE

    # --- files ----------------------------------------------------------------------------------------------

    def kept(self) -> KeptItems:
        """Return all items and states, for `put`. Cost: 5 us for each row."""
        self.ready()
        count, rows = len(self.objects), [self._row_at(at) for at in range(len(self._rows))]
        items = self._arrays["items"][:count].copy()
        items[:, R.I_ROW] = np.maximum(items[:, R.I_ROW], R.NONE)  # drop pending requests
        places = [item[0] if isinstance(item, tuple) else -1 for item in self.objects]
        numbers: dict[int, int] = {}
        met: list[SharedParts] = []
        row_parts = []
        for row in rows:
            if row.parts.number not in numbers:
                numbers[row.parts.number] = len(met)
                met.append(row.parts)
            row_parts.append(numbers[row.parts.number])
        guards = self._arrays["guard_begins"][: len(self._guards) + 1].copy()
        lists = []
        for name in ("state", "tracked"):
            at = self._count_of(name)
            begins = self._arrays[f"{name}_begins"][: at + 1].astype(np.int32)
            lists += [begins, self._arrays[f"{name}_pool"][: int(begins[-1])].copy()]
        return KeptItems(
            list(self._singles),
            list(self.behinds),
            items,
            np.array(places, np.int32),
            self._arrays["reach"][:count].copy(),
            self._arrays["names"][:count].copy(),
            guards,
            self._arrays["guard_pool"][: int(guards[-1])].copy(),
            self._arrays["lists"][: self._listed].copy(),
            np.array([one.which for one in met], np.uint8).reshape(-1, len(self._representative)),
            np.array(row_parts, np.int32),
            np.cumsum([0, *(len(row.said) for row in rows)], dtype=np.int32),
            np.array([*chain(*(row.said for row in rows))], np.int32),
            np.maximum(self._arrays["variants"][: self._asking, : len(self.behinds)], R.NONE),
            *lists,
        )

    def put(self, kept: KeptItems) -> None:
        """Load the items and states of a file; there are none yet."""
        assert not self.objects
        arrays, count, rows = self._arrays, len(kept.items), len(kept.row_parts)
        self._kept = kept
        self._reserve_behinds(len(kept.behinds))
        for behind in kept.behinds:
            self.behind(behind)
        self._singles = list(kept.singles)
        self._single_numbers = {one: number for number, one in enumerate(self._singles)}
        pool = [self._singles[one] for one in kept.guard_pool.tolist()]
        self._guards = [tuple(pool[low:high]) for low, high in pairwise(kept.guard_begins.tolist())]
        self._guard_numbers = {one: number for number, one in enumerate(self._guards)}
        self.budget.looks_ahead = len(self._guards) > 1
        self._reserve(len(kept.guard_begins), "guard_begins")
        self._reserve(len(self._guards), "slots")
        self._reserve(len(pool), "guard_pool")
        self._reserve(count, "items", "names", "reach", "stamps")
        self._reserve(rows, "cells")
        self._reserve(len(kept.lists), "lists")
        self._reserve(len(kept.variants), "variants")
        for name in ("items", "names", "reach", "guard_begins", "guard_pool", "lists"):
            array: npt.NDArray[Any] = getattr(kept, name)
            arrays[name][: len(array)] = array
        arrays["variants"][: len(kept.variants), : kept.variants.shape[1]] = kept.variants
        which = kept.row_begins[:-1, None] + kept.parts[kept.row_parts]
        arrays["cells"][:rows] = kept.row_pool[which]
        self._rows = [None] * rows
        self._asking = len(kept.variants)
        self._take_items(kept)
        self._take_lists(kept.lists)
        for name, begins, pool_of in (
            ("state", kept.state_begins, kept.state_pool),
            ("tracked", kept.tracked_begins, kept.tracked_pool),
        ):
            self._set_count(name, 0)
            self._reserve_lists(name, len(begins) - 1, len(pool_of))
            arrays[f"{name}_begins"][: len(begins)] = begins
            arrays[f"{name}_pool"][: len(pool_of)] = pool_of
            self._set_count(name, len(begins) - 1)
            self._index(name)
        self._reserve_states(self.states)
        R.find_all_viable(self.ready())

    def _take_items(self, kept: KeptItems) -> None:
        """Make the objects of the items of a file."""
        guards = self._guards
        for (kind, held, match, _certified, asks, _bare, row, ends), at in zip(
            kept.items.tolist(), kept.at.tolist(), strict=True
        ):
            if kind == R.SLOT:
                item: Item = Slot(match, guards[held])
                if match >= 0:
                    self._arrays["slots"][held, match] = len(self.objects)
            else:
                item = at, guards[held]
            self._numbers[item] = len(self.objects)
            self.objects.append(item)
            self._asks.append(asks)
            self._row_of.append(row)
            self._may_end.append(bool(ends))
        self._entered = len(self.objects)

    def _take_lists(self, lists: npt.NDArray[np.int32]) -> None:
        """Take the lists of items of a file."""
        words, at = lists.tolist(), 0
        while at < len(words):
            numbers = tuple(words[at + 1 : at + 1 + words[at]])
            self._lists[numbers] = at
            self._numbers_at[at] = numbers
            at += 1 + len(numbers)
        self._listed = self._written = at
        self._fresh_lists = []

    # --- closures of items ----------------------------------------------------------------------------------

    def _list(self, items: Iterable[Item]) -> int:
        """Return the place of a list of items in LISTS."""
        numbers = tuple(map(self.number, items))
        known = self._lists.get(numbers)
        if known is None:
            known = self._listed
            self._fresh_lists[known - self._written :] = (len(numbers), *numbers)
            self._numbers_at[known] = numbers
            self._listed, self._lists[numbers] = known + 1 + len(numbers), known
        return known

    def _members_of(self, place: int) -> frozenset[Any]:
        """Return the items of a list, by its place."""
        known = self._members.get(place)
        if known is None:
            numbers = self._numbers_at[place]
            known = self._members[place] = frozenset([self.objects[number] for number in numbers])
        return known

    def _row(self, number: int, behind: int) -> ClassRow[int]:
        """Return the row of an item in a look-behind state, memoised."""
        asks = self._asks[number]
        at = self._row_of[number] if asks < 0 else int(self._arrays["variants"][asks, behind])
        if at < 0:
            row = self._made(self.objects[number], behind if asks >= 0 else 0)
            at = len(self._rows)
            self._rows.append(row)
            if at >= len(self._arrays["cells"]):
                self._reserve(at + 1, "cells")
            self._arrays["cells"][at] = np.array(row.said, np.int32)[row.parts.which]
            if asks < 0:
                if number < self._entered:
                    self._arrays["items"][number, R.I_ROW] = at
                else:
                    self._fresh[number - self._entered][0][R.I_ROW] = at
                self._row_of[number] = at
            else:
                self._arrays["variants"][asks, behind] = at
        return self._row_at(at)

    def _row_at(self, at: int) -> ClassRow[int]:
        known = self._rows[at]
        if known is None:
            known = self._rows[at] = self._kept_row(at)
        return known

    def _kept_row(self, at: int) -> ClassRow[int]:
        """Return a row of the file."""
        kept = self._kept
        assert kept is not None
        begin, end = kept.row_begins[at : at + 2].tolist()
        parts = self._parts.of(kept.parts[kept.row_parts[at]].tolist())
        return ClassRow(parts, kept.row_pool[begin:end].tolist())

    def _made(self, item: Item, behind: int) -> ClassRow[int]:
        """Return the closures of an item after each class of bytes."""
        if isinstance(item, Slot):
            return self._each(self._row_of_guards(item.guards, behind), lambda held: (Slot(-1, held),))
        at, guards = item
        one = self.program.code[at]
        if one.node is None:
            return ClassRow(self._parts.whole, [0])
        ways = self.ways_of(one.node)
        if not guards and behind == 0:
            way, some = self._way, ways.said
            return ClassRow(
                ways.parts, [0 if node is None else way(at, node, byte, 0, 0) for node, byte in some]
            )
        parts, said = self._parts.joint(ways, self._row_of_guards(guards, behind), self._behind_row(behind))
        found = []
        for (node, byte), left, later in said:
            dies = node is None or left == _FAILS
            found.append(0 if dies else self._way(at, node, byte, left, later))
        return ClassRow(parts, found)

    def _way(self, at: int, node: ByteNode, byte: int, guards: int, later: int) -> int:
        """Return the closure of a thread after a byte that leads its character to a node. `guards`: those
        that remain; `later`: the look-behind state after the byte."""
        to = self.program.code[at].to[0]
        key = node, to, guards, later if node is DONE and self.program.reach(to) & 1 else 0
        known = self._closures.get(key)
        if known is None:
            held = self._guards[guards]
            if node is DONE:
                known = self._list(self.program.closure(to, held, self.behinds[key[3]]))
            else:
                known = self._list(((self.program.inside(at, byte), held),))
            self._closures[key] = known
        return known

    def closures(self, behind: LookBehindState) -> dict[int, list[int]]:
        """Return the known closures in a look-behind state, by instruction."""
        return self._closures_behind.setdefault(behind, {})

    def closure(self, at: int, behind: LookBehindState, known: dict[int, list[int]]) -> list[int]:
        """Return the closure of an instruction, as numbers of items. `known`: see `closures`."""
        found = known.get(at)
        if found is None:
            found = known[at] = [self.number(item) for item in self.program.closure(at, (), behind)]
        return found

    def ways_of(self, node: ByteNode) -> ClassRow[tuple[ByteNode | None, int]]:
        """Return, for each class of bytes, the successor of a node of a character, and a byte."""
        known = self._ways.get(node)
        if known is None:
            column = self._column(node.after)
            parts = self._parts.of(column)
            byte_of = self._representative
            known = self._ways[node] = ClassRow(
                parts, [(column[first], byte_of[first]) for first in parts.firsts]
            )
        return known

    def _each(self, row: ClassRow[int], items: Callable[[Guards], tuple[Item, ...]]) -> ClassRow[int]:
        """Return the items made of the remaining guards; none if a guard has failed."""
        guards = self._guards
        return ClassRow(
            row.parts, [0 if held == _FAILS else self._list(items(guards[held])) for held in row.said]
        )

    def parts_behind(self, behind: LookBehindState, nodes: Iterable[ByteNode]) -> SharedParts:
        """Return the partition of the classes by their effect on some nodes of characters and on a
        look-behind state."""
        several = [self.ways_of(node).parts for node in nodes]
        return self._parts.common([self._behind_row(self.behind(behind)).parts, *several])

    # --- guards ---------------------------------------------------------------------------------------------

    def _row_of_guards(self, guards: Guards, behind: int) -> ClassRow[int]:
        """Return, for each class of bytes, the remaining guards, or _FAILS."""
        key = self.guards(guards), behind
        known = self._guard_rows.get(key)
        if known is None:
            if not guards:
                known = ClassRow(self._parts.whole, [0])
            else:
                parts, said = self._parts.joint(*[self._row_of_guard(guard, behind) for guard in guards])
                numbers = []
                for several in said:
                    held = with_guards([self._singles[one] for one in several if one >= 0])
                    numbers.append(_FAILS if _FAILS in several else self.guards(held))
                known = self._parts.coarse(parts, numbers)
            self._guard_rows[key] = known
        return known

    def _row_of_guard(self, guard: LookAheadGuard, behind: int) -> ClassRow[int]:
        """Return, for each class of bytes, the guard after it: its number, _TRUE or _FAILS."""
        key = guard, behind
        known = self._single_rows.get(key)
        if known is None:
            come: dict[int, list[int]] = {}
            """For each class the sets of threads after it."""
            for item in guard.threads:
                if not item[1] and self._is_plain(item[0], behind):
                    ways = self._ways_on(item[0])
                else:
                    ways = self._inner_ways(item, behind)
                for kinds, threads in ways:
                    for kind in kinds:
                        come.setdefault(kind, []).append(threads)
            nothing = self._guard_with(guard, frozenset[Any]())
            become: dict[tuple[int, ...], int] = {}
            column = [nothing] * len(self._representative)
            for kind, several in come.items():
                together = tuple(several)
                if together not in become:
                    found = frozenset[Any]().union(*map(self._sets.__getitem__, together))
                    become[together] = self._guard_with(guard, found)
                column[kind] = become[together]
            parts = self._parts.of(column)
            known = self._single_rows[key] = ClassRow(parts, [column[first] for first in parts.firsts])
        return known

    def _ways_on(self, at: int) -> list[tuple[list[int], int]]:
        """Return the closures of a plain thread: classes of bytes, each with the number of a set of
        threads."""
        known = self._plain_ways.get(at)
        if known is None:
            node = self.program.node_of(at)
            assert node is not None
            ways = self.ways_of(node)
            known = self._plain_ways[at] = [
                (kinds, self._set(self._closure_after(at, after, byte)))
                for kinds, (after, byte) in zip(self._parts.members(ways.parts), ways.said, strict=True)
                if after is not None
            ]
        return known

    def _inner_ways(self, item: Thread, behind: int) -> list[tuple[list[int], int]]:
        """Return the closures of an item of a guard, as `_ways_on`."""
        row = self._inner(item, behind)
        some = zip(self._parts.members(row.parts), map(self._members_of, row.said), strict=True)
        return [(kinds, self._set(threads)) for kinds, threads in some if threads]

    def _set(self, threads: frozenset[Any]) -> int:
        known = self._set_numbers.get(threads)
        if known is None:
            known = len(self._sets)
            self._sets.append(threads)
            self._set_numbers[threads] = known
        return known

    def _guard_with(self, guard: LookAheadGuard, threads: frozenset[Any]) -> int:
        """Return a guard with new threads: its number, _TRUE or _FAILS."""
        after = self.program.guard_of(guard, threads)
        if isinstance(after, LookAheadGuard):
            return self._single(after)
        return _TRUE if after else _FAILS

    def _is_plain(self, at: int, behind: int) -> bool:
        """Return whether the closure of an instruction after a byte does not look behind."""
        return self.program.node_of(at) is not None and (behind == 0 or not self.program.reach(at) & 1)

    def _closure_after(self, at: int, node: ByteNode, byte: int) -> frozenset[Any]:
        """Return the closure of a plain thread after a byte that leads its character to a node."""
        program = self.program
        if node is not DONE:
            return frozenset(((program.inside(at, byte), ()),))
        to = program.code[at].to[0]
        known = self._plain.get(to)
        if known is None:
            known = self._plain[to] = frozenset(program.closure(to, (), NO_LOOK_BEHIND))
        return known

    def _inner(self, item: Thread, behind: int) -> ClassRow[int]:
        """Return the row of an item of a guard. A thread that has ended waits for its guards."""
        if not self.program.has_left(item[0]):
            return self._row(self.number(item), behind)
        at, guards = item
        return self._each(self._row_of_guards(guards, behind), lambda held: ((at, held),))

    # --- look-behind states ---------------------------------------------------------------------------------

    def _behind_row(self, behind: int) -> ClassRow[int]:
        """Return the look-behind state after each class of bytes."""
        known = self._look_behind_rows.get(behind)
        if known is None:
            known = self._look_behind_rows[behind] = self._step_behind(behind)
        return known

    def _step_behind(self, number: int) -> ClassRow[int]:
        """Make the row of a look-behind state."""
        before = self.behinds[number]
        nodes = {node for at in before.threads if (node := self.program.node_of(at)) is not None}
        parts = self._parts.common([self._missing_bytes, *(self.ways_of(node).parts for node in nodes)])
        step, byte_of = self.program.step_look_behind, self._representative
        after = [self.behind(step(before, byte_of[kind])) for kind in parts.firsts]
        self._arrays["next_look_behinds"][number] = np.array(after, np.int32)[parts.which]
        return ClassRow(parts, after)


def _more(byte: int) -> int:
    return (byte >= 0xC0) + (byte >= 0xE0) + (byte >= 0xF0)


def instructions(item: Item) -> list[int]:
    """Return the instructions at which the threads of an item and of its guards wait."""
    found: list[int] = []
    met = set[LookAheadGuard]()
    pending: list[Item] = [item]
    while pending:
        one = pending.pop()
        if not isinstance(one, Slot):
            found.append(one[0])
        for guard in one[1] if isinstance(one, tuple) else one.guards:
            if guard not in met:
                met.add(guard)
                pending += guard.threads
    return found

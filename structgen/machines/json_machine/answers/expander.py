"""`Expander` answers the questions of compiled code: it asks the network and writes rows of tables.

- The *network* is the schema as numbers (`base.language.ir.Network`). The *engine* is compiled code. A place
  or a residue has a number in the network, and a row in the engine's tables; the two numbers differ.
- A *place* is what is asked of one value; an *outcome* is the number of what a finished value has met of it.
- A *residue* is how far an object or array has come, and what may follow.
- A *spec* is what a string or number must be: a formula for each demand of its place (`Spec`).
- A *plain object* has names in one fixed order: its residues are rows side by side, made at once.
- An *extra key* is a key that the schema does not name.

For example, at `[` compiled code asks for the row of the array's residue. `know_residue` asks the network for
the place of the next item, and writes it into that row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from operator import is_not

import numpy as np

from structgen.automata.numbers.number_pool import NumberPool
from structgen.automata.strings.length_phases import ENDLESS
from structgen.automata.strings.string_pool import StringPool
from structgen.automata.unicode.decoded_text import encode_text, in_order
from structgen.base.errors import LimitError, UnsupportedError
from structgen.base.language.ir import DEAD, FREE, ArrayMenu, Formula, Key, Network, SimpleObject, Spec
from structgen.base.limits import Limits
from structgen.base.native.array_types import Array
from structgen.base.native.raw_memory import address_of
from structgen.base.native.typed_blocks import word_of, words_of
from structgen.machines.json_machine.answers.item_text import close_text, text_of
from structgen.machines.json_machine.answers.spec_shapes import (
    length_bounds,
    split_excepted_words,
    words_with_demands,
)
from structgen.machines.json_machine.tables import json_blocks as L
from structgen.machines.machine_core.growing_tables import GrowingTables
from structgen.machines.machine_core.token_steps import put_edge

_AUTOMATA = [
    word_of(L.JsonContext, name) for name in ("strings", "string_outcomes", "numbers", "number_outcomes")
]
"""The words of the context that hold the addresses of the automata's tables."""
# The words of rows that are not filled yet: all 0, but `plain` -1.
_NEW_PLACE = (0,) * words_of(L.PlaceRow)
_NEW_RESIDUE = tuple([-1 if word == L.ResidueRow.plain else 0 for word in range(words_of(L.ResidueRow))])


class Expander:
    """The meaning of one grammar, written into its tables as far as texts ask for it.

    The caller holds the grammar's lock.
    """

    def __init__(
        self,
        network: Network,
        strings: StringPool,
        numbers: NumberPool,
        tables: GrowingTables,
        limits: Limits,
    ) -> None:
        self.network = network
        self.strings = strings
        self.numbers = numbers
        self._tables = tables
        self._limits = limits
        self._places: dict[int, int] = {}
        """The network's number of a place -> its row."""
        self.place_of: list[int] = []
        """The row of a place -> the network's number."""
        self._residues: dict[int, int] = {}
        """The network's number of a residue -> its row."""
        self.residue_of: dict[int, int] = {}
        """The row of a residue -> the network's number. Rows of plain objects are missing until
        `network_residue` is asked."""
        self._blocks: dict[tuple[object, ...], int] = {}
        """The content of a plain object (names, places, ...) -> the first row of its residues."""
        self._block_of: dict[int, int] = {}
        """The first row of a plain object's residues -> the network's number of one of its residues."""
        self.arrays: set[int] = set()
        """The rows of residues of arrays."""
        self.unread: set[int] = set()
        """The rows of residues of arrays whose last item's text was not followed."""
        self.outcomes = network.outcomes
        self._list_of_keys: dict[tuple[str, ...], int] = {}
        """A sorted list of words -> the row of the list."""
        self._rows: dict[Spec, int] = {}
        """The spec of a string -> its row in `string_specs`; DEAD: no string meets it."""
        self.string_specs: list[Spec | None] = []
        """A row of the table `string_specs` -> the spec of the string."""
        self._automata: tuple[Array, ...] = (np.empty(0),) * len(_AUTOMATA)
        tables.context[L.JsonContext.root] = self.place_row(network.root)
        self.refresh_addresses()

    # --- the automata ---------------------------------------------------------------------------------------

    def refresh_addresses(self) -> None:
        """Write the addresses of the automata's arrays into the context, if the arrays have moved.

        It is called before a row names a new state of an automaton. The arrays of the last call are kept
        until the next one: a completion, or the network, may make states and so move the arrays at any time.
        The old arrays stay right for the states that they have.
        """
        strings, numbers = self.strings, self.numbers
        arrays = (strings.trans, strings.outcome, numbers.trans, numbers.outcome)
        if any(map(is_not, arrays, self._automata)):
            addresses = [address_of(array) for array in arrays]
            # one statement: the arrays must live as long as compiled code has their addresses
            self._tables.context[_AUTOMATA], self._automata = addresses, arrays

    # --- rows -----------------------------------------------------------------------------------------------

    def place_row(self, number: int) -> int:
        """Return the row of a place, by the network's number. A new row is empty until it is asked for."""
        row = self._places.get(number)
        return self._places_of((number,))[0] if row is None else row

    def _places_of(self, numbers: Sequence[int]) -> list[int]:
        """Return the rows of some places, by the network's numbers; -1 for a number below 0.

        The new rows are made together.
        """
        new = [number for number in dict.fromkeys(numbers) if number >= 0 and number not in self._places]
        first = self._tables.count(L.T_PLACE)
        # A call that was cut off by an exception may have left more numbers than rows.
        self.place_of[first:] = new
        self._tables.extend(L.T_PLACE, _NEW_PLACE * len(new), len(new))
        self._places.update(zip(new, range(first, first + len(new)), strict=True))
        return [self._places.get(number, -1) for number in numbers]

    def residue_row(self, number: int, array: bool) -> int:
        """Return the row of a residue, by the network's number; `array`: whether it is an array's.

        A new row is mostly empty until it is asked for.
        """
        row = self._residues.get(number)
        if row is None:
            # A simple array or a plain object is written whole at once, and asks no more questions.
            words = _NEW_RESIDUE
            simple = None
            if array:
                simple = self.network.simple_array(number)
                if simple is not None:
                    words = self._array_words(simple[0], 0)
            else:
                plain = self.network.simple(number)
                if plain is not None and plain.ordered_count == len(plain.names):
                    return self._plain_residue(number, plain)
            row = self._tables.append(L.T_RES, words)
            self.residue_of[row] = number
            if array:
                self.arrays.add(row)
            self._residues[number] = row
            if simple is not None and simple[0].item is not None:
                self._put_edge(row, -1, 0, self.residue_row(simple[1], True))
        return row

    def _array_words(self, items: ArrayMenu, matter: int) -> tuple[int, ...]:
        """Return the words of the row of an array's residue, filled from the network's answer `items`.

        `matter`: the field `ResidueRow.values`: 0, 1 or 2.
        """
        item = -1 if items.item is None else self.place_row(items.item)
        close = -1 if items.close is None else items.close
        # the first fields of `ResidueRow`, in their order
        first_words = (1, close, 0, 0, -1, -1, 0, item, -1, 0, matter)
        return first_words + _NEW_RESIDUE[len(first_words) :]

    def _plain_residue(self, number: int, plain: SimpleObject) -> int:
        """Return the row of a residue of a plain object.

        The rows of all residues of the object are side by side, one for each number of names that are passed.
        For the names a, b there are three rows: before a, after a, after b. `number`: the network's number of
        the residue; `plain`: the network's description of the object.
        """
        identity = (plain.names, plain.places, plain.required, plain.extra, plain.close)
        block = self._blocks.get(identity)
        if block is None:
            tables = self._tables
            count = len(plain.names)
            base = tables.count(L.T_RES)
            # Compiled code fills a row of these when a text comes to it (`lookups.fill_plain`).
            tables.extend(L.T_RES, 0, count + 1)
            rows = tables.rows(L.T_RES)[base : base + count + 1]
            rows[:, L.ResidueRow.plain] = tables.count(L.T_PLAIN)
            rows[:, L.ResidueRow.index] = range(count + 1)
            names_encoded = [encode_text(name) for name in plain.names]
            order = sorted(range(count), key=names_encoded.__getitem__)
            children = self._places_of([*plain.places, plain.extra])
            # by sorted name: its position in the declared order, and the place of its value
            arrays: list[int] = []
            for position in order:
                arrays += (position, children[position])
            # by position: the next required name at it or after it, `count` where there is none
            next_required = [count] * (count + 1)
            for position in range(count - 1, -1, -1):
                is_required = plain.required[position]
                next_required[position] = position if is_required else next_required[position + 1]
            arrays += next_required
            words = self.word_list(tuple([plain.names[position] for position in order]))
            arrays_start = tables.extend(L.T_CHILD, tuple(arrays), len(arrays))
            # in the order of `PlainObjectRow`
            tables.append(L.T_PLAIN, (words, count, base, arrays_start, children[-1], plain.close))
            self._block_of[base] = number
            block = self._blocks[identity] = base
        row = block + plain.position
        self.residue_of[row] = number
        self._residues[number] = row
        return row

    def word_list(self, keys: tuple[str, ...]) -> int:
        """Return the row of a list of words, which must be sorted by their bytes (`decoded_text`)."""
        row = self._list_of_keys.get(keys)
        if row is None:
            encoded = [encode_text(key) for key in keys]
            # all words one after another, and where each begins: one more offset than there are words
            blob = b"".join(encoded)
            start = self._tables.extend(L.T_BLOB, np.frombuffer(blob, np.uint8), len(blob))
            offsets = tuple(accumulate(map(len, encoded), initial=start))
            first_offset = self._tables.extend(L.T_OFFSET, offsets, len(offsets))
            row = self._tables.append(L.T_LEX, (first_offset, len(encoded)))
            self._list_of_keys[keys] = row
        return row

    def string_row(self, spec: Spec) -> int:
        """Return the row of a string's spec in `string_specs`; -1: no string meets it."""
        row = self._rows.get(spec)
        if row is not None:
            return row
        # Excluded words are listed beside an automaton that many specs share. Else each item that must differ
        # from the items before it would need an automaton of its own.
        split = split_excepted_words(spec)
        if split is not None:
            row_of_rest = self._row_without_words(spec, *split)
            if row_of_rest is not None:
                return row_of_rest
        # From the cheapest way to the dearest: a list of words (kind 1), a length alone, phases of lengths,
        # an automaton (kind 0). `max_length` -1: no bound; `phases` -1: none.
        kind = 0
        start = self.strings.FREE
        min_length = 0
        max_length = -1
        outcomes = 0
        farthest = 0
        phases, last = -1, 0
        words = words_with_demands(spec)
        length = length_bounds(spec)
        if words is not None:
            kind = 1
            start = self.word_list(tuple(words)) if words else DEAD
            outcome_numbers = {met: self.outcomes(met) for met in set(words.values())}
            numbers = [outcome_numbers[met] for met in words.values()]
            outcomes = self._tables.extend(L.T_OUTCOME, numbers, len(numbers))
        elif length is not None:
            min_length, top = length
            max_length = -1 if top is None else top
            if 0 <= max_length < min_length:
                start = DEAD
        elif (phase_list := self.strings.start_in_phases(spec, self.outcomes)) is not None:
            start = phase_list
            self.refresh_addresses()
            if start != DEAD:
                phases, last, farthest = self._phase_rows(start)
        else:
            start = self.strings.start(spec, self.outcomes)
            self.refresh_addresses()
            farthest = 0 if start == DEAD else self.strings.longest_rest(start)
        if start == DEAD:
            self._rows[spec] = DEAD
            return DEAD
        counted_to = max(min_length, last)
        values = (kind, start, min_length, max_length, outcomes, farthest, -1, phases, counted_to)
        return self._string_row(spec, values)

    def _string_row(self, spec: Spec, values: tuple[int, ...]) -> int:
        """Append the row of a spec; return its number. `values`: all fields of `StringRow` but `rest`."""
        row = self._tables.count(L.T_STRING)
        self.string_specs[row:] = (spec,)
        self._tables.append(L.T_STRING, (*values, 0))
        self._rows[spec] = row
        return row

    def _row_without_words(self, spec: Spec, base: Formula, words: dict[str, frozenset[int]]) -> int | None:
        """Return the row of a spec that is a formula `base`, except for some words, which are listed beside
        it.

        `words`: each word with the demands that it meets; an empty set: it is excluded. Returns None where no
        string meets `base`, or `base` is a list of words.
        """
        below = self.string_row(Spec((base,)))
        if below < 0:
            return None
        row = self._tables.rows(L.T_STRING)[below].tolist()
        # the fields of `StringRow`: all but the outcomes, the list of words and the bound are taken over
        kind, start, min_length, max_length, _, farthest, _, *counts, _ = row
        if kind != 0:
            return None
        order = in_order(words)
        numbers = [self.outcomes(words[word]) if words[word] else -1 for word in order]
        outcomes = self._tables.extend(L.T_OUTCOME, numbers, len(numbers))
        words_row = self.word_list(tuple(order))
        values = (0, start, min_length, max_length, outcomes, farthest, words_row, *counts)
        return self._string_row(spec, values)

    def _phase_rows(self, start: int) -> tuple[int, int, int]:
        """Write the phases of a string (`PhaseRow`), whose automaton begins in the state `start`.

        Returns the first row, the length at which the last phase begins, and a bound for the characters that
        a text still needs in any state.
        """
        tables = self._tables
        rows = list[int]()
        safe = ENDLESS
        phases, accept = self.strings.phases_of(start)
        for phase in reversed(phases):
            states = phase.live.shape[1]
            numbers = np.full(states, -1, np.int32)
            outcome_numbers = [self.outcomes(met) if met else -1 for met in phase.outcomes]
            numbers[: len(accept)] = np.array(outcome_numbers, np.int32)[accept]
            # `dead_until`: the number of characters before the end from which on all states are alive. Where
            # a repeated row has a dead state, there is no such number.
            rows_with_dead = np.flatnonzero(~phase.live.all(axis=1))
            dead_until = int(rows_with_dead[-1]) + 1 if len(rows_with_dead) else 0
            if dead_until > phase.prelude:
                safe = -1
            elif dead_until:
                safe = phase.end - dead_until
            else:
                safe = max(phase.end, safe)
            # in the order of `PhaseRow`, before the rows of later phases
            rows[:0] = (
                phase.end,
                tables.extend(L.T_OUTCOME, numbers, states),
                tables.extend(L.T_BLOB, phase.live.ravel(), phase.live.size),
                states,
                phase.prelude,
                len(phase.live) - phase.prelude,
                safe,
            )
        begins = [0, *(phase.end for phase in phases[:-1])]
        # The longest way of a text goes on to the last phase in which it can end, and ends there.
        phases_with_begin = zip(begins, phases, strict=True)
        last_begin = max(begin for begin, phase in phases_with_begin if phase.farthest >= 0)
        farthest = last_begin + max(phase.farthest for phase in phases)
        first_row = tables.extend(L.T_PHASE, tuple(rows), len(phases))
        return first_row, begins[-1], farthest

    # --- answers --------------------------------------------------------------------------------------------

    def answer_questions(self, terminal: Callable[[int], None]) -> None:
        """Answer every question that was noted, and empty the list.

        `terminal` makes the record of a terminal, by its number. Raises the errors of the network, the
        automata and the limits. The questions are gone then, and the tables are whole.
        """
        assert self._tables.question_words[0], "compiled code waits for an answer, and has asked nothing"
        for kind, first, second, third in self._tables.questions():
            if kind == L.Q_TERMINAL:
                terminal(first)
            elif kind == L.Q_DEPTH:
                # This question has no answer: the text goes beyond the limit.
                raise LimitError(
                    f"The document has more than {self._limits.depth:,} open brackets.", limit="depth"
                )
            elif kind == L.Q_PLACE:
                self._answer_place(first)
            elif kind == L.Q_RESIDUE:
                self.know_residue(first)
            elif kind == L.Q_AFTER:
                self._answer_after(first, second, third)
            elif kind == L.Q_EXTRA:
                self._answer_extra(first, second)
            elif kind == L.Q_ITEM:
                self._answer_item(first, second, third)
            elif kind == L.Q_MAY_DIFFER:
                rows = self._tables.rows(L.T_RES)
                goes_on = self.network.may_differ(self.network_residue(first))
                rows[first, L.ResidueRow.may_differ] = 1 if goes_on else 2
            elif kind == L.Q_STRING:
                self.strings.step(first, second)
                self.refresh_addresses()
            elif kind == L.Q_UNREAD:
                self._answer_unread(first, second)
            else:
                raise AssertionError(f"question {kind}")

    def _answer_place(self, row: int) -> None:
        """Write how a value at a place may begin, unless the row is filled."""
        if self._tables.rows(L.T_PLACE).item(row, L.PlaceRow.status):
            return
        string = number = -1
        try:
            entry = self.network.entry(self.place_of[row])
            if entry.string is not None:
                string = self.string_row(entry.string)
            if entry.number is not None:
                number = self.numbers.start(entry.number, self.outcomes)
                self.refresh_addresses()
        except (LimitError, UnsupportedError) as error:
            error.name_schemas(self.network.sources(self.place_of[row]))
            raise
        # in the order of `PlaceRow`
        values = (
            1,
            -1 if entry.object is None else self.residue_row(entry.object, False),
            -1 if entry.array is None else self.residue_row(entry.array, True),
            string,
            number,
            -1 if entry.true is None else entry.true,
            -1 if entry.false is None else entry.false,
            -1 if entry.null is None else entry.null,
            0,
        )
        self._tables.write_words(L.T_PLACE, row, values)

    def know_residue(self, row: int) -> None:
        """Fill the row of a residue, unless it is filled."""
        if self._tables.rows(L.T_RES).item(row, L.ResidueRow.status):
            return
        number = self.residue_of[row]
        if row in self.arrays:
            items = self.network.items(number)
            matter = 0
            if items.values:
                matter = 2 if row in self.unread else 1
            values = self._array_words(items, matter)
        else:
            menu = self.network.menu(number)
            keys = tuple(self.network.keys(number))
            words = self.word_list(keys)
            children = self._places_of([menu.names.get(key, -1) for key in keys])
            child = self._tables.extend(L.T_CHILD, tuple(children), len(keys))
            extra = extra_place = -1
            if menu.extra is not None and menu.extra_places:
                extra = self._key_spec(menu.extra)
                if menu.extra == FREE:
                    extra_place = self.place_row(menu.extra_places[frozenset((0,))])
            close = -1 if menu.close is None else menu.close
            status = 3 if extra >= 0 and self.network.owes_keys(number) else 1
            # in the order of `ResidueRow`
            offers_names = int(bool(menu.names))
            values = (status, close, words, child, extra, extra_place, offers_names, -1, -1, 0, 0)
        self._tables.write_words(L.T_RES, row, values)

    def _key_spec(self, spec: Spec) -> int:
        """Return the first state of the automaton of extra keys with a spec; -1: no key meets it."""
        if spec == FREE:
            return self.strings.FREE
        state = self.strings.start(spec, self.outcomes)
        self.refresh_addresses()
        return state

    def network_residue(self, row: int) -> int:
        """Return the network's number of a residue's row."""
        number = self.residue_of.get(row)
        if number is None:
            # made by the engine, in a block of a plain object
            shape = int(self._tables.rows(L.T_RES)[row, L.ResidueRow.plain])
            base = int(self._tables.rows(L.T_PLAIN)[shape, L.PlainObjectRow.base])
            number = self.network.simple_after(self._block_of[base], row - base - 1)
            self.residue_of[row] = number
        return number

    def network_key(self, residue: int, key: int) -> Key:
        """Return the network's key for the engine's key (`JsonState.lexeme`): a name, the demands that an
        extra key meets, or None for an item. `residue`: the row of the object's residue."""
        if key == -1:
            return None  # an item has no key
        if key < 0:
            return self.outcomes.values[-2 - key]  # an extra key, by the class of its text
        return self.network.keys(self.network_residue(residue))[key]

    def _answer_after(self, row: int, key: int, outcome: int) -> None:
        """Write the edge to the residue after a value. `row`: the residue before; `key`: -1 for an item."""
        after = self.network.after(self.network_residue(row), self.network_key(row, key), outcome)
        self._put_edge(row, key, outcome, self.residue_row(after, key == -1))

    def _put_edge(self, row: int, key: int, outcome: int, target: int) -> None:
        """Write the edge (row, key, outcome) -> target, which `lookups.find_edge` finds.

        `key`: the engine's key, or one of the tags EXTRA_TAG, UNREAD_TAG and ITEM_TAG.
        """
        self._tables.make_room(L.T_EDGE, 1)
        put_edge(self._tables.address, row, key, outcome, target)

    def _answer_item(self, row: int, outcome: int, item_key: int) -> None:
        """Write the edge to the residue after an item of one text.

        `item_key`: the end and the beginning of the item's log, as `keys_and_items.close_item` packs them.
        """
        text = self.item_text(item_key >> 32, item_key & L.LOG)
        after = self.network.after(self.network_residue(row), None, outcome, close_text(text))
        self._put_edge(row, L.ITEM_TAG - outcome, item_key, self.residue_row(after, True))

    def _answer_unread(self, row: int, outcome: int) -> None:
        """Write the edge to the residue after an item of any text; to -1 where that depends on the text."""
        after = self.network.after_unread(self.network_residue(row), outcome)
        residue = -1
        if after is not None:
            residue = self.residue_row(after, True)
            self.unread.add(residue)
        self._put_edge(row, L.UNREAD_TAG, outcome, residue)

    def item_text(self, log: int, begin: int) -> bytes:
        """Return the text of an item so far, as JSON without white space between tokens.

        `log`: the last row of its log. `begin`: the row before the first, which is `extras` of its frame.
        """
        rows = self._tables.rows(L.T_TEXT)
        begin = begin & L.LOG
        # The log is a chain from the last label to the first.
        labels: list[int] = []
        while log != begin:
            assert log, "what is written of an item begins where its frame says"
            log, label = rows[log].tolist()
            labels.append(label)
        labels.reverse()
        return text_of(labels)

    def _answer_extra(self, row: int, group: int) -> None:
        """Write the edge to the place of the value under an extra key of the class `group`; to -1 where no
        such key may come."""
        menu = self.network.menu(self.network_residue(row))
        place = menu.extra_places.get(self.outcomes.values[group])
        self._put_edge(row, L.EXTRA_TAG, group, -1 if place is None else self.place_row(place))

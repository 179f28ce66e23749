"""`Inspection` reads a state of the JSON machine from Python, for completions, events and explanations.

- The *engine* is the compiled code of the machine; the *network* is the schema as numbers. A place or a
  residue is a row of a table in the engine, and has another number in the network.
- The *registers* of a state are its eight words: what is being read, and what was read so far.
- A *place* is what the schema asks of one value. A *residue* is how far an object or array has come.
- A *frame* is an open object or array around a value. An *outcome* is a number that names the demands met.
- A *set of keys* is a trie of rows; a *log* is the text of an item, label by label (`json_blocks`).

For example, after `{"a": ` the registers name the frame -1, and `brackets` returns 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias

import numpy as np

from structgen.automata.numbers.written_forms import only_integers
from structgen.automata.strings.live_strings import LiveState
from structgen.automata.unicode.decoded_text import columns_of, decode_text, encode_text
from structgen.base.language.ir import DEAD
from structgen.base.native.array_types import BoolArray, Int64Array
from structgen.base.native.raw_memory import address_of
from structgen.base.native.typed_blocks import word_of
from structgen.machines.json_machine.answers.expander import Expander
from structgen.machines.json_machine.masks import state_walk
from structgen.machines.json_machine.tables import json_blocks as L
from structgen.machines.json_machine.tables.json_blocks import JsonState, SetEntry, StringRow
from structgen.machines.machine_core.growing_tables import GrowingTables
from structgen.machines.machine_core.layout import REGISTERS
from structgen.machines.machine_core.questions import follow_bytes
from structgen.machines.machine_core.token_steps import may_end, take_token


class StateRegisters(NamedTuple):
    """The words of a state, in the order of `JsonState`."""

    mode: int
    residue: int
    extras: int
    side_node: int
    lexeme: int
    position: int
    text: int
    frame: int


StateGroup: TypeAlias = tuple[int, ...]
"""A group of states that a walk listed (`JsonContext.state_groups`): mode, residue, frame."""


class Inspection:
    """Reads registers, frames and tables, and translates their numbers into those of the network.

    The caller holds the grammar's lock.
    """

    def __init__(
        self, expander: Expander, tables: GrowingTables, space: tuple[int, bytes], retry: Callable[..., int]
    ) -> None:
        """`retry` calls a compiled function, answers its questions, and calls it again until it is done."""
        self.space = space
        """The policy of white space (SPACE_...), and the indent of one level."""
        self._tables = tables
        self.expander = expander
        self._retry = retry
        self.strings = expander.strings
        self.numbers = expander.numbers
        self.network = expander.network
        self._state_groups = np.empty((L.MOST_LISTED, L.LISTED), np.int64)
        tables.context[word_of(L.JsonContext, "state_groups")] = address_of(self._state_groups)

    def registers(self, index: int) -> StateRegisters:
        """Return the registers of a state, by its number, which must not be below 0."""
        assert index >= 0, "a state that was refused has no registers"
        return StateRegisters._make(self._tables.rows(L.T_NODE)[index, :REGISTERS].tolist())

    def may_end(self, index: int) -> bool:
        """Return whether the document may end here."""
        return bool(may_end(self._tables.address, index))

    def frame(self, frame: int) -> tuple[int, int, int, int]:
        """Return four words of a frame: its residue, its set of extra keys, the key of the value in it, and
        the frame around it. All are numbers of the engine."""
        row: list[int] = self._tables.rows(L.T_FRAME)[frame].tolist()
        residue, extras, key, parent = row[: L.FrameRow.depth]
        return residue, extras, key, parent

    def log(self, regs: StateRegisters) -> int:
        """Return the row of the log of the item that is being written; 0: there is none."""
        text = regs.text
        return text & L.LOG if text & L.CAPTURE else 0

    def watches(self, row: int) -> bool:
        """Return whether the text of an item matters in an array. `row`: the engine's row of its residue."""
        return int(self._tables.rows(L.T_RES)[row, L.ResidueRow.values]) != 0

    def brackets(self, regs: StateRegisters) -> int:
        """Return how many brackets are open in a state, by its registers."""
        mode, frame = regs.mode, regs.frame
        if mode in (L.M_DOC, L.M_END, L.M_FINISHED):
            return 0
        below = 0
        if frame >= 0:
            below = int(self._tables.rows(L.T_FRAME)[frame, L.FrameRow.depth])
        # In a scalar the frame counts all brackets; in a container it does not count the container's own.
        is_scalar = mode in (L.M_STRING, L.M_NUMBER, L.M_LITERAL, L.M_WORDS)
        return below if is_scalar else below + 1

    def residue(self, row: int) -> int:
        """Return the network's number of a residue, by its row."""
        return self.expander.network_residue(row)

    def child_place(self, row: int, key: int) -> int:
        """Return the network's place of the value under a key; `row`: the object's residue."""
        place = self.expander.network_key(row, key)
        menu = self.network.menu(self.residue(row))
        if isinstance(place, str):
            return menu.names[place]
        assert place is not None, "arrays have no keys"
        return menu.extra_places[place]

    def place_in(self, frame: int) -> int:
        """Return the network's place of the value that is open in a frame; below 0: the root."""
        if frame < 0:
            return self.network.root
        residue, _extras, key, _below = self.frame(frame)
        if key == -1:  # an array
            item = self.network.items(self.residue(residue)).item
            assert item is not None, "an item was begun"
            return item
        return self.child_place(residue, key)

    def takes_only_integers(self, index: int) -> bool:
        """Return whether the numeral that is being read in a state must be an integer."""
        place = self.place_in(self.registers(index).frame)
        spec = self.network.entry(place).number
        return spec is not None and all(map(only_integers, spec.formulas))

    def key_list(self, row: int) -> int:
        """Return the row of the list of an object's named keys. `row`: the row of its residue."""
        return int(self._tables.rows(L.T_RES)[row, L.ResidueRow.words])

    def words_with_prefix(self, words: int, prefix: int) -> Iterator[tuple[int, bytes]]:
        """Yield the words of a list with a prefix, as (index, bytes). `words`: the row of the list."""
        offset = int(self._tables.rows(L.T_LEX)[words, 0])
        offsets = self._tables.rows(L.T_OFFSET)[:, 0]
        blob = self._tables.rows(L.T_BLOB)
        # a packed prefix (`L.LOW_SHIFT`): its first word, and the one after its last
        first_word = prefix >> L.LOW_SHIFT
        words_end = (prefix >> L.HIGH_SHIFT) & L.HIGH_BITS
        for word in range(first_word, words_end):
            start, end = int(offsets[offset + word]), int(offsets[offset + word + 1])
            yield word, blob[start:end].tobytes()

    def string_row(self, row: int) -> list[int]:
        """Return the words of a row of `string_specs`, to be indexed by the fields of `StringRow`."""
        numbers: list[int] = self._tables.rows(L.T_STRING)[row].tolist()
        return numbers

    def word_outcome(self, at: int) -> int:
        """Return the outcome of a listed word, by its position in the table `outcomes`."""
        return int(self._tables.rows(L.T_OUTCOME)[at])

    def live(self, regs: StateRegisters) -> LiveState | None:
        """Return the live state of a string that must be a text of a grammar; None: there is none."""
        return self.strings.is_live(regs.lexeme & L.STATE_BITS) if regs.mode == L.M_STRING else None

    def string_state(self, index: int) -> int:
        """Return the state of the automaton of the string or key that is being written.

        DEAD: the automaton cannot go on, only listed words can.
        """
        regs = self.registers(index)
        state = regs.lexeme & L.STATE_BITS
        return DEAD if regs.mode == L.M_WORDS or state == L.NO_STATE else state

    def after_character(self, state: int, point: int) -> int:
        """Return the state of a string automaton after a code point; below 0: it is refused."""
        for column in columns_of(encode_text(chr(point))):
            if state >= 0:
                state = self.strings.step(state, column)
        return state

    def listed_rests(self, index: int) -> Iterator[str]:
        """Yield the rests of the listed words, and of the keys that the object has already, in a state.

        The state must be inside a string or key, between two characters or in an escape. For example, after
        `"a` the rests of the words "ab" and "acd" are "b" and "cd".
        """
        regs = self.registers(index)
        mode = regs.mode
        row = regs.residue
        side_node = regs.side_node
        at = regs.position
        prefix = at
        if mode == L.M_WORDS:
            words = self.string_row(row)[StringRow.start]
        elif mode == L.M_STRING:
            # The list beside an automaton has its prefix in a register of its own, 0 once the string left it.
            words = self.string_row(row)[StringRow.words]
            prefix = side_node if side_node > 0 else -1
        else:
            assert mode == L.M_KEY, "what is listed goes on inside quotes"
            words = self.key_list(row)
        position = prefix & L.POSITION_BITS
        rests: set[bytes] = set()
        if prefix >= 0:
            rests = {word[position:] for _index, word in self.words_with_prefix(words, prefix)}
        if mode == L.M_KEY and side_node > 0:
            rests |= self.steps_of_set(side_node)
        yield from (decode_text(rest) for rest in rests if rest)

    def next_bytes(self, index: int) -> bytes:
        """Return the bytes that may come next, ascending."""
        array = np.zeros(256, np.uint8)
        self._retry(state_walk.next_bytes, index, address_of(array))
        return bytes(np.flatnonzero(array).tolist())

    def state_after(self, index: int, data: bytes) -> int:
        """Return the number of the state after bytes; -1: they are refused."""
        return follow_bytes(self._retry, index, data)

    def after_each(self, index: int, data: bytes) -> list[tuple[int, int]]:
        """Return the bytes of `data` that may come next, ascending, each with the state after it."""
        states = self.after_all(index, data)
        return [(byte, int(states[byte])) for byte in np.flatnonzero(states >= 0).tolist()]

    def unlike_bytes(self, index: int) -> list[int]:
        """Return the bytes that may come next; of those after which the states differ in the text alone, the
        smallest."""
        states = self.after_all(index)
        possible = np.flatnonzero(states >= 0)
        rows = self._tables.rows(L.T_NODE)[states[possible], :REGISTERS]
        rows[:, JsonState.text] = 0
        _, first_indices = np.unique(rows, axis=0, return_index=True)
        return possible[first_indices].tolist()  # type: ignore[no-any-return]

    def after_all(
        self,
        index: int,
        data: bytes = bytes(range(256)),
        *,
        repeated_keys: bool = False,
        named_keys: bool = False,
    ) -> Int64Array:
        """Return int64[256]: the state after each byte of `data`; -1: it is refused, or not in `data`.

        `repeated_keys` and `named_keys`: as `forgets` and `refuses_extra` of `state_walk.after_each`.
        """
        byte_filter = np.zeros(256, np.uint8)
        byte_filter[list(data)] = 1
        states = np.empty(256, np.int64)
        self._retry(
            state_walk.after_each,
            index,
            address_of(byte_filter),
            int(repeated_keys),
            int(named_keys),
            address_of(states),
        )
        return states

    def after_tokens(self, index: int, tokens: Int64Array) -> Int64Array:
        """Return the state after each of some allowed tokens (`state_walk.after_tokens`).

        In an extra key, or in an item whose text matters, one state stands for all that differ only in that
        text. Such a state is none of these itself (`is_blurred`).
        """
        token_ids = tokens.astype(np.int32)
        states = np.empty(len(tokens), np.int64)
        self._retry(state_walk.after_tokens, index, address_of(token_ids), len(token_ids), address_of(states))
        return states

    def listed_groups(self) -> tuple[list[StateGroup] | None, int]:
        """Return the groups of states that the last walk listed, and its bound for all other states.

        The groups are None where there were too many to list.
        """
        count = int(self._tables.context[L.JsonContext.listed_count])
        bound = int(self._tables.context[L.JsonContext.bound])
        if count == L.MOST_LISTED:
            return None, bound  # the list is full, and more groups may have been met
        groups: list[StateGroup] = list(map(tuple, self._state_groups[:count].tolist()))
        return groups, bound

    def rest(self, table: int, row: int, column: int) -> int | None:
        """Return a bound that was written into a row; None: none was. `column`: the field of the bound."""
        bound = int(self._tables.rows(table)[row, column])
        return bound - 1 if bound else None  # 0 says that none was written

    def put_rest(self, table: int, row: int, column: int, rest: int) -> None:
        """Write a bound into a row, where walks find it.

        `table`: T_RES for an object or array, T_STRING, T_PLACE or T_FRAME. For a plain object the bound is
        written into the rows of all its residues. `column`: the field; `rest`: the bound, in tokens. For
        example, `put_rest(L.T_STRING, row, StringRow.rest, 12)`: a string takes at most 12 tokens.
        """
        first, end = row, row + 1
        shape = -1
        if table == L.T_RES:
            shape = int(self._tables.rows(L.T_RES)[row, L.ResidueRow.plain])
        if shape >= 0:
            # the rows side by side, one for each number of names that are passed, 0 and all included
            plain_object = self._tables.rows(L.T_PLAIN)[shape]
            first = int(plain_object[L.PlainObjectRow.base])
            end = first + 1 + int(plain_object[L.PlainObjectRow.count])
        # 1 is added, since 0 means that no bound is written
        self._tables.rows(table)[first:end, column] = 1 + rest

    @property
    def escapes_any_key(self) -> bool:
        """Whether any character of a key may be written as an escape."""
        return int(self._tables.context[L.JsonContext.key_escapes]) == L.ESCAPES_ANY

    def key_start(self, row: int) -> int:
        """Return the state of `strings` in which an object's extra keys start; below 0: none may come."""
        self.expander.know_residue(row)
        return int(self._tables.rows(L.T_RES)[row, L.ResidueRow.extra])

    def place_row(self, frame: int) -> int:
        """Return the row of the place of the value in a frame; below 0: of the whole document."""
        if frame < 0:
            return int(self._tables.context[L.JsonContext.root])
        return int(self._tables.rows(L.T_FRAME)[frame, L.FrameRow.place])

    def farthest_numeral(self, place: int) -> int:
        """Return the most characters that the rest of a numeral takes in any state of its automaton.

        `place`: the row of the place.
        """
        start = int(self._tables.rows(L.T_PLACE)[place, L.PlaceRow.number])
        return self.numbers.longest_rest(start)

    def words(self, row: int) -> Iterator[bytes]:
        """Return an iterator over the words of a listed string, by its row in `string_specs`."""
        words = self.string_row(row)[StringRow.start]
        count = int(self._tables.rows(L.T_LEX)[words, L.WordListRow.count])
        all_words = count << L.HIGH_SHIFT  # the prefix of no bytes: from word 0 to the last
        return (word for _index, word in self.words_with_prefix(words, all_words))

    def words_beside(self, row: int) -> int:
        """Return how many words are listed beside the automaton of a string (`StringRow.words`)."""
        words = self.string_row(row)[StringRow.words]
        if words < 0:
            return 0
        return int(self._tables.rows(L.T_LEX)[words, L.WordListRow.count])

    def text_kinds(self, vocab_size: int) -> Int64Array:
        """Return a number for each token: what it does inside a free string (`state_walk.text_kinds`)."""
        kinds = np.empty(vocab_size, np.int64)
        self._retry(state_walk.text_kinds, address_of(kinds))
        return kinds

    def after_token(self, index: int, token: int) -> int:
        """Return the state after a token that is not an end token; -1: it is refused."""
        return self._retry(take_token, index, token)

    def is_blurred(self, states: Int64Array) -> BoolArray:
        """Return which states after tokens stand for others, as `after_tokens` says."""
        rows = self._tables.rows(L.T_NODE)[states]
        text = rows[:, JsonState.text]
        # A log or a key without any text: no state that is reached by following the text has that.
        has_empty_log = text == L.CAPTURE
        has_empty_key = (rows[:, JsonState.mode] == L.M_KEY) & (text == 0)
        is_blurred: BoolArray = has_empty_log | has_empty_key
        return is_blurred

    def holds(self, root: int, key: bytes) -> bool:
        """Return whether the set of keys `root` has a key. Cost: the entries beside its path."""
        rows = self._tables.rows(L.T_SET)
        # `lookups` describes nodes and entries. `child`: a node's first entry, an entry's next.
        for byte in key:
            entry = int(rows[root, SetEntry.child])
            while entry > 0 and rows[entry, SetEntry.label] != byte + 1:
                entry = int(rows[entry, SetEntry.child])
            if entry <= 0:
                return False
            root = int(rows[entry, SetEntry.member])
        return root > 0 and int(rows[root, SetEntry.member]) == 1

    def text_before(self, text: int) -> tuple[int, int]:
        """Return the text of an extra key so far (`JsonState.text`) in two parts: the row of the text without
        its last byte, and that byte."""
        parent_text, byte = self._tables.rows(L.T_TEXT)[text, :2].tolist()
        return parent_text, byte

    def begins_key(self, text: int) -> bool:
        """Return whether no byte of a key is written yet. `text`: the register `JsonState.text`."""
        return text == 0 or self.text_before(text & L.LOG)[1] == L.KEY_BEGINS

    def steps_of_set(self, root: int) -> set[bytes]:
        """Return the rests of the keys of a set below one of its nodes, `root`."""
        rows = self._tables.rows(L.T_SET)
        texts = set()
        pending: list[tuple[int, bytes]] = [(root, b"")]
        while pending:
            node, text = pending.pop()
            if rows[node, SetEntry.member] == 1:
                texts.add(text)
            entry = int(rows[node, SetEntry.child])
            while entry > 0:
                byte = int(rows[entry, SetEntry.label]) - 1
                pending.append((int(rows[entry, SetEntry.member]), text + bytes((byte,))))
                entry = int(rows[entry, SetEntry.child])
        return texts

    def sources(self, place: int) -> tuple[str, ...]:
        """Return the JSON pointers of the schemas that ask for a place, by the network's number."""
        return tuple(self.network.sources(place))

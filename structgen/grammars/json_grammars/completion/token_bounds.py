"""Upper bounds of the tokens that complete a document, from a state and from all that its tokens lead to.

What a state needs is the sum of what each open value needs, and tokens that write one piece of a text and
tokens that write the next write both. So a bound for a state is a bound for its innermost value and one for
each frame below, each worked out once; and a token leads to one of few places: an object, an array, a string.
The bound for a place holds wherever in it a token ends: in whichever key, before whichever value. The walk
that collects a state's mask notes the groups of states (`json_machine.masks.bound_noting`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from math import log
from typing import Final, Protocol

from structgen.automata.strings.kernels import FAR
from structgen.automata.strings.string_pool import StringPool
from structgen.automata.unicode.decoded_text import decode_text
from structgen.base.errors import LimitError
from structgen.base.language.ir import Key, SimpleObject
from structgen.base.language.remembering import remember_answers
from structgen.grammars.json_grammars.completion.obligatory_space import one_line
from structgen.machines.json_machine.inspection import Inspection, StateGroup
from structgen.machines.json_machine.tables import json_blocks as L
from structgen.machines.json_machine.tables.json_blocks import StringRow
from structgen.machines.machine_core.text_costs import IMPOSSIBLE, TextCosts
from structgen.schema.reading.missing_bytes import Quoting

_ESCAPED: Final = len(rb"\ud800\udc00")
"""Bytes that write any character. As many finish an escape that was begun, and close a string."""
_KEYS: Final = 500_000
"""More keys than an object holds."""
_COUNTED: Final = 32
"""The tokens of so many of some texts are counted, the longest ones; of the others, their bytes."""
_ROWS: Final = {
    L.M_OBJECT: (L.T_RES, L.ResidueRow.rest),
    L.M_ARRAY: (L.T_RES, L.ResidueRow.rest),
    L.M_STRING: (L.T_STRING, StringRow.rest),
    L.M_WORDS: (L.T_STRING, StringRow.rest),
    L.M_NUMBER: (L.T_PLACE, L.PlaceRow.rest),
}
"""Where the bound for a value stands, by mode."""


class MaskWalker(Protocol):
    """Who can walk the masks of a grammar."""

    def walk_bound(self, index: int, /) -> int:
        """Return what `mask_filling.compute_bound` answers, its questions answered."""
        ...


class TokenBounds:
    """Bounds for the states of one compiled grammar. Its lock is held by the caller."""

    def __init__(self, machine: Inspection, costs: TextCosts, quoting: Quoting) -> None:
        """`costs`: counts tokens, unless it is full. What is found out is written into the rows of the
        machine, where walks find it."""
        self._machine, self._costs = machine, costs
        self._quoting, self._literal = quoting, quoting.write_literal
        self._escape = _ESCAPED if machine.escapes_any_key else 0
        """Bytes that finish an escape in a key that is named."""
        self._objects: dict[tuple[int, ...], tuple[tuple[int, int], object]] = {}

    def bound_of(self, index: int) -> int | None:
        """Return how many tokens suffice for a state whose mask was just walked, and one less after whichever
        token comes next; None where no bound is known.

        Cost: some microseconds for each group of states that the walk has listed; for a new object its
        members."""
        groups, bound = self._machine.listed_groups()
        # between a blank before the document and a state that is listed, one more token
        first = 2 if self._machine.registers(index).mode == L.M_DOC else 1
        for group in () if groups is None else groups:
            bound = max(bound, first + self._of_group(group))
        return bound if groups is not None and bound < L.UNBOUNDED else None

    # --- a group of states ----------------------------------------------------------------------------------

    def _of_group(self, group: StateGroup) -> int:
        """Return a bound for a group of states; UNBOUNDED where none is known."""
        if self._machine.space[0] == L.SPACE_INDENT:
            return L.UNBOUNDED  # a line's indent is as long as brackets are open
        mode, row, frame = group
        if mode == L.M_NUMBER:
            row = self._machine.place_row(frame)
        try:
            return min(self._own_bound(mode, row) + self._bound_below(frame), L.UNBOUNDED)
        except LimitError:
            # A bound asks about groups that the state itself may never need.
            return L.UNBOUNDED

    def _own_bound(self, mode: int, row: int) -> int:
        """Return a bound for the value or the container itself, by the row that says what it is."""
        machine = self._machine
        if mode not in _ROWS:
            return 5 if mode == L.M_LITERAL else 0
        table, column = _ROWS[mode]
        bound = machine.rest(table, row, column)
        if bound is None:
            if mode == L.M_OBJECT:
                bound = self._object_bound(row)
            elif mode == L.M_ARRAY:
                bound = self._array_bound(row)
            elif mode == L.M_STRING:
                bound = self._string(row)
            elif mode == L.M_NUMBER:
                bound = machine.farthest_numeral(row)
            else:
                rests = (self._literal(decode_text(word))[1:] for word in machine.words(row))
                bound = self._texts_bound(rests) + _ESCAPED
            machine.put_rest(table, row, column, bound)
        return bound

    def _string(self, row: int) -> int:
        """Return a bound for all states of a string."""
        spec, words = self._machine.string_row(row), self._machine.words_beside(row)
        missing = (
            self._texts_bound([self._quoting.blank * spec[StringRow.min_length]])
            if spec[StringRow.min_length] > 0
            else 0
        )
        if not words:
            # one of the fewest characters: the shortest rest may have too many
            start, farthest = spec[StringRow.start], spec[StringRow.farthest]
            if farthest == FAR:
                return L.UNBOUNDED
            widest = self._machine.strings.widest_character(start) if farthest > 0 else 0
            return _ESCAPED + missing + farthest * widest
        is_free = spec[StringRow.start] == StringPool.FREE and spec[StringRow.max_length] < 0
        # so many more characters can be written in more ways than there are words
        is_known = is_free and len(self._quoting.plain) > 1
        return _ESCAPED + missing + words.bit_length() if is_known else L.UNBOUNDED

    def _bound_below(self, frame: int) -> int:
        """Return a bound for what follows the value in a frame."""
        machine, upper_frames = self._machine, []
        while frame >= 0 and machine.rest(L.T_FRAME, frame, L.FrameRow.rest) is None:
            upper_frames.append(frame)
            frame = machine.frame(frame)[3]
        total = 0 if frame < 0 else machine.rest(L.T_FRAME, frame, L.FrameRow.rest) or 0
        for frame in reversed(upper_frames):
            residue, _extras, key, _below = machine.frame(frame)
            total += self._tail_bound(residue, key)
            machine.put_rest(L.T_FRAME, frame, L.FrameRow.rest, total)
        return total

    def _tail_bound(self, row: int, key: int) -> int:
        """Return a bound for what follows a value in an object or an array (key -1)."""
        machine = self._machine
        bound = machine.rest(L.T_RES, row, L.ResidueRow.tail)
        if bound is not None:
            return bound
        if key == -1:
            menu = machine.network.items(machine.residue(row))
            is_open = machine.watches(row) and (menu.unread or not menu.closes_next)
            bound = L.UNBOUNDED if menu.item is None or is_open else self._bound_after(row, None, menu.item)
        elif (plain := self._plain_bounds(row)) is not None:
            bound = plain[1]
        else:
            return self._bound_after(
                row, machine.expander.network_key(row, key), machine.child_place(row, key)
            )
        machine.put_rest(L.T_RES, row, L.ResidueRow.tail, bound)
        return bound

    def _bound_after(self, row: int, key: Key, place: int) -> int:
        """Return a bound for what follows a value of a place, whichever of its demands it meets."""
        network, residue = self._machine.network, self._machine.residue(row)
        rests = [network.finish_with(residue, key, {j: b""}) for j in network.finish_place(place)]
        texts = [text for rest in rests for text in rest.values()]
        return self._spaced_bound(texts) if key is None else self._of_rests(row, texts)

    def _of_rests(self, row: int, texts: Iterable[bytes]) -> int:
        """Return a bound for rests of an object: the shortest ones where it holds no key without a name."""
        network, residue = self._machine.network, self._machine.residue(row)
        if not network.owes_keys(residue):
            return self._spaced_bound(texts)
        names, new = set(network.keys(residue)), dict[bytes, int]()
        for text in texts:
            keys = json.loads(b"{" + text.removeprefix(b","), parse_int=str)
            new[text] = len(keys.keys() - names)
        if not any(new.values()):
            return self._spaced_bound(new)
        if self._machine.key_start(row) != StringPool.FREE:
            return L.UNBOUNDED  # the keys that the object holds say which come
        # one that it holds is written with another key, which is no longer than this
        key = self._key_bound(StringPool.FREE)
        return max(len(one_line(text)) + key * count for text, count in new.items())

    # --- objects and arrays ---------------------------------------------------------------------------------

    def _object_bound(self, row: int) -> int:
        """Return a bound for the states of an object."""
        plain = self._plain_bounds(row)
        return self._union_bound(row) if plain is None else plain[0]

    def _plain_bounds(self, row: int) -> tuple[int, int] | None:
        """Return a bound for the states of an object in which only the declared keys matter, and one for what
        follows a value in it; None of another. Worked out once for all of its residues."""
        simple = self._machine.network.simple(self._machine.residue(row))
        if simple is None:
            return None
        # its residues are told apart by what they hold, and share the places
        mark = id(simple.places), simple.extra, simple.ordered_count
        if mark not in self._objects:
            self._objects[mark] = self._simple_bounds(simple), simple.places
        return self._objects[mark][0]

    def _simple_bounds(self, simple: SimpleObject) -> tuple[int, int]:
        rest, largest = 1, 0
        is_line = self._machine.space[0] == L.SPACE_ONELINE
        add_space, member_head = (one_line, b", %b: ") if is_line else (bytes, b",%b:")
        for name, place, is_required in zip(simple.names, simple.places, simple.required, strict=True):
            texts = self._texts_of(place) if place >= 0 else ()
            if texts:
                # apart from its key, a large value is counted once for all that hold it
                head = self._text_bound(member_head % self._literal(name))
                largest = max(
                    largest, self._escape + head + max(map(self._text_bound, map(add_space, texts)))
                )
                rest += head + self._text_bound(add_space(min(texts, key=len))) if is_required else 0
        if simple.extra >= 0:
            value = self._spaced_bound(b":" + text for text in self._texts_of(simple.extra))
            largest = max(largest, _ESCAPED + self._key_bound(StringPool.FREE) + value)
        return largest + rest, rest

    def _union_bound(self, row: int) -> int:
        """Return a bound for the states of an object whose keys decide what else it needs."""
        machine = self._machine
        network, residue = machine.network, machine.residue(row)
        menu = network.menu(residue)
        bound = self._of_rests(row, network.finish(residue).values())
        if menu.extra is not None:
            key = _ESCAPED + self._key_bound(machine.key_start(row))
            for formulas, place in menu.extra_places.items():
                value = self._spaced_bound(b":" + text for text in self._texts_of(place))
                bound = max(bound, key + value + self._bound_after(row, formulas, place))
        for name, place in menu.names.items():
            head = b"," + self._literal(name) + b":"
            member = self._spaced_bound(head + text for text in self._texts_of(place))
            bound = max(bound, self._escape + member + self._bound_after(row, name, place))
        return bound

    @remember_answers
    def _key_bound(self, start: int) -> int:
        """Return how many bytes a key that is begun still needs, at most, to be none that the object holds,
        by the state in which it started."""
        strings, plain = self._machine.strings, self._quoting.plain
        if start == StringPool.FREE and len(plain) > 1:
            return 1 + int(log(_KEYS, len(plain)))
        if start < 0:
            return L.UNBOUNDED
        return min(strings.farthest_of_many(start, plain, _ESCAPED, _KEYS), L.UNBOUNDED)

    def _array_bound(self, row: int) -> int:
        machine = self._machine
        network, residue = machine.network, machine.residue(row)
        menu = network.items(residue)
        if (menu.values or machine.watches(row)) and not menu.closes_next:
            return L.UNBOUNDED
        bound = self._spaced_bound(network.finish(residue).values()) if menu.close is not None else 0
        if menu.item is None:
            return bound
        values = self._texts_of(menu.item)
        if menu.unread:
            # where one of them was written before, one that differs from it is
            for text in list(values):
                place = network.items(network.read_as(residue, text)).item
                values = values + ([] if place is None else self._texts_of(place))
        item = self._spaced_bound(b"," + text for text in values)
        return max(bound, item + self._bound_after(row, None, menu.item))

    # --- tokens ---------------------------------------------------------------------------------------------

    def _texts_of(self, place: int) -> list[bytes]:
        """Return the shortest values of a place; of objects and arrays too, where they are not the shortest
        (behind so many blanks that no other value may follow)."""
        network = self._machine.network
        return [*network.finish_place(place).values(), *network.finish_bracketed(place).values()]

    def _spaced_bound(self, texts: Iterable[bytes]) -> int:
        """Return `_texts_bound` of compact texts, spaced as the policy asks."""
        is_line = self._machine.space[0] == L.SPACE_ONELINE
        return self._texts_bound(map(one_line, texts) if is_line else texts)

    def _text_bound(self, text: bytes) -> int:
        """Return `_texts_bound` of one text."""
        if self._costs.is_full:
            return len(text)
        count = self._costs.costliest_end(text)
        return count if count < IMPOSSIBLE else L.UNBOUNDED

    def _texts_bound(self, texts: Iterable[bytes]) -> int:
        """Return the most tokens that a rest of any of some texts takes, no more than it has bytes; UNBOUNDED
        where there are none."""
        bound = -1
        for number, text in enumerate(sorted(texts, key=len, reverse=True)):
            if len(text) <= bound:
                break
            bound = max(bound, self._text_bound(text) if number < _COUNTED else len(text))
        return L.UNBOUNDED if bound < 0 else bound

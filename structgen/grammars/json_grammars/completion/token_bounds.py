"""Computes upper bounds of the tokens that complete a document, without counting them.

A *bound* of a state is a number of tokens that suffices to end the document from there, and also from each
state that its next token leads to, with one token less. A *frame* is an open object or array around the value
that is being written: in `{"a":[1` the frames are the array and the object.

The bound of a state is a sum: one bound for its innermost value, and one for what follows in each frame. For
`{"a":[1` that is the rest of the number, `]`, and `}`. Each summand is computed once, and holds wherever in
the value a token ends. The walk that collects a state's mask notes the *groups* of states that its tokens
lead to: tuples of a mode, a row and a frame (`json_machine.masks.bound_noting`).
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
"""Bytes of the longest escape of one character. So many bytes also finish a begun escape and close the
string."""
_KEYS: Final = 500_000
"""More keys than any object has."""
_COUNTED: Final = 32
"""Of several texts, so many of the longest have their tokens counted. For the others a token for each byte is
assumed."""
_ROWS: Final = {
    L.M_OBJECT: (L.T_RES, L.ResidueRow.rest),
    L.M_ARRAY: (L.T_RES, L.ResidueRow.rest),
    L.M_STRING: (L.T_STRING, StringRow.rest),
    L.M_WORDS: (L.T_STRING, StringRow.rest),
    L.M_NUMBER: (L.T_PLACE, L.PlaceRow.rest),
}
"""For each mode the table and the column in which the bound of a value is stored."""


class MaskWalker(Protocol):
    """An object that can walk the masks of a grammar."""

    def walk_bound(self, index: int, /) -> int:
        """Return the result of `mask_filling.compute_bound` for a state, after its questions were
        answered."""


class TokenBounds:
    """The bounds of the states of one compiled grammar. The caller holds the grammar's lock."""

    def __init__(self, machine: Inspection, costs: TextCosts, quoting: Quoting) -> None:
        """`machine`: the machine of the grammar, into whose rows the bounds are written for later walks;
        `costs`: counts the tokens of texts, unless it is full; `quoting`: how strings are written."""
        self._machine = machine
        self._costs = costs
        self._quoting = quoting
        self._literal = quoting.write_literal
        self._escape = _ESCAPED if machine.escapes_any_key else 0
        """The most bytes that finish a begun escape in a key that the schema names."""
        self._object_bounds: dict[tuple[int, ...], tuple[tuple[int, int], object]] = {}
        """The two bounds (`_simple_bounds`) of each object in which only the declared keys matter. Each entry
        also holds the object whose `id` is in the key, so that no other object gets this `id`."""

    def bound_of(self, index: int) -> int | None:
        """Return the bound of a state whose mask was just walked, in tokens; None where no bound is known.

        Cost: some microseconds for each group of states that the walk has listed; for a new object, linear in
        its members."""
        groups, bound = self._machine.listed_groups()
        if groups is None:
            return None
        # Before the document, one more token (a blank) may come before a state that is listed.
        tokens_before = 2 if self._machine.registers(index).mode == L.M_DOC else 1
        for group in groups:
            bound = max(bound, tokens_before + self._group_bound(group))
        return bound if bound < L.UNBOUNDED else None

    # --- a group of states ----------------------------------------------------------------------------------

    def _group_bound(self, group: StateGroup) -> int:
        """Return a bound for a group of states; UNBOUNDED where none is known."""
        space_kind, _ = self._machine.space
        if space_kind == L.SPACE_INDENT:
            return L.UNBOUNDED  # a line's indent grows with the open brackets, so no bound fits all places
        mode, row, frame = group
        if mode == L.M_NUMBER:
            row = self._machine.place_row(frame)
        try:
            bound = self._value_bound(mode, row) + self._bound_below(frame)
            return min(bound, L.UNBOUNDED)
        except LimitError:
            # The groups may need tables that the state itself never needs: no reason to raise.
            return L.UNBOUNDED

    def _value_bound(self, mode: int, row: int) -> int:
        """Return a bound for what is still to be written of a value. `mode`: the machine's mode inside it;
        `row`: the row of the table that describes it (`_ROWS`)."""
        machine = self._machine
        if mode not in _ROWS:
            return len("false") if mode == L.M_LITERAL else 0  # the longest literal, a token for each byte
        table, column = _ROWS[mode]
        bound = machine.rest(table, row, column)
        if bound is None:
            if mode == L.M_OBJECT:
                bound = self._object_bound(row)
            elif mode == L.M_ARRAY:
                bound = self._array_bound(row)
            elif mode == L.M_STRING:
                bound = self._string_bound(row)
            elif mode == L.M_NUMBER:
                bound = machine.farthest_numeral(row)
            else:
                literals = (self._literal(decode_text(word)) for word in machine.words(row))
                bound = self._texts_bound(literal[1:] for literal in literals) + _ESCAPED
            # Stored in the row, where walks in compiled code find it.
            machine.put_rest(table, row, column, bound)
        return bound

    def _string_bound(self, row: int) -> int:
        """Return a bound that holds in all states of a string. `row`: the string's row."""
        spec = self._machine.string_row(row)
        word_count = self._machine.words_beside(row)
        padding = 0  # characters that minLength asks for
        if spec[StringRow.min_length] > 0:
            padding = self._texts_bound([self._quoting.blank * spec[StringRow.min_length]])
        start = spec[StringRow.start]
        if not word_count:
            # `farthest`: the most characters that any state is away from an end. A rest of the fewest
            # characters is taken, since the rest of the fewest bytes may have too many for maxLength.
            farthest = spec[StringRow.farthest]
            if farthest == FAR:
                return L.UNBOUNDED
            widest = self._machine.strings.widest_character(start) if farthest > 0 else 0
            return _ESCAPED + padding + farthest * widest
        is_free = start == StringPool.FREE and spec[StringRow.max_length] < 0
        if not is_free or len(self._quoting.plain) <= 1:
            return L.UNBOUNDED
        # The string must not become a listed word. With n binary choices there are more texts than words.
        return _ESCAPED + padding + word_count.bit_length()

    def _bound_below(self, frame: int) -> int:
        """Return a bound for all that follows the innermost value: the rests of `frame` and of all frames
        around it."""
        machine = self._machine
        # First outwards to a frame whose bound is known, then inwards again, adding the bounds up.
        upper_frames: list[int] = []
        while frame >= 0 and machine.rest(L.T_FRAME, frame, L.FrameRow.rest) is None:
            upper_frames.append(frame)
            _, _, _, frame = machine.frame(frame)
        total = 0
        if frame >= 0:
            total = machine.rest(L.T_FRAME, frame, L.FrameRow.rest) or 0
        for upper_frame in reversed(upper_frames):
            residue, _, key, _ = machine.frame(upper_frame)
            total += self._tail_bound(residue, key)
            machine.put_rest(L.T_FRAME, upper_frame, L.FrameRow.rest, total)
        return total

    def _tail_bound(self, row: int, key: int) -> int:
        """Return a bound for what follows a value in one object or array. `row`: the residue's row; `key`:
        the value's key, -1 in an array."""
        machine = self._machine
        bound = machine.rest(L.T_RES, row, L.ResidueRow.tail)
        if bound is not None:
            return bound
        if key == -1:
            menu = machine.network.items(machine.residue(row))
            depends_on_items = machine.watches(row) and (menu.unread or not menu.closes_next)
            if menu.item is None or depends_on_items:
                bound = L.UNBOUNDED
            else:
                bound = self._bound_after(row, None, menu.item)
        elif (plain := self._plain_bounds(row)) is not None:
            _, bound = plain
        else:
            # This bound depends on the key, so it is not stored as the bound of the row.
            network_key = machine.expander.network_key(row, key)
            return self._bound_after(row, network_key, machine.child_place(row, key))
        machine.put_rest(L.T_RES, row, L.ResidueRow.tail, bound)
        return bound

    def _bound_after(self, row: int, key: Key, place: int) -> int:
        """Return a bound for what follows a value, whichever demands of its place it meets. `place`: the
        demands on the value, of which one must come true."""
        network = self._machine.network
        residue = self._machine.residue(row)
        texts: list[bytes] = []
        for demand in network.finish_place(place):
            # the value itself is written: its own rest is empty
            rests = network.finish_with(residue, key, {demand: b""})
            texts += rests.values()
        return self._spaced_bound(texts) if key is None else self._object_rest_bound(row, texts)

    def _object_rest_bound(self, row: int, texts: Iterable[bytes]) -> int:
        """Return a bound for the rests of an object. `texts`: the shortest rests if the object had no extra
        keys so far."""
        network = self._machine.network
        residue = self._machine.residue(row)
        if not network.owes_keys(residue):
            return self._spaced_bound(texts)
        names = set(network.keys(residue))
        extra_key_counts: dict[bytes, int] = {}
        for text in texts:
            members = json.loads(b"{" + text.removeprefix(b","), parse_int=str)
            extra_key_counts[text] = len(members.keys() - names)
        if not any(extra_key_counts.values()):
            return self._spaced_bound(extra_key_counts)
        if self._machine.key_start(row) != StringPool.FREE:
            return L.UNBOUNDED  # which keys may come depends on those that the object holds
        # An extra key that the object holds already is replaced by another, at most so much longer.
        key_bound = self._key_bound(StringPool.FREE)
        return max(len(one_line(text)) + key_bound * count for text, count in extra_key_counts.items())

    # --- objects and arrays ---------------------------------------------------------------------------------

    def _object_bound(self, row: int) -> int:
        """Return a bound that holds in all states of an object. `row`: the residue's row."""
        plain = self._plain_bounds(row)
        if plain is None:
            return self._union_bound(row)
        bound, _ = plain
        return bound

    def _plain_bounds(self, row: int) -> tuple[int, int] | None:
        """Return two bounds of an object in which only the declared keys matter: one for all its states, and
        one for what follows a value in it. Else None. The residues of an object share them."""
        simple = self._machine.network.simple(self._machine.residue(row))
        if simple is None:
            return None
        # The residues of one object differ in the keys that they hold, and share the places.
        mark = id(simple.places), simple.extra, simple.ordered_count
        if mark not in self._object_bounds:
            self._object_bounds[mark] = self._simple_bounds(simple), simple.places
        bounds, _ = self._object_bounds[mark]
        return bounds

    def _simple_bounds(self, simple: SimpleObject) -> tuple[int, int]:
        """Compute `_plain_bounds`. The first bound is that of the largest member, which may be begun, and of
        all required ones. The second is that of the required ones alone."""
        rest = 1  # the closing bracket
        largest = 0
        space_kind, _ = self._machine.space
        is_line = space_kind == L.SPACE_ONELINE
        member_head = b", %b: " if is_line else b",%b:"
        add_space = one_line if is_line else bytes
        for name, place, is_required in zip(simple.names, simple.places, simple.required, strict=True):
            texts = self._texts_of(place) if place >= 0 else []
            if not texts:
                continue
            # Key and value are bounded apart, so that the tokens of a large value are counted only once.
            head_bound = self._text_bound(member_head % self._literal(name))
            value_bound = max(self._text_bound(add_space(text)) for text in texts)
            largest = max(largest, self._escape + head_bound + value_bound)
            if is_required:
                shortest = min(texts, key=len)
                rest += head_bound + self._text_bound(add_space(shortest))
        if simple.extra >= 0:
            texts = self._texts_of(simple.extra)
            value_bound = self._spaced_bound(b":" + text for text in texts)
            largest = max(largest, _ESCAPED + self._key_bound(StringPool.FREE) + value_bound)
        return largest + rest, rest

    def _union_bound(self, row: int) -> int:
        """Return a bound that holds in all states of an object whose keys decide what else it needs."""
        machine = self._machine
        network = machine.network
        residue = machine.residue(row)
        menu = network.menu(residue)
        # The object may end here, or continue with an extra key, or with a named one.
        bound = self._object_rest_bound(row, network.finish(residue).values())
        if menu.extra is not None:
            key_bound = _ESCAPED + self._key_bound(machine.key_start(row))
            for formulas, place in menu.extra_places.items():
                value_bound = self._spaced_bound(b":" + text for text in self._texts_of(place))
                after_value = self._bound_after(row, formulas, place)
                bound = max(bound, key_bound + value_bound + after_value)
        for name, place in menu.names.items():
            head = b"," + self._literal(name) + b":"
            member_bound = self._spaced_bound(head + text for text in self._texts_of(place))
            after_value = self._bound_after(row, name, place)
            bound = max(bound, self._escape + member_bound + after_value)
        return bound

    @remember_answers
    def _key_bound(self, start: int) -> int:
        """Return the most bytes that a begun extra key still needs to differ from all keys that the object
        holds. `start`: the state of the automaton of keys at the beginning of the key."""
        plain = self._quoting.plain
        if start == StringPool.FREE and len(plain) > 1:
            # So many characters make more different keys than an object has.
            return 1 + int(log(_KEYS, len(plain)))
        if start < 0:
            return L.UNBOUNDED
        farthest = self._machine.strings.farthest_of_many(start, plain, _ESCAPED, _KEYS)
        return min(farthest, L.UNBOUNDED)

    def _array_bound(self, row: int) -> int:
        """Return a bound that holds in all states of an array. `row`: the residue's row."""
        machine = self._machine
        network = machine.network
        residue = machine.residue(row)
        menu = network.items(residue)
        if (menu.values or machine.watches(row)) and not menu.closes_next:
            return L.UNBOUNDED  # which items may come depends on those that are written
        bound = 0
        if menu.close is not None:
            bound = self._spaced_bound(network.finish(residue).values())
        if menu.item is None:
            return bound
        values = self._texts_of(menu.item)
        if menu.unread:
            # Where the array already holds one of these values, one that differs from it comes.
            for text in list(values):
                place = network.items(network.read_as(residue, text)).item
                if place is not None:
                    values = values + self._texts_of(place)
        item_bound = self._spaced_bound(b"," + text for text in values)
        return max(bound, item_bound + self._bound_after(row, None, menu.item))

    # --- tokens ---------------------------------------------------------------------------------------------

    def _texts_of(self, place: int) -> list[bytes]:
        """Return the shortest values of a place, and its shortest objects and arrays. After the most blanks
        that a policy allows, only an object or an array may follow."""
        network = self._machine.network
        shortest = network.finish_place(place)
        bracketed = network.finish_bracketed(place)
        return [*shortest.values(), *bracketed.values()]

    def _spaced_bound(self, texts: Iterable[bytes]) -> int:
        """Return `_texts_bound` of texts without white space, after they get the white space of the
        policy."""
        space_kind, _ = self._machine.space
        if space_kind == L.SPACE_ONELINE:
            texts = map(one_line, texts)
        return self._texts_bound(texts)

    def _text_bound(self, text: bytes) -> int:
        """Return `_texts_bound` of one text."""
        if self._costs.is_full:  # a token for each byte
            return len(text)
        count = self._costs.costliest_end(text)
        return count if count < IMPOSSIBLE else L.UNBOUNDED

    def _texts_bound(self, texts: Iterable[bytes]) -> int:
        """Return the most tokens that any rest of any of the texts takes: at most a token for each byte.
        UNBOUNDED where `texts` is empty."""
        bound = -1
        for number, text in enumerate(sorted(texts, key=len, reverse=True)):
            if len(text) <= bound:  # no shorter text takes more tokens
                break
            text_bound = self._text_bound(text) if number < _COUNTED else len(text)
            bound = max(bound, text_bound)
        return L.UNBOUNDED if bound < 0 else bound

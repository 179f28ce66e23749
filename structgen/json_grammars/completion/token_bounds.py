"""Upper bounds of the tokens that complete a document, from a state and from all that its tokens lead to.

What a state needs is the sum of what each open value needs, and tokens that write one piece of a text and
tokens that write the next write both. So a bound for a state is a bound for its innermost value and one for
each frame below, each worked out once; and a token leads to one of few places: an object, an array, a string.
The bound for a place holds wherever in it a token ends: in whichever key, before whichever value. The walk
that collects a state's mask notes the places (`json_machine.masks.bound_noting`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from structgen.automata.strings.string_pool import StringPool
from structgen.automata.unicode.decoded_text import decode
from structgen.errors import LimitError
from structgen.json_grammars.completion.next_characters import escape_rests
from structgen.json_grammars.completion.obligatory_space import one_line
from structgen.json_machine.inspection import Inspection, Place
from structgen.json_machine.masks.state_walk import settle_costs
from structgen.json_machine.tables import json_blocks as L
from structgen.language.ir import Key, SimpleObject
from structgen.native.raw_memory import address_of
from structgen.schema.reading.missing_bytes import MANY, Quoting
from structgen.tokens.token_mask import tokens_of
from structgen.tokens.vocabulary import Vocabulary

_KEPT: Final = 1 << 16
"""Places whose bounds are remembered for one grammar."""
_COUNTED: Final = 1 << 8
"""Groups of long texts whose tokens are remembered: each may be as long as the largest constant."""
_QUOTED: Final = 12
"""Bytes that finish an escape (at most a `u` and the digits of two halves) and close a string."""
_WIDEST: Final = 12
"""Bytes that write any character."""
_NAME: Final = 3
"""Characters by which a key that may be any differs from those that an object holds: some 500,000 keys."""
_TOGETHER: Final = 64
"""Texts whose tokens are counted by one call."""
_QUOTE: Final = 34
_SHORT: Final = (256, 12)
"""Bytes of texts that are said to need as many tokens, for the rough bound and for the close one."""


class MaskWalker(Protocol):
    """Who can walk the masks of a grammar."""

    def walk_bound(self, index: int, way: int, /) -> int:
        """Return what `mask_filling.compute_bound` answers, its questions answered."""
        ...

    def bits(self, index: int, /) -> npt.NDArray[np.int32]:
        """Return the mask of a state as a row of bits."""
        ...


class ValueTexts:
    """The shortest values of the places of a grammar, and how many tokens texts take."""

    __slots__ = ("_machine", "_tokens", "_values", "_vocabulary")

    def __init__(self, machine: Inspection, vocabulary: Vocabulary) -> None:
        self._machine, self._vocabulary = machine, vocabulary
        self._values: dict[int, list[bytes]] = {}
        self._tokens: dict[tuple[bytes, ...], int] = {}

    def values(self, place: int) -> list[bytes]:
        """Return the shortest values of a place; of objects and arrays too, where they are not the shortest
        (behind so many blanks that no other value may follow)."""
        known = self._values.get(place)
        if known is not None:
            return known
        network = self._machine.network
        texts = list(network.finish_place(place).values())
        entry = network.entry(place)
        for bracket, residue in ((b"{", entry.object), (b"[", entry.array)):
            if residue is not None and not all(text.startswith(bracket) for text in texts):
                texts += [bracket + text for text in network.finish(residue).values()]
        if len(self._values) >= _KEPT:
            self._values.clear()
        self._values[place] = texts
        return texts

    def tokens(self, texts: list[bytes]) -> int:
        """Return the most tokens that any of some texts takes. Cost: 0.3 us a byte, once."""
        mark = tuple(texts)
        known = self._tokens.get(mark)
        if known is None:
            if len(self._tokens) >= _COUNTED:
                self._tokens.clear()
            known = self._tokens[mark] = self._count(texts)
        return known

    def _count(self, texts: list[bytes]) -> int:
        data = b"".join(text[::-1] for text in texts)
        count = len(data)
        labels, steps = np.frombuffer(data, np.uint8).astype(np.int32), np.arange(count + 1, dtype=np.int32)
        targets = steps[:-1].copy()
        at = 0
        for text in texts:
            if text:
                targets[at] = 0
            at += len(text)
        begin = np.maximum(steps - 1, 0)
        end, costs = steps, np.zeros(count + 1, np.int32)
        order = steps[1:]
        vocabulary = self._vocabulary
        failed = settle_costs(
            address_of(vocabulary.nodes),
            address_of(vocabulary.first),
            *(address_of(one) for one in (begin, end, labels, targets, order)),
            count,
            address_of(costs),
        )
        return L.UNBOUNDED if failed else int(costs.max())


class TokenBounds:
    """Bounds for the states of one compiled grammar. Its lock is held by the caller."""

    __slots__ = (
        "_escape",
        "_frames",
        "_literal",
        "_machine",
        "_many",
        "_noted",
        "_numerals",
        "_objects",
        "_places",
        "_plain_objects",
        "_quotes",
        "_quoting",
        "_short",
        "_strings",
        "_tails",
        "_texts",
        "_walker",
    )

    def __init__(
        self,
        machine: Inspection,
        vocabulary: Vocabulary,
        walker: MaskWalker,
        texts: ValueTexts,
        quoting: Quoting,
        *,
        close: bool,
    ) -> None:
        """`close`: the tokens of most texts are counted, otherwise of long ones alone, and what is found out
        is written into the rows of the machine, where walks find it."""
        self._machine, self._walker, self._texts = machine, walker, texts
        self._short, self._noted = _SHORT[close], not close
        self._quotes = _with_quote(vocabulary)
        self._quoting, self._literal = quoting, quoting.literal
        self._many = len(quoting.plain) >= MANY
        """Whether few characters tell many strings apart."""
        self._escape = _QUOTED if machine.escapes_any_key else 0
        """Bytes that finish an escape in a key that is named."""
        self._places: dict[tuple[int, int, int], int] = {}
        self._numerals: dict[int, int] = {}
        """Place of a numeral -> the bound for all its states."""
        self._strings: dict[int, int] = {}
        self._tails: dict[tuple[int, int], int] = {}
        self._plain_objects: dict[int, tuple[int, int]] = {}
        self._objects: dict[tuple[int, ...], tuple[tuple[int, int], object]] = {}
        self._frames: dict[int, int] = {L.NO_FRAME: 0}

    def of(self, index: int) -> int | None:
        """Return how many tokens suffice for a state whose mask was just walked, and one less after whichever
        token comes next; None where no bound is known.

        Cost: some microseconds for each place that the walk has listed; for a new object its members.
        """
        places, most = self._machine.listed_places(), self._machine.bound_so_far
        if places is None or self._machine.space[0] == L.SPACE_INDENT:
            return None  # a line's indent is as long as brackets are open
        if len(self._places) + len(self._frames) + len(self._tails) + len(self._numerals) > _KEPT:
            for known in (self._places, self._tails, self._frames, self._numerals):
                known.clear()
            self._frames[L.NO_FRAME] = 0
        # between a blank before the document and a place that is listed, one more token
        first = 2 if self._machine.registers(index)[L.MODE] == L.M_DOC else 1
        try:
            for place in places:
                most = max(most, first + self._reached(index, place))
                if most >= L.UNBOUNDED:
                    return None
        except LimitError:
            # A bound asks about places that the state itself may never need.
            return None
        return most

    def _reached(self, index: int, place: Place) -> int:
        """Return a bound for the states to which tokens lead that lead to a place that was listed."""
        mode = place[0] % L.INSIDE
        exact = mode, *place[1:]
        if mode == place[0] or self._is_one(exact):
            return self._at(index, exact)
        # what stays inside the terminal leads to different places
        tokens = tokens_of(self._walker.bits(index)).astype(np.int32)
        found = self._machine.places_after(index, tokens)
        return (
            L.UNBOUNDED
            if found is None
            else max((self._at(index, (one[0] % L.INSIDE, *one[1:])) for one in found), default=0)
        )

    def at(self, index: int) -> int | None:
        """Return how many tokens suffice for a state, whatever its mask; None where no bound is known."""
        if self._machine.space[0] == L.SPACE_INDENT:
            return None  # as in `of`
        try:
            most = self._at(index, _place_of(self._machine.registers(index).tolist()))
        except LimitError:
            return None
        return most if most < L.UNBOUNDED else None

    def beyond(
        self, index: int, tokens: npt.NDArray[np.int64], left: int
    ) -> tuple[npt.NDArray[np.int64], int]:
        """Return those of a state's allowed tokens after which more than `left` may be needed, as far as
        their quotes tell, and how many suffice after the others."""
        regs = self._machine.registers(index).tolist()
        if regs[L.MODE] in _QUOTED_MODES and self._is_one(_place_of(regs)):
            bound = self.at(index)  # a token without a quote stays where it is
            if bound is not None and bound <= left:
                return tokens[self._quotes[tokens]], bound
        return tokens, 0

    def _is_one(self, place: Place) -> bool:
        """Return whether all states of the terminal's automaton have the bound of the place."""
        mode, residue, _lexeme, frame, _token = place
        if mode == L.M_STRING:
            return self._string(residue) < L.UNBOUNDED
        return mode != L.M_NUMBER or self._numeral(frame) < L.UNBOUNDED

    def _numeral(self, frame: int) -> int:
        """Return a bound for all states of a numeral in a frame."""
        place = self._machine.place_row(frame)
        own = self._numerals.get(place)
        if own is None:
            own = self._numerals[place] = self._machine.farthest_numeral(place)
            self._note(L.T_PLACE, place, L.P_REST, own)
        return own

    # --- a place --------------------------------------------------------------------------------------------

    def _at(self, index: int, place: Place) -> int:
        """Return a bound for the states at a place, to which a token leads from a state."""
        mode, residue, lexeme, frame, token = place
        if mode == L.M_NUMBER and (own := self._numeral(frame)) < L.UNBOUNDED:
            return own + self._below(frame)
        key = mode, residue, lexeme if mode in _BY_STATE else 0
        own = self._places.get(key, -1)
        if own < 0:
            own = self._places[key] = self._own(mode, residue, lexeme, index, token)
        return own + self._below(frame)

    def _is_free(self, row: int) -> bool:
        """Return whether a string may have any characters, and ever more of them."""
        spec = self._machine.string_row(row)
        return not spec[L.S_KIND] and spec[L.S_START] == StringPool.FREE and spec[L.S_MOST] < 0

    def _own(self, mode: int, residue: int, lexeme: int, index: int, token: int) -> int:
        """Return a bound for the value or the container itself."""
        machine = self._machine
        if mode == L.M_OBJECT:
            own = self._object(residue)
            self._note(L.T_RES, residue, L.R_REST, own)
            return own
        if mode == L.M_ARRAY:
            own = self._array(residue)
            self._note(L.T_RES, residue, L.R_REST, own)
            return own
        if mode == L.M_STRING:
            own = self._string(residue)
            return own if own < L.UNBOUNDED else self._rest_of(residue, lexeme, index, token)
        if mode == L.M_NUMBER:
            return max(map(len, machine.finish_number(lexeme).values()), default=L.UNBOUNDED)
        if mode == L.M_WORDS:
            words = list(machine.words(residue))
            joined = b"".join(words)
            if _AS_THEY_ARE.fullmatch(joined) and self._quoting.missing.isdisjoint(joined):
                rests = [word + b'"' for word in words]
            else:
                rests = [self._literal(decode(word))[1:] for word in words]
            own = self._most(rests) + _QUOTED
            self._note(L.T_STRING, residue, L.S_REST, own)
            return own
        if mode == L.M_DOC:
            return self._spaced(self._texts.values(machine.network.root))
        return 5 if mode == L.M_LITERAL else 0

    def _string(self, row: int) -> int:
        """Return a bound for all states of a string."""
        own = self._strings.get(row)
        if own is None:
            spec, own = self._machine.string_row(row), L.UNBOUNDED
            words = self._machine.words_beside(row)
            if not spec[L.S_KIND] and not words:
                # one of the fewest characters: the shortest rest may have too many
                own = _QUOTED + self._missing(spec) + spec[L.S_FARTHEST] * _WIDEST
            elif self._is_free(row) and self._many:
                # so many more characters can be written in more ways than there are words
                own = _QUOTED + self._missing(spec) + words.bit_length()
            self._strings[row] = own
            self._note(L.T_STRING, row, L.S_REST, own)
        return own

    def _note(self, table: int, row: int, column: int, own: int) -> None:
        """Write a bound into a row, where walks find it."""
        if self._noted:
            self._machine.put_rest(table, row, column, own)

    def _missing(self, spec: list[int]) -> int:
        """Return a bound for the characters that a string still lacks, whatever they are."""
        return self._most([self._quoting.blank * spec[L.S_LEAST]]) if spec[L.S_LEAST] > 0 else 0

    def _rest_of(self, row: int, lexeme: int, index: int, token: int) -> int:
        """Return a bound for a state of a string, to which a token leads from a state."""
        machine, written = self._machine, 0
        spec = machine.string_row(row)
        if spec[L.S_WORDS] >= 0 or lexeme & L.STATE_BITS == L.NO_STATE:
            return L.UNBOUNDED
        if lexeme >> L.ESCAPE_SHIFT & 15:
            # the completion is no longer than by way of any of the characters that it may become
            index = index if token < 0 else machine.after_token(index, token)
            ways = (
                (way, machine.after(index, way))
                for way in escape_rests(machine, index, self._quoting.lost_digits)
            )
            way, after = next((one for one in ways if one[1] >= 0), (b"", index))
            lexeme, written = int(machine.registers(after)[L.LEX]), len(way)
        rests = list(machine.finish_string(lexeme & L.STATE_BITS).values())
        if lexeme >> L.ESCAPE_SHIFT & 15 or not rests or (written and len(rests) > 1):
            return L.UNBOUNDED
        texts = [self._literal(decode(rest.lstrip(_INSIDE)))[1:] for rest in rests]
        own = max(map(len, texts)) if written else self._most(texts)
        return written + len(_BROKEN) + own + self._missing(spec)

    def _below(self, frame: int) -> int:
        """Return a bound for what follows the value in a frame."""
        total = self._frames.get(frame)
        if total is not None:
            return total
        above: list[tuple[int, int, int]] = []
        known = self._frames
        while frame not in known:
            residue, _extras, key, below = self._machine.frame(frame)
            above.append((frame, residue, key))
            frame = below
        total = known[frame]
        for frame, residue, key in reversed(above):
            tail = self._tails.get((residue, key))
            if tail is None:
                tail = self._tails[residue, key] = self._tail(residue, key)
            total = known[frame] = total + tail
            self._note(L.T_FRAME, frame, L.F_REST, total)
        return total

    def _tail(self, row: int, key: int) -> int:
        """Return a bound for what follows a value in an object or an array (key -1)."""
        machine = self._machine
        if key == -1:
            menu = machine.network.items(machine.residue(row))
            is_open = machine.watches(row) and (menu.unread or not menu.closes_next)
            return L.UNBOUNDED if menu.item is None or is_open else self._after(row, None, menu.item)
        plain = self._plain(row)
        return (
            self._after(row, machine.key(row, key), machine.child_place(row, key))
            if plain is None
            else plain[1]
        )

    def _after(self, row: int, key: Key, place: int) -> int:
        """Return a bound for what follows a value of a place, whichever of its demands it meets."""
        network, residue = self._machine.network, self._machine.residue(row)
        if key is not None and network.owes_keys(residue):
            return L.UNBOUNDED  # the keys that the object holds say which come
        rests = (network.finish_with(residue, key, {j: b""}) for j in network.finish_place(place))
        return self._spaced(text for rest in rests for text in rest.values())

    # --- objects and arrays ---------------------------------------------------------------------------------

    def _object(self, row: int) -> int:
        """Return a bound for the states of an object."""
        plain = self._plain(row)
        return self._union(row) if plain is None else plain[0]

    def _plain(self, row: int) -> tuple[int, int] | None:
        """Return a bound for the states of an object in which only the declared keys matter, and one for what
        follows a value in it; None of another. Worked out once for all of its residues."""
        number = self._machine.plain_object(row)
        known = self._plain_objects.get(number)
        if known is not None:
            return known
        simple = self._machine.network.simple(self._machine.residue(row))
        if simple is None:
            return None
        if number < 0:  # its residues are told apart by what they hold, and share the places
            mark = id(simple.places), simple.extra, simple.ordered
            if mark not in self._objects:
                self._objects[mark] = self._simple(simple), simple.places
            return self._objects[mark][0]
        known = self._plain_objects[number] = self._simple(simple)
        return known

    def _simple(self, simple: SimpleObject) -> tuple[int, int]:
        rest, most = 1, 0
        spaced = one_line if self._machine.space[0] == L.SPACE_ONELINE else bytes
        between = spaced(b",%b:")
        for name, place, required in zip(simple.names, simple.places, simple.required, strict=True):
            texts = self._texts.values(place) if place >= 0 else ()
            if texts:
                # apart from its key, a large value is counted once for all that hold it
                head = self._one(between % self._literal(name))
                most = max(most, self._escape + head + max(map(self._one, map(spaced, texts))))
                rest += head + self._one(spaced(min(texts, key=len))) if required else 0
        if simple.extra >= 0 and not self._many:
            most = L.UNBOUNDED
        elif simple.extra >= 0:
            most = max(
                most, _QUOTED + _NAME + self._spaced(b":" + text for text in self._texts.values(simple.extra))
            )
        return most + rest, rest

    def _union(self, row: int) -> int:
        """Return a bound for the states of an object whose keys decide what else it needs."""
        machine = self._machine
        network, residue = machine.network, machine.residue(row)
        if network.owes_keys(residue):
            return L.UNBOUNDED
        menu = network.menu(residue)
        most = self._spaced(network.finish(residue).values())
        if menu.extra is not None:
            key = self._key(row)
            for formulas, place in menu.extra_places.items():
                value = self._spaced(b":" + text for text in self._texts.values(place))
                most = max(most, key + value + self._after(row, formulas, place))
        for name, place in menu.named.items():
            head = b"," + self._literal(name) + b":"
            member = self._spaced(head + text for text in self._texts.values(place))
            most = max(most, self._escape + member + self._after(row, name, place))
        return most

    def _key(self, row: int) -> int:
        """Return a bound for the rest of a key that is not named, of an object."""
        if not self._many:
            return L.UNBOUNDED
        return min(_QUOTED + _NAME + self._machine.farthest_key(row) * _WIDEST, L.UNBOUNDED)

    def _array(self, row: int) -> int:
        machine = self._machine
        network, residue = machine.network, machine.residue(row)
        menu = network.items(residue)
        if (menu.values or machine.watches(row)) and not menu.closes_next:
            return L.UNBOUNDED
        most = self._spaced(network.finish(residue).values()) if menu.close is not None else 0
        if menu.item is None:
            return most
        values = self._texts.values(menu.item)
        if menu.unread:
            # where one of them was written before, one that differs from it is
            for text in list(values):
                place = network.items(network.read_as(residue, text)).item
                values = values + ([] if place is None else self._texts.values(place))
        item = self._spaced(b"," + text for text in values)
        return max(most, item + self._after(row, None, menu.item))

    # --- tokens ---------------------------------------------------------------------------------------------

    def _spaced(self, texts: Iterable[bytes], least: int = L.UNBOUNDED) -> int:
        """Return `_most` of compact texts, spaced as the policy asks; `least` where there are none."""
        one = self._machine.space[0] == L.SPACE_ONELINE
        return self._most(map(one_line, texts) if one else texts, least)

    def _one(self, text: bytes) -> int:
        """Return `_most` of one text."""
        return len(text) if len(text) <= self._short else self._texts.tokens([text])

    def _most(self, texts: Iterable[bytes], least: int = L.UNBOUNDED) -> int:
        """Return the most tokens that a rest of any of some texts takes: no more than it has bytes."""
        ordered = sorted(texts, key=len, reverse=True)
        most = 0 if ordered else least
        if ordered and len(ordered[0]) <= self._short:
            return len(ordered[0])
        for first in range(0, len(ordered), _TOGETHER):
            some = ordered[first : first + _TOGETHER]
            if len(some[0]) <= most:
                break
            most = max(most, self._texts.tokens(some))
        return most


_AS_THEY_ARE: Final = re.compile(rb"[ !#-\[\]-~]*")
"""Words that JSON writes as they are."""
_INSIDE: Final = bytes(range(0x80, 0xC0))
"""The bytes behind the first of a character, of which at most three are to come."""
_BROKEN: Final = _INSIDE[:3]
_BY_STATE: Final = (L.M_STRING, L.M_NUMBER)
_QUOTED_MODES: Final = (L.M_KEY, L.M_STRING, L.M_WORDS)
_CONTAINERS: Final[Mapping[int, int]] = {
    **dict.fromkeys((L.M_OBJECT, L.M_COLON, L.M_VALUE, L.M_MEMBER, L.M_KEYS, L.M_KEY), L.M_OBJECT),
    **dict.fromkeys((L.M_ARRAY, L.M_ITEM, L.M_NEXT), L.M_ARRAY),
}


@lru_cache(maxsize=4)
def _with_quote(vocabulary: Vocabulary) -> npt.NDArray[np.bool_]:
    """Return which tokens have a quote."""
    quotes = np.concatenate([[0], np.cumsum(vocabulary.token_data == _QUOTE)])
    found: npt.NDArray[np.bool_] = np.diff(quotes[vocabulary.token_offset]) > 0
    return found


def _place_of(regs: list[int]) -> Place:
    """Return the place of registers."""
    container = _CONTAINERS.get(regs[L.MODE])
    if container is not None:
        return container, regs[L.RES], 0, regs[L.FRAME], -1
    return regs[L.MODE], regs[L.RES], regs[L.LEX], regs[L.FRAME], -1

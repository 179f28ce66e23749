"""How many tokens are plenty: from so many on, a budget takes nothing from a state's mask.

What a state needs is the sum of what each open value needs, and tokens that write one piece of a text and
tokens that write the next write both. So a bound for a state is a bound for its innermost value and one for
each frame below, each worked out once; and a token leads to one of few places: an object, an array, a string.
The bound for a place holds wherever in it a token ends: in whichever key, before whichever value.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from structgen.automata.strings.string_pool import StringPool
from structgen.automata.unicode.decoded_text import decode
from structgen.errors import LimitError
from structgen.json_grammars.completion.longest_rests import longest_rest
from structgen.json_grammars.completion.next_characters import escape_rests
from structgen.json_grammars.completion.obligatory_space import one_line
from structgen.json_machine.inspection import Inspection
from structgen.json_machine.masks.state_walk import settle_costs
from structgen.json_machine.tables import json_blocks as L
from structgen.language.ir import Key, SimpleObject, Spec
from structgen.native.raw_memory import address_of
from structgen.schema.reading.json_values import ascii_string, json_string
from structgen.store.mask_store import VocabularyStore
from structgen.tokens.vocabulary import Vocabulary

_KEPT: Final = 1 << 16
"""Places whose bounds are remembered for one grammar."""
_NO_BOUND: Final = 1 << 40
"""Of a place of which no bound is known: more than any."""
_QUOTED: Final = 12
"""Bytes that finish an escape (at most a `u` and the digits of two halves) and close a string."""
_NAME: Final = 3
_NAMES: Final = 500_000
"""Characters by which a key that may be any differs from those that an object holds, and how many keys: no
more than have so many characters."""
_STATES: Final = 1 << 9
"""States of an automaton of strings that is looked at as a whole."""
_TOGETHER: Final = 64
"""Texts whose tokens are counted by one call."""
_QUOTE: Final = 34
_SHORT: Final = (256, 12)
"""Bytes of texts that are said to need as many tokens, for the rough bound and for the close one."""
_Place = tuple[int, ...]
"""Mode, residue, state of an automaton, frame, a token (`state_walk.places_after`)."""
_Places = list[tuple[int, ...]] | None


class Plenty:
    """Bounds for the states of one compiled grammar. Its lock is held by the caller."""

    __slots__ = (
        "_closing",
        "_escape",
        "_far",
        "_frames",
        "_literal",
        "_machine",
        "_objects",
        "_places",
        "_quoted_rows",
        "_quotes",
        "_rows",
        "_short",
        "_strings",
        "_tails",
        "_vocabulary",
    )

    def __init__(
        self,
        machine: Inspection,
        vocabulary: Vocabulary,
        rows: VocabularyStore,
        *,
        ascii: bool,
        close: bool,
    ) -> None:
        """`close`: the tokens of most texts are counted, otherwise of long ones alone."""
        self._machine, self._vocabulary, self._rows = machine, vocabulary, rows
        self._short = _SHORT[close]
        self._quotes = _with_quote(vocabulary)
        self._literal = ascii_string if ascii else json_string
        self._escape = _QUOTED if machine.escapes_any_key else 0
        """Bytes that finish an escape in a key that is named."""
        self._quoted_rows: dict[int, npt.NDArray[np.int32]] = {}
        self._places: dict[tuple[int, int, int], int] = {}
        self._closing: dict[tuple[int, int, int, int, int, bytes], _Places] = {}
        self._strings: dict[int, int] = {}
        self._far: dict[int, int] = {}
        """List of words -> position up to which no token writes the last byte of any."""
        self._tails: dict[tuple[int, int], int] = {}
        self._objects: dict[tuple[int, ...], tuple[int, int, object]] = {}
        self._frames: dict[int, int] = {L.NO_FRAME: 0}

    def of(self, index: int) -> int | None:
        """Return how many tokens suffice for a state whose mask is known, and one less after whichever token
        comes next; None where no bound is known.

        Cost: 10 us; for a new object its members.
        """
        try:
            most = self._of(index)
        except LimitError:
            # A bound asks about places that the state itself may never need.
            return None
        return most if most < _NO_BOUND else None

    def at(self, index: int) -> int | None:
        """Return how many tokens suffice for a state, whatever its mask; None where no bound is known."""
        try:
            most = self._at(index, _place_of(self._machine.registers(index).tolist()))
        except LimitError:
            return None
        return most if most < _NO_BOUND else None

    def beyond(
        self, index: int, tokens: npt.NDArray[np.int64], left: int
    ) -> tuple[npt.NDArray[np.int64], int]:
        """Return those of a state's allowed tokens after which more than `left` may be needed, as far as
        their quotes tell, and how many suffice after the others."""
        regs = self._machine.registers(index).tolist()
        if regs[L.MODE] in _QUOTED_MODES and self._is_one(_place_of(regs)):
            bound = self.at(index)  # a token without a quote stays where it is
            if bound is not None and bound <= left:
                return tokens[self._quotes[0][tokens]], bound
        return tokens, 0

    def _of(self, index: int) -> int:
        machine = self._machine
        if machine.space[0] == L.SPACE_INDENT:
            return _NO_BOUND  # a line's indent is as long as brackets are open
        regs = machine.registers(index).tolist()
        here = _place_of(regs)
        most = self._at(index, here)
        if regs[L.MODE] == L.M_WORDS and regs[L.AT] & L.POSITION_BITS < self._far[regs[L.RES]]:
            return 1 + most
        mask = machine.mask_of(index)
        if mask is None:
            return _NO_BOUND
        if len(self._places) + len(self._frames) + len(self._tails) + len(self._closing) > _KEPT:
            for known in (self._places, self._tails, self._frames, self._closing):
                known.clear()
            self._frames[L.NO_FRAME] = 0
        row, terminals, tokens = mask
        if regs[L.MODE] in _QUOTED_MODES and self._is_one(here):
            # a token without a quote stays where it is
            tokens = tokens[self._quotes[0][tokens]]
            if row >= 0:
                tokens = np.concatenate([tokens, self._quoted_in_row(row)])
            most += 1
            found = self._after_quotes(index, regs, tokens) if len(tokens) else []
        else:
            inside = [machine.token_inside(terminal) for terminal in terminals]
            if row >= 0:
                inside.append(self._first_in_row(row))
                if not len(tokens):
                    tokens = self._in_row(row)
            found = machine.places_after(
                index, np.concatenate([np.array(inside, np.int32), tokens]) if inside else tokens
            )
            if inside and (
                found is None or not all(self._is_one(place) for place in found if place[4] in inside)
            ):
                # what stays inside a terminal leads to different places
                tokens = machine.all_tokens(index)
                if row >= 0:
                    tokens = np.concatenate([tokens, self._in_row(row)])
                found = machine.places_after(index, tokens)
        if found is None:
            return _NO_BOUND
        for place in found:
            most = max(most, 1 + self._at(index, place))
        return most

    def _after_quotes(self, index: int, regs: list[int], tokens: npt.NDArray[np.int32]) -> _Places:
        """Return where tokens with a quote lead to: what was written before them does not matter."""
        mark = regs[L.MODE], regs[L.RES], regs[L.LEX], regs[L.AT], regs[L.FRAME], tokens.tobytes()
        if mark not in self._closing:
            self._closing[mark] = self._machine.places_after(index, tokens)
        return self._closing[mark]

    def _in_row(self, row: int) -> npt.NDArray[np.int32]:
        """Return the tokens of a row of the store."""
        return _tokens_of(self._rows.rows[row])

    def _quoted_in_row(self, row: int) -> npt.NDArray[np.int32]:
        """Return those that have a quote."""
        found = self._quoted_rows.get(row)
        if found is None:
            found = self._quoted_rows[row] = _tokens_of(self._rows.rows[row] & self._quotes[1])
        return found

    def _first_in_row(self, row: int) -> int:
        """Return a token of a row of the store."""
        words = self._rows.rows[row]
        at = int(np.argmax(words != 0))
        word = int(words[at]) & 0xFFFFFFFF
        return 32 * at + (word & -word).bit_length() - 1

    def _is_one(self, place: _Place) -> bool:
        """Return whether all tokens that stay inside a terminal with this one lead to places with its
        bound."""
        if place[0] == L.M_STRING:
            return self._string(place[1]) < _NO_BOUND
        return place[0] != L.M_NUMBER

    # --- a place --------------------------------------------------------------------------------------------

    def _at(self, index: int, place: _Place) -> int:
        """Return a bound for the states at a place, to which a token leads from a state."""
        mode, residue, lexeme, frame, token = place
        key = mode, residue, lexeme if mode in _BY_STATE else 0
        own = self._places.get(key)
        if own is None:
            own = self._places[key] = self._own(mode, residue, lexeme, index, token)
        below = self._frames.get(frame)
        if below is None:
            below = self._below(frame)
        if below >= _NO_BOUND and mode == L.M_STRING and frame >= 0 and self._is_free(residue):
            below = self._behind_unread(frame)
        return own + below

    def _behind_unread(self, frame: int) -> int:
        """Return a bound for what follows a string of any characters behind an item that is not known. One
        more character makes it another string: `_QUOTED` has room for it."""
        machine = self._machine
        row, _extras, key, below = machine.frame(frame)
        if key != -1:
            return _NO_BOUND
        menu = machine.network.items(machine.residue(row))
        if menu.item is None or not menu.closes_next:
            return _NO_BOUND
        return self._after(row, None, menu.item) + self._below(below)

    def _is_free(self, row: int) -> bool:
        """Return whether a string may have any characters, and ever more of them."""
        spec = self._machine.string_row(row)
        return not spec[L.S_KIND] and spec[L.S_START] == StringPool.FREE and spec[L.S_MOST] < 0

    def _own(self, mode: int, residue: int, lexeme: int, index: int, token: int) -> int:
        """Return a bound for the value or the container itself."""
        machine = self._machine
        if mode == L.M_OBJECT:
            return self._object(residue, index, token)
        if mode == L.M_ARRAY:
            return self._array(residue)
        if mode == L.M_STRING:
            own = self._string(residue)
            return own if own < _NO_BOUND else self._rest_of(residue, lexeme, index, token)
        if mode == L.M_NUMBER:
            return max(map(len, machine.finish_number(lexeme).values()), default=_NO_BOUND)
        if mode == L.M_WORDS:
            words = list(machine.words(residue))
            self._far[residue] = min(map(len, words)) - self._vocabulary.max_token_bytes
            return self._most(self._literal(decode(word))[1:] for word in words) + _QUOTED
        if mode == L.M_DOC:
            return self._spaced(self._values(machine.network.root))
        return 5 if mode == L.M_LITERAL else 0

    def _string(self, row: int) -> int:
        """Return a bound for all states of a string."""
        own = self._strings.get(row)
        if own is None:
            spec, own = self._machine.string_row(row), _NO_BOUND
            words = self._machine.words_beside(row)
            if not spec[L.S_KIND] and not words:
                rest = self._rest(spec[L.S_START], self._machine.network.demands, 1)
                own = _QUOTED + self._missing(spec) + rest
            elif self._is_free(row):
                # so many more characters can be written in more ways than there are words
                own = _QUOTED + self._missing(spec) + words.bit_length()
            self._strings[row] = own
        return own

    def _missing(self, spec: list[int]) -> int:
        """Return a bound for the characters that a string still lacks, whatever they are."""
        return self._most([b" " * spec[L.S_LEAST]]) if spec[L.S_LEAST] > 0 else 0

    def _rest_of(self, row: int, lexeme: int, index: int, token: int) -> int:
        """Return a bound for a state of a string, to which a token leads from a state."""
        machine, written = self._machine, 0
        spec = machine.string_row(row)
        if spec[L.S_WORDS] >= 0 or lexeme & L.STATE_BITS == L.NO_STATE:
            return _NO_BOUND
        if lexeme >> L.ESCAPE_SHIFT & 15:
            # the completion is no longer than by way of any of the characters that it may become
            index = index if token < 0 else machine.after_token(index, token)
            ways = ((way, machine.after(index, way)) for way in escape_rests(machine, index))
            way, after = next((one for one in ways if one[1] >= 0), (b"", index))
            lexeme, written = int(machine.registers(after)[L.LEX]), len(way)
        rests = list(machine.finish_string(lexeme & L.STATE_BITS).values())
        if lexeme >> L.ESCAPE_SHIFT & 15 or not rests or (written and len(rests) > 1):
            return _NO_BOUND
        texts = [self._literal(decode(rest.lstrip(_INSIDE)))[1:] for rest in rests]
        own = max(map(len, texts)) if written else self._most(texts)
        return written + len(_BROKEN) + own + self._missing(spec)

    def _rest(self, start: int, demands: Callable[[int], Collection[int]], need: int) -> int:
        """Return in how many bytes a string or key has `need` rests from each state of its automaton."""
        if start == StringPool.FREE:
            return 0
        if start < 0:  # no key may come yet: what may is known when the state is met
            return _NO_BOUND
        found = self._machine.automaton(start, _STATES)
        if found is None:
            return _NO_BOUND
        outcomes = [(outcome, demands(outcome)) for outcome in np.unique(found[1]).tolist() if outcome >= 0]
        size = longest_rest(*found, outcomes, need, ascii=self._literal is ascii_string)
        return _NO_BOUND if size is None else size

    def _below(self, frame: int) -> int:
        """Return a bound for what follows the value in a frame."""
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
        return total

    def _tail(self, row: int, key: int) -> int:
        """Return a bound for what follows a value in an object or an array (key -1)."""
        machine = self._machine
        if key == -1:
            menu = machine.network.items(machine.residue(row))
            is_open = machine.watches(row) and (menu.unread or not menu.closes_next)
            return _NO_BOUND if menu.item is None or is_open else self._after(row, None, menu.item)
        simple = machine.network.simple(machine.residue(row))
        return (
            self._plain(simple)[1]
            if simple is not None
            else self._after(row, machine.key(row, key), machine.child_place(row, key))
        )

    def _after(self, row: int, key: Key, place: int) -> int:
        """Return a bound for what follows a value of a place, whichever of its demands it meets."""
        network, residue = self._machine.network, self._machine.residue(row)
        if key is not None and network.owes_keys(residue):
            return _NO_BOUND  # the keys that the object holds say which come
        rests = (network.finish_with(residue, key, {j: b""}) for j in network.finish_place(place))
        return self._spaced(text for rest in rests for text in rest.values())

    # --- objects and arrays ---------------------------------------------------------------------------------

    def _object(self, row: int, index: int, token: int) -> int:
        """Return a bound for the states of an object, to one of which a token leads from a state."""
        simple = self._machine.network.simple(self._machine.residue(row))
        return self._union(row, index, token) if simple is None else self._plain(simple)[0]

    def _plain(self, simple: SimpleObject) -> tuple[int, int]:
        """Return a bound for the states of an object in which only the declared keys matter, and one for what
        follows a value in it. Worked out once for all of its residues."""
        mark = id(simple.places), simple.extra, simple.ordered
        known = self._objects.get(mark)
        if known is None:
            self._objects[mark] = known = (*self._simple(simple), simple.places)
        return known[:2]

    def _simple(self, simple: SimpleObject) -> tuple[int, int]:
        heads = [b"," + self._literal(name) + b":" for name in simple.names]
        members = [
            [head + text for text in self._values(place)] if place >= 0 else []
            for head, place in zip(heads, simple.places, strict=True)
        ]
        needed = [
            min(texts, key=len)
            for texts, required in zip(members, simple.required, strict=True)
            if required and texts
        ]
        # Of members in their order the last ones are left; of others, any.
        ordered = simple.ordered == len(simple.names)
        rest = (
            self._spaced([b"".join(needed) + b"}"]) if ordered else 1 + sum(self._spaced([t]) for t in needed)
        )
        most = self._escape + self._spaced((text for texts in members for text in texts), 0)
        if simple.extra >= 0:
            most = max(
                most, _QUOTED + _NAME + self._spaced(b":" + text for text in self._values(simple.extra))
            )
        return most + rest, rest

    def _union(self, row: int, index: int, token: int) -> int:
        """Return a bound for the states of an object whose keys decide what else it needs."""
        machine = self._machine
        network, residue = machine.network, machine.residue(row)
        if network.owes_keys(residue):
            return _NO_BOUND
        menu = network.menu(residue)
        most = self._spaced(network.finish(residue).values())
        if menu.extra is not None:
            key = self._key(row, menu.extra, index, token)
            for formulas, place in menu.extra_places.items():
                value = self._spaced(b":" + text for text in self._values(place))
                most = max(most, key + value + self._after(row, formulas, place))
        for name, place in menu.named.items():
            head = b"," + self._literal(name) + b":"
            member = self._spaced(head + text for text in self._values(place))
            most = max(most, self._escape + member + self._after(row, name, place))
        return most

    def _key(self, row: int, spec: Spec, index: int, token: int) -> int:
        """Return a bound for the rest of a key that is not named, of an object to which a token leads."""
        machine = self._machine
        if spec.judge is not None:
            return _NO_BOUND
        if machine.extra_start(row) is None:
            machine.next_bytes(index if token < 0 else machine.after_token(index, token))
        start = machine.extra_start(row)
        return _NO_BOUND if start is None else _QUOTED + self._rest(start, machine.group, _NAMES)

    def _array(self, row: int) -> int:
        machine = self._machine
        network, residue = machine.network, machine.residue(row)
        menu = network.items(residue)
        if (menu.values or machine.watches(row)) and not menu.closes_next:
            return _NO_BOUND
        most = self._spaced(network.finish(residue).values()) if menu.close is not None else 0
        if menu.item is None:
            return most
        values = self._values(menu.item)
        if menu.unread:
            # where one of them was written before, one that differs from it is
            for text in values[:]:
                place = network.items(network.read_as(residue, text)).item
                values += [] if place is None else self._values(place)
        item = self._spaced(b"," + text for text in values)
        return max(most, item + self._after(row, None, menu.item))

    def _values(self, place: int) -> list[bytes]:
        """Return the shortest values of a place; of objects and arrays too, where they are not the shortest
        (behind so many blanks that no other value may follow)."""
        network = self._machine.network
        texts = list(network.finish_place(place).values())
        entry = network.entry(place)
        for bracket, residue in ((b"{", entry.object), (b"[", entry.array)):
            if residue is not None and not all(text.startswith(bracket) for text in texts):
                texts += [bracket + text for text in network.finish(residue).values()]
        return texts

    # --- tokens ---------------------------------------------------------------------------------------------

    def _spaced(self, texts: Iterable[bytes], least: int = _NO_BOUND) -> int:
        """Return `_most` of compact texts, spaced as the policy asks; `least` where there are none."""
        one = self._machine.space[0] == L.SPACE_ONELINE
        return self._most(map(one_line, texts) if one else texts, least)

    def _most(self, texts: Iterable[bytes], least: int = _NO_BOUND) -> int:
        """Return the most tokens that a rest of any of some texts takes: no more than it has bytes."""
        ordered = sorted(texts, key=len, reverse=True)
        most = 0 if ordered else least
        if ordered and len(ordered[0]) <= self._short:
            return len(ordered[0])
        for first in range(0, len(ordered), _TOGETHER):
            some = ordered[first : first + _TOGETHER]
            if len(some[0]) <= most:
                break
            most = max(most, self._count(some))
        return most

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
        assert not failed, "a vocabulary that can write every byte"
        return int(costs.max())


_INSIDE: Final = bytes(range(0x80, 0xC0))
"""The bytes behind the first of a character, of which at most three are to come."""
_BROKEN: Final = _INSIDE[:3]
_BY_STATE: Final = (L.M_STRING, L.M_NUMBER)
_QUOTED_MODES: Final = (L.M_KEY, L.M_STRING, L.M_WORDS)
_CONTAINERS: Final[Mapping[int, int]] = {
    **dict.fromkeys((L.M_OBJECT, L.M_COLON, L.M_VALUE, L.M_MEMBER, L.M_KEYS, L.M_KEY), L.M_OBJECT),
    **dict.fromkeys((L.M_ARRAY, L.M_ITEM, L.M_NEXT), L.M_ARRAY),
}


def _tokens_of(words: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Return the tokens of a row of bits."""
    some = np.flatnonzero(words)
    bits = np.unpackbits(words[some].view(np.uint8), bitorder="little")
    which, bit = np.divmod(np.flatnonzero(bits), 32)
    found: npt.NDArray[np.int32] = (32 * some[which] + bit).astype(np.int32)
    return found


@lru_cache(maxsize=4)
def _with_quote(vocabulary: Vocabulary) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int32]]:
    """Return which tokens have a quote, and the same as a row of bits."""
    quotes = np.concatenate([[0], np.cumsum(vocabulary.token_data == _QUOTE)])
    found: npt.NDArray[np.bool_] = np.diff(quotes[vocabulary.token_offset]) > 0
    bits = np.zeros(32 * vocabulary.words, np.bool_)
    bits[: len(found)] = found
    return found, np.packbits(bits, bitorder="little").view(np.int32)


def _place_of(regs: list[int]) -> _Place:
    """Return the place of registers."""
    container = _CONTAINERS.get(regs[L.MODE])
    if container is not None:
        return container, regs[L.RES], 0, regs[L.FRAME], -1
    return regs[L.MODE], regs[L.RES], regs[L.LEX], regs[L.FRAME], -1

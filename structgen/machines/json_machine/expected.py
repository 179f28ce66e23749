"""`list_expected` describes in words what may come next in a document, and which schemas ask for it.

- An *item* is one continuation in words, e.g. `the key "name" (required)`, with its sources and first bytes.
- The *sources* of an item are the JSON pointers of the schemas that ask for it.
- The *rank* of an item orders the list: required keys first, the end of the document last (_URGENT, ...).
- A key is *owed* while it is required and not written.

The words come from a state and the states after it: their registers name the value that is being read, and
the network has its meaning. Each item has at least one allowed byte, and each allowed byte has an item.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice

from structgen.automata.strings.live_strings import LiveState
from structgen.automata.unicode.decoded_text import decode_text
from structgen.base.language.expectation import Expected
from structgen.base.printable import byte_runs
from structgen.machines.json_machine.inspection import Inspection
from structgen.machines.json_machine.tables import json_blocks as L
from structgen.machines.json_machine.tables.json_blocks import StringRow
from structgen.schema.meaning import wording
from structgen.schema.reading.json_values import ascii_string, json_string

MOST = 20
"""The most keys and values that are listed one by one. The others are counted in one item."""

_SPACE = b" \t\n\r"
_NUMERAL = b"0123456789+-.eE"
_LITERALS = ("true", "false", "null")
_URGENT, _VALUE, _MARK, _BLANK, _END = range(5)
"""The ranks: owed keys and items, keys and values, punctuation, white space, the end of the document."""


def list_expected(machine: Inspection, index: int) -> list[Expected]:
    """Return the items that may follow a state, by rank, then alphabetically. Empty after an end token.

    At most 20 keys and values are listed; one more item counts the others. The caller holds the grammar's
    lock. Cost: a fraction of a millisecond, more where an object has thousands of keys.
    """
    if machine.registers(index).mode == L.M_FINISHED:
        return []
    reading = _Reading(machine, index)
    reading.collect_items()
    items = sorted(reading.items.items())
    # Keys and values have the lowest ranks, so they are the first. Beyond MOST they become one item.
    value_count = sum(rank <= _VALUE for (rank, _), _ in items)
    if value_count > MOST:
        first_bytes = [first for _, (_, first) in items[MOST:value_count]]
        rest = set[int]().union(*first_bytes)
        items[MOST:value_count] = [((_VALUE, f"one of {value_count - MOST} others"), ({}, rest))]
    in_string = reading.live is not None
    return [
        Expected(
            wording_of_item,
            tuple(islice(sources, wording.MOST_TOLD)),
            bytes(sorted(first)),
            in_string=in_string,
        )
        for (_, wording_of_item), (sources, first) in items
    ]


class _Reading:
    """The value that is being read in a state, and the items that are found for it."""

    def __init__(self, machine: Inspection, index: int) -> None:
        self.machine = machine
        self.index = index
        registers = machine.registers(index)
        self.mode = registers.mode
        self.row = registers.residue
        self.lexeme = registers.lexeme
        self.position = registers.position
        self.frame = registers.frame
        self._escape = (self.lexeme >> L.ESCAPE_SHIFT) & 15
        self.place = machine.place_in(self.frame)
        """The place of the innermost value that has begun: a scalar, or a container between its tokens."""
        self.sources = machine.sources(self.place)
        self.after = dict(machine.after_each(index, machine.next_bytes(index)))
        """Each allowed byte -> the state after it."""
        self.items: dict[tuple[int, str], tuple[dict[str, None], set[int]]] = {}
        """(rank, words) of an item -> its sources and its first bytes."""
        self.live: LiveState | None = None
        """The live state of a string that must be a text of a grammar; None for all other values."""
        if self.mode == L.M_STRING and (state := machine.string_state(index)) >= 0:
            self.live = machine.strings.is_live(state)
        self._going_on: dict[str, set[int]] = {}
        """The next two characters of a word -> the answer of `_bytes_of_word`."""

    def add_item(
        self, wording_of_item: str, sources: Iterable[str], first: Iterable[int], rank: int = _VALUE
    ) -> None:
        """Add an item if one of its first bytes is allowed. Items with the same words and rank are merged.

        `wording_of_item`: its words; `sources`: the JSON pointers of the schemas that ask for it; `first`:
        the bytes with which it may begin; `rank`: its rank in the list. For example
        `add_item('"}"', self.sources, b"}", _MARK)` adds the brace that closes an object.
        """
        bytes_allowed = self.after.keys() & set(first)
        if bytes_allowed:
            # a dict instead of a set keeps the sources in their order
            item_sources, item_bytes = self.items.setdefault((rank, wording_of_item), ({}, set()))
            item_sources.update(dict.fromkeys(sources))
            item_bytes.update(bytes_allowed)

    def collect_items(self) -> None:
        """Find all items."""
        if self.mode in (L.M_STRING, L.M_WORDS, L.M_KEY):
            # a quote closes the text only between two characters, or after a high surrogate that stands alone
            closing = self.after.keys() & b'"' if self._escape in (0, 6) else set[int]()
            rest = bytes(byte for byte in self.after if byte not in closing)
            if self.mode == L.M_KEY:
                self._inside_key(closing, rest)
            else:
                self._inside_string(closing, rest)
            # Every allowed byte has an item, also one that no description covers.
            bytes_explained = set[int]().union(*(first for _, first in self.items.values()))
            self.add_item("more of the string", (), self.after.keys() - bytes_explained)
        elif self.mode == L.M_LITERAL:
            self.add_item(_LITERALS[self.lexeme >> 4], self.sources, self.after)
        else:
            self._between_tokens()
        if self.machine.may_end(self.index):
            self.items[_END, "the end of the document"] = ({}, set())

    # --- between tokens, and in numerals ---

    def _between_tokens(self) -> None:
        """Find the items of a state between tokens of JSON, or in a numeral, which may end here."""
        machine, holder = self.machine, self.place
        space = bytes(byte for byte in self.after if byte in _SPACE)
        space_name = {b" ": "a blank", b"\n": "a line break"}.get(space, "white space")
        self.add_item(space_name, (), space, _BLANK)
        bytes_explained = set(space)
        if self.mode == L.M_NUMBER:
            # brackets and commas after a numeral belong to what holds it
            holder = -1
            if self.frame >= 0:
                _residue, _extras, _key, frame_below = machine.frame(self.frame)
                holder = machine.place_in(frame_below)
            digits = bytes(byte for byte in self.after if byte in _NUMERAL)
            whole = " or ".join(wording.number_descriptions(machine.network.entry(self.place)))
            self.add_item(_name_characters(digits, whole), self.sources, digits)
            bytes_explained.update(digits)
        # Bytes that begin the same kind of value: its mode, and which literal it is.
        first_bytes: dict[tuple[int, int], list[int]] = {}
        for byte, state in self.after.items():
            if byte in b"]}":
                self.add_item(f'"{chr(byte)}"', machine.sources(holder), (byte,), _MARK)
            elif byte == b","[0]:
                self._add_comma(state, machine.sources(holder))
            elif byte == b":"[0]:
                self.add_item('":"', (), b":", _MARK)
            elif byte not in bytes_explained:
                registers = machine.registers(state)
                mode = registers.mode
                literal = registers.lexeme >> 4 if mode == L.M_LITERAL else 0
                first_bytes.setdefault((mode, literal), []).append(byte)
        for (mode, literal), first in first_bytes.items():
            if mode == L.M_KEY:
                self._add_keys()
            else:
                self._add_values(mode, _LITERALS[literal], first)

    def _add_values(self, mode: int, literal: str, first: list[int]) -> None:
        """Add the values of one kind: `mode` is their mode, `literal` its text, `first` their first bytes."""
        machine = self.machine
        state = self.after[first[0]]  # all of them lead to states of one place
        place = machine.place_in(machine.registers(state).frame)
        entry = machine.network.entry(place)
        match mode:
            case L.M_NUMBER:
                words = wording.number_descriptions(entry)
            case L.M_STRING:
                words = wording.string_descriptions(entry)
            case L.M_WORDS:
                words = _word_descriptions(_matching_words(machine, state))
            case L.M_LITERAL:
                words = [literal]
            case _:
                words = ["an object" if first == [*b"{"] else "an array"]
        for wording_of_item in words:
            self.add_item(wording_of_item, machine.sources(place), first)

    def _add_comma(self, state: int, sources: Iterable[str]) -> None:
        """Add the comma in a container, with what is owed after it. `state`: the state after the comma."""
        machine = self.machine
        registers = machine.registers(state)
        keys = registers.mode == L.M_KEYS
        missing, missing_count = machine.network.owed_keys(machine.residue(registers.residue))
        wording_of_item = '","'
        rank = _MARK
        # Required keys, or a number of members or items, make the comma urgent.
        if missing:
            several = "keys" if len(missing) > 1 else "key"
            key_list = wording.list_words(map(wording.quote_text, missing), " and ")
            wording_of_item = f"{wording_of_item} (the {several} {key_list} must still come)"
            rank = _URGENT
        elif missing_count and (b"}" if keys else b"]")[0] not in self.after:
            unit = "more member" if keys else "more item"
            count = wording.describe_count(missing_count, None, unit)
            wording_of_item = f"{wording_of_item} ({count} must come)"
            rank = _URGENT
        self.add_item(wording_of_item, sources, b",", rank)

    # --- keys ---

    def _add_keys(self) -> None:
        """Add the keys that may come, at the quote that opens them."""
        residue = self.machine.residue(self.row)
        for name in self.machine.network.menu(residue).names:
            sources, rank = self._demand_of_key(residue, name)
            suffix = " (required)" if rank == _URGENT else ""
            self.add_item(f"the key {wording.quote_text(name)}{suffix}", sources, b'"', rank)
        for words, sources in self._unlisted_keys(residue):
            for wording_of_item in words:
                self.add_item(wording_of_item, sources or self.sources, b'"')

    def _demand_of_key(self, residue: int, name: str) -> tuple[tuple[str, ...], int]:
        """Return the sources of a named key, and its rank. `residue`: that of its object."""
        network = self.machine.network
        sources = self.machine.sources(network.menu(residue).names[name])
        if name in network.owed_keys(residue)[0]:
            return (*self.sources, *sources), _URGENT
        return sources or self.sources, _VALUE

    def _unlisted_keys(self, residue: int) -> Iterator[tuple[list[str], tuple[str, ...]]]:
        """Yield the kinds of extra keys: descriptions in words, and the sources of their values."""
        for formula, place in self.machine.network.unnamed_keys(residue):
            some = partial(wording.describe_strings, some=self._any_key(residue))
            yield wording.describe_formulas((formula,), some), self.machine.sources(place)

    def _any_key(self, residue: int) -> str:
        """Return the words for any extra key, which the schema does not name."""
        known_keys = self.machine.network.keys(residue)
        return "a key that the schema does not name" if known_keys else "a key"

    def _inside_key(self, closing: Iterable[int], rest: bytes) -> None:
        """Add how a key goes on: with a quote (`closing`), or with another byte (`rest`)."""
        machine = self.machine
        residue = machine.residue(self.row)
        names = machine.network.menu(residue).names
        for byte in closing:
            key = machine.registers(self.after[byte]).lexeme
            sources = machine.sources(machine.child_place(self.row, key))
            self.add_item("the closing quote", sources or self.sources, closing)
        # `position` below 0: no named key begins with what is written.
        names_left: Iterable[tuple[int, bytes]] = ()
        if self.position >= 0:
            names_left = machine.words_with_prefix(machine.key_list(self.row), self.position)
        for _index, word in names_left:
            name = decode_text(word)
            if name in names:
                sources, rank = self._demand_of_key(residue, name)
                name_of_key = f"more of the key {wording.quote_text(name)}"
                self.add_item(name_of_key, sources, self._bytes_of_word(word).intersection(rest), rank)
        # After these bytes the automaton of extra keys goes on, too.
        states = {byte: machine.registers(self.after[byte]).lexeme & L.STATE_BITS for byte in rest}
        extra = [byte for byte, state in states.items() if state != L.NO_STATE]
        if extra:
            kinds = list(self._unlisted_keys(residue))
            sources = tuple(source for _, kind_sources in kinds for source in kind_sources) or self.sources
            descriptions = [self._any_key(residue)]
            if len(kinds) == 1:
                descriptions, _ = kinds[0]
            for description in descriptions:
                self.add_item(f"more of {description}", sources, extra)

    # --- strings ---

    def _inside_string(self, closing: Iterable[int], rest: bytes) -> None:
        """Add how a string goes on: with a quote (`closing`), or with another byte (`rest`)."""
        is_listed = self.mode == L.M_WORDS
        descriptions: list[str] = []
        if not is_listed:
            descriptions = wording.string_descriptions(self.machine.network.entry(self.place))
        whole = " or ".join(descriptions) if descriptions != ["a string"] else ""
        # Where the string must end, the item says which string it is.
        ending = f" of {whole}" if whole and not rest else ""
        self.add_item(f"the closing quote{ending}", self.sources, closing)
        if is_listed:
            matching = _matching_words(self.machine, self.index)
            bytes_of_words = {word: self._bytes_of_word(word).intersection(rest) for word in matching}
            all_bytes = set[int]().union(*bytes_of_words.values())
            words_going_on = [word for word, following in bytes_of_words.items() if following]
            for description in _word_descriptions(words_going_on):
                self.add_item(description, self.sources, all_bytes)
        elif self._escape:
            self.add_item("an escape sequence", self.sources, rest)
        elif all(byte & 0xC0 == 0x80 for byte in rest):  # continuation bytes of UTF-8
            self.add_item("the next byte of a character in UTF-8", self.sources, rest)
        elif self.live is None or not self._rest_of_texts(self.live):
            wording_of_item = self._more_characters() or whole or "more of the string"
            self.add_item(_name_characters(rest, wording_of_item), self.sources, rest)

    def _rest_of_texts(self, live: LiveState) -> bool:
        """Add how texts of grammars go on. Returns whether the string can only be such a text."""
        for way, at in live.alive_ways():
            for way_on in way.reader.expected(at):
                # A quote, a backslash and a control character are written as escapes, which begin with a
                # backslash (92). Other characters may be.
                first = {byte if byte >= 32 and byte not in b'"\\' else 92 for byte in way_on.first}
                self.add_item(way_on.what, self.sources, first and first | {92})
        return live.regular < 0

    def _more_characters(self) -> str:
        """Return the length of the rest of a string, in words; "": its length has no bounds."""
        row = self.machine.string_row(self.row)
        min_length = row[StringRow.min_length]
        max_length = row[StringRow.max_length]
        length = self.position
        if not min_length and max_length < 0:
            return ""
        at_most = max_length - length if max_length >= 0 else None
        remaining = wording.describe_count(max(min_length - length, 0), at_most, "more character")
        return remaining or "more of the string"

    def _bytes_of_word(self, word: bytes) -> set[int]:
        """Return the bytes with which a listed word or key may go on.

        Empty where the escape that is being written does not belong to the word.
        """
        offset = self.position & L.POSITION_BITS
        if offset < len(word) and word[offset] & 0xC0 == 0x80:
            return {word[offset]}  # inside a character: its next byte
        # The next character decides; where it is a high surrogate, the one after it, too. Words that go on
        # with the same two characters have one answer.
        rest = decode_text(word[offset:])[:2]
        if rest not in self._going_on:
            escape_prefix = _begun_escape(self.lexeme)
            first = self._going_on[rest] = set()
            for text in _first_spellings(rest):
                rest_of_escape = text.removeprefix(escape_prefix)
                if not rest_of_escape or not text.startswith(escape_prefix):
                    continue
                if self.machine.state_after(self.index, rest_of_escape) >= 0:
                    first.update(rest_of_escape[:1])
                    if text.startswith(b"\\"):  # a hexadecimal digit of an escape in either case
                        first.update(rest_of_escape[:1].upper())
        return self._going_on[rest]


# --- listed strings and keys ---


def _word_descriptions(words: Iterable[bytes]) -> list[str]:
    """Return a description of listed strings as a list of one text; no words: an empty list."""
    quoted_words = [wording.quote_text(decode_text(word)) for word in words]
    return [wording.list_words(quoted_words)] if quoted_words else []


def _matching_words(machine: Inspection, index: int) -> Iterator[bytes]:
    """Return an iterator over the listed strings that begin with what is written (`decoded_text`)."""
    registers = machine.registers(index)
    words = machine.string_row(registers.residue)[StringRow.start]
    return (word for _at, word in machine.words_with_prefix(words, registers.position))


def _first_spellings(rest: str) -> list[bytes]:
    """Return the ways to write the first character of the rest of a word, or the quote that ends it.

    A lone high surrogate (0xD800 to 0xDBFF) comes with what follows, which tells it from half a pair. For
    example, "/" is written `/`, `\\u002f` or `\\/`.
    """
    if not rest:
        return [b'"']
    # of a character beyond ASCII this is one or two escapes, of 16-bit units
    escape_text = f"\\u{ord(rest[0]):04x}".encode() if rest[0].isascii() else ascii_string(rest[0])[1:-1]
    if not "\ud800" <= rest[0] < "\udc00":
        spellings = [json_string(rest[0])[1:-1], escape_text]
        return [*spellings, b"\\/"] if rest[0] == "/" else spellings
    if "\ud800" <= rest[1:2] < "\udc00":
        return [escape_text + f"\\u{ord(rest[1]):04x}".encode()]
    return [escape_text + text for text in _first_spellings(rest[1:])]


def _begun_escape(lex: int) -> bytes:
    """Return the text of an escape that is written so far, in lower case.

    `lex`: the register `lexeme`. Its bits from ESCAPE_SHIFT on are the escape's state. Those from 32 on are
    the value of the digits; those from 48 on, the low ten bits of a high surrogate.
    """
    # states 6 to 11: a high surrogate is written; then as 0 to 5
    escape = (lex >> L.ESCAPE_SHIFT) & 15
    value = (lex >> 32) & 0xFFFF
    high = (lex >> 48) & 0x3FF
    first_unit = f"\\u{0xD800 + high:04x}" if escape >= 6 else ""
    # 0 to 5 characters of the escape are written: a backslash, a u, digits
    written_count = escape % 6
    unit = f"\\u{value:0{max(written_count - 2, 1)}x}"
    return (first_unit + unit[:written_count]).encode()


def _name_characters(following: bytes, whole: str) -> str:
    """Return the characters that may come next in a value, and its description: `a digit (an integer)`.
    Where they are many, or not ASCII, the description alone."""
    runs = byte_runs(following)
    if not runs or following[-1] >= 127 or len(runs) > 6:
        return whole
    parts = []
    for low, high in runs:
        if (low, high) == (48, 57):
            parts.append("a digit")
        elif high - low < 2:
            parts += [json.dumps(chr(byte)) for byte in range(low, high + 1)]
        else:
            parts.append(f"{json.dumps(chr(low))} to {json.dumps(chr(high))}")
    return f"{wording.join_words(parts, ' or ')} ({whole})"

"""What may come next in a document, in words, and which places of the schema ask for it.

Everything is told from a state and the states behind it: their registers say what is being read, the network
what that may mean. An item stands in the list only with bytes that are allowed, and every allowed byte has an
item.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice

from structgen.automata.strings.live_strings import LiveState
from structgen.automata.unicode.decoded_text import decode
from structgen.base.language.expectation import Expected
from structgen.base.printable import byte_runs
from structgen.machines.json_machine.inspection import Inspection
from structgen.machines.json_machine.tables import json_blocks as L
from structgen.machines.json_machine.tables.json_blocks import StringRow
from structgen.schema.meaning import wording
from structgen.schema.reading.json_values import json_string

MOST = 20
"""Keys and values listed one by one; the others are counted."""

_SPACE = b" \t\n\r"
_NUMERAL = b"0123456789+-.eE"
_LITERALS = ("true", "false", "null")
_URGENT, _VALUE, _MARK, _BLANK, _END = range(5)
"""The order of the list: what is owed, what may come, punctuation, white space, the end."""


def expected(machine: Inspection, index: int) -> list[Expected]:
    """Return what may follow a state: what is owed first, then alphabetically; up to 20 keys and values, and
    an item that counts the others. Empty after an end token.

    The grammar's lock is held by the caller. For messages, not for speed: a fraction of a millisecond, more
    where an object has thousands of keys.
    """
    if machine.registers(index).mode == L.M_FINISHED:
        return []
    reading = _Reading(machine, index)
    reading.collect()
    items = sorted(reading.items.items())
    many = sum(rank <= _VALUE for (rank, _), _ in items)
    if many > MOST:
        rest = set[int]().union(*(first for _, (_, first) in items[MOST:many]))
        items[MOST:many] = [((_VALUE, f"one of {many - MOST} others"), ({}, rest))]
    return [
        Expected(
            what,
            tuple(islice(sources, wording.MOST_TOLD)),
            bytes(sorted(first)),
            in_string=reading.live is not None,
        )
        for (_, what), (sources, first) in items
    ]


class _Reading:
    """What is being read in a state, and how it goes on."""

    def __init__(self, machine: Inspection, index: int) -> None:
        self.machine, self.index = machine, index
        self.mode, self.row, _, _, self.lex, self.at, _, self.frame = machine.registers(index)
        self._escape = (self.lex >> L.ESCAPE_SHIFT) & 15
        self.place = machine.place_in(self.frame)
        """The place of the innermost value begun: a terminal, or a container between its tokens."""
        self.sources = machine.sources(self.place)
        self.after = dict(machine.after_each(index, machine.next_bytes(index)))
        """The states after the bytes that are allowed."""
        self.items: dict[tuple[int, str], tuple[dict[str, None], set[int]]] = {}
        """Rank and words, with their places and bytes."""
        self.live: LiveState | None = None
        """What is being read of texts of grammars."""
        if self.mode == L.M_STRING and (state := machine.string_state(index)) >= 0:
            self.live = machine.strings.is_live(state)
        self._going_on: dict[str, set[int]] = {}
        """What `_next` found, by the next two characters."""

    def add(self, what: str, sources: Iterable[str], first: Iterable[int], rank: int = _VALUE) -> None:
        """Add an item if one of its bytes is allowed; items of the same words are one."""
        allowed = self.after.keys() & set(first)
        if allowed:
            known, had = self.items.setdefault((rank, what), ({}, set()))
            known.update(dict.fromkeys(sources))
            had.update(allowed)

    def collect(self) -> None:
        """Find all items."""
        if self.mode in (L.M_STRING, L.M_WORDS, L.M_KEY):
            closing = self.after.keys() & b'"' if self._escape in (0, 6) else set[int]()
            rest = bytes(byte for byte in self.after if byte not in closing)
            if self.mode == L.M_KEY:
                self._inside_key(closing, rest)
            else:
                self._inside_string(closing, rest)
            told = set[int]().union(*(first for _, first in self.items.values()))
            self.add("the rest of the string", (), self.after.keys() - told)
        elif self.mode == L.M_LITERAL:
            self.add(f"the rest of {_LITERALS[self.lex >> 4]}", self.sources, self.after)
        else:
            self._between_tokens()
        if self.machine.may_end(self.index):
            self.items[_END, "the end of the document"] = ({}, set())

    # --- between tokens, and in numerals ---

    def _between_tokens(self) -> None:
        machine, holder = self.machine, self.place
        space = bytes(byte for byte in self.after if byte in _SPACE)
        self.add({b" ": "a blank", b"\n": "a line break"}.get(space, "white space"), (), space, _BLANK)
        told = set(space)
        if self.mode == L.M_NUMBER:
            holder = machine.place_in(machine.frame(self.frame)[3]) if self.frame >= 0 else -1
            digits = bytes(byte for byte in self.after if byte in _NUMERAL)
            whole = " or ".join(wording.numbers(machine.network.entry(self.place)))
            self.add(f"the rest of {whole}{_hint(digits)}", self.sources, digits)
            told.update(digits)
        begun: dict[tuple[int, int], list[int]] = {}
        for byte, state in self.after.items():
            if byte in b"]}":
                self.add(f'"{chr(byte)}"', machine.sources(holder), (byte,), _MARK)
            elif byte == b","[0]:
                self._comma(state, machine.sources(holder))
            elif byte == b":"[0]:
                self.add('":"', (), b":", _MARK)
            elif byte not in told:
                registers = machine.registers(state)
                mode = registers.mode
                literal = registers.lexeme >> 4 if mode == L.M_LITERAL else 0
                begun.setdefault((mode, literal), []).append(byte)
        for (mode, literal), first in begun.items():
            if mode == L.M_KEY:
                self._keys()
            else:
                self._value(mode, _LITERALS[literal], first)

    def _value(self, mode: int, literal: str, first: list[int]) -> None:
        """Add the values that begin with some bytes."""
        machine, state = self.machine, self.after[first[0]]
        place = machine.place_in(machine.registers(state).frame)
        entry = machine.network.entry(place)
        match mode:
            case L.M_NUMBER:
                words = wording.numbers(entry)
            case L.M_STRING:
                words = wording.strings(entry)
            case L.M_WORDS:
                words = _listed(_words(machine, state))
            case L.M_LITERAL:
                words = [literal]
            case _:
                words = ["an object" if first == [*b"{"] else "an array"]
        for what in words:
            self.add(what, machine.sources(place), first)

    def _comma(self, state: int, sources: Iterable[str]) -> None:
        """Add the comma inside a container, and what makes it necessary."""
        machine = self.machine
        registers = machine.registers(state)
        keys = registers.mode == L.M_KEYS
        missing, more = machine.network.owed(machine.residue(registers.residue))
        what, rank = '","', _MARK
        if missing:
            several = "keys" if len(missing) > 1 else "key"
            listed = wording.listing(map(wording.quoted, missing), " and ")
            what, rank = f"{what} (the {several} {listed} must still come)", _URGENT
        elif more and (b"}" if keys else b"]")[0] not in self.after:
            unit = "more member" if keys else "more item"
            what, rank = f"{what} ({wording.count(more, None, unit)} must come)", _URGENT
        self.add(what, sources, b",", rank)

    # --- keys ---

    def _keys(self) -> None:
        """Add the keys that may come, at the quote that opens them."""
        residue = self.machine.residue(self.row)
        for name in self.machine.network.menu(residue).named:
            sources, rank = self._asking(residue, name)
            required = " (required)" if rank == _URGENT else ""
            self.add(f"the key {wording.quoted(name)}{required}", sources, b'"', rank)
        for words, sources in self._unlisted(residue):
            for what in words:
                self.add(what, sources or self.sources, b'"')

    def _asking(self, residue: int, name: str) -> tuple[tuple[str, ...], int]:
        """Return who asks for a key, and its rank."""
        network = self.machine.network
        sources = self.machine.sources(network.menu(residue).named[name])
        if name in network.owed(residue)[0]:
            return (*self.sources, *sources), _URGENT
        return sources or self.sources, _VALUE

    def _unlisted(self, residue: int) -> Iterator[tuple[list[str], tuple[str, ...]]]:
        """Yield the keys without a name, in words, and the places of their values."""
        for formula, place in self.machine.network.unnamed(residue):
            some = partial(wording.string, some=self._some(residue))
            yield wording.describe((formula,), some), self.machine.sources(place)

    def _some(self, residue: int) -> str:
        named = self.machine.network.keys(residue)
        return "a key that the schema does not name" if named else "a key"

    def _inside_key(self, closing: Iterable[int], rest: bytes) -> None:
        machine = self.machine
        residue = machine.residue(self.row)
        named = machine.network.menu(residue).named
        for byte in closing:
            key = machine.registers(self.after[byte]).lexeme
            sources = machine.sources(machine.child_place(self.row, key))
            self.add("the closing quote", sources or self.sources, closing)
        for _at, word in machine.listed(machine.key_list(self.row), self.at) if self.at >= 0 else ():
            name = decode(word)
            if name in named:
                sources, rank = self._asking(residue, name)
                said = f"the rest of the key {wording.quoted(name)}"
                self.add(said, sources, self._next(word).intersection(rest), rank)
        states = {byte: machine.registers(self.after[byte]).lexeme & L.STATE_BITS for byte in rest}
        extra = [byte for byte, state in states.items() if state != L.NO_STATE]
        if extra:
            kinds = list(self._unlisted(residue))
            asking = tuple(source for _, sources in kinds for source in sources) or self.sources
            for what in kinds[0][0] if len(kinds) == 1 else [self._some(residue)]:
                self.add(f"the rest of {what}", asking, extra)

    # --- strings ---

    def _inside_string(self, closing: Iterable[int], rest: bytes) -> None:
        """Add how a string or a listed string goes on."""
        listed = self.mode == L.M_WORDS
        described = [] if listed else wording.strings(self.machine.network.entry(self.place))
        whole = " or ".join(described) if described != ["a string"] else ""
        # where it must end, what it is
        of_what = f" of {whole}" if whole and not rest else ""
        self.add(f"the closing quote{of_what}", self.sources, closing)
        if listed:
            first = {word: self._next(word).intersection(rest) for word in _words(self.machine, self.index)}
            for what in _listed(word for word, following in first.items() if following):
                self.add(f"the rest of {what}", self.sources, set[int]().union(*first.values()))
        elif self._escape:
            self.add("the rest of an escape", self.sources, rest)
        elif all(byte & 0xC0 == 0x80 for byte in rest):
            self.add("the rest of a character", self.sources, rest)
        elif self.live is None or not self._rest_of_texts(self.live):
            what = self._more_characters() or f"the rest of {whole or 'the string'}"
            self.add(what + _hint(rest), self.sources, rest)

    def _rest_of_texts(self, live: LiveState) -> bool:
        """Add how texts of grammars go on; return whether the string can be nothing else."""
        for way, at in live.alive():
            for way_on in way.reader.expected(at):
                # a quote, a backslash and a control character begin as an escape; others may
                first = {byte if byte >= 32 and byte not in b'"\\' else 92 for byte in way_on.first}
                self.add(way_on.what, self.sources, first and first | {92})
        return live.regular < 0

    def _more_characters(self) -> str:
        """Return how long the rest of a string is, in words; empty where its length is not bounded."""
        row = self.machine.string_row(self.row)
        least, most, written = row[StringRow.least], row[StringRow.most], self.at
        if not least and most < 0:
            return ""
        left = wording.count(max(least - written, 0), most - written if most >= 0 else None, "more character")
        return f"a string of {left}" if left else "the rest of the string"

    def _next(self, word: bytes) -> set[int]:
        """Return the bytes with which a listed word or key may go on; none where the escape that is being
        written is not one of it."""
        written = self.at & L.POSITION_BITS
        if written < len(word) and word[written] & 0xC0 == 0x80:
            return {word[written]}
        rest = decode(word[written:])[:2]
        if rest not in self._going_on:
            begun = _begun(self.lex)
            first = self._going_on[rest] = set()
            for text in _spellings(rest):
                left = text[len(begun) :]
                if left and text.startswith(begun) and self.machine.after(self.index, left) >= 0:
                    # a hexadecimal digit of an escape in either case
                    first.update(left[:1], left[:1].upper() if text.startswith(b"\\") else b"")
        return self._going_on[rest]


# --- listed strings and keys ---


def _listed(words: Iterable[bytes]) -> list[str]:
    """Return listed strings in words; none where there are none."""
    quoted = [wording.quoted(decode(word)) for word in words]
    return [wording.listing(quoted)] if quoted else []


def _words(machine: Inspection, index: int) -> Iterator[bytes]:
    """Yield the listed strings that agree with what is written in a state, as bytes (`decoded_text`)."""
    registers = machine.registers(index)
    words = machine.string_row(registers.residue)[StringRow.start]
    return (word for _at, word in machine.listed(words, registers.position))


def _spellings(rest: str) -> list[bytes]:
    """Return the ways of writing the first character of the rest of a word, or the quote that ends it; a high
    surrogate that stands alone together with what follows, which tells it from half a pair."""
    if not rest:
        return [b'"']
    units = rest[0].encode("utf-16-be", "surrogatepass").hex()
    spelled = "".join("\\u" + units[at : at + 4] for at in range(0, len(units), 4)).encode()
    if not "\ud800" <= rest[0] < "\udc00":
        return [json_string(rest[0])[1:-1], spelled, *[b"\\/"] * (rest[0] == "/")]
    if "\ud800" <= rest[1:2] < "\udc00":
        return [spelled + f"\\u{ord(rest[1]):04x}".encode()]
    return [spelled + text for text in _spellings(rest[1:])]


def _begun(lex: int) -> bytes:
    """Return what is written of an escape, in lower case (`lexeme`: escape state, digits, high surrogate)."""
    escape, value, high = (lex >> L.ESCAPE_SHIFT) & 15, (lex >> 32) & 0xFFFF, (lex >> 48) & 0x3FF
    before, begun = f"\\u{0xD800 + high:04x}" * (escape >= 6), escape % 6
    return (before + f"\\u{value:0{max(begun - 2, 1)}x}"[:begun]).encode()


def _hint(following: bytes) -> str:
    """Return the next characters in brackets where they are few, else nothing."""
    runs = byte_runs(following)
    if not runs or following[-1] >= 127 or len(runs) > 6:
        return ""
    parts = []
    for low, high in runs:
        if (low, high) == (48, 57):
            parts.append("a digit")
        elif high - low < 2:
            parts += [json.dumps(chr(byte)) for byte in range(low, high + 1)]
        else:
            parts.append(f"{json.dumps(chr(low))} to {json.dumps(chr(high))}")
    return f" (next: {', '.join(parts)})"

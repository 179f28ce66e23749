"""What may come next in a document, in words, and which places of the schema ask for it.

Everything is told from a state: its registers say what is being read, the network what that may mean, the
machine which bytes may really come. An item stands in the list only with bytes that are allowed, and every
allowed byte has an item.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice
from types import MappingProxyType

from structgen.automata.unicode.decoded_text import decode
from structgen.json_machine.answers import character_spelling
from structgen.json_machine.inspection import Inspection
from structgen.json_machine.tables import json_blocks as L
from structgen.language.expectation import Expected
from structgen.language.ir import All, ValueMenu
from structgen.printable import byte_runs
from structgen.schema.meaning import wording

MOST = 20
"""Keys and values listed one by one; the others are counted."""
_MOST_SOURCES = 8

_SPACE = b" \t\n\r"
_NUMERAL = b"0123456789+-.eE"
_FIRST_BYTES = MappingProxyType(
    {"an object": b"{", "an array": b"[", "true": b"t", "false": b"f", "null": b"n"}
)
_URGENT, _VALUE, _MARK, _BLANK, _END = range(5)
"""The order of the list: what is owed, what may come, punctuation, white space, the end."""


def expected(machine: Inspection, index: int, *, escapes: str) -> list[Expected]:
    """Return what may follow a state: what is owed first, then alphabetically; up to 20 keys and values, and
    an item that counts the others. Empty after an end token.

    The grammar's lock is held by the caller; `escapes` is the policy. For messages, not for speed: a fraction
    of a millisecond, more where an object has thousands of keys.
    """
    if int(machine.registers(index)[L.MODE]) == L.M_FINISHED:
        return []
    found = _Found(machine.next_bytes(index))
    _Reading(machine, index, escapes, found).collect()
    if machine.may_end(index):
        found.end()
    return found.items()


class _Reading:
    """What is being read in a state, and how it goes on."""

    def __init__(self, machine: Inspection, index: int, escapes: str, found: _Found) -> None:
        self.machine, self.index, self.escapes, self.found = machine, index, escapes, found
        self.regs = machine.registers(index)
        self.mode, self.row = int(self.regs[L.MODE]), int(self.regs[L.RES])
        self.place = machine.place_in(int(self.regs[L.FRAME]))
        """The place of the innermost value begun: a terminal, or a container between its tokens."""
        self.sources = machine.sources(self.place)

    def collect(self) -> None:
        """Find all items but the end."""
        mode, found, place = self.mode, self.found, self.place
        if mode in (L.M_STRING, L.M_WORDS):
            self._inside_string()
        elif mode == L.M_KEY:
            self._inside_key()
        elif mode == L.M_LITERAL:
            literal = ("true", "false", "null")[int(self.regs[L.LEX]) >> 4]
            found.add(f"the rest of {literal}", self.sources, found.allowed)
        if mode in (L.M_STRING, L.M_WORDS, L.M_KEY, L.M_LITERAL):
            return
        found.add(_space(found.allowed), (), _SPACE, _BLANK)
        if mode == L.M_NUMBER:
            self._inside_number()
        elif mode == L.M_COLON:
            found.add('":"', (), b":", _MARK)
        elif mode in (L.M_DOC, L.M_VALUE, L.M_NEXT):
            self._value()
        else:
            self._end_of_container(place)
            if mode == L.M_ARRAY:
                self._value()
            elif mode in (L.M_MEMBER, L.M_ITEM):
                self._comma(place)
            elif b'"'[0] in found.allowed:
                self._keys()

    # --- values ---

    def _value(self) -> None:
        """Add the values that may begin."""
        machine, mode, found = self.machine, self.mode, self.found
        place: int | None
        if mode == L.M_DOC:
            place = machine.network.root
        elif mode == L.M_VALUE:
            place = machine.child_place(self.row, int(self.regs[L.LEX]))
        else:
            place = machine.network.items(machine.residue(self.row)).item
        if place is None:
            return  # the array is full
        sources, entry = machine.sources(place), machine.network.entry(place)
        for what, first in _FIRST_BYTES.items():
            found.add(what, sources, first)
        if entry.number is not None:
            for what in wording.describe(entry.number.formulas, wording.number):
                found.add(what, sources, b"-0123456789")
        if entry.string is not None and b'"'[0] in found.allowed:
            opened = _Reading(machine, machine.after(self.index, b'"'), self.escapes, found)
            for what in opened.listed() if opened.mode == L.M_WORDS else _strings(entry):
                found.add(what, sources, b'"')

    def _inside_number(self) -> None:
        spec = self.machine.network.entry(self.place).number
        described = wording.describe(spec.formulas, wording.number) if spec is not None else ["a number"]
        digits = self.found.meet(_NUMERAL)
        self.found.add(f"the rest of {' or '.join(described)}{_hint(digits)}", self.sources, digits)
        frame = int(self.regs[L.FRAME])
        if frame >= 0:
            holder = self.machine.place_in(self.machine.frame(frame)[3])
            self._end_of_container(holder)
            self._comma(holder)

    def _end_of_container(self, holder: int) -> None:
        for mark in b"]}":
            self.found.add(f'"{chr(mark)}"', self.machine.sources(holder), bytes((mark,)), _MARK)

    def _comma(self, holder: int) -> None:
        """Add the comma inside a container, and what makes it necessary."""
        machine = self.machine
        after = machine.after(self.index, b",")
        if after < 0:
            return
        regs = machine.registers(after)
        keys = int(regs[L.MODE]) == L.M_KEYS
        missing, more = machine.network.owed(machine.residue(int(regs[L.RES])))
        what, rank = '","', _MARK
        if missing:
            several = "keys" if len(missing) > 1 else "key"
            listed = wording.listing(map(wording.quoted, missing), " and ")
            what, rank = f"{what} (the {several} {listed} must still come)", _URGENT
        elif more and (b"}" if keys else b"]")[0] not in self.found.allowed:
            unit = "more member" if keys else "more item"
            what, rank = f"{what} ({wording.count(more, None, unit)} must come)", _URGENT
        self.found.add(what, machine.sources(holder), b",", rank)

    # --- keys ---

    def _keys(self) -> None:
        """Add the keys that may come, at the quote that opens them."""
        residue = self.machine.residue(self.row)
        for name in self.machine.network.menu(residue).named:
            sources, rank = self._asking(residue, name)
            required = " (required)" if rank == _URGENT else ""
            self.found.add(f"the key {wording.quoted(name)}{required}", sources, b'"', rank)
        for words, sources in self._unlisted(residue):
            for what in words:
                self.found.add(what, sources or self.sources, b'"')

    def _asking(self, residue: int, name: str) -> tuple[tuple[str, ...], int]:
        """Return who asks for a key, and its rank."""
        network = self.machine.network
        sources = self.machine.sources(network.menu(residue).named[name])
        if name in network.owed(residue)[0]:
            return (*self.sources, *sources), _URGENT
        return sources or self.sources, _VALUE

    def _unlisted(self, residue: int) -> Iterator[tuple[list[str], tuple[str, ...]]]:
        """Yield the keys without a name, in words, and the places of their values."""
        menu = self.machine.network.menu(residue)
        if menu.extra is None:
            return
        for formulas, place in menu.extra_places.items():
            meant = All(tuple(menu.extra.formulas[at] for at in sorted(formulas)))
            some = partial(wording.string, some=self._some(residue))
            yield wording.describe((meant,), some), self.machine.sources(place)

    def _some(self, residue: int) -> str:
        named = self.machine.network.keys(residue)
        return "a key that the schema does not name" if named else "a key"

    def _inside_key(self) -> None:
        machine, found = self.machine, self.found
        residue = machine.residue(self.row)
        menu = machine.network.menu(residue)
        closing = self._closing_byte()
        if closing:
            after = machine.registers(machine.after(self.index, b'"'))
            sources = machine.sources(machine.child_place(self.row, int(after[L.LEX])))
            found.add("the closing quote", sources or self.sources, closing)
        rest = found.without(closing)
        if int(self.regs[L.AT]) >= 0:
            for _at, word in machine.listed(machine.key_list(self.row), int(self.regs[L.AT])):
                name = decode(word)
                if name in menu.named:
                    going_on = bytes(byte for byte in rest if byte in self._going_on(word))
                    said = f"the rest of the key {wording.quoted(name)}"
                    sources, rank = self._asking(residue, name)
                    found.add(said, sources, going_on, rank)
        extra = bytes(byte for byte in rest if self._may_be_extra(byte))
        if extra:
            kinds = list(self._unlisted(residue))
            asking = tuple(source for _, sources in kinds for source in sources) or self.sources
            for what in kinds[0][0] if len(kinds) == 1 else [self._some(residue)]:
                found.add(f"the rest of {what}", asking, extra)
        found.add_rest()

    def _may_be_extra(self, byte: int) -> bool:
        """Return whether a key can become one that is in no list after a byte (and the end of its escape)."""
        machine = self.machine
        pending = [machine.after(self.index, bytes((byte,)))]
        while pending:
            node = pending.pop()
            regs = machine.registers(node)
            lex = int(regs[L.LEX])
            if int(regs[L.MODE]) != L.M_KEY:
                if lex < 0:
                    return True
            elif lex & L.STATE_BITS != L.NO_STATE:
                if (lex >> L.ESCAPE_SHIFT) & 15 == 0:
                    return True
                pending += [machine.after(node, bytes((other,))) for other in machine.next_bytes(node)]
        return False

    # --- strings ---

    def _closing_byte(self) -> bytes:
        """Return the quote where a string or a key may end."""
        return b"" if self._escape() not in (0, 6) else self.found.meet(b'"')

    def _escape(self) -> int:
        return (int(self.regs[L.LEX]) >> L.ESCAPE_SHIFT) & 15

    def _inside_string(self) -> None:
        """Add how a string or a listed string goes on."""
        found, listed = self.found, self.mode == L.M_WORDS
        closing = self._closing_byte()
        rest = found.without(closing)
        described = [] if listed else _strings(self.machine.network.entry(self.place))
        whole = " or ".join(described) if described != ["a string"] else ""
        # where it must end, what it is
        of_what = f" of {whole}" if whole and not rest else ""
        found.add(f"the closing quote{of_what}", self.sources, closing)
        if listed:
            for what in self.listed(rest):
                first = set().union(*map(self._going_on, self._words(rest)))
                going_on = bytes(byte for byte in rest if byte in first)
                found.add(f"the rest of {what}", self.sources, going_on)
        elif self._escape():
            found.add("the rest of an escape", self.sources, rest)
        elif rest and all(byte & 0xC0 == 0x80 for byte in rest):
            found.add("the rest of a character", self.sources, rest)
        else:
            what = self._more_characters() or f"the rest of {whole or 'the string'}"
            found.add(what + _hint(rest), self.sources, rest)
        found.add_rest()

    def _more_characters(self) -> str:
        """Return how long the rest of a string is, in words; empty where its length is not bounded."""
        row = self.machine.string_row(self.row)
        least, most, written = row[L.S_LEAST], row[L.S_MOST], int(self.regs[L.AT])
        if not least and most < 0:
            return ""
        left = wording.count(max(least - written, 0), most - written if most >= 0 else None, "more character")
        return f"a string of {left}" if left else "the rest of the string"

    # --- listed strings ---

    def listed(self, rest: bytes | None = None) -> list[str]:
        """Return the listed strings that go on with one of some bytes (None: all), in words; none or one."""
        words = [wording.quoted(decode(word)) for word in self._words(rest)]
        return [wording.listing(words)] if words else []

    def _words(self, rest: bytes | None) -> Iterator[bytes]:
        """Yield the listed strings that agree with what is written, as bytes (`decoded_text`)."""
        words = self.machine.string_row(self.row)[L.S_START]
        for _at, word in self.machine.listed(words, int(self.regs[L.AT])):
            if rest is None or not set(rest).isdisjoint(self._going_on(word)):
                yield word

    def _going_on(self, word: bytes) -> bytes:
        """Return the bytes with which a listed word or key may go on, as far as it alone decides; b"" where
        the escape that is being written is not one of it."""
        written = int(self.regs[L.AT]) & L.POSITION_BITS
        if written < len(word) and word[written] & 0xC0 == 0x80:
            return word[written : written + 1]
        rest = decode(word[written:])
        begun = character_spelling.begun(int(self.regs[L.LEX]))
        return bytes(
            byte
            for text in character_spelling.ways(rest, escapes=self.escapes)
            if len(text) > len(begun) and text[: len(begun)].lower() == begun
            for byte in character_spelling.either_case(text, len(begun))
        )


class _Found:
    """Collects items: those of the same words become one, those without an allowed byte are left out."""

    __slots__ = ("_items", "allowed")

    def __init__(self, allowed: bytes) -> None:
        self.allowed = allowed
        self._items: dict[tuple[int, str], tuple[dict[str, None], set[int]]] = {}

    def meet(self, some: bytes) -> bytes:
        """Return the allowed bytes among some."""
        return bytes(byte for byte in self.allowed if byte in some)

    def without(self, some: bytes) -> bytes:
        """Return the allowed bytes but some."""
        return bytes(byte for byte in self.allowed if byte not in some)

    def add(self, what: str, sources: Iterable[str], first: bytes, rank: int = _VALUE) -> None:
        """Add an item if one of its bytes is allowed."""
        really = self.meet(first)
        if really:
            known, had = self._items.setdefault((rank, what), ({}, set()))
            known.update(dict.fromkeys(sources))
            had.update(really)

    def add_rest(self) -> None:
        """Add the allowed bytes that no item has."""
        had = set().union(*(first for _, first in self._items.values()))
        self.add("the rest of the string", (), bytes(byte for byte in self.allowed if byte not in had))

    def end(self) -> None:
        """Add the end."""
        self._items[_END, "the end of the document"] = ({}, set())

    def items(self) -> list[Expected]:
        """Return the items in order, the many cut short."""
        ordered = sorted(self._items.items())
        many = [item for item in ordered if item[0][0] <= _VALUE]
        few = [item for item in ordered if item[0][0] > _VALUE]
        found = [_item(what, sources, first) for (_, what), (sources, first) in many[:MOST]]
        if len(many) > MOST:
            rest = set().union(*(first for _, (_, first) in many[MOST:]))
            found.append(_item(f"one of {len(many) - MOST} others", (), rest))
        return found + [_item(what, sources, first) for (_, what), (sources, first) in few]


def _item(what: str, sources: Iterable[str], first: Iterable[int]) -> Expected:
    return Expected(what, tuple(islice(sources, _MOST_SOURCES)), bytes(sorted(first)))


def _strings(entry: ValueMenu) -> list[str]:
    return [] if entry.string is None else wording.describe(entry.string.formulas, wording.string)


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


def _space(allowed: bytes) -> str:
    """Return the name of the white space that may come."""
    match bytes(byte for byte in allowed if byte in _SPACE):
        case b" ":
            return "a blank"
        case b"\n":
            return "a line break"
    return "white space"

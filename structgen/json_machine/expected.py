"""What may come next in a document, in words, and which places of the schema ask for it.

Everything is told from a state: its registers say what is being read, the network what that may mean, the
machine which bytes may really come. An item stands in the list only with bytes that are allowed, and every
allowed byte has an item.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import islice

from structgen.automata.unicode.decoded_text import decode
from structgen.json_machine.answers import character_spelling
from structgen.json_machine.inspection import Inspection, Registers
from structgen.json_machine.tables import json_blocks as L
from structgen.language.expectation import Expected
from structgen.language.ir import All
from structgen.schema.meaning import wording

MOST = 20
"""Keys and values listed one by one; the others are counted."""
_MOST_SOURCES = 8

_SPACE = b" \t\n\r"
_NUMERAL = b"0123456789+-.eE"
_URGENT, _VALUE, _MARK, _BLANK, _END = range(5)
"""The order of the list: what is owed, what may come, punctuation, white space, the end."""


class Explainer:
    """Says in words what may follow a state. The grammar's lock is held by the caller."""

    __slots__ = ("_escapes", "_machine")

    def __init__(self, machine: Inspection, *, escapes: str) -> None:
        """`escapes`: the policy."""
        self._machine, self._escapes = machine, escapes

    def expected(self, index: int) -> list[Expected]:
        """Return what may follow a state: what is owed first, then alphabetically; up to 20 keys and values,
        and an item that counts the others. Empty after an end token.

        For messages, not for speed: a fraction of a millisecond, more where an object has thousands of keys.
        """
        regs = self._machine.registers(index)
        if int(regs[L.MODE]) == L.M_FINISHED:
            return []
        found = _Found(self._machine.next_bytes(index))
        self._collect(index, regs, found)
        if self._machine.may_end(index):
            found.end()
        return found.items()

    # --- what is being read ---

    def _collect(self, index: int, regs: Registers, found: _Found) -> None:
        mode = int(regs[L.MODE])
        if mode in (L.M_STRING, L.M_WORDS, L.M_KEY):
            self._inside_text(index, regs, found)
            return
        if mode == L.M_LITERAL:
            literal = ("true", "false", "null")[int(regs[L.LEX]) >> 4]
            found.add(f"the rest of {literal}", self._sources(self._value_place(regs)), found.allowed)
            return
        found.add(_space(found.allowed), (), _SPACE, _BLANK)
        if mode == L.M_NUMBER:
            self._inside_number(index, regs, found)
        elif mode == L.M_COLON:
            found.add('":"', (), b":", _MARK)
        elif mode in (L.M_DOC, L.M_VALUE, L.M_NEXT):
            self._value(index, self._next_place(regs), found)
        elif mode == L.M_ARRAY:
            self._punctuation(b"]", self._value_place(regs), found)
            place = self._next_place(regs)
            if place is not None:
                self._value(index, place, found)
        elif mode in (L.M_OBJECT, L.M_KEYS):
            self._punctuation(b"}", self._value_place(regs), found)
            if b'"'[0] in found.allowed:
                self._keys(regs, found)
        elif mode == L.M_MEMBER:
            self._punctuation(b"}", self._value_place(regs), found)
            self._comma(index, self._value_place(regs), found)
        elif mode == L.M_ITEM:
            self._punctuation(b"]", self._value_place(regs), found)
            self._comma(index, self._value_place(regs), found)

    def _sources(self, place: int | None) -> tuple[str, ...]:
        return () if place is None else self._machine.sources(place)

    def _value_place(self, regs: Registers) -> int:
        """Return the place of the innermost value begun: a terminal, or a container between its tokens."""
        return self._machine.place_in(int(regs[L.FRAME]))

    def _next_place(self, regs: Registers) -> int | None:
        """Return the place of the value that may begin, None where an array is full."""
        machine, mode = self._machine, int(regs[L.MODE])
        if mode == L.M_DOC:
            return machine.network.root
        if mode == L.M_VALUE:
            return machine.child_place(int(regs[L.RES]), int(regs[L.LEX]))
        return machine.network.items(machine.residue(int(regs[L.RES]))).item

    # --- values ---

    def _value(self, index: int, place: int | None, found: _Found) -> None:
        assert place is not None, "a value may begin"
        machine, sources = self._machine, self._sources(place)
        entry = machine.network.entry(place)
        found.add("an object", sources, b"{")
        found.add("an array", sources, b"[")
        found.add("true", sources, b"t")
        found.add("false", sources, b"f")
        found.add("null", sources, b"n")
        if entry.number is not None:
            for what in wording.describe(entry.number.formulas, wording.number):
                found.add(what, sources, b"-0123456789")
        if entry.string is not None and b'"'[0] in found.allowed:
            regs = machine.registers(machine.after(index, b'"'))
            if int(regs[L.MODE]) == L.M_WORDS:
                words = [decode(word) for word in self._words(regs)]
                found.add(wording.listing(map(wording.quoted, words)), sources, b'"')
            else:
                for what in wording.describe(entry.string.formulas, wording.string):
                    found.add(what, sources, b'"')

    def _inside_number(self, index: int, regs: Registers, found: _Found) -> None:
        machine, place = self._machine, self._value_place(regs)
        spec = machine.network.entry(place).number
        described = wording.describe(spec.formulas, wording.number) if spec is not None else ["a number"]
        digits = found.meet(_NUMERAL)
        found.add(f"the rest of {' or '.join(described)}{_hint(digits)}", self._sources(place), digits)
        frame = int(regs[L.FRAME])
        if frame >= 0:
            holder = machine.place_in(machine.frame(frame)[3])
            self._punctuation(b"]}", holder, found)
            self._comma(index, holder, found)

    def _punctuation(self, marks: bytes, place: int, found: _Found) -> None:
        for mark in marks:
            found.add(f'"{chr(mark)}"', self._sources(place), bytes((mark,)), _MARK)

    # --- keys ---

    def _comma(self, index: int, holder: int, found: _Found) -> None:
        """Add the comma inside a container, and what makes it necessary."""
        machine = self._machine
        after = machine.after(index, b",")
        if after < 0:
            return
        regs = machine.registers(after)
        keys = int(regs[L.MODE]) == L.M_KEYS
        missing, more = machine.network.owed(machine.residue(int(regs[L.RES])))
        what, rank = '","', _MARK
        if missing:
            several = "keys" if len(missing) > 1 else "key"
            what += (
                f" (the {several} {wording.listing(map(wording.quoted, missing), ' and ')} must still come)"
            )
            rank = _URGENT
        elif more and (b"}" if keys else b"]")[0] not in found.allowed:
            what += f" ({wording.count(more, None, 'more member' if keys else 'more item')} must come)"
            rank = _URGENT
        found.add(what, self._sources(holder), b",", rank)

    def _keys(self, regs: Registers, found: _Found) -> None:
        """Add the keys that may come, at the quote that opens them."""
        machine = self._machine
        residue = machine.residue(int(regs[L.RES]))
        menu = machine.network.menu(residue)
        missing = set(machine.network.owed(residue)[0])
        holder = self._sources(self._value_place(regs))
        for name, place in menu.named.items():
            sources = self._sources(place)
            if name in missing:
                found.add(f"the key {wording.quoted(name)} (required)", (*holder, *sources), b'"', _URGENT)
            else:
                found.add(f"the key {wording.quoted(name)}", sources or holder, b'"')
        if menu.extra is None:
            return
        some = "a key that the schema does not name" if machine.network.keys(residue) else "a key"
        for formulas, place in menu.extra_places.items():
            meant = All(tuple(menu.extra.formulas[index] for index in sorted(formulas)))
            for what in wording.describe((meant,), lambda formula: wording.string(formula, some)):
                found.add(what, self._sources(place) or holder, b'"')

    # --- strings ---

    def _inside_text(self, index: int, regs: Registers, found: _Found) -> None:
        """Add how a string, a listed string or a key goes on."""
        mode = int(regs[L.MODE])
        escape = (int(regs[L.LEX]) >> L.ESCAPE_SHIFT) & 15
        closing = b"" if escape not in (0, 6) else found.meet(b'"')
        if mode == L.M_KEY:
            self._inside_key(index, regs, closing, found)
        else:
            place = self._value_place(regs)
            sources = self._sources(place)
            rest = found.without(closing)
            found.add(self._closing(mode, place, bool(rest)), sources, closing)
            if mode == L.M_WORDS:
                self._inside_word(regs, sources, rest, found)
            elif escape:
                found.add("the rest of an escape", sources, rest)
            elif rest and all(byte & 0xC0 == 0x80 for byte in rest):
                found.add("the rest of a character", sources, rest)
            else:
                found.add(self._rest_of_string(regs, place) + _hint(rest), sources, rest)
        found.add("the rest of the string", (), found.uncovered())

    def _closing(self, mode: int, place: int, more: bool) -> str:
        """Return how a string ends; where it must, what it is."""
        spec = None if more or mode == L.M_WORDS else self._machine.network.entry(place).string
        described = wording.describe(spec.formulas, wording.string) if spec is not None else []
        whole = f" of {' or '.join(described)}" if described and described != ["a string"] else ""
        return f"the closing quote{whole}"

    def _rest_of_string(self, regs: Registers, place: int) -> str:
        row = self._machine.string_row(int(regs[L.RES]))
        least, most, count = row[L.S_LEAST], row[L.S_MOST], int(regs[L.AT])
        if least or most >= 0:
            bounds = wording.count(
                max(least - count, 0), most - count if most >= 0 else None, "more character"
            )
            return f"a string of {bounds}" if bounds else "the rest of the string"
        spec = self._machine.network.entry(place).string
        described = wording.describe(spec.formulas, wording.string) if spec is not None else []
        return (
            f"the rest of {' or '.join(described)}" if described != ["a string"] else "the rest of the string"
        )

    def _inside_word(self, regs: Registers, sources: tuple[str, ...], rest: bytes, found: _Found) -> None:
        words = []
        first: set[int] = set()
        for word in self._words(regs):
            going_on = self._going_on(regs, word)
            if any(byte in rest for byte in going_on):
                words.append(decode(word))
                first.update(going_on)
        if words:
            what = wording.listing(map(wording.quoted, words))
            found.add(f"the rest of {what}", sources, bytes(byte for byte in rest if byte in first))

    def _inside_key(self, index: int, regs: Registers, closing: bytes, found: _Found) -> None:
        machine = self._machine
        row = int(regs[L.RES])
        residue = machine.residue(row)
        menu = machine.network.menu(residue)
        holder = self._sources(self._value_place(regs))
        if closing:
            after = machine.registers(machine.after(index, b'"'))
            sources = self._sources(machine.child_place(row, int(after[L.LEX])))
            found.add("the closing quote", sources or holder, closing)
        rest = found.without(closing)
        if int(regs[L.AT]) >= 0:
            missing = set(machine.network.owed(residue)[0])
            for _at, word in machine.listed(machine.key_list(row), int(regs[L.AT])):
                name = decode(word)
                if name in menu.named:
                    going_on = bytes(byte for byte in rest if byte in self._going_on(regs, word))
                    sources = self._sources(menu.named[name])
                    found.add(
                        f"the rest of the key {wording.quoted(name)}",
                        (*holder, *sources) if name in missing else sources or holder,
                        going_on,
                        _URGENT if name in missing else _VALUE,
                    )
        extra = bytes(byte for byte in rest if self._may_be_extra(index, byte))
        if extra:
            some = "a key that the schema does not name" if machine.network.keys(residue) else "a key"
            described = [f"the rest of {some}"]
            if menu.extra is not None and len(menu.extra_places) == 1:
                (formulas,) = menu.extra_places
                meant = All(tuple(menu.extra.formulas[at] for at in sorted(formulas)))
                described = [
                    f"the rest of {what}"
                    for what in wording.describe((meant,), lambda f: wording.string(f, some))
                ]
            places = [source for place in menu.extra_places.values() for source in self._sources(place)]
            for what in described:
                found.add(what, tuple(places) or holder, extra)

    def _may_be_extra(self, index: int, byte: int) -> bool:
        """Return whether a key can become one that is in no list after a byte (and the end of its escape)."""
        machine = self._machine
        pending = [machine.after(index, bytes((byte,)))]
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

    # --- listed strings ---

    def _words(self, regs: Registers) -> Iterator[bytes]:
        """Yield the listed strings that agree with what is written, as bytes (`decoded_text`)."""
        words = self._machine.string_row(int(regs[L.RES]))[L.S_START]
        for _at, word in self._machine.listed(words, int(regs[L.AT])):
            yield word

    def _going_on(self, regs: Registers, word: bytes) -> bytes:
        """Return the bytes with which a listed word or key may go on, as far as it alone decides; b"" where
        the escape that is being written is not one of it."""
        written = int(regs[L.AT]) & L.POSITION_BITS
        if written < len(word) and word[written] & 0xC0 == 0x80:
            return word[written : written + 1]
        rest = decode(word[written:])
        begun = character_spelling.begun(int(regs[L.LEX]))
        return bytes(
            byte
            for text in character_spelling.ways(rest, escapes=self._escapes)
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

    def uncovered(self) -> bytes:
        """Return the allowed bytes that no item has."""
        had = set().union(*(first for _, first in self._items.values()))
        return bytes(byte for byte in self.allowed if byte not in had)

    def add(self, what: str, sources: Iterable[str], first: bytes, rank: int = _VALUE) -> None:
        """Add an item if one of its bytes is allowed."""
        really = self.meet(first)
        if really:
            known, had = self._items.setdefault((rank, what), ({}, set()))
            known.update(dict.fromkeys(sources))
            had.update(really)

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


def _hint(following: bytes) -> str:
    """Return the next characters in brackets where they are few, else nothing."""
    if not following or following[-1] >= 127:
        return ""
    ranges: list[list[int]] = []
    for byte in following:
        if ranges and byte == ranges[-1][1] + 1:
            ranges[-1][1] = byte
        else:
            ranges.append([byte, byte])
    if len(ranges) > 6:
        return ""
    parts = []
    for low, high in ranges:
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

"""JSON documents whose strings are texts of grammars, as a context-free grammar over bytes, and an Earley
recogniser of it that says which bytes may follow. It is slow, and knows nothing of structgen.

Symbols of a rule: a `str` names a rule, an `int` is a byte, a `Chars` is one character of a string as it is
spelled."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, NamedTuple

FAR = 1 << 40


class Chars(NamedTuple):
    """One character of a string, in one of its spellings."""

    of: frozenset[str]
    denied: bool
    """Any character but these, which are of ASCII."""
    style: str
    """"any": each escape; "utf8", "ascii": as json.dumps writes it; "raw": no escapes, no string around."""


Symbol = str | int | Chars
Rhs = tuple[Symbol, ...]

_SHORT = {'"': '"', "\\": "\\", "/": "/", "\b": "b", "\f": "f", "\n": "n", "\r": "r", "\t": "t"}


def _hexes(unit: int) -> Iterator[str]:
    for digits in itertools.product(*({one, one.upper()} for one in f"{unit:04x}")):
        yield "\\u" + "".join(digits)


@cache
def spellings(char: str, style: str) -> tuple[bytes, ...]:
    """Return the ways in which a style writes a character inside a string."""
    if style == "raw":
        return (char.encode(),)
    if style != "any":
        return (json.dumps(char, ensure_ascii=style == "ascii")[1:-1].encode(),)
    found = [] if char < " " or char in '"\\' else [char.encode()]
    if char in _SHORT:
        found.append(b"\\" + _SHORT[char].encode())
    units = char.encode("utf-16-be")
    each = [tuple(_hexes(int.from_bytes(units[at : at + 2]))) for at in range(0, len(units), 2)]
    found += ["".join(one).encode() for one in itertools.product(*each)]
    return tuple(found)


_ASCII = list(map(chr, range(0x80)))


def rest_beyond_ascii(begun: bytes, style: str) -> int:
    """Return how many bytes a spelling that has begun still takes as one of a character beyond ASCII; FAR
    where it is none."""
    if not begun:
        return 6 if style == "ascii" else 2
    if begun[0] >= 0x80:
        return FAR if style == "ascii" else _rest_of_utf8(begun)
    if style in ("utf8", "raw") or not b"\\u".startswith(begun[:2]):
        return FAR
    digits = begun[2:6].decode("latin-1")
    if not set(digits) <= set("0123456789abcdef" if style == "ascii" else "0123456789abcdefABCDEF"):
        return FAR
    if len(digits) < 4:
        ranges = (int(digits.ljust(4, "0") or "0", 16), int(digits.ljust(4, "f"), 16))
        if ranges[1] < 0x80 or (0xDC00 <= ranges[0] and ranges[1] <= 0xDFFF):
            return FAR
        rest = 6 - len(begun)
        return rest + 6 if 0xD800 <= ranges[0] and ranges[1] <= 0xDFFF else rest
    unit = int(digits, 16)
    if unit < 0x80 or 0xDC00 <= unit <= 0xDFFF:
        return FAR
    if not 0xD800 <= unit <= 0xDBFF:
        return 0 if len(begun) == 6 else FAR
    low = begun[6:].decode("latin-1")
    whole = r"\\u[dD][c-fC-F][0-9a-fA-F]{2}" if style == "any" else r"\\ud[c-f][0-9a-f]{2}"
    fits = any(re.fullmatch(whole, low + end) for end in ("\\udc00"[len(low) :], "c00"[len(low) - 3 :]))
    return 12 - len(begun) if len(low) <= 6 and fits else FAR


def _rest_of_utf8(begun: bytes) -> int:
    for count in range(4):
        for second in (b"\x80", b"\x8f", b"\x90", b"\x9f", b"\xa0", b"\xbf"):
            rest = (second + b"\x80\x80")[:count]
            try:
                if len((begun + rest).decode()) == 1:
                    return count
            except UnicodeDecodeError:
                pass
    return FAR


class Grammar:
    """Rules, made ready: without missing bytes, without rules that derive nothing."""

    def __init__(self, rules: dict[str, list[Rhs]], missing: Iterable[int] = ()) -> None:
        self.missing = frozenset(missing)
        self._rests: dict[tuple[Chars, bytes], int] = {}
        self._spelled: dict[tuple[Chars, bytes], list[bytes]] = {}
        self.rules = {name: list(dict.fromkeys(ways)) for name, ways in rules.items()}
        self.least: dict[str, int] = dict.fromkeys(rules, FAR)
        self._settle()
        self.rules = {
            name: [way for way in ways if sum(map(self.cost, way)) < FAR] for name, ways in self.rules.items()
        }

    def _settle(self) -> None:
        changed = True
        while changed:
            changed = False
            for name, ways in self.rules.items():
                best = min((sum(map(self.cost, way)) for way in ways), default=FAR)
                if best < self.least[name]:
                    self.least[name] = best
                    changed = True

    def cost(self, symbol: Symbol) -> int:
        """Return the bytes of a symbol's shortest text; FAR at least where it has none."""
        if isinstance(symbol, str):
            return self.least[symbol]
        if isinstance(symbol, int):
            return FAR if symbol in self.missing else 1
        return self.rest(symbol, b"")

    def rest(self, chars: Chars, begun: bytes) -> int:
        """Return how many bytes a character whose spelling has begun still takes; FAR where it is none."""
        key = chars, begun
        if key not in self._rests:
            found = min((len(one) - len(begun) for one in self._begun(chars, begun)), default=FAR)
            if chars.denied:
                found = min(found, rest_beyond_ascii(begun, chars.style))
            self._rests[key] = found
        return self._rests[key]

    def _begun(self, chars: Chars, begun: bytes) -> list[bytes]:
        key = chars, begun
        if key not in self._spelled:
            self._spelled[key] = (
                [one for one in self._begun(chars, begun[:-1]) if one.startswith(begun)]
                if begun
                else self._every(chars)
            )
        return self._spelled[key]

    def _every(self, chars: Chars) -> list[bytes]:
        of = [one for one in _ASCII if one not in chars.of] if chars.denied else sorted(chars.of)
        every = (one for char in of for one in spellings(char, chars.style))
        return [one for one in every if self.missing.isdisjoint(one)]

    @property
    def is_empty(self) -> bool:
        return self.least["root"] >= FAR


class Item(NamedTuple):
    name: str
    way: int
    dot: int
    origin: int
    begun: bytes


class Prefix:
    """A text that has been read. Immutable; `after` reads one more byte."""

    def __init__(self, grammar: Grammar, before: Prefix | None, items: Iterable[Item]) -> None:
        self.grammar, self.before = grammar, before
        self.at: int = 0 if before is None else before.at + 1
        self.columns: list[set[Item]] = [] if before is None else list(before.columns)
        self.column = set(items)
        self.columns.append(self.column)
        self._close()
        self._after: dict[int, Prefix | None] = {}

    @classmethod
    def start(cls, grammar: Grammar) -> Prefix:
        return cls(grammar, None, [Item("root", way, 0, 0, b"") for way in range(len(grammar.rules["root"]))])

    def _next(self, item: Item) -> Symbol | None:
        rhs = self.grammar.rules[item.name][item.way]
        return rhs[item.dot] if item.dot < len(rhs) else None

    def _close(self) -> None:
        todo = list(self.column)
        waiting: dict[str, list[Item]] = {}
        nulled: set[str] = set()

        def add(item: Item) -> None:
            if item not in self.column:
                self.column.add(item)
                todo.append(item)

        while todo:
            item = todo.pop()
            symbol = self._next(item)
            if symbol is None:
                if item.origin == self.at:
                    nulled.add(item.name)
                    parents = list(waiting.get(item.name, ()))
                else:
                    parents = [
                        one
                        for one in self.columns[item.origin]
                        if not one.begun and self._next(one) == item.name
                    ]
                for one in parents:
                    add(one._replace(dot=one.dot + 1))
            elif isinstance(symbol, str):
                waiting.setdefault(symbol, []).append(item)
                for way in range(len(self.grammar.rules[symbol])):
                    add(Item(symbol, way, 0, self.at, b""))
                if symbol in nulled:
                    add(item._replace(dot=item.dot + 1))

    def after(self, byte: int) -> Prefix | None:
        """Return the text with one more byte; None where no document goes on so."""
        if byte not in self._after:
            found = list(self._read(byte))
            self._after[byte] = Prefix(self.grammar, self, found) if found else None
        return self._after[byte]

    def _read(self, byte: int) -> Iterator[Item]:
        for item in self.column:
            symbol = self._next(item)
            if isinstance(symbol, int):
                if symbol == byte:
                    yield item._replace(dot=item.dot + 1)
            elif isinstance(symbol, Chars):
                begun = item.begun + bytes((byte,))
                rest = self.grammar.rest(symbol, begun)
                if rest == 0:
                    yield item._replace(dot=item.dot + 1, begun=b"")
                elif rest < FAR:
                    yield item._replace(begun=begun)

    def read(self, data: bytes) -> Prefix | None:
        at: Prefix | None = self
        for byte in data:
            at = None if at is None else at.after(byte)
        return at

    @property
    def is_whole(self) -> bool:
        return any(one.name == "root" and one.origin == 0 and self._next(one) is None for one in self.column)

    def shortest(self) -> int:
        """Return how many bytes the shortest rest has."""
        least: dict[tuple[int, str], int] = {}

        def left(item: Item) -> int:
            rhs = self.grammar.rules[item.name][item.way]
            if item.dot == len(rhs):
                return 0
            first = rhs[item.dot]
            begun = (
                self.grammar.rest(first, item.begun) if isinstance(first, Chars) else self.grammar.cost(first)
            )
            return begun + sum(map(self.grammar.cost, rhs[item.dot + 1 :]))

        least[0, "root"] = 0
        changed = True
        while changed:
            changed = False
            for at, column in enumerate(self.columns):
                for item in column:
                    symbol = self._next(item)
                    above = least.get((item.origin, item.name), FAR)
                    if isinstance(symbol, str) and above < FAR:
                        cost = left(item) - self.grammar.cost(symbol) + above
                        if cost < least.get((at, symbol), FAR):
                            least[at, symbol] = cost
                            changed = True
        return min(left(item) + least.get((item.origin, item.name), FAR) for item in self.column)


class Writer:
    """Makes rules: each method returns the right side that stands for something."""

    def __init__(self) -> None:
        self.rules: dict[str, list[Rhs]] = {}
        self._known: dict[Any, str] = {}

    def name(self) -> str:
        name = f"r{len(self.rules)}"
        self.rules[name] = []
        return name

    def either(self, ways: Iterable[Rhs]) -> Rhs:
        every = list(ways)
        if len(every) == 1:
            return every[0]
        name = self.name()
        self.rules[name] = every
        return (name,)

    def star(self, of: Rhs) -> Rhs:
        name = self.name()
        self.rules[name] = [(), (*of, name)]
        return (name,)

    def counted(self, of: Rhs, least: int, most: int | None, between: Rhs = ()) -> Rhs:
        """Return `least` to `most` of something, with something between."""
        if most is None:
            rest = self.star((*between, *of))
            if least == 0:
                return self.either([(), (*of, *rest)])
            first: Rhs = of
            for _ in range(least - 1):
                first = (*first, *between, *of)
            return (*first, *rest)
        ways: list[Rhs] = []
        for count in range(least, most + 1):
            one: Rhs = ()
            for at in range(count):
                one = (*one, *(between if at else ()), *of)
            ways.append(one)
        return self.either(ways)

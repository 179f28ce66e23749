"""Infinite languages that are regular, with their explicit automata: free strings and numbers in containers.

Each shape knows its schema and how to add all of its texts to an automaton. Every state that it adds lies on
the way to a word, so these languages too have exact masks by brute force.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from language import Automaton, Gap, Nfa
from policy_oracle import Options, canonical

Json = Any
HEX = b"0123456789abcdefABCDEF"


class Shape:
    """A schema whose language is regular."""

    def schema(self) -> Json:
        """Return the schema."""
        raise NotImplementedError

    def build(self, nfa: Nfa, start: int, end: int, level: int, options: Options) -> None:
        """Add every text between two states; `level` brackets are open around it."""
        raise NotImplementedError


def edge(nfa: Nfa, start: int, steps: Sequence[bytes], end: int) -> None:
    """Lead from `start` to `end` by one byte of each set in turn."""
    for index, options in enumerate(steps):
        after = end if index == len(steps) - 1 else nfa.state()
        for byte in options:
            nfa.edges[start].setdefault(byte, set()).add(after)
        start = after


def span(low: int, high: int) -> bytes:
    """Return the bytes from `low` to `high`, both included."""
    return bytes(range(low, high + 1))


TAIL = span(0x80, 0xBF)
RAW: tuple[tuple[bytes, ...], ...] = (
    (bytes(b for b in range(0x20, 0x80) if b not in b'"\\'),),
    (span(0xC2, 0xDF), TAIL),
    (b"\xe0", span(0xA0, 0xBF), TAIL),
    (span(0xE1, 0xEC) + b"\xee\xef", TAIL, TAIL),
    (b"\xed", span(0x80, 0x9F), TAIL),
    (b"\xf0", span(0x90, 0xBF), TAIL, TAIL),
    (span(0xF1, 0xF3), TAIL, TAIL, TAIL),
    (b"\xf4", span(0x80, 0x8F), TAIL, TAIL),
)
"""Characters as they are: RFC 3629 section 4, without the two that must be escaped and the controls."""
HIGH = (b"\\", b"u", b"dD", b"89abAB", HEX, HEX)
LOW = (b"\\", b"u", b"dD", b"cdefCDEF", HEX, HEX)
ESCAPED: tuple[tuple[bytes, ...], ...] = (
    (b"\\", b'"\\/bfnrt'),
    (b"\\", b"u", bytes(set(HEX) - set(b"dD")), HEX, HEX, HEX),
    (b"\\", b"u", b"dD", b"01234567", HEX, HEX),
    (*HIGH, *LOW),
)


def character(nfa: Nfa, start: int, end: int, lone: bool) -> None:
    """Add one character in every spelling; `lone`: escapes for lone surrogates too."""
    for steps in (*RAW, *ESCAPED, *((HIGH, LOW) if lone else ())):
        edge(nfa, start, steps, end)


@dataclass(frozen=True)
class Text(Shape):
    """A free string. With lone surrogates `least` is at most 1: two halves that meet are one character."""

    least: int
    most: int | None

    def schema(self) -> Json:
        """Return the schema."""
        found: Json = {"type": "string"}
        if self.least:
            found["minLength"] = self.least
        return found if self.most is None else {**found, "maxLength": self.most}

    def build(self, nfa: Nfa, start: int, end: int, level: int, options: Options) -> None:
        """Add a state for each number of characters."""
        at = nfa.state()
        edge(nfa, start, [b'"'], at)
        lone = options.escapes == "any"
        count = self.least if self.most is None else self.most
        for index in range(count):
            if index >= self.least:
                edge(nfa, at, [b'"'], end)
            after = nfa.state()
            character(nfa, at, after, lone)
            at = after
        edge(nfa, at, [b'"'], end)
        if self.most is None:
            character(nfa, at, at, lone)


@dataclass(frozen=True)
class Number(Shape):
    """A free number, or (under "plain" alone, where it is regular without arithmetic) an integer."""

    integer: bool

    def schema(self) -> Json:
        """Return the schema."""
        return {"type": "integer" if self.integer else "number"}

    def build(self, nfa: Nfa, start: int, end: int, level: int, options: Options) -> None:
        """Add the numerals: at most 20 integer and 20 fraction digits, 3 exponent digits, 287 at most."""
        plain = options.numbers == "plain"
        minus, tails = nfa.state(), {False: nfa.state(), True: nfa.state()}
        edge(nfa, start, [b"-"], minus)
        for sign, at in ((False, start), (True, minus)):
            zero = nfa.state()
            edge(nfa, at, [b"0"], zero)
            # -0 and -0.0 are not plain: after a minus and zero a fraction must follow, and it is never zero.
            if not (plain and sign):
                nfa.silent[zero].add(tails[False])
            nfa.silent[zero].add(tails[True])
            for index in range(20):
                after = nfa.state()
                edge(nfa, at, [b"123456789" if index == 0 else b"0123456789"], after)
                nfa.silent[after].update(tails.values())
                at = after
        finish = nfa.state()
        nfa.silent[tails[False]].add(finish)
        nfa.silent[finish].add(end)
        if self.integer:
            # No way on: what leads to the fraction is taken back, for it would be dead.
            for targets in nfa.silent:
                targets.discard(tails[True])
            del nfa.edges[minus][ord("0")]
            return
        self._fraction(nfa, tails[True], finish, plain)
        if not plain:
            positive, negative, digit = nfa.state(), nfa.state(), b"0123456789"
            edge(nfa, finish, [b"eE"], positive)
            edge(nfa, finish, [b"eE", b"+"], positive)
            edge(nfa, finish, [b"eE", b"-"], negative)
            for count in range(1, 4):
                edge(nfa, negative, [digit] * count, end)
            # up to 287
            for steps in ([digit], [digit] * 2, [b"01", digit, digit], [b"2", b"01234567", digit]):
                edge(nfa, positive, steps, end)
            edge(nfa, positive, [b"2", b"8", b"01234567"], end)

    @staticmethod
    def _fraction(nfa: Nfa, start: int, end: int, plain: bool) -> None:
        zeros = nfa.state()
        edge(nfa, start, [b"."], zeros)
        some: int | None = None
        for index in range(20):
            last = index == 19
            after, follow = nfa.state(), nfa.state()
            if plain:
                if not last:
                    edge(nfa, zeros, [b"0"], after)
                edge(nfa, zeros, [b"123456789"], follow)
            else:
                edge(nfa, zeros, [b"0123456789"], follow)
            if some is not None:
                edge(nfa, some, [b"0123456789"], follow)
            nfa.silent[follow].add(end)
            some, zeros = follow, after
            if not plain:
                zeros = nfa.state()


@dataclass(frozen=True)
class Array(Shape):
    """An array of one shape."""

    item: Shape
    least: int
    most: int | None

    def schema(self) -> Json:
        """Return the schema."""
        found: Json = {"type": "array", "items": self.item.schema()}
        if self.least:
            found["minItems"] = self.least
        return found if self.most is None else {**found, "maxItems": self.most}

    def build(self, nfa: Nfa, start: int, end: int, level: int, options: Options) -> None:
        """Add a state for each number of items, and a loop where there is no most."""
        level += 1
        at = nfa.state()
        edge(nfa, start, [b"["], at)
        count = max(self.least, 1) if self.most is None else self.most
        for index in range(count):
            if index >= self.least:
                _close(nfa, at, b"]", end, level, index == 0, options)
            at = self._item(nfa, at, level, index == 0, options)
        _close(nfa, at, b"]", end, level, count == 0, options)
        if self.most is None:
            nfa.silent[self._item(nfa, at, level, False, options)].add(at)

    def _item(self, nfa: Nfa, at: int, level: int, first: bool, options: Options) -> int:
        at = _begin(nfa, at, level, first, _opens(self.item), options)
        after = nfa.state()
        self.item.build(nfa, at, after, level, options)
        return after


@dataclass(frozen=True)
class Object(Shape):
    """An object of named members alone, in declared order: (key, shape, required)."""

    members: tuple[tuple[str, Shape, bool], ...]

    def schema(self) -> Json:
        """Return the schema."""
        required = [key for key, _, needed in self.members if needed]
        return {
            "type": "object",
            "properties": {key: shape.schema() for key, shape, _ in self.members},
            "additionalProperties": False,
            **({"required": required} if required else {}),
        }

    def build(self, nfa: Nfa, start: int, end: int, level: int, options: Options) -> None:
        """Add the members in turn, each with a way past it where it is optional."""
        level += 1
        fresh, written = nfa.state(), None
        edge(nfa, start, [b"{"], fresh)
        empty: int | None = fresh
        for key, shape, needed in self.members:
            after = nfa.state()
            for at, first in ((empty, True), (written, False)):
                if at is not None:
                    self._member(nfa, at, after, key, shape, level, first, options)
            if written is not None and not needed:
                nfa.silent[written].add(after)
            if needed:
                empty = None
            written = after
        if empty is not None:
            _close(nfa, empty, b"}", end, level, True, options)
        if written is not None:
            _close(nfa, written, b"}", end, level, False, options)

    @staticmethod
    def _member(
        nfa: Nfa, at: int, end: int, key: str, shape: Shape, level: int, first: bool, options: Options
    ) -> None:
        at = _begin(nfa, at, level, first, False, options)
        after = nfa.state()
        edge(nfa, at, [bytes([b]) for b in canonical(key).encode()], after)
        after = _gap(nfa, after, level, options)
        colon = nfa.state()
        edge(nfa, after, [b":"], colon)
        if isinstance(options.whitespace, int) or options.whitespace == "oneline":
            blank = nfa.state()
            edge(nfa, colon, [b" "], blank)
            colon = blank
        colon = _gap(nfa, colon, level + _opens(shape), options)
        shape.build(nfa, colon, end, level, options)


def _opens(shape: Shape) -> bool:
    return isinstance(shape, (Array, Object))


def _gap(nfa: Nfa, at: int, level: int, options: Options) -> int:
    """Return the state after white space before a token that leaves `level` brackets open."""
    if options.whitespace not in ("bounded", "any"):
        return at
    after = nfa.state()
    Gap(None if options.whitespace == "any" else level).build(nfa, at, after)
    return after


def _begin(nfa: Nfa, at: int, level: int, first: bool, opens: bool, options: Options) -> int:
    """Return the state before a member or an item: after a comma, but for the first, and white space."""
    if not first:
        at = _gap(nfa, at, level, options)
        comma = nfa.state()
        edge(nfa, at, [b","], comma)
        at = comma
        if options.whitespace == "oneline":
            at = nfa.state()
            edge(nfa, comma, [b" "], at)
    if isinstance(options.whitespace, int):
        after = nfa.state()
        edge(nfa, at, [b"\n", *[b" "] * (options.whitespace * level)], after)
        at = after
    return _gap(nfa, at, level + opens, options)


def _close(nfa: Nfa, at: int, closer: bytes, end: int, level: int, empty: bool, options: Options) -> None:
    if isinstance(options.whitespace, int) and not empty:
        after = nfa.state()
        edge(nfa, at, [b"\n", *[b" "] * (options.whitespace * (level - 1))], after)
        at = after
    edge(nfa, _gap(nfa, at, level - 1, options), [closer], end)


def automaton_of(shape: Shape, options: Options) -> Automaton:
    """Return the automaton of a shape's documents."""
    nfa = Nfa()
    end = nfa.state()
    shape.build(nfa, _gap(nfa, 0, int(_opens(shape)), options), end, 0, options)
    nfa.final.add(_gap(nfa, end, 0, options))
    return Automaton(nfa)


SHAPE_OPTIONS = (
    Options("compact", numbers="plain"),
    Options(),
    Options("any", escapes="any"),
    Options("oneline", numbers="plain"),
    Options(2, numbers="plain"),
)


def shapes(options: Options) -> st.SearchStrategy[Shape]:
    """Return random shapes for some policies."""
    least = st.integers(0, 1 if options.escapes == "any" else 2)
    texts = st.tuples(least, st.sampled_from([None, 2, 3, 7])).map(lambda t: Text(*t))
    plain = options.numbers == "plain"
    leaves = st.one_of(texts, texts, st.booleans().map(lambda i: Number(i and plain)))
    return st.recursive(
        leaves, lambda inner: st.one_of(_arrays(inner), _objects(inner, options)), max_leaves=4
    )


def _arrays(inner: st.SearchStrategy[Shape]) -> st.SearchStrategy[Shape]:
    return st.tuples(inner, st.integers(0, 2), st.sampled_from([None, 2, 3])).map(lambda t: Array(*t))


def _objects(inner: st.SearchStrategy[Shape], options: Options) -> st.SearchStrategy[Shape]:
    # Under escapes "any" keys have spellings that the explicit automata of finite languages look at.
    if options.escapes == "any":
        return _arrays(inner)
    keys = st.lists(st.sampled_from(["a", "ab", 'q"', "é", "long name", ""]), max_size=3, unique=True)
    return keys.flatmap(
        lambda names: st.tuples(*(st.tuples(st.just(name), inner, st.booleans()) for name in names)).map(
            Object
        )
    )

"""Strings that hold none of some banned texts: their whole automaton, made at once.

It is the automaton of Aho and Corasick (1975) over UTF-8. A state is the longest suffix of the text so far
that is a prefix of a banned text; a complete banned text leads nowhere. The general construction
(`determinizer`) finds the same states one by one, some 7 us each. Here a row is a copy of the row of the
fallback state, changed where a banned text goes on.
"""

from __future__ import annotations

import functools
import heapq
import json
from collections import deque
from hashlib import blake2b
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from structgen.automata.programs.determinizer_tables import WIDTH
from structgen.automata.regex.ecma_syntax import parse
from structgen.automata.regex.syntax_tree import Alternation, CharacterClass, Concatenation, Node
from structgen.automata.strings.banned_patterns import minimal, pattern_of
from structgen.automata.unicode.decoded_text import LONE_COLUMN
from structgen.automata.unicode.utf8 import LONE_PLACE, PLACES
from structgen.errors import RegexError
from structgen.language.ir import DEAD, All, Format, Formula, Length, Not, Pattern, Spec

MOST_STATES: Final = 1 << 15
"""The most states of a whole automaton; a larger one is determinised lazily."""
Rows: TypeAlias = npt.NDArray[np.int32]


class Banned(NamedTuple):
    """The automaton of strings without some texts; state 0 is its start."""

    rows: Rows
    """[states, 257]: the next state by byte and by lone surrogate (`unicode.decoded_text`), or DEAD."""
    ends: npt.NDArray[np.bool_]
    """[states]: may a string end here?"""
    name: bytes
    """16 bytes that name the banned texts and the least length."""


def read(spec: Spec) -> tuple[tuple[str, ...], int] | None:
    """Return the banned texts and the least length of a spec that asks for nothing else; None for others."""
    if len(spec.formulas) != 1 or spec.judge is not None:
        return None
    source, least = None, 0
    todo: list[Formula] = [spec.formulas[0]]
    while todo:
        part = todo.pop()
        if isinstance(part, All):
            todo += part.of
        elif isinstance(part, Length) and part.most is None:
            least = max(least, part.least)
        elif isinstance(part, Not) and isinstance(part.of, Pattern) and source in (None, part.of.source):
            source = part.of.source
        else:
            return None
    texts = None if source is None else texts_of(source)
    return None if texts is None else (texts, least)


def beside(spec: Spec) -> tuple[Spec, tuple[str, ...]] | None:
    """Return, of a spec of one demand that bans texts beside a pattern or a format, the spec without the ban,
    and the texts; None for any other spec."""
    if len(spec.formulas) != 1 or spec.judge is not None:
        return None
    formula = spec.formulas[0]
    if not isinstance(formula, All) or not any(isinstance(part, (Pattern, Format)) for part in formula.of):
        return None
    for at, part in enumerate(formula.of):
        texts = texts_of(part.of.source) if isinstance(part, Not) and isinstance(part.of, Pattern) else None
        if texts:
            rest = formula.of[:at] + formula.of[at + 1 :]
            return Spec((rest[0] if len(rest) == 1 else All(rest),)), texts
    return None


def together(rest: Spec, texts: tuple[str, ...]) -> Spec:
    """Return a spec of one demand with a ban on texts; `texts` may be empty."""
    if not texts:
        return rest
    (formula,) = rest.formulas
    parts = formula.of if isinstance(formula, All) else (formula,)
    return Spec((All((*parts, Not(Pattern(pattern_of(texts))))),))


@functools.lru_cache(maxsize=64)
def texts_of(source: str) -> tuple[str, ...] | None:
    """Return the texts that a pattern matches, sorted, if it consists of texts and alternatives and no text
    holds another; else None."""
    try:
        tree = parse(source)
    except RegexError:
        return None
    found: list[str] = []
    # each text so far, and the nodes that follow it, last first
    todo: list[tuple[str, tuple[Node, ...]]] = [("", (tree,))]
    while todo:
        text, rest = todo.pop()
        if len(todo) + len(found) > MOST_STATES:
            return None
        if not rest:
            found.append(text)
            continue
        *below, part = rest
        if isinstance(part, CharacterClass):
            # the reader makes alternatives of one character a class
            if sum(high - low + 1 for low, high in part.ranges) > MOST_STATES:
                return None
            chars = (chr(at) for low, high in part.ranges for at in range(low, high + 1))
            todo += [(text + char, tuple(below)) for char in chars]
        elif isinstance(part, Concatenation):
            todo.append((text, (*below, *reversed(part.parts))))
        elif isinstance(part, Alternation):
            todo += [(text, (*below, one)) for one in part.parts]
        else:
            return None
    texts = tuple(sorted(set(found)))
    lone = any("\ud800" <= char < "\ue000" for text in texts for char in text)
    return None if lone or not all(texts) or minimal(texts) != texts else texts


@functools.lru_cache(maxsize=4)
def automaton(texts: tuple[str, ...], least: int) -> Banned | None:
    """Return the automaton of strings of at least `least` characters that hold no banned text.

    None if it has more than MOST_STATES states. No text holds another, none is empty.

    Cost: some 10 us a character of the texts, once; the last few are remembered.
    """
    if (least + 1) * (8 + sum(len(text.encode()) for text in texts)) > 16 * MOST_STATES:
        return None
    rows, inside = _rows(texts)
    if rows is None or len(rows) * (least + 1) > MOST_STATES:
        return None
    name = blake2b(repr((texts, least)).encode(), digest_size=16).digest()
    count = len(rows)
    levels = []
    for level in range(least + 1):
        # between two characters one more is read; inside one the same
        shift = np.where(inside, level, min(level + 1, least)) * count
        levels.append(np.where(rows >= 0, rows + shift[rows], DEAD).astype(np.int32))
    ends = np.zeros(count * (least + 1), np.bool_)
    ends[count * least :] = ~inside
    return Banned(np.concatenate(levels), ends, name)


class _Rows:
    """Rows under construction: state 0, the seven places inside any character, and added states."""

    def __init__(self) -> None:
        self.rows: Rows = np.full((64, WIDTH), DEAD, np.int32)
        self.inside = [False, *(True for _ in PLACES[1:])]
        for place, edges in enumerate(PLACES):
            for low, high, after in edges:
                self.rows[place, low : high + 1] = after
        self.rows[0, LONE_COLUMN] = LONE_PLACE  # a lone surrogate is in no text

    def add(self, inside: bool) -> int:
        """Add a state whose row is yet to be written."""
        number = len(self.inside)
        if number == len(self.rows):
            self.rows = np.concatenate([self.rows, np.empty_like(self.rows)])
        self.inside.append(inside)
        return number

    def after(self, state: int, char: str) -> int:
        for byte in char.encode():
            state = int(self.rows[state, byte])
        return state

    def redirect(self, middles: dict[bytes, int], char: bytes, after: int) -> None:
        """Make a character lead from a state to another. `middles`: the state (key b""), and the states
        inside characters that were made for it, by the bytes before them."""
        at = middles[b""]
        for end in range(1, len(char)):
            middle = middles.get(char[:end])
            if middle is None:
                middle = middles[char[:end]] = self.add(True)
                self.rows[middle] = self.rows[self.rows[at, char[end - 1]]]
                self.rows[at, char[end - 1]] = middle
            at = middle
        self.rows[at, char[-1]] = after


def _rows(texts: tuple[str, ...]) -> tuple[Rows | None, npt.NDArray[np.bool_]]:
    """Return the rows of the automaton, and which of its states are inside a character."""
    made = _Rows()
    # a prefix of texts: its state, its fallback state, its length, the texts
    todo: deque[tuple[int, int, int, tuple[str, ...]]] = deque([(0, 0, 0, texts)])
    while todo:
        state, back, size, held = todo.popleft()
        made.rows[state] = made.rows[back]  # the fallback is shorter, so its row is complete
        below: dict[str, list[str]] = {}
        for text in held:
            below.setdefault(text[size], []).append(text)
        middles = {b"": state}
        for char, going in below.items():
            if len(going) == 1 and len(going[0]) == size + 1:
                after = DEAD
            else:
                after = made.add(False)
                todo.append((after, made.after(back, char) if size else 0, size + 1, tuple(going)))
            made.redirect(middles, char.encode(), after)
        if len(made.inside) > MOST_STATES:
            return None, np.zeros(0, np.bool_)
    rows, inside = made.rows[: len(made.inside)].copy(), np.array(made.inside)
    while True:
        # remove states inside a character that no byte completes
        empty = np.flatnonzero(inside & (rows < 0).all(axis=1))
        leads = np.isin(rows, empty) if len(empty) else np.zeros(1, np.bool_)
        if not leads.any():
            return rows, inside
        rows[leads] = DEAD


def shortest(of: Banned, state: int, ascii: bool = False) -> bytes:
    """Return the completion of a state whose JSON text is the shortest, and of these the smallest; `ascii`:
    of texts in ASCII alone."""
    if of.ends[state]:
        return b""
    found = _plainest(of, state)
    if found is not None:
        return found
    heap = [(0, b"", b"", state)]
    done: set[int] = set()
    while heap:
        cost, written, text, at = heapq.heappop(heap)
        if of.ends[at]:
            return text
        if at in done:
            continue
        done.add(at)
        for byte in np.flatnonzero(of.rows[at, :256] >= 0).tolist():
            said = _SAID_IN_ASCII[byte] if ascii else _SAID[byte]
            target = int(of.rows[at, byte])
            if target not in done:
                heapq.heappush(heap, (cost + len(said), written + said, text + bytes((byte,)), target))
    raise AssertionError("a state of the automaton leads to no end")


def _plainest(of: Banned, start: int) -> bytes | None:
    """Return the smallest of the shortest completions in printable ASCII; None if the state is inside a
    character, or if printable ASCII has no completion of the least length."""
    if of.rows[start, 0x80] >= 0 or not (of.rows[start, 0x20:0x7F] >= 0).any():
        return None
    # each character brings the end nearer by one
    way: list[tuple[int, int]] = [(start, 0x20)]
    dead: set[int] = set()
    while way:
        state, byte = way[-1]
        if of.ends[state]:
            return bytes(before for _, before in way[:-1])
        targets = of.rows[state]
        while byte < 0x7F and (byte in b'"\\' or targets[byte] < 0 or int(targets[byte]) in dead):
            byte += 1
        if byte == 0x7F:
            dead.add(state)
            way.pop()
            if way:
                way[-1] = way[-1][0], way[-1][1] + 1
            continue
        way[-1] = state, byte
        way.append((int(targets[byte]), 0x20))
    return None


def _said(byte: int) -> bytes:
    if byte in b'"\\':
        return b"\\" + bytes((byte,))
    if byte >= 0x20:
        return bytes((byte,))
    return json.dumps(chr(byte)).encode()[1:-1]


_SAID: Final = tuple(map(_said, range(256)))
"""How a JSON text spells each byte."""
_SAID_IN_ASCII: Final = (
    *_SAID[:0x7F],
    *(
        b"" if byte & 0xC0 == 0x80 else bytes((byte,)) * (12 if byte > 0xEF else 6)
        for byte in range(0x7F, 256)
    ),
)
"""The same where the first byte of a character is said to stand for its escapes, as long as these."""

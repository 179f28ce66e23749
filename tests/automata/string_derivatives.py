"""String languages as derivatives: a second, plain definition of what the string automata accept.

A language is an expression over classes of characters: And, Or, Not, concatenation and counted repetition.
The derivative of an expression by a character is the expression of what may follow it (J. Brzozowski, 1964).
Equal expressions are one number, so there are finitely many for a pattern (S. Owens, J. Reppy, A. Turon,
2009). The length of the whole string stands beside the expression, and not in it.

Look-aheads are conjunctions with what follows. Look-behinds, word boundaries and look-aheads inside a
repetition are not here: `Unread` is raised.
"""

from __future__ import annotations

from bisect import bisect_right

from structgen.automata.formats.named_formats import meaning_of
from structgen.automata.regex.ecma_syntax import parse
from structgen.automata.regex.syntax_tree import (
    Alternation,
    CharacterClass,
    Concatenation,
    LookAround,
    Node,
    Repetition,
    TextEnd,
    TextStart,
    descendants,
)
from structgen.automata.unicode.charsets import LAST, Ranges
from structgen.language.ir import All, Any_, Format, Formula, Length, Not, Pattern, Words

NONE, EMPTY, START, END = range(4)
"""The numbers of four expressions: no text, the empty text, `^` and `$`."""


class Unread(Exception):
    """A formula that this definition does not cover."""


class Expressions:
    """Expressions over `count` classes of characters, numbered: equal ones have equal numbers."""

    def __init__(self, count: int) -> None:
        self.every = (1 << count) - 1
        self.nodes: list[tuple] = []
        self.numbers: dict[tuple, int] = {}
        self.known: dict[tuple, object] = {}
        for node in (("none",), ("empty",), ("start",), ("end",)):
            self.number(node)
        self.any = self.repeat(self.chars(self.every), 0, None)

    def number(self, node: tuple) -> int:
        found = self.numbers.setdefault(node, len(self.nodes))
        if found == len(self.nodes):
            self.nodes.append(node)
        return found

    # Constructors: each keeps one form of expressions that are equal by an algebraic law.

    def chars(self, classes: int) -> int:
        """Return the texts of one character out of some classes (bits)."""
        return self.number(("chars", classes)) if classes else NONE

    def then(self, first: int, second: int) -> int:
        parts = []  # nested to the right
        while self.nodes[first][0] == "then":
            parts.append(self.nodes[first][1])
            first = self.nodes[first][2]
        for part in (first, *reversed(parts)):
            if NONE in (part, second):
                return NONE
            if part != EMPTY:
                second = part if second == EMPTY else self.number(("then", part, second))
        return second

    def repeat(self, of: int, least: int, most: int | None) -> int:
        if most is not None and most < least:
            return NONE
        if most == 0 or of == EMPTY:
            return EMPTY
        if of == NONE:
            return EMPTY if least == 0 else NONE
        if least == most == 1:
            return of
        return self.number(("repeat", of, 0 if least and self.ends(of) else least, most))

    def joined(self, kind: str, parts: list[int]) -> int:
        """Return the conjunction (`and`) or the disjunction (`or`) of some expressions."""
        unit, zero = (self.any, NONE) if kind == "and" else (NONE, self.any)
        flat: set[int] = set()
        for part in parts:
            flat.update(self.nodes[part][1] if self.nodes[part][0] == kind else (part,))
        flat.discard(unit)
        if zero in flat or any(self.negated(part) in flat for part in flat if self.nodes[part][0] == "not"):
            return zero
        if len(flat) <= 1:
            return flat.pop() if flat else unit
        return self.number((kind, frozenset(flat)))

    def negated(self, of: int) -> int:
        if of in (NONE, self.any):
            return self.any if of == NONE else NONE
        return self.nodes[of][1] if self.nodes[of][0] == "not" else self.number(("not", of))

    # Questions.

    def ends(self, e: int, start: bool = False, end: bool = False) -> bool:
        """Return whether the empty text is in a language, at the start or the end of the string."""
        key = ("ends", e, start, end)
        if key not in self.known:
            kind, *args = self.nodes[e]
            if kind in ("and", "or"):
                found = (all if kind == "and" else any)(self.ends(part, start, end) for part in args[0])
            elif kind == "then":
                found = self.ends(args[0], start, end) and self.ends(args[1], start, end)
            elif kind == "repeat":
                found = args[1] == 0 or self.ends(args[0], start, end)
            elif kind == "not":
                found = not self.ends(args[0], start, end)
            else:
                found = {"empty": True, "start": start, "end": end}.get(kind, False)
            self.known[key] = found
        return bool(self.known[key])

    def after(self, e: int, c: int, start: bool = False) -> int:
        """Return the derivative by a character of class `c`: what may follow it."""
        key = ("after", e, c, start)
        found = self.known.get(key)
        if found is None:
            kind, *args = self.nodes[e]
            if kind == "chars":
                found = EMPTY if args[0] >> c & 1 else NONE
            elif kind == "then":
                found = self.then(self.after(args[0], c, start), args[1])
                if self.ends(args[0], start):
                    found = self.joined("or", [found, self.after(args[1], c, start)])
            elif kind == "repeat":
                of, least, most = args
                rest = self.repeat(of, max(least - 1, 0), None if most is None else most - 1)
                found = self.then(self.after(of, c, start), rest)
            elif kind in ("and", "or"):
                found = self.joined(kind, [self.after(part, c, start) for part in args[0]])
            else:
                found = self.negated(self.after(args[0], c, start)) if kind == "not" else NONE
            self.known[key] = found
        return int(found)  # type: ignore[call-overload]

    def blocks(self, e: int, start: bool = False) -> tuple[int, ...]:
        """Return sets of classes that no derivative tells apart (Owens, Reppy and Turon)."""
        key = ("blocks", e, start)
        if key not in self.known:
            kind, *args = self.nodes[e]
            if kind == "chars":
                parts = [(args[0], self.every & ~args[0])]
            elif kind == "then":
                parts = [self.blocks(part, start) for part in args[: 1 + self.ends(args[0], start)]]
            elif kind in ("and", "or"):
                parts = [self.blocks(part, start) for part in args[0]]
            else:
                parts = [self.blocks(args[0], start)] if args else []
            found = (self.every,)
            for part in parts:
                found = tuple(a & b for a in found for b in part if a & b)
            self.known[key] = found
        return self.known[key]  # type: ignore[return-value]


class Classes:
    """The code points that some sets and letters cannot tell apart."""

    def __init__(self, sets: list[Ranges], letters: set[int]) -> None:
        edges = {edge for ranges in sets for low, high in ranges for edge in (low, high + 1)}
        edges |= {edge for letter in letters for edge in (letter, letter + 1)}
        self.starts = sorted((edges | {0, 0xD800, 0xE000}) - {LAST + 1})
        numbers: dict[tuple[object, ...], int] = {}
        self.kinds: list[int] = []
        """The class of the code points from each start on."""
        for start in self.starts:
            name = (
                *(any(low <= start <= high for low, high in ranges) for ranges in sets),
                0xD800 <= start < 0xE000,  # no text has these
                start if start in letters else -1,
            )
            self.kinds.append(numbers.setdefault(name, len(numbers)))
        self.count = len(numbers)
        self.members = [
            sum(1 << kind for name, kind in numbers.items() if name[at]) for at in range(len(sets))
        ]
        """For each set the bit mask of its classes."""
        self.points = [self.starts[self.kinds.index(kind)] for kind in range(self.count)]
        """The smallest code point of each class."""
        self.written = [not 0xD800 <= point < 0xE000 for point in self.points]

    def of(self, point: int) -> int:
        return self.kinds[bisect_right(self.starts, point) - 1]


class Derivatives:
    """The strings of a formula, by bytes. A state is (expression, characters, bytes of a character)."""

    def __init__(self, formula: Formula) -> None:
        sets: dict[Ranges, int] = {}
        letters: set[int] = set()
        _collect(formula, sets, letters)
        self.classes = Classes(list(sets), letters)
        self.sets, self.of = sets, Expressions(self.classes.count)
        self.least, self.most, rest = _length(formula)
        self.cap = max(1, self.least if self.most is None else self.most + 1)  # 0: at the start
        self.begin = (self.formula(rest), 0, b"")

    def formula(self, formula: Formula) -> int:
        of = self.of
        if isinstance(formula, Not):
            return of.negated(self.formula(formula.of))
        if isinstance(formula, (All, Any_)):
            return of.joined("and" if isinstance(formula, All) else "or", [*map(self.formula, formula.of)])
        if isinstance(formula, Length):
            return of.repeat(of.chars(of.every), formula.least, formula.most)
        if isinstance(formula, Words):
            return of.joined("or", [self.word(word) for word in formula.of])
        if isinstance(formula, Format):
            return self.formula(_meaning(formula))
        assert isinstance(formula, Pattern)
        return of.then(of.any, self.node(parse(formula.source), of.any))

    def word(self, word: str) -> int:
        found = EMPTY
        for char in reversed(word):
            found = self.of.then(self.of.chars(1 << self.classes.of(ord(char))), found)
        return found

    def node(self, node: Node, after: int, whole: bool = True) -> int:
        """Return a pattern followed by `after`; `whole`: that is all of what follows in the string."""
        of = self.of
        if isinstance(node, CharacterClass):
            return of.then(of.chars(self.classes.members[self.sets[node.ranges]]), after)
        if isinstance(node, Concatenation):
            for part in reversed(node.parts):
                after = self.node(part, after, whole)
            return after
        if isinstance(node, Alternation):
            return of.joined("or", [self.node(part, after, whole) for part in node.parts])
        if isinstance(node, Repetition):
            return of.then(of.repeat(self.node(node.of, EMPTY, False), node.least, node.most), after)
        if isinstance(node, LookAround) and node.ahead and whole:
            ahead = self.node(node.of, of.any)
            return of.joined("and", [ahead if node.holds else of.negated(ahead), after])
        if isinstance(node, (TextStart, TextEnd)):
            return of.then(START if isinstance(node, TextStart) else END, after)
        raise Unread(type(node).__name__)

    # What a pool is asked.

    def step(self, state: tuple[int, int, bytes], byte: int) -> tuple[int, int, bytes]:
        """Return the state after a byte of UTF-8."""
        e, length, held = state
        held += bytes((byte,))
        if len(held) < _size(held[0]):
            return e, length, held
        return self.read(e, length, self.classes.of(ord(held.decode())))

    def read(self, e: int, length: int, kind: int) -> tuple[int, int, bytes]:
        return self.of.after(e, kind, length == 0), min(length + 1, self.cap), b""

    def accepts(self, state: tuple[int, int, bytes]) -> bool:
        e, length, held = state
        fits = self.least <= length and (self.most is None or length <= self.most)
        return not held and fits and self.of.ends(e, length == 0, True)

    def alive(self, state: tuple[int, int, bytes]) -> bool:
        """Return whether some text completes a state."""
        e, length, held = state
        if not held:
            return self.shortest(e, length) is not None
        low, high = (_decoded(held, edge) for edge in (0x80, 0xBF))
        kinds = {self.classes.of(point) for point in (low, *self.classes.starts) if low <= point <= high}
        return any(self.alive(self.read(e, length, kind)) for kind in kinds if self.classes.written[kind])

    def shortest(self, e: int, length: int) -> int | None:
        """Return how many characters complete an expression at the least; None: no text does."""
        seen, listed, count = {(e, length)}, [(e, length)], 0
        while listed:
            below = []
            for e, length in listed:
                if self.accepts((e, length, b"")):
                    return count
                if self.most is not None and length > self.most:
                    continue
                for block in self.of.blocks(e, length == 0):
                    kinds = [kind for kind in range(block.bit_length()) if block >> kind & 1]
                    kind = next((kind for kind in kinds if self.classes.written[kind]), None)
                    after = (NONE, 0) if kind is None else self.read(e, length, kind)[:2]
                    if after[0] != NONE and after not in seen:
                        seen.add(after)
                        below.append(after)
            listed, count = below, count + 1
        return None


def _size(lead: int) -> int:
    return 1 if lead < 0x80 else 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4


def _decoded(held: bytes, edge: int) -> int:
    """Return the first (`edge` 0x80) or last code point whose UTF-8 begins with some bytes."""
    size = _size(held[0])
    point = held[0] & (0x7F, 0x1F, 0x0F, 0x07)[size - 1]
    for byte in (held + bytes((edge,)) * size)[1:size]:
        point = point << 6 | byte & 63
    return min(max(point, (0, 0x80, 0x800, 0x10000)[size - 1]), LAST)


def _meaning(formula: Format) -> Formula:
    return meaning_of(formula.name, denied=False, alone=False)


def _length(formula: Formula) -> tuple[int, int | None, Formula]:
    """Return the bounds on the length that a conjunction states, and the rest of it."""
    parts = list(formula.of) if isinstance(formula, All) else [formula]
    bounds = [part for part in parts if isinstance(part, Length)]
    least = max((part.least for part in bounds), default=0)
    most = min((part.most for part in bounds if part.most is not None), default=None)
    return least, most, All(tuple(part for part in parts if not isinstance(part, Length)))


def _collect(formula: Formula, sets: dict[Ranges, int], letters: set[int]) -> None:
    """Gather the sets and the letters of a formula."""
    if isinstance(formula, Words):
        letters.update(map(ord, "".join(formula.of)))
    elif isinstance(formula, Pattern):
        for node in descendants(parse(formula.source)):
            if isinstance(node, CharacterClass):
                sets.setdefault(node.ranges, len(sets))
    elif not isinstance(formula, Length):
        parts = (formula.of,) if isinstance(formula, Not) else ()
        parts = formula.of if isinstance(formula, (All, Any_)) else parts
        for part in (
            (meaning_of(formula.name, denied=False, alone=False),) if isinstance(formula, Format) else parts
        ):
            _collect(part, sets, letters)

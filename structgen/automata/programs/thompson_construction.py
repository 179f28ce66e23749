"""Patterns as programs: Thompson's construction, with leading look-aheads split off as formulas.

Source: K. Thompson, Regular Expression Search Algorithm (1968); counters as in `instructions`.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TypeAlias, Union

from structgen.automata.programs.instructions import (
    BOL,
    CHAR,
    CLOCK,
    COUNT,
    EOL,
    LOOK,
    MATCH,
    PUSH,
    REGEX,
    REPEAT,
    SPLIT,
    Instruction,
    LookProgram,
    Program,
)
from structgen.automata.regex.ecma_syntax import parse
from structgen.automata.regex.syntax_tree import (
    EMPTY,
    TEXT_START,
    Alternation,
    CharacterClass,
    Concatenation,
    LookAround,
    Node,
    Repetition,
    TextEnd,
    TextStart,
    WordBoundary,
    alternatives,
    descendants,
    nullable,
)
from structgen.automata.unicode.charsets import ANY, LAST, Ranges
from structgen.automata.unicode.properties import property_tree


@dataclass(frozen=True, slots=True)
class NotTree:
    """The complement of a pattern formula."""

    of: Tree


@dataclass(frozen=True, slots=True)
class AllTree:
    """A conjunction of pattern formulas."""

    of: tuple[Tree, ...]


Tree: TypeAlias = Union[Program, NotTree, AllTree]


@functools.lru_cache(maxsize=4096)
def compile_pattern(source: str) -> Tree:
    """Return the program of the strings in which a search finds the pattern, or a formula over programs.

    Look-aheads at the very start, `^(?!a)(?=b)c`, become the conjunction of not `^a`, `^b` and `^c`, whose
    product is built lazily. Other look-arounds stay in the program. Raises `RegexError`.
    """
    return _split(parse(source))


@functools.lru_cache(maxsize=256)
def compile_union(sources: tuple[str, ...]) -> Program:
    """Return the program of the strings that some of plain patterns accept (`instructions.is_plain`)."""
    return _program(alternatives([parse(source) for source in sources]))


@functools.lru_cache(maxsize=8)
def compile_clock(prefix: str) -> Program:
    """Return the program of the strings of `prefix` (an anchored pattern) followed by an RFC 3339 time.

    A leap second must be the last second of its day in UTC. That ties the hour and minute to the offset, so
    the threads of the instruction carry them; no short pattern could.
    """
    builder = ProgramBuilder()
    for char in _CLOCK_CHARS:
        builder.set(((ord(char), ord(char)),))
    anchored, _ = _unanchor(parse(prefix))
    assert anchored is not None
    start = builder.emit(anchored, builder.put(CLOCK))
    return Program(tuple(builder.code), tuple(builder.sets), start, tuple(builder.outer), True)


@functools.lru_cache(maxsize=2)
def compile_regex(*, bound: bool = False) -> Program:
    """Return the program of the strings that are patterns of ECMA-262 in Unicode mode (see `regex_format`).

    `bound`: with every string that the automaton leaves out, although it may be a pattern.
    """
    builder = ProgramBuilder()
    bounds = sorted({0x80, LAST + 1, *map(ord, _ENDS), *(ord(char) + 1 for char in _ENDS)})
    spans = tuple(zip(bounds, (bound - 1 for bound in bounds[1:]), strict=False))
    # Each span between two ends has its own bits, so that it is a class of its own.
    for bit in range(len(spans).bit_length()):
        builder.set(tuple(span for index, span in enumerate(spans) if index >> bit & 1))
    start = builder.put(REGEX, 0, 1 if bound else 0)
    if bound:
        builder.put(MATCH)
    table = (len(spans), *(high for _, high in spans), *property_tree())
    letters = frozenset(range(0x80))
    code, sets = tuple(builder.code), tuple(builder.sets)
    return Program(code, sets, start, tuple(builder.outer), True, letters=letters, table=table)


# Where ranges of letters beyond ASCII begin and end in practice. The automaton cannot order the ends of a
# range that both lie between two neighbours of these.
_ENDS = "ÀÿΑΩαωАЯаяё一龥가힣"

_CLOCK_CHARS = "0123456789:.+-Zz"  # each is a class of its own


def _split(node: Node) -> Tree:
    parts = _flat(node)
    if not parts or not isinstance(parts[0], TextStart):
        return _program(node)
    rest = 1
    while rest < len(parts) and isinstance(parts[rest], TextStart):
        rest += 1
    conditions: list[Tree] = []
    while rest < len(parts):
        look = parts[rest]
        if isinstance(look, LookAround) and look.ahead:
            inner = _split(Concatenation((TEXT_START, look.of)))
            conditions.append(inner if look.holds else NotTree(inner))
        elif not isinstance(look, TextStart):
            break
        rest += 1
    if not conditions:
        return _program(node)
    return AllTree((*conditions, _split(Concatenation((TEXT_START, *parts[rest:])))))


def _flat(node: Node) -> list[Node]:
    """Return the parts of a concatenation, nested ones opened up."""
    flat: list[Node] = []
    stack = [node]
    while stack:
        top = stack.pop()
        if isinstance(top, Concatenation):
            stack.extend(reversed(top.parts))
        else:
            flat.append(top)
    return flat


def _unanchor(node: Node) -> tuple[Node | None, Node | None]:
    """Return the alternatives that begin with `^`, without it, and the others."""
    if isinstance(node, TextStart):
        return EMPTY, None
    if isinstance(node, Concatenation):
        parts = _flat(node)
        at = 0
        while at < len(parts) and isinstance(parts[at], TextStart):
            at += 1
        if at:
            return Concatenation(tuple(parts[at:])), None
        if not parts:
            return None, node
        anchored, free = _unanchor(parts[0])
        rest = tuple(parts[1:])
        return (
            None if anchored is None else Concatenation((anchored, *rest)),
            None if free is None else Concatenation((free, *rest)),
        )
    if isinstance(node, Alternation):
        pairs = [_unanchor(part) for part in node.parts]
        at_start = tuple(pair[0] for pair in pairs if pair[0] is not None)
        anywhere = tuple(pair[1] for pair in pairs if pair[1] is not None)
        return _alt(at_start), _alt(anywhere)
    return None, node


def _alt(parts: tuple[Node, ...]) -> Node | None:
    return None if not parts else parts[0] if len(parts) == 1 else Alternation(parts)


def _ends_well(node: Node, tail: bool) -> bool:
    """Return whether nothing need follow any `$` (`tail`: nothing need follow the node itself)."""
    if isinstance(node, CharacterClass):
        # lone surrogates can be written only as escapes, if at all
        ranges = node.ranges
        return bool(ranges) and (ranges[0][0] < 0xD800 or ranges[-1][1] > 0xDFFF)
    if isinstance(node, TextEnd):
        return tail
    if isinstance(node, Concatenation):
        for part in reversed(node.parts):
            if not _ends_well(part, tail):
                return False
            tail = tail and nullable(part)
        return True
    if isinstance(node, Alternation):
        return all(_ends_well(part, tail) for part in node.parts)
    if isinstance(node, Repetition):
        return _ends_well(node.of, tail and node.least <= 1)
    return not isinstance(node, (TextStart, LookAround, WordBoundary))


def _surely_empty(node: Node) -> bool:
    """Return whether the node matches the empty word everywhere, without an assertion."""
    if isinstance(node, Concatenation):
        return all(_surely_empty(part) for part in node.parts)
    if isinstance(node, Alternation):
        return any(_surely_empty(part) for part in node.parts)
    if isinstance(node, Repetition):
        return node.least == 0 or _surely_empty(node.of)
    return False


def _program(node: Node) -> Program:
    kinds = set(map(type, descendants(node)))
    if kinds & {LookAround, WordBoundary}:
        return ProgramBuilder().search(node, node, node, trimmed=False)
    if TextStart not in kinds:
        return ProgramBuilder().search(node, None, node, trimmed=_ends_well(node, True))
    anchored, free = _unanchor(node)
    if any(part is not None and TextStart in map(type, descendants(part)) for part in (anchored, free)):
        return ProgramBuilder().search(node, node, node, trimmed=False)
    trimmed = all(part is None or _ends_well(part, True) for part in (anchored, free))
    return ProgramBuilder().search(node, anchored, free, trimmed=trimmed)


class ProgramBuilder:
    """Builds a program backwards: each node is emitted with the instruction that follows it.

    A node that is emitted twice before the same instruction is there once: then threads are partial
    derivatives (V. Antimirov, 1996), which are fewer than the places of a pattern.
    """

    def __init__(self) -> None:
        self.code: list[Instruction] = []
        self.shared: dict[tuple[object, ...], int] = {}
        self.sets: dict[Ranges, int] = {}
        self.looks: list[LookProgram] = []
        self.outer: list[int] = []
        self.inside = -1

    def search(self, node: Node, anchored: Node | None, free: Node | None, *, trimmed: bool) -> Program:
        """Return the program: `anchored` starts at the start of the string, `free` anywhere."""
        match = self.put(MATCH)
        start = -1
        if free is not None:
            start = self.put(SPLIT)
            body = self.emit(free, match)
            self.code[start] = (SPLIT, body, self.put(CHAR, self.set(ANY), start), 0, 0, 0)
        if anchored is not None and anchored is not free:
            body = self.emit(anchored, match)
            start = body if start < 0 else self.put(SPLIT, body, start)
        return Program(
            tuple(self.code), tuple(self.sets), start, tuple(self.outer), trimmed, tuple(self.looks)
        )

    def put(self, op: int, a: int = 0, b: int = 0, c: int = 0, d: int = 0, e: int = 0) -> int:
        self.code.append((op, a, b, c, d, e))
        self.outer.append(self.inside)
        return len(self.code) - 1

    def share(self, op: int, a: int, b: int = 0) -> int:
        """Return the number of an instruction that may be there already."""
        key = op, a, b, self.inside
        if key not in self.shared:
            self.shared[key] = self.put(op, a, b)
        return self.shared[key]

    def set(self, ranges: Ranges) -> int:
        return self.sets.setdefault(ranges, len(self.sets))

    def emit(self, node: Node, after: int) -> int:
        """Return the instruction at which `node`, followed by `after`, begins."""
        if isinstance(node, CharacterClass):
            return self.share(CHAR, self.set(node.ranges), after)
        if isinstance(node, Concatenation):
            for part in reversed(node.parts):
                after = self.emit(part, after)
            return after
        if isinstance(node, Alternation):
            entry = self.emit(node.parts[-1], after)
            for part in reversed(node.parts[:-1]):
                begin = self.emit(part, after)
                entry = entry if begin == entry else self.share(SPLIT, begin, entry)
            return entry
        if isinstance(node, Repetition):
            return self.repeat(node, after)
        if isinstance(node, TextStart):
            return self.share(BOL, after)
        if isinstance(node, TextEnd):
            return self.share(EOL, after)
        if isinstance(node, WordBoundary):
            self.looks.append(LookProgram(True, node.holds, True, -1))
            return self.put(LOOK, len(self.looks) - 1, after)
        assert isinstance(node, LookAround), "atomic groups are rewritten before (`atomic_groups`)"
        body = self.put(MATCH)
        body = self.emit(node.of, body)
        if not node.ahead:  # a look-behind's body may begin anywhere before
            start = self.put(SPLIT, body)
            self.code[start] = (SPLIT, body, self.put(CHAR, self.set(ANY), start), 0, 0, 0)
            body = start
        self.looks.append(LookProgram(node.ahead, node.holds, False, body))
        return self.put(LOOK, len(self.looks) - 1, after)

    def repeat(self, node: Repetition, after: int) -> int:
        empty = nullable(node.of)
        least, most = (0 if _surely_empty(node.of) else node.least), node.most
        if (least, most) == (0, 1):
            return self.share(SPLIT, self.emit(node.of, after), after)
        endless = least <= 1 and most is None
        key = node.of, after, self.inside, () if endless else (least, most)
        if key in self.shared:
            entry = self.shared[key]
        elif endless:
            entry = self.shared[key] = self.put(SPLIT)
            self.code[entry] = (SPLIT, self.emit(node.of, entry), after, 0, 0, 0)
        else:
            repeat = self.put(REPEAT)
            outside, self.inside = self.inside, repeat
            body = self.emit(node.of, self.put(COUNT, repeat))
            self.inside = outside
            self.code[repeat] = (REPEAT, body, after, least, -1 if most is None else most, int(empty))
            entry = self.shared[key] = self.put(PUSH, repeat)
        return self.code[entry][1] if endless and least else entry

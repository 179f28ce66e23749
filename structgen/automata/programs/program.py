"""Patterns as programs: the instructions that the determiniser runs, look-aheads split off as formulas.

A program's threads are pairs of an instruction and a counter context, so a counted repeat is never unrolled:
its copies are contexts, made when they are visited. What nests without a bound has contexts of calls instead;
a program has the ones or the others.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, Union

from structgen.automata.regex.ecma_syntax import parse
from structgen.automata.regex.syntax_tree import (
    EMPTY,
    Alternation,
    CharacterClass,
    Concatenation,
    LookAround,
    Node,
    Repetition,
    TextEnd,
    TextStart,
    WordBoundary,
    descendants,
    nullable,
)
from structgen.automata.unicode.charsets import ANY, LAST, Ranges
from structgen.automata.unicode.partition import cheapest_point
from structgen.automata.unicode.properties import property_tree

# Instructions are [op, a, b, c, d, e]; `a` to `e` as below.
CHAR = 0  # a: index of the set, b: next; of a digit (`encoded_content`) c: the bits it brings, d: its place
SPLIT = 1  # a, b: both next
PUSH = 2  # a: the REPEAT whose count starts at 0
REPEAT = 3  # a: body, b: exit, c: least, d: most (-1: none), e: 1 where the body can match the empty word
COUNT = 4  # a: the REPEAT whose count goes up by one
BOL = 5  # a: next
EOL = 6  # a: next
MATCH = 7
WORDS = 8  # threads are ranges of the sorted words
TABLE = 9  # threads are states of a determiniser in Python
LOOK = 10  # a: index of the look-around, b: next; only in programs that need one
CLOCK = 11  # threads are places of an RFC 3339 time; it ends the string
REGEX = 12  # a: tree of names of properties, b: next once what is read is not held, or itself; threads are
# places of an ECMA-262 pattern, which ends the string
STEPPER = 13  # a: which of the program's steppers, b: next, c: least characters; threads are its states
LETTERS = 14  # a: index of a set that lies between c and d, b: next; threads are the letters read
CALL = 15  # a: a body, b: next once it has ended, c: how far in front the CALL stands that the context names
RETURN = 16  # the end of a body, c: how far behind the call's next it goes on
CALLED = -2
"""In `Program.outer`: the contexts are calls, not counts."""
UNPADDED = 8
"""In a CHAR's `c`, beside how many bits a digit brings: no padding need follow."""
Instruction: TypeAlias = tuple[int, int, int, int, int, int]
_FAR = 1 << 40


class Stepper(Protocol):
    """An automaton whose states are worked out one character at a time, since they are about as many as
    texts. It takes letters, digits and hyphens of ASCII alone; equal ones are one."""

    def start(self) -> str:
        """Return the state before the first character; it is not an end."""

    def step(self, state: str, char: str) -> tuple[str, int] | None:
        """Return the state after a character, and the least characters from there to an end (0: it is one);
        None where there is no end."""

    def rest(self, state: str) -> str:
        """Return the shortest, then smallest text from a state to an end."""

    def safe(self, state: str) -> int:
        """Return how many characters of its alphabet may surely follow, whichever they are."""


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """One pattern compiled: it accepts the strings in which a search finds the pattern.

    Identity is equality: `compile_pattern` hands out one program a pattern, and instructions are long to
    compare. `outer` is for each instruction the REPEAT whose body it is in, or -1; CALLED in programs
    of calls. `trimmed`: from every
    reachable thread of a non-empty state some completion leads to a match, so that the automaton alone tells
    live from dead. `looks` are the look-arounds (and word boundaries) of a program that needs the
    determiniser in Python.
    """

    code: tuple[Instruction, ...]
    sets: tuple[Ranges, ...]
    start: int
    outer: tuple[int, ...]
    trimmed: bool
    looks: tuple[LookProgram, ...] = ()
    letters: frozenset[int] = frozenset()
    """Code points that the determiniser tells apart beside what the sets ask for."""
    table: tuple[int, ...] = ()
    """What the REGEX instruction reads."""
    steppers: tuple[Stepper, ...] = ()
    costs: tuple[int, ...] = ()
    """What `completion_costs` says of each instruction, where the instructions do not tell."""


@dataclass(frozen=True, slots=True)
class LookProgram:
    """A look-around of a program: `boundary` for a word boundary, else where the body begins."""

    ahead: bool
    holds: bool
    boundary: bool
    start: int


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
    """Return what decides whether a search for the pattern succeeds: a program, or a formula over programs.

    Look-aheads that stand at the very start, `^(?!a)(?=b)c`, become the conjunction of not `^a`, `^b` and
    `^c`, whose product is built lazily. Other look-arounds stay in the program. Raises `RegexError`.
    """
    return _split(parse(source))


@functools.lru_cache(maxsize=8)
def compile_clock(prefix: str) -> Program:
    """Return the program of the strings of `prefix` (an anchored pattern) followed by an RFC 3339 time.

    A leap second must be the last second of its day in UTC. That ties the hour and minute to the offset,
    which no short pattern says: the instruction's threads carry them.
    """
    emitter = Emitter()
    for char in _CLOCK_CHARS:
        emitter.set(((ord(char), ord(char)),))
    anchored, _ = _unanchor(parse(prefix))
    assert anchored is not None
    start = emitter.emit(anchored, emitter.put(CLOCK))
    return Program(tuple(emitter.code), tuple(emitter.sets), start, tuple(emitter.outer), True)


@functools.lru_cache(maxsize=2)
def compile_regex(*, bound: bool = False) -> Program:
    """Return the program of the strings that are patterns of ECMA-262 in Unicode mode (see `regex_format`).

    `bound`: with all that is left out of the automaton, and may be a pattern or none.
    """
    emitter = Emitter()
    bounds = sorted({0x80, LAST + 1, *map(ord, _ENDS), *(ord(char) + 1 for char in _ENDS)})
    spans = tuple(zip(bounds, (bound - 1 for bound in bounds[1:]), strict=False))
    # Each span between two ends has its own bits, so that it is a class of its own.
    for bit in range(len(spans).bit_length()):
        emitter.set(tuple(span for index, span in enumerate(spans) if index >> bit & 1))
    start = emitter.put(REGEX, 0, 1 if bound else 0)
    if bound:
        emitter.put(MATCH)
    table = (len(spans), *(high for _, high in spans), *property_tree())
    letters = frozenset(range(0x80))
    code, sets = tuple(emitter.code), tuple(emitter.sets)
    return Program(code, sets, start, tuple(emitter.outer), True, letters=letters, table=table)


# Where ranges of letters beyond ASCII begin and end in practice: a range between two others of these, or
# within what lies between them, is one that the automaton cannot put in order.
_ENDS = "ÀÿΑΩαωАЯаяё一龥가힣"

_CLOCK_CHARS = "0123456789:.+-Zz"  # the determiniser tells them apart, so each is a class of its own


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
            inner = _split(Concatenation((TextStart(), look.of)))
            conditions.append(inner if look.holds else NotTree(inner))
        elif not isinstance(look, TextStart):
            break
        rest += 1
    if not conditions:
        return _program(node)
    return AllTree((*conditions, _split(Concatenation((TextStart(), *parts[rest:])))))


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


def _has(node: Node, kinds: tuple[type, ...]) -> bool:
    return any(isinstance(one, kinds) for one in descendants(node))


def _unanchor(node: Node) -> tuple[Node | None, Node | None]:
    """Return (the part that must stand at the start of the string, its `^` gone; the part that need not)."""
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
    """Return whether every `$` stands where nothing more need follow (`tail`: `node` itself does)."""
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
    if isinstance(node, CharacterClass):
        return bool(node.ranges)
    return not isinstance(node, (TextStart, LookAround, WordBoundary))


def _surely_empty(node: Node) -> bool:
    """Return whether the node matches the empty word wherever it stands (no assertion in the way)."""
    if isinstance(node, Concatenation):
        return all(_surely_empty(part) for part in node.parts)
    if isinstance(node, Alternation):
        return any(_surely_empty(part) for part in node.parts)
    if isinstance(node, Repetition):
        return node.least == 0 or _surely_empty(node.of)
    return False


def _program(node: Node) -> Program:
    if _has(node, (LookAround, WordBoundary)):
        return Emitter().search(node, node, node, trimmed=False)
    if not _has(node, (TextStart,)):
        return Emitter().search(node, None, node, trimmed=_ends_well(node, True))
    anchored, free = _unanchor(node)
    if any(part is not None and _has(part, (TextStart,)) for part in (anchored, free)):
        return Emitter().search(node, node, node, trimmed=False)
    trimmed = all(part is None or _ends_well(part, True) for part in (anchored, free))
    return Emitter().search(node, anchored, free, trimmed=trimmed)


class Emitter:
    """Emits instructions backwards, each node knowing what follows it."""

    def __init__(self) -> None:
        self.code: list[Instruction] = []
        self.sets: dict[Ranges, int] = {}
        self.looks: list[LookProgram] = []
        self.outer: list[int] = []
        self.inside = -1

    def search(self, node: Node, anchored: Node | None, free: Node | None, *, trimmed: bool) -> Program:
        """Return the program: `anchored` from the start of the string alone, `free` from any place."""
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

    def set(self, ranges: Ranges) -> int:
        return self.sets.setdefault(ranges, len(self.sets))

    def emit(self, node: Node, after: int) -> int:
        """Return the instruction at which `node`, followed by `after`, begins."""
        if isinstance(node, CharacterClass):
            return self.put(CHAR, self.set(node.ranges), after)
        if isinstance(node, Concatenation):
            for part in reversed(node.parts):
                after = self.emit(part, after)
            return after
        if isinstance(node, Alternation):
            entry = self.emit(node.parts[-1], after)
            for part in reversed(node.parts[:-1]):
                entry = self.put(SPLIT, self.emit(part, after), entry)
            return entry
        if isinstance(node, Repetition):
            return self.repeat(node, after)
        if isinstance(node, TextStart):
            return self.put(BOL, after)
        if isinstance(node, TextEnd):
            return self.put(EOL, after)
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
            return self.put(SPLIT, self.emit(node.of, after), after)
        if least <= 1 and most is None:
            loop = self.put(SPLIT)
            body = self.emit(node.of, loop)
            self.code[loop] = (SPLIT, body, after, 0, 0, 0)
            return body if least else loop
        repeat = self.put(REPEAT)
        outside, self.inside = self.inside, repeat
        body = self.emit(node.of, self.put(COUNT, repeat))
        self.inside = outside
        self.code[repeat] = (REPEAT, body, after, least, -1 if most is None else most, int(empty))
        return self.put(PUSH, repeat)


def is_plain(program: Program) -> bool:
    """Return whether a program holds instructions of plain patterns alone, and tells by itself what lives."""
    return program.trimmed and not program.looks and all(row[0] <= MATCH for row in program.code)


def floats(program: Program) -> bool:
    """Return whether a pattern can be found after any text, and once found stays so: `a`, `[0-9]{2}`, not
    `^a`, `a$`."""
    op, _, other = program.code[program.start][:3]
    if op != SPLIT or not is_plain(program) or any(row[0] in (BOL, EOL) for row in program.code):
        return False
    again = program.code[other]  # any character, and the search begins anew
    restarts = again[0] == CHAR and program.sets[again[1]] == ANY and again[2] == program.start
    # What lone surrogates alone could meet counts as not to be met.
    spelled = (any(low < 0xD800 or high > 0xDFFF for low, high in ranges) for ranges in program.sets)
    return restarts and all(spelled)


@functools.lru_cache(maxsize=256)
def union_of(programs: tuple[Program, ...]) -> Program:
    """Return the program of the strings that some of plain programs accept."""
    code: list[Instruction] = []
    outer: list[int] = []
    sets: dict[Ranges, int] = {}
    start = -1
    for program in programs:
        base = len(code)
        numbers = [sets.setdefault(ranges, len(sets)) for ranges in program.sets]
        for op, a, b, c, d, e in program.code:
            if op == CHAR:
                code.append((op, numbers[a], b + base, c, d, e))
            elif op == MATCH:
                code.append((op, a, b, c, d, e))
            else:
                code.append((op, a + base, b + base if op in (SPLIT, REPEAT) else b, c, d, e))
        outer += [-1 if one < 0 else one + base for one in program.outer]
        begin = program.start + base
        if start >= 0:
            code.append((SPLIT, begin, start, 0, 0, 0))
            outer.append(-1)
            begin = len(code) - 1
        start = begin
    return Program(tuple(code), tuple(sets), start, tuple(outer), True)


@functools.lru_cache(maxsize=1024)
def completion_costs(program: Program, plain: bool = False) -> tuple[list[int], list[int]]:
    """Return the least bytes of JSON text (`plain`: of UTF-8) from each instruction to the end of its body,
    or a match.

    Then, for each REPEAT, the least bytes of its body. For trimmed programs, where no assertion is in the
    way.
    """
    if program.costs:
        return list(program.costs), [_FAR] * len(program.code)
    return _costs(program.code, [_width(ranges, plain) for ranges in program.sets])


def least_costs(code: Sequence[Instruction], widths: Sequence[int]) -> list[int]:
    """Return the least cost from each instruction to the end of its body, or a match, where a character of
    each set costs so much."""
    return _costs(code, widths)[0]


def _costs(code: Sequence[Instruction], widths: Sequence[int]) -> tuple[list[int], list[int]]:
    cost, body = [_FAR] * len(code), [_FAR] * len(code)
    changed = True
    while changed:  # instructions come after what follows them, loops apart: two or three rounds
        changed = False
        for pc, (op, a, b, least, *_) in enumerate(code):
            if op == CHAR:
                value = widths[a] + cost[b]
            elif op == SPLIT:
                value = min(cost[a], cost[b])
            elif op == PUSH:
                times = code[a][3]
                value = cost[code[a][2]] + (times * body[a] if times else 0)
            elif op == REPEAT:
                value, body[pc] = cost[b], cost[a]
            elif op == EOL:
                value = cost[a]
            elif op == CLOCK:
                value = len("00:00:00Z")
            elif op == STEPPER:
                value = least + cost[b]
            elif op == LETTERS:
                value = widths[a] + cost[b]
            elif op == CALL:
                value = cost[a] + cost[b]
            else:
                value = 0
            if value < cost[pc]:
                cost[pc], changed = value, True
    return cost, body


def _width(ranges: Ranges, plain: bool) -> int:
    """Return the bytes of the code point that is written most briefly (far, where UTF-8 can write none)."""
    least = _FAR
    for low, high in ranges:
        found = cheapest_point(low, high, plain)
        if found is not None:
            least = min(least, found[0])
            if low > 0x7F:  # what comes later is no cheaper
                break
    return least

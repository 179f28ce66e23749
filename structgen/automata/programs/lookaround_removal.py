"""Programs with look-arounds or word boundaries inside, as programs without them.

An instruction of the new program is one of the old together with what a thread there must know: the duties
that look-aheads have left it with, where the look-behinds have come to, whether a word character stands
before. Counts stay counts. The determiniser compiled for plain programs then runs it.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import TypeAlias

from structgen.automata.programs.lookaround import LookaroundAutomaton, Obligation, Threads
from structgen.automata.programs.program import (
    BOL,
    CHAR,
    COUNT,
    EOL,
    LOOK,
    MATCH,
    PUSH,
    REPEAT,
    SPLIT,
    Program,
)
from structgen.automata.unicode.charsets import LAST, WORD, Ranges, union
from structgen.automata.unicode.partition import Partition, partition_for

MOST_WORK = 100_000
"""Threads of look-arounds that are followed, and instructions made; past it the look-arounds stay."""

Duties: TypeAlias = frozenset[Obligation]
Around: TypeAlias = "tuple[tuple[Threads, ...], bool, bool]"
"""Each look-behind's threads, whether the last character is a word character, whether this is the start."""
_ENDED = -2
"""Stands for an instruction: the pattern has matched, and duties are left."""


@functools.lru_cache(maxsize=1024)
def without_looks(program: Program) -> Program | None:
    """Return a program of the same strings without look-arounds, or None where it would be too long.

    Cost: some 20 us for each instruction and class of characters. Raises `RegexError` for a look-behind that
    itself looks ahead.
    """
    return _Copier(program).copy() if program.looks else program


class _Copier:
    def __init__(self, program: Program) -> None:
        self.program = program
        sets: dict[Ranges, int] = {}
        for ranges in (*program.sets, WORD):
            sets.setdefault(ranges, len(sets))
        self.partition: Partition = partition_for(tuple(sets), frozenset())
        members = [self.partition.members[sets[ranges]] for ranges in program.sets]
        self.word = self.partition.members[sets[WORD]]
        self.members = members
        self.automaton = LookaroundAutomaton(program, members, self.word)
        self.bounded = any(look.boundary for look in program.looks)
        self.code: list[tuple[int, int, int, int, int, int]] = []
        self.sets: dict[Ranges, int] = {}
        self.numbers: dict[tuple[int, Duties, Around, bool], int] = {}
        self.work = 0
        self.todo: list[tuple[int, Duties, Around, bool]] = []

    def copy(self) -> Program | None:
        start = self.place(self.program.start, frozenset(), self.automaton.around_start(), False)
        while self.todo:
            if self.work + len(self.code) > MOST_WORK:
                return None
            key = self.todo.pop()
            self.code[self.numbers[key]] = self.instruction(*key)
        return Program(tuple(self.code), tuple(self.sets), start, (-1,) * len(self.code), False)

    def place(self, pc: int, duties: Duties, around: Around, ended: bool) -> int:
        """Return the number of the new instruction."""
        key = (pc, self.merged(duties), around, ended)
        number = self.numbers.get(key)
        if number is None:
            number = self.numbers[key] = self.put((MATCH, 0, 0, 0, 0, 0))
            self.todo.append(key)
        return number

    def put(self, row: tuple[int, int, int, int, int, int]) -> int:
        self.code.append(row)
        return len(self.code) - 1

    def merged(self, duties: Duties) -> Duties:
        """Return the duties with those of one negative look-ahead as one: none of the threads may match."""
        if len(duties) < 2:
            return duties
        rest: list[Obligation] = []
        negative: dict[int, Threads] = {}
        for what, value in duties:
            if isinstance(what, int) and not self.program.looks[what].holds:
                negative[what] = negative.get(what, frozenset()) | value  # type: ignore[operator]
            else:
                rest.append((what, value))  # type: ignore[arg-type]
        return frozenset((*rest, *negative.items()))

    def instruction(
        self, pc: int, duties: Duties, around: Around, ended: bool
    ) -> tuple[int, int, int, int, int, int]:
        if pc == _ENDED:
            return self.pending(duties, around)
        op, a, b, c, d, e = self.program.code[pc]
        if op == CHAR:
            return (
                self.dead()
                if ended
                else self.alternatives(list(self.moves(b, self.members[a], duties, around)))
            )
        if op == MATCH:
            return (MATCH, 0, 0, 0, 0, 0) if not duties else self.pending(duties, around)
        if op in (SPLIT, REPEAT):
            return op, self.place(a, duties, around, ended), self.place(b, duties, around, ended), c, d, e
        if op in (PUSH, COUNT):
            return op, self.place(a, duties, around, ended), 0, 0, 0, 0
        if op == BOL:
            return self.go(a, duties, around, ended) if around[2] else self.dead()
        if op == EOL:
            if not self.automaton.hold_at_end(duties):
                return self.dead()
            return EOL, self.place(a, frozenset(), around, True), 0, 0, 0, 0
        assert op == LOOK
        more = self.automaton.look(a, around)
        if more is None or (ended and not self.automaton.hold_at_end(more)):
            return self.dead()
        words = {value for what, value in duties | more if what == "word"}
        if len(words) > 1:
            return self.dead()
        return self.go(b, duties if ended else duties | more, around, ended)

    def go(self, pc: int, duties: Duties, around: Around, ended: bool) -> tuple[int, int, int, int, int, int]:
        to = self.place(pc, duties, around, ended)
        return SPLIT, to, to, 0, 0, 0

    def dead(self) -> tuple[int, int, int, int, int, int]:
        return CHAR, self.sets.setdefault((), len(self.sets)), 0, 0, 0, 0

    def moves(self, pc: int, classes: int, duties: Duties, around: Around) -> Iterator[int]:
        """Yield the instructions that read a character out of `classes` (a bit mask) and go on at `pc`."""
        groups: dict[int, int] = {}
        threads = sum(len(value) for _, value in duties if not isinstance(value, bool))
        threads += sum(map(len, around[0]))
        self.work += (1 + threads) * len(self.partition.first)
        for kind in range(len(self.partition.first)):
            if not classes >> kind & 1:
                continue
            after = self.automaton.around_after(around, kind)
            rest = self.automaton.duties_after(duties, kind, after) if duties else duties
            if rest is not None:
                if not self.bounded:
                    after = (after[0], False, False)
                to = self.place(pc if rest or pc != _ENDED else self.matched(), rest, after, False)
                groups[to] = groups.get(to, 0) | 1 << kind
        for to, mask in groups.items():
            yield self.put((CHAR, self.ranges_of(mask), to, 0, 0, 0))

    def matched(self) -> int:
        """Return an instruction of the old program that matches."""
        return next(pc for pc, row in enumerate(self.program.code) if row[0] == MATCH)

    def pending(self, duties: Duties, around: Around) -> tuple[int, int, int, int, int, int]:
        """Return the instruction after the pattern has matched, while the text to come decides its duties."""
        edges = list(self.moves(_ENDED, -1, duties, around))
        if self.automaton.hold_at_end(duties):
            edges.append(self.put((EOL, self.put((MATCH, 0, 0, 0, 0, 0)), 0, 0, 0, 0)))
        return self.alternatives(edges)

    def alternatives(self, edges: list[int]) -> tuple[int, int, int, int, int, int]:
        if not edges:
            return self.dead()
        first = edges[0]
        for other in edges[1:]:
            first = self.put((SPLIT, first, other, 0, 0, 0))
        return SPLIT, first, first, 0, 0, 0

    def ranges_of(self, mask: int) -> int:
        """Return the number of the set of the characters in some classes."""
        starts, kinds = self.partition.starts, self.partition.kinds
        ends = [*starts[1:], LAST + 1]
        ranges = union(
            (low, end - 1) for low, end, kind in zip(starts, ends, kinds, strict=True) if mask >> kind & 1
        )
        return self.sets.setdefault(ranges, len(self.sets))

"""The instructions of pattern programs, which the determiniser runs, and questions asked of a program.

A program is a nondeterministic automaton as code (K. Thompson, 1968). A thread is an instruction and a
counter context: a counted repetition is never unrolled, its copies are contexts, made when they are visited.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from structgen.automata.unicode.charsets import ANY, Ranges
from structgen.automata.unicode.partition import JSON, cheapest_point

# Instructions are [op, a, b, c, d, e]; `a` to `e` as below.
CHAR = 0  # a: index of the set, b: next
SPLIT = 1  # a, b: both next
PUSH = 2  # a: the REPEAT whose count starts at 0
REPEAT = 3  # a: body, b: exit, c: least, d: most (-1: none), e: 1 where the body can match the empty word
COUNT = 4  # a: the REPEAT whose count goes up by one
BOL = 5  # a: next
EOL = 6  # a: next
MATCH = 7
WORDS = 8  # threads are ranges of the sorted words
LOOK = 9  # a: index of the look-around, b: next; only before `without_lookarounds`
CLOCK = 10  # threads are places of an RFC 3339 time; it ends the string
REGEX = 11  # a: tree of names of properties, b: next once what is read is not held, or itself; threads are
# places of an ECMA-262 pattern, which ends the string
IMPLICIT = 12  # a: which of the program's steppers, b: next, c: least characters; threads are its states
LETTERS = 13  # a: index of a set that lies between c and d, b: next; threads are the letters read
Instruction: TypeAlias = tuple[int, int, int, int, int, int]
_NO_MATCH_COST = 1 << 40


class ImplicitAutomaton(Protocol):
    """An automaton with about as many states as texts, so Python computes a state when a text reaches it.

    Its alphabet is the letters, digits and hyphen of ASCII. It starts at "", which is no end. Equal automata
    are one.
    """

    def step(self, state: str, char: str) -> str | None:
        """Return the state after a character; None if it reaches no end."""

    def rest(self, state: str) -> str:
        """Return a text from a state to an end: empty at an end, one shorter behind its first character."""

    def safe(self, state: str) -> int:
        """Return how many characters may follow, whichever characters of the alphabet they are."""


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """One pattern compiled: it accepts the strings in which a search finds the pattern.

    Identity is equality: `compile_pattern` returns one program for a pattern, and instructions are long to
    compare. `outer` is for each instruction the REPEAT around it, or -1.
    `trimmed`: every non-empty set of threads that the program reaches can be completed to a match. `looks`
    are its look-arounds and word boundaries.
    """

    code: tuple[Instruction, ...]
    sets: tuple[Ranges, ...]
    start: int
    outer: tuple[int, ...]
    trimmed: bool
    looks: tuple[LookProgram, ...] = ()
    letters: frozenset[int] = frozenset()
    """Code points that are classes of their own, beside the sets."""
    table: tuple[int, ...] = ()
    """The data of the REGEX instruction."""
    steppers: tuple[ImplicitAutomaton, ...] = ()
    costs: tuple[int, ...] = ()
    """The completion cost of each instruction, where `completion_costs` cannot compute it."""


@dataclass(frozen=True, slots=True)
class LookProgram:
    """A look-around of a program, or a word boundary (`boundary`); `start` is where its body begins."""

    ahead: bool
    holds: bool
    boundary: bool
    start: int


def is_plain(program: Program) -> bool:
    """Return whether a program is trimmed and has the instructions of plain patterns alone."""
    return program.trimmed and not program.looks and all(row[0] <= MATCH for row in program.code)


def found_anywhere(program: Program) -> bool:
    """Return whether a search can find a pattern after any text, and stays successful: `a`, not `^a`,
    `a$`."""
    op, _, other = program.code[program.start][:3]
    if op != SPLIT or not is_plain(program) or any(row[0] in (BOL, EOL) for row in program.code):
        return False
    again = program.code[other]  # any character, and the search begins anew
    return again[0] == CHAR and program.sets[again[1]] == ANY and again[2] == program.start


@functools.lru_cache(maxsize=1024)
def completion_costs(program: Program, spelling: int = JSON) -> tuple[list[int], list[int]]:
    """Return the least bytes in a spelling from each instruction to a match; and for each REPEAT the least
    bytes of its body. The program is trimmed."""
    if program.costs:
        return list(program.costs), [_NO_MATCH_COST] * len(program.code)
    return costs_of(program.code, [_width(ranges, spelling) for ranges in program.sets])


def costs_of(code: Sequence[Instruction], widths: Sequence[int]) -> tuple[list[int], list[int]]:
    """Return the least cost from each instruction to a match, by the cost of a
    character of each set; and that of each REPEAT's body."""
    cost, body = [_NO_MATCH_COST] * len(code), [_NO_MATCH_COST] * len(code)
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
            elif op == IMPLICIT:
                value = least + cost[b]
            elif op == LETTERS:
                value = widths[a] + cost[b]
            else:
                value = 0
            if value < cost[pc]:
                cost[pc], changed = value, True
    return cost, body


def _width(ranges: Ranges, spelling: int) -> int:
    """Return the bytes of the shortest code point of a set; _NO_MATCH_COST if UTF-8 can write none."""
    least = _NO_MATCH_COST
    for low, high in ranges:
        found = cheapest_point(low, high, spelling)
        if found is not None:
            least = min(least, found[0])
            if low > 0x7F:  # later ranges are no cheaper
                break
    return least

"""Strings that hold a text in base64, base32 or base16: the program of the text's bytes, read through digits.

A digit has a few bits, so most digits end one byte and begin the next. The first bits of the next byte are
guessed when a byte ends: the program over bytes is copied once for each guess (21 times for base64), and the
next digits must fit the guess. Calls and returns (`instructions.CALL`) stay: a body that is called with one
guess may end with another.

Source: RFC 4648. Bits of padding are zero, as an encoder writes them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from structgen.automata.programs.instructions import (
    CALL,
    CALLED,
    CHAR,
    EOL,
    MATCH,
    RETURN,
    SPLIT,
    UNPADDED,
    Instruction,
    Program,
    costs_of,
)
from structgen.automata.programs.thompson_construction import ProgramBuilder
from structgen.automata.unicode.charsets import union

_EMPTY: Instruction = (SPLIT, 0, 0, 0, 0, 0)
_PADDING = ((ord("="), ord("=")),)


@dataclass(frozen=True, slots=True)
class Encoding:
    """An encoding of bytes: the spellings of each digit, by value; may the padding be left out?"""

    digits: tuple[str, ...]
    group: int
    """Digits of a whole number of bytes; padding fills up the last group."""
    may_end: bool = False

    @property
    def bits(self) -> int:
        """Return the bits of a digit."""
        return (len(self.digits) - 1).bit_length()


_UPPER, _LOWER, _DECIMAL = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz", "0123456789"
ENCODINGS = {
    "base64": Encoding((*_UPPER, *_LOWER, *_DECIMAL, "+", "/"), 4),
    "base64url": Encoding((*_UPPER, *_LOWER, *_DECIMAL, "-", "_"), 4, may_end=True),
    "base32": Encoding((*_UPPER, *"234567"), 8),
    "base32hex": Encoding((*_DECIMAL, *_UPPER[:22]), 8),
    "base16": Encoding((*_DECIMAL, *(one + one.lower() for one in "ABCDEF")), 2),
}


def encoded(program: Program, encoding: Encoding) -> Program:
    """Return the program of the encoded texts of a program over bytes.

    The sets of that program are below 256, its only EOL is at the end, and it has no counters.
    """
    return _Encoder(program, encoding).whole()


class _Encoder(ProgramBuilder):
    """Copies each instruction once for each guess, when it is reached."""

    def __init__(self, program: Program, encoding: Encoding) -> None:
        super().__init__()
        self._of, self._encoding, self._bits = program, encoding, encoding.bits
        self._members = [
            frozenset(byte for low, high in ranges for byte in range(low, high + 1))
            for ranges in program.sets
        ]
        taken = [8 * bytes_ % self._bits for bytes_ in range(self._bits)]
        self._guesses = [(bits, guess) for bits in dict.fromkeys(taken) for guess in range(1 << bits)]
        """The guesses: how many bits of the next digit, and their value."""
        self._numbers = {guess: number for number, guess in enumerate(self._guesses)}
        self._written = {bits: taken.index(bits) for bits in taken}
        """Number of guessed bits -> complete bytes of the group."""
        self._placed: dict[tuple[int, int], int] = {}
        self._behind: dict[int, int] = {}
        self._called: dict[int, int] = {}
        self._todo: list[tuple[int, int]] = []
        self._least = costs_of(program.code, [1] * len(program.sets))[0]
        self._costs: list[int] = []
        """Of each instruction: bytes to the end of its body; after the text, digits to the end."""

    def whole(self) -> Program:
        start = self._place(self._of.start, 0)
        while self._todo:
            self._fill(*self._todo.pop())
        return Program(
            tuple(self.code),
            tuple(self.sets),
            start,
            (CALLED,) * len(self.code),
            self._of.trimmed,
            costs=tuple(self._costs),
        )

    def _new(self, cost: int, row: Instruction = _EMPTY) -> int:
        self._costs.append(cost)
        return self.put(*row)

    def _place(self, pc: int, number: int) -> int:
        """Return the copy of an instruction for a guess."""
        at = self._placed.get((pc, number))
        if at is None:
            at = self._placed[pc, number] = self._new(self._least[pc])
            self._todo.append((pc, number))
        return at

    def _table(self, pc: int) -> int:
        """Return the first of consecutive jumps to an instruction, one for each guess."""
        if pc not in self._behind:
            ways = [self._place(pc, number) for number in range(len(self._guesses))]
            places = [self._new(self._least[pc], (SPLIT, way, way, 0, 0, 0)) for way in ways]
            self._behind[pc] = places[0]
        return self._behind[pc]

    def _fill(self, pc: int, number: int) -> None:
        at = self._placed[pc, number]
        op, a, b, *_ = self._of.code[pc]
        taken, guess = self._guesses[number]
        if op == CHAR:
            self._join(at, self._ways(pc, self._members[a], 8, taken, guess, self._written[taken]))
        elif op == SPLIT:
            self.code[at] = (SPLIT, self._place(a, number), self._place(b, number), 0, 0, 0)
        elif op == CALL:
            first = self._called.setdefault(pc, at)
            self.code[at] = (CALL, self._place(a, number), self._table(b), at - first, 0, 0)
        elif op == RETURN:
            self.code[at] = (RETURN, 0, 0, number, 0, 0)
        else:
            assert op == EOL and self._of.code[a][0] == MATCH, op
            self._end(at, taken, guess)

    def _join(self, at: int, rows: Sequence[Instruction]) -> None:
        """Put a choice of instructions at a place."""
        *others, last = rows
        cost = self._costs[at]
        for row in others:
            one, rest = self._new(cost, row), self._new(cost)
            self.code[at] = (SPLIT, one, rest, 0, 0, 0)
            at = rest
        self.code[at] = last

    def _ways(
        self, pc: int, wanted: Collection[int], left: int, taken: int, guess: int, written: int
    ) -> list[Instruction]:
        """Return the instructions that read the next digit of a byte and then follow instruction `pc`.

        The `left` last bits of the byte must be one of the wanted values.
        """
        own = self._bits - taken  # bits of this digit in the byte
        rest = left - own
        mask = (1 << rest) - 1
        kind = self._bits | (UNPADDED if self._encoding.may_end else 0)
        place = (8 * written + 8 - left) // self._bits | written << 4

        def digit(values: Iterable[int], after: int) -> Instruction:
            return CHAR, self._digits((guess << own) + value for value in values), after, kind, place, 0

        if rest < self._bits:
            by_guess: dict[int, list[int]] = {}
            for value in sorted(wanted):
                by_guess.setdefault(value & mask, []).append(value >> rest)
            after = self._of.code[pc][2]
            return [
                digit(values, self._place(after, self._numbers[rest, ahead]))
                for ahead, values in by_guess.items()
            ]
        by_rest: dict[frozenset[int], list[int]] = {}
        for first in sorted({value >> rest for value in wanted}):
            ends = frozenset(value & mask for value in wanted if value >> rest == first)
            by_rest.setdefault(ends, []).append(first)
        rows = []
        for ends, values in by_rest.items():
            middle = self._new(self._least[pc])
            self._join(middle, self._ways(pc, ends, rest, 0, 0, written))
            rows.append(digit(values, middle))
        return rows

    def _end(self, at: int, taken: int, guess: int) -> None:
        """End the text at a place: the guessed bits and zeros, then padding."""
        match = self._new(0, (MATCH, 0, 0, 0, 0, 0))
        if not taken:
            self.code[at] = (EOL, match, 0, 0, 0, 0)
            return
        after = end = self._new(0, (EOL, match, 0, 0, 0, 0))
        digits = 8 * self._written[taken] // self._bits + 1
        padding = -digits % self._encoding.group
        for length in range(padding):
            after = self._new(length + 1, (CHAR, self.set(_PADDING), after, 0, 0, 0))
        if self._encoding.may_end:
            after = self._new(0, (SPLIT, end, after, 0, 0, 0))
        self.code[at] = (CHAR, self._digits((guess << self._bits - taken,)), after, 0, 0, 0)
        self._costs[at] = 1 if self._encoding.may_end else 1 + padding

    def _digits(self, values: Iterable[int]) -> int:
        points = [ord(char) for value in values for char in self._encoding.digits[value]]
        return self.set(union((point, point) for point in points))

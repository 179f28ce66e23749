"""Divide the code points into classes.

A *class* is a set of characters that need not be told apart. An *alphabet* is a division of all code points
into classes; an automaton has one transition for each class. It is *coarser* than another one if it has
fewer, larger classes. For the sets [a-z] and [x], the coarsest alphabet has three classes: x, the other
letters from a to z, and all other characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from structgen.automata.strings.held_automata import HeldByContent
from structgen.automata.unicode.charsets import LAST, Ranges
from structgen.base.errors import LimitError
from structgen.base.native.array_types import Array

if TYPE_CHECKING:
    from structgen.automata.strings.kernels import Flags, Longs, Row, Table

NUMBERS_OF_A_CHARACTER: Final = 100
"""The work of handling a character or a range in Python (some 2 us), as the count of numbers that compiled
code reads in that time."""
NUMBERS_OF_A_RANGE: Final = 10
"""The work of handling a range with numpy, as the count of numbers that compiled code reads in that time."""
MOST_MEMBERS: Final = 1 << 25
"""The most pairs of a set of characters and a class that one pattern may have. Each takes a byte."""


@dataclass(frozen=True, eq=False, slots=True)
class Alphabet:
    """A division of the code points, surrogates included, into classes.

    Classes are numbered in the order of their first code points. For [a-z]: `starts` [0, 97, 123], `kinds`
    [0, 1, 0], `width` 2.
    """

    starts: Longs
    """The first code point of each range; the first is 0."""
    kinds: Row
    """The class of each range."""
    width: int
    """The number of classes."""

    def classes_of(self, points: Longs) -> Row:
        """Return the class of each code point."""
        return self.kinds[np.searchsorted(self.starts, points, "right") - 1]

    def merge_classes(self, kinds: Row) -> Alphabet:
        """Return the alphabet in which class `c` of this one is a part of class `kinds[c]`."""
        coarse_kinds = kinds[self.kinds]
        # Neighbouring ranges of one class are joined: only the first of them stays.
        first_ranges = np.flatnonzero(np.diff(coarse_kinds, prepend=-1))
        return Alphabet(self.starts[first_ranges], coarse_kinds[first_ranges], int(kinds.max()) + 1)

    @property
    def nbytes(self) -> int:
        """The size of the arrays, in bytes."""
        return self.starts.nbytes + self.kinds.nbytes


ONE = Alphabet(
    starts=np.zeros(1, np.int64),
    kinds=np.zeros(1, np.int32),
    width=1,
)
"""The alphabet with one class, which has all characters."""


class DividedAlphabet(NamedTuple):
    """The coarsest alphabet in which each of some sets is a union of classes."""

    alphabet: Alphabet
    member: Flags
    """[set, class]: 1 if the class is a part of the set, else 0."""

    @property
    def nbytes(self) -> int:
        """The size of the arrays, in bytes."""
        return self.alphabet.nbytes + self.member.nbytes


_HELD: Final[HeldByContent[DividedAlphabet]] = HeldByContent(16 << 20)


def divide_alphabet(sets: tuple[Ranges, ...]) -> DividedAlphabet:
    """Return the coarsest alphabet in which each of `sets` is a union of classes.

    Cost: some microseconds for each range; recent answers are cached. Raises `LimitError` past MOST_MEMBERS
    pairs of a set and a class.
    """
    return _HELD.get(sets, lambda: _build_divided(sets))


def _build_divided(sets: tuple[Ranges, ...]) -> DividedAlphabet:
    """Return the answer of `divide_alphabet` for sets that are not in the cache."""
    # `toggles`: code point -> the bits of the sets that begin or end there. `sets_here` has the bits of the
    # sets that contain the present point, and so names its class.
    toggles: dict[int, int] = {0: 0}
    for index, ranges in enumerate(sets):
        bit = 1 << index
        for low, high in ranges:
            toggles[low] = toggles.get(low, 0) ^ bit
            toggles[high + 1] = toggles.get(high + 1, 0) ^ bit
    starts: list[int] = []
    kinds: list[int] = []
    numbers: dict[int, int] = {}
    sets_here = 0
    for point in sorted(toggles):
        if point > LAST:
            break
        sets_here ^= toggles[point]
        kind = numbers.setdefault(sets_here, len(numbers))
        if not kinds or kinds[-1] != kind:
            starts.append(point)
            kinds.append(kind)
    if len(sets) * len(numbers) > MOST_MEMBERS:
        raise LimitError(
            f"A pattern divides the characters into {len(numbers):,} classes, by {len(sets):,} sets.",
            limit="automaton_states",
            cure="Use fewer different characters and classes of them in it.",
        )
    # The bits that name a class are its column of `member`: numpy unpacks those of all classes at once.
    size = (len(sets) + 7) // 8
    packed_rows = b"".join(mask.to_bytes(size, "little") for mask in numbers)
    packed_bits = np.frombuffer(packed_rows, np.uint8).reshape(-1, size)
    bits = np.unpackbits(packed_bits, axis=1, bitorder="little")
    member = np.array(bits[:, : len(sets)].T, np.uint8)
    alphabet = Alphabet(np.array(starts, np.int64), np.array(kinds, np.int32), len(numbers))
    return DividedAlphabet(alphabet, member.reshape(len(sets), len(numbers)))


def alphabet_of_letters(letters: Iterable[str]) -> tuple[Alphabet, dict[str, int]]:
    """Return the alphabet in which each letter is a class of its own, and the class of each letter. All other
    characters are one class. Cost: O(n log n)."""
    # The name of a range is the code point of its letter, or -1 for a range without a letter.
    starts: list[int] = [0]
    names: list[int] = [-1]
    for point in sorted(map(ord, letters)):
        if starts[-1] == point:
            names[-1] = point
        else:
            starts.append(point)
            names.append(point)
        if point < LAST:
            starts.append(point + 1)
            names.append(-1)
    numbers: dict[int, int] = {}
    kinds = [numbers.setdefault(name, len(numbers)) for name in names]
    alphabet = Alphabet(np.array(starts, np.int64), np.array(kinds, np.int32), len(numbers))
    classes_of_letters = {chr(name): kind for name, kind in numbers.items() if name >= 0}
    return alphabet, classes_of_letters


def pattern_of_characters(edges: Longs) -> str:
    r"""Return a pattern for the texts whose characters all lie in some ranges.

    `edges`: the first code point of each range, and the one after its last, ascending. For example, [97, 123]
    -> `^[\u{61}-\u{7a}]*$`.
    """
    pairs = edges.reshape(-1, 2).tolist()
    ranges = [rf"\u{{{low:x}}}-\u{{{end - 1:x}}}" for low, end in pairs]
    return f"^[{''.join(ranges)}]*$"


def allowed_characters(pattern: str) -> tuple[Alphabet, int] | None:
    """Read a pattern of `pattern_of_characters`; return (alphabet, class of the allowed characters).

    Returns None for other patterns. Cost: 70 ns for each character of the pattern; the general reader takes
    2 us.
    """
    if _CHARACTERS.fullmatch(pattern) is None:
        return None
    numerals = _DIGITS.findall(pattern)
    edges = np.array([int(digits, 16) for digits in numerals], np.int64)
    edges[1::2] += 1  # the pattern has the last character of a range, and `edges` has the one after it
    ascends = bool((np.diff(edges) > 0).all())
    if not ascends or edges[-1] > LAST + 1:
        return None
    # Allowed ranges and other ranges alternate. The first range is class 0; it is allowed only if code point
    # 0 is.
    allowed_kind = int(edges[0] > 0)
    starts = np.append(np.zeros(allowed_kind, np.int64), edges[edges <= LAST])
    kinds = np.arange(len(starts), dtype=np.int32) % 2
    return Alphabet(starts, kinds, min(len(starts), 2)), allowed_kind


_DIGITS: Final = re.compile(r"[0-9a-f]+(?=\})")
_CHARACTERS: Final = re.compile(r"\^\[(?:\\u\{[0-9a-f]+\}-\\u\{[0-9a-f]+\})+\]\*\$")


def common_alphabet(alphabets: Sequence[Alphabet]) -> tuple[Alphabet, Table]:
    """Return the coarsest alphabet that is finer than each of `alphabets`, and a table `columns`.

    `columns[a, c]` is the class of alphabet `a` that contains class `c` of the result.
    """
    starts = np.sort(np.concatenate([alphabet.starts for alphabet in alphabets]))
    starts = starts[np.diff(starts, prepend=-1) > 0]
    columns = np.stack([alphabet.classes_of(starts) for alphabet in alphabets])
    # The name of a range is its classes in all alphabets, viewed as one value of bytes.
    name_type = np.dtype((np.void, columns.itemsize * len(columns)))
    names = np.ascontiguousarray(columns.T).view(name_type).ravel()
    alphabet, first = alphabet_of_names(starts, names)
    return alphabet, np.ascontiguousarray(columns[:, first])


def alphabet_of_names(starts: Longs, names: Array) -> tuple[Alphabet, Longs]:
    """Return the alphabet in which ranges with equal names are one class, and the first range of each class.

    `starts`: the first code point of each range.
    """
    _, first, which = np.unique(names, return_index=True, return_inverse=True)
    order = np.argsort(first)  # classes are numbered in the order of their first ranges
    ranks = np.argsort(order).astype(np.int32)
    alphabet = Alphabet(starts, ranks[which.reshape(-1)], len(order))
    # Each class stays as it is: this call only joins neighbouring ranges of one class.
    same_kinds = np.arange(len(order), dtype=np.int32)
    return alphabet.merge_classes(same_kinds), first[order]

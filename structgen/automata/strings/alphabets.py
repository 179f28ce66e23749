"""Classes of characters: the code points divided by what some sets, or some automata, tell apart."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from structgen.automata.strings.held_automata import HeldByContent
from structgen.automata.unicode.charsets import LAST, Ranges
from structgen.base.errors import LimitError

if TYPE_CHECKING:
    from structgen.automata.strings.kernels import Flags, Longs, Row, Table

NUMBERS_OF_A_CHARACTER: Final = 100
"""To read a character, or a range of them, takes some 2 us: compiled code reads as many numbers."""
NUMBERS_OF_A_RANGE: Final = 10
"""numpy reads a range in the time in which compiled code reads so many numbers."""
MOST_MEMBERS: Final = 1 << 25
"""Pairs of a set of characters and a class that one pattern may have, a byte each."""


@dataclass(frozen=True, eq=False, slots=True)
class Alphabet:
    """A partition of the code points, surrogates included, into classes that are numbered as they come."""

    starts: Longs
    """The first code point of each range; the first is 0."""
    kinds: Row
    """The class of each range."""
    width: int
    """How many classes there are."""

    def classes_of(self, points: Longs) -> Row:
        """Return the classes of some code points."""
        return self.kinds[np.searchsorted(self.starts, points, "right") - 1]

    def merge_classes(self, kinds: Row) -> Alphabet:
        """Return a coarser alphabet; `kinds`: of each class the number of the coarser one."""
        coarse_kinds = kinds[self.kinds]
        # Neighbours of one class are one range: only the first of them stays.
        first_ranges = np.flatnonzero(np.diff(coarse_kinds, prepend=-1))
        return Alphabet(self.starts[first_ranges], coarse_kinds[first_ranges], int(kinds.max()) + 1)

    @property
    def nbytes(self) -> int:
        return self.starts.nbytes + self.kinds.nbytes


ONE = Alphabet(
    starts=np.zeros(1, np.int64),
    kinds=np.zeros(1, np.int32),
    width=1,
)
"""The alphabet that tells no characters apart."""


class DividedAlphabet(NamedTuple):
    """The coarsest alphabet in which each of some sets is a union of classes."""

    alphabet: Alphabet
    member: Flags
    """[set, class]: is the class in the set?"""

    @property
    def nbytes(self) -> int:
        return self.alphabet.nbytes + self.member.nbytes


_HELD: Final[HeldByContent[DividedAlphabet]] = HeldByContent(16 << 20)


def divide_alphabet(sets: tuple[Ranges, ...]) -> DividedAlphabet:
    """Return the coarsest alphabet in which each set is a union of classes.

    Cost: some microseconds a range; the last answers are kept. Raises `LimitError` past MOST_MEMBERS pairs of
    a set and a class.
    """
    return _HELD.get(sets, lambda: _build_divided(sets))


def _build_divided(sets: tuple[Ranges, ...]) -> DividedAlphabet:
    """Return the answer of `divide_alphabet` for sets that are not held."""
    # At a point where a set begins or ends, its bit changes. The bits so far name the class of a point.
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
    # The name of each class is the row of its sets already, as bits: numpy unpacks all of them at once.
    size = (len(sets) + 7) // 8
    packed_rows = b"".join(mask.to_bytes(size, "little") for mask in numbers)
    packed_bits = np.frombuffer(packed_rows, np.uint8).reshape(-1, size)
    bits = np.unpackbits(packed_bits, axis=1, bitorder="little")
    member = np.array(bits[:, : len(sets)].T, np.uint8)
    alphabet = Alphabet(np.array(starts, np.int64), np.array(kinds, np.int32), len(numbers))
    return DividedAlphabet(alphabet, member.reshape(len(sets), len(numbers)))


def alphabet_of_letters(letters: Iterable[str]) -> tuple[Alphabet, dict[str, int]]:
    """Return the alphabet in which each of some characters is a class, and the class of each. O(n log n)."""
    # A range of no letter has the name -1, that of a letter its code point.
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
    """Return a pattern that matches a text where all of its characters lie in some ranges. `edges` ascend:
    of each range its first code point, and the one after its last."""
    pairs = edges.reshape(-1, 2).tolist()
    ranges = [rf"\u{{{low:x}}}-\u{{{end - 1:x}}}" for low, end in pairs]
    return f"^[{''.join(ranges)}]*$"


def allowed_characters(pattern: str) -> tuple[Alphabet, int] | None:
    """Return an alphabet of the characters that a pattern allows and of all others, with the first's class;
    None for a pattern that `pattern_of_characters` does not write. Cost: 70 ns a character, not 2 us."""
    if _CHARACTERS.fullmatch(pattern) is None:
        return None
    numerals = _DIGITS.findall(pattern)
    edges = np.array([int(digits, 16) for digits in numerals], np.int64)
    edges[1::2] += 1  # a pattern has the last character of a range, `edges` the one after it
    ascends = bool((np.diff(edges) > 0).all())
    if not ascends or edges[-1] > LAST + 1:
        return None
    # Allowed and other ranges take turns. The first is class 0: an other one, unless 0 is allowed.
    allowed_kind = int(edges[0] > 0)
    starts = np.append(np.zeros(allowed_kind, np.int64), edges[edges <= LAST])
    kinds = np.arange(len(starts), dtype=np.int32) % 2
    return Alphabet(starts, kinds, min(len(starts), 2)), allowed_kind


_DIGITS: Final = re.compile(r"[0-9a-f]+(?=\})")
_CHARACTERS: Final = re.compile(r"\^\[(?:\\u\{[0-9a-f]+\}-\\u\{[0-9a-f]+\})+\]\*\$")


def common_alphabet(alphabets: Sequence[Alphabet]) -> tuple[Alphabet, Table]:
    """Return the coarsest alphabet that is finer than each of some, and [alphabet, class]: the class of it
    that holds the finer class."""
    starts = np.sort(np.concatenate([alphabet.starts for alphabet in alphabets]))
    starts = starts[np.diff(starts, prepend=-1) > 0]
    columns = np.stack([alphabet.classes_of(starts) for alphabet in alphabets])
    # The classes of a range in all alphabets are its name: one value of so many bytes.
    name_type = np.dtype((np.void, columns.itemsize * len(columns)))
    names = np.ascontiguousarray(columns.T).view(name_type).ravel()
    alphabet, first = alphabet_of_names(starts, names)
    return alphabet, np.ascontiguousarray(columns[:, first])


def alphabet_of_names(starts: Longs, names: npt.NDArray[Any]) -> tuple[Alphabet, Longs]:
    """Return the alphabet in which ranges of one name are a class, and the first range of each class."""
    _, first, which = np.unique(names, return_index=True, return_inverse=True)
    order = np.argsort(first)  # classes are numbered as they come
    ranks = np.argsort(order).astype(np.int32)
    alphabet = Alphabet(starts, ranks[which.reshape(-1)], len(order))
    # Each class stays itself: this joins neighbours of one class alone.
    same_kinds = np.arange(len(order), dtype=np.int32)
    return alphabet.merge_classes(same_kinds), first[order]

"""Rows over the classes of bytes, stored as a partition of the classes and a value for each part.

Most rows have few different values. A function of such rows is computed once for each part.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

T = TypeVar("T")
_MULTIPLIER: Final = np.int64(0x2127599BF4325C37)
"""An odd multiplier for the hash of a column."""


@dataclass(frozen=True, eq=False, slots=True)
class SharedParts:
    """A partition of the classes; equal partitions are one object."""

    number: int
    which: npt.NDArray[np.int32]
    """The part of each class; parts are numbered by their first classes."""
    firsts: list[int]
    """The first class of each part."""


class ClassRow(NamedTuple, Generic[T]):
    """A row over all classes: a value for each part."""

    parts: SharedParts
    said: Sequence[T]
    """The value of each part."""


class ClassRows:
    """The partitions that occur, interned. Not thread-safe."""

    def __init__(self, classes: int) -> None:
        self._backwards = range(classes - 1, -1, -1)
        self._known: dict[bytes, SharedParts] = {}
        self._met: dict[tuple[int, int], tuple[SharedParts, list[tuple[int, int]]]] = {}
        self._members: dict[int, list[list[int]]] = {}
        self.whole: Final = self.of([0] * classes)
        """The partition with one part."""

    def of(self, column: Sequence[Hashable]) -> SharedParts:
        """Return the partition by equal values of a column. Cost: 10 us for 200 classes."""
        numbers = {one: part for part, one in enumerate(dict.fromkeys(column))}
        which = bytes(map(numbers.__getitem__, column))
        known = self._known.get(which)
        if known is None:
            first = dict(zip(reversed(column), self._backwards, strict=True))
            array = np.frombuffer(which, np.uint8).astype(np.int32)
            known = self._known[which] = SharedParts(len(self._known), array, [first[one] for one in numbers])
        return known

    def members(self, parts: SharedParts) -> list[list[int]]:
        """Return the classes of each part."""
        known = self._members.get(parts.number)
        if known is None:
            known = self._members[parts.number] = [[] for _ in parts.firsts]
            for kind, part in enumerate(parts.which.tolist()):
                known[part].append(kind)
        return known

    def meet(self, one: SharedParts, other: SharedParts) -> tuple[SharedParts, list[tuple[int, int]]]:
        """Return the common refinement of two partitions, and for each of its parts the two that contain it.
        Cost: 20 us, the first time."""
        key = one.number, other.number
        known = self._met.get(key)
        if known is None:
            column = (one.which * len(other.firsts) + other.which).tolist()
            parts = self.of(column)
            pairs = [divmod(column[first], len(other.firsts)) for first in parts.firsts]
            known = self._met[key] = parts, pairs
        return known

    def joint(self, *rows: ClassRow[Any]) -> ClassRow[tuple[Any, ...]]:
        """Return the row of tuples of the values of some rows."""
        parts = rows[0].parts
        said: list[tuple[Any, ...]] = [(one,) for one in rows[0].said]
        for row in rows[1:]:
            parts, pairs = self.meet(parts, row.parts)
            said = [(*said[here], row.said[there]) for here, there in pairs]
        return ClassRow(parts, said)

    def common(self, several: Sequence[SharedParts]) -> SharedParts:
        """Return the common refinement of several partitions. Cost: 5 us for each."""
        if len(several) < 3:
            parts = self.whole
            for one in several:
                parts = one if parts is self.whole else self.meet(parts, one)[0]
            return parts
        hashes = np.zeros(len(self._backwards), np.int64)
        for one in several:
            hashes = (hashes ^ one.which) * _MULTIPLIER
        parts = self.of(hashes.tolist())
        if any((one.which[parts.firsts][parts.which] != one.which).any() for one in several):
            parts = self.of(list(zip(*(one.which.tolist() for one in several), strict=True)))
        return parts

    def coarse(self, parts: SharedParts, said: Sequence[Hashable]) -> ClassRow[Any]:
        """Return a row whose parts with equal values are merged."""
        numbers = {one: part for part, one in enumerate(dict.fromkeys(said))}
        if len(numbers) < len(said):
            parts = self.of(np.array([*map(numbers.__getitem__, said)], np.int32)[parts.which].tolist())
        return ClassRow(parts, [*numbers])

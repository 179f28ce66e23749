"""Rows over the classes of bytes that say few different things: the classes in parts, and what each part
says. What is made of such rows is made once for each part, not for each class.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

T = TypeVar("T")
_MIXED: Final = np.int64(0x2127599BF4325C37)
"""An odd number: hashes of columns are multiplied by it."""


@dataclass(frozen=True, eq=False, slots=True)
class SharedParts:
    """Classes put together; equal ones are one object."""

    number: int
    which: npt.NDArray[np.int32]
    """Of each class its part, in the order in which parts are met."""
    firsts: list[int]
    """Of each part its first class."""


class ClassRow(NamedTuple, Generic[T]):
    """A row over all classes."""

    parts: SharedParts
    said: Sequence[T]
    """Of each part."""


class ClassRows:
    """The parts that are met among some classes of bytes. Not thread-safe."""

    def __init__(self, classes: int) -> None:
        self._backwards = range(classes - 1, -1, -1)
        self._known: dict[bytes, SharedParts] = {}
        self._met: dict[tuple[int, int], tuple[SharedParts, list[tuple[int, int]]]] = {}
        self._members: dict[int, list[list[int]]] = {}
        self.whole: Final = self.of([0] * classes)
        """All classes as one part."""

    def of(self, column: Sequence[Hashable]) -> SharedParts:
        """Return as parts the classes of which a column says the same. Cost: 10 us for 200 classes."""
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
        """Return the parts of classes that are together in both, and of each in which part of either it is.
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
        """Return a row that says what some rows say, together."""
        parts = rows[0].parts
        said: list[tuple[Any, ...]] = [(one,) for one in rows[0].said]
        for row in rows[1:]:
            parts, pairs = self.meet(parts, row.parts)
            said = [(*said[here], row.said[there]) for here, there in pairs]
        return ClassRow(parts, said)

    def alike(self, several: Sequence[SharedParts]) -> SharedParts:
        """Return the parts of classes that are together in all of some. Cost: 5 us for each."""
        if len(several) < 3:
            parts = self.whole
            for one in several:
                parts = one if parts is self.whole else self.meet(parts, one)[0]
            return parts
        hashes = np.zeros(len(self._backwards), np.int64)
        for one in several:
            hashes = (hashes ^ one.which) * _MIXED
        parts = self.of(hashes.tolist())
        if any((one.which[parts.firsts][parts.which] != one.which).any() for one in several):
            parts = self.of(list(zip(*(one.which.tolist() for one in several), strict=True)))
        return parts

    def coarse(self, parts: SharedParts, said: Sequence[Hashable]) -> ClassRow[Any]:
        """Return a row with the parts together that say the same."""
        numbers = {one: part for part, one in enumerate(dict.fromkeys(said))}
        if len(numbers) < len(said):
            parts = self.of(np.array([*map(numbers.__getitem__, said)], np.int32)[parts.which].tolist())
        return ClassRow(parts, [*numbers])

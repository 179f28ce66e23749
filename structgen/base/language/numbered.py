"""Values as numbers, in the order in which they come."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Numbered(Generic[K]):
    """Values as numbers, in the order in which they come."""

    __slots__ = ("_numbers", "values")

    def __init__(self, values: Iterable[K] = ()) -> None:
        """`values`: the first ones, which are distinct."""
        self.values = list(values)
        self._numbers = {value: number for number, value in enumerate(self.values)}

    def number_of(self, value: K) -> int:
        """Return the number of a value."""
        number = self._numbers.get(value)
        if number is None:
            # The values before this one have numbers; a value that an exception left behind is overwritten.
            number = len(self._numbers)
            # one statement: no exception finds a value without its number
            self.values[number:], self._numbers[value] = (value,), number
        return number

"""Sets of numbers that are made of ranges: one form of bounds, of lists, and of what these leave out."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import chain
from operator import itemgetter
from typing import TypeAlias

Number: TypeAlias = "int | Decimal"
"""An int and a Decimal of the same value are equal; an int has at most 59 bits, and longer ones are
Decimals (`schema.meaning.formulas.numbers_of`)."""
Cut: TypeAlias = "tuple[Number, bool]"
"""A place on the line of numbers: before a number (False) or behind it (True)."""


@dataclass(frozen=True, slots=True)
class Ranges:
    """The numbers of some ranges: at each cut the set begins or ends. Equal sets have equal cuts."""

    cuts: tuple[Cut, ...]
    """Ascending, each once."""
    from_below: bool = False
    """Whether the numbers below all cuts belong to the set."""
    digest: int = field(init=False, repr=False, compare=False)
    """The hash, of this process."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", hash((self.cuts, self.from_below)))

    def __hash__(self) -> int:
        return self.digest

    def __contains__(self, value: Number) -> bool:
        return self.from_below ^ bool(bisect_right(self.cuts, (value, False)) & 1)

    def complement(self) -> Ranges:
        """Return the set of all other numbers."""
        return Ranges(self.cuts, not self.from_below)

    def finite_numbers(self) -> list[Number] | None:
        """Return the numbers, ascending, or None where they are infinitely many."""
        if self.from_below or any(low[0] != high[0] for low, high in self.ends() if low and high):
            return None
        if len(self.cuts) & 1:
            return None
        return [value for value, _ in self.cuts[::2]]

    def ends(self) -> Iterator[tuple[Cut | None, Cut | None]]:
        """Yield the two ends of each range; None stands for an end without a bound."""
        cuts: list[Cut | None] = [*((None,) if self.from_below else ()), *self.cuts]
        return zip(cuts[::2], [*cuts[1::2], *((None,) if len(cuts) & 1 else ())], strict=True)


def interval(
    low: Number | None,
    high: Number | None,
    open_low: bool = False,
    open_high: bool = False,
) -> Ranges:
    """Return the numbers from `low` to `high` (None: no bound), without an end that is open."""
    begin = () if low is None else ((low, open_low),)
    end = () if high is None else ((high, not open_high),)
    is_empty = begin and end and begin >= end
    return Ranges(() if is_empty else (*begin, *end), low is None)


def points(values: Iterable[Number]) -> Ranges:
    """Return the set of some numbers."""
    return Ranges(tuple([(value, after) for value in sorted(set(values)) for after in (False, True)]))


def unite_ranges(sets: Sequence[Ranges]) -> Ranges:
    """Return the numbers that are in some of the sets. Cost: n log n in their cuts."""
    if len(sets) == 1:
        return sets[0]
    inside = [ranges.from_below for ranges in sets]
    count = sum(inside)
    cuts_kept = list[Cut]()
    cuts = chain.from_iterable([(cut, at) for cut in ranges.cuts] for at, ranges in enumerate(sets))
    for cut, at in sorted(cuts, key=itemgetter(0)):
        inside[at] = not inside[at]
        was = count
        count = count + (1 if inside[at] else -1)
        if bool(was) != bool(count):
            if cuts_kept and cuts_kept[-1] == cut:
                cuts_kept.pop()  # one set ends where another begins
            else:
                cuts_kept.append(cut)
    return Ranges(tuple(cuts_kept), any(ranges.from_below for ranges in sets))


def intersect_ranges(sets: Sequence[Ranges]) -> Ranges:
    """Return the numbers that are in all of the sets. Cost: that of `unite_ranges` over the sets that leave
    numbers out; sets of all numbers are skipped."""
    left_out = [numbers for ranges in sets if (numbers := ranges.complement()) != Ranges(())]
    return unite_ranges(left_out).complement()

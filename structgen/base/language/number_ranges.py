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
        # Lists of numbers may be long, and formulas are looked up by hash again and again.
        content = self.cuts, self.from_below
        object.__setattr__(self, "digest", hash(content))

    def __hash__(self) -> int:
        return self.digest

    def __contains__(self, value: Number) -> bool:
        # Below all cuts the answer is `from_below`; each cut up to the number turns it round.
        passed_cuts = bisect_right(self.cuts, (value, False))
        return self.from_below ^ bool(passed_cuts & 1)

    def complement(self) -> Ranges:
        """Return the set of all other numbers."""
        return Ranges(self.cuts, not self.from_below)

    def finite_numbers(self) -> list[Number] | None:
        """Return the numbers, ascending, or None where they are infinitely many."""
        if self.from_below:
            return None
        # A single number is a range whose ends are before it and behind it.
        if any(low[0] != high[0] for low, high in self.ends() if low and high):
            return None
        is_unbounded_above = len(self.cuts) & 1
        if is_unbounded_above:
            return None
        return [value for value, _ in self.cuts[::2]]

    def ends(self) -> Iterator[tuple[Cut | None, Cut | None]]:
        """Yield the two ends of each range; None stands for an end without a bound."""
        cuts: list[Cut | None] = list(self.cuts)
        if self.from_below:
            cuts.insert(0, None)
        if len(cuts) & 1:
            cuts.append(None)  # the last range has no end
        return zip(cuts[::2], cuts[1::2], strict=True)


def interval(
    low: Number | None,
    high: Number | None,
    open_low: bool = False,
    open_high: bool = False,
) -> Ranges:
    """Return the numbers from `low` to `high` (None: no bound), without an end that is open: `interval(0, 1,
    open_high=True)` has 0 and not 1."""
    begin = () if low is None else ((low, open_low),)
    end = () if high is None else ((high, not open_high),)
    is_empty = begin and end and begin >= end
    if is_empty:
        return Ranges(())
    return Ranges((*begin, *end), low is None)


def points(values: Iterable[Number]) -> Ranges:
    """Return the set of some numbers."""
    cuts: list[Cut] = []
    for value in sorted(set(values)):
        cuts += ((value, False), (value, True))
    return Ranges(tuple(cuts))


def unite_ranges(sets: Sequence[Ranges]) -> Ranges:
    """Return the numbers that are in some of the sets. Cost: n log n in their cuts."""
    if len(sets) == 1:
        return sets[0]
    # A sweep over all cuts: `count` sets hold the numbers behind the present cut.
    inside = [ranges.from_below for ranges in sets]
    count = sum(inside)
    cuts_kept = list[Cut]()
    cuts_of_sets = (
        [(cut, at) for cut in ranges.cuts]  # each cut with the number of its set
        for at, ranges in enumerate(sets)
    )
    cuts = chain.from_iterable(cuts_of_sets)
    for cut, at in sorted(cuts, key=itemgetter(0)):
        inside[at] = not inside[at]
        count_before = count
        count += 1 if inside[at] else -1
        if bool(count_before) != bool(count):
            if cuts_kept and cuts_kept[-1] == cut:
                cuts_kept.pop()  # one set ends where another begins
            else:
                cuts_kept.append(cut)
    from_below = any(ranges.from_below for ranges in sets)
    return Ranges(tuple(cuts_kept), from_below)


def intersect_ranges(sets: Sequence[Ranges]) -> Ranges:
    """Return the numbers that are in all of the sets. Cost: that of `unite_ranges` over the sets that leave
    numbers out; sets of all numbers are skipped."""
    # All numbers but those that a set leaves out (A. De Morgan).
    complements = [ranges.complement() for ranges in sets]
    numbers_left_out = [numbers for numbers in complements if numbers != Ranges(())]
    return unite_ranges(numbers_left_out).complement()

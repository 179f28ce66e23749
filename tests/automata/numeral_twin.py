"""The slow, obvious twin of the number automata: every numeral that the caps allow, listed, read and judged.

Nothing here shares code with structgen.automata. Numerals are spelled with "e" only and, but for policy
"any", without "+" in the exponent: that "E" and "+" change nothing is a test of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from math import lcm

import numpy as np
import numpy.typing as npt

from structgen.language import ir

GRAMMAR = re.compile(r"(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?")
ALPHABET = "0123456789-+.eE"


def value_of(text: str) -> Fraction | None:
    """Return a numeral's value, or None where the text is no RFC 8259 number."""
    match = GRAMMAR.fullmatch(text)
    if match is None:
        return None
    sign, whole, places, exponent = match.groups()
    value = Fraction(int(whole + (places or ""))) * Fraction(10) ** (int(exponent or 0) - len(places or ""))
    return -value if sign else value


def allowed(
    text: str, policy: str, whole_cap: int, place_cap: int, exponent_cap: int, largest: int, chars: int
) -> bool:
    """Return whether a policy lets a numeral be spelled so; `largest`: the largest exponent."""
    match = GRAMMAR.fullmatch(text)
    value = value_of(text)
    if match is None or value is None:
        return False
    sign, whole, places, exponent = match.groups()
    if policy == "any":
        return len(text) <= chars
    if len(whole) > whole_cap or len(places or "") > place_cap:
        return False
    if policy == "python":
        return exponent is None or (len(exponent.lstrip("+-")) <= exponent_cap and int(exponent) <= largest)
    return exponent is None and not (sign and value == 0) and not (places and value.denominator == 1)


def is_plain(text: str) -> bool:
    """Return whether a numeral has neither fraction nor exponent."""
    return text.lstrip("-").isdigit()


@dataclass
class Values:
    """Numerals' values, as integers once they are multiplied by `scale`, and whether each is digits alone."""

    scaled: npt.NDArray[np.object_]
    scale: int
    plain: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, values: Sequence[tuple[Fraction, bool]]) -> Values:
        """Return values with the least scale of all."""
        scale = lcm(*(value.denominator for value, _ in values))
        scaled = np.array([int(value * scale) for value, _ in values], object)
        return cls(scaled, scale, np.array([plain for _, plain in values], bool))


def holds(formula: ir.Formula, values: Values) -> npt.NDArray[np.bool_]:
    """Return of which values a formula is true."""
    if isinstance(formula, ir.Not):
        return ~holds(formula.of, values)
    if isinstance(formula, ir.All):
        return np.all([np.ones_like(values.plain), *(holds(part, values) for part in formula.of)], axis=0)
    if isinstance(formula, ir.Any_):
        return np.any([np.zeros_like(values.plain), *(holds(part, values) for part in formula.of)], axis=0)
    if isinstance(formula, ir.PlainInteger):
        return values.plain
    if isinstance(formula, ir.Multiple):
        of = Fraction(formula.of)
        return (values.scaled * of.denominator % (of.numerator * values.scale) == 0).astype(bool)
    if isinstance(formula, ir.Points):
        wanted = {Fraction(one) * values.scale for one in formula.of}
        return np.array([one in wanted for one in values.scaled.tolist()], bool)
    assert isinstance(formula, ir.Interval)
    found = np.ones_like(values.plain)
    if formula.low is not None:
        low = Fraction(formula.low)
        there, bound = values.scaled * low.denominator, low.numerator * values.scale
        found &= (there > bound if formula.open_low else there >= bound).astype(bool)
    if formula.high is not None:
        high = Fraction(formula.high)
        there, bound = values.scaled * high.denominator, high.numerator * values.scale
        found &= (there < bound if formula.open_high else there <= bound).astype(bool)
    return found


def met(spec: ir.Spec, text: str) -> frozenset[int]:
    """Return the demands that a numeral meets."""
    value = value_of(text)
    assert value is not None
    one = Values.of([(value, is_plain(text))])
    return frozenset(at for at, formula in enumerate(spec.formulas) if holds(formula, one)[0])


@dataclass
class Tree:
    """All prefixes of all numerals under some caps, level by level."""

    policy: str
    texts: list[str]
    parent: npt.NDArray[np.int64]
    column: npt.NDArray[np.int64]
    levels: list[tuple[int, int]]
    ends: npt.NDArray[np.int64]
    which: npt.NDArray[np.int64]
    values: Values = field(repr=False)


@cache
def tree(policy: str, whole_cap: int, place_cap: int, exponent_cap: int, largest: int, chars: int) -> Tree:
    """Return every prefix of every numeral within the caps."""
    partial = re.compile(r"-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?(?:(?<![.])[e](?:[+-]?[0-9]*))?)?")
    alphabet = "0123456789-.e" + ("+" if policy == "any" else "")

    def possible(text: str) -> bool:
        if partial.fullmatch(text) is None:
            return False
        mantissa, mark, exponent = text.partition("e")
        whole, point, places = mantissa.lstrip("-").partition(".")
        if policy == "any":
            return len(text) <= chars
        if len(whole) > whole_cap or len(places) > place_cap or (point and place_cap == 0):
            return False
        if mark and (policy == "plain" or exponent_cap == 0):
            return False
        return len(exponent.lstrip("+-")) <= exponent_cap

    texts, parent, column, levels = [""], [-1], [-1], [(0, 1)]
    while levels[-1][0] < levels[-1][1]:
        start, stop = levels[-1]
        for at in range(start, stop):
            for char in alphabet:
                if possible(texts[at] + char):
                    texts.append(texts[at] + char)
                    parent.append(at)
                    column.append(ALPHABET.index(char))
        levels.append((stop, len(texts)))
    numbers: dict[tuple[Fraction, bool], int] = {}
    ends, which = [], []
    for at, text in enumerate(texts):
        if allowed(text, policy, whole_cap, place_cap, exponent_cap, largest, chars):
            value = value_of(text)
            assert value is not None
            ends.append(at)
            which.append(numbers.setdefault((value, is_plain(text)), len(numbers)))
    return Tree(
        policy,
        texts,
        np.array(parent),
        np.array(column),
        levels,
        np.array(ends),
        np.array(which),
        Values.of(list(numbers)),
    )


@dataclass
class Judged:
    """A tree under a spec: each prefix's outcome (-1: none), and by demand the shortest rest's length."""

    outcome: npt.NDArray[np.int64]
    distance: dict[int, npt.NDArray[np.int64]]

    @property
    def live(self) -> npt.NDArray[np.bool_]:
        """Return which prefixes go on to a numeral that meets some demand."""
        return np.any([row < 1 << 30 for row in self.distance.values()], axis=0)


def judged(leaves: Tree, spec: ir.Spec, outcome: Callable[[frozenset[int]], int]) -> Judged:
    """Return what a spec makes of every prefix."""
    truth = np.array([holds(formula, leaves.values) for formula in spec.formulas])
    sets, set_of = np.unique(truth, axis=1, return_inverse=True)
    demanded = [frozenset(np.flatnonzero(one).tolist()) for one in sets.T]
    numbers = np.array([outcome(demands) if demands else -1 for demands in demanded])[set_of.ravel()]
    out = np.full(len(leaves.texts), -1)
    out[leaves.ends] = numbers[leaves.which]
    distance: dict[int, npt.NDArray[np.int64]] = {}
    for demand in range(len(spec.formulas)):
        row = np.full(len(leaves.texts), 1 << 30)
        row[leaves.ends[truth[demand][leaves.which]]] = 0
        for start, stop in reversed(leaves.levels[1:]):
            np.minimum.at(row, leaves.parent[start:stop], row[start:stop] + 1)
        distance[demand] = row
    return Judged(out, distance)


def shortest(leaves: Tree, distance: npt.NDArray[np.int64], at: int) -> str | None:
    """Return the shortest rest after a prefix, the smallest in byte order with "E" for "e", or None."""
    if distance[at] >= 1 << 30:
        return None
    rest = ""
    while distance[at]:
        children = np.flatnonzero(leaves.parent == at)
        good = [child for child in children.tolist() if distance[child] == distance[at] - 1]
        at = min(good, key=lambda child: leaves.texts[child])
        rest += leaves.texts[at][-1]
    return rest.replace("e", "E")

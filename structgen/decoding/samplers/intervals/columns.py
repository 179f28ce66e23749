"""Computes the number that a function has at each draw, and scales the numbers to the range 0 to 1.

The *range* of a function is its least and greatest number over all valid texts, not only over the draws. For
example, ages from 0 to 120: a draw of age 30 has the number 30, and the *share* 0.25. The *field at a path*
is the part of a JSON text that a path names, such as "address.city".
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from structgen.base.errors import OptionError, StructgenError
from structgen.base.language import checks
from structgen.decoding.samplers.intervals.field_paths import ITEM, Path, parse_path, show_path, values_at
from structgen.decoding.samplers.intervals.figures import Interval
from structgen.decoding.samplers.target import Bounds, Floats

Range: TypeAlias = "Bounds | None"


@dataclass(frozen=True, slots=True)
class DrawnNumbers:
    """The numbers of n draws, scaled to the range `minimum` to `maximum`."""

    shares: Floats
    """float64 [n]: the numbers, scaled so that the range is 0 to 1; not scaled if the range is not known."""
    minimum: float = -math.inf
    maximum: float = math.inf

    @property
    def has_range(self) -> bool:
        """Whether the range of the numbers is known."""
        return math.isfinite(self.maximum)

    def number(self, share: float) -> float:
        """Return the number that a share stands for."""
        return self.minimum + share * (self.maximum - self.minimum) if self.has_range else share

    def unscale_interval(self, low: float, high: float) -> Interval:
        """Return the interval of numbers between two shares."""
        return Interval(self.number(low), self.number(high))


def column_of(
    function: Callable[[Any], Any] | str,
    value_range: Range,
    values: Sequence[Any],
    texts: Sequence[str],
    ranges: Mapping[str, Bounds] | None,
    where: str,
) -> DrawnNumbers:
    """Return the numbers of a function, or of the field at a path, at each draw.

    `value_range` is the range that the caller gave, if any. `values` and `texts` are those of the draws.
    `ranges` has the ranges of the fields by their paths for JSON texts, and is None for other texts. `where`
    names the method that was called, for messages. A path leads into the JSON text: the objects of a type may
    have other names and numbers. For example `column_of("age", None, values, texts, {"age": (0.0,
    120.0)}, "expectation")` has ages as shares of 120. Raises
    StructgenError if there is no draw, and, with the text of the draw, for a function that raises, a field
    that has no number, NaN, and a number outside the range; OptionError for a range that is none."""
    if not len(values):
        raise StructgenError(
            "The mean needs at least one draw.",
            where=where,
            cure="Increase the budget, or check `bracket`: the valid texts may have hardly any mass.",
        )
    if isinstance(function, str):
        path = parse_path(function)
        # JSON texts: the path is one into the text, and its range is that of the schema.
        if ranges is not None:
            value_range = ranges.get(show_path(path)) if value_range is None else value_range
            values = [json.loads(text) for text in texts]
        if ITEM in path:
            cure = (
                "Pass a function that returns one number for a value, such as its mean, its "
                "greatest item, or whether any is so."
            )
            raise OptionError(f"{function!r} returns a number for each item.", where=where, cure=cure)
        read_number: Callable[[Any], Any] = partial(_value_at_path, path)
    else:
        read_number = function
    numbers = np.empty(len(values))
    are_bools = True
    for at, (value, text) in enumerate(zip(values, texts, strict=True)):
        answer = _number_of_draw(read_number, value, text, where)
        are_bools = are_bools and isinstance(answer, bool | np.bool_)
        numbers[at] = answer
    # Bools have a range by themselves. Without a range there are no bounds, and so no interval.
    minimum, maximum = (0.0, 1.0) if are_bools else (-math.inf, math.inf)
    if value_range is not None:
        minimum, maximum = _check_range(value_range)
    outside = np.flatnonzero((numbers < minimum) | (numbers > maximum))
    if len(outside):
        at = int(outside[0])
        raise StructgenError(
            f"{numbers[at]:g} is outside range=({minimum:g}, {maximum:g}): {_show_text(texts[at])}.",
            where=where,
            cure="Pass a range that contains the number of each valid text, or limit the function to it.",
        )
    if math.isinf(maximum):
        return DrawnNumbers(numbers)
    return DrawnNumbers((numbers - minimum) / (maximum - minimum), minimum, maximum)


def _value_at_path(path: Path, value: Any) -> Any:
    """Return the value at a path, or the list of them, which is no number, where there are several."""
    values = list(values_at(value, path).values())
    return values[0] if len(values) == 1 else values


def _number_of_draw(read_number: Callable[[Any], Any], value: Any, text: str, where: str) -> Any:
    """Return the number of one draw, the answer of `read_number(value)`; a bool stays a bool.

    `text`, the text of the draw, and `where`, the method that was called, are for messages. Raises
    StructgenError, with the text, if the function raises or if its answer is not a finite number.
    """
    try:
        answer = read_number(value)
    except StructgenError:
        raise  # it has its own place and cure
    except Exception as error:
        raise StructgenError(
            f"The function raised {type(error).__name__}: {error}, for {_show_text(text)}.",
            where=where,
            cure="Return a number for each valid text.",
        ) from error
    try:
        # `float("1")` is a number, but a text as an answer is a mistake.
        number = math.nan if isinstance(answer, str | bytes) else float(answer)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise StructgenError(
            f"{answer!r} is not a number: {_show_text(text)}.",
            where=where,
            cure="Return a finite number, True or False for each valid text.",
        )
    return answer


def _check_range(value_range: Any) -> Bounds:
    """Return the range that the caller gave, as a pair of floats. Raises OptionError if it is not a range."""
    try:
        minimum, maximum = value_range
    except (TypeError, ValueError):
        raise OptionError(
            f"{value_range!r} is not a range.", where="range", cure="Pass two numbers: range=(0, 100)."
        ) from None
    numbers = [
        checks.check_number("range", end, -1e300, 1e300, "a finite number") for end in (minimum, maximum)
    ]
    if not numbers[0] < numbers[1]:
        raise OptionError(
            f"The range ({minimum}, {maximum}) is empty.",
            where="range",
            cure="Put the smaller number first.",
        )
    return numbers[0], numbers[1]


def _show_text(text: str) -> str:
    """Return the beginning of a text, for a message."""
    return f"the text {text[:60]!r}{'...' * (len(text) > 60)}"

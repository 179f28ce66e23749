"""How many fields of answers are right, beside what they should be.

What comes in: plain JSON values that are wanted, and those that were found. What goes out: `ScoreTable`, a
table of fields. A field is a string, a number, a boolean, null, or an empty list or object, under its JSON
pointer, with `*` for the index of an item. Numbers are compared by value, strings exactly; a member that is
left out is as null. Each item of a list is matched with one, those with the most right fields first. What is
found and not wanted is wrong. Cost: the fields of a wanted value times those of the one that was found.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product, zip_longest
from typing import Any, Final, NamedTuple, TypeAlias

from structgen.base.errors import StructgenError
from structgen.base.json_text.exact_json import escape
from structgen.base.system.html_pages import cell, percent
from structgen.doors.typed.outcomes import Outcome
from structgen.doors.typed.worked.worked_examples import Spelling

MOST_MATCHED: Final = 2_500
"""Pairs of items that are compared; in longer lists an item is compared with that at its place."""
DEEPEST: Final = 64
"""Levels of lists and objects; what is deeper is one field."""
_ABSENT: Final = ...
"""An item that is not there."""


Shown: TypeAlias = tuple[Sequence[str], Sequence[Sequence[str]]]
"""A table: its heads, and its rows."""
_Answer: TypeAlias = tuple[int, bool, float | None]


class Field(NamedTuple):
    """A field of an answer."""

    name: str
    """Its JSON pointer, with `*` for each index."""
    pointer: str
    """Its JSON pointer in what was found."""
    is_right: bool


def compared(wanted: Any, answered: Any, name: str = "", pointer: str = "") -> list[Field]:
    """Return the fields of two plain JSON values: those that are wanted, and those found beside them."""
    kind: Any = next(
        (type(side) for side in (wanted, answered) if side and isinstance(side, dict | list)), None
    )
    if kind is None or name.count("/") >= DEEPEST:
        is_right = wanted == answered and isinstance(wanted, bool) == isinstance(answered, bool)
        return [Field(name, pointer, is_right)]
    expected, other = (side if isinstance(side, kind) else kind() for side in (wanted, answered))
    if kind is list:
        return _matched(expected, other, name, pointer)
    # of an object that is not there, no member is null
    no = None if isinstance(wanted, dict) and isinstance(answered, dict) else _ABSENT
    return [
        field
        for key in {**expected, **other}
        for field in compared(
            expected.get(key, no), other.get(key, no), *(f"{at}/{escape(key)}" for at in (name, pointer))
        )
    ]


def _matched(wanted: Sequence[Any], answered: Sequence[Any], name: str, pointer: str) -> list[Field]:
    """Return the fields of two lists, each item beside the one that it is matched with, if any."""

    def fields(at: int | None, index: int | None) -> list[Field]:
        both = _ABSENT if at is None else wanted[at], _ABSENT if index is None else answered[index]
        return compared(*both, f"{name}/*", f"{pointer}/{index}")

    places, indices = dict.fromkeys(range(len(wanted))), dict.fromkeys(range(len(answered)))
    taken = list[Field]()
    if len(wanted) * len(answered) <= MOST_MATCHED:
        made = {both: fields(*both) for both in product(places, indices)}
        for both in sorted(made, key=lambda both: -sum(field.is_right for field in made[both])):
            if both[0] in places and both[1] in indices:
                del places[both[0]], indices[both[1]]
                taken += made[both]
    return [*taken, *(field for both in zip_longest(places, indices) for field in fields(*both))]


@dataclass(frozen=True, slots=True)
class FieldScore:
    """What is right of one field, over all pairs."""

    right: int
    count: int
    confidence: float | None
    """The mean of the model's own probabilities of what it wrote; None where they are not known."""


@dataclass(frozen=True, slots=True)
class ScoredPair:
    """What became of one pair."""

    value: Any
    """The object; None beside an error."""
    error: StructgenError | None
    fields: Sequence[Field]
    confidences: Mapping[str, float]
    """By JSON pointer."""

    @property
    def right(self) -> int:
        """How many of its fields are right."""
        return sum(field.is_right for field in self.fields)


def scored_pair(wanted: Any, spelling: Spelling, outcome: Outcome[Any] | StructgenError) -> ScoredPair:
    """Return what became of a pair: of a plain JSON value that is wanted, and an outcome or an error."""
    error = outcome if isinstance(outcome, StructgenError) else outcome.error
    if isinstance(outcome, StructgenError) or error is not None:
        return ScoredPair(None, error, compared(wanted, _ABSENT), {})
    sure = {pointer: confidence.probability for pointer, confidence in outcome.confidences.items()}
    return ScoredPair(outcome.value, None, compared(wanted, spelling.read(outcome.text)), sure)


def accepted(outcome: Outcome[Any], spelling: Spelling, least: Mapping[str, float]) -> tuple[str, ...]:
    """Return the JSON pointers of an outcome whose confidence is at least that of their field."""
    if outcome.error is not None:
        return ()
    value = spelling.read(outcome.text)
    return tuple(
        field.pointer
        for field in compared(value, value)
        if field.pointer in outcome.confidences
        and outcome.confidences[field.pointer].probability >= least.get(field.name, math.inf)
    )


class Tables:
    """What is printed, and shown in a notebook, as tables."""

    @property
    def tables(self) -> list[Shown]:
        """The tables."""
        raise NotImplementedError

    def __str__(self) -> str:
        return "\n\n".join(map(_in_columns, self.tables))

    def _repr_html_(self) -> str:
        return "".join(cell([], *table) for table in self.tables)


def _in_columns(shown: Shown) -> str:
    every = [shown[0], *shown[1]]
    widths = [max(map(len, column)) for column in zip(*every, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in every)


@dataclass(frozen=True)
class ScoreTable(Tables):
    """How many fields of a function's answers are right."""

    pairs: Sequence[ScoredPair]

    @cached_property
    def answers(self) -> Mapping[str, list[_Answer]]:
        """Of each field the answers: the number of the pair, whether it is right, and its confidence."""
        answers = defaultdict[str, list[_Answer]](list)
        for at, pair in enumerate(self.pairs):
            for field in pair.fields:
                answers[field.name].append((at, field.is_right, pair.confidences.get(field.pointer)))
        return answers

    @cached_property
    def fields(self) -> dict[str, FieldScore]:
        """What is right of each field, by its JSON pointer with `*` for each index."""
        scores = {}
        for name, answers in self.answers.items():
            sure = [confidence for _, _, confidence in answers if confidence is not None]
            right = sum(is_right for _, is_right, _ in answers)
            scores[name] = FieldScore(right, len(answers), sum(sure) / len(sure) if sure else None)
        return scores

    @property
    def right(self) -> int:
        """Right fields."""
        return sum(field.right for field in self.fields.values())

    @property
    def count(self) -> int:
        """Fields that are wanted, or were found beside them."""
        return sum(field.count for field in self.fields.values())

    @property
    def tables(self) -> list[Shown]:
        """The fields behind all of them."""
        rows = [("all", str(self.right), str(self.count), "")]
        for name, field in self.fields.items():
            sure = "" if field.confidence is None else percent(field.confidence)
            rows.append((name or "the whole", str(field.right), str(field.count), sure))
        return [(("field", "right", "of", "confidence"), rows)]

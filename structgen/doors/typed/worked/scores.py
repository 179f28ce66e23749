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


Table: TypeAlias = tuple[Sequence[str], Sequence[Sequence[str]]]
"""A table: its heads, and its rows."""
_Answer: TypeAlias = tuple[int, bool, float | None]


class Field(NamedTuple):
    """A field of an answer."""

    name: str
    """Its JSON pointer, with `*` for each index."""
    pointer: str
    """Its JSON pointer in what was found."""
    is_right: bool


def compare_values(expected_value: Any, answer_value: Any, name: str = "", pointer: str = "") -> list[Field]:
    """Return the fields of two plain JSON values: those that are wanted, and those found beside them."""
    kind: Any = next(
        (type(side) for side in (expected_value, answer_value) if side and isinstance(side, dict | list)),
        None,
    )
    if kind is None or name.count("/") >= DEEPEST:
        is_right = expected_value == answer_value and isinstance(expected_value, bool) == isinstance(
            answer_value, bool
        )
        return [Field(name, pointer, is_right)]
    expected_items, answer_items = (
        side if isinstance(side, kind) else kind() for side in (expected_value, answer_value)
    )
    if kind is list:
        return _match_items(expected_items, answer_items, name, pointer)
    # of an object that is not there, no member is null
    missing = None if isinstance(expected_value, dict) and isinstance(answer_value, dict) else _ABSENT
    return [
        field
        for key in {**expected_items, **answer_items}
        for field in compare_values(
            expected_items.get(key, missing),
            answer_items.get(key, missing),
            *(f"{at}/{escape(key)}" for at in (name, pointer)),
        )
    ]


def _match_items(
    expected_items: Sequence[Any], answer_items: Sequence[Any], name: str, pointer: str
) -> list[Field]:
    """Return the fields of two lists, each item beside the one that it is matched with, if any."""

    def compare_pair(at: int | None, index: int | None) -> list[Field]:
        both = (
            _ABSENT if at is None else expected_items[at],
            _ABSENT if index is None else answer_items[index],
        )
        return compare_values(*both, f"{name}/*", f"{pointer}/{index}")

    places, indices = dict.fromkeys(range(len(expected_items))), dict.fromkeys(range(len(answer_items)))
    matched_fields = list[Field]()
    if len(expected_items) * len(answer_items) <= MOST_MATCHED:
        fields_by_pair = {both: compare_pair(*both) for both in product(places, indices)}
        for pair in sorted(
            fields_by_pair, key=lambda both: -sum(field.is_right for field in fields_by_pair[both])
        ):
            if pair[0] in places and pair[1] in indices:
                del places[pair[0]], indices[pair[1]]
                matched_fields += fields_by_pair[pair]
    return [
        *matched_fields,
        *(field for both in zip_longest(places, indices) for field in compare_pair(*both)),
    ]


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


def score_pair(expected_value: Any, spelling: Spelling, outcome: Outcome[Any] | StructgenError) -> ScoredPair:
    """Return what became of a pair: of a plain JSON value that is wanted, and an outcome or an error."""
    error = outcome if isinstance(outcome, StructgenError) else outcome.error
    if isinstance(outcome, StructgenError) or error is not None:
        return ScoredPair(None, error, compare_values(expected_value, _ABSENT), {})
    sure = {pointer: confidence.probability for pointer, confidence in outcome.confidences.items()}
    return ScoredPair(
        outcome.value, None, compare_values(expected_value, spelling.read_text(outcome.text)), sure
    )


def accepted_fields(
    outcome: Outcome[Any], spelling: Spelling, min_confidences: Mapping[str, float]
) -> tuple[str, ...]:
    """Return the JSON pointers of an outcome whose confidence is at least that of their field."""
    if outcome.error is not None:
        return ()
    value = spelling.read_text(outcome.text)
    return tuple(
        field.pointer
        for field in compare_values(value, value)
        if field.pointer in outcome.confidences
        and outcome.confidences[field.pointer].probability >= min_confidences.get(field.name, math.inf)
    )


class Tables:
    """What is printed, and shown in a notebook, as tables."""

    @property
    def tables(self) -> list[Table]:
        """The tables."""
        raise NotImplementedError

    def __str__(self) -> str:
        return "\n\n".join(map(_align_columns, self.tables))

    def _repr_html_(self) -> str:
        return "".join(cell([], *table) for table in self.tables)


def _align_columns(table: Table) -> str:
    rows = [table[0], *table[1]]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


@dataclass(frozen=True)
class ScoreTable(Tables):
    """How many fields of a function's answers are right."""

    pairs: Sequence[ScoredPair]

    @cached_property
    def answers(self) -> Mapping[str, list[_Answer]]:
        """Of each field the answers: the number of the pair, whether it is right, and its confidence."""
        answers = defaultdict[str, list[_Answer]](list)
        for pair_index, pair in enumerate(self.pairs):
            for field in pair.fields:
                answers[field.name].append((pair_index, field.is_right, pair.confidences.get(field.pointer)))
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
    def tables(self) -> list[Table]:
        """The fields behind all of them."""
        rows = [("all", str(self.right), str(self.count), "")]
        for name, field in self.fields.items():
            sure = "" if field.confidence is None else percent(field.confidence)
            rows.append((name or "the whole", str(field.right), str(field.count), sure))
        return [(("field", "right", "of", "confidence"), rows)]

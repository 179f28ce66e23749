"""How many fields of answers are right, beside what they should be.

What comes in: plain JSON values that are expected, and those of answers. What goes out: `ScoreTable`, a
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

from structgen.asking.pages.html_pages import format_percent, notebook_cell
from structgen.base.errors import StructgenError
from structgen.base.json_text.exact_json import escape
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
    """Its JSON pointer in the answer."""
    is_right: bool


def compare_values(
    expected_value: Any,
    answer_value: Any,
    name: str = "",
    pointer: str = "",
) -> list[Field]:
    """Return the fields of two plain JSON values: those that are expected, and others of the answer. `name`
    and `pointer`: those of the two values, for `Field`. For example, `compare_values({"a": 1}, {"a": 2})` has
    one field, which is wrong."""
    sides = (expected_value, answer_value)
    containers = [side for side in sides if side and isinstance(side, dict | list)]
    kind: Any = type(containers[0]) if containers else None
    if kind is None or name.count("/") >= DEEPEST:
        # Python's True == 1, and JSON's true is no number
        is_same_kind = isinstance(expected_value, bool) == isinstance(answer_value, bool)
        return [Field(name, pointer, expected_value == answer_value and is_same_kind)]
    # a value of another kind has no items: all items of the other side are wrong
    expected_items, answer_items = (side if isinstance(side, kind) else kind() for side in sides)
    if kind is list:
        return _match_items(expected_items, answer_items, name, pointer)
    # of an object that is not there, no member is null
    missing = None if isinstance(expected_value, dict) and isinstance(answer_value, dict) else _ABSENT
    fields = list[Field]()
    for key in {**expected_items, **answer_items}:
        members = expected_items.get(key, missing), answer_items.get(key, missing)
        step = f"/{escape(key)}"
        fields += compare_values(*members, name + step, pointer + step)
    return fields


def _match_items(
    expected_items: Sequence[Any],
    answer_items: Sequence[Any],
    name: str,
    pointer: str,
) -> list[Field]:
    """Return the fields of two lists, each item beside the one that it is matched with, if any: those with
    the most right fields first. `name` and `pointer`: those of the lists. For example, of ["a", "b"] and
    ["b"] the answer's only item is matched with the second one."""

    def compare_pair(expected: int | None, answer: int | None) -> list[Field]:
        """Return the fields of two items by their indices; None: there is no item."""
        expected_item = _ABSENT if expected is None else expected_items[expected]
        answer_item = _ABSENT if answer is None else answer_items[answer]
        return compare_values(expected_item, answer_item, f"{name}/*", f"{pointer}/{answer}")

    # the indices of the items that are not matched yet, in their order
    expected_left = dict.fromkeys(range(len(expected_items)))
    answers_left = dict.fromkeys(range(len(answer_items)))
    fields = list[Field]()
    if len(expected_items) * len(answer_items) <= MOST_MATCHED:
        fields_by_pair = {pair: compare_pair(*pair) for pair in product(expected_left, answers_left)}
        right_counts = {
            pair: sum(field.is_right for field in fields_by_pair[pair]) for pair in fields_by_pair
        }
        for pair in sorted(right_counts, key=lambda pair: -right_counts[pair]):
            expected, answer = pair
            if expected in expected_left and answer in answers_left:
                del expected_left[expected], answers_left[answer]
                fields += fields_by_pair[pair]
    # the others are compared at their places, or with nothing
    for indices in zip_longest(expected_left, answers_left):
        fields += compare_pair(*indices)
    return fields


@dataclass(frozen=True, slots=True)
class FieldScore:
    """What is right of one field, over all pairs."""

    right: int
    count: int
    confidence: float | None
    """The mean of the model's own probabilities of its values; None where they are not known."""


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
    """Return the score of a pair: the fields of the expected plain JSON value beside those of an outcome, or
    of an error."""
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
    """Tables to print, and to show in a notebook."""

    @property
    def tables(self) -> list[Table]:
        """The tables."""
        raise NotImplementedError

    def __str__(self) -> str:
        return "\n\n".join(map(_align_columns, self.tables))

    def _repr_html_(self) -> str:
        return "".join(notebook_cell([], *table) for table in self.tables)


def _align_columns(table: Table) -> str:
    """Return a table as text, with its columns below each other."""
    rows = [table[0], *table[1]]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(map(str.ljust, row, widths)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


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
            mean = sum(sure) / len(sure) if sure else None
            scores[name] = FieldScore(right, len(answers), mean)
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
            sure = "" if field.confidence is None else format_percent(field.confidence)
            rows.append((name or "the whole", str(field.right), str(field.count), sure))
        return [(("field", "right", "of", "confidence"), rows)]

"""Rows over classes of bytes, held by parts, say what the columns say that they were made of."""

from __future__ import annotations

import random

import numpy as np
import pytest

from structgen.lark_grammars.lexer import class_rows
from structgen.lark_grammars.lexer.class_rows import ClassRow, ClassRows, SharedParts

CLASSES = 60


def column(seed: int, values: int) -> list[int]:
    return random.Random(seed).choices(range(values), k=CLASSES)


def row(rows: ClassRows, values: list[int]) -> ClassRow[int]:
    parts = rows.of(values)
    return ClassRow(parts, [values[first] for first in parts.firsts])


def written(one: ClassRow[object]) -> list[object]:
    """Return what a row says of each class."""
    return [one.said[part] for part in one.parts.which.tolist()]


def together(parts: SharedParts) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(parts.which == part).tolist()) for part in range(len(parts.firsts))}


@pytest.mark.parametrize("values", [1, 2, 9, 200])
def test_parts_are_the_classes_of_which_a_column_says_the_same(values: int) -> None:
    rows, values_of = ClassRows(CLASSES), column(values, values)
    found = rows.of(values_of)
    assert together(found) == {
        frozenset(kind for kind in range(CLASSES) if values_of[kind] == one) for one in values_of
    }
    assert found.firsts == [values_of.index(one) for one in dict.fromkeys(values_of)]
    assert rows.of([7 * one + 1 for one in values_of]) is found


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_joint_row_says_what_all_rows_say(count: int) -> None:
    rows, columns = ClassRows(CLASSES), [column(seed, 4) for seed in range(count)]
    found = rows.joint(*[row(rows, one) for one in columns])
    assert written(found) == list(zip(*columns, strict=True))


@pytest.mark.parametrize("mixed", [class_rows._MULTIPLIER, np.int64(0)])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 8])
def test_classes_are_alike_that_are_together_in_all_parts(
    monkeypatch: pytest.MonkeyPatch, mixed: np.int64, count: int
) -> None:
    monkeypatch.setattr(class_rows, "_MULTIPLIER", mixed)  # 0: all hashes are equal
    rows, columns = ClassRows(CLASSES), [column(seed, 3) for seed in range(count)]
    found = rows.common([rows.of(one) for one in columns])
    assert found is rows.of(list(zip(*columns, strict=True)) if columns else [0] * CLASSES)


def test_a_coarse_row_says_the_same_with_no_two_parts_alike() -> None:
    rows, values = ClassRows(CLASSES), column(1, 30)
    parts, said = row(rows, values)
    found = rows.coarse(parts, [one % 4 for one in said])
    assert written(found) == [one % 4 for one in values]
    assert len(set(found.said)) == len(found.said) == len(found.parts.firsts) == 4

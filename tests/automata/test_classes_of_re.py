"""Classes of characters of Python's regular expressions: they hold what re says, of all code points."""

from __future__ import annotations

import re

import pytest

from structgen.automata.regex import python_sets

EVERY = "".join(map(chr, range(0x110000)))


@pytest.mark.parametrize("letter", ["d", "s", "w"])
def test_categories_are_those_of_re(letter: str) -> None:
    found = "".join(EVERY[low : high + 1] for low, high in python_sets.category_members(letter, False))
    assert found == "".join(re.findall(f"\\{letter}+", EVERY))


def test_what_has_case_is_what_upper_or_lower_changes() -> None:
    ranges, text = python_sets.cased_points()
    assert text == "".join(EVERY[low : high + 1] for low, high in ranges)
    assert text == "".join(char for char in EVERY if char.upper() != char or char.lower() != char)

"""Files and cases that a test goes through: if a folder has moved, or no name passes a filter, it fails."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")


def nonempty(items: Iterable[T]) -> list[T]:
    """Return the items as a list. Raises AssertionError where there is none: a claim about each of them would
    hold, whatever the package does."""
    found = list(items)
    assert found, "nothing is left to be tested: has a folder moved, or a name changed?"
    return found

"""Constraints that no grammar expresses: a checker says whether a prefix or a text may be valid."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class Checker(Protocol):
    """What a constraint beside the grammar has to answer. Both methods are functions of their argument alone.

    `viable` is monotone: once it is False for a prefix, it is False for all that begins with that prefix, and
    `final` is False for them too. A method may ask both as often as it likes.
    """

    def viable(self, prefix: bytes) -> bool:
        """Return False where no valid text begins with this prefix; True says nothing."""
        ...

    def final(self, text: bytes) -> bool:
        """Return whether a text of the grammar is valid."""
        ...

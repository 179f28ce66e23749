"""Remarks: what the reader of a grammar did with it in silence, for `structgen explain`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Conflict:
    """Where LALR(1) has a choice, and lark makes it."""

    terminal: str
    """What comes next."""
    kept: tuple[str, ...]
    """The rules under way (• is where) that go on: shifts, or the rule of the highest priority."""
    dropped: tuple[str, ...]
    """Those by which it does not reduce."""


@dataclass(frozen=True, slots=True)
class Remarks:
    """What lark did with a grammar in silence (remarks.py)."""

    conflicts: tuple[Conflict, ...] = ()
    unused_rules: tuple[str, ...] = ()
    """Rules that the start rule does not lead to."""
    unused_terminals: tuple[str, ...] = ()
    """Terminals of no rule that it leads to, nor of another such terminal."""
    never_made: tuple[str, ...] = ()
    """Terminals of rules that are declared, and nothing makes: they never come."""


NO_REMARKS: Final = Remarks()

"""Remarks: what the reader of a grammar did with it in silence, for `structgen explain`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Conflict:
    """Where LALR(1) has a choice, and lark makes it."""

    terminal: str
    """The terminal that comes next."""
    kept: tuple[str, ...]
    """The rules under way (• is where) that go on: shifts, or the rule of the highest priority."""
    dropped: tuple[str, ...]
    """The rules by which lark does not reduce."""


@dataclass(frozen=True, slots=True)
class Remarks:
    """The choices that lark made in silence when it read a grammar."""

    conflicts: tuple[Conflict, ...] = ()
    unused_rules: tuple[str, ...] = ()
    """Rules that the start rule does not lead to."""
    unused_terminals: tuple[str, ...] = ()
    """Terminals of no rule that it leads to, nor of another such terminal."""
    never_made: tuple[str, ...] = ()
    """Terminals of rules that are declared, and nothing makes: they never come."""


NO_REMARKS: Final = Remarks()

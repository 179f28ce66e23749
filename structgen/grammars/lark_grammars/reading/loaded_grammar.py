"""Defines the tables of a loaded Lark grammar: terminals, contexts of the lexer, actions of the parser.

A *context* is the set of terminals that lark's lexer looks for in a state of the parser. An *action* is what
the LALR(1) parser does in a state when a terminal comes: shift to another state, reduce by a rule, or refuse.
A *kernel item* of a state is a rule with the number of its symbols that were read. An *indenter* is a
post-lexer that makes terminals of changes of the indent.

The cache of grammars stores these values; the lexer and the parser of this package read them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np

from structgen.base.language.remarks import Remarks
from structgen.base.native.array_types import Int32Array

_SHOWN: Final = 80
"""The most characters of a pattern in messages; longer ones are cut."""
END: Final = 0
"""The number of `$END` among the terminals."""
NONE: Final = 0
"""The entry of `actions` for a terminal that is refused; `ParserTables.actions` describes the others."""


@dataclass(frozen=True, slots=True)
class Terminal:
    """One terminal, as lark defines it."""

    name: str
    pattern: str | None
    """A regular expression of Python's re; None for `$END` and for terminals of a post-lexer."""
    is_string: bool
    """Whether the grammar writes it as a string, such as "if", and not as a pattern."""
    where: str = ""
    """Its text in the grammar, for messages."""

    @property
    def display_name(self) -> str:
        """Its name in messages: a string as it is, a pattern with its name; long ones are cut."""
        text = self.where if len(self.where) <= _SHOWN else f"{self.where[:_SHOWN]}…"
        if text and (self.is_string or self.name.startswith("__ANON_")):
            return text
        return f"{self.name} {text}".rstrip()


Unless: TypeAlias = tuple[tuple[int, tuple[int, ...]], ...]
"""Pairs of a terminal and the strings that replace it: a NAME whose whole text is `if` becomes `if`."""


@dataclass(frozen=True, slots=True)
class Context:
    """The terminals that lark's contextual lexer looks for in some states of the parser."""

    terminals: tuple[int, ...]
    """The terminals in the order in which they are tried."""
    unless: Unless
    """Pairs of a terminal and strings; the first string that equals the whole match replaces the terminal. A
    NAME whose text is `if` becomes the terminal of "if"."""

    @property
    def every_terminal(self) -> frozenset[int]:
        """The terminals that a lexeme may be, including the strings that replace a match."""
        return frozenset(self.terminals).union(*(strings for _terminal, strings in self.unless))


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the grammar, as the parser reduces by it."""

    origin: int
    """The number of the nonterminal on the left side."""
    symbols: tuple[int, ...]
    """The symbols on the right side: k >= 0 for the terminal k, -1 - k for the nonterminal k."""
    text: str
    """The rule as text."""


@dataclass(frozen=True, slots=True)
class Indentation:
    """The attributes of a `lark.indenter.Indenter`, as numbers of terminals."""

    newline: int
    opening: frozenset[int]
    closing: frozenset[int]
    indent: int
    dedent: int
    tab_size: int
    """The number of columns of a tab."""


@dataclass(frozen=True, eq=False, slots=True)
class ParserTables:
    """A Lark grammar under LALR(1) with lark's contextual lexer."""

    terminals: tuple[Terminal, ...]
    """The terminals by number; number 0 is `$END`, the end of the text."""
    nonterminals: tuple[str, ...]
    rules: tuple[Rule, ...]
    actions: Int32Array
    """[states, terminals]: k > 0 shifts to state k - 1, k < 0 reduces by rule -1 - k, 0 refuses."""
    gotos: Int32Array
    """[states, nonterminals]: the state after a nonterminal, -1 where there is none."""
    contexts: tuple[Context, ...]
    """The contexts by number."""
    context_of: Int32Array
    """[states]: the number of the lexer's context."""
    ignored_terminals: frozenset[int]
    """Terminals that the parser never sees."""
    start: int
    end: int
    """The states before the first terminal, and after the start rule."""
    indentation: Indentation | None
    """The indenter; None: the grammar has none."""
    flags: int
    """The flags of `re` for all patterns."""
    kernels: tuple[tuple[tuple[int, int], ...], ...]
    """[states]: the kernel items: a rule, and how many of its symbols were read."""
    remarks: Remarks
    available: frozenset[int] | None = None
    """The bytes that texts may have; None: all. A vocabulary may lack some: then the patterns leave out each
    character that needs one of these."""

    def without_bytes(self, missing: frozenset[int]) -> ParserTables:
        """Return the tables for texts that have none of the bytes `missing`. Terminals and contexts stay the
        same, so each such text is read as before."""
        return replace(self, available=frozenset(range(256)) - missing) if missing else self

    def contexts_after(self, terminal: int) -> list[int]:
        """Return the contexts in which the lexer may be after a terminal: all of them after an ignored one
        (also the indenter's newline, which is ignored in brackets)."""
        is_newline = self.indentation is not None and terminal == self.indentation.newline
        if is_newline or terminal in self.ignored_terminals:
            return list(range(len(self.contexts)))
        return self.contexts_read(terminal)

    def contexts_read(self, terminal: int) -> list[int]:
        """Return the contexts in which the lexer may be after the parser has shifted a terminal."""
        actions = self.actions[:, terminal]
        next_states = actions[actions > 0] - 1  # a shift is 1 + the next state
        contexts: list[int] = np.unique(self.context_of[next_states]).tolist()
        return contexts


# lark's names of the rules that it makes of repetitions (`EBNF_to_BNF` of its load_grammar.py).
_MADE: Final = re.compile(r"^__(.+)_(?:star|plus|repeat_a\d+_b\d+(?:_opt)?)_\d+$")


def rule_as_written(name: str) -> str:
    """Return the rule in the source text for a rule's name: lark makes `__list_star_0` of the `*` in
    `list`."""
    name_match = _MADE.match(name)
    return name_match[1] if name_match else name.removeprefix("$root_")

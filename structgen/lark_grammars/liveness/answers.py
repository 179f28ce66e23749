"""The answer of each step of the slow reader: a proof, DEAD, or None if it does not know."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, TypeAlias

from structgen.lark_grammars.lexer.ordered_matching import LookBehindState
from structgen.lark_grammars.parser.contextual_reader import ReaderConfiguration
from structgen.lark_grammars.parser.lalr_parser import ParserPlace

TEXT_END: Final = -1
"""In place of a first byte: the text ends."""
DEAD: Final = "dead"
"""No text completes the configuration."""

Boundary: TypeAlias = tuple[ParserPlace, LookBehindState]
"""Between two lexemes: the parser's place, and the look-behind state."""


class Proof(NamedTuple):
    """A text to a boundary from which a completion is known."""

    text: bytes
    boundary: Boundary
    """The boundary after the text."""
    first: int
    """The first byte of the known completion from there, or TEXT_END."""


Answer: TypeAlias = Proof | Literal["dead"] | None


def boundary_of(configuration: ReaderConfiguration) -> Boundary:
    """Return the boundary before the current lexeme."""
    return configuration.place, configuration.look_behind


def accepted(configuration: ReaderConfiguration, text: bytes = b"") -> Proof:
    """Return the proof that a text leads to an accepted end."""
    return Proof(text, boundary_of(configuration), TEXT_END)

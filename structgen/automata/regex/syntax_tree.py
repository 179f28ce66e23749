"""The nodes of the syntax trees of regular expressions.

The readers of patterns make trees; automata, Lark's lexer and the writer of ECMA-262 use them. A leaf is a
set of code points, or an *assertion*: a condition on a position, such as `^`. Trees have no capturing groups,
names of groups and flags. For example, `ab*` is Concatenation((a, Repetition(b, 0, None))).
The order of an `Alternation` and of a `Repetition` is kept, because Python's matcher tries ways in order;
an automaton that looks for any match may ignore it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias, Union

from structgen.automata.unicode.charsets import Ranges

DEPTH: Final = 100
"""The most groups inside one another. Functions over trees recurse; patterns in practice stay far below."""


@dataclass(frozen=True, slots=True)
class CharacterClass:
    """A node that matches one code point of a set. With the empty set it matches nothing."""

    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Concatenation:
    """Some parts one after another. Without parts it matches the empty text."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Alternation:
    """A choice between at least two parts, which Python tries in order."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repetition:
    """`min_count` to `max_count` copies (None: no bound).

    A `greedy` repetition tries as many copies as it can first, a lazy one as few. In Python's semantics an
    empty copy beyond the `min_count` is the last one.
    """

    of: Node
    min_count: int
    max_count: int | None
    greedy: bool = True


@dataclass(frozen=True, slots=True)
class TextStart:
    """The start of the text (`^` without the flag m)."""


@dataclass(frozen=True, slots=True)
class TextEnd:
    """The end of the text (`$` without the flag m)."""


@dataclass(frozen=True, slots=True)
class LookAround:
    """A look-ahead or a look-behind. `(?<!a)` is LookAround(False, False, a)."""

    ahead: bool
    """True for a look-ahead, false for a look-behind."""
    holds: bool
    """True if the body must match, false for a negative look-around."""
    of: Node
    """The body."""


@dataclass(frozen=True, slots=True)
class SomeOf:
    """One or more of some parts, in their order: `a?b?` without the empty text is `SomeOf((a, b))`. No reader
    makes it (`optional_counts`)."""

    parts: tuple[Node, ...]


Node: TypeAlias = Union[
    CharacterClass,
    Concatenation,
    Alternation,
    Repetition,
    SomeOf,
    TextStart,
    TextEnd,
    LookAround,
]

TEXT_START: Final = TextStart()
TEXT_END: Final = TextEnd()
EMPTY: Final = Concatenation(())
"""Matches the empty text only."""
NOTHING: Final = CharacterClass(())
"""Matches no text at all."""


def word_boundary(letters: Ranges, holds: bool) -> Node:
    r"""Return `\b` as look-arounds, or `\B` if `holds` is false. `letters`: the characters of words."""
    word = CharacterClass(letters)
    ways: list[Node] = []
    for is_after_letter in (True, False):
        # At a boundary one side is a letter and the other is not; elsewhere both or neither are.
        is_before_letter = is_after_letter != holds
        behind = LookAround(False, is_after_letter, word)
        ahead = LookAround(True, is_before_letter, word)
        ways.append(Concatenation((behind, ahead)))
    return Alternation(tuple(ways))


def nullable(node: Node) -> bool:
    """Return whether the node can match the empty word somewhere (assertions count as able to hold)."""
    if isinstance(node, CharacterClass):
        return False
    if isinstance(node, Concatenation):
        return all(nullable(part) for part in node.parts)
    if isinstance(node, Alternation):
        return any(nullable(part) for part in node.parts)
    if isinstance(node, Repetition):
        return node.min_count == 0 or nullable(node.of)
    return True


def descendants_of(node: Node) -> list[Node]:
    """Return the node and every node inside it, each before its parts."""
    nodes = [node]
    for inner in nodes:  # the list grows during the loop
        if isinstance(inner, (Concatenation, Alternation)):
            nodes += inner.parts
        elif isinstance(inner, (Repetition, LookAround)):
            nodes.append(inner.of)
    return nodes


def looks_ahead(node: Node) -> bool:
    """Return whether a node depends on the text after it, by a look-ahead or the end of the text."""
    return any(
        isinstance(inner, TextEnd) or (isinstance(inner, LookAround) and inner.ahead)
        for inner in descendants_of(node)
    )


def concatenate_nodes(*parts: Node) -> Node:
    """Return the concatenation of nodes; parts that are concatenations are replaced by their parts."""
    flat: list[Node] = []
    for part in parts:
        flat += part.parts if isinstance(part, Concatenation) else (part,)
    if len(flat) == 1:
        return flat[0]
    return Concatenation(tuple(flat))


def make_alternation(parts: list[Node]) -> Node:
    """Return a node that matches what any of the parts matches; without parts, NOTHING."""
    if not parts:
        return NOTHING
    return parts[0] if len(parts) == 1 else Alternation(tuple(parts))

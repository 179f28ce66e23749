"""Look-behinds that look ahead, written without that: tree -> tree.

Python's look-behinds have one width: `\\b`, `$` and look-aheads in their body say something of the body's own
characters, or of what follows the look-behind. The first become part of the characters' sets, the second
stand behind the look-behind.
"""

from __future__ import annotations

from structgen.automata.regex.syntax_tree import (
    Alternation,
    CharacterClass,
    Concatenation,
    LookAround,
    Node,
    Repetition,
    TextEnd,
    concatenate_nodes,
    looks_ahead,
    make_alternation,
)
from structgen.automata.unicode.charsets import complement, union
from structgen.base.errors import RegexError


def remove_look_aheads(node: Node, where: str = "pattern") -> Node:
    """Return a tree that matches the same texts and whose look-behinds do not look ahead.

    Raises `RegexError` for a look-behind that looks ahead by more than a character. Cost: linear, but a
    look-behind that looks ahead is written out, one sequence of sets for each of its ways.
    """
    match node:
        case Concatenation(parts):
            return concatenate_nodes(*(remove_look_aheads(part, where) for part in parts))
        case Alternation(parts):
            return make_alternation([remove_look_aheads(part, where) for part in parts])
        case Repetition(of, least, most, greedy):
            return Repetition(remove_look_aheads(of, where), least, most, greedy)
        case LookAround(ahead, holds, of):
            body = remove_look_aheads(of, where)
            if ahead:
                return LookAround(True, holds, body)
            return _make_look_behind(holds, body, where)
    return node


def _make_look_behind(holds: bool, of: Node, where: str) -> Node:
    """Return a look-behind; where its body looks ahead, put without that."""
    if not looks_ahead(of):
        return LookAround(False, holds, of)
    ways = _ways_of_body(of, where)
    if holds:
        # One way holds: its body stands behind, and what it says of the text after it comes true.
        sequences = [concatenate_nodes(LookAround(False, True, body), *after) for body, after in ways]
        return make_alternation(sequences)
    # No way holds: each of them fails by its body or by what must follow.
    failures: list[Node] = []
    for body, after in ways:
        is_not_behind = LookAround(False, False, body)
        failures.append(make_alternation([is_not_behind, *map(_negate_assertion, after)]))
    return concatenate_nodes(*failures)


def _ways_of_body(of: Node, where: str) -> list[tuple[Node, list[Node]]]:
    """Return the ways of a look-behind's body: what is read, and what look-aheads say of what follows."""
    ways: list[tuple[Node, list[Node]]] = []
    for word in _spread_sequences(of, where):
        body: list[Node] = []
        due: list[Node] = []  # look-aheads that the next character of the body meets, or the text after it
        for part in word:
            if isinstance(part, CharacterClass):
                narrowed_set = _meet_look_aheads(due, part, where)
                if narrowed_set is None:
                    break  # no character meets them: this way never matches
                body.append(narrowed_set)
                due = []
            elif isinstance(part, TextEnd) or (isinstance(part, LookAround) and part.ahead):
                due.append(part)
            else:
                body.append(part)
        else:
            ways.append((concatenate_nodes(*body), due))
    return ways


_MOST_SEQUENCES = 4096
"""The most sequences of sets as which one look-behind is written out."""


def _spread_sequences(node: Node, where: str) -> list[list[Node]]:
    """Return a node of one width as sequences of sets and assertions."""
    match node:
        case Concatenation(parts):
            words: list[list[Node]] = [[]]
            for part in parts:
                tails = _spread_sequences(part, where)
                words = [[*word, *tail] for word in words for tail in tails]
                if len(words) > _MOST_SEQUENCES:
                    break
        case Alternation(parts):
            words = [word for part in parts for word in _spread_sequences(part, where)]
        case Repetition(of, least, _, _):
            # The body has one width: the least count is the only one.
            return _spread_sequences(Concatenation((of,) * least), where)
        case _:
            return [[node]]
    if len(words) > _MOST_SEQUENCES:
        raise RegexError(
            f"A look-behind that looks ahead has more than {_MOST_SEQUENCES} ways.",
            where=where,
            cure="Move the look-ahead out of the look-behind.",
        )
    return words


def _meet_look_aheads(due: list[Node], part: CharacterClass, where: str) -> CharacterClass | None:
    """Return the characters of a set that meet look-aheads of one character; None where none does."""
    ranges = part.ranges
    for ahead in due:
        if isinstance(ahead, TextEnd):
            return None
        assert isinstance(ahead, LookAround)
        if not isinstance(ahead.of, CharacterClass):
            raise RegexError(
                "A look-behind that itself looks ahead by more than a character cannot be compiled.",
                where=where,
                cure="Move the look-ahead out of the look-behind.",
            )
        allowed_ranges = ahead.of.ranges if ahead.holds else complement(ahead.of.ranges)
        # The intersection, as the complement of a union (A. De Morgan).
        others = union((*complement(ranges), *complement(allowed_ranges)))
        ranges = complement(others)
    return CharacterClass(ranges) if ranges else None


def _negate_assertion(node: Node) -> Node:
    """Return the look-ahead that holds where an assertion about what follows does not."""
    if isinstance(node, LookAround):
        return LookAround(True, not node.holds, node.of)
    return LookAround(True, False, TextEnd())

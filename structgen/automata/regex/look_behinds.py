"""Rewrite look-behinds whose bodies contain look-aheads, so that they contain none: tree -> tree.

A look-ahead, `\\b` or `$` in the body of a look-behind is a condition on a later character of the body, or on
what follows the look-behind. In the first case the set of that character is made smaller. In the second case
the condition is put after the look-behind: `(?<=a(?=b))` becomes `(?<=a)(?=b)`. A *way* is one sequence of
sets that the body may match; Python's look-behinds have one width, so there are finitely many ways.
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
    """Return a tree that matches the same texts and whose look-behinds contain no look-aheads.

    `where`: the place of the pattern, for errors. Raises `RegexError` for a look-behind that looks ahead by
    more than one character. Cost: linear in the nodes and in the ways of look-behinds that look ahead, since
    each way is written out.
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
    """Return a look-behind with the body `of`, rewritten if the body looks ahead. `holds`: false for a
    negative look-behind."""
    if not looks_ahead(of):
        return LookAround(False, holds, of)
    ways = _ways_of_body(of, where)
    if holds:
        # Some way holds: its body matches before this position, and its conditions on the text after it hold.
        sequences = [concatenate_nodes(LookAround(False, True, body), *after) for body, after in ways]
        return make_alternation(sequences)
    # No way holds: in each of them the body or a condition on the text after it fails.
    failures: list[Node] = []
    for body, after in ways:
        is_not_behind = LookAround(False, False, body)
        failures.append(make_alternation([is_not_behind, *map(_negate_assertion, after)]))
    return concatenate_nodes(*failures)


def _ways_of_body(of: Node, where: str) -> list[tuple[Node, list[Node]]]:
    """Return the ways of a look-behind's body: (what it reads, its conditions on what follows)."""
    ways: list[tuple[Node, list[Node]]] = []
    for word in _spread_sequences(of, where):
        body: list[Node] = []
        # conditions on the next character of the body, or at its end on the text after it
        due: list[Node] = []
        # The `else` below belongs to the loop: it runs unless the loop ended by `break`.
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
"""The most ways of one look-behind that are written out."""


def _spread_sequences(node: Node, where: str) -> list[list[Node]]:
    """Return the ways of a node whose texts all have one width, as sequences of sets and assertions.

    Raises `RegexError` for more than _MOST_SEQUENCES ways.
    """
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
            f"A look-behind that contains a look-ahead has more than {_MOST_SEQUENCES} alternatives.",
            where=where,
            cure="Move the look-ahead out of the look-behind.",
        )
    return words


def _meet_look_aheads(due: list[Node], part: CharacterClass, where: str) -> CharacterClass | None:
    """Return the characters of a set that meet the conditions `due`; None where no character does."""
    ranges = part.ranges
    for ahead in due:
        if isinstance(ahead, TextEnd):
            return None
        assert isinstance(ahead, LookAround)
        if not isinstance(ahead.of, CharacterClass):
            raise RegexError(
                "A look-behind that contains a look-ahead of more than one character is not supported.",
                where=where,
                cure="Move the look-ahead out of the look-behind.",
            )
        allowed_ranges = ahead.of.ranges if ahead.holds else complement(ahead.of.ranges)
        # The intersection, as the complement of a union (A. De Morgan).
        others = union((*complement(ranges), *complement(allowed_ranges)))
        ranges = complement(others)
    return CharacterClass(ranges) if ranges else None


def _negate_assertion(node: Node) -> Node:
    """Return the look-ahead that holds where `node`, a condition on what follows, fails."""
    if isinstance(node, LookAround):
        return LookAround(True, not node.holds, node.of)
    return LookAround(True, False, TextEnd())

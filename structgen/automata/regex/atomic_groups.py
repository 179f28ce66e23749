"""Atomic groups rewritten with look-aheads: tree -> tree, for back ends that look for any match.

An atomic group takes its first way and no other. Each of its ways becomes an alternative behind a negative
look-ahead: no earlier way, followed by the rest of the group, matches here. Then order no longer matters,
and the tree says a regular language. Look-aheads inside look-behinds are resolved too.
"""

from __future__ import annotations

from structgen.automata.regex.syntax_tree import (
    EMPTY,
    Alternation,
    Atomic,
    CharacterClass,
    Concatenation,
    LookAround,
    Node,
    Repetition,
    TextEnd,
    alternatives,
    concatenated,
    descendants,
    nullable,
)
from structgen.automata.unicode.charsets import complement, union
from structgen.errors import RegexError

UNROLLED = 32
"""The most copies of a counted repetition inside an atomic group."""


def without_atomic(node: Node, where: str = "pattern") -> Node:
    """Return a tree without atomic groups that matches the same texts from each start, in any order.

    Raises `RegexError` for a look-behind that looks ahead by more than a character, and for counts beyond
    `UNROLLED` inside atomic groups. Cost: linear, but the ways of an atomic group are copied into the
    look-aheads of all later ways.
    """
    return _Plain(where).plain(node)


def _never(*nodes: Node) -> Node:
    return LookAround(True, False, alternatives(list(nodes)))


class _Plain:
    """Rewrites one pattern."""

    def __init__(self, where: str) -> None:
        self.where = where

    def plain(self, node: Node) -> Node:
        match node:
            case Concatenation(parts):
                return concatenated(*map(self.plain, parts))
            case Alternation(parts):
                return alternatives(list(map(self.plain, parts)))
            case Repetition(of, least, most, greedy):
                return Repetition(self.plain(of), least, most, greedy)
            case LookAround(True, holds, of):
                return LookAround(True, holds, self.plain(of))
            case LookAround(False, holds, of):
                return self.behind(holds, self.plain(of))
            case Atomic(of):
                return self.first(of, EMPTY)
        return node

    # An atomic group. `rest` is what of the group stands behind the node.

    def first(self, node: Node, rest: Node) -> Node:
        """Return the node with its choices barred where an earlier one, and the rest, would match."""
        match node:
            case Concatenation(parts):
                done: list[Node] = []
                for index, part in enumerate(parts):
                    done.append(self.first(part, concatenated(*map(self.plain, parts[index + 1 :]), rest)))
                return concatenated(*done)
            case Alternation(parts):
                plain = [concatenated(self.plain(part), rest) for part in parts]
                return alternatives(
                    [
                        concatenated(*([_never(*plain[:index])] if index else []), self.first(part, rest))
                        for index, part in enumerate(parts)
                    ]
                )
            case Repetition():
                return self.first_of_repeat(node, rest)
        return self.plain(node)

    def first_of_repeat(self, node: Repetition, rest: Node) -> Node:
        of, least, most, greedy = node.of, node.least, node.most, node.greedy
        plain = self.plain(of)
        if isinstance(of, CharacterClass) and least == most:
            return node
        if isinstance(of, CharacterClass) and rest == EMPTY and greedy:
            if most is None:
                return concatenated(Repetition(of, least, None, True), _never(of))
            short = concatenated(Repetition(of, least, most - 1, True), _never(of))
            return Alternation((short, Repetition(of, most, most, True)))
        copies = max(least, 0 if most is None else most)
        if isinstance(of, CharacterClass) and most is None:
            copies = 0
        if copies > UNROLLED:
            raise RegexError(
                f"A count of {copies} inside an atomic group or a possessive repeat is more than {UNROLLED}.",
                where=self.where,
                cure="Write the group without being atomic, or with a smaller count.",
            )
        tail: Node
        if most is None:
            tail, left = self.loop(of, plain, greedy, rest), None
        else:
            tail, left = self.optional(of, plain, most - least, greedy, rest), most - least
        if isinstance(of, CharacterClass):
            return concatenated(Repetition(of, least, least, True), tail) if least else tail
        done: list[Node] = []
        for index in range(least):
            owed = least - index - 1
            later = Repetition(plain, owed, None if left is None else owed + left, greedy)
            done.append(self.first(of, concatenated(later, rest)))
        return concatenated(*done, tail)

    def loop(self, of: Node, plain: Node, greedy: bool, rest: Node) -> Node:
        """Return any number of copies."""
        again = concatenated(Repetition(plain, 0, None, greedy), rest)
        if not greedy:
            ways = self.ways([part for part, empty in pieces(of) if not empty], again, [])
            return Repetition(concatenated(_never(rest), ways), 0, None, True)
        if not nullable(of):
            return concatenated(
                Repetition(self.first(of, again), 0, None, True), _never(concatenated(plain, again))
            )
        going: list[Node] = []
        leaving: list[Node] = []
        before: list[Node] = []
        for part, empty in pieces(of):
            guard = [_never(*before)] if before else []
            (leaving if empty else going).append(
                concatenated(*guard, self.first(part, rest if empty else again))
            )
            before.append(concatenated(self.plain(part), rest if empty else again))
        leaving.append(_never(*before))
        return concatenated(Repetition(alternatives(going), 0, None, True), alternatives(leaving))

    def optional(self, of: Node, plain: Node, most: int, greedy: bool, rest: Node) -> Node:
        """Return 0 to `most` copies."""
        if most == 0:
            return EMPTY
        again = concatenated(Repetition(plain, 0, most - 1, greedy), rest)
        more = self.optional(of, plain, most - 1, greedy, rest)
        if not greedy:
            ways = self.ways([part for part, empty in pieces(of) if not empty], again, [rest])
            return Alternation((EMPTY, concatenated(ways, more)))
        found: list[Node] = []
        before: list[Node] = []
        for part, empty in pieces(of):
            guard = [_never(*before)] if before else []
            found.append(
                concatenated(*guard, self.first(part, rest if empty else again), *([] if empty else [more]))
            )
            before.append(concatenated(self.plain(part), rest if empty else again))
        return alternatives([*found, _never(*before)])

    def ways(self, parts: list[Node], rest: Node, before: list[Node]) -> Node:
        """Return the first of some parts that, with the rest, matches, where none of those before does."""
        barred = list(before)
        found: list[Node] = []
        for part in parts:
            found.append(concatenated(*([_never(*barred)] if barred else []), self.first(part, rest)))
            barred.append(concatenated(self.plain(part), rest))
        return alternatives(found)

    # Look-behinds. Python's have one width: what they say of the text to come is said of their own letters.

    def behind(self, holds: bool, of: Node) -> Node:
        """Return a look-behind; where its body looks ahead, put without that."""
        if not _looks_ahead(of):
            return LookAround(False, holds, of)
        ways = self.settled(of)
        # (behind, then what must come): of a negative one, each way fails by either
        if holds:
            return alternatives([concatenated(LookAround(False, True, body), *after) for body, after in ways])
        return concatenated(
            *(alternatives([LookAround(False, False, body), *map(_opposite, after)]) for body, after in ways)
        )

    def settled(self, of: Node) -> list[tuple[Node, list[Node]]]:
        """Return the ways of a look-behind's body: what is read, and what look-aheads say of what follows."""
        found: list[tuple[Node, list[Node]]] = []
        for word in _spread(of, self.where):
            body: list[Node] = []
            due: list[Node] = []
            for part in word:
                if isinstance(part, CharacterClass):
                    left = _met(due, part, self.where)
                    if left is None:
                        break
                    body.append(left)
                    due = []
                elif isinstance(part, TextEnd) or (isinstance(part, LookAround) and part.ahead):
                    due.append(part)
                else:
                    body.append(part)
            else:
                found.append((concatenated(*body), due))
        return found


def pieces(node: Node) -> list[tuple[Node, bool]]:
    """Return a node's ways in order, each either empty (true) or not."""
    match node:
        case CharacterClass():
            return [(node, False)]
        case Concatenation(parts):
            found: list[tuple[Node, bool]] = [(EMPTY, True)]
            for part in parts:
                found = [
                    way
                    for one, empty in found
                    for way in (
                        [(concatenated(one, other), other_empty) for other, other_empty in pieces(part)]
                        if empty
                        else [(concatenated(one, part), False)]
                    )
                ]
            return found
        case Alternation(parts):
            return [piece for part in parts for piece in pieces(part)]
        case Repetition(of, least, most, greedy):
            if not nullable(node):
                return [(node, False)]
            if least:
                fewer = None if most is None else most - 1
                return pieces(Concatenation((of, Repetition(of, least - 1, fewer, greedy))))
            if most == 0:
                return [(EMPTY, True)]
            again = Repetition(of, 0, None if most is None else most - 1, greedy)
            more = [(one, True) if empty else (concatenated(one, again), False) for one, empty in pieces(of)]
            return [*more, (EMPTY, True)] if greedy else [(EMPTY, True), *more]
        case Atomic(of):
            before: list[Node] = []
            ways: list[tuple[Node, bool]] = []
            for one, empty in pieces(of):
                ways.append((concatenated(*([_never(*before)] if before else []), Atomic(one)), empty))
                before.append(one)
            return ways
    return [(node, True)]


def _looks_ahead(node: Node) -> bool:
    return any(
        isinstance(one, TextEnd) or (isinstance(one, LookAround) and one.ahead) for one in descendants(node)
    )


_MOST_SEQUENCES = 4096  # of sets that one look-behind is written out as


def _spread(node: Node, where: str) -> list[list[Node]]:
    """Return a node of one width as sequences of sets and assertions."""
    match node:
        case Concatenation(parts):
            found: list[list[Node]] = [[]]
            for part in parts:
                found = [[*word, *more] for word in found for more in _spread(part, where)]
                if len(found) > _MOST_SEQUENCES:
                    break
        case Alternation(parts):
            found = [word for part in parts for word in _spread(part, where)]
        case Repetition(of, least, _, _):
            return _spread(Concatenation((of,) * least), where)
        case _:
            return [[node]]
    if len(found) > _MOST_SEQUENCES:
        raise RegexError(
            f"A look-behind that looks ahead has more than {_MOST_SEQUENCES} ways.",
            where=where,
            cure="Move the look-ahead out of the look-behind.",
        )
    return found


def _met(due: list[Node], part: CharacterClass, where: str) -> CharacterClass | None:
    """Return what of a set meets look-aheads of one character; None where nothing does."""
    ranges = part.ranges
    for one in due:
        if isinstance(one, TextEnd):
            return None
        assert isinstance(one, LookAround)
        if not isinstance(one.of, CharacterClass):
            raise RegexError(
                "A look-behind that itself looks ahead by more than a character cannot be compiled.",
                where=where,
                cure="Move the look-ahead out of the look-behind.",
            )
        allowed = one.of.ranges if one.holds else complement(one.of.ranges)
        ranges = complement(union((*complement(ranges), *complement(allowed))))
    return CharacterClass(ranges) if ranges else None


def _opposite(node: Node) -> Node:
    if isinstance(node, LookAround):
        return LookAround(True, not node.holds, node.of)
    return LookAround(True, False, TextEnd())

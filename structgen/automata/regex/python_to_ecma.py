"""Python's patterns as ECMA-262 patterns of the same texts, matched whole: what our automata read.

An atomic group takes its first way and no other: each of its choices is put as an alternative that stands
only where no earlier one leads to the group's end, which a negative look-ahead says. Order is of no matter
then, and the tree says a plain language. Repeats of optional repeats are one repeat.
"""

from __future__ import annotations

from structgen.automata.regex.python_syntax import (
    EMPTY,
    NOTHING,
    Alternation,
    Atomic,
    CharacterClass,
    Concatenation,
    LookAround,
    Node,
    Repetition,
    TextEnd,
    TextStart,
    nullable,
    parse_python,
)
from structgen.automata.unicode.charsets import Ranges, complement, union
from structgen.errors import RegexError

UNROLLED = 32
"""Copies in a counted repeat inside an atomic group that are told apart."""
_SURROGATES: Ranges = ((0xD800, 0xDFFF),)


def ecma_of_python(pattern: str, flags: int = 0, *, where: str = "pattern") -> str:
    """Return an ECMA-262 pattern (flag u) that finds itself in exactly the texts that re.fullmatch takes.

    Raises `RegexError`: see `parse_python`; for a look-behind that looks ahead by more than a character; for
    counts beyond `UNROLLED` inside atomic groups. Cost: linear but for atomic groups, whose choices are
    written once for each that comes after them.
    """
    node = without_atomic(parse_python(pattern, flags, where=where), where)
    return f"^(?:{written(node)})$"


def without_atomic(node: Node, where: str = "pattern") -> Node:
    """Return a tree that matches the same ends from each start, in whatever order, without atomic groups."""
    return _Plain(where).plain(node)


def seq(*parts: Node) -> Node:
    """Return a concatenation, nested ones opened."""
    flat: list[Node] = []
    for part in parts:
        flat += part.parts if isinstance(part, Concatenation) else (part,)
    return flat[0] if len(flat) == 1 else Concatenation(tuple(flat))


def alt(parts: list[Node]) -> Node:
    """Return an alternation of any number of parts."""
    return NOTHING if not parts else parts[0] if len(parts) == 1 else Alternation(tuple(parts))


def _never(*nodes: Node) -> Node:
    return LookAround(True, False, alt(list(nodes)))


class _Plain:
    """Rewrites one pattern."""

    def __init__(self, where: str) -> None:
        self.where = where

    def plain(self, node: Node) -> Node:
        match node:
            case Concatenation(parts):
                return seq(*map(self.plain, parts))
            case Alternation(parts):
                return alt(list(map(self.plain, parts)))
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
                    done.append(self.first(part, seq(*map(self.plain, parts[index + 1 :]), rest)))
                return seq(*done)
            case Alternation(parts):
                plain = [seq(self.plain(part), rest) for part in parts]
                return alt(
                    [
                        seq(*([_never(*plain[:index])] if index else []), self.first(part, rest))
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
                return seq(Repetition(of, least, None, True), _never(of))
            short = seq(Repetition(of, least, most - 1, True), _never(of))
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
            return seq(Repetition(of, least, least, True), tail) if least else tail
        done: list[Node] = []
        for index in range(least):
            owed = least - index - 1
            later = Repetition(plain, owed, None if left is None else owed + left, greedy)
            done.append(self.first(of, seq(later, rest)))
        return seq(*done, tail)

    def loop(self, of: Node, plain: Node, greedy: bool, rest: Node) -> Node:
        """Return any number of copies."""
        again = seq(Repetition(plain, 0, None, greedy), rest)
        if not greedy:
            ways = self.ways([part for part, empty in pieces(of) if not empty], again, [])
            return Repetition(seq(_never(rest), ways), 0, None, True)
        if not nullable(of):
            return seq(Repetition(self.first(of, again), 0, None, True), _never(seq(plain, again)))
        going: list[Node] = []
        leaving: list[Node] = []
        before: list[Node] = []
        for part, empty in pieces(of):
            guard = [_never(*before)] if before else []
            (leaving if empty else going).append(seq(*guard, self.first(part, rest if empty else again)))
            before.append(seq(self.plain(part), rest if empty else again))
        leaving.append(_never(*before))
        return seq(Repetition(alt(going), 0, None, True), alt(leaving))

    def optional(self, of: Node, plain: Node, most: int, greedy: bool, rest: Node) -> Node:
        """Return 0 to `most` copies."""
        if most == 0:
            return EMPTY
        again = seq(Repetition(plain, 0, most - 1, greedy), rest)
        more = self.optional(of, plain, most - 1, greedy, rest)
        if not greedy:
            ways = self.ways([part for part, empty in pieces(of) if not empty], again, [rest])
            return Alternation((EMPTY, seq(ways, more)))
        found: list[Node] = []
        before: list[Node] = []
        for part, empty in pieces(of):
            guard = [_never(*before)] if before else []
            found.append(seq(*guard, self.first(part, rest if empty else again), *([] if empty else [more])))
            before.append(seq(self.plain(part), rest if empty else again))
        return alt([*found, _never(*before)])

    def ways(self, parts: list[Node], rest: Node, before: list[Node]) -> Node:
        """Return the first of some parts that, with the rest, matches, where none of those before does."""
        barred = list(before)
        found: list[Node] = []
        for part in parts:
            found.append(seq(*([_never(*barred)] if barred else []), self.first(part, rest)))
            barred.append(seq(self.plain(part), rest))
        return alt(found)

    # Look-behinds. Python's have one width: what they say of the text to come is said of their own letters.

    def behind(self, holds: bool, of: Node) -> Node:
        """Return a look-behind; where its body looks ahead, put without that."""
        if not _looks_ahead(of):
            return LookAround(False, holds, of)
        ways = self.settled(of)
        # (behind, then what must come): of a negative one, each way fails by either
        if holds:
            return alt([seq(LookAround(False, True, body), *after) for body, after in ways])
        return seq(*(alt([LookAround(False, False, body), *map(_opposite, after)]) for body, after in ways))

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
                found.append((seq(*body), due))
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
                        [(seq(one, other), other_empty) for other, other_empty in pieces(part)]
                        if empty
                        else [(seq(one, part), False)]
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
            more = [(one, True) if empty else (seq(one, again), False) for one, empty in pieces(of)]
            return [*more, (EMPTY, True)] if greedy else [(EMPTY, True), *more]
        case Atomic(of):
            before: list[Node] = []
            ways: list[tuple[Node, bool]] = []
            for one, empty in pieces(of):
                ways.append((seq(*([_never(*before)] if before else []), Atomic(one)), empty))
                before.append(one)
            return ways
    return [(node, True)]


def _looks_ahead(node: Node) -> bool:
    match node:
        case Concatenation(parts) | Alternation(parts):
            return any(map(_looks_ahead, parts))
        case Repetition(of, _, _, _) | Atomic(of):
            return _looks_ahead(of)
        case LookAround(ahead, _, of):
            return ahead or _looks_ahead(of)
    return isinstance(node, TextEnd)


_MOST_WORDS = 4096


def _spread(node: Node, where: str) -> list[list[Node]]:
    """Return a node of one width as sequences of sets and assertions."""
    match node:
        case Concatenation(parts):
            found: list[list[Node]] = [[]]
            for part in parts:
                found = [[*word, *more] for word in found for more in _spread(part, where)]
                if len(found) > _MOST_WORDS:
                    break
        case Alternation(parts):
            found = [word for part in parts for word in _spread(part, where)]
        case Repetition(of, least, _, _):
            return _spread(Concatenation((of,) * least), where)
        case _:
            return [[node]]
    if len(found) > _MOST_WORDS:
        raise RegexError(
            f"A look-behind that looks ahead has more than {_MOST_WORDS} ways.",
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


# --- in writing ---------------------------------------------------------------------------------------------


def written(node: Node) -> str:
    """Return a tree without atomic groups in ECMA-262's syntax."""
    match node:
        case CharacterClass(ranges):
            return _set(ranges)
        case Concatenation(parts):
            return "".join(
                f"(?:{written(part)})" if isinstance(part, Alternation) else written(part) for part in parts
            )
        case Alternation(parts):
            return "|".join(map(written, parts))
        case Repetition():
            return _repeat(node)
        case TextStart():
            return "^"
        case TextEnd():
            return "$"
        case LookAround(ahead, holds, of):
            return f"(?{'' if ahead else '<'}{'=' if holds else '!'}{written(of)})"
    raise AssertionError("an atomic group was left")


def _repeat(node: Repetition) -> str:
    of, least, most = node.of, node.least, node.most
    while isinstance(of, Repetition) and of.least == 0:
        # (x{0,m}){k,n} is x{0,mn}
        inner: Repetition = of
        of, least = inner.of, 0
        most = None if most is None or inner.most is None else most * inner.most
    if most == 0 or of == EMPTY:
        return ""
    if (least, most) == (1, 1):
        return f"(?:{written(of)})" if isinstance(of, Alternation) else written(of)
    body = written(of) if isinstance(of, CharacterClass) else f"(?:{written(of)})"
    if most is None:
        return body + {0: "*", 1: "+"}.get(least, f"{{{least},}}")
    if (least, most) == (0, 1):
        return body + "?"
    return f"{body}{{{least}}}" if least == most else f"{body}{{{least},{most}}}"


def _set(ranges: Ranges) -> str:
    """Return a set; lone surrogates are left out: no UTF-8 text has them, and classes are told apart by
    less."""
    ranges = complement(union((*complement(ranges), *_SURROGATES)))
    if len(ranges) == 1 and ranges[0][0] == ranges[0][1]:
        return _point(ranges[0][0])
    return "[" + "".join(_point(a) if a == b else f"{_point(a)}-{_point(b)}" for a, b in ranges) + "]"


def _point(point: int) -> str:
    char = chr(point)
    return char if char.isascii() and char.isalnum() else f"\\u{{{point:x}}}"

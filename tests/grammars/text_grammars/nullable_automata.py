"""Random compositions of parts that may be empty, and what they mean: a nondeterministic automaton of each
(K. Thompson, 1968), which tokens read as sets of its states."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import structgen as sg
from structgen.grammars.text_grammars.text_grammar import Operand, TextGrammar

LETTERS = 'ab1()"'
ASCII = frozenset(range(128))
SPECIAL = 256
"""The symbol of the special token."""
COMPACT = {"whitespace": "compact", "numbers": "plain"}
Meaning: TypeAlias = "str | tuple[Any, ...]"
"""A text; ("cat", ...), ("or", ...), ("rep", of, least, most or None), ("set", symbols)."""


class Part(NamedTuple):
    """A grammar, its meaning, and its format in structural tags where it has one."""

    grammar: Operand
    means: Meaning
    format: dict[str, Any] | None = None
    has_masks: bool = False


class Automaton:
    """The texts of a meaning. States are numbers; a set of them is the state of a reader."""

    def __init__(self, means: Meaning) -> None:
        self._free: list[list[int]] = []
        self._moves: list[dict[int, int]] = []
        start, self._end = self._of(means)
        self.start = self._closed([start])
        self.has_special = any(SPECIAL in row for row in self._moves)

    def _new(self) -> int:
        self._free.append([])
        self._moves.append({})
        return len(self._free) - 1

    def _of(self, means: Meaning) -> tuple[int, int]:
        start = end = self._new()
        if isinstance(means, str):
            for byte in means.encode():
                after = self._new()
                self._moves[end][byte], end = after, after
            return start, end
        kind, *rest = means
        if kind == "set":
            end = self._new()
            self._moves[start] = dict.fromkeys(rest[0], end)
        elif kind == "or":
            end = self._new()
            for one in rest:
                first, last = self._of(one)
                self._free[start].append(first)
                self._free[last].append(end)
        elif kind == "cat":
            for one in rest:
                first, last = self._of(one)
                self._free[end].append(first)
                end = last
        else:
            of, least, most = rest
            leave = self._new()
            for count in range(least if most is None else most):
                if count >= least:
                    self._free[end].append(leave)
                first, last = self._of(of)
                self._free[end].append(first)
                end = last
            if most is None:
                first, last = self._of(of)
                self._free[end].append(first)
                self._free[last].append(end)
            self._free[end].append(leave)
            end = leave
        return start, end

    def _closed(self, states: Iterable[int]) -> frozenset[int]:
        found, left = set[int](), list(states)
        while left:
            if (one := left.pop()) not in found:
                found.add(one)
                left += self._free[one]
        return frozenset(found)

    def read(self, states: frozenset[int], symbols: Iterable[int]) -> frozenset[int]:
        """Return the states after some symbols; none where no text goes on so."""
        for symbol in symbols:
            states = self._closed(self._moves[one][symbol] for one in states if symbol in self._moves[one])
        return states

    def accepts(self, states: frozenset[int]) -> bool:
        return self._end in states


Reader: TypeAlias = "tuple[frozenset[int], frozenset[int]]"


@dataclass
class Case:
    """A grammar, and its texts: those of `of` that are also of `other`, or with `is_without` are not."""

    grammar: TextGrammar
    of: Automaton
    other: Automaton
    is_without: bool = False
    has_masks: bool = False

    def read(self, at: Reader, symbols: Sequence[int]) -> Reader | None:
        if self.is_without and SPECIAL in tuple(symbols):
            return None
        after = self.of.read(at[0], symbols), self.other.read(at[1], symbols)
        return after if after[0] and (after[1] or self.is_without) else None

    def accepts(self, at: Reader) -> bool:
        return self.of.accepts(at[0]) and self.other.accepts(at[1]) != self.is_without


class Graph:
    """The states between tokens of a case under a vocabulary: `distance`, the fewest tokens from each to the
    end of a text (absent: none), and `after`, the states after each token."""

    def __init__(self, case: Case, tokens: dict[int, tuple[int, ...]], most: int) -> None:
        """Raises OverflowError where there are more than `most` states."""
        self.start: Reader = case.of.start, case.other.start
        self.after: dict[Reader, dict[int, Reader]] = {}
        before: dict[Reader, list[Reader]] = {self.start: []}
        left = [self.start]
        while left:
            at = left.pop()
            steps = ((token, case.read(at, symbols)) for token, symbols in tokens.items())
            self.after[at] = {token: after for token, after in steps if after is not None}
            for after in set(self.after[at].values()):
                if after not in before:
                    left.append(after)
                before.setdefault(after, []).append(at)
            if len(before) > most:
                raise OverflowError
        level = [at for at in before if case.accepts(at)]
        self.distance = dict.fromkeys(level, 0)
        while level:
            ahead = {one for at in level for one in before[at]}.difference(self.distance)
            self.distance |= dict.fromkeys(ahead, self.distance[level[0]] + 1)
            level = list(ahead)

    def allowed(self, at: Reader) -> dict[int, Reader]:
        """Return the tokens that may come, and the states after them."""
        return {token: after for token, after in self.after[at].items() if after in self.distance}


# --- random cases ---


def _regex(pattern: str, means: Meaning) -> Part:
    return Part(sg.regex(pattern), means, {"type": "regex", "pattern": pattern})


def _ebnf(rules: str, means: Meaning) -> Part:
    return Part(sg.ebnf(rules), means, {"type": "grammar", "grammar": rules})


def _lark(rules: str, means: Meaning, **options: Any) -> Part:
    return Part(sg.lark(rules, **options), means, has_masks=not options)


def _schema(schema: Any, means: Meaning) -> Part:
    told = {"type": "json_schema", "json_schema": schema}
    return Part(sg.json_schema(schema, **COMPACT), means, told, True)  # type: ignore[arg-type]


def _text(text: str) -> Part:
    return Part(text, text, {"type": "const_string", "value": text})


def many(of: Meaning) -> Meaning:
    return "rep", of, 0, None


NOT_B = many(("set", ASCII - {ord("b")}))
LEAVES: dict[str, Callable[[], Part]] = {
    "nothing": lambda: _text(""),
    "text": lambda: _text("a"),
    "regex of nothing": lambda: _regex("^", ""),
    "regex": lambda: _regex("(?:ab)*", many("ab")),
    "regex at an edge": lambda: _regex("a?$", ("or", "", "a")),
    "rules": lambda: _ebnf('root ::= "a"*', many("a")),
    "rules of nothing": lambda: _ebnf('root ::= ""', ""),
    "rules, to the left": lambda: _ebnf('root ::= root "b" | ""', many("b")),
    "rules, hidden": lambda: _ebnf(
        'root ::= x root "b" | "a" | x\nx ::= ""', ("cat", ("or", "", "a"), many("b"))
    ),
    "rules, twice": lambda: _ebnf('root ::= root root | "ab" | x\nx ::= x | ""', many("ab")),
    "rules, paired": lambda: _ebnf(
        'root ::= "" | "a" (x x)? "b"\nx ::= "1" | ""', ("or", "", "ab", "a1b", "a11b")
    ),
    "lark": lambda: _lark('start: "a"*', many("a")),
    "lark of nothing": lambda: _lark("start:", ""),
    "lark, named": lambda: _lark('start: ("b" A?)*\nA: "a"', many(("or", "b", "ba"))),
    "characters": lambda: _lark('start: x*\nx: "a" | "1" |', many(("or", "a", "1")), lexer="characters"),
    "free text": lambda: Part(
        sg.text(until="b", included=False), NOT_B, {"type": "any_text", "excludes": ["b"]}
    ),
    "up to a text": lambda: Part(sg.text(until="b"), ("cat", NOT_B, "b")),
    "number": lambda: _schema({"enum": [1, 11]}, ("or", "1", "11")),
    "string": lambda: _schema({"enum": ["a", ""]}, ("or", '"a"', '""')),
    "special token": lambda: Part(sg.special(-1), ("set", [SPECIAL])),
}  # fmt: skip


def part(chance: random.Random, depth: int, special: int | None) -> Part:
    """Return a random part, operators `depth` deep; `special`: the id of a special token, if there is one."""
    if depth == 0:
        name = chance.choice(list(LEAVES))
        if name == "special token":
            return _text("b") if special is None else Part(sg.special(special), ("set", [SPECIAL]))
        return LEAVES[name]()
    kind = chance.choice(
        ["repeat"] * 4 + ["optional", "star", "plus", "twice", "sequence", "either", "bound", "quoted"]
    )
    one = part(chance, depth - 1, special)
    if kind in ("sequence", "either"):
        other = part(chance, chance.randrange(depth), special)
        parts = [one, other] if chance.random() < 0.5 else [other, one]
        word, tag = ("cat", "sequence") if kind == "sequence" else ("or", "or")
        return _joined(getattr(sg, kind)(*(each.grammar for each in parts)), word, tag, parts)
    whole = sg.sequence(one.grammar)
    if kind == "bound" and Automaton(one.means).accepts(Automaton(one.means).start) is False:
        rules = 'start: "(" A? ")"\n%declare A'
        return Part(sg.lark(rules, bind={"A": whole}), ("cat", "(", ("or", "", one.means), ")"), None, True)
    if (
        kind == "quoted"
        and special is None
        and not one.has_masks
        and not {'"', "set"} & set(str(one.means).replace("'", " ").split())
    ):
        return Part(sg.in_json_string(whole, escapes="canonical"), ("cat", '"', one.means, '"'))
    if kind == "twice":
        least, most = chance.choice([(0, 2), (1, 2), (2, 2)])
        again = chance.choice([(0, 2), (2, 2), (1, None)])
        means = ("rep", ("rep", one.means, least, most), *again)
        return Part(whole.repeat(least, most).repeat(*again), means, None, one.has_masks)
    counts = {"optional": (0, 1), "star": (0, None), "plus": (1, None)}
    least, most = counts.get(kind) or chance.choice(
        [(0, 2), (0, 3), (1, 2), (2, 2), (3, 3), (2, None), (1, 3)]
    )
    told = (
        {"type": kind}
        if kind in counts
        else {"type": "repeat", "min": least, "max": -1 if most is None else most}
    )
    format_ = None if one.format is None else {**told, "content": one.format}
    return Part(whole.repeat(least, most), ("rep", one.means, least, most), format_, one.has_masks)


def _joined(grammar: TextGrammar, word: str, tag: str, parts: list[Part]) -> Part:
    formats = [each.format for each in parts]
    told = None if None in formats else {"type": tag, "elements": formats}
    return Part(grammar, (word, *(each.means for each in parts)), told, any(each.has_masks for each in parts))


REGULAR: list[tuple[str, Meaning]] = [
    (r"(?:[\s\S]{2})*", many(("cat", ("set", ASCII), ("set", ASCII)))),
    ("a*b?a*", ("cat", many("a"), ("or", "", "b"), many("a"))),
    ("[^1]*", many(("set", ASCII - {ord("1")}))),
]  # fmt: skip
ANY: Meaning = many(("set", ASCII | {SPECIAL}))


def case(chance: random.Random, special: int | None) -> Case:
    """Return a random case. Its grammar has nullable parts, operators twice or three times around them."""
    one = part(chance, chance.choice([1, 2, 2, 3]), special)
    grammar, of = sg.sequence(one.grammar), Automaton(one.means)
    if one.format is not None and chance.random() < 0.5:
        tag = {"type": "structural_tag", "format": one.format}
        grammar = sg.sequence(sg.structural_tag(tag, **COMPACT))
    ending = chance.randrange(8)
    pattern, means = chance.choice(REGULAR)
    if ending == 0:
        return Case(grammar & sg.regex(pattern), of, Automaton(means))
    if ending == 1:
        return Case(grammar - sg.regex(pattern), of, Automaton(means), True)
    if ending == 2 and special is None:
        banned = chance.choice(["aa", "b1", "ba"])
        holds = Automaton(("cat", ANY, banned, ANY))
        return Case(sg.sequence(sg.without(grammar, [banned], decoded=False)), of, holds, True)
    return Case(grammar, of, Automaton(ANY), False, one.has_masks)

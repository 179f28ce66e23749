"""Random sentences of a Lark grammar: derivations over the rules that lark compiled, with terminals drawn.

What comes out is a sentence of the rules; the lexer may cut it otherwise, so that lark is asked of each.
"""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Collection, Iterator
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as patterns  # type: ignore[attr-defined]
from typing import Any

from lark import Lark
from lark.grammar import NonTerminal, Rule, Symbol

COMMON = " azAZ09_-+.,:;'\"\\/()[]{}#%\té☃"
"""What is drawn from a class of characters that is a complement."""


class Sentences:
    """Draws lists of (terminal, text) from a grammar; `words` has terminals that are listed instead, and
    rules with a terminal of `without` are left out."""

    def __init__(
        self,
        parser: Lark,
        seed: int,
        words: dict[str, tuple[str, ...]] | None = None,
        without: Collection[str] = (),
    ) -> None:
        self._random = random.Random(seed)
        self._words = words or {}
        self._rules: dict[Symbol, list[Rule]] = {}
        for rule in parser.rules:
            if any(part.is_term and part.name in without for part in rule.expansion):
                continue
            self._rules.setdefault(rule.origin, []).append(rule)
        self._heights = _heights(self._rules)
        self._patterns = {
            terminal.name: re.compile(terminal.pattern.to_regexp()) for terminal in parser.terminals
        }

    def draw(self, start: str, depth: int, size: int = 10_000) -> list[tuple[str, str]]:
        """Return a sentence, `size` terminals at most; below `depth` rules are derived the lowest way."""
        return list(itertools.islice(self._derive(NonTerminal(start), depth), size))

    def _derive(self, start: Symbol, depth: int) -> Iterator[tuple[str, str]]:
        heap = [(start, depth)]
        while heap:
            symbol, left = heap.pop()
            if symbol.is_term:
                yield symbol.name, self._terminal(symbol.name)
                continue
            rules = self._rules[symbol]
            fitting = [rule for rule in rules if self._height(rule) <= left]
            lowest = min(map(self._height, rules))
            chosen = self._random.choice(fitting or [rule for rule in rules if self._height(rule) == lowest])
            heap.extend((part, left - 1) for part in reversed(chosen.expansion))

    def _height(self, rule: Rule) -> int:
        return max((self._heights.get(part, 0) for part in rule.expansion), default=0) + 1

    def _terminal(self, name: str) -> str:
        if name in self._words:
            return self._random.choice(self._words[name])
        pattern = self._patterns.get(name)
        if pattern is None:  # A declared terminal, which only a post-lexer makes.
            return ""
        text = ""
        for _ in range(10):
            text = self._text(patterns.parse(pattern.pattern, pattern.flags))
            if pattern.fullmatch(text):
                break
        return text  # One that looks ahead may match nothing by itself.

    def _text(self, parsed: Any) -> str:
        return "".join(self._piece(code, value) for code, value in parsed)

    def _piece(self, code: Any, value: Any) -> str:
        if code is codes.LITERAL:
            return chr(value)
        if code is codes.NOT_LITERAL:
            return self._random.choice([one for one in COMMON if ord(one) != value])
        if code is codes.ANY:
            return self._random.choice(COMMON)
        if code is codes.IN:
            return self._member(value)
        if code is codes.BRANCH:
            return self._text(self._random.choice(value[1]))
        if code is codes.SUBPATTERN:
            return self._text(value[3])
        if code in (codes.MAX_REPEAT, codes.MIN_REPEAT):
            least, most, part = value
            count = self._random.randint(least, min(most, least + self._random.choice((0, 1, 3))))
            return "".join(self._text(part) for _ in range(count))
        if code in (codes.ASSERT, codes.ASSERT_NOT, codes.AT):
            return ""  # What was drawn is held to the whole pattern afterwards.
        raise AssertionError(f"{code} in a pattern")

    def _member(self, members: list[Any]) -> str:
        if members[0][0] is codes.NEGATE:
            return self._random.choice(
                [one for one in COMMON if not any(_holds(m, one) for m in members[1:])]
            )
        code, value = self._random.choice(members)
        if code is codes.RANGE:
            return chr(self._random.randint(*value))
        if code is codes.LITERAL:
            return chr(value)
        return self._random.choice([one for one in COMMON if _holds((code, value), one)])


def _holds(member: tuple[Any, Any], character: str) -> bool:
    code, value = member
    if code is codes.RANGE:
        return bool(value[0] <= ord(character) <= value[1])
    if code is codes.LITERAL:
        return ord(character) == value
    classes = {
        codes.CATEGORY_DIGIT: r"\d",
        codes.CATEGORY_NOT_DIGIT: r"\D",
        codes.CATEGORY_WORD: r"\w",
        codes.CATEGORY_NOT_WORD: r"\W",
        codes.CATEGORY_SPACE: r"\s",
        codes.CATEGORY_NOT_SPACE: r"\S",
    }
    return re.fullmatch(classes[value], character) is not None


def _heights(rules: dict[Symbol, list[Rule]]) -> dict[Symbol, int]:
    """Return the height of each rule's lowest derivation; terminals have none."""
    heights: dict[Symbol, int] = {}
    changed = True
    while changed:
        changed = False
        for origin, alternatives in rules.items():
            for rule in alternatives:
                parts = [part for part in rule.expansion if not part.is_term]
                if all(part in heights for part in parts):
                    height = max((heights[part] for part in parts), default=0) + 1
                    if height < heights.get(origin, height + 1):
                        heights[origin] = height
                        changed = True
    return heights


def mutants(words: list[str], seed: int) -> Iterator[list[str]]:
    """Yield `words` with one of them dropped, doubled, swapped with the next, or in another's place."""
    draw = random.Random(seed)
    for at in range(len(words)):
        yield words[:at] + words[at + 1 :]
        yield words[: at + 1] + words[at:]
        yield words[:at] + words[at : at + 2][::-1] + words[at + 2 :]
        yield [*words[:at], draw.choice(words), *words[at + 1 :]]

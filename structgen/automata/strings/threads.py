"""Thompson's construction: a pattern as instructions, counted repetitions written out.

Source: K. Thompson, Regular Expression Search Algorithm (1968). A node is emitted backwards, with the
instruction that follows it; one that is emitted twice before the same instruction is there once, so that
threads are partial derivatives (V. Antimirov, 1996).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from structgen.automata.regex.syntax_tree import (
    Alternation,
    CharacterClass,
    Concatenation,
    LookAround,
    Node,
    Repetition,
    TextEnd,
    TextStart,
    WordBoundary,
    descendants,
)
from structgen.automata.unicode.charsets import ANY, WORD, Ranges
from structgen.errors import LimitError, RegexError

SET, SPLIT, START, END, LOOK, MATCH = range(6)
MOST_INSTRUCTIONS: Final = 100_000
"""The most instructions of a pattern whose counts are written out, and a tenth of the steps of writing
them."""


class PatternInstruction(NamedTuple):
    """One instruction. SET: a character of `set`, then `after[0]`. SPLIT: each of `after`. START, END: the
    start or the end of the text, then `after[0]`. LOOK: `look` holds here, then `after[0]`."""

    op: int
    after: tuple[int, ...] = ()
    set: Ranges = ()
    look: LookAround | None = None


class PatternInstructions:
    """The instructions of one pattern; instruction 0 is MATCH."""

    def __init__(self) -> None:
        self.code: list[PatternInstruction] = [PatternInstruction(MATCH)]
        self._numbers: dict[PatternInstruction, int] = {}
        self._emitted: dict[tuple[Node, int], int] = {}
        self._steps = 0

    def put(self, one: PatternInstruction) -> int:
        """Return the number of an instruction, which may be there already."""
        found = self._numbers.get(one)
        if found is None:
            found = self._numbers[one] = len(self.code)
            self.code.append(one)
        return found

    def any_text_before(self, start: int) -> int:
        """Return the instruction that goes to `start` after any text."""
        loop = len(self.code)
        self.code.append(PatternInstruction(SPLIT))
        self.code[loop] = PatternInstruction(SPLIT, (start, self.put(PatternInstruction(SET, (loop,), ANY))))
        return loop

    def emit(self, node: Node, after: int) -> int:
        """Return the instruction at which `node`, followed by `after`, begins. Raises `LimitError` past
        MOST_INSTRUCTIONS."""
        self._steps += 1
        if self._steps > 10 * MOST_INSTRUCTIONS or len(self.code) > MOST_INSTRUCTIONS:
            raise LimitError(
                f"A pattern has over {MOST_INSTRUCTIONS:,} instructions once its counts are written out.",
                limit="automaton_states",
                cure="Make the counts in it smaller, or use * in place of a large one.",
            )
        if isinstance(node, CharacterClass):
            return self.put(PatternInstruction(SET, (after,), node.ranges))
        if isinstance(node, Concatenation):
            for part in reversed(node.parts):
                after = self.emit(part, after)
            return after
        if isinstance(node, Alternation):
            begins = dict.fromkeys([self.emit(part, after) for part in node.parts])
            return (
                next(iter(begins)) if len(begins) == 1 else self.put(PatternInstruction(SPLIT, tuple(begins)))
            )
        if isinstance(node, Repetition):
            return self._repeat(node, after)
        if isinstance(node, TextStart):
            return self.put(PatternInstruction(START, (after,)))
        if isinstance(node, TextEnd):
            return self.put(PatternInstruction(END, (after,)))
        if isinstance(node, WordBoundary):
            return self.emit(boundary(node.holds), after)
        return self.put(PatternInstruction(LOOK, (after,), (), node))

    def _repeat(self, node: Repetition, after: int) -> int:
        if node.most is None:
            loop = len(self.code)
            self.code.append(PatternInstruction(SPLIT))
            self.code[loop] = PatternInstruction(SPLIT, (self.emit(node.of, loop), after))
            begin = loop
        else:
            begin = after
            for _ in range(node.most - node.least):
                begin = self.put(PatternInstruction(SPLIT, (self.emit(node.of, begin), after)))
        for _ in range(node.least):
            before, begin = begin, self.emit(node.of, begin)
            if begin == before:
                break  # a body that matches only the empty text
        return begin


_WORD: Final = CharacterClass(WORD)


def boundary(holds: bool) -> Node:
    r"""Return `\b`, or `\B` where `holds` is false, as look-arounds."""
    sides = ((True, False), (False, True)) if holds else ((True, True), (False, False))
    return Alternation(
        tuple(
            Concatenation((LookAround(False, before, _WORD), LookAround(True, after, _WORD)))
            for before, after in sides
        )
    )


def sets_of(tree: Node) -> tuple[Ranges, ...]:
    """Return the sets of characters of a pattern, those inside its look-arounds too."""
    found: dict[Ranges, None] = {ANY: None}
    for node in descendants(tree):
        if isinstance(node, CharacterClass):
            found[node.ranges] = None
        elif isinstance(node, WordBoundary):
            found[WORD] = None
    return tuple(found)


def look_behinds(tree: Node) -> list[LookAround]:
    """Return the look-behinds of a pattern that are not inside another one, those of word boundaries too.

    Raises `RegexError` for one that itself looks ahead.
    """
    found: dict[LookAround, None] = {}
    todo = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, WordBoundary):
            found.update(dict.fromkeys(LookAround(False, holds, _WORD) for holds in (True, False)))
        elif isinstance(node, LookAround) and not node.ahead:
            if any(map(_looks_ahead, descendants(node.of))):
                raise RegexError(
                    "A look-behind that itself looks ahead (by a look-ahead, \\b or $) cannot be compiled.",
                    cure="Move the look-ahead out of the look-behind.",
                )
            found[node] = None
        elif isinstance(node, (Concatenation, Alternation)):
            todo += node.parts
        elif isinstance(node, (Repetition, LookAround)):
            todo.append(node.of)
    return list(found)


def _looks_ahead(node: Node) -> bool:
    return isinstance(node, (TextEnd, WordBoundary)) or (isinstance(node, LookAround) and node.ahead)

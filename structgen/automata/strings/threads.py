"""Thompson's construction: a pattern as instructions, counted repetitions written out.

Source: K. Thompson, Regular Expression Search Algorithm (1968). A node is emitted backwards, with the
instruction that follows it; one that is emitted twice before the same instruction is there once, so that
threads are partial derivatives (V. Antimirov, 1996).

In the optional copies of `r{m,n}` a place in a copy that more copies may follow takes every text of the same
place in the others: it *outranks* them, and a set of threads needs it alone.
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
    SomeOf,
    TextEnd,
    TextStart,
    descendants_of,
    looks_ahead,
)
from structgen.automata.unicode.charsets import ANY, Ranges
from structgen.base.errors import LimitError, RegexError

SET, SPLIT, START, END, LOOK, MATCH = range(6)
MOST_INSTRUCTIONS: Final = 100_000
"""The most instructions of a pattern whose counts are written out, and a tenth of the steps of writing
them."""


MOST_RANKS: Final = 3
"""Counts in one another whose copies are compared."""


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
        self.ranks: dict[int, dict[int, tuple[int, int]]] = {}
        """Of an instruction in copies, by how deep the count stands in others: (the place in a copy, how many
        copies may follow). Of one place, the texts of an instruction are those of a higher rank too."""
        self._numbers: dict[PatternInstruction, int] = {}
        self._trace: list[int] = []
        """The instructions that read, as they were emitted."""
        self._depth = 0
        """In how many counts what is emitted stands."""
        self._places = 0
        self._steps = 0

    def put_instruction(self, instruction: PatternInstruction) -> int:
        """Return the number of an instruction, which may be there already."""
        number = self._numbers.get(instruction)
        if number is None:
            number = self._numbers[instruction] = len(self.code)
            self.code.append(instruction)
        return number

    def emit_any_text(self, start: int) -> int:
        """Return the instruction that goes to `start` after any text."""
        # The loop needs its own number before it is complete: a placeholder keeps it.
        loop = len(self.code)
        self.code.append(PatternInstruction(SPLIT))
        any_character = self.put_instruction(PatternInstruction(SET, (loop,), ANY))
        self.code[loop] = PatternInstruction(SPLIT, (start, any_character))
        return loop

    def emit_node(self, node: Node, after: int) -> int:
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
            number = self.put_instruction(PatternInstruction(SET, (after,), node.ranges))
            self._trace.append(number)
            return number
        if isinstance(node, SomeOf):
            begins = []
            equal: dict[Node, list[tuple[int, int]]] = {}
            # Behind a part any of the later ones may follow, or none: `after` is the choice among these.
            for part in reversed(node.parts):
                first = len(self._trace)
                begins.append(self.emit_node(part, after))
                after = self.put_instruction(PatternInstruction(SPLIT, (begins[-1], after)))
                equal.setdefault(part, []).append((first, len(self._trace)))
            for copies in equal.values():
                self._rank_copies(copies)
            return self.put_instruction(PatternInstruction(SPLIT, tuple(begins[::-1])))
        if isinstance(node, Concatenation):
            for part in reversed(node.parts):
                after = self.emit_node(part, after)
            return after
        if isinstance(node, Alternation):
            # Parts that begin at one instruction are one thread.
            split = tuple(dict.fromkeys([self.emit_node(part, after) for part in node.parts]))
            if len(split) == 1:
                return split[0]
            return self.put_instruction(PatternInstruction(SPLIT, split))
        if isinstance(node, Repetition):
            return self._emit_repetition(node, after)
        if isinstance(node, TextStart):
            return self.put_instruction(PatternInstruction(START, (after,)))
        if isinstance(node, TextEnd):
            return self.put_instruction(PatternInstruction(END, (after,)))
        return self.put_instruction(PatternInstruction(LOOK, (after,), (), node))

    def _emit_repetition(self, node: Repetition, after: int) -> int:
        """Return the instruction at which a repetition, followed by `after`, begins."""
        min_count = node.min_count
        if node.max_count is None:
            loop = len(self.code)  # as in `emit_any_text`
            self.code.append(PatternInstruction(SPLIT))
            begin = self.emit_node(node.of, loop)
            self.code[loop] = PatternInstruction(SPLIT, (begin, after))
            # the copy in the loop is the first one
            if min_count:
                min_count -= 1
            else:
                begin = loop
        else:
            begin = after
            copies = []
            self._depth += 1
            for _ in range(node.max_count - min_count):
                first = len(self._trace)
                copy = self.emit_node(node.of, begin)
                begin = self.put_instruction(PatternInstruction(SPLIT, (copy, after)))
                copies.append((first, len(self._trace)))
            self._depth -= 1
            self._rank_copies(copies)
        for _ in range(min_count):
            begin_before = begin
            begin = self.emit_node(node.of, begin)
            if begin == begin_before:
                break  # a body that matches only the empty text
        return begin

    def _rank_copies(self, copies: list[tuple[int, int]]) -> None:
        """Note the ranks of instructions in copies, which are ranges of the trace; more may follow the later
        ones. The node is the same, so that equal places are the same ones of it."""
        sizes = {end - first for first, end in copies}
        # Only copies of one size have corresponding places.
        if len(copies) < 2 or self._depth >= MOST_RANKS or len(sizes) > 1:
            return
        for rank, (first, end) in enumerate(copies):
            for place, number in enumerate(self._trace[first:end], self._places):
                ranks_by_depth = self.ranks.setdefault(number, {})
                # The first copy that has the instruction counts: copies may share it.
                ranks_by_depth.setdefault(self._depth, (place, rank))
        self._places += copies[0][1] - copies[0][0]


def character_sets(tree: Node) -> tuple[Ranges, ...]:
    """Return the sets of characters of a pattern, those inside its look-arounds too."""
    nodes = (node.ranges for node in descendants_of(tree) if isinstance(node, CharacterClass))
    return tuple(dict.fromkeys((ANY, *nodes)))


def look_behinds(tree: Node) -> list[LookAround]:
    """Return the look-behinds of a pattern that are not inside another one.

    Raises `RegexError` for one that itself looks ahead.
    """
    looks: dict[LookAround, None] = {}
    todo = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, LookAround) and not node.ahead:
            if looks_ahead(node.of):
                raise RegexError(
                    "A look-behind that itself looks ahead (by a look-ahead, \\b or $) cannot be compiled.",
                    cure="Move the look-ahead out of the look-behind.",
                )
            looks[node] = None
        elif isinstance(node, (Concatenation, Alternation)):
            todo += node.parts
        elif isinstance(node, (Repetition, LookAround)):
            todo.append(node.of)
    return list(looks)

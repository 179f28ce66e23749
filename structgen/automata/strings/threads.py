"""Thompson's construction: turn a pattern into instructions, with counted repetitions written out as copies.

An *instruction* reads one character of a set, branches, or checks a condition; then it names the instruction
that comes after it. For example, `ab` is SET a -> SET b -> MATCH. A *thread* is a position in these
instructions. Source: K. Thompson, Regular Expression Search Algorithm (1968).

To *emit* a node of the syntax tree is to add its instructions. A node is emitted after the instruction that
follows it, so `ab` begins with b. Where the same node is emitted twice before the same instruction, its
instructions exist once. So threads are partial derivatives (V. Antimirov, 1996).

A *count* such as `r{2,5}` becomes 2 copies of r and 3 optional copies. A *place* is the same position in all
optional copies. The *rank* of a copy is the number of copies that may follow it. A thread in a place accepts
every text that threads of lower rank accept in this place. So it *outranks* them, and they can be left out.
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
"""The most instructions of a pattern whose counts are written out. Emitting may take ten times as many
steps."""


MOST_RANKS: Final = 3
"""How deep counts may be nested for their copies to be ranked; deeper ones have no ranks."""


class PatternInstruction(NamedTuple):
    """One instruction.

    SET reads a character of `set` and goes to `after[0]`. SPLIT goes to each of `after`. START and END go to
    `after[0]` at the start or the end of the text. LOOK goes to `after[0]` where `look` holds. MATCH has no
    next instruction: the pattern has matched.
    """

    op: int
    """SET, SPLIT, START, END, LOOK or MATCH."""
    after: tuple[int, ...] = ()
    """The numbers of the next instructions."""
    set: Ranges = ()
    """The characters that SET reads."""
    look: LookAround | None = None
    """The look-around of LOOK."""


class PatternInstructions:
    """The instructions of one pattern; instruction 0 is MATCH."""

    def __init__(self) -> None:
        self.code: list[PatternInstruction] = [PatternInstruction(MATCH)]
        self.ranks: dict[int, dict[int, tuple[int, int]]] = {}
        """Instruction -> depth of the count -> (place, rank), for instructions in optional copies. Depth 0 is
        the outermost count."""
        self._numbers: dict[PatternInstruction, int] = {}
        self._trace: list[int] = []
        """The SET instructions, in the order in which they were emitted."""
        self._depth = 0
        """The number of counts around the node that is being emitted."""
        self._places = 0
        self._steps = 0

    def put_instruction(self, instruction: PatternInstruction) -> int:
        """Return the number of an instruction. It is added unless an equal one exists."""
        number = self._numbers.get(instruction)
        if number is None:
            number = self._numbers[instruction] = len(self.code)
            self.code.append(instruction)
        return number

    def emit_any_text(self, start: int) -> int:
        """Return the number of an instruction that reads any text and then goes to `start`."""
        # The loop refers to its own number, so a placeholder takes this number until it is complete.
        loop = len(self.code)
        self.code.append(PatternInstruction(SPLIT))
        any_character = self.put_instruction(PatternInstruction(SET, (loop,), ANY))
        self.code[loop] = PatternInstruction(SPLIT, (start, any_character))
        return loop

    def emit_node(self, node: Node, after: int) -> int:
        """Emit a node, and return the number of its first instruction.

        `after`: the number of the instruction that follows the node. Raises `LimitError` past
        MOST_INSTRUCTIONS instructions.
        """
        self._steps += 1
        if self._steps > 10 * MOST_INSTRUCTIONS or len(self.code) > MOST_INSTRUCTIONS:
            raise LimitError(
                f"A pattern has over {MOST_INSTRUCTIONS:,} instructions once its counts are written out.",
                limit="automaton_states",
                cure="Reduce its counts, or use * instead of a large one.",
            )
        if isinstance(node, CharacterClass):
            number = self.put_instruction(PatternInstruction(SET, (after,), node.ranges))
            self._trace.append(number)
            return number
        if isinstance(node, SomeOf):
            begins = []
            equal: dict[Node, list[tuple[int, int]]] = {}
            # After a part, any of the later parts may follow, or none: `after` is a SPLIT between these.
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
            # Parts that begin with the same instruction need one branch only.
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
        """Emit a repetition, and return the number of its first instruction. `after`: as in `emit_node`."""
        min_count = node.min_count
        if node.max_count is None:
            loop = len(self.code)  # as in `emit_any_text`
            self.code.append(PatternInstruction(SPLIT))
            begin = self.emit_node(node.of, loop)
            self.code[loop] = PatternInstruction(SPLIT, (begin, after))
            # the copy in the loop counts as one of the copies that are required
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
                break  # the body has no instructions (it matches only the empty text): so have more copies
        return begin

    def _rank_copies(self, copies: list[tuple[int, int]]) -> None:
        """Set the places and ranks of the instructions in copies of one node.

        `copies`: (first, end) for each copy, as a range of `_trace`. They were emitted backwards, so more
        copies may follow the later ones: the index of a copy is its rank.
        """
        sizes = {end - first for first, end in copies}
        # Only copies of one size have corresponding places.
        if len(copies) < 2 or self._depth >= MOST_RANKS or len(sizes) > 1:
            return
        for rank, (first, end) in enumerate(copies):
            for place, number in enumerate(self._trace[first:end], self._places):
                ranks_by_depth = self.ranks.setdefault(number, {})
                # Copies may share an instruction: the first copy that has it decides.
                ranks_by_depth.setdefault(self._depth, (place, rank))
        self._places += copies[0][1] - copies[0][0]


def character_sets(tree: Node) -> tuple[Ranges, ...]:
    """Return the distinct sets of characters of a pattern, those in its look-arounds included. The first is
    the set of all characters."""
    nodes = (node.ranges for node in descendants_of(tree) if isinstance(node, CharacterClass))
    return tuple(dict.fromkeys((ANY, *nodes)))


def look_behinds(tree: Node) -> list[LookAround]:
    """Return the look-behinds of a pattern that are not inside another look-behind.

    Raises `RegexError` for a look-behind that contains a look-ahead.
    """
    looks: dict[LookAround, None] = {}
    todo = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, LookAround) and not node.ahead:
            if looks_ahead(node.of):
                raise RegexError(
                    "A look-behind that contains a look-ahead (or \\b or $) is not supported.",
                    cure="Move the look-ahead out of the look-behind.",
                )
            looks[node] = None
        elif isinstance(node, (Concatenation, Alternation)):
            todo += node.parts
        elif isinstance(node, (Repetition, LookAround)):
            todo.append(node.of)
    return list(looks)

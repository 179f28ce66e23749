"""Turns the patterns of a grammar's terminals into instructions (K. Thompson's construction).

A *thread* is one way to match a pattern, and is always at one instruction. A CHAR waits for a character. All
other instructions are passed without reading: a SPLIT goes on at several instructions, best first; AHEAD,
BEHIND, START and EOF go on under a condition; MATCH ends the pattern of a terminal, FOUND that of a
look-around. The pattern `a|b` becomes a SPLIT to two CHARs, which both go on to a MATCH.

A *node* stands for the possible rests of a character: UTF-8 has up to 4 bytes, and a CHAR is followed byte by
byte. A *class* is a set of bytes that have the same effect in every node.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import starmap
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from structgen.automata.regex.python_syntax import parse_python
from structgen.automata.regex.syntax_tree import (
    Alternation,
    CharacterClass,
    Concatenation,
    LookAround,
    Node,
    Repetition,
    TextEnd,
    TextStart,
    descendants_of,
    nullable,
)
from structgen.automata.unicode.utf8 import DONE, ByteNode, node_of, written_with
from structgen.base.errors import LimitError, RegexError
from structgen.grammars.lark_grammars.reading.loaded_grammar import ParserTables
from structgen.grammars.text_grammars.machine.language import Language

CHAR, SPLIT, MATCH, AHEAD, BEHIND, START, EOF, FOUND = range(8)
"""The kinds of instructions, which the module's docstring explains."""
NO_TERMINAL: Final = -1
"""Stands for a terminal where there is none."""
NO_NODE, WHOLE = range(2)
"""Two numbers of nodes: there is no such character; the character is complete."""
MOST_INSTRUCTIONS: Final = 1 << 18
"""The most instructions of one grammar: counted repetitions are written out."""
_OF_MAKING: Final = ("_tables", "_look_of", "_node_of")
"""The attributes that are not written to a file: they serve only to make instructions."""
_NO_CHARACTER: Final = 0xFF
"""A byte that no UTF-8 text contains. Patterns read a special token as this byte."""
_LEADS: Final = ((0x80, 0), (0xC0, 1), (0xE0, 2), (0xF0, 3), (0x100, 4))
"""Pairs (bound, class): the class of first bytes below the bound, by the length of their characters.
Look-behinds need it, since they begin only between characters."""


class Instruction(NamedTuple):
    """One instruction, with the instructions after it."""

    kind: int
    to: list[int]
    """The next instructions, best first."""
    node: int = NO_NODE
    """Of a CHAR: the node of the character that it waits for, as a row of `Instructions.rows`."""
    number: int = -1
    """The terminal (MATCH), the number of the look-behind (BEHIND), the first instruction of the look-ahead
    (AHEAD)."""
    holds: bool = True
    """Whether a look-around must hold (True), or must not (False)."""


class Instructions:
    """The instructions of all terminals that the lexer looks for. Raises RegexError for an atomic group, and
    LimitError (automaton_states) beyond MOST_INSTRUCTIONS. Cost: some 3 us an instruction."""

    def __init__(
        self,
        tables: ParserTables,
        kept_values: dict[str, Any] | None = None,
        bound: Mapping[int, Language | None] = MappingProxyType({}),
    ) -> None:
        """`kept_values`: the values of another process for the same tables, with which the cost is a tenth;
        `bound`: the languages of bound terminals, by number."""
        self.code: list[Instruction] = []
        if kept_values is not None:
            vars(self).update(kept_values)
            self.code = list(starmap(Instruction, kept_values["code"]))
            return
        self.looks: list[tuple[int, int]] = []
        """The first instruction and the end of each look-behind."""
        end = self.put_instruction(Instruction(FOUND, []))
        self._at_end = self.put_instruction(Instruction(EOF, [end]))
        """The look-ahead that only the end of the text meets. A lexeme may demand it as any other
        look-ahead."""
        self._look_of: dict[Node, int] = {}
        self._inner: dict[tuple[int, int], int] = {}
        """The instructions inside characters, by node and next instruction."""
        self._node_of: dict[ByteNode | None, int] = {None: NO_NODE, DONE: WHOLE}
        self._tables = tables
        words: set[int] = set()
        used: set[int] = set()
        for context in tables.contexts:
            used.update(context.terminals)
            for _terminal, strings in context.unless:
                words.update(strings)
        # Sets have no order; sorted, equal grammars have equal numbers, and their files serve each other.
        self.first = {terminal: self._add_terminal(terminal) for terminal in sorted(used - bound.keys())}
        """The first instruction of each terminal that the lexer looks for."""
        self.word = {terminal: self._add_terminal(terminal) for terminal in sorted(words)}
        """The first instruction of each string that may replace a match."""
        self.looks_behind = [instruction.kind == BEHIND for instruction in self.code]
        """Whether a look-behind can be reached from each instruction."""
        self.ends_as = [
            instruction.number if instruction.kind == MATCH else NO_TERMINAL for instruction in self.code
        ]
        """The terminal whose end can be reached from each instruction, NO_TERMINAL inside of look-arounds."""
        self._reach_back()
        self._count_classes([language for language in bound.values() if language is not None])

    @property
    def kept_values(self) -> dict[str, Any]:
        """All attributes that later calls need, as plain values."""
        values = {name: value for name, value in vars(self).items() if name not in _OF_MAKING}
        return values | {"code": list(map(tuple, self.code))}

    def put_instruction(self, instruction: Instruction) -> int:
        """Add an instruction; return its number."""
        if len(self.code) >= MOST_INSTRUCTIONS:
            raise LimitError(
                f"The patterns of the terminals need more than {MOST_INSTRUCTIONS:,} instructions.",
                limit="automaton_states",
                where="grammar",
                cure="Reduce the counts of their repetitions.",
            )
        self.code.append(instruction)
        return len(self.code) - 1

    def inside_character(self, at: int, node: int) -> int:
        """Return the instruction that waits for the rest of a character. `at`: the instruction that waits for
        the whole character; `node`: the rest."""
        target = self.code[at].to[0]
        number = self._inner.get((node, target))
        if number is None:
            number = self.put_instruction(Instruction(CHAR, [target], node))
            # The dictionary is written last: nothing leads to the remains of an interrupted call.
            self.looks_behind[number:], self.ends_as[number:] = (
                (self.looks_behind[target],),
                (self.ends_as[target],),
            )
            self._inner[node, target] = number
        return number

    def _reach_back(self) -> None:
        """Complete `looks_behind` and `ends_as`. Until now they describe each instruction by itself: now each
        gets the value of the instructions that it leads to."""
        sources_of: list[list[int]] = [[] for _ in self.code]
        for at, instruction in enumerate(self.code):
            for target in instruction.to:
                sources_of[target].append(at)
            if instruction.kind == AHEAD:
                sources_of[instruction.number].append(at)
        _spread_values(self.looks_behind, False, sources_of)
        _spread_values(self.ends_as, NO_TERMINAL, sources_of)

    @property
    def is_local(self) -> bool:
        """Whether no lexeme looks behind its beginning: each look-behind reads one character, and none is met
        before a character is read. Cost: a walk over the instructions."""
        for first, _end in self.looks:
            behind_character: list[int] = []
            for instruction in self._reach_without_reading([first]):
                if instruction.kind == CHAR:
                    behind_character += instruction.to
            next_instructions = self._reach_without_reading(behind_character)
            if any(instruction.kind == CHAR for instruction in next_instructions):
                return False  # it reads a second character
        before_reading = self._reach_without_reading(self.first.values())
        return not any(instruction.kind in (BEHIND, START) for instruction in before_reading)

    def _reach_without_reading(self, starts: Iterable[int]) -> list[Instruction]:
        """Return the instructions that are reached without reading, those of look-aheads among them."""
        pending = list(dict.fromkeys(starts))
        visited = set(pending)
        for at in pending:  # the list grows meanwhile
            instruction = self.code[at]
            targets = [] if instruction.kind == CHAR else list(instruction.to)
            if instruction.kind == AHEAD:
                targets.append(instruction.number)
            further = set(targets) - visited
            visited |= further
            pending += further
        return [self.code[at] for at in pending]

    # --- patterns -------------------------------------------------------------------------------------------

    def _add_terminal(self, terminal: int) -> int:
        """Add the instructions of a terminal's pattern; return the first one. Raises RegexError and
        LimitError."""
        definition = self._tables.terminals[terminal]
        assert definition.pattern is not None
        where = f"terminal {definition.name}"
        tree = parse_python(definition.pattern, self._tables.flags, where=where)
        end = self.put_instruction(Instruction(MATCH, [], number=terminal))
        return self._emit_pattern(tree, end, end, where)

    def _emit_pattern(
        self,
        node: Node,
        fresh: int,
        next_after_read: int,
        where: str,
    ) -> int:
        """Return the first instruction of a pattern that goes on at `next_after_read`, or at `fresh` where it
        has read nothing: a round of a loop that reads nothing ends the loop, as in re.

        `node`: the tree of the pattern; `where`: its terminal, for errors. For example,
        `_emit_pattern(tree, end, end, where)` emits a whole pattern, for which both ways are one."""
        if fresh != next_after_read and not nullable(node):
            fresh = next_after_read
        match node:
            case CharacterClass(ranges):
                return self._emit_character(node_of(ranges), next_after_read)
            case Concatenation(parts):
                # From the last part to the first: each one needs to know where it leads.
                for part_number in range(len(parts) - 1, -1, -1):
                    part = parts[part_number]
                    first = self._emit_pattern(part, fresh, next_after_read, where)
                    if fresh != next_after_read and part_number > 0:
                        # The parts before may have read something or nothing, so there are two copies.
                        next_after_read = self._emit_pattern(part, next_after_read, next_after_read, where)
                    else:
                        next_after_read = first
                    fresh = first
                return fresh
            case Alternation(parts):
                branches = [self._emit_pattern(part, fresh, next_after_read, where) for part in parts]
                return self.put_instruction(Instruction(SPLIT, branches))
            case LookAround(ahead, holds, inner):
                if ahead:
                    end = self.put_instruction(Instruction(FOUND, []))
                    first = self._emit_pattern(inner, end, end, where)
                    return self.put_instruction(Instruction(AHEAD, [fresh], number=first, holds=holds))
                number = self._look_behind_number(inner, where)
                return self.put_instruction(Instruction(BEHIND, [fresh], number=number, holds=holds))
            case TextStart():
                return self.put_instruction(Instruction(START, [fresh]))
            case TextEnd():
                return self.put_instruction(Instruction(AHEAD, [fresh], number=self._at_end))
            case Repetition():
                return self._emit_repetition(node, fresh, next_after_read, where)
        raise RegexError(
            "An atomic group or possessive repetition is not supported here.",
            where=where,
            cure="Write the pattern without it: (?>a+) as a+(?!a), for example.",
        )

    def _emit_character(self, node: ByteNode, target: int) -> int:
        """Return an instruction that reads a character of a node, and goes on at `target`."""
        available = self._tables.available
        writable_node = node if available is None else written_with(node, available)
        # A split without branches: no text has such a character, where bytes are missing.
        if writable_node is None:
            return self.put_instruction(Instruction(SPLIT, []))
        node_number = self._node_of.setdefault(writable_node, len(self._node_of))
        return self.put_instruction(Instruction(CHAR, [target], node_number))

    def _look_behind_number(self, inner: Node, where: str) -> int:
        """Return the number of a look-behind, by its pattern: equal ones are one."""
        if inner not in self._look_of:
            if any(isinstance(part, LookAround | TextStart | TextEnd) for part in descendants_of(inner)):
                raise RegexError(
                    "A look-behind contains a look-around, which is not supported.",
                    where=where,
                    cure="Write the look-behind as a set of characters, or as several look-behinds.",
                )
            end = self.put_instruction(Instruction(FOUND, []))
            self._look_of[inner] = len(self.looks)
            self.looks.append((self._emit_pattern(inner, end, end, where), end))
        return self._look_of[inner]

    def _emit_repetition(
        self,
        node: Repetition,
        fresh: int,
        next_after_read: int,
        where: str,
    ) -> int:
        """Return the first instruction of a repetition; the parameters are those of `_emit_pattern`. `a*`,
        say, becomes a split: first `a`, which leads back to it, then `next_after_read`.

        Cost: an instruction for each round, since counts are written out."""

        def branches_of(round_: int, out: int) -> list[int]:
            return [round_, out] if node.greedy else [out, round_]

        def put_split(round_: int, out: int) -> int:
            return self.put_instruction(Instruction(SPLIT, branches_of(round_, out)))

        # Two first instructions are kept where they differ: for rounds after a character, and before any.
        inner = node.of
        first = next_after_read
        first_fresh = fresh
        if node.max_count is None:
            # The loop leads to its own split, which so exists before its branches.
            first = first_fresh = self.put_instruction(Instruction(SPLIT, []))
            round_ = self._emit_pattern(inner, next_after_read, first, where)
            self.code[first].to.extend(branches_of(round_, next_after_read))
            if fresh != next_after_read:
                first_fresh = put_split(self._emit_pattern(inner, fresh, first, where), fresh)
        else:
            for _ in range(node.max_count - node.min_count):
                next_round = first
                round_ = self._emit_pattern(inner, next_after_read, next_round, where)
                first = first_fresh = put_split(round_, next_after_read)
                if fresh != next_after_read:
                    first_fresh = put_split(self._emit_pattern(inner, fresh, next_round, where), fresh)
        for _ in range(node.min_count):
            next_round = first
            first = self._emit_pattern(inner, next_round, next_round, where)
            if first_fresh == next_round:
                first_fresh = first
            else:
                first_fresh = self._emit_pattern(inner, first_fresh, next_round, where)
        return first_fresh

    # --- classes of bytes -----------------------------------------------------------------------------------

    def _count_classes(self, bound: list[Language]) -> None:
        """Make the classes of bytes, and the rows of nodes. Two bytes are of one class if each node leads to
        the same one after them, and if each bound language does."""
        number_of = self._node_of
        nodes = [node for node in number_of if node is not None and node is not DONE]
        for node in nodes:  # the list grows meanwhile
            for follower in dict.fromkeys(node.after):  # each once: a node has 256 of them
                if follower is not None and follower not in number_of:
                    number_of[follower] = len(number_of)
                    nodes.append(follower)
        # Without look-behinds nobody asks where characters begin, and there are fewer classes.
        character_lengths = [0] * 256
        if self.looks:
            character_lengths = [next(size for end, size in _LEADS if byte < end) for byte in range(256)]
        byte_keys = zip(character_lengths, *(language.classes for language in bound), strict=True)
        columns = zip(byte_keys, *(node.after for node in nodes), strict=True)
        class_of: dict[tuple[Any, ...], int] = {}
        self.classes = [class_of.setdefault(column, len(class_of)) for column in columns]
        """The class of each byte."""
        self.specials = sorted({token for language in bound for token in language.specials})
        """Special tokens of bound texts: each is a class by itself, after those of bytes."""
        first_bytes = [self.classes.index(byte_class) for byte_class in range(len(class_of))]
        self.bytes_of = first_bytes + [0] * len(self.specials)
        """A byte of each class; 0 for special tokens, which like it are no beginning of a character."""
        # A column has the nodes after one class; turned over, there is a row for each node.
        node_columns = (map(number_of.__getitem__, column[1:]) for column in class_of)
        node_rows = zip(*node_columns, strict=True)
        no_character = self.classes[_NO_CHARACTER]
        special_count = len(self.specials)
        self.rows = [[NO_NODE] * len(self.bytes_of) for _node in (NO_NODE, WHOLE)]
        """By nodes: the node after each class of bytes."""
        for row in node_rows:
            self.rows.append([*row, *[row[no_character]] * special_count])
        self.rests = {number_of[rest] for rest in rests_of_characters() if rest in number_of}
        """The nodes at which any rest of a character may follow, as after the first byte of any one."""


def rests_of_characters() -> frozenset[ByteNode]:
    """Return the nodes inside characters in the automaton of all of them."""
    first_node = node_of(((0, 0x10FFFF),))
    nodes = [first_node]
    for node in nodes:  # the list grows meanwhile
        for follower in dict.fromkeys(node.after):
            if follower is not None and follower is not DONE and follower not in nodes:
                nodes.append(follower)
    return frozenset(nodes[1:])


def _spread_values(
    values: list[Any],
    missing: object,
    sources_of: Sequence[Sequence[int]],
) -> None:
    """Give each instruction that has the value `missing` the value of an instruction that it leads to.
    `sources_of`: the instructions that lead to each one."""
    pending = [at for at, value in enumerate(values) if value != missing]
    while pending:
        at = pending.pop()
        new_sources = [source for source in sources_of[at] if values[source] == missing]
        for source in new_sources:
            values[source] = values[at]
        pending += new_sources

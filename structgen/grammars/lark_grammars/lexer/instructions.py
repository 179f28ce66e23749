"""The patterns of a grammar's terminals as instructions of threads (K. Thompson's construction), and the
classes of bytes that no instruction tells apart.

A thread stands at an instruction. CHAR waits for a character; the others are passed without reading: SPLIT
goes on in several places, best first; AHEAD, BEHIND, START and EOF go on under a condition; MATCH ends a
terminal's pattern, FOUND the pattern of a look-around.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
"""Kinds of instructions."""
NO_TERMINAL: Final = -1
"""In place of a terminal."""
NO_NODE, WHOLE = range(2)
"""Numbers of nodes: no such character, and a character that is complete."""
MOST_INSTRUCTIONS: Final = 1 << 18
"""The most instructions of one grammar: counted repetitions are written out."""
_OF_MAKING: Final = ("_tables", "_look_of", "_node_of")
"""What is not kept: only making the instructions needs it."""
_NO_CHARACTER: Final = 0xFF
"""A byte of no text: patterns take special tokens for it."""
_LEADS: Final = ((0x80, 0), (0xC0, 1), (0xE0, 2), (0xF0, 3), (0x100, 4))
"""Look-behinds begin at characters: first bytes of other lengths are classes of their own."""


class Instruction(NamedTuple):
    """One instruction."""

    kind: int
    to: list[int]
    """The next instructions, best first."""
    node: int = NO_NODE
    """What the rest of a character may be (CHAR): a row of `Instructions.rows`."""
    number: int = -1
    """The terminal (MATCH), the number of the look-behind (BEHIND), the first instruction of the look-ahead
    (AHEAD)."""
    holds: bool = True
    """Whether a look-around must hold, or must not."""


class Instructions:
    """The instructions of the terminals that a lexer may meet. Cost: some 3 us an instruction. Raises
    RegexError for an atomic group, LimitError (automaton_states) past MOST_INSTRUCTIONS."""

    def __init__(
        self,
        tables: ParserTables,
        kept_values: dict[str, Any] | None = None,
        bound: Mapping[int, Language | None] = MappingProxyType({}),
    ) -> None:
        """`kept_values`: what another process has kept of the same tables; the cost is a tenth then. `bound`:
        as of `Lexer`."""
        self.code: list[Instruction] = []
        if kept_values is not None:
            vars(self).update(kept_values)
            self.code = list(starmap(Instruction, kept_values["code"]))
            return
        self.looks: list[tuple[int, int]] = []
        """The first instruction and the end of each look-behind."""
        end = self.put_instruction(Instruction(FOUND, []))
        self._at_end = self.put_instruction(Instruction(EOF, [end]))
        """The look-ahead that only the text's end meets: an end of a lexeme owes it, as it owes any other."""
        self._look_of: dict[Node, int] = {}
        self._inner: dict[tuple[int, int], int] = {}
        """Those that are inside of characters, by their node and what is next."""
        self._node_of: dict[ByteNode | None, int] = {None: NO_NODE, DONE: WHOLE}
        self._tables = tables
        contexts = tables.contexts
        words = {word for context in contexts for _terminal, of in context.unless for word in of}
        used = {terminal for context in contexts for terminal in context.terminals} - bound.keys()
        self.first = {terminal: self._add_terminal(terminal) for terminal in sorted(used)}
        """The first instruction of each terminal that is looked for."""
        self.word = {terminal: self._add_terminal(terminal) for terminal in sorted(words)}
        """The same of each string that may replace a match."""
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
        """All that is asked for, as plain values."""
        values = {name: value for name, value in vars(self).items() if name not in _OF_MAKING}
        return values | {"code": list(map(tuple, self.code))}

    def put_instruction(self, instruction: Instruction) -> int:
        """Add an instruction; return its number."""
        if len(self.code) >= MOST_INSTRUCTIONS:
            raise LimitError(
                f"The patterns of the terminals come to more than {MOST_INSTRUCTIONS:,} instructions.",
                limit="automaton_states",
                where="grammar",
                cure="Make the counts of their repetitions smaller.",
            )
        self.code.append(instruction)
        return len(self.code) - 1

    def inside_character(self, at: int, node: int) -> int:
        """Return the instruction that waits for a rest of a character, where another one waits for all of
        it."""
        to = self.code[at].to[0]
        number = self._inner.get((node, to))
        if number is None:
            number = self.put_instruction(Instruction(CHAR, [to], node))
            # the dictionary is written last: remains of an interrupted call are led to by nothing
            self.looks_behind[number:], self.ends_as[number:] = (self.looks_behind[to],), (self.ends_as[to],)
            self._inner[node, to] = number
        return number

    def _reach_back(self) -> None:
        """Note for each instruction what can be reached from it."""
        sources_of: list[list[int]] = [[] for _ in self.code]
        for at, instruction in enumerate(self.code):
            for to in (*instruction.to, *((instruction.number,) if instruction.kind == AHEAD else ())):
                sources_of[to].append(at)
        every: tuple[tuple[list[Any], object], ...] = (self.looks_behind, False), (self.ends_as, NO_TERMINAL)
        for reached_from, none in every:
            pending = [at for at, reached_value in enumerate(reached_from) if reached_value != none]
            while pending:
                at = pending.pop()
                new_sources = [source for source in sources_of[at] if reached_from[source] == none]
                for source in new_sources:
                    reached_from[source] = reached_from[at]
                pending += new_sources

    @property
    def is_local(self) -> bool:
        """Whether no lexeme looks behind its beginning: each look-behind reads one character, and none is met
        before a character is read. Cost: a walk over the instructions."""
        for first, _end in self.looks:
            second = [
                to
                for instruction in self._reach_without_reading([first])
                if instruction.kind == CHAR
                for to in instruction.to
            ]
            if any(instruction.kind == CHAR for instruction in self._reach_without_reading(second)):
                return False
        return not any(
            instruction.kind in (BEHIND, START)
            for instruction in self._reach_without_reading(self.first.values())
        )

    def _reach_without_reading(self, starts: Iterable[int]) -> list[Instruction]:
        """Return the instructions that are reached without reading, those of look-aheads among them."""
        pending = list(dict.fromkeys(starts))
        visited = set(pending)
        for at in pending:  # the list grows meanwhile
            instruction = self.code[at]
            ahead = [instruction.number] if instruction.kind == AHEAD else []
            further = set(ahead if instruction.kind == CHAR else [*instruction.to, *ahead]) - visited
            visited |= further
            pending += further
        return [self.code[at] for at in pending]

    # --- patterns -------------------------------------------------------------------------------------------

    def _add_terminal(self, terminal: int) -> int:
        definition = self._tables.terminals[terminal]
        assert definition.pattern is not None
        where = f"terminal {definition.name}"
        tree = parse_python(definition.pattern, self._tables.flags, where=where)
        end = self.put_instruction(Instruction(MATCH, [], number=terminal))
        return self._emit_pattern(tree, end, end, where)

    def _emit_pattern(self, node: Node, fresh: int, next_after_read: int, where: str) -> int:
        """Return the first instruction of a pattern that goes on at `next_after_read`, or at `fresh` where it
        has read nothing: a round of a loop that reads nothing ends the loop, as in re."""
        if fresh != next_after_read and not nullable(node):
            fresh = next_after_read
        match node:
            case CharacterClass(ranges):
                return self._emit_character(node_of(ranges), next_after_read)
            case Concatenation(parts):
                for part_number in range(len(parts) - 1, -1, -1):
                    first = self._emit_pattern(parts[part_number], fresh, next_after_read, where)
                    if fresh != next_after_read and part_number > 0:
                        next_after_read = self._emit_pattern(
                            parts[part_number], next_after_read, next_after_read, where
                        )
                    else:
                        next_after_read = first
                    fresh = first
                return fresh
            case Alternation(parts):
                return self.put_instruction(
                    Instruction(
                        SPLIT, [self._emit_pattern(part, fresh, next_after_read, where) for part in parts]
                    )
                )
            case LookAround(ahead, holds, of):
                if ahead:
                    end = self.put_instruction(Instruction(FOUND, []))
                    first = self._emit_pattern(of, end, end, where)
                    return self.put_instruction(Instruction(AHEAD, [fresh], number=first, holds=holds))
                return self.put_instruction(
                    Instruction(BEHIND, [fresh], number=self._look_behind_number(of, where), holds=holds)
                )
            case TextStart():
                return self.put_instruction(Instruction(START, [fresh]))
            case TextEnd():
                return self.put_instruction(Instruction(AHEAD, [fresh], number=self._at_end))
            case Repetition():
                return self._emit_repetition(node, fresh, next_after_read, where)
        raise RegexError(
            "An atomic group or possessive repetition is not read here.",
            where=where,
            cure="Write the pattern without it: (?>a+) as a+(?!a), for example.",
        )

    def _emit_character(self, node: ByteNode, to: int) -> int:
        available = self._tables.available
        writable_node = node if available is None else written_with(node, available)
        # without a way nothing matches
        if writable_node is None:
            return self.put_instruction(Instruction(SPLIT, []))
        return self.put_instruction(
            Instruction(CHAR, [to], self._node_of.setdefault(writable_node, len(self._node_of)))
        )

    def _look_behind_number(self, of: Node, where: str) -> int:
        if of not in self._look_of:
            if any(isinstance(part, LookAround | TextStart | TextEnd) for part in descendants_of(of)):
                raise RegexError(
                    "A look-around stands inside a look-behind.",
                    where=where,
                    cure="Write the look-behind as a set of characters, or as several look-behinds.",
                )
            end = self.put_instruction(Instruction(FOUND, []))
            self._look_of[of] = len(self.looks)
            self.looks.append((self._emit_pattern(of, end, end, where), end))
        return self._look_of[of]

    def _emit_repetition(self, node: Repetition, fresh: int, next_after_read: int, where: str) -> int:
        def put_split(round_: int, out: int) -> int:
            return self.put_instruction(Instruction(SPLIT, [round_, out] if node.greedy else [out, round_]))

        of, first_fresh, first = node.of, fresh, next_after_read
        if node.max_count is None:
            first = first_fresh = self.put_instruction(Instruction(SPLIT, []))
            round_ = self._emit_pattern(of, next_after_read, first, where)
            self.code[first].to.extend(
                [round_, next_after_read] if node.greedy else [next_after_read, round_]
            )
            if fresh != next_after_read:
                first_fresh = put_split(self._emit_pattern(of, fresh, first, where), fresh)
        else:
            for _ in range(node.max_count - node.min_count):
                after = first
                first = first_fresh = put_split(
                    self._emit_pattern(of, next_after_read, after, where), next_after_read
                )
                if fresh != next_after_read:
                    first_fresh = put_split(self._emit_pattern(of, fresh, after, where), fresh)
        for _ in range(node.min_count):
            after = first
            first = self._emit_pattern(of, after, after, where)
            first_fresh = first if first_fresh == after else self._emit_pattern(of, first_fresh, after, where)
        return first_fresh

    # --- classes of bytes -----------------------------------------------------------------------------------

    def _count_classes(self, bound: list[Language]) -> None:
        number_of = self._node_of
        nodes = [node for node in number_of if node is not None and node is not DONE]
        for node in nodes:  # the list grows meanwhile
            followers = [
                follower
                for follower in dict.fromkeys(node.after)
                if follower is not None and follower not in number_of
            ]
            number_of.update({follower: len(number_of) + at for at, follower in enumerate(followers)})
            nodes += followers
        leads = [next(size for end, size in _LEADS if byte < end) if self.looks else 0 for byte in range(256)]
        numbers: dict[tuple[Any, ...], int] = {}
        byte_keys = zip(leads, *(language.classes for language in bound), strict=True)
        columns = zip(byte_keys, *(node.after for node in nodes), strict=True)
        self.classes = [numbers.setdefault(column, len(numbers)) for column in columns]
        """The class of each byte."""
        self.specials = sorted({token for language in bound for token in language.specials})
        """Special tokens of bound texts: each is a class by itself, behind those of bytes."""
        self.bytes_of = [self.classes.index(byte_class) for byte_class in range(len(numbers))] + [0] * len(
            self.specials
        )
        """A byte of each class; 0 for special tokens, which like it are no beginning of a character."""
        rows = zip(*(map(number_of.__getitem__, column[1:]) for column in numbers), strict=True)
        none = [NO_NODE] * len(self.bytes_of)
        no_character = self.classes[_NO_CHARACTER]
        self.rows = [none, none, *([*row, *[row[no_character]] * len(self.specials)] for row in rows)]
        """By nodes: the node behind each class of bytes."""
        self.rests = {number_of[rest] for rest in rests_of_characters() if rest in number_of}
        """The nodes at which any rest of a character may follow, as behind the first byte of any one."""


def rests_of_characters() -> frozenset[ByteNode]:
    """Return the nodes inside characters in the automaton of all of them."""
    nodes = {node_of(((0, 0x10FFFF),)): None}
    for node in (pending := list(nodes)):  # the list grows meanwhile
        followers = [
            follower
            for follower in dict.fromkeys(node.after)
            if follower is not None and follower is not DONE
        ]
        pending += [follower for follower in followers if follower not in nodes]
        nodes |= dict.fromkeys(followers)
    return frozenset(pending[1:])

"""Ordered matching: regular expressions matched as Python's re does, leftmost-first and byte by byte.

A *program* is a graph of instructions, shared by all terminals of a lexer. The state of a match is an ordered
list of *threads*, best first, as in Pike's machine. The first thread that matches wins, unless a better one
matches later. So a state also contains *slots*: accepts that a better thread may still overrule (`lexemes`).

There are two extensions of Pike's machine. A look-ahead becomes a *guard* of its thread: an unordered
automaton that must, or must not, accept. Look-behinds have a state of their own (`LookBehindState`).

Source: R. Cox, Regular Expression Matching: the Virtual Machine Approach (2009), for ordered threads. Slots
and guards are needed because the rest of the text is not known yet.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final, TypeAlias

from structgen.automata.regex.syntax_tree import (
    Alternation,
    CharacterClass,
    Concatenation,
    LookAround,
    Node,
    Repetition,
    TextEnd,
    TextStart,
    nullable,
)
from structgen.automata.unicode.utf8 import DONE, ByteNode, node_of, written_with
from structgen.errors import LimitError, RegexError
from structgen.lark_grammars.lexer.regex_instructions import (
    AHEAD,
    BEHIND,
    CHAR,
    END,
    LEAVE,
    MATCH,
    SPLIT,
    START,
    Instruction,
    Instructions,
)
from structgen.lark_grammars.reading.loaded_grammar import UNREACHABLE, Patterns

MOST_INSTRUCTIONS: Final = 1 << 18
"""The most instructions of one program; repetitions are unrolled."""

Guards: TypeAlias = tuple["LookAheadGuard", ...]
Thread: TypeAlias = tuple[int, Guards]
"""An instruction that waits for a byte (or for the end of the text), and the guards that must hold."""


@dataclass(frozen=True, slots=True)
class LookAheadGuard:
    """An undecided look-ahead: some thread must (`holds`), or none may, reach `accept`."""

    holds: bool
    accept: int
    threads: frozenset[Thread]


@dataclass(frozen=True, slots=True)
class LookBehindState:
    """The state of all look-behinds."""

    at_start: bool
    """Whether no byte was read."""
    threads: frozenset[int]
    """Instructions inside look-behinds."""
    holding: frozenset[int]
    """The look-behinds that hold here."""
    left: int = 0
    """How many bytes of the current character are missing."""


NO_LOOK_BEHIND: Final = LookBehindState(False, frozenset(), frozenset())
"""The state if no pattern looks behind."""

_MOST_GUARDS: Final = 1 << 15
"""The most memoised steps of guards."""
_MOST_VISITS: Final = 3
"""The most visits of one instruction in a search for texts."""
_MOST_BYTES: Final = 8
"""The most bytes of one set that are tried."""
PREFERRED_BYTES: Final = bytes(
    (*range(97, 123), *range(65, 91), *range(48, 58), 32, *range(33, 48), *range(58, 65), *range(91, 97))
) + bytes((*range(123, 127), 10, 9, 13, *range(128, 256), *range(9), 11, 12, *range(14, 32), 127))
"""Bytes in the order of preference for texts that people read: letters first."""


_preferred: Final = itemgetter(*PREFERRED_BYTES)


class OrderedProgram:
    """The instructions of a lexer's terminals: added here, or read from a file (`kept`)."""

    def __init__(self, kept: Patterns | None = None, available: frozenset[int] | None = None) -> None:
        """`available`: the bytes that texts have; None: all."""
        self.code = Instructions(kept)
        self._available = available
        self.looks: list[tuple[int, int]] = []
        """The first instruction and the end of each look-behind."""
        self._look_numbers: dict[Node, int] = {}
        self._within: dict[tuple[ByteNode, int], int] = {}
        self._bits: list[int] = []
        self._reach: dict[int, tuple[frozenset[int], bool]] = {}
        self._always: dict[int, bool] = {}
        self._guards_after: dict[tuple[LookAheadGuard, int, LookBehindState], LookAheadGuard | bool] = {}
        self._guards_at_end: dict[tuple[LookAheadGuard, LookBehindState], bool] = {}
        self._first_texts: dict[tuple[int, int], bytes | None] = {}
        self.inner: list[tuple[int, int]] = []
        """Instructions inside characters, made on demand: from which instruction, by which byte."""
        if kept is not None:
            kinds = [int.from_bytes(row.tobytes(), "little") for row in kept.reaches]
            self._bits = [kinds[kind] for kind in kept.reach.tolist()]
            self.looks = [(first, end) for first, end in kept.looks.tolist()]

    # --- compilation ----------------------------------------------------------------------------------------

    def add(self, node: Node, number: int, *, where: str) -> int:
        """Add an expression whose match has a number; return its first instruction. Raises RegexError for a
        construct that a look-behind cannot contain, LimitError beyond MOST_INSTRUCTIONS."""
        try:
            end = self._put(Instruction(MATCH, number=number))
            return self._emit(node, end, end)
        except RegexError as error:
            raise RegexError(error.what, where=where, cure=error.cure) from None

    def _put(self, instruction: Instruction) -> int:
        if self.code.count >= MOST_INSTRUCTIONS:
            raise LimitError(
                f"The patterns come to more than {MOST_INSTRUCTIONS:,} instructions.",
                limit="automaton_states",
                cure="Make the counts of their repetitions smaller, or take the bounds away.",
            )
        return self.code.put(instruction)

    def _char(self, node: ByteNode, after: int) -> int:
        at = self._within.get((node, after))
        if at is None:
            at = self._within[node, after] = self._put(Instruction(CHAR, node, (after,)))
        return at

    def inside(self, at: int, byte: int) -> int:
        """Return the instruction that waits for the rest of a character after one more of its bytes, made on
        demand."""
        one, made = self.code[at], self.code.count
        assert one.node is not None
        node = one.node.after[byte]
        assert node is not None
        found = self._char(node, one.to[0])
        if found == made:
            self.inner.append((at, byte))
        return found

    def _split(self, ways: tuple[int, ...]) -> int:
        # without a way nothing matches
        return ways[0] if len(ways) == 1 else self._put(Instruction(SPLIT, to=ways))

    def _emit(self, node: Node, fresh: int, moved: int) -> int:
        """Return the first instruction of a node. The node continues at `moved`, or at `fresh` if it has read
        nothing: an empty repetition ends the loop."""
        if fresh != moved and not nullable(node):
            fresh = moved
        match node:
            case CharacterClass(ranges):
                waits: ByteNode | None = node_of(ranges)
                if self._available is not None:
                    waits = written_with(node_of(ranges), self._available)
                return self._split(()) if waits is None else self._char(waits, moved)
            case Concatenation(parts):
                for left in range(len(parts) - 1, -1, -1):
                    first = self._emit(parts[left], fresh, moved)
                    again = fresh != moved and left > 0
                    moved = self._emit(parts[left], moved, moved) if again else first
                    fresh = first
                return fresh
            case Alternation(parts):
                return self._split(tuple(self._emit(part, fresh, moved) for part in parts))
            case Repetition():
                return self._repeat(node, fresh, moved)
            case TextStart():
                return self._put(Instruction(START, to=(fresh,)))
            case TextEnd():
                return self._put(Instruction(END, to=(fresh,)))
            case LookAround(True, holds, of):
                end = self._put(Instruction(LEAVE))
                first = self._emit(of, end, end)
                return self._put(Instruction(AHEAD, to=(fresh, end), number=int(holds), other=first))
            case LookAround(_, holds, of):
                return self._put(Instruction(BEHIND, to=(fresh,), number=self._look(of), other=int(holds)))
        raise AssertionError(node)

    def _look(self, of: Node) -> int:
        number = self._look_numbers.get(of)
        if number is None:
            if _has_look_around(of):
                raise RegexError(
                    "A look-around stands inside a look-behind.",
                    cure="Write the look-behind as a set of characters, or as several look-behinds.",
                )
            end = self._put(Instruction(LEAVE))
            number = self._look_numbers[of] = len(self.looks)
            self.looks.append((self._emit(of, end, end), end))
        return number

    def _repeat(self, node: Repetition, fresh: int, moved: int) -> int:
        of, least, most = node.of, node.least, node.most
        first_fresh, first = fresh, moved
        if most is None:
            first = self._put(Instruction(SPLIT))
            self.code[first] = Instruction(SPLIT, to=self._ways(node, self._emit(of, moved, first), moved))
            first_fresh = first
            if fresh != moved:
                first_fresh = self._split(self._ways(node, self._emit(of, fresh, first), fresh))
        else:
            for _ in range(most - least):
                after = first
                first = self._split(self._ways(node, self._emit(of, moved, after), moved))
                first_fresh = first
                if fresh != moved:
                    first_fresh = self._split(self._ways(node, self._emit(of, fresh, after), fresh))
        for _ in range(least):
            after = first
            first = self._emit(of, after, after)
            first_fresh = first if first_fresh == after else self._emit(of, first_fresh, after)
        return first_fresh

    def _ways(self, node: Repetition, copy: int, after: int) -> tuple[int, int]:
        return (copy, after) if node.greedy else (after, copy)

    def classes(self) -> bytes:
        """Return the class of each byte. Bytes of one class have the same effect everywhere in the
        program."""
        nodes: dict[ByteNode, None] = {}
        pending = [one.node for one in self.code.values() if one.node is not None]
        while pending:
            node = pending.pop()
            if node not in nodes:
                nodes[node] = None
                pending += [after for after in set(node.after) if after is not None and after is not DONE]
        numbers: dict[tuple[ByteNode | None, ...], int] = {}
        columns = zip(*(node.after for node in nodes), strict=True)
        return bytes(numbers.setdefault(column, len(numbers)) for column in columns) or bytes(256)

    # --- reachable matches and short texts ------------------------------------------------------------------

    def reaches(self, at: int) -> tuple[frozenset[int], bool]:
        """Return the matches that an instruction may lead to, and whether it may look behind."""
        bits = self.reach(at)
        known = self._reach.get(bits)
        if known is None:
            found = bits >> 1
            numbers = frozenset(number for number in range(found.bit_length()) if found >> number & 1)
            known = self._reach[bits] = numbers, bool(bits & 1)
        return known

    def reach(self, at: int) -> int:
        """Return the same as bits: the lowest is set if it may look behind, the others are the matches. Cost:
        the first time, one or two passes over all instructions."""
        bits = self._bits
        if at >= len(bits):
            # targets have larger numbers, except in loops
            begin, changed = len(bits), True
            bits += [0] * (self.code.count - begin)
            while changed:
                changed = False
                for here in range(begin, self.code.count):
                    one, found = self.code[here], bits[here]
                    if one.kind == MATCH:
                        found |= 2 << one.number
                    elif one.kind in (BEHIND, START):
                        found |= 1
                    elif one.kind == AHEAD:
                        found |= bits[one.other]
                    for to in one.to:
                        found |= bits[to]
                    if found != bits[here]:
                        bits[here], changed = found, True
        return bits[at]

    def texts(self, starts: Iterable[int], number: int) -> Iterator[bytes]:
        """Yield texts that lead from some instructions to a match, short ones first, as if every look-around
        held: the caller must test them. They end after some hundred."""
        pending: deque[tuple[int, bytes]] = deque((at, b"") for at in starts if number in self.reaches(at)[0])
        visits: dict[int, int] = {}
        while pending:
            at, text = pending.popleft()
            visits[at] = visits.get(at, 0) + 1
            if visits[at] > _MOST_VISITS:
                continue
            one = self.code[at]
            if one.kind == MATCH and one.number == number:
                yield text
            elif one.kind == CHAR:
                assert one.node is not None
                for byte, node in _choices(one.node):
                    after = one.to[0] if node is DONE else self.inside(at, byte)
                    pending.append((after, text + bytes((byte,))))
            else:
                # no byte is read here: its turn is now
                ways = one.to[:1] if one.kind == AHEAD else one.to
                pending.extendleft((to, text) for to in reversed(ways))

    def first_text(self, at: int, number: int) -> bytes | None:
        """Return the first of `texts` from one instruction; None if there is none. It is memoised for all
        instructions on the way."""
        texts = self._first_texts
        if (at, number) in texts:
            return texts[at, number]
        pending: deque[tuple[int, Any]] = deque([(at, None)])
        visits: dict[int, int] = {}
        texts[at, number] = None
        if not self.reach(at) >> 1 >> number & 1:
            return None
        while pending:
            here, way = pending.popleft()
            visits[here] = visits.get(here, 0) + 1
            if visits[here] > _MOST_VISITS:
                continue
            one = self.code[here]
            if one.kind == MATCH:
                if one.number != number:
                    continue
                text = b""
                while way is not None:
                    begun, byte, way = way
                    text = bytes((byte,)) + text
                    texts[begun, number] = text
                texts[at, number] = text
                break
            if one.kind == CHAR:
                assert one.node is not None
                byte = _preferred_byte(one.node)
                if byte >= 0:
                    pending.append((one.to[0], (here, byte, way)))
                    continue
                for byte, _node in _choices(one.node):
                    pending.append((self.inside(here, byte), (here, byte, way)))
            else:
                ways = one.to[:1] if one.kind == AHEAD else one.to
                pending.extendleft((to, way) for to in reversed(ways))
        return texts[at, number]

    def least(self, at: int, number: int) -> int:
        """Return the length of the shortest of `texts`, at least 1; UNREACHABLE if there is none. Cost: 1 us
        an instruction."""
        if not self.reach(at) >> 1 >> number & 1:
            return UNREACHABLE
        pending: deque[tuple[int, int]] = deque([(at, 0)])
        seen: set[int] = set()
        while pending:
            here, count = pending.popleft()
            if here in seen:
                continue
            seen.add(here)
            one = self.code[here]
            if one.kind == MATCH and one.number == number:
                return max(1, count)
            if one.kind == CHAR:
                assert one.node is not None
                for byte, node in _choices(one.node):
                    pending.append((one.to[0] if node is DONE else self.inside(here, byte), count + 1))
            else:
                # no byte is read here: its turn is now
                ways = one.to[:1] if one.kind == AHEAD else one.to
                pending.extendleft((to, count) for to in ways)
        return UNREACHABLE

    # --- steps ----------------------------------------------------------------------------------------------

    def closure(self, at: int, guards: Guards, behind: LookBehindState) -> Iterator[Thread]:
        """Yield the closure of an instruction, best first: threads that wait for a byte or the end of the
        text, and the ends (of matches and look-arounds) that are reached without reading."""
        seen: set[Thread] = set()
        pending: list[Thread] = [(at, guards)]
        while pending:
            here = pending.pop()
            if here in seen:
                continue
            seen.add(here)
            at, held = here
            one = self.code[at]
            match one.kind:
                case 1:  # SPLIT
                    pending += [(to, held) for to in reversed(one.to)]
                case 3:  # AHEAD
                    after, end = one.to
                    guard = self._guard(bool(one.number), end, self._ends(one.other, behind))
                    if guard is True:
                        pending.append((after, held))
                    elif guard is not False:
                        pending.append((after, with_guard(held, guard)))
                case 4:  # BEHIND
                    if (one.number in behind.holding) == bool(one.other):
                        pending.append((one.to[0], held))
                case 5:  # START
                    if behind.at_start:
                        pending.append((one.to[0], held))
                case _:
                    yield here

    def _ends(self, at: int, behind: LookBehindState) -> frozenset[Thread]:
        return frozenset(self.closure(at, (), behind))

    def _guard(self, holds: bool, accept: int, threads: frozenset[Thread]) -> LookAheadGuard | bool:
        """Return a guard, or its outcome if it is decided."""
        if (accept, ()) in threads:
            return holds
        return LookAheadGuard(holds, accept, threads) if threads else not holds

    def step_thread(self, thread: Thread, byte: int, behind: LookBehindState) -> list[Thread]:
        """Return the closure of a thread after a byte, best first."""
        at, guards = thread
        one = self.code[at]
        if one.kind != CHAR:
            return []
        assert one.node is not None
        node = one.node.after[byte]
        if node is None:
            return []
        held = self.step_guards(guards, byte, behind)
        if held is None:
            return []
        if node is not DONE:
            return [(self.inside(at, byte), held)]
        return list(self.closure(one.to[0], held, behind))

    def _step(self, item: Thread, byte: int, behind: LookBehindState) -> list[Thread]:
        """Return the closure of a thread after a byte; a thread that has ended waits for its guards."""
        if self.code[item[0]].kind != LEAVE:
            return self.step_thread(item, byte, behind)
        left = self.step_guards(item[1], byte, behind)
        return [] if left is None else [(item[0], left)]

    def step_guards(self, guards: Guards, byte: int, behind: LookBehindState) -> Guards | None:
        """Return the guards after a byte, None if one has failed."""
        held: Guards = ()
        for guard in guards:
            after = self._guard_after(guard, byte, behind)
            if after is False:
                return None
            if after is not True:
                held = with_guard(held, after)
        return held

    def _guard_after(
        self, guard: LookAheadGuard, byte: int, behind: LookBehindState
    ) -> LookAheadGuard | bool:
        """Return a guard after a byte, or its outcome. Memoised: many guards contain equal ones."""
        key = guard, byte, behind
        known = self._guards_after.get(key)
        if known is None:
            threads: set[Thread] = set()
            for item in guard.threads:
                threads.update(self._step(item, byte, behind))
            known = self.guard_of(guard, threads)
            if len(self._guards_after) > _MOST_GUARDS:
                self._guards_after.clear()
            self._guards_after[key] = known
        return known

    def guard_of(
        self, guard: LookAheadGuard, threads: set[Thread] | frozenset[Thread]
    ) -> LookAheadGuard | bool:
        """Return a guard with new threads, or its outcome if it is decided."""
        if any(self._always_ends(item, guard.accept) for item in threads):
            threads = {*threads, (guard.accept, ())}
        return self._guard(guard.holds, guard.accept, frozenset(threads))

    def has_left(self, at: int) -> bool:
        """Return whether an instruction ends a look-around."""
        return self.code[at].kind == LEAVE

    def _always_ends(self, item: Thread, accept: int) -> bool:
        """Return whether a thread inside a character reaches an end with every such character."""
        if item[1]:
            return False
        one = self.code[item[0]]
        return one.kind == CHAR and one.to[0] == accept and one.node in _any_rest()

    def always_matches(self, at: int) -> bool:
        """Return whether a thread inside a character matches with every such character."""
        known = self._always.get(at)
        if known is None:
            one = self.code[at]
            known = one.kind == CHAR and one.node in _any_rest() and not self.reaches(at)[1]
            known = known and any(
                not after[1] and self.code[after[0]].kind == MATCH
                for after in self.closure(one.to[0], (), NO_LOOK_BEHIND)
            )
            self._always[at] = known
        return known

    def holds_at_end(self, guards: Guards, behind: LookBehindState) -> bool:
        """Return whether guards hold at the end of the text."""
        return all(self._holds_at_end(guard, behind) for guard in guards)

    def _holds_at_end(self, guard: LookAheadGuard, behind: LookBehindState) -> bool:
        key = guard, behind
        known = self._guards_at_end.get(key)
        if known is None:
            ended = any(guard.accept == at for item in guard.threads for at in self._ended(item, behind))
            known = ended == guard.holds
            if len(self._guards_at_end) > _MOST_GUARDS:
                self._guards_at_end.clear()
            self._guards_at_end[key] = known
        return known

    def _ended(self, item: Thread, behind: LookBehindState) -> Iterator[int]:
        """Yield the ends that a thread reaches at the text's end, best first."""
        seen: set[Thread] = set()
        pending = [item]
        while pending:
            here = pending.pop()
            if here in seen:
                continue
            seen.add(here)
            if not self.holds_at_end(here[1], behind):
                continue
            one = self.code[here[0]]
            if one.kind == END:
                pending += reversed(list(self.closure(one.to[0], (), behind)))
            elif one.kind != CHAR:
                yield here[0]

    def matches_at_end(self, item: Thread, behind: LookBehindState) -> int | None:
        """Return the match of a thread at the text's end."""
        ends = (self.code[at] for at in self._ended(item, behind))
        return next((one.number for one in ends if one.kind == MATCH), None)

    def node_of(self, at: int) -> ByteNode | None:
        """Return the bytes for which an instruction waits; None if it waits for none."""
        return self.code[at].node

    def match_of(self, at: int) -> int | None:
        """Return the number of a match instruction, None for others."""
        one = self.code[at]
        return one.number if one.kind == MATCH else None

    def first_nodes(self, starts: Iterable[int]) -> set[ByteNode]:
        """Return the bytes for which threads in the closure of some instructions wait, including
        look-aheads."""
        seen, pending, found = set[int](), list(starts), set[ByteNode]()
        while pending:
            at = pending.pop()
            if at not in seen:
                seen.add(at)
                one = self.code[at]
                if one.node is not None:
                    found.add(one.node)
                else:
                    pending += one.to
                    if one.kind == AHEAD:
                        pending.append(one.other)
        return found

    def first_plain_nodes(self, at: int) -> set[ByteNode]:
        """Return the bytes that certainly continue from an instruction, whatever was before it."""
        seen, pending, found = set[int](), [at], set[ByteNode]()
        while pending:
            at = pending.pop()
            if at not in seen:
                seen.add(at)
                one = self.code[at]
                if one.kind == SPLIT:
                    pending += one.to
                elif one.kind == CHAR and self._leads_on(one.to[0]):
                    assert one.node is not None
                    found.add(one.node)
        return found

    def _leads_on(self, at: int) -> bool:
        """Return whether the closure of an instruction certainly has a thread or a match."""
        seen, pending = set[int](), [at]
        while pending:
            at = pending.pop()
            if at not in seen:
                seen.add(at)
                if self.code[at].kind in (CHAR, MATCH):
                    return True
                if self.code[at].kind == SPLIT:
                    pending += self.code[at].to
        return False

    # --- look-behinds ---------------------------------------------------------------------------------------

    def initial_look_behind(self) -> LookBehindState:
        """Return the look-behind state before the first byte."""
        return self._at_character_end(frozenset(), at_start=True)

    def look_behind_anywhere(self) -> LookBehindState:
        """Return the look-behind state after a character that no look-behind matches."""
        return self._at_character_end(frozenset())

    def is_local(self, starts: Iterable[int]) -> bool:
        """Return whether no look-behind from some instructions on reaches before the lexeme."""
        if any(_longest(self.code, first, end) != 1 for first, end in self.looks):
            return False
        seen, pending = set(), list(starts)
        while pending:
            at = pending.pop()
            if at in seen:
                continue
            seen.add(at)
            one = self.code[at]
            if one.kind in (BEHIND, START):
                return False
            if one.kind != CHAR:
                pending += [*one.to, *((one.other,) if one.other >= 0 else ())]
        return True

    def _at_character_end(self, threads: frozenset[int], *, at_start: bool = False) -> LookBehindState:
        """Return the look-behind state at the end of a character; look-behinds may begin here."""
        going, holding = set(threads), set()
        probe = LookBehindState(at_start, frozenset(), frozenset())
        for number, (first, end) in enumerate(self.looks):
            going.update(at for at, _guards in self.closure(first, (), probe))
            if end in going:
                holding.add(number)
            going.discard(end)
        return LookBehindState(at_start, frozenset(going), frozenset(holding))

    def step_look_behind(self, behind: LookBehindState, byte: int) -> LookBehindState:
        """Return the look-behind state after a byte."""
        left = behind.left - 1 if behind.left else (byte >= 0xC0) + (byte >= 0xE0) + (byte >= 0xF0)
        threads: set[int] = set()
        for at in behind.threads:
            threads.update(one for one, _guards in self.step_thread((at, ()), byte, NO_LOOK_BEHIND))
        if left == 0:
            return self._at_character_end(frozenset(threads))
        return LookBehindState(False, frozenset(threads), frozenset(), left)


def _longest(code: Instructions, first: int, end: int) -> int:
    """Return how many characters a look-behind reads; in re all its alternatives have the same length."""
    reached, size = {first}, 0
    while True:
        pending, following = list(reached), set[int]()
        seen: set[int] = set()
        while pending:
            at = pending.pop()
            if at == end:
                return size
            if at in seen:
                continue
            seen.add(at)
            one = code[at]
            (following.update if one.kind == CHAR else pending.extend)(one.to)
        if not following:
            return size
        reached, size = following, size + 1


@lru_cache(maxsize=1)
def _any_rest() -> frozenset[ByteNode]:
    """Return the nodes inside a character that accept every continuation."""
    found: set[ByteNode] = set()
    pending = [node for node in node_of(((0, 0x10FFFF),)).after if node is not None and node is not DONE]
    while pending:
        node = pending.pop()
        if node not in found:
            found.add(node)
            pending += [after for after in set(node.after) if after is not None and after is not DONE]
    return frozenset(found)


@lru_cache(maxsize=1 << 12)
def _preferred_byte(node: ByteNode) -> int:
    """Return the preferred byte among one-byte characters, -1 if there is none."""
    column = _preferred(node.after)
    return PREFERRED_BYTES[column.index(DONE)] if DONE in column else -1


@lru_cache(maxsize=1 << 12)
def _choices(node: ByteNode) -> tuple[tuple[int, ByteNode], ...]:
    """Return preferred bytes, one for each successor; or several one-byte characters, if there are any."""
    column = _preferred(node.after)
    if DONE in column:
        others, at = [], column.index(DONE)
        for _ in range(min(_MOST_BYTES, column.count(DONE))):
            at = column.index(DONE, at)
            others.append((PREFERRED_BYTES[at], DONE))
            at += 1
        return tuple(others)
    # the preferred byte of each successor
    found = dict(zip(reversed(column), reversed(PREFERRED_BYTES), strict=True))
    return tuple((found[after], after) for after in dict.fromkeys(column) if after is not None)


def with_guard(guards: Guards, guard: LookAheadGuard) -> Guards:
    """Return guards with one more, in a fixed order."""
    if not guards:
        return (guard,)
    if guard in guards:
        return guards
    return tuple(sorted((*guards, guard), key=_order))


def with_guards(guards: Iterable[LookAheadGuard]) -> Guards:
    """Return guards, each once, in the order of `with_guard`."""
    return tuple(sorted(dict.fromkeys(guards), key=_order))


def _order(guard: LookAheadGuard) -> tuple[bool, int, list[int]]:
    return guard.holds, guard.accept, sorted(one[0] for one in guard.threads)


def _has_look_around(node: Node) -> bool:
    match node:
        case LookAround():
            return True
        case Concatenation(parts) | Alternation(parts):
            return any(map(_has_look_around, parts))
        case Repetition(of, _, _, _):
            return _has_look_around(of)
        case _:
            return False

"""Regular expressions matched as Python's re matches them: the first alternative that matches, not the
longest match, followed byte by byte.

A program is a graph of instructions, one for each terminal of a lexer and shared by all of them. What has
been read is an ordered list of *threads*, best first, as in Pike's machine: the first that ends is the match,
unless a better one ends later. So a state also holds *slots*: places where a match ended at which a worse
thread is given up, and a better one may still win. A look-ahead is a *guard* of what comes after it: an
unordered automaton that must, or must not, come to its end. What look-behinds ask of the text before is
followed beside (`Behind`).

Source: R. Cox, Regular Expression Matching: the Virtual Machine Approach (2009), for threads in order; slots
and guards are what matching without the rest of the text takes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Final, TypeAlias

from structgen.automata.utf8 import DONE, ByteNode, node_of
from structgen.errors import LimitError, RegexError
from structgen.frontends.python_regex import (
    Alt,
    Atomic,
    Chars,
    End,
    Look,
    Node,
    Repeat,
    Seq,
    Start,
    nullable,
)

MOST_INSTRUCTIONS: Final = 1 << 18
"""Instructions of one program; repetitions are written out."""

Guards: TypeAlias = tuple["Guard", ...]
Thread: TypeAlias = tuple[int, Guards]
"""An instruction that waits for a byte (or for the end of the text), and what must come true."""


@dataclass(frozen=True, slots=True)
class Guard:
    """A look-ahead that is not decided: some thread must (`holds`), or none may, come to `accept`."""

    holds: bool
    accept: int
    threads: frozenset[Thread]


@dataclass(frozen=True, slots=True)
class Nest:
    """Threads inside an atomic group, in order; the first that ends goes on behind it, alone."""

    threads: tuple[Thread, ...]
    leave: int
    """The instruction at which the group ends."""
    guards: Guards
    """Of what goes on."""


@dataclass(frozen=True, slots=True)
class Behind:
    """What look-behinds know of the text so far, at the end of a character."""

    at_start: bool
    """Nothing was read."""
    threads: frozenset[int]
    """Instructions inside look-behinds."""
    true: frozenset[int]
    """The look-behinds that hold here."""
    left: int = 0
    """Bytes that the character under way still has."""


NOWHERE: Final = Behind(False, frozenset(), frozenset())
"""Where nothing is asked of what came before."""

# kinds of instructions
_CHAR, _SPLIT, _MATCH, _AHEAD, _BEHIND, _START, _END, _ENTER, _LEAVE = range(9)


_VISITS: Final = 3
"""How often a search for words comes by one instruction."""
_VARIETY: Final = 8
"""Bytes of one set that are tried."""
_LIKED: Final = bytes(
    (*range(97, 123), *range(65, 91), *range(48, 58), 32, *range(33, 48), *range(58, 65), *range(91, 97))
) + bytes((*range(123, 127), 10, 9, 13, *range(128, 256), *range(9), 11, 12, *range(14, 32), 127))
"""Bytes in the order in which a text for people chooses them."""


@dataclass(frozen=True, slots=True)
class _Instruction:
    kind: int
    node: ByteNode | None = None
    to: tuple[int, ...] = ()
    """Where it goes on, best first."""
    number: int = -1
    """The terminal that has matched; the look-behind; the guard's sense."""
    other: int = -1
    """Where a look-ahead begins, where an atomic group leaves."""


class Program:
    """The instructions of a lexer's terminals, made as they are added."""

    def __init__(self) -> None:
        self.code: list[_Instruction] = []
        self.looks: list[tuple[int, int]] = []
        """Of each look-behind: where it begins, and its end."""
        self._look_numbers: dict[Node, int] = {}
        self._within: dict[tuple[ByteNode, int], int] = {}
        self._reach: dict[int, tuple[frozenset[int], bool]] = {}

    # --- compilation ----------------------------------------------------------------------------------------

    def add(self, node: Node, number: int, *, where: str) -> int:
        """Add an expression whose match is called `number`; return its first instruction. Raises RegexError
        for a look-around inside a look-behind, LimitError past MOST_INSTRUCTIONS."""
        try:
            return self._emit(node, self._put(_Instruction(_MATCH, number=number)))
        except RegexError as error:
            raise RegexError(error.what, where=where, cure=error.cure) from None

    def _put(self, instruction: _Instruction) -> int:
        if len(self.code) >= MOST_INSTRUCTIONS:
            raise LimitError(
                f"The patterns come to more than {MOST_INSTRUCTIONS:,} instructions.",
                limit="automaton_states",
                cure="Make the counts of their repetitions smaller, or take the bounds away.",
            )
        self.code.append(instruction)
        return len(self.code) - 1

    def _char(self, node: ByteNode, after: int) -> int:
        at = self._within.get((node, after))
        if at is None:
            at = self._within[node, after] = self._put(_Instruction(_CHAR, node, (after,)))
        return at

    def _split(self, ways: tuple[int, ...]) -> int:
        return ways[0] if len(ways) == 1 else self._put(_Instruction(_SPLIT, to=ways))

    def _emit(self, node: Node, after: int) -> int:
        """Return the first instruction of a node that goes on at `after`."""
        match node:
            case Chars(ranges):
                return self._char(node_of(ranges), after)
            case Seq(parts):
                for part in reversed(parts):
                    after = self._emit(part, after)
                return after
            case Alt(parts):
                return self._split(tuple(self._emit(part, after) for part in parts))
            case Repeat():
                return self._repeat(node, after)
            case Atomic(of):
                leave = self._put(_Instruction(_LEAVE, to=(after,)))
                return self._put(_Instruction(_ENTER, to=(self._emit(of, leave),), other=leave))
            case Start():
                return self._put(_Instruction(_START, to=(after,)))
            case End():
                return self._put(_Instruction(_END, to=(after,)))
            case Look(True, holds, of):
                end = self._put(_Instruction(_LEAVE))
                first = self._emit(of, end)
                return self._put(_Instruction(_AHEAD, to=(after, end), number=int(holds), other=first))
            case Look(_, holds, of):
                return self._put(_Instruction(_BEHIND, to=(after,), number=self._look(of), other=int(holds)))
        raise AssertionError(node)

    def _look(self, of: Node) -> int:
        number = self._look_numbers.get(of)
        if number is None:
            if _looks(of):
                raise RegexError(
                    "A look-around stands inside a look-behind.",
                    cure="Write the look-behind as a set of characters, or as several look-behinds.",
                )
            end = self._put(_Instruction(_LEAVE))
            number = self._look_numbers[of] = len(self.looks)
            self.looks.append((self._emit(of, end), end))
        return number

    def _repeat(self, node: Repeat, after: int) -> int:
        of, least, most, greedy = node.of, node.least, node.most, node.greedy
        if most is None:
            loop = self._put(_Instruction(_SPLIT))
            body = self._emit(of, loop)
            ways = (body, after) if greedy else (after, body)
            self.code[loop] = _Instruction(_SPLIT, to=ways)
            first = loop
            if least and nullable(of):
                least = 0  # one empty copy stands for all that are owed
        else:
            first = after
            for _ in range(most - least):
                body = self._emit(of, first)
                first = self._split((body, after) if greedy else (after, body))
        for _ in range(least):
            first = self._emit(of, first)
        return first

    def classes(self) -> bytes:
        """Return the class of each byte: those of one class do the same everywhere in the program."""
        nodes: dict[ByteNode, None] = {}
        pending = [one.node for one in self.code if one.node is not None]
        while pending:
            node = pending.pop()
            if node not in nodes:
                nodes[node] = None
                pending += [after for after in set(node.after) if after is not None and after is not DONE]
        numbers: dict[tuple[int, ...], int] = {}
        rows = [[id(after) for after in node.after] for node in nodes]
        return bytes(numbers.setdefault(column, len(numbers)) for column in zip(*rows, strict=True)) or bytes(
            256
        )

    # --- what may come --------------------------------------------------------------------------------------

    def reaches(self, at: int) -> tuple[frozenset[int], bool]:
        """Return the matches that an instruction may lead to, and whether it may ask what came before."""
        known = self._reach.get(at)
        if known is None:
            seen, pending, found, asks = {at}, [at], set(), False
            while pending:
                one = self.code[pending.pop()]
                if one.kind == _MATCH:
                    found.add(one.number)
                asks = asks or one.kind in (_BEHIND, _START)
                for to in (*one.to, *((one.other,) if one.kind == _AHEAD else ())):
                    if to not in seen:
                        seen.add(to)
                        pending.append(to)
            known = self._reach[at] = frozenset(found), asks
        return known

    def words(self, starts: Iterable[int], number: int) -> Iterator[bytes]:
        """Yield texts that lead from some instructions to a match, short ones first, as if every look-around
        held; whoever uses one tries it. Ends after some hundred."""
        pending: deque[tuple[int, bytes]] = deque((at, b"") for at in starts)
        visits: dict[int, int] = {}
        while pending:
            at, text = pending.popleft()
            visits[at] = visits.get(at, 0) + 1
            if visits[at] > _VISITS:
                continue
            one = self.code[at]
            if one.kind == _MATCH and one.number == number:
                yield text
            elif one.kind == _CHAR:
                assert one.node is not None
                for byte, node in _choices(one.node):
                    after = one.to[0] if node is DONE else self._char(node, one.to[0])
                    pending.append((after, text + bytes((byte,))))
            else:
                # nothing is read here: its turn is now
                ways = one.to[:1] if one.kind == _AHEAD else one.to
                pending.extendleft((to, text) for to in reversed(ways))

    def least(self, at: int, number: int) -> int:
        """Return the bytes of the shortest of `words`; 1 where there is none."""
        return max(1, min(map(len, islice(self.words([at], number), 1)), default=1))

    # --- running --------------------------------------------------------------------------------------------

    def closure(self, at: int, guards: Guards, behind: Behind) -> Iterator[tuple[int, Guards] | Nest]:
        """Yield what an instruction comes to without reading, best first: threads that wait for a byte or the
        end of the text, and the ends (matches, and those of look-arounds and groups) that it comes to."""
        seen: set[tuple[int, Guards]] = set()
        pending = [(at, guards)]
        while pending:
            here = pending.pop()
            if here in seen:
                continue
            seen.add(here)
            at, held = here
            one = self.code[at]
            match one.kind:
                case 1:  # _SPLIT
                    pending += [(to, held) for to in reversed(one.to)]
                case 3:  # _AHEAD
                    after, end = one.to
                    guard = self._guard(bool(one.number), end, self._ends(one.other, behind))
                    if guard is True:
                        pending.append((after, held))
                    elif guard is not False:
                        pending.append((after, _with(held, guard)))
                case 4:  # _BEHIND
                    if (one.number in behind.true) == bool(one.other):
                        pending.append((one.to[0], held))
                case 5:  # _START
                    if behind.at_start:
                        pending.append((one.to[0], held))
                case 7:  # _ENTER
                    inside = tuple(self._plain(self.closure(one.to[0], (), behind)))
                    went, nest = self._leave(inside, one.other, held)
                    if nest is not None:
                        yield nest
                    pending += reversed(went)
                case 8 if one.to:  # the end of an atomic group is its nest's to see
                    yield here
                case _:
                    yield here

    def _plain(self, found: Iterable[tuple[int, Guards] | Nest]) -> Iterator[Thread]:
        for one in found:
            if isinstance(one, Nest):
                raise RegexError(
                    "An atomic group stands inside another.", cure="Write the inner one as a plain group."
                )
            yield one

    def _leave(
        self, threads: tuple[Thread, ...], leave: int, guards: Guards
    ) -> tuple[list[tuple[int, Guards]], Nest | None]:
        """Return what goes on behind an atomic group, and the group where better threads are still inside."""
        for number, (at, held) in enumerate(threads):
            if at == leave:
                if held:
                    raise RegexError(
                        "A look-ahead stands at the end of an atomic group.", cure="Put it behind the group."
                    )
                better = threads[:number]
                after = self.code[leave].to[0]
                if not better:
                    return [(after, guards)], None
                never = Guard(False, leave, frozenset(better))
                return [(after, _with(guards, never))], Nest(better, leave, guards)
        return [], Nest(threads, leave, guards) if threads else None

    def _ends(self, at: int, behind: Behind) -> frozenset[Thread]:
        return frozenset(self._plain(self.closure(at, (), behind)))

    def _guard(self, holds: bool, accept: int, threads: frozenset[Thread]) -> Guard | bool:
        """Return a guard, or what it comes to where that is known."""
        if (accept, ()) in threads:
            return holds
        return Guard(holds, accept, threads) if threads else not holds

    def step_thread(self, thread: Thread, byte: int, behind: Behind) -> list[tuple[int, Guards] | Nest]:
        """Return what a thread comes to with a byte, best first."""
        at, guards = thread
        one = self.code[at]
        if one.kind != _CHAR:
            return []
        assert one.node is not None
        node = one.node.after[byte]
        if node is None:
            return []
        held = self.step_guards(guards, byte, behind)
        if held is None:
            return []
        if node is not DONE:
            return [(self._char(node, one.to[0]), held)]
        return list(self.closure(one.to[0], held, behind))

    def step_nest(self, nest: Nest, byte: int, behind: Behind) -> list[tuple[int, Guards] | Nest]:
        """Return what an atomic group comes to with a byte, best first."""
        guards = self.step_guards(nest.guards, byte, behind)
        if guards is None:
            return []
        inside = tuple(
            one for thread in nest.threads for one in self._plain(self.step_thread(thread, byte, behind))
        )
        went, left = self._leave(inside, nest.leave, guards)
        found: list[tuple[int, Guards] | Nest] = [] if left is None else [left]
        for at, held in went:
            found += self.closure(at, held, behind)
        return found

    def step_guards(self, guards: Guards, byte: int, behind: Behind) -> Guards | None:
        """Return the guards after a byte, None where one has failed."""
        held: Guards = ()
        for guard in guards:
            threads: set[Thread] = set()
            for thread in guard.threads:
                if thread[0] == guard.accept:  # it has ended, and waits for guards of its own
                    left = self.step_guards(thread[1], byte, behind)
                    if left is not None:
                        threads.add((guard.accept, left))
                else:
                    threads.update(self._plain(self.step_thread(thread, byte, behind)))
            after = self._guard(guard.holds, guard.accept, frozenset(threads))
            if after is False:
                return None
            if after is not True:
                held = _with(held, after)
        return held

    def holds_at_end(self, guards: Guards, behind: Behind) -> bool:
        """Return whether guards come true where the text ends."""
        for guard in guards:
            ended = any(self.ends_at(thread, guard.accept, behind) for thread in guard.threads)
            if ended != guard.holds:
                return False
        return True

    def ends_at(self, thread: Thread, accept: int, behind: Behind) -> bool:
        """Return whether a thread comes to an instruction where the text ends."""
        at, guards = thread
        if not self.holds_at_end(guards, behind):
            return False
        if at == accept:
            return True
        if self.code[at].kind != _END:
            return False
        return any(
            self.ends_at(one, accept, behind)
            for one in self._plain(self.closure(self.code[at].to[0], (), behind))
        )

    def matches_at_end(self, thread: Thread, behind: Behind) -> int | None:
        """Return the match that a thread comes to where the text ends."""
        at, guards = thread
        if self.code[at].kind != _END or not self.holds_at_end(guards, behind):
            return None
        for one in self._plain(self.closure(self.code[at].to[0], (), behind)):
            if self.code[one[0]].kind == _MATCH:
                if self.holds_at_end(one[1], behind):
                    return self.code[one[0]].number
            else:
                found = self.matches_at_end(one, behind)
                if found is not None:
                    return found
        return None

    def match_of(self, at: int) -> int | None:
        """Return the match that an instruction says, None where it is another."""
        one = self.code[at]
        return one.number if one.kind == _MATCH else None

    # --- what was before ------------------------------------------------------------------------------------

    def before(self) -> Behind:
        """Return what is known before the first byte."""
        return self._settled(frozenset(), at_start=True)

    def anywhere(self) -> Behind:
        """Return what is known after a character of which nothing is known that matters."""
        return self._settled(frozenset())

    def is_local(self, starts: Iterable[int]) -> bool:
        """Return whether what comes from some instructions asks only of characters that it has read."""
        if any(_longest(self.code, first, end) != 1 for first, end in self.looks):
            return False
        seen, pending = set(), list(starts)
        while pending:
            at = pending.pop()
            if at in seen:
                continue
            seen.add(at)
            one = self.code[at]
            if one.kind in (_BEHIND, _START):
                return False
            if one.kind != _CHAR:
                pending += [*one.to, *((one.other,) if one.other >= 0 else ())]
        return True

    def _settled(self, threads: frozenset[int], *, at_start: bool = False) -> Behind:
        """Return what holds at the end of a character; look-behinds may begin here."""
        going, true = set(threads), set()
        probe = Behind(at_start, frozenset(), frozenset())
        for number, (first, end) in enumerate(self.looks):
            going.update(at for at, _guards in self._plain(self.closure(first, (), probe)))
            if end in going:
                true.add(number)
            going.discard(end)
        return Behind(at_start, frozenset(going), frozenset(true))

    def step_behind(self, behind: Behind, byte: int) -> Behind:
        """Return what is known after a byte."""
        left = behind.left - 1 if behind.left else (byte >= 0xC0) + (byte >= 0xE0) + (byte >= 0xF0)
        threads: set[int] = set()
        for at in behind.threads:
            threads.update(one for one, _guards in self._plain(self.step_thread((at, ()), byte, NOWHERE)))
        if left == 0:
            return self._settled(frozenset(threads))
        return Behind(False, frozenset(threads), frozenset(), left)


def _longest(code: Sequence[_Instruction], first: int, end: int) -> int:
    """Return the characters that a look-behind reads; re has it that all its ways read as many."""
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
            (following.update if one.kind == _CHAR else pending.extend)(one.to)
        if not following:
            return size
        reached, size = following, size + 1


@lru_cache(maxsize=1 << 12)
def _choices(node: ByteNode) -> tuple[tuple[int, ByteNode], ...]:
    """Return a byte for each way on; characters of one byte go before longer ones."""
    found: dict[ByteNode, int] = {}
    for byte in _LIKED:
        after = node.after[byte]
        if after is not None and after not in found:
            found[after] = byte
    if DONE in found:
        others = [byte for byte in _LIKED if node.after[byte] is DONE][:_VARIETY]
        return tuple((byte, DONE) for byte in others)
    return tuple((byte, after) for after, byte in found.items())


def _with(guards: Guards, guard: Guard) -> Guards:
    """Return guards with one more, in an order of their own."""
    if guard in guards:
        return guards
    return tuple(sorted((*guards, guard), key=_order))


def _order(guard: Guard) -> tuple[bool, int, list[int]]:
    return guard.holds, guard.accept, sorted(at for at, _guards in guard.threads)


def _looks(node: Node) -> bool:
    match node:
        case Look():
            return True
        case Seq(parts) | Alt(parts):
            return any(map(_looks, parts))
        case Repeat(of, _, _, _) | Atomic(of):
            return _looks(of)
        case _:
            return False

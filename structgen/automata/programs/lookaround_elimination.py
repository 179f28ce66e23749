"""Elimination of look-arounds and word boundaries: program -> program, so that one determiniser runs all.

An instruction of the new program is an instruction of the old one together with a memory: the obligations
that look-aheads have left, the threads of the look-behinds, and whether the last character is a word
character. A look-ahead's body runs as a set of threads inside its obligation, so negative ones are exact. A
look-behind's threads run from the start of the string and say at each position whether it holds. Counters
stay counters.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias, Union

from structgen.automata.programs.instructions import (
    BOL,
    CHAR,
    COUNT,
    EOL,
    LOOK,
    MATCH,
    PUSH,
    REPEAT,
    SPLIT,
    Program,
)
from structgen.automata.unicode.charsets import LAST, WORD, Ranges, union
from structgen.automata.unicode.partition import Partition, partition_for
from structgen.errors import LimitError, RegexError

MOST_WORK = 100_000
"""Threads of look-arounds that are followed, and instructions made."""
MOST_VISITED = 2_000_000
"""Threads that are visited in all, some 2 us each."""

Context: TypeAlias = tuple[Any, ...]  # (), or (outer context, count, the iteration is empty so far)
Obligation: TypeAlias = Union["tuple[str, bool]", "tuple[int, Threads]"]
Obligations: TypeAlias = "frozenset[Obligation]"
Thread: TypeAlias = tuple[int, Context, Obligations]
Threads: TypeAlias = frozenset[Thread]
Around: TypeAlias = tuple[tuple[Threads, ...], bool, bool]
"""Around a position: each look-behind's threads, is the last character a word character, is it the start?"""

_NONE: Obligations = frozenset()
_MUST_END: Obligation = ("end", True)
_ENDED = -2
"""In place of an instruction: the pattern has matched, and obligations are left."""
_OFTEN = 256
"""Visited threads are counted in portions of this size."""
_PER_THREAD = 8
"""This many obligations of a thread cost as much as a thread."""


@functools.lru_cache(maxsize=1024)
def without_lookarounds(program: Program) -> Program:
    """Return a program of the same strings without look-arounds.

    Cost: some 20 us for each instruction and class of characters. Raises `RegexError` for a look-behind that
    itself looks ahead, and `LimitError` past MOST_WORK.
    """
    return _Elimination(program).program() if program.looks else program


class _Elimination:
    """The new program of one pattern, instruction by instruction."""

    def __init__(self, program: Program) -> None:
        self.old = program
        sets: dict[Ranges, int] = {}
        for ranges in (*program.sets, WORD):
            sets.setdefault(ranges, len(sets))
        self.partition: Partition = partition_for(tuple(sets), frozenset())
        members = [self.partition.members[sets[ranges]] for ranges in program.sets]
        self.word = self.partition.members[sets[WORD]]
        self.members = members
        self.automaton = LookaroundSteps(program, members, self.word, self.spend)
        self.bounded = any(look.boundary for look in program.looks)
        self.code: list[tuple[int, int, int, int, int, int]] = []
        self.sets: dict[Ranges, int] = {}
        self.numbers: dict[tuple[int, Obligations, Around, bool], int] = {}
        self.work = self.visited = 0
        self.todo: list[tuple[int, Obligations, Around, bool]] = []

    def program(self) -> Program:
        start = self.place(self.old.start, frozenset(), self.automaton.around_start(), False)
        while self.todo:
            self.spend(0)
            key = self.todo.pop()
            self.code[self.numbers[key]] = self.instruction(*key)
        return Program(tuple(self.code), tuple(self.sets), start, (-1,) * len(self.code), False)

    def spend(self, threads: int) -> None:
        """Count the threads that were visited; stop past the limits."""
        self.visited += threads
        if self.work + len(self.code) > MOST_WORK or self.visited > MOST_VISITED:
            raise LimitError(
                "The look-arounds of a pattern multiply: without them it has more than "
                f"{MOST_WORK:,} instructions and threads.",
                limit="automaton_states",
                cure="Make the counts inside its look-arounds smaller, or leave one of them out.",
            )

    def place(self, pc: int, obligations: Obligations, around: Around, ended: bool) -> int:
        """Return the number of the new instruction."""
        key = (pc, self.merged(obligations), around, ended)
        number = self.numbers.get(key)
        if number is None:
            number = self.numbers[key] = self.put((MATCH, 0, 0, 0, 0, 0))
            self.todo.append(key)
        return number

    def put(self, row: tuple[int, int, int, int, int, int]) -> int:
        self.code.append(row)
        return len(self.code) - 1

    def merged(self, obligations: Obligations) -> Obligations:
        """Return the obligations, those of one negative look-ahead united: none of its threads may match."""
        if len(obligations) < 2:
            return obligations
        rest: list[Obligation] = []
        negative: dict[int, Threads] = {}
        for what, value in obligations:
            if isinstance(what, int) and not self.old.looks[what].holds:
                negative[what] = negative.get(what, frozenset()) | value  # type: ignore[operator]
            else:
                rest.append((what, value))  # type: ignore[arg-type]
        return frozenset((*rest, *negative.items()))

    def instruction(
        self, pc: int, obligations: Obligations, around: Around, ended: bool
    ) -> tuple[int, int, int, int, int, int]:
        if pc == _ENDED:
            return self.pending(obligations, around)
        op, a, b, c, d, e = self.old.code[pc]
        if op == CHAR:
            return (
                self.dead()
                if ended
                else self.alternatives(list(self.moves(b, self.members[a], obligations, around)))
            )
        if op == MATCH:
            return (MATCH, 0, 0, 0, 0, 0) if not obligations else self.pending(obligations, around)
        if op in (SPLIT, REPEAT):
            return (
                op,
                self.place(a, obligations, around, ended),
                self.place(b, obligations, around, ended),
                c,
                d,
                e,
            )
        if op in (PUSH, COUNT):
            return op, self.place(a, obligations, around, ended), 0, 0, 0, 0
        if op == BOL:
            return self.go(a, obligations, around, ended) if around[2] else self.dead()
        if op == EOL:
            if not self.automaton.hold_at_end(obligations):
                return self.dead()
            return EOL, self.place(a, frozenset(), around, True), 0, 0, 0, 0
        assert op == LOOK
        more = self.automaton.look(a, around)
        if more is None or (ended and not self.automaton.hold_at_end(more)):
            return self.dead()
        words = {value for what, value in obligations | more if what == "word"}
        if len(words) > 1:
            return self.dead()
        return self.go(b, obligations if ended else obligations | more, around, ended)

    def go(
        self, pc: int, obligations: Obligations, around: Around, ended: bool
    ) -> tuple[int, int, int, int, int, int]:
        to = self.place(pc, obligations, around, ended)
        return SPLIT, to, to, 0, 0, 0

    def dead(self) -> tuple[int, int, int, int, int, int]:
        return CHAR, self.sets.setdefault((), len(self.sets)), 0, 0, 0, 0

    def moves(self, pc: int, classes: int, obligations: Obligations, around: Around) -> Iterator[int]:
        """Yield the instructions that read a character out of `classes` (a bit mask) and go on at `pc`."""
        groups: dict[int, int] = {}
        threads = sum(len(value) for _, value in obligations if not isinstance(value, bool))
        threads += sum(map(len, around[0]))
        self.work += (1 + threads) * len(self.partition.first)
        for kind in range(len(self.partition.first)):
            if not classes >> kind & 1:
                continue
            after = self.automaton.around_after(around, kind)
            rest = self.automaton.obligations_after(obligations, kind, after) if obligations else obligations
            if rest is not None:
                if not self.bounded:
                    after = (after[0], False, False)
                to = self.place(pc if rest or pc != _ENDED else self.matched(), rest, after, False)
                groups[to] = groups.get(to, 0) | 1 << kind
        for to, mask in groups.items():
            yield self.put((CHAR, self.ranges_of(mask), to, 0, 0, 0))

    def matched(self) -> int:
        """Return an instruction of the old program that matches."""
        return next(pc for pc, row in enumerate(self.old.code) if row[0] == MATCH)

    def pending(self, obligations: Obligations, around: Around) -> tuple[int, int, int, int, int, int]:
        """Return the instruction after a match whose obligations the text to come decides."""
        edges = list(self.moves(_ENDED, -1, obligations, around))
        if self.automaton.hold_at_end(obligations):
            edges.append(self.put((EOL, self.put((MATCH, 0, 0, 0, 0, 0)), 0, 0, 0, 0)))
        return self.alternatives(edges)

    def alternatives(self, edges: list[int]) -> tuple[int, int, int, int, int, int]:
        if not edges:
            return self.dead()
        first = edges[0]
        for other in edges[1:]:
            first = self.put((SPLIT, first, other, 0, 0, 0))
        return SPLIT, first, first, 0, 0, 0

    def ranges_of(self, mask: int) -> int:
        """Return the number of the set of the characters in some classes."""
        starts, kinds = self.partition.starts, self.partition.kinds
        ends = [*starts[1:], LAST + 1]
        ranges = union(
            (low, end - 1) for low, end, kind in zip(starts, ends, kinds, strict=True) if mask >> kind & 1
        )
        return self.sets.setdefault(ranges, len(self.sets))


class LookaroundSteps:
    """The look-arounds of one program, followed character class by character class.

    `members[set]` is the bit mask of the classes in a set of the program, `word` that of the word characters.
    `spend` is told how many threads were visited, some 2 us each, and may raise.
    """

    def __init__(
        self,
        program: Program,
        members: list[int],
        word: int,
        spend: Callable[[int], None],
    ) -> None:
        self._spend = spend
        self._code, self._looks = program.code, program.looks
        self._members, self._word = members, word
        self._behind = [index for index, look in enumerate(program.looks) if not look.ahead]
        for index in self._behind:
            self._check_body(program.looks[index].start)

    def _check_body(self, start: int) -> None:
        """Refuse a look-behind whose truth depends on what comes after it."""
        seen: set[int] = set()
        stack = [start]
        while stack:
            pc = stack.pop()
            if pc in seen:
                continue
            seen.add(pc)
            op, a, b, *_ = self._code[pc]
            if op == EOL or (op == LOOK and self._looks[a].ahead):
                raise RegexError(
                    "A look-behind that itself looks ahead (by a look-ahead, \\b or $) cannot be compiled.",
                    cure="Move the look-ahead out of the look-behind.",
                )
            if op in (SPLIT, REPEAT):
                stack += (a, b)
            elif op in (CHAR, LOOK):
                stack.append(b)
            elif op in (PUSH, COUNT, BOL):
                stack.append(a)

    def around_start(self) -> Around:
        """Return what stands around the first character: look-behinds, no word character, the start."""
        first = {index: [(self._looks[index].start, (), _NONE)] for index in self._behind}
        return self._run_behind(first, {}, True), False, True

    def around_after(self, around: Around, kind: int) -> Around:
        """Return what stands around after a character of class `kind`."""
        word = bool(self._word >> kind & 1)
        bits: dict[int, bool] = {}
        raw = {
            index: self._advance(old, kind, bits, word)
            for index, old in zip(self._behind, around[0], strict=True)
        }
        return self._run_behind(raw, bits, False, word), word, False

    def obligations_after(self, obligations: Obligations, kind: int, around: Around) -> Obligations | None:
        """Return what is left of obligations after a character of class `kind`; None where one is broken."""
        return self._advance_obligations(obligations, kind, self._bits(around), around[1])

    def look(self, index: int, around: Around) -> Obligations | None:
        """Return what a look-around demands of the text to come, or None where it fails already."""
        return self._look(index, self._bits(around), around[1], around[2])

    def hold_at_end(self, obligations: Obligations) -> bool:
        """Return whether all obligations are met if the string ends here."""
        return all(self._holds_at_end(obligation) for obligation in obligations)

    def _bits(self, around: Around) -> dict[int, bool]:
        return {index: self._matched(now) for index, now in zip(self._behind, around[0], strict=True)}

    def _matched(self, threads: Threads) -> bool:
        return any(self._code[pc][0] == MATCH and not obligations for pc, _, obligations in threads)

    def _at_end(self, threads: Threads) -> bool:
        return any(
            self._code[pc][0] == MATCH and all(self._holds_at_end(obligation) for obligation in obligations)
            for pc, _, obligations in threads
        )

    def _holds_at_end(self, obligation: Obligation) -> bool:
        what, value = obligation
        if isinstance(what, int):
            return self._at_end(value) == self._looks[what].holds  # type: ignore[arg-type]
        return what == "end" or not value

    def _run_behind(
        self, raw: dict[int, list[Thread]], bits: dict[int, bool], at_start: bool, word: bool = False
    ) -> tuple[Threads, ...]:
        """Close the look-behinds' threads; inner ones have smaller numbers, and come first."""
        closed = []
        for index, threads in raw.items():
            now = self._closure(threads, bits, word, at_start, behind=True)
            bits[index] = self._matched(now)
            closed.append(now)
        return tuple(closed)

    def _advance(self, threads: Threads, kind: int, bits: dict[int, bool], word: bool) -> list[Thread]:
        """Return the threads after a character of class `kind`, not closed yet."""
        after: list[Thread] = []
        for pc, context, obligations in threads:
            op, a, b, *_ = self._code[pc]
            if op == CHAR:
                if not self._members[a] >> kind & 1:
                    continue
                pc = b
            elif not obligations:
                continue  # a match of a look-behind, which ended at the last position
            if obligations:
                rest = self._advance_obligations(obligations, kind, bits, word)
                if rest is None:
                    continue
                obligations = rest
            after.append((pc, context, obligations))
        return after

    def _advance_obligations(
        self, obligations: Obligations, kind: int, bits: dict[int, bool], word: bool
    ) -> Obligations | None:
        rest: list[Obligation] = []
        for what, value in obligations:
            if isinstance(what, str):
                if what == "end" or value != bool(self._word >> kind & 1):
                    return None
                continue
            raw = self._advance(value, kind, bits, word)  # type: ignore[arg-type]
            threads = self._closure(raw, bits, word, False)
            verdict = self._verdict(what, threads)
            if verdict is False:
                return None
            if verdict is None:
                rest.append((what, threads))
        return frozenset(rest)

    def _verdict(self, look: int, threads: Threads) -> bool | None:
        """Return whether a look-ahead holds, or None where the text to come decides."""
        if self._matched(threads):
            return self._looks[look].holds
        return None if threads else not self._looks[look].holds

    def _closure(
        self,
        raw: Iterable[Thread],
        bits: dict[int, bool],
        word: bool,
        at_start: bool,
        behind: bool = False,
    ) -> Threads:
        """Return the threads (at a character or a match) reached without consuming.

        `bits` says which look-behinds hold here, `word` whether the last character is a word character. A
        match without obligations settles everything, except for a look-behind, which goes on looking.
        """
        found: set[Thread] = set()
        seen: set[Thread] = set()
        stack = list(raw)
        looked = 1
        while stack:
            thread = stack.pop()
            if thread in seen:
                continue
            seen.add(thread)
            pc, context, obligations = thread
            looked += 1 + len(obligations) // _PER_THREAD
            if looked > _OFTEN:
                self._spend(looked)
                looked = 0
            op, a, b, least, most, empty = self._code[pc]
            if op == CHAR:
                if _MUST_END not in obligations:
                    found.add((pc, _settled(context), obligations))
            elif op == MATCH:
                found.add((pc, (), obligations))
            elif op == SPLIT:
                stack += ((a, context, obligations), (b, context, obligations))
            elif op == PUSH:
                stack.append((a, (context, 0, False), obligations))
            elif op == REPEAT:
                outer, count, _ = context
                if count >= least:
                    stack.append((b, outer, obligations))
                if most < 0 or count < most:
                    stack.append((a, (outer, count, bool(empty)), obligations))
            elif op == COUNT:
                outer, count, idle = context
                least, most = self._code[a][3], self._code[a][4]
                if not (idle and count >= least):
                    count = min(count + 1, least) if most < 0 else count + 1
                    stack.append((a, (outer, count, False), obligations))
            elif op == BOL:
                if at_start:
                    stack.append((a, context, obligations))
            elif op == EOL:
                stack.append((a, context, obligations | {_MUST_END}))
            else:
                more = self._look(a, bits, word, at_start)
                if more is not None and not (
                    obligations & {(what, not value) for what, value in more if what == "word"}
                ):
                    stack.append((b, context, obligations | more))
        self._spend(looked)
        sure = frozenset(t for t in found if self._code[t[0]][0] == MATCH and not t[2])
        return sure if sure and not behind else frozenset(found)

    def _look(self, index: int, bits: dict[int, bool], word: bool, at_start: bool) -> Obligations | None:
        """Return what a look-around demands of the text to come, or None where it fails already."""
        look = self._looks[index]
        if look.boundary:
            return frozenset({("word", word != look.holds)})
        if not look.ahead:
            return _NONE if bits[index] == look.holds else None
        threads = self._closure([(look.start, (), _NONE)], bits, word, at_start)
        verdict = self._verdict(index, threads)
        if verdict is None:
            return frozenset({(index, threads)})
        return _NONE if verdict else None


def _settled(context: Context) -> Context:
    """Return the context with no iteration marked as empty so far."""
    chain = []
    link = context
    while link:
        chain.append(link[1])
        link = link[0]
    for count in reversed(chain):
        link = (link, count, False)
    return link

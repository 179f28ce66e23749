"""The determiniser in Python, for the few patterns with look-arounds or word boundaries inside.

A thread carries obligations: what must yet hold of the text to come. A look-ahead's body runs as a set of
threads of its own inside the obligation, so that negative ones are exact; look-behinds run beside the pattern
from the start of the string, and say at each position whether they hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias, Union

from structgen.automata.programs.program import (
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
from structgen.errors import RegexError

Context: TypeAlias = tuple[Any, ...]  # (), or (outer context, count, the iteration is empty so far)
Obligation: TypeAlias = Union["tuple[str, bool]", "tuple[int, Threads]"]
Thread: TypeAlias = tuple[int, Context, "frozenset[Obligation]"]
Threads: TypeAlias = frozenset[Thread]
State: TypeAlias = tuple[Threads, tuple[Threads, ...], bool]
"""The pattern's threads, each look-behind's threads, and whether the last character is a word character."""

_NONE: frozenset[Obligation] = frozenset()
_MUST_END: Obligation = ("end", True)
_OFTEN = 256
"""After so many threads it is told how many were looked at."""
_DUTIES = 8
"""So many duties of a thread take as long as a thread."""


class LookaroundAutomaton:
    """The deterministic automaton of one program over the classes of one partition, made by `step`.

    `members[set]` is the bit mask of the classes in a set of the program, `word` that of the word characters.
    `spend` is told how many threads were looked at, some 2 us each, and may raise: one step may have to look
    at very many.
    """

    def __init__(
        self,
        program: Program,
        members: list[int],
        word: int,
        spend: Callable[[int], None] = lambda threads: None,
    ) -> None:
        self._spend = spend
        self._code, self._looks = program.code, program.looks
        self._program, self._members, self._word = program, members, word
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

    def start(self) -> State:
        """Return the state before the first character."""
        bits: dict[int, bool] = {}
        behind = self._run_behind(
            {index: [(self._looks[index].start, (), _NONE)] for index in self._behind}, bits, True
        )
        threads = self._closure([(self._program.start, (), _NONE)], bits, False, True)
        return threads, behind, False

    # One thread at a time, for who follows each by itself.

    def around_start(self) -> tuple[tuple[Threads, ...], bool, bool]:
        """Return what stands around the first character: look-behinds, no word character, the start."""
        return self.start()[1], False, True

    def around_after(
        self, around: tuple[tuple[Threads, ...], bool, bool], kind: int
    ) -> tuple[tuple[Threads, ...], bool, bool]:
        """Return what stands around after a character of class `kind`."""
        word = bool(self._word >> kind & 1)
        bits: dict[int, bool] = {}
        raw = {
            index: self._advance(old, kind, bits, word)
            for index, old in zip(self._behind, around[0], strict=True)
        }
        return self._run_behind(raw, bits, False, word), word, False

    def duties_after(
        self, duties: frozenset[Obligation], kind: int, around: tuple[tuple[Threads, ...], bool, bool]
    ) -> frozenset[Obligation] | None:
        """Return what is left of duties after a character of class `kind`; None where one is broken."""
        return self._advance_duties(duties, kind, self._bits(around), around[1])

    def look(
        self, index: int, around: tuple[tuple[Threads, ...], bool, bool]
    ) -> frozenset[Obligation] | None:
        """Return what a look-around demands of the text to come, or None where it fails already."""
        return self._look(index, self._bits(around), around[1], around[2])

    def hold_at_end(self, duties: frozenset[Obligation]) -> bool:
        """Return whether all duties are met if the string ends here."""
        return all(self._holds_at_end(duty) for duty in duties)

    def _bits(self, around: tuple[tuple[Threads, ...], bool, bool]) -> dict[int, bool]:
        return {index: self._matched(now) for index, now in zip(self._behind, around[0], strict=True)}

    def step(self, state: State, kind: int) -> State | None:
        """Return the state after a character of class `kind`, or None where no match can follow."""
        threads, behind, _ = state
        bits: dict[int, bool] = {}
        word = bool(self._word >> kind & 1)
        behind = self._run_behind(
            {
                index: self._advance(old, kind, bits, word)
                for index, old in zip(self._behind, behind, strict=True)
            },
            bits,
            False,
            word,
        )
        raw = self._advance(threads, kind, bits, word)
        threads = self._closure(raw, bits, word, False)
        return (threads, behind, word) if threads else None

    def sure(self, state: State) -> bool:
        """Return whether the pattern has matched, whatever follows."""
        return self._matched(state[0])

    def accepts(self, state: State) -> bool:
        """Return whether the pattern matches if the string ends here."""
        return self._at_end(state[0])

    def _matched(self, threads: Threads) -> bool:
        return any(self._code[pc][0] == MATCH and not duties for pc, _, duties in threads)

    def _at_end(self, threads: Threads) -> bool:
        return any(
            self._code[pc][0] == MATCH and all(self._holds_at_end(duty) for duty in duties)
            for pc, _, duties in threads
        )

    def _holds_at_end(self, duty: Obligation) -> bool:
        what, value = duty
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
        for pc, context, duties in threads:
            op, a, b, *_ = self._code[pc]
            if op == CHAR:
                if not self._members[a] >> kind & 1:
                    continue
                pc = b
            elif not duties:
                continue  # a match of a look-behind, which ended at the last position
            if duties:
                rest = self._advance_duties(duties, kind, bits, word)
                if rest is None:
                    continue
                duties = rest
            after.append((pc, context, duties))
        return after

    def _advance_duties(
        self, duties: frozenset[Obligation], kind: int, bits: dict[int, bool], word: bool
    ) -> frozenset[Obligation] | None:
        rest: list[Obligation] = []
        for what, value in duties:
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
        match without duties settles everything, except for a look-behind, which goes on looking.
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
            pc, context, duties = thread
            looked += 1 + len(duties) // _DUTIES
            if looked > _OFTEN:
                self._spend(looked)
                looked = 0
            op, a, b, least, most, empty = self._code[pc]
            if op == CHAR:
                if _MUST_END not in duties:
                    found.add((pc, _settled(context), duties))
            elif op == MATCH:
                found.add((pc, (), duties))
            elif op == SPLIT:
                stack += ((a, context, duties), (b, context, duties))
            elif op == PUSH:
                stack.append((a, (context, 0, False), duties))
            elif op == REPEAT:
                outer, count, _ = context
                if count >= least:
                    stack.append((b, outer, duties))
                if most < 0 or count < most:
                    stack.append((a, (outer, count, bool(empty)), duties))
            elif op == COUNT:
                outer, count, idle = context
                least, most = self._code[a][3], self._code[a][4]
                if not (idle and count >= least):
                    count = min(count + 1, least) if most < 0 else count + 1
                    stack.append((a, (outer, count, False), duties))
            elif op == BOL:
                if at_start:
                    stack.append((a, context, duties))
            elif op == EOL:
                stack.append((a, context, duties | {_MUST_END}))
            else:
                more = self._look(a, bits, word, at_start)
                if more is not None and not (
                    duties & {(what, not value) for what, value in more if what == "word"}
                ):
                    stack.append((b, context, duties | more))
        self._spend(looked)
        sure = frozenset(t for t in found if self._code[t[0]][0] == MATCH and not t[2])
        return sure if sure and not behind else frozenset(found)

    def _look(
        self, index: int, bits: dict[int, bool], word: bool, at_start: bool
    ) -> frozenset[Obligation] | None:
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

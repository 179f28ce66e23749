"""The slow, obvious engine: the interface of a compiled grammar over the explicit automaton of a finite
language.

Every mask is made by trying every token, every count of tokens by a breadth-first search. The laws are
tried on it first, and on versions of it with seeded bugs; then they are trusted with the engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from language import Automaton

from structgen.errors import BudgetError, FinishedError, StructgenError, TokenError


class TwinMask:
    """Rows of bits, as `TokenMask` has them."""

    def __init__(self, rows: int, vocab_size: int) -> None:
        self.vocab_size = vocab_size
        self.array = np.zeros((rows, (vocab_size + 31) // 32), dtype=np.int32)

    def write(self, row: int, ids: set[int]) -> None:
        """Set exactly these bits."""
        bits = np.zeros(self.array.shape[1] * 32, dtype=np.uint8)
        bits[sorted(ids)] = 1
        self.array[row] = np.packbits(bits, bitorder="little").view(np.int32)


@dataclass(frozen=True)
class TwinState:
    """A state of the automaton; `ended` once an end token was taken."""

    number: int
    ended: bool = False


class Twin:
    """A compiled grammar."""

    def __init__(self, automaton: Automaton, tokens: Sequence[bytes | None], eos: Sequence[int]) -> None:
        self.automaton, self.tokens, self.eos = automaton, tokens, tuple(eos)
        self.start = TwinState(0)
        self._allowed: dict[int, set[int]] = {}
        self._distance: dict[int, int] = {}

    def accepts_end(self, state: TwinState) -> bool:
        """Return whether the text so far is a word."""
        return not state.ended and self.automaton.accepts(state.number)

    def allowed(self, state: TwinState) -> set[int]:
        """Return the ids of the mask."""
        if state.ended:
            raise FinishedError("The document has ended.")
        if state.number not in self._allowed:
            found = {
                t
                for t, data in enumerate(self.tokens)
                if data and self._after(state.number, data) is not None
            }
            self._allowed[state.number] = found | (set(self.eos) if self.accepts_end(state) else set())
        return self._allowed[state.number]

    def _after(self, number: int, data: bytes) -> int | None:
        return self.automaton.step(number, data)

    def step(self, state: TwinState, token: int) -> TwinState | None:
        """Return the state after a token, or None."""
        if token not in self.allowed(state):
            return None
        if token in self.eos:
            return TwinState(state.number, True)
        data = self.tokens[token]
        assert data is not None
        after = self._after(state.number, data)
        return None if after is None else TwinState(after)

    def step_bytes(self, state: TwinState, data: bytes) -> TwinState | None:
        """Return the state after bytes, or None."""
        after = self.automaton.step(state.number, data)
        return None if after is None else TwinState(after)

    def fill(self, state: TwinState, mask: TwinMask, row: int = 0) -> None:
        """Write the mask."""
        mask.write(row, self.allowed(state))

    def tokens_to_finish(self, state: TwinState) -> int:
        """Return the least number of tokens, without the end token, that make the text a word."""
        if state.ended:
            return 0
        if state.number not in self._distance:
            reached, front, distance = {state.number}, [state.number], 0
            while not any(self.automaton.accepts(n) for n in front):
                distance += 1
                ahead = []
                for number in front:
                    for data in {d for d in self.tokens if d}:
                        after = self.automaton.step(number, data)
                        if after is not None and after not in reached:
                            reached.add(after)
                            ahead.append(after)
                front = ahead
            self._distance[state.number] = distance
        return self._distance[state.number]


class TwinMatcher:
    """A cursor over the states of a `Twin`."""

    def __init__(self, compiled: Twin, path: Sequence[TwinState] = ()) -> None:
        self._compiled, self._path = compiled, list(path) or [compiled.start]

    @property
    def state(self) -> TwinState:
        """The present state."""
        return self._path[-1]

    def fill_mask(self, mask: TwinMask, row: int = 0, *, budget: int | None = None) -> None:
        """Write the mask, only of tokens that leave enough of the budget."""
        ids = self._compiled.allowed(self.state)
        if budget is not None:
            least = self.tokens_to_finish()
            if budget < least:
                raise BudgetError("Too few tokens.", minimum=least)
            ids = {t for t in ids if t in self._compiled.eos or self._left(t) < budget}
        mask.write(row, ids)

    def _left(self, token: int) -> int:
        after = self._compiled.step(self.state, token)
        assert after is not None
        return self._compiled.tokens_to_finish(after)

    def advance(self, token: int) -> None:
        """Take a token, or raise."""
        after = self._compiled.step(self.state, token)
        if after is None:
            raise TokenError(f"Token {token} is not allowed here.")
        self._path.append(after)

    def accepts(self, tokens: Sequence[int]) -> int:
        """Return how many tokens would be taken."""
        state: TwinState | None = self.state
        for count, token in enumerate(tokens):
            state = None if state is None or state.ended else self._compiled.step(state, token)
            if state is None:
                return count
        return len(tokens)

    def forced(self) -> bytes:
        """Return the bytes that every word goes on with."""
        if self.state.ended:
            return b""
        number, out = self.state.number, bytearray()
        automaton = self._compiled.automaton
        while not automaton.accepts(number) and len(automaton.followers(number)) == 1:
            out.append(automaton.followers(number)[0])
            after = automaton.step(number, out[-1:])
            assert after is not None
            number = after
        return bytes(out)

    def rollback(self, count: int) -> None:
        """Take back the last tokens."""
        del self._path[len(self._path) - count :]

    def fork(self) -> TwinMatcher:
        """Return a matcher of its own at the same place."""
        return TwinMatcher(self._compiled, self._path)

    @property
    def is_complete(self) -> bool:
        """Whether the text is a word."""
        return self._compiled.automaton.accepts(self.state.number)

    @property
    def is_finished(self) -> bool:
        """Whether an end token was taken."""
        return self.state.ended

    def tokens_to_finish(self) -> int:
        """Return the least number of tokens to a word."""
        return self._compiled.tokens_to_finish(self.state)


def fill_masks(
    matchers: Sequence[TwinMatcher | None],
    mask: TwinMask,
    rows: Sequence[int] | None = None,
    budgets: Sequence[int] | None = None,
) -> list[str]:
    """Fill a row for each matcher, one by one, and return what became of it."""
    found = []
    for index, matcher in enumerate(matchers):
        row = index if rows is None else rows[index]
        if matcher is None:
            bits = np.zeros(mask.array.shape[1] * 32, dtype=np.uint8)
            bits[: mask.vocab_size] = 1
            mask.array[row] = np.packbits(bits, bitorder="little").view(np.int32)
            found.append("all allowed")
        elif matcher.is_finished:
            found.append("finished")
        else:
            try:
                matcher.fill_mask(mask, row, budget=None if budgets is None else budgets[index])
                found.append("constrained")
            except BudgetError:
                found.append("budget")
    return found


def advance_all(matchers: Sequence[TwinMatcher], tokens: Sequence[int]) -> list[bool]:
    """Advance each matcher, one by one, and return which did."""
    found = []
    for matcher, token in zip(matchers, tokens, strict=True):
        try:
            matcher.advance(token)
            found.append(True)
        except StructgenError:
            found.append(False)
    return found


def fill_draft(
    matcher: TwinMatcher, tokens: Sequence[int], parents: Sequence[int], mask: TwinMask, rows: Sequence[int]
) -> None:
    """Fill a row for the root and for each node of a draft tree."""
    nodes: list[TwinMatcher | None] = [matcher.fork()]
    for token, parent in zip(tokens, parents, strict=True):
        base = nodes[parent + 1]
        node = None if base is None else base.fork()
        nodes.append(node if node is not None and advance_all([node], [token])[0] else None)
    for row, node in zip(rows, nodes, strict=True):
        if node is None or node.is_finished:
            mask.write(row, set())
        else:
            node.fill_mask(mask, row)

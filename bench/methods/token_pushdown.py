"""The tables of a grammar over bytes and a vocabulary: what a token does to the stack (`context_free_fill`).

`byte_rules` says what a rest is. Between tokens a *state* is a stack of rests within one frame: one rest,
or a *call*: a rest to come back to, and the state in which the frame called begins. A token leads a frame's
state to another one, or *pops* the frame: its last rest is used up, and a remainder of the token is left
for the frame that called. Remainders that act alike on all rests to come back to are one; so are tokens
that act alike on all states.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from methods.byte_rules import Rest, Rules, Stack


@dataclass(frozen=True)
class TokenPushdown:
    """The tables of a grammar and a vocabulary. State 0 is the start, remainder 0 the empty one."""

    rules: Rules
    states: int
    remainders: int
    calls: np.ndarray
    """[calls, 3]: a state that is a call, the state to come back to, the state of the frame called; of stacks
    from the highest to the lowest."""
    edges: np.ndarray
    """[n, 4]: a state, a token class, whether it pops, and the state or remainder after it; a row for each
    derivation."""
    returns: np.ndarray
    """[n, 4]: the same for what a state does with a remainder in place of a class; none for the empty one."""
    token_class: np.ndarray
    """[V]: -1 for tokens that stand in no text."""

    @property
    def classes(self) -> int:
        """How many token classes there are."""
        return int(self.token_class.max()) + 1

    @cached_property
    def plan(self) -> Plan:
        """The same for loops over slots."""
        edges = np.column_stack((self.edges[:, 0], self.states * self.edges[:, 2] + self.edges[:, 3]))
        moves, move = np.unique(edges, axis=0, return_inverse=True)
        backs, back = np.unique(self.calls[:, 1], return_inverse=True)
        begins, begin = np.unique(self.calls[:, 2], return_inverse=True)
        known = self.returns[np.isin(self.returns[:, 0], backs)]
        some = np.column_stack((np.searchsorted(backs, known[:, 0]), known[:, 1]))
        whole = np.column_stack(
            (np.arange(len(backs)), 0 * backs)
        )  # the caller goes on where it comes back to
        ways, way = np.unique(np.concatenate((whole, some)), axis=0, return_inverse=True)
        after = np.concatenate((backs, self.states * known[:, 2] + known[:, 3]))
        chain = np.ones(self.remainders, np.int64)  # how many frames a remainder may pop, and one
        for _ in range(self.remainders):
            for _, kind, pops, then in self.returns.tolist():
                chain[kind] = max(chain[kind], 1 + chain[then] if pops else 1)
        return Plan(
            moves,
            np.column_stack((move.ravel(), self.edges[:, 1])),
            np.column_stack((self.calls[:, 0], back.ravel(), self.calls[:, 2], begin.ravel())),
            ways,
            np.column_stack((way.ravel(), after)),
            np.array((self.states, self.remainders, len(backs), len(begins), 1 + chain.max())),
        )


class Plan(NamedTuple):
    """Tables for loops over slots. A *place* is a state, or a remainder behind which a frame was popped:
    states first, then remainders."""

    moves: np.ndarray
    """[n, 2]: a state, and the place after some token."""
    edges: np.ndarray
    """[n, 2]: a move, and a token class that makes it; a row for each derivation."""
    calls: np.ndarray
    """[n, 4]: a call, the number of where it comes back to, the state of the frame called, and its number."""
    ways: np.ndarray
    """[n, 2]: the number of where a call comes back to, and a remainder."""
    returns: np.ndarray
    """[n, 2]: a way, and the place after it; a row for each derivation."""
    sizes: np.ndarray
    """States, remainders, places to come back to, states in which frames begin, most stages of a slot."""


def token_pushdown(rules: Rules, tokens: Sequence[bytes]) -> TokenPushdown:
    """Return the tables; an empty token (an end, a mask) stands in no text. Cost: a run of each token, and of
    each remainder, from each rest."""
    states: dict[Stack, int] = {(rules.start,): 0}
    texts = dict.fromkeys((b"", *tokens))  # tokens, and remainders behind them
    left = {b""}
    runs: dict[tuple[Rest, bytes], tuple[list[Stack], list[bytes]]] = {}
    known = (0, 0)
    while known != (len(states), len(texts)):
        known = len(states), len(texts)
        for stack in list(states):
            for text in list(texts) if len(stack) == 1 else ():
                if (stack[0], text) not in runs:
                    stacks, pops = runs[stack[0], text] = rules.run(stack[0], text)
                    left.update(pops)
                    for one in (*stacks, *(part for some in stacks for part in parts(some))):
                        states.setdefault(one, len(states))
                    texts.update(dict.fromkeys(pops))
    deep = sorted((one for one in states if len(one) > 1), key=len, reverse=True)
    rests = [one[0] for one in states if len(one) == 1]
    backs = list({one[0]: None for one in deep})

    def acts(text: bytes, rests: list[Rest]) -> tuple[tuple[int, int, int], ...]:
        found = []
        for rest in rests:
            at, (stacks, pops) = states[(rest,)], runs[rest, text]
            found += [(at, 0, states[one]) for one in stacks] + [(at, 1, kinds[one]) for one in pops]
        return tuple(found)

    kinds = {b"": 0}
    numbers: dict[object, int] = {}
    returns: list[tuple[int, int, int, int]] = []
    for text in sorted(left - {b""}, key=len):
        found = acts(text, backs)
        if found not in numbers:
            numbers[found] = len(numbers) + 1
            returns += [(at, numbers[found], is_pop, after) for at, is_pop, after in found]
        kinds[text] = numbers[found]
    numbers = {(): -1}
    edges: list[tuple[int, int, int, int]] = []
    token_class = np.full(len(tokens), -1)
    for token, text in enumerate(tokens):
        found = acts(text, rests) if text else ()
        if found not in numbers:
            numbers[found] = len(numbers) - 1
            edges += [(at, numbers[found], is_pop, after) for at, is_pop, after in found]
        token_class[token] = numbers[found]
    calls = [(states[one], states[one[:1]], states[one[1:]]) for one in deep]
    tables = (np.array(some, np.int64).reshape(-1, n) for some, n in ((calls, 3), (edges, 4), (returns, 4)))
    return TokenPushdown(rules, len(states), max(kinds.values()) + 1, *tables, token_class)


def parts(stack: Stack) -> Iterator[Stack]:
    """Yield the states that a call is about: those to come back to, and those of the frames called."""
    for at in range(len(stack)):
        yield stack[at:]
        yield stack[at : at + 1]

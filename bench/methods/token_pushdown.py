"""A context-free grammar over bytes, read token by token: the tables that `context_free_fill` sums over.

A grammar is plain: each name has alternatives, each a sequence of names and of sets of bytes (b"01" is a
set of two). No alternative is empty, and no name begins with itself.

A configuration is a stack of *rests*: what is left of an alternative. A byte is taken by the top one. Names
and alternatives that cannot come back to themselves but at their ends are regular: they are written into the
rest. Only others are called, and leave a rest behind where there is one. Between tokens a *state* is a
stack of rests within one frame: one rest, or a *call*: a rest to come back to, and the state in which the
frame called begins. A token leads a frame's state to another one, or *pops* the frame: its last rest is
used up, and a remainder of the token is left for the frame that called. Remainders that act alike on all
rests to come back to are one; so are tokens that act alike on all states.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

Rest = tuple["str | frozenset[int]", ...]
Stack = tuple[Rest, ...]
Grammar = dict[str, Sequence[Sequence["str | bytes"]]]


class Rules:
    """The grammar, byte by byte."""

    def __init__(self, grammar: Grammar, start: str) -> None:
        """Raise ValueError for an empty alternative, an unknown name, and a name that begins with itself."""
        self.of: dict[str, list[Rest]] = {
            name: [tuple(one if isinstance(one, str) else frozenset(one) for one in some) for some in each]
            for name, each in grammar.items()
        }
        self.start: Rest = (start,)
        firsts, names, inner = ({name: set[str]() for name in self.of} for _ in range(3))
        for name, rests in self.of.items():
            if not all(rests):
                raise ValueError(f"{name} has an empty alternative.")
            for rest in rests:
                said = [one for one in rest if isinstance(one, str)]
                if unknown := set(said) - set(self.of):
                    raise ValueError(f"{name} names {unknown.pop()}, which has no rule.")
                firsts[name].update(said[:1] if said and rest[0] == said[0] else ())
                names[name].update(said)
                inner[name].update(one for one in rest[:-1] if isinstance(one, str))
        if found := [name for name in self.of if name in _reached(firsts, firsts[name])]:
            raise ValueError(f"{found[0]} begins with itself.")
        nested = {a for a in self.of for b in inner[a] if a in {b, *_reached(names, names[b])}}
        self.flat = {a for a in self.of if not ({a, *_reached(names, names[a])} & nested)}
        self.moves = lru_cache(None)(self._moves)

    def _moves(self, top: Rest, byte: int) -> list[Stack]:
        """Return the stacks that a rest becomes by a byte; the empty one if it is used up."""
        first, rest = top[0], top[1:]
        below: Stack = (rest,) if rest else ()
        if not isinstance(first, str):
            return [below] if byte in first else []
        found = []
        for one in self.of[first]:
            if all(symbol in self.flat or not isinstance(symbol, str) for symbol in one):
                found += self.moves(one + rest, byte)
            else:
                found += [below + deeper for deeper in self.moves(one, byte)]
        return found

    def run(self, rest: Rest, token: bytes) -> tuple[list[Stack], list[bytes]]:
        """Return the stacks that a rest becomes by a token, and the remainders behind which it was used up;
        one for each derivation."""
        stacks: list[Stack] = [(rest,)]
        pops: list[bytes] = []
        for at, byte in enumerate(token):
            new = [stack[:-1] + found for stack in stacks for found in self.moves(stack[-1], byte)]
            stacks = [one for one in new if one]
            pops += [token[at + 1 :]] * (len(new) - len(stacks))
        return stacks, pops


@dataclass(frozen=True)
class TokenPushdown:
    """The tables of a grammar and a vocabulary. State 0 is the start, remainder 0 the empty one."""

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
    tables = (
        np.array(some, np.int64).reshape(len(some), -1)
        for some in (calls or np.empty((0, 3)), edges, returns)
    )
    return TokenPushdown(len(states), max(kinds.values()) + 1, *tables, token_class)


def _reached(edges: dict[str, set[str]], some: set[str]) -> set[str]:
    """Return the names that are reached from some, with those."""
    seen: set[str] = set()
    left = set(some)
    while left:
        seen |= left
        left = {deeper for one in left for deeper in edges[one]} - seen
    return seen


def parts(stack: Stack) -> Iterator[Stack]:
    """Yield the states that a call is about: those to come back to, and those of the frames called."""
    for at in range(len(stack)):
        yield stack[at:]
        yield stack[at : at + 1]

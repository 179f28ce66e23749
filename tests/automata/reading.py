"""Specs in a pool of whole automata, and what texts do in it."""

from __future__ import annotations

import random
from collections.abc import Iterator

from structgen.automata.strings.string_pool import StringPool
from structgen.automata.unicode.decoded_text import columns_of, encode_text
from structgen.base.language.ir import DEAD, Formula, Spec
from structgen.base.limits import Limits


class Walker:
    """One spec in a pool, its own unless one is given; outcomes are numbered as they come, {0} is 0."""

    def __init__(
        self,
        *formulas: Formula,
        pool: StringPool | None = None,
        groups: tuple[frozenset[frozenset[int]], ...] | None = None,
    ) -> None:
        self.pool = pool or StringPool(Limits())
        self.sets: list[frozenset[int]] = [frozenset((0,))]
        self.start = self.pool.start(Spec(formulas, groups), self.number)

    def number(self, demands: frozenset[int]) -> int:
        assert demands
        if demands not in self.sets:
            self.sets.append(demands)
        return self.sets.index(demands)

    def run(self, text: str | bytes, state: int | None = None) -> int:
        state = self.start if state is None else state
        for column in columns_of(encode_text(text) if isinstance(text, str) else text):
            if state == DEAD:
                return DEAD
            state = int(self.pool.trans[state, column])
        return state

    def demands(self, text: str | bytes) -> frozenset[int]:
        state = self.run(text)
        outcome = -1 if state == DEAD else int(self.pool.outcome[state])
        return frozenset() if outcome < 0 else self.sets[outcome]

    def accepts(self, text: str | bytes) -> bool:
        return bool(self.demands(text))

    def texts(self, count: int, seed: int, most: int = 40) -> Iterator[bytes]:
        """Yield accepted texts: random ways, completed after some bytes."""
        chance = random.Random(seed)
        for _ in range(count):
            state, text = self.start, b""
            for _ in range(chance.randrange(most)):
                ways = self.pool.going_on(state)
                if not ways:
                    break
                byte, state = chance.choice(ways)
                text += bytes((byte,))
            yield text + min(self.pool.shortest_rests(state).values())

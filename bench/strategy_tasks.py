"""PG-TD's claim on tasks that can be enumerated: does planning find a program that passes all examples more
often than the best of as many draws as the same rows buy?

A program is a sum of products of x, y and 1 with up to three operators; a task is four examples of a random
program. The model is a fixed random law of the last three tokens, another one for each task: no training
helps either side.
"""

from __future__ import annotations

import random

import torch
from ngram_model import TokenCache
from torch import Tensor

import structgen as sg
from structgen.engine import Engine, Request, Sampling

PARTS = (b"x", b"y", b"1", b"+", b"-", b"*", b"<end>")
TOKENS = sg.Tokenizer.from_bytes(PARTS, eos_token_id=6)
PROGRAM = sg.regex("[xy1]([-+*][xy1]){0,3}")
PLACES = ((2, 5), (7, 3), (1, 4), (6, 6))


class RandomLaw:
    """A model whose logits are a random function of the last three tokens; a cache is the tokens."""

    vocab_size, context = 7, 1000

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def _logits(self, tokens: list[int]) -> Tensor:
        key = self._seed
        for token in tokens[-3:]:
            key = (key * 31 + token + 1) % (1 << 31)
        return torch.randn(7, generator=torch.Generator().manual_seed(key))

    def prefill(self, tokens: list[int]) -> tuple[Tensor, TokenCache]:
        return self._logits(list(tokens)), TokenCache(list(tokens))

    def decode(self, tokens: list[int], caches: list[TokenCache]) -> Tensor:
        for token, cache in zip(tokens, caches, strict=True):
            cache.tokens.append(token)
        return torch.stack([self._logits(cache.tokens) for cache in caches])


class Passes:
    """The share of the examples of a program that another one passes."""

    def __init__(self, program: str) -> None:
        self._wanted = self._values(program)

    @staticmethod
    def _values(program: str) -> list[int]:
        # programs of the grammar above hold x, y, 1 and operators alone
        return [eval(program, {"__builtins__": {}}, {"x": x, "y": y}) for x, y in PLACES]

    def __call__(self, program: str) -> float:
        return sum(map(int.__eq__, self._values(program), self._wanted)) / len(self._wanted)


def planned_and_drawn(tasks: int, rollouts: int) -> tuple[int, int, float, float]:
    """Return how many tasks a plan solves and how many the best of draws with as many rows, the mean number
    of rows, and the mean number of draws."""
    numbers, planned, drawn, rows, draws = random.Random(7), 0, 0, 0, 0
    for number in range(tasks):
        atoms = [numbers.choice("xy1") for _ in range(numbers.randint(1, 4))]
        passes = Passes("".join(atoms[:1] + [numbers.choice("+-*") + atom for atom in atoms[1:]]))
        engine = Engine(RandomLaw(number), TOKENS)
        strategy = sg.strategies.PlanningSearch(reward=passes, k=6, rollouts=rollouts)
        (one,) = engine.generate(Request([0], PROGRAM, max_tokens=8, strategy=strategy))
        planned += passes(one.text) == 1.0
        left, is_solved, seed = one.usage.strategy_rows, False, 0
        rows += left
        while left > 0:
            how = Sampling(seed=seed)
            for text in engine.generate(Request([0], PROGRAM, how, max_tokens=8, n=16, speculation="off")):
                left -= text.usage.calls
                if left >= 0:
                    draws += 1
                    is_solved = is_solved or passes(text.text) == 1.0
            seed += 1
        drawn += is_solved
    return planned, drawn, rows / tasks, draws / tasks

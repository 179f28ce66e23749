"""Random laws of a few thousand texts, by seed, with answers that enumeration gives: for tests and for the
bench of intervals (bench/bench_intervals.py).

A law has 2 to 30 letters, 5 to 4,000 texts, a model as a table of probabilities, and in half of the laws a
checker that accepts 1 to 90 % of the mass. Either the texts have masses by Zipf's law, with an exponent from
0 to 2.5, or the letters after each prefix have. At each prefix the model also loses mass to letters that no
text has there, so that Z is the smaller, and masking is another law.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np

import structgen as sg

LETTERS: Final = "abcdefghijklmnopqrstuvwxyzABCD"
NEVER: Final = b"~"
"""A token that no text has."""


class Accepted:
    """A checker: some texts, or all texts with some beginnings."""

    def __init__(self, accepted: frozenset[str], length: int, seed: int) -> None:
        self._accepted, self._length, self.fingerprint = accepted, length, f"accepted {length} of {seed}"

    def copy(self) -> Accepted:
        return self

    def viable(self, prefix: bytes) -> bool:
        """A prefix of the length of the beginnings tells; whole texts (length 0) tell at their end."""
        return (
            not self._length
            or len(prefix) < self._length
            or prefix[: self._length].decode() in self._accepted
        )

    def final(self, text: str) -> bool:
        return (text[: self._length] if self._length else text) in self._accepted


class Law:
    """A model, a grammar, perhaps a checker, and the true figures."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        chance = self._chance = np.random.default_rng([seed, 2026])
        self.alphabet = LETTERS[: round(math.exp(chance.uniform(math.log(2), math.log(30))))]
        count = round(math.exp(chance.uniform(math.log(5), math.log(4000))))
        self.exponent = float(chance.uniform(0, 2.5))
        texts = self._texts(count)
        self.max_tokens = max(map(len, texts))
        self.tokens = [*(letter.encode() for letter in self.alphabet), NEVER, None]
        self.tokenizer = sg.Tokenizer.from_bytes(self.tokens, eos_token_id=[len(self.tokens) - 1])
        self.rows = self._rows(texts)
        self.compiled = sg.compile(sg.choice(texts), self.tokenizer)
        self.checker = self._checker({text: self._mass(text) for text in texts})
        masses = {
            text: self._mass(text) for text in texts if self.checker is None or self.checker.final(text)
        }
        self.z = sum(masses.values())
        self.masses = {text: mass / self.z for text, mass in masses.items()}
        self.functions = self._functions()

    def _texts(self, count: int) -> list[str]:
        """Return different random texts, of lengths that have room for twice as many."""
        many, longest = len(self.alphabet), 1
        while sum(many**length for length in range(1, longest + 1)) < 2 * count:
            longest += 1
        longest += int(self._chance.integers(0, 3))
        found: dict[str, None] = {}
        while len(found) < count:
            length = self._chance.integers(1, longest + 1) if self._chance.random() < 0.5 else longest
            found["".join(self._chance.choice(list(self.alphabet), length))] = None
        return list(found)

    def _zipf(self, count: int) -> np.ndarray:
        return self._chance.permutation(np.arange(1, count + 1) ** -self.exponent)

    def _rows(self, texts: list[str]) -> dict[str, np.ndarray]:
        """Return the model's probabilities after each prefix."""
        following: dict[str, dict[str, float]] = {}  # the end is ""
        for text, mass in zip(texts, self._zipf(len(texts)), strict=True):
            for at, letter in enumerate((*text, "")):
                after = following.setdefault(text[:at], {})
                after[letter] = after.get(letter, 0.0) + mass
        by_letters = self._chance.random() < 0.5
        lost = 0.0 if self._chance.random() < 0.2 else math.exp(self._chance.uniform(-4.6, -0.5))
        is_uneven = self._chance.random() < 0.4
        rows = {}
        for prefix, masses in following.items():
            row = np.zeros(len(self.tokens))
            places = [self.alphabet.index(one) if one else len(row) - 1 for one in masses]
            row[places] = self._zipf(len(masses)) if by_letters else list(masses.values())
            forbidden = np.setdiff1d(np.arange(len(row)), places)
            spread = self._chance.beta(0.2, 0.2) if is_uneven else self._chance.random()
            share = min(lost * 2 * spread, 0.98)
            row *= (1 - share) / row.sum()
            row[forbidden] = share * self._chance.dirichlet(np.ones(len(forbidden)))
            rows[prefix] = row / row.sum()
        return rows

    def _mass(self, text: str) -> float:
        found = float(self.rows[text][-1])
        for at, letter in enumerate(text):
            found *= float(self.rows[text[:at]][self.alphabet.index(letter)])
        return found

    def _checker(self, masses: dict[str, float]) -> Accepted | None:
        """Return a checker that accepts 1 to 90 % of the mass of the texts; None for half of the laws."""
        if self._chance.random() < 0.5:
            return None
        length = int(self._chance.integers(0, 3))
        parts: dict[str, float] = {}
        for text, mass in masses.items():
            part = text[:length] if length else text
            parts[part] = parts.get(part, 0.0) + mass
        whole = sum(parts.values())
        for _ in range(50):
            wanted = self._chance.uniform(0.01, 0.9)
            names = self._chance.permutation(list(parts))
            sums = np.cumsum([parts[name] for name in names]) / whole
            last = int(np.searchsorted(sums, wanted))
            if 0.01 <= sums[last] <= 0.9:
                return Accepted(frozenset(map(str, names[: last + 1])), length, self.seed)
        return None

    def _functions(self) -> dict[str, tuple[Callable[[str], Any], float]]:
        """Return functions of a text, each with its mean."""
        letter = str(self._chance.choice(list(self.alphabet)))
        likeliest = max(self.masses, key=lambda text: self.masses[text])
        first = likeliest[:1] if self._chance.random() < 0.5 else next(iter(self.masses))[:1]
        functions: dict[str, Callable[[str], Any]] = {
            "letter": lambda text: letter in text,
            "length": len,
            "field": lambda text: text[:1] == first,
            "likeliest": lambda text: text == likeliest,
        }
        return {
            name: (function, sum(mass * function(text) for text, mass in self.masses.items()))
            for name, function in functions.items()
        }

    def next_logprobs(self, ids: list[int]) -> np.ndarray:
        with np.errstate(divide="ignore"):
            return np.log(self.rows["".join(self.alphabet[one] for one in ids)])

    def sample(self, method: str, n: int, run: int = 0) -> sg.Samples[str]:
        """Return the draws of a run. Runs of different laws have different random numbers: else their errors
        would be alike."""
        return sg.sample(
            self.next_logprobs,
            [],
            self.compiled,
            n,
            method=method,
            seed=1000 * self.seed + run,
            max_tokens=self.max_tokens,
            checkers=[] if self.checker is None else [self.checker],
            tokenizer=self.tokenizer,
            name=f"law {self.seed}",
        )


def laws(seeds: range) -> Iterator[Law]:
    """Yield laws that have a few texts at least, and mass enough for draws."""
    found = (law for law in map(Law, itertools.count(seeds.start)) if law.z > 1e-4)
    return itertools.islice(found, len(seeds))

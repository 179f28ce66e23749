"""ASAp's own tasks: bit-vector functions and loop invariants as SyGuS writes them, with our own grammars.

The grammars are the files of bench/sygus. The model of a task is a bigram over the grammar's pieces, counted
on walks that only look like its texts: by weights from a seed, and now and then with a piece that may not
stand there; so operators get too few or too many operands, and parentheses do not close. The target's law is
found by writing every text of at most `max_tokens` pieces (some thousands).

What is measured is the divergence KL(found || target) of the weighted draws, after as many model rows as ASAp
has read for 10, 30, 100, ... draws. The divergence of an empirical law is above 0 even for exact draws: the
floor is that of as many exact draws as ASAp's.
"""

from __future__ import annotations

import argparse
import math
import random
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

import structgen as sg
from structgen.tokens.token_mask import TokenMask

FOLDER: Final = Path(__file__).parent / "sygus"
DRAWS: Final = (10, 30, 100, 300, 1_000, 3_000)
METHODS: Final = ("asap", "masked", "cars", "importance", "auto")
WIDE: Final = 0.06
"""How often the model's walk takes a piece that may not stand there."""
COLUMNS: Final = (
    "task",
    "method",
    "asap_draws",
    "model_rows",
    "seeds",
    "kl",
    "kl_se",
    "floor_kl",
    "draws",
    "texts",
    "z",
)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Sygus:
    """A grammar of SyGuS and a bigram model over its pieces."""

    name: str
    seed: int
    max_tokens: int

    @cached_property
    def source(self) -> str:
        return (FOLDER / f"{self.name}.lark").read_text(encoding="utf-8")

    @cached_property
    def pieces(self) -> tuple[str, ...]:
        """The strings of the grammar: each is a token."""
        rules = "\n".join(line for line in self.source.splitlines() if not line.startswith("//"))
        return tuple(dict.fromkeys(re.findall(r'"([^"]+)"', rules)))

    @cached_property
    def tokens(self) -> tuple[bytes | None, ...]:
        single = [bytes((byte,)) for byte in range(256)]
        return (*single, *(piece.encode() for piece in self.pieces if len(piece) > 1), None)

    @cached_property
    def alive(self) -> npt.NDArray[np.int64]:
        """The tokens that the model writes, the end token last."""
        found = [self.tokens.index(piece.encode()) for piece in self.pieces]
        return np.array([*found, len(self.tokens) - 1])

    @cached_property
    def tokenizer(self) -> sg.Tokenizer:
        return sg.Tokenizer.from_bytes(self.tokens, eos_token_id=len(self.tokens) - 1)

    @cached_property
    def compiled(self) -> sg.CompiledGrammar:
        return sg.compile(sg.lark(self.source), self.tokenizer)

    @cached_property
    def _allowed(self) -> dict[int, list[int]]:
        return {}

    def allowed(self, state: int) -> list[int]:
        """Return the tokens of the model that the grammar allows in a state."""
        if state in self._allowed:
            return [*self._allowed[state]]
        mask = TokenMask(np.zeros((1, self.compiled.row_words()), np.int32), self.compiled.vocab_size)
        self.compiled.fill_index(state, mask, 0)
        found = sorted(set(mask.allowed(0).tolist()) & set(self.alive[:-1].tolist()))
        self._allowed[state] = found
        return [*found]

    @cached_property
    def rows(self) -> dict[int, Floats]:
        """The model's rows by the last token (-1: none), as log-probabilities."""
        draws = random.Random(self.seed)
        weights = {
            (before, after): math.exp(1.2 * draws.gauss(0.0, 1.0))
            for before in (-1, *self.alive.tolist())
            for after in self.alive.tolist()
        }
        counts: dict[int, Counter[int]] = defaultdict(Counter)
        end = int(self.alive[-1])
        for _ in range(500):
            state, last = self.compiled.start.index, -1
            for _ in range(self.max_tokens + 4):
                choices = self.allowed(state) if state >= 0 else []
                if state >= 0 and self.compiled.may_end(state):
                    choices.append(end)
                if not choices or (last >= 0 and draws.random() < WIDE):
                    choices = self.alive.tolist()
                token = draws.choices(choices, [weights[last, one] for one in choices])[0]
                counts[last][token] += 1
                if token == end:
                    break
                state = self.compiled.next_index(state, token) if state >= 0 else -1
                last = token
        found = {}
        for before in (-1, *self.alive.tolist()):
            row = np.full(len(self.tokens), 0.0)
            row[self.alive] = 0.1
            for token, count in counts[before].items():
                row[token] += count
            with np.errstate(divide="ignore"):
                found[before] = np.log(row / row.sum())
        return found

    def next_logprobs(self, ids: list[int]) -> Floats:
        return self.rows[ids[-1] if ids else -1]

    @cached_property
    def law(self) -> dict[tuple[int, ...], float]:
        """P(tokens, end) of every text of the grammar: their sum is Z."""
        found: dict[tuple[int, ...], float] = {}
        waiting: list[tuple[tuple[int, ...], int, float, int]] = [((), self.compiled.start.index, 1.0, 0)]
        deeper = {int(one): _net(self.tokens[one] or b"") for one in self.alive}
        closing = max(1, -min(deeper.values()))
        moves: dict[int, list[tuple[int, int]]] = {}
        while waiting:
            tokens, state, probability, depth = waiting.pop()
            # Each parenthesis that is open takes a token yet: what cannot end in time is not followed.
            if depth > closing * (self.max_tokens - len(tokens)):
                continue
            row = np.exp(self.next_logprobs(list(tokens)))
            if self.compiled.may_end(state):
                found[tokens] = probability * float(row[self.alive[-1]])
            if len(tokens) == self.max_tokens:
                continue
            if state not in moves:
                moves[state] = [(one, self.compiled.next_index(state, one)) for one in self.allowed(state)]
            for token, after in moves[state]:
                more = probability * float(row[token])
                waiting.append(((*tokens, token), after, more, depth + deeper[token]))
        return found

    @cached_property
    def z(self) -> float:
        return math.fsum(self.law.values())

    def divergence(self, tokens: Sequence[tuple[int, ...]], weights: Floats) -> float:
        """Return KL(weighted draws || target), in nats."""
        mass: dict[tuple[int, ...], float] = defaultdict(float)
        for one, weight in zip(tokens, weights / weights.sum(), strict=True):
            mass[one] += float(weight)
        return math.fsum(p * math.log(p * self.z / self.law[one]) for one, p in mass.items() if p > 0)

    def exact(self, count: int, seed: int) -> list[tuple[int, ...]]:
        """Return independent draws from the target."""
        texts, masses = list(self.law), list(self.law.values())
        return random.Random(seed).choices(texts, masses, k=count)


def _net(piece: bytes) -> int:
    """Return how many more parentheses a piece opens than it closes."""
    return piece.count(b"(") - piece.count(b")")


def tasks() -> dict[str, Sygus]:
    found = (
        Sygus("bv-bits", 1, 11),
        Sygus("bv-inverse", 2, 11),
        Sygus("inv-counter", 3, 13),
        Sygus("inv-phases", 4, 13),
    )
    return {task.name: task for task in found}


def measured(task: Sygus, seeds: int, most: int) -> list[dict[str, Any]]:
    """Return a row of COLUMNS for each method and number of ASAp's draws, at most `most`."""
    cells: dict[tuple[str, int], list[tuple[float, int, int]]] = defaultdict(list)
    floors: dict[int, list[float]] = defaultdict(list)
    for seed in range(seeds):
        for draws in (count for count in DRAWS if count <= most):
            asap = _drawn(task, "asap", draws, seed, None)
            rows = asap.statistics.model_rows
            floors[draws].append(task.divergence(task.exact(len(asap), seed), np.ones(len(asap))))
            for method in METHODS:
                found = asap if method == "asap" else _drawn(task, method, 10**6, seed, rows)
                if len(found):
                    kl = task.divergence(found.token_ids, found.weights)
                    cells[method, draws].append((kl, found.statistics.model_rows, len(found)))
    lines = []
    for (method, draws), runs in cells.items():
        kl = np.array([run[0] for run in runs])
        lines.append(
            {
                "task": task.name,
                "method": method,
                "asap_draws": draws,
                "model_rows": float(np.mean([run[1] for run in runs])),
                "seeds": len(runs),
                "kl": float(kl.mean()),
                "kl_se": float(kl.std(ddof=1)) / math.sqrt(len(kl)) if len(kl) > 1 else math.nan,
                "floor_kl": float(np.mean(floors[draws])),
                "draws": float(np.mean([run[2] for run in runs])),
                "texts": len(task.law),
                "z": task.z,
            }
        )
    return lines


def _drawn(task: Sygus, method: str, n: int, seed: int, budget: int | None) -> sg.Samples[Any]:
    return sg.sample(
        task.next_logprobs,
        [],
        task.compiled,
        n,
        method=method,
        budget=budget,
        seed=seed,
        max_tokens=task.max_tokens,
        tokenizer=task.tokenizer,
        name=task.name,
    )


def run(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Return the rows of all tasks, telling on stderr which one is under way."""
    found = []
    for name, task in tasks().items():
        print(f"{name}: {len(task.law):,} texts, Z = {task.z:.3g}", file=sys.stderr)
        found += measured(task, options.seeds, options.draws)
    return found

"""Error against wall time on the model of the package, `structgen/extract`.

The target is the model's law of the answers to a question with an enum and two whole numbers, at a
temperature at which it is not sure. No formula gives that law, but the answers that matter are few: the
reference is found by writing prefixes in the order of their probability, with the model's own rows, until
what is left can change no marginal by more than `left` over Z, which is written beside the figures."""

from __future__ import annotations

import argparse
import heapq
import json
import math
import sys
import time
from collections import defaultdict
from functools import cached_property
from typing import Any, Final

import numpy as np
import sampler_tasks

import structgen as sg
from structgen.engine.searches.prefix_rows import ModelRows
from structgen.json_grammars.prompting import extraction_prompt
from structgen.tokens.token_mask import TokenMask

SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "state": {"enum": ["new", "used", "broken", "lost"]},
        "quantity": {"type": "integer", "minimum": 0, "maximum": 99},
        "broken": {"type": "integer", "minimum": 0, "maximum": 9},
    },
    "required": ["state", "quantity", "broken"],
    "additionalProperties": False,
}
TEXT: Final = "Of the lamps in the old shop Miravel took a few, and some of them did not work."
TEMPERATURE: Final = 1.5
MAX_TOKENS: Final = 32
SECONDS: Final = (0.5, 1.0, 2.0, 5.0)
ROWS: Final = 20_000
"""Model rows that the reference may take."""
COLUMNS: Final = (
    "method",
    "seconds",
    "seeds",
    "error",
    "error_se",
    "model_rows",
    "draws",
    "reference_z",
    "reference_left",
)


class Question:
    """The model, the prompt and the grammar, and the reference law of the fields."""

    def __init__(self) -> None:
        self.engine = sg.Engine("structgen/extract")
        self.grammar = sg.json_schema(SCHEMA, **sg.JSON_DUMPS | {"escapes": "utf8"})
        self.prompt = extraction_prompt(SCHEMA, TEXT)

    @cached_property
    def reference(self) -> tuple[dict[str, dict[str, float]], float, float]:
        """Return the marginals, the mass of valid texts found, and the mass of prefixes not followed."""
        compiled = self.engine.compiled(self.grammar)
        ids = self.engine.tokenizer.encode(self.prompt.encode())
        rows = ModelRows(self.engine.model, ids, "reference")
        mask = TokenMask(np.zeros((1, compiled.row_words()), np.int32), compiled.vocab_size)
        ends = sorted(compiled.end_tokens)
        marginals: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
        waiting: list[tuple[float, tuple[int, ...], int]] = [(-1.0, (), compiled.start.index)]
        z, left = 0.0, 0.0
        while waiting and rows.count < ROWS:
            if rows.count % 50 == 0 and z and -math.fsum(one[0] for one in waiting) < 1e-4 * z:
                break
            probability, tokens, state = heapq.heappop(waiting)
            (logits,) = rows.read([tokens])
            row = np.exp((logits - logits.max()) / TEMPERATURE)
            row /= row.sum()
            if compiled.may_end(state):
                mass = -probability * float(row[ends].sum())
                z += mass
                text = b"".join(compiled.tokenizer.token_bytes[token] or b"" for token in tokens)
                for name, value in fields(text.decode()).items():
                    marginals[name][value] += mass
            if len(tokens) == MAX_TOKENS:
                continue
            compiled.fill_index(state, mask, 0)
            for token in mask.allowed(0).tolist():
                if token not in ends:
                    more = probability * float(row[token])
                    if -more > 1e-9:
                        after = compiled.next_index(state, token)
                        heapq.heappush(waiting, (more, (*tokens, token), after))
                    else:
                        left -= more
        left -= math.fsum(one[0] for one in waiting)
        found = {name: {one: p / z for one, p in values.items()} for name, values in marginals.items()}
        return found, z, left


def fields(text: str) -> dict[str, str]:
    return {name: str(value) for name, value in json.loads(text).items()}


def run(options: argparse.Namespace, methods: list[str]) -> list[dict[str, Any]]:
    """Return a row of COLUMNS for each method and time."""
    question = Question()
    began = time.monotonic()
    marginals, z, left = question.reference
    print(
        f"reference: Z = {z:.4g}, not followed {left:.2g}, {time.monotonic() - began:.0f} s", file=sys.stderr
    )
    found = []
    for method in methods:
        _drawn(question, method, 64, 10_000, 20.0)  # so that compilation is no part of the first figure
        for seconds in SECONDS:
            errors, rows, draws = [], [], []
            for seed in range(options.seeds):
                # Particles are made in clouds of 16, all of them before the first step.
                many = 3_200 if method in ("smc", "awrs") else 10**6
                drawn = _drawn(question, method, many, seed, seconds)
                said: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
                for text, weight in zip(drawn.texts, drawn.weights, strict=True):
                    for name, value in fields(text).items():
                        said[name][value] += float(weight)
                errors.append(sampler_tasks.field_error(marginals, said))
                rows.append(drawn.statistics.model_rows)
                draws.append(len(drawn))
            error = np.array(errors)
            found.append(
                {
                    "method": method,
                    "seconds": seconds,
                    "seeds": options.seeds,
                    "error": float(error.mean()),
                    "error_se": float(error.std(ddof=1)) / math.sqrt(len(error))
                    if len(error) > 1
                    else math.nan,
                    "model_rows": float(np.mean(rows)),
                    "draws": float(np.mean(draws)),
                    "reference_z": z,
                    "reference_left": left,
                }
            )
            print(f"{method} {seconds} s: {found[-1]['error']:.4f}", file=sys.stderr)
    return found


def _drawn(question: Question, method: str, n: int, seed: int, seconds: float) -> sg.Samples[Any]:
    return sg.sample(
        question.engine,
        question.prompt,
        question.grammar,
        n,
        method=method,
        seconds=seconds,
        seed=seed,
        temperature=TEMPERATURE,
        max_tokens=MAX_TOKENS,
    )

"""Requests of every kind that an engine knows, and a choice of tokens that knows nothing of devices."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from small_models import TreeFunction, tokenizer
from structgen_kernels import masked_sample

import structgen as sg
from structgen.engine.choice import Chosen, Row
from structgen.engine.noise import signed
from structgen.speculation.options import Speculation

TOKENIZER = tokenizer()
PERSON = sg.json_schema(
    {
        "type": "object",
        "properties": {
            "name": {"type": "string", "maxLength": 8},
            "age": {"type": "integer", "minimum": 0, "maximum": 120},
            "tags": {"type": "array", "items": {"enum": ["red", "green", "blue"]}, "maxItems": 3},
        },
        "required": ["name", "age"],
        "additionalProperties": False,
    },
    whitespace="oneline",
)
NUMBERS = sg.json_schema({"type": "array", "items": {"type": "integer"}, "minItems": 3}, whitespace="compact")
DATES = sg.regex(r"(on \d{4}-\d\d-\d\d; ){1,3}")
SUMS = sg.lark('start: NUMBER (("+"|"-") NUMBER)*\nNUMBER: /[0-9]{1,3}/')
_SAMPLINGS: tuple[dict[str, Any], ...] = (
    {"temperature": 0.0},
    {"temperature": 1.0},
    {"temperature": 0.7, "top_k": 20},
    {"temperature": 1.4, "top_p": 0.9},
    {"temperature": 1.0, "min_p": 0.05},
    {"temperature": 0.9, "repetition_penalty": 1.3, "frequency_penalty": 0.2},
)


class Wide(TreeFunction):
    """A function of the text whose logits are wider than the vocabulary, by columns of no token."""

    def __init__(self, more: int = 37) -> None:
        super().__init__(TOKENIZER.vocab_size + more)

    @staticmethod
    @functools.cache
    def _of(size: int, end: tuple[int, ...]) -> Any:
        return 3 * torch.randn(size, generator=torch.Generator().manual_seed(hash(end) & 0xFFFFFFFF))

    def logits(self, tokens: Sequence[int]) -> Any:
        return self._of(self.vocab_size, tuple(tokens[-3:]))


def requests(count: int = 24) -> list[sg.Request]:
    """Return requests: free texts and four kinds of grammars, six kinds of sampling, thoughts, drafts, stop
    strings, log-probabilities, and budgets that documents are steered into."""
    found = []
    for i in range(count):
        grammar = (None, PERSON, NUMBERS, DATES, SUMS)[i % 5]
        found.append(
            sg.Request(
                f"text {i}",
                grammar,
                sg.Sampling(seed=i, **_SAMPLINGS[i % 6]),
                max_tokens=(25, 30, 16)[i % 3] if grammar is not PERSON else 26,
                thinking=sg.Thinking(until="}", max_tokens=5) if i % 7 == 3 else None,
                stop=("e",) if i % 5 == 0 and i % 2 else (),
                logprobs=3 if i % 8 == 1 else 0,
                speculation=Speculation(("suffix",)) if i % 4 == 2 else "off",
            )
        )
    return found


def choose_along(
    logits: torch.Tensor,
    mask: Any,
    rows: Sequence[Row],
    places: Sequence[int],
    lines: Sequence[int],
    guesses: Sequence[Any],
) -> Chosen:
    """Return what `structgen.engine.choice.choose_along` does, row by row: each with a whole mask from main
    memory, penalties in numpy, and the draw by the definition in `structgen_kernels.reference`."""
    found = Chosen([], [], [], [], [], [], [], list(places), list(range(1, len(rows) + 1)))
    for row, place, line in zip(rows, places, lines, strict=True):
        raw = logits[place].float()
        width = raw.shape[0]
        bits = np.ones(width, bool)
        if mask is not None:
            bits = np.unpackbits(mask[line].view(np.uint8), bitorder="little", count=width).astype(bool)
            bits = np.pad(bits, (0, width - len(bits)))
        temperature, top_p, min_p, top_k = row.options
        drawn = masked_sample(
            _penalised(raw, row).masked_fill(~torch.from_numpy(bits), -torch.inf)[None],
            temperature=temperature,
            top_p=top_p,
            min_p=min_p,
            top_k=int(top_k),
            seed=signed(row.stream),
            position=row.position,
        )
        token = int(drawn.tokens[0])
        shares = torch.softmax(raw.double(), -1)
        some = float(shares[torch.from_numpy(bits)].sum())
        found.tokens.append(token)
        found.logprob.append(float(shares[token].log()))
        found.constrained.append(float(shares[token].log()) - float(np.log(some)))
        found.removed.append(1 - some)
        found.allowed.append(int(bits.sum()))
        found.wanted.append(int(raw.argmax()))
        found.faulty.append(0)
    return found


def choose(logits: torch.Tensor, mask: Any, rows: Sequence[Row]) -> Chosen:
    """Return what `structgen.engine.choice.choose` does, in the same way."""
    every = range(len(rows))
    return choose_along(logits, mask, rows, every, every, [None] * len(rows))


def _penalised(raw: torch.Tensor, row: Row) -> torch.Tensor:
    how, logits = row.sampling, raw.double().numpy().copy()
    for token in {*row.prompt, *row.text}:
        if how.repetition_penalty != 1.0:
            old = logits[token]
            logits[token] = old / how.repetition_penalty if old > 0 else old * how.repetition_penalty
    for token in set(row.text):
        logits[token] -= how.presence_penalty + how.frequency_penalty * list(row.text).count(token)
    return torch.from_numpy(logits)

"""Batches of token ids, drawn without end from a seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from data.sentences import TRAINING, Example, Examples, written
from tokenizers import Tokenizer
from torch import Tensor

from structgen.prompting import extraction_prompt

TOKENIZER = Path(__file__).parent / "tokenizer" / "tokenizer.json"
LONGEST = 320
"""Tokens of prompt and document together; longer examples are passed over."""
SHORT = 100
"""The same, while a network still learns to copy at all: that it learns sooner from short examples."""
_CHUNK = 2048


@dataclass
class Batch:
    """Rows of ids padded to one length; `answer` marks what is to be predicted, `real` what is no padding."""

    ids: Tensor
    answer: Tensor
    real: Tensor

    @property
    def tokens(self) -> int:
        """Tokens, padding included."""
        return self.ids.numel()


class Encoder:
    """Turns examples into ids."""

    def __init__(self) -> None:
        self.tokenizer = Tokenizer.from_file(str(TOKENIZER))
        self.special = {
            token: self.tokenizer.token_to_id(token) for token in ("<|pad|>", "<|end|>", "<|mask|>")
        }

    def prompt(self, example: Example) -> list[int]:
        """Return the ids of the prompt."""
        ids: list[int] = self.tokenizer.encode(extraction_prompt(example.schema, example.text)).ids
        return ids

    def pair(self, example: Example) -> tuple[list[int], list[int]]:
        """Return the ids of the prompt, and those of the document with the end token."""
        answer = self.tokenizer.encode(written(example.answer)).ids
        return self.prompt(example), [*answer, self.special["<|end|>"]]


def batches(
    encoder: Encoder, seed: int, tokens: int, longest: Callable[[], int], *, canvas: bool = False
) -> Iterator[Batch]:
    """Yield batches of at most so many tokens, of examples no longer than `longest()`, like lengths together.

    With `canvas` the document is followed by a random number of padding tokens that are to be predicted too:
    what a model that fills masks has to do where the length is not known.
    """
    source, chance = Examples(seed, shares=TRAINING), random.Random(seed)
    pad = encoder.special["<|pad|>"]
    while True:
        rows: list[tuple[list[int], list[int]]] = []
        most = longest()
        while len(rows) < _CHUNK:
            prompt, answer = encoder.pair(source.draw())
            if canvas and chance.random() < 0.7:
                answer = answer + [pad] * chance.randint(1, 40)
            if len(prompt) + len(answer) <= most:
                rows.append((prompt, answer))
        rows.sort(key=lambda row: len(row[0]) + len(row[1]))
        groups: list[list[tuple[list[int], list[int]]]] = [[]]
        for row in rows:
            if (len(groups[-1]) + 1) * (len(row[0]) + len(row[1])) > tokens:
                groups.append([])
            groups[-1].append(row)
        chance.shuffle(groups)
        for group in groups:
            yield padded(group, pad)


def padded(rows: list[tuple[list[int], list[int]]], pad: int) -> Batch:
    """Return (prompt, answer) rows as one batch, padded on the right."""
    length = max(len(prompt) + len(answer) for prompt, answer in rows)
    # Few different lengths: for each, matrix products are compiled anew.
    length = -(-length // 16) * 16 + 1
    ids = torch.full((len(rows), length), pad)
    answers = torch.zeros(len(rows), length, dtype=torch.bool)
    real = torch.zeros(len(rows), length, dtype=torch.bool)
    for at, (prompt, answer) in enumerate(rows):
        end = len(prompt) + len(answer)
        ids[at, :end] = torch.tensor(prompt + answer)
        answers[at, len(prompt) : end] = True
        real[at, :end] = True
    return Batch(ids, answers, real)

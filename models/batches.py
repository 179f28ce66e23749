"""Batches of token ids, drawn without end from a seed."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

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
TEMPLATES = 0.3
"""Share of the canvases in which the keys and brackets of the document are given and only values are not."""
_CHUNK = 2048
_Row: TypeAlias = tuple[list[int], list[int], list[bool]]
"""The ids of a prompt, those of a canvas, and which places of the canvas are to be predicted."""


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

    def canvas(self, example: Example, chance: random.Random) -> _Row:
        """Return a row for a model that fills masks, which has to fill what it does not need with padding.

        Either the whole document is unknown, and a random number of padding tokens follows its end; or its
        values are, in holes that are often longer than they: the end token and padding stand behind each
        short value, as behind a document.
        """
        pad, end = self.special["<|pad|>"], self.special["<|end|>"]
        if chance.random() >= TEMPLATES:
            prompt, answer = self.pair(example)
            draw = chance.random()
            blank = chance.randint(1, 48) if draw < 0.6 else chance.randint(48, 112) if draw < 0.66 else 0
            answer += [pad] * blank
            return prompt, answer, [True] * len(answer)
        ids: list[int] = []
        holes: list[bool] = []
        exact, known = chance.random() < 0.3, chance.choice((0.0, 0.0, 0.3))
        for text, is_value in pieces(example.answer, quotes_too=chance.random() < 0.5):
            found = self.tokenizer.encode(text).ids
            hole = is_value and chance.random() >= known
            if hole and not exact:
                empty = chance.choice((0, 1, 2, 3, chance.randint(0, 12)))
                found = found + ([end] + [pad] * empty)[:empty]
            ids += found
            holes += [hole] * len(found)
        if chance.random() < 0.9:
            ids.append(end)
            holes.append(False)
        return self.prompt(example), ids, holes


def pieces(value: Any, *, quotes_too: bool) -> list[tuple[str, bool]]:
    """Return the text of a document in pieces, and of each piece whether it is a value or what is around it.

    The quotes of a string belong to the value with `quotes_too`, else to what is around it.
    """
    found: list[tuple[str, bool]] = []

    def add(text: str, is_value: bool) -> None:
        if found and not is_value and not found[-1][1]:
            found[-1] = (found[-1][0] + text, False)
        elif text:
            found.append((text, is_value))

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            for at, (key, inner) in enumerate(value.items()):
                add(f"{', ' if at else '{'}{json.dumps(key, ensure_ascii=False)}: ", False)
                walk(inner)
            add("}" if value else "{}", False)
        elif isinstance(value, list):
            for at, inner in enumerate(value):
                add(", " if at else "[", False)
                walk(inner)
            add("]" if value else "[]", False)
        elif isinstance(value, str) and not quotes_too:
            add('"', False)
            add(json.dumps(value, ensure_ascii=False)[1:-1], True)
            add('"', False)
        else:
            add(json.dumps(value, ensure_ascii=False), True)

    walk(value)
    return found


def batches(
    encoder: Encoder, seed: int, tokens: int, longest: Callable[[], int], *, canvas: bool = False
) -> Iterator[Batch]:
    """Yield batches of at most so many tokens, of examples no longer than `longest()`, like lengths together.

    With `canvas` they are rows for a model that fills masks (`Encoder.canvas`).
    """
    source, chance = Examples(seed, shares=TRAINING), random.Random(seed)
    pad = encoder.special["<|pad|>"]
    while True:
        rows: list[_Row] = []
        most = longest()
        while len(rows) < _CHUNK:
            if canvas:
                row = encoder.canvas(source.draw(), chance)
            else:
                prompt, answer = encoder.pair(source.draw())
                row = prompt, answer, [True] * len(answer)
            if len(row[0]) + len(row[1]) <= most and any(row[2]):
                rows.append(row)
        rows.sort(key=lambda row: len(row[0]) + len(row[1]))
        groups: list[list[_Row]] = [[]]
        for row in rows:
            if (len(groups[-1]) + 1) * (len(row[0]) + len(row[1])) > tokens:
                groups.append([])
            groups[-1].append(row)
        chance.shuffle(groups)
        for group in groups:
            yield padded(group, pad)


def padded(rows: list[_Row], pad: int) -> Batch:
    """Return rows as one batch, padded on the right."""
    length = max(len(prompt) + len(answer) for prompt, answer, _ in rows)
    # Few different lengths: for each, matrix products are compiled anew.
    length = -(-length // 16) * 16 + 1
    ids = torch.full((len(rows), length), pad)
    answers = torch.zeros(len(rows), length, dtype=torch.bool)
    real = torch.zeros(len(rows), length, dtype=torch.bool)
    for at, (prompt, answer, asked) in enumerate(rows):
        end = len(prompt) + len(answer)
        ids[at, :end] = torch.tensor(prompt + answer)
        answers[at, len(prompt) : end] = torch.tensor(asked)
        real[at, :end] = True
    return Batch(ids, answers, real)

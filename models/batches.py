"""Batches of token ids, drawn without end from a seed."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch
from data.contracts import Programs
from data.sentences import TRAINING, Example, Examples, written
from tokenizers import Tokenizer
from torch import Tensor

from structgen.grammars.json_grammars.prompting import extraction_prompt

TOKENIZER = Path(__file__).parent / "tokenizer" / "tokenizer.json"
LONGEST = 320
"""Tokens of prompt and document together; longer examples are passed over."""
SHORT = 100
"""The same, while a network still learns to copy at all: that it learns sooner from short examples."""
TEMPLATES = 0.3
"""Share of the canvases in which the keys and brackets of the document are given and only values are not."""
_CHUNK = 2048
Row: TypeAlias = tuple[list[int], list[int], list[bool]]
"""The ids of a prompt, those of what is behind it, and which places of the latter are to be predicted."""


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


@dataclass
class Canvases:
    """Prompts [rows, columns] and canvases [rows, slots] of ids, both padded on the right; `answer` marks the
    slots that may be hidden, `prompt_real` and `real` what is no padding."""

    prompt: Tensor
    prompt_real: Tensor
    ids: Tensor
    answer: Tensor
    real: Tensor

    def read(self, copies: int) -> int:
        """Return how many tokens a network reads, padding included, of so many copies of each canvas."""
        return len(self.ids) * (self.prompt.shape[1] + copies * self.ids.shape[1])


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

    def program(self, text: str) -> list[int]:
        """Return the ids of a program, line by line: a text that ends with a line is a prefix of them."""
        lines = [one.ids for one in self.tokenizer.encode_batch(text.splitlines(keepends=True))]
        return [token for line in lines for token in line]

    def canvas(self, example: Example, chance: random.Random) -> Row:
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


def rows_of(encoder: Encoder, seed: int, *, labels: bool = False, unseen: bool = False) -> Callable[[], Row]:
    """Return what draws a row at each call: a sentence and its document; with `labels` a program with its
    labels. `unseen`: of names that training never has."""
    if labels:
        programs = Programs(seed, unseen=unseen)

        def program() -> Row:
            ids = [*encoder.program(programs.draw().text(programs.chance)), encoder.special["<|end|>"]]
            return [], ids, [True] * len(ids)

        return program
    source = Examples(seed, unseen=True) if unseen else Examples(seed, shares=TRAINING)

    def row() -> Row:
        prompt, answer = encoder.pair(source.draw())
        return prompt, answer, [True] * len(answer)

    return row


def batches(
    encoder: Encoder, seed: int, tokens: int, longest: Callable[[], int], *, labels: bool = False
) -> Iterator[Batch]:
    """Yield batches of at most so many tokens, of rows (`rows_of`) no longer than `longest()`, by length."""
    row, chance = rows_of(encoder, seed, labels=labels), random.Random(seed)

    def size(prompt: int, answer: int) -> int:
        return prompt + answer

    while True:
        for group in _groups(row, longest(), tokens, size, chance):
            yield padded(group, encoder.special["<|pad|>"])


def canvases(encoder: Encoder, seed: int, tokens: int, copies: int) -> Iterator[Canvases]:
    """Yield rows for a model that fills masks (`Encoder.canvas`), by length. A batch has at most so many
    tokens, where each prompt is read once and each canvas in so many copies."""
    source, chance = Examples(seed, shares=TRAINING), random.Random(seed)

    def size(prompt: int, canvas: int) -> int:
        return prompt + copies * canvas

    while True:
        for group in _groups(lambda: encoder.canvas(source.draw(), chance), LONGEST, tokens, size, chance):
            yield stacked(group, encoder.special["<|pad|>"])


def _groups(
    draw: Callable[[], Row],
    longest: int,
    tokens: int,
    size: Callable[[int, int], int],
    chance: random.Random,
) -> list[list[Row]]:
    """Return groups of some thousand rows that are no longer than `longest`, in a random order.

    A group has at most so many tokens, where a row has `size(prompt, canvas)` tokens.
    """
    rows: list[Row] = []
    while len(rows) < _CHUNK:
        row = draw()
        if len(row[0]) + len(row[1]) <= longest and any(row[2]):
            rows.append(row)
    rows.sort(key=lambda row: size(len(row[0]), len(row[1])))
    groups: list[list[Row]] = [[]]
    for row in rows:
        if (len(groups[-1]) + 1) * size(len(row[0]), len(row[1])) > tokens:
            groups.append([])
        groups[-1].append(row)
    chance.shuffle(groups)
    return groups


def stacked(rows: list[Row], pad: int) -> Canvases:
    """Return rows as one batch, prompts and canvases padded on the right by themselves."""
    # Few different lengths: for each, matrix products are compiled anew.
    wide, slots = (-(-max(len(row[part]) for row in rows) // 8) * 8 for part in (0, 1))
    shape, canvas = (len(rows), wide), (len(rows), slots)
    batch = Canvases(
        torch.full(shape, pad),
        torch.zeros(shape, dtype=torch.bool),
        torch.full(canvas, pad),
        torch.zeros(canvas, dtype=torch.bool),
        torch.zeros(canvas, dtype=torch.bool),
    )
    for at, (prompt, ids, asked) in enumerate(rows):
        batch.prompt[at, : len(prompt)] = torch.tensor(prompt)
        batch.prompt_real[at, : len(prompt)] = True
        batch.ids[at, : len(ids)] = torch.tensor(ids)
        batch.answer[at, : len(ids)] = torch.tensor(asked)
        batch.real[at, : len(ids)] = True
    return batch


def padded(rows: list[Row], pad: int) -> Batch:
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

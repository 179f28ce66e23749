"""A model that wants to write given texts: the n-th prompt that it reads is answered by the n-th text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pydantic
import torch
from torch import Tensor

import structgen as sg

TOKENIZER = sg.Tokenizer.from_huggingface(str(Path(__file__).parents[2] / "data" / "bpe"))


class Even(pydantic.BaseModel):
    """An even number."""

    number: int

    @pydantic.field_validator("number")
    @classmethod
    def _even(cls, number: int) -> int:
        if number % 2:
            raise ValueError("is odd")
        return number


class Answer:
    """The cache: the tokens of the answer, and how many were read."""

    def __init__(self, tokens: list[int], read: int = 0) -> None:
        self.tokens, self.read = tokens, read

    @property
    def nbytes(self) -> int:
        return 8 * len(self.tokens)

    def copy(self) -> Answer:
        return Answer(self.tokens, self.read)


class Told:
    """Answers with given texts, the last one again and again; it notes the prompts and counts steps. Some
    texts are special tokens, of these ids."""

    def __init__(
        self, *texts: str, context: int = 4096, specials: Mapping[str, int] = MappingProxyType({})
    ) -> None:
        self.texts, self.vocab_size, self.context = texts, TOKENIZER.vocab_size + len(specials), context
        self.specials = specials
        self.prompts: list[str] = []
        self.steps = 0

    def _logits(self, answer: Answer) -> Tensor:
        logits = torch.zeros(self.vocab_size)
        at = answer.tokens[answer.read] if answer.read < len(answer.tokens) else TOKENIZER.eos_token_ids[0]
        logits[at] = 20.0
        return logits

    def prefill(self, tokens: Sequence[int]) -> tuple[Tensor, Answer]:
        text = self.texts[min(len(self.prompts), len(self.texts) - 1)]
        self.prompts.append(TOKENIZER.decode(tokens).decode())
        answer = Answer([])
        for part in re.split("|".join(f"({re.escape(one)})" for one in self.specials) or "$^", text):
            ids = [self.specials[part]] if part in self.specials else TOKENIZER.encode((part or "").encode())
            answer.tokens += ids
        return self._logits(answer), answer

    def decode(self, tokens: Sequence[int], caches: Sequence[Any]) -> Tensor:
        self.steps += 1
        for cache in caches:
            cache.read += 1
        return torch.stack([self._logits(cache) for cache in caches])


def told(*texts: str, **options: Any) -> tuple[sg.Engine, Told]:
    """Return an engine whose model answers so, and the model."""
    model = Told(*texts, **options)
    return sg.Engine(model, TOKENIZER), model

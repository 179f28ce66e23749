"""Models that find what stands in a text, by a pattern: what an extraction must then have is certain.

A sale is `Ada Byron bought 3 lamps.` Such a model answers a prompt with the list of all sales that stand
whole in it, behind the mark TEXT, or with the last of them.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Sequence
from typing import Any

from pydantic import BaseModel
from told_models import TOKENIZER, Told

import structgen as sg

SALE = re.compile(r"\b([A-Z][a-z]+ [A-Z][a-z]+) bought ([0-9]+) ([a-z]+)\.")
PROMPT = "Read the TEXT."
NAMES = "Ada Bert Cora Dora Emil Fritz Greta Hanno".split()
FAMILIES = "Byron Reed Quist Lister Orme Hale".split()
THINGS = "lamps seeds pumps chairs".split()
FILLERS = "the weather was fine and nobody came late to the hall by the river in spring".split()


class Sale(BaseModel):
    who: str
    count: int
    what: str


def sales_in(text: str) -> list[dict[str, Any]]:
    """Return the sales of a text, in its order."""
    return [{"who": who, "count": int(count), "what": what} for who, count, what in SALE.findall(text)]


def a_sale(draw: random.Random) -> str:
    """Return a sentence that is a sale."""
    who = f"{draw.choice(NAMES)} {draw.choice(FAMILIES)}"
    return f"{who} bought {draw.randrange(1, 99)} {draw.choice(THINGS)}."


def filler(draw: random.Random, words: int) -> str:
    """Return a sentence that is none."""
    return f"{' '.join(draw.choices(FILLERS, k=words)).capitalize()}."


def document(draw: random.Random, sentences: int) -> str:
    """Return a text in which every third sentence or so is a sale."""
    said = [
        a_sale(draw) if draw.random() < 0.35 else filler(draw, draw.randrange(2, 9)) for _ in range(sentences)
    ]
    return "".join(f"{one}{draw.choice([' ', ' ', chr(10), chr(10) * 2])}" for one in said)


class Finder(Told):
    """Answers each prompt with what a function finds in the text behind the prompt's words."""

    def __init__(self, found: Callable[[str], Any] = sales_in, **options: Any) -> None:
        super().__init__("", **options)
        self._found = found

    def prefill(self, tokens: Sequence[int]) -> Any:
        asked = TOKENIZER.decode(tokens).decode()
        text = asked.rpartition(f"{PROMPT}\n\n")[2]
        self.texts = (json.dumps(self._found(text)),) * (len(self.prompts) + 1)
        return super().prefill(tokens)


def finder(found: Callable[[str], Any] = sales_in, **options: Any) -> tuple[sg.Engine, Finder]:
    """Return an engine whose model finds so, and the model."""
    model = Finder(found, **options)
    return sg.Engine(model, TOKENIZER), model


def extracted(model: Any, text: Any, target: Any = list[Sale], **options: Any) -> Any:
    """Return what is found, asked with the prompt that finders know."""
    return sg.extract(
        model, text, target, **{"prompt": PROMPT, "outline": False, "progress": False, **options}
    )

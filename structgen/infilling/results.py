"""The result of `infill`: a filled template, its holes' values, and statistics."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from structgen.infilling.canvas import Canvas
from structgen.infilling.canvas_trace import canvas_page
from structgen.infilling.denoising import CanvasUsage, DenoisingStep
from structgen.printable import short_repr
from structgen.system.cache import writing
from structgen.tokens.tokenizer import Tokenizer


@dataclass(frozen=True, repr=False)
class Infilled:
    """A filled template. It is always a text of the grammar, even after a deadline."""

    text: str
    values: dict[str, Any]
    """The value of each hole: a JSON value if its type is one, else its text. Under a grammar of the whole
    text: the holes' texts."""
    value: Any
    """The JSON value of the whole text, if its grammar is a JSON Schema or a type; else the text."""
    finish_reason: str
    """"done", or "deadline": the remaining slots were filled at once, by the known logits."""
    exactness: str
    """"exact-fsa", or "depth<=D" where recursion was cut."""
    tokens: tuple[int, ...]
    """The tokens of the text."""
    steps: tuple[DenoisingStep, ...]
    usage: CanvasUsage
    canvas: Canvas
    tokenizer: Tokenizer
    full: tuple[str, ...] = ()
    """The holes that left no slot empty though a longer text was possible: more slots might be needed. A hole
    for the whole text is called "text"."""

    def __repr__(self) -> str:
        said = f"{self.finish_reason}, {len(self.tokens):,} tokens in {self.usage.steps:,} steps"
        return f"<Infilled {said}: {short_repr(self.text)}>"

    def write_trace(self, path: Path | str, title: str = "An infilling") -> None:
        """Write a page that shows the canvas being filled, step by step: one self-contained HTML file."""
        page = canvas_page(
            self.steps,
            self.usage,
            self.tokenizer,
            title=title,
            finish_reason=self.finish_reason,
            exactness=self.exactness,
        )
        with writing(Path(path)) as file:
            file.write(page.encode())


def text_of(tokens: list[int], tokenizer: Tokenizer) -> str:
    """Return the text of tokens; invalid UTF-8 as replacement characters."""
    return tokenizer.decode(tokens).decode("utf-8", "replace")

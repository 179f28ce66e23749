"""The result of `infill`: a filled template, its holes' values, and statistics."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from structgen.base.printable import short_repr
from structgen.decoding.engine.trace import ShownToken, Trace, trace_page
from structgen.decoding.infilling.canvas import Canvas
from structgen.decoding.infilling.denoising import CanvasUsage, DenoisingStep
from structgen.decoding.infilling.lattice import NULL, OPEN
from structgen.tokens.tokenizer import Tokenizer

_ROWS: Final = 200
"""About the most rows of the page, one for a step. If there are more steps, some in between are left out."""


@dataclass(frozen=True, repr=False)
class Infilled:
    """A filled template. It is always a text of the grammar, even after a deadline."""

    text: str
    values: dict[str, Any]
    """The value of each hole, by name: a JSON value if its type is a JSON type, otherwise its text. Under a
    grammar of the whole text the values are texts."""
    value: Any
    """The JSON value of the whole text, if its grammar is a JSON Schema or a type; else the text."""
    finish_reason: str
    """"done", or "deadline": the remaining slots were filled at once, by the logits of the last pass."""
    exactness: str
    """Which texts of the grammar were possible: "exact-fsa" (all), or notes such as "depth<=D", where
    recursion was cut (`HoleLanguage.exactness`)."""
    tokens: tuple[int, ...]
    """The tokens of the text."""
    steps: tuple[DenoisingStep, ...]
    usage: CanvasUsage
    canvas: Canvas
    tokenizer: Tokenizer
    full: tuple[str, ...] = ()
    """The names of the holes that left no slot empty though a longer text was possible. They may need more
    slots. The hole for the whole text is called "text"."""

    def __repr__(self) -> str:
        summary = f"{self.finish_reason}, {len(self.tokens):,} tokens in {self.usage.steps:,} steps"
        return f"<Infilled {summary}: {short_repr(self.text)}>"

    def write_trace(self, path: Path | str, title: str = "An infilling") -> None:
        """Write a page that shows the canvas being filled, step by step: one self-contained HTML file."""
        steps = self.steps
        pieces = list[ShownToken]()
        rows = list[dict[str, Any]]()
        # All slots get their final contents first. Each step then colours the slots that it filled.
        for token in steps[-1].canvas:
            slot_text = "∅" if token == NULL else text_of([token], self.tokenizer).replace("\n", "⏎\n")
            pieces.append(ShownToken(slot_text, kind="fixed"))
        row_steps = {round(at * (len(steps) - 1) / _ROWS) for at in range(_ROWS + 1)}
        for step in steps:
            new: dict[int, ShownToken] = {}
            for entry in step.committed:
                hint = "sure before the first pass"
                if step.number:
                    hint = f"step {step.number}, probability {entry.probability:.3f}"
                red = 0.1 + 0.4 * entry.probability
                new[entry.position] = pieces[entry.position]._replace(red=red, hint=hint, kind="new")
            if step.number in row_steps:
                canvas = []
                for at, token in enumerate(step.canvas):
                    shown_token = new.get(at, pieces[at]._replace(hint=""))
                    canvas.append(ShownToken("", kind="open") if token == OPEN else shown_token)
                rows.append(
                    {
                        "step": f"{step.number or 'before'}",
                        "slots": f"{len(new):,}",
                        "canvas": canvas,
                        "model ms": f"{1e3 * step.model_seconds:.2f}",
                        "lattice ms": f"{1e3 * step.lattice_seconds:.3f}",
                    }
                )
            # From the next step on they are old: the later written, the redder.
            for at, piece in new.items():
                kind = "fixed" if step.canvas[at] == NULL else ""
                pieces[at] = piece._replace(red=0.7 * step.number / max(len(steps) - 1, 1), kind=kind)
        usage = self.usage
        in_all = (
            ("finish reason", self.finish_reason),
            ("exactness", self.exactness),
            ("steps", f"{usage.steps:,} for {sum(len(step.committed) for step in steps):,} slots"),
            ("model", f"{usage.model_seconds:.3f} s"),
            ("lattice", f"{usage.lattice_seconds:.3f} s"),
            ("automata", f"{usage.compile_seconds:.3f} s"),
        )
        pieces = [entry for entry, token in zip(pieces, steps[-1].canvas, strict=True) if token >= 0]
        legend = (
            "Grey: fixed text. The redder a token, the later it was written. In the table, boxes "
            "are masked slots; framed: written in this step, the paler the less probable; ∅: stays "
            "empty."
        )
        page = trace_page(title, rows, pieces=pieces, in_all=in_all, legend=legend)
        Trace(page).write(path)


def text_of(tokens: list[int], tokenizer: Tokenizer) -> str:
    """Return the text of tokens, with replacement characters for invalid UTF-8."""
    return tokenizer.decode(tokens).decode("utf-8", "replace")

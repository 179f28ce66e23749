"""Write docs/stream.svg: the partial objects of a stream, line after line, as a reader sees them arrive.

    python scripts/stream_picture.py

The objects come from the stream of docs/cookbook/stream.md: the picture shows what the model wrote on this
machine. Lines appear by an animation of CSS and stay; a viewer without animations shows all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path

import structgen as sg

OUT = Path(__file__).resolve().parents[1] / "docs/stream.svg"
ROW, LEFT, WIDTH = 22, 20, 760
"""Pixels: the height of a line, the margin, the width of the picture."""
SECONDS = 0.35
"""Between two lines."""
STYLE = """
text { font: 14px ui-monospace, Menlo, Consolas, monospace; fill: #d6deeb }
.call { fill: #7fdbca } .done { fill: #ecc48d }
.line { animation: appear 0.2s both }
@keyframes appear { from { opacity: 0 } to { opacity: 1 } }
"""


@dataclass
class Event:
    title: str
    city: str
    year: int


@sg.generate(model="structgen/extract", speculation="off")
def event(text: str) -> Event:
    """Extract the event from: {text}"""
    return sg.filled()


def partial_values(text: str) -> list[str]:
    """Return the representations of the partial objects, each once, and of the whole object."""
    lines: list[str] = []
    for partial in event.stream(text):
        if not lines or lines[-1] != repr(partial.value):
            lines.append(repr(partial.value))
    return lines


def picture(call: str, lines: list[str]) -> str:
    """Return the SVG of a call and the lines below it."""
    rows = [f'<text class="call" x="{LEFT}" y="{ROW + 8}">{escape(call)}</text>']
    for index, line in enumerate(lines):
        kind = "line done" if index == len(lines) - 1 else "line"
        rows.append(
            f'<text class="{kind}" style="animation-delay: {SECONDS * (index + 1):.2f}s" '
            f'x="{LEFT}" y="{ROW * (index + 2) + 14}">{escape(line)}</text>'
        )
    height = ROW * (len(lines) + 2) + 14
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" role="img">'
        f"<title>A stream of partial objects</title><style>{STYLE}</style>"
        f'<rect width="{WIDTH}" height="{height}" rx="8" fill="#011627"/>{"".join(rows)}</svg>\n'
    )


def main() -> None:
    lines = partial_values("The World Expo was held in Osaka in 2025.")
    OUT.write_text(picture("for partial in event.stream(text): print(partial.value)", lines))


if __name__ == "__main__":
    main()

"""Writes the figures of the last examination (build/models/NAME.json) into the cards, models/NAME/README.md.

python models/make_cards.py [NAME ...]

What the card says beside them stands in it alone: read it again after a training. The card of a new model is
a copy of another's.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any

from evaluate import CAUSAL, MASKED
from model import training_of
from train import BUILD, FOLDER, SHAPES

NAMES = "extract", "extract-draft", "infill"


def table(figures: dict[str, Any]) -> str:
    """Return examinations as a table in Markdown."""
    kinds = sorted({kind for found in figures.values() for kind in found["by kind"]})
    lines = [
        "| examination | fields | documents | JSON | " + " | ".join(kinds) + " |",
        "|---|" + "---:|" * (len(kinds) + 3),
    ]
    for name, found in figures.items():
        shares = [found["fields"], found["documents"], found["json"]]
        cells = [f"{share:.1%}" for share in shares]
        cells += [f"{found['by kind'][kind]:.0%}" if kind in found["by kind"] else "" for kind in kinds]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def card(text: str, name: str, figures: dict[str, Any], training: dict[str, int]) -> str:
    """Return a model's card with other figures; ValueError where it has no place for one of them."""
    way = (CAUSAL if SHAPES[name].causal else MASKED)[0].title
    minutes = f", {training['minutes']} minutes of one core" if "minutes" in training else ""
    said = {
        r"Training saw [\d.]+ million": f"Training saw {training['tokens'] / 1e6:.1f} million",
        r"(?<=\n)[\d,]+(?=\nsteps)|(?<=in )[\d,]+(?=\nsteps)": f"{training['step']:,}",
        r"(?<=\nsteps)(, \d+ minutes of one core)?(?=\.\n)": minutes,
        r"(?<=Templated: )\d+": str(figures[f"templated, {way}"]["count"]),
        r"(?<=Hand-written: )\d+": str(figures[f"hand-written, {way}"]["count"]),
    }
    everyday = {title: found for title, found in figures.items() if "everyday" in title}
    if everyday:
        said[r"(?<=Everyday: )\d+"] = str(next(iter(everyday.values()))["count"])
    for pattern, new in said.items():
        text, count = re.subn(pattern, new, text, count=1)
        if count == 0:
            raise ValueError(f"the card of {name} has no place for {new!r}: {pattern}")
    tables = [{title: found for title, found in figures.items() if title not in everyday}, everyday]
    parts = re.split(r"(?<=\n\n)(\| examination .*?)(?=\n\n|\n\Z)", text, flags=re.DOTALL)
    for at, one in enumerate(filter(None, tables)):
        parts[2 * at + 1] = table(one)
    return "".join(parts)


def main() -> None:
    for name in sys.argv[1:] or NAMES:
        file = FOLDER / name / "README.md"
        figures = json.loads((BUILD / f"{name}.json").read_text(encoding="utf-8"))
        text = card(file.read_text(encoding="utf-8"), name, figures, training_of(FOLDER / name))
        file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

"""The situations that sentences tell of: slots and templates, read from scenes.txt.

The file is lines. `= name` begins a scene. `slot kind: key, key, ...` is a slot: a kind of values.py, and
the keys under which a schema may ask for it; `slot enum: key, ... = value, ...` one of the values; `slot
yes: key, ...` a boolean, whose lines `+ words; words` and `- words; words` say it true and false. `> text`
is a template of a main sentence, `+> text` of one that adds to it: `{slot}`, `(a|b)` one of several,
`[maybe]`, and `«»` for brackets in the text.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from pathlib import Path

_CHOICE = re.compile(r"\(([^()\[\]]*)\)|\[([^()\[\]]*)\]")
_SLOT = re.compile(r"\{(\w+)\}")


@dataclass
class Slot:
    """What a scene may say once: the kind of its values, and the keys that ask for it."""

    kind: str
    keys: list[str]
    values: list[str] = field(default_factory=list)
    """Of an enum."""
    yes: list[str] = field(default_factory=list)
    no: list[str] = field(default_factory=list)


@dataclass
class Scene:
    """One situation: its slots by name, templates of main sentences and of further ones."""

    name: str
    slots: dict[str, Slot] = field(default_factory=dict)
    mains: list[str] = field(default_factory=list)
    extras: list[str] = field(default_factory=list)


def _listed(text: str, mark: str) -> list[str]:
    return [part.strip() for part in text.split(mark) if part.strip()]


def read_scenes() -> list[Scene]:
    """Return the scenes of the file; ValueError names a line that is none of the forms, or a slot unknown."""
    path = Path(__file__).with_name("scenes.txt")
    scenes: list[Scene] = []
    slot = Slot("", [])
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        start, _, rest = line.partition(" ")
        if start == "=":
            scenes.append(Scene(rest))
        elif start in (">", "+>"):
            unknown = set(_SLOT.findall(rest)) - set(scenes[-1].slots)
            if unknown:
                raise ValueError(f"{path.name}, line {number}: no slot {', '.join(sorted(unknown))}")
            (scenes[-1].mains if start == ">" else scenes[-1].extras).append(rest.strip())
        elif start == "+":
            slot.yes = _listed(rest, ";")
        elif start == "-":
            slot.no = _listed(rest, ";")
        else:
            kind, colon, keys = rest.partition(":")
            if not colon:
                raise ValueError(f"{path.name}, line {number}: {line!r} is not a slot")
            keys, _, values = keys.partition("=")
            slot = Slot(kind.strip(), _listed(keys, ","), _listed(values, ","))
            scenes[-1].slots[start] = slot
    return scenes


def expand(template: str, chance: random.Random) -> list[tuple[str, bool]]:
    """Return a template's pieces with its choices made: texts, and names of slots (True)."""

    def choose(match: re.Match[str]) -> str:
        if match[2] is not None:
            return match[2] if chance.random() < 0.5 else ""
        return chance.choice(match[1].split("|"))

    text, count = template, 1
    while count:
        text, count = _CHOICE.subn(choose, text)
    text = re.sub(r"\s+([.,;!?])", r"\1", re.sub(r"\s+", " ", text)).strip()
    text = text.replace("«", "(").replace("»", ")")
    return [(piece, at % 2 == 1) for at, piece in enumerate(_SLOT.split(text)) if piece]

"""What the models are trained on stays what it was: the lists of words, and what is drawn from fixed seeds.

The embedded models were trained on these draws. Where a digest changes, the models in the repository no
longer come from the data beside them: train them again, or leave the data as they are.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
from data.contracts import Programs
from data.everyday import Everyday
from data.frames import Frames
from data.notes import Notes
from data.phrases import Phrases
from data.plain import Plain
from data.scenes import read_scenes
from data.sentences import TRAINING, USUAL, Examples, Shares
from data.texts import texts
from data.traits import Traits
from data.values import Values
from data.words import Words
from nonempty import nonempty

LISTS = Path(__file__).parents[2] / "models/data"


def examples(seed: int, shares: Shares, unseen: bool = False) -> Callable[[], object]:
    drawer = Examples(seed, shares=shares, unseen=unseen)
    return lambda: asdict(drawer.draw())


def source(kind: type, seed: int) -> Callable[[], object]:
    """Return what draws from one kind of sentences."""
    words = Words(random.Random(seed))
    given = [words, values := Values(words)]
    if kind in (Frames, Notes):
        given.append(Phrases(words, values))
    drawer = kind(*given, TRAINING.frames) if kind is Frames else kind(*given)
    draw: Callable[[], object] = drawer.draw
    return draw


def value(seed: int) -> Callable[[], object]:
    """Return what draws a value of each kind that scenes ask for, one after the other."""
    values = Values(Words(random.Random(seed)))
    kinds = sorted({slot.kind for scene in read_scenes() for slot in scene.slots.values()} - {"yes", "enum"})
    return lambda: [asdict(values.draw(kind)) for kind in kinds]


def program(seed: int) -> Callable[[], object]:
    drawer, chance = Programs(seed), random.Random(seed)
    return lambda: drawer.draw().text(chance)


def digest(values: object) -> str:
    return hashlib.sha256(json.dumps(values, default=vars, ensure_ascii=False).encode()).hexdigest()[:16]


DRAWN: dict[str, tuple[Callable[[], object], int, str]] = {
    "usual": (examples(5, USUAL), 300, "805e3d9368b4cb98"),
    "training": (examples(6, TRAINING), 300, "7477cfd9ea9ee10c"),
    "unseen": (examples(7, TRAINING, unseen=True), 300, "60f9f9e113717e2d"),
    "program": (program(8), 300, "90a54da8a3857dc0"),
    "value": (value(9), 30, "04a0b5649561f1e2"),
    "phrases": (source(Phrases, 10), 300, "c21686ad52300b72"),
    "frames": (source(Frames, 10), 300, "49e8be982fefb278"),
    "notes": (source(Notes, 10), 300, "c3ae6e80be9a4a98"),
    "plain": (source(Plain, 10), 300, "4d575b86261934c2"),
    "everyday": (source(Everyday, 10), 300, "10dfe18a25753372"),
    "traits": (source(Traits, 10), 300, "20947592eadcd835"),
}
LISTED = {
    "values": "e6aa950ac861e9c6",
    "contracts": "72ff5dfa3b275b65",
    "everyday": "90fc108de5318416",
    "frames": "53c4be395f166958",
    "notes": "2ddaef8a60dfc6de",
    "phrases": "832d49a6bd09e7ee",
    "plain": "5cc67b3f886b6ffb",
    "remarks": "631916f52be5fb1c",
    "sentences": "929bf0aaaf6db187",
    "traits": "5d601286582b7885",
    "words": "0ed331ed090dade2",
}


@pytest.mark.parametrize("name", DRAWN)
def test_what_is_drawn_from_a_seed_stays(name: str) -> None:
    draw, count, expected = DRAWN[name]
    assert digest([draw() for _ in range(count)]) == expected


def test_lists_keep_their_words_and_their_order() -> None:
    assert {file.stem for file in nonempty(LISTS.glob("*.toml"))} == LISTED.keys()
    assert {name: digest(texts(name)) for name in LISTED} == LISTED

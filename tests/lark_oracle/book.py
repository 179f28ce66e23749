"""`digests.txt`: a line for each case, of its name, its inputs and the digests of each text; what differs."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from .answers import KINDS, Answer, Place

DIGESTS = Path(__file__).with_name("digests.txt")
SIZE = 8
"""Bytes of a digest."""
_HEAD = (
    "# Digests of Lark grammars' answers: `make lark-oracle BLESS=1` writes them (docs/inside/testing.md).\n"
)


class Line(NamedTuple):
    """What is said of one case."""

    inputs: str
    texts: tuple[bytes, ...]
    """The digests of each text, or walk, one after the other."""


class Difference(NamedTuple):
    """The first digest of a text that is not what it was."""

    name: str
    kinds: tuple[str, ...]
    """What differs there; "places" where there are more or fewer of them."""
    place: Place
    further: int
    """Digests behind it that differ."""


def line(inputs: str, answers: Iterable[Answer]) -> Line:
    """Return what is written of a case."""
    texts = groupby(answers, lambda answer: answer[0].text)
    return Line(inputs, tuple(b"".join(digest for _, digest in answered) for _, answered in texts))


def write(lines: Mapping[str, Line]) -> str:
    """Return the text of lines by their names."""
    text = _HEAD
    for name, one in sorted(lines.items()):
        texts = ",".join(urlsafe_b64encode(digests).decode().rstrip("=") for digests in one.texts)
        text += f"{name} {one.inputs} {texts}\n"
    return text


def read(text: str) -> dict[str, Line]:
    """Return the lines by their names."""
    found: dict[str, Line] = {}
    for row in text.splitlines():
        if not row.startswith("#"):
            name, inputs, texts = row.split(" ")
            found[name] = Line(inputs, tuple(urlsafe_b64decode(one + "==") for one in texts.split(",")))
    return found


def differences(name: str, before: Line, now: list[Answer], kinds: Iterable[str] = KINDS) -> list[Difference]:
    """Return where a case's answers of some kinds are not those that were written, once for each text."""
    found: list[Difference] = []
    texts = [list(answered) for _, answered in groupby(now, lambda answer: answer[0].text)]
    for number, answered in enumerate(texts):
        was = before.texts[number] if number < len(before.texts) else b""
        digests = [was[at : at + SIZE] for at in range(0, len(was), SIZE)]
        differing = [
            (place, parted)
            for (place, digest), old in zip(answered, digests, strict=False)
            if (parted := tuple(kind for kind in kinds if digest[KINDS[kind]] != old[KINDS[kind]]))
        ]
        more = abs(len(answered) - len(digests))
        if differing:
            found.append(Difference(name, differing[0][1], differing[0][0], len(differing) - 1 + more))
        elif more:
            found.append(Difference(name, ("places",), answered[-1][0], more))
    if len(texts) < len(before.texts):
        found.append(Difference(name, ("places",), now[-1][0], len(before.texts) - len(texts)))
    return found

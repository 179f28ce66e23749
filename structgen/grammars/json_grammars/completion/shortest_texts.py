"""Shortest texts by demand: the least of several, and texts with another one before them."""

from __future__ import annotations

from collections.abc import Mapping

from structgen.base.language.ir import Demands


def text_order(text: bytes) -> tuple[int, bytes]:
    """Return what texts are compared by: their length, then their bytes."""
    return len(text), text


def with_head(head: bytes, rests: Mapping[int, bytes]) -> Demands:
    """Return texts with another one before each."""
    return {demand: head + rest for demand, rest in rests.items()}


def lesser_texts(texts: Mapping[int, bytes], other_texts: Mapping[int, bytes]) -> Demands:
    """Return for each demand the lesser of two texts."""
    best = dict(texts)
    for demand, text in other_texts.items():
        # a demand that only one of the two knows keeps its text
        if demand not in best or text_order(text) < text_order(best[demand]):
            best[demand] = text
    return best

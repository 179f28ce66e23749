"""Compares and joins the shortest texts that are kept by demand.

A *demand* is a condition on one value. `Demands` is a dict from the number of a demand to a text that meets
it: of `{0: b'1'}` and `{0: b'12', 1: b'""'}` the lesser texts are `{0: b'1', 1: b'""'}`.
"""

from __future__ import annotations

from collections.abc import Mapping

from structgen.base.language.ir import Demands


def text_order(text: bytes) -> tuple[int, bytes]:
    """Return the key by which texts are compared: the length, then the bytes."""
    return len(text), text


def with_head(head: bytes, rests: Mapping[int, bytes]) -> Demands:
    """Return the texts `rests` with `head` before each."""
    return {demand: head + rest for demand, rest in rests.items()}


def lesser_texts(texts: Mapping[int, bytes], other_texts: Mapping[int, bytes]) -> Demands:
    """Return for each demand the lesser of its two texts, by `text_order`."""
    best = dict(texts)
    for demand, text in other_texts.items():
        # a demand that only one of the two knows keeps its text
        if demand not in best or text_order(text) < text_order(best[demand]):
            best[demand] = text
    return best

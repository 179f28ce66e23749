"""The bench of infilling: what it counts as done and as valid."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import structgen as sg

ROOT = Path(__file__).parents[1]
END = 256


@pytest.fixture(scope="module")
def bench() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(ROOT / "bench"), *sys.path])
        import bench_infill

        yield bench_infill


class Model:
    """Sure of the bytes of a text, the end behind it, and of the first slots the most."""

    mask_id, null_id, shift, vocab_size = 257, END, False, 258

    def __init__(self, text: bytes, prompt: int) -> None:
        self.text, self.prompt, self.calls = text, prompt, 0

    def forward(self, ids: np.ndarray) -> np.ndarray:
        self.calls += 1
        logits = np.zeros((len(ids), self.vocab_size), np.float32)
        for at in range(self.prompt, len(ids)):
            slot = at - self.prompt
            token = self.text[slot] if slot < len(self.text) else END
            logits[at, token] = 20.0 - 0.1 * slot
        return logits


def tokenizer() -> sg.Tokenizer:
    texts: list[bytes | None] = [bytes((byte,)) for byte in range(256)]
    return sg.Tokenizer.from_bytes([*texts, None, None], eos_token_id=END)


@pytest.mark.parametrize(("rate", "steps"), [(1, 4), (2, 2), (3, 2), (16, 1)])
def test_a_canvas_is_done_when_no_mask_stands_before_the_end(bench: Any, rate: int, steps: int) -> None:
    model = Model(b"[1]", 2)
    canvas, taken = bench.by_confidence(model, [65, 66], 16, rate, {END})
    assert bench.said(canvas, {END}, tokenizer()) == "[1]"
    assert (taken, model.calls) == (steps, steps)


@pytest.mark.parametrize(
    ("said", "valid"),
    [
        ('{"a": 1, "b": {"c": [2]}}', True),
        ('{"a": true}', False),
        ('{"a": 1, "d": 0}', False),
        ('{"a": 1', False),
    ],
)
def test_what_is_valid(bench: Any, said: str, valid: bool) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"properties": {"c": {}}}}}
    assert bench.is_valid(bench.closed(schema), said) is valid

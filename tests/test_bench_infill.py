"""The examination of infilling: what it counts as done, valid, right, and different."""

from __future__ import annotations

import json
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
        import infill_examination

        yield infill_examination


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


def test_from_the_left_the_window_is_that_of_the_scheduler(bench: Any) -> None:
    class Late(Model):
        """Surest of the last slots."""

        def forward(self, ids: np.ndarray) -> np.ndarray:
            logits = super().forward(ids)
            seen.append(np.flatnonzero(ids != self.mask_id).tolist())
            return logits * np.arange(1, len(ids) + 1, dtype=np.float32)[:, None]

    seen: list[list[int]] = []
    canvas, _ = bench.by_confidence(Late(b"[123]", 0), [], 8, 2, {END}, is_left=True)
    assert bench.said(canvas, {END}, tokenizer()) == "[123]"
    assert seen[1] == [0, 2]


QUESTION = {
    "of": "hand-written",
    "number": 0,
    "schema": {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"properties": {"c": {}}}}},
    "text": "",
    "answer": {"a": 1, "b": {"c": [2]}},
    "kinds": {"a": "n", "b.c": "n"},
}


@pytest.mark.parametrize(
    ("said", "valid", "right"),
    [
        ('{"a": 1, "b": {"c": [2]}}', True, [True, True]),
        ('{"a": true, "b": {"c": 2}}', False, [False, False]),
        ('{"a": 1, "b": {"c": [2], "d": 0}}', False, [True, True]),
        ('{"a": 1', False, [False, False]),
    ],
)
def test_what_is_valid_and_right(bench: Any, said: str, valid: bool, right: list[bool]) -> None:
    question = bench.Question(**QUESTION)
    assert (question.is_valid(said), question.right(said)) == (valid, right)


def answer(bench: Any, number: int, rate: int, way: str, right: list[bool]) -> Any:
    return bench.Answer("templated", number, rate, way, all(right), right, rate + 1, 1, 0.5, 0.1, "")


def test_rows_pair_the_two_ways_by_sentence_and_rate(bench: Any) -> None:
    found = []
    for rate in bench.RATES:
        found.append(answer(bench, 0, rate, "with", [True, True, True]))
        found.append(answer(bench, 1, rate, "with", [False]))
        found.append(answer(bench, 1, rate, "without", [True]))
        found.append(answer(bench, 0, rate, "without", [True, False, False]))
    made = [dict(zip(bench.NAMES, row, strict=True)) for row in bench.rows(found, "left-to-right")]
    assert [row["tokens_per_step"] for row in made] == [1, 2, 4, 8, "all"]
    first = made[0]
    assert (first["prompts"], first["fields"], first["right"], first["right_without"]) == (
        2,
        4,
        "0.7500",
        "0.5000",
    )
    assert (first["difference"], first["right_with_alone"], first["right_without_alone"]) == ("0.2500", 2, 1)
    assert float(first["low"]) <= 0.25 <= float(first["high"])


def test_the_interval_covers_the_difference_as_often_as_it_says(bench: Any) -> None:
    chance, inside = np.random.default_rng(1), 0
    for _ in range(60):
        low, high = bench.interval(
            chance.binomial(1, 0.5, 80) - chance.binomial(1, 0.4, 80), np.ones(80, int)
        )
        inside += low <= 0.1 <= high
    assert 50 <= inside <= 60


def test_a_run_that_was_cut_off_goes_on(bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def answers(model: Any, words: Any, one: Any, scheduler: str) -> list[Any]:
        asked.append(one.number)
        return [
            answer(bench, one.number, rate, way, [True])
            for rate in bench.RATES
            for way in ("with", "without")
        ]

    monkeypatch.setattr(bench, "KEPT", tmp_path)
    monkeypatch.setattr(bench, "answers", answers)
    questions = [bench.Question(**{**QUESTION, "of": "templated", "number": at}) for at in range(5)]
    bench.examine(None, None, questions, "left-to-right", (1, 2))
    (file,) = tmp_path.iterdir()
    lines = file.read_text().splitlines()
    file.write_text("\n".join(lines[:-1]) + "\n" + lines[-1][:30])
    found = bench.examine(None, None, questions, "left-to-right")
    assert asked == [0, 2, 4, 1, 3, 4]
    assert len(found) == 5 * len(json.loads("[" + ",".join(lines[:10]) + "]"))


def test_templated_sentences_are_frozen(bench: Any) -> None:
    drawn = bench.templated(2)
    assert [one.number for one in drawn] == [0, 1] and drawn == bench.templated(2)

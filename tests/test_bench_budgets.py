"""`bench_budgets.py` tells texts that are too long, invalid or errors, and numbers that are not the least."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import pytest

import structgen as sg

pytest.importorskip("torch")

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "bench"))

import bench_budgets as bench  # noqa: E402
from judging import Outcome  # noqa: E402


@pytest.fixture(scope="module")
def question() -> bench.Budgets:
    made = bench.Budgets(argparse.Namespace(seed=1, texts=4, states=20_000, seconds=30.0))
    made.ready()
    return made


def judged(question: bench.Budgets, schema: Any, **options: str) -> Outcome:
    return question.judged(bench.Subject("one", json.dumps(schema), options))


def labels(outcome: Outcome) -> list[str]:
    return [fault["label"] for fault in outcome.faults]


def texts(outcome: Outcome) -> float:
    return outcome.rows.get("texts", {"count": 0})["count"]


SMALL = {
    "an object": {
        "type": "object",
        "properties": {"a": {"type": "integer", "minimum": 1}},
        "required": ["a"],
    },
    "an array": {"type": "array", "items": {"type": ["boolean", "null"]}, "minItems": 3},
    "a pattern": {"type": "string", "pattern": "^[a-f]{3,4}-[0-9]{2}$"},
    "a choice": {"oneOf": [{"const": "a long constant"}, {"type": "number", "minimum": 1000}]},
    "listed": {"enum": ["one", "another", {"k": [1, 2]}]},
}


@pytest.mark.parametrize("schema", SMALL.values(), ids=SMALL.keys())
def test_texts_are_within_their_budgets_and_the_number_named_is_the_least(
    question: bench.Budgets, schema: Any
) -> None:
    outcome = judged(question, schema)
    assert texts(outcome) == 4
    assert labels(outcome) == ["is the least"]


def test_a_refused_schema_is_told_by_its_error(question: bench.Budgets) -> None:
    outcome = judged(question, {"minimum": 3, "maximum": 2, "type": "integer"})
    assert outcome.verdict == "UnsatisfiableSchema" and not texts(outcome)


def test_what_is_wrong_is_told(question: bench.Budgets, monkeypatch: pytest.MonkeyPatch) -> None:
    real = bench.sg.Engine

    class Wrong(real):  # type: ignore[misc, valid-type]
        def generate(self, requests: Any) -> Any:
            results = super().generate(requests)
            if isinstance(requests, list):
                results[0].text = '"no integer"'
                results[1].tokens *= 50
                results[2].error = sg.StructgenError("seeded")
            return results

    monkeypatch.setattr(bench.sg, "Engine", Wrong)
    outcome = judged(question, {"type": "integer"})
    assert labels(outcome)[:3] == [bench.INVALID, bench.OVER, bench.ERROR]
    assert outcome.rows[f"texts: {bench.OVER}"] == {"count": 1}


def test_the_search_for_the_least_is_exact_and_bounded() -> None:
    tokens = [bytes([byte]) for byte in range(256)] + [b"1,2", b"1,", b"2]", b"<end>"]
    tokenizer = sg.Tokenizer.from_bytes(tokens, eos_token_id=len(tokens) - 1)
    grammar = sg.json_schema({"type": "array", "const": [1, 2, 1]}, whitespace="compact")
    compiled = sg.compile(grammar, tokenizer)
    # [ 1,2 , 1 ]
    assert bench.least_tokens(compiled, 20, 1000, 10.0) == 5
    assert bench.least_tokens(compiled, 4, 1000, 10.0) == 4
    assert bench.least_tokens(compiled, 20, 2, 10.0) is None


def test_a_number_above_the_least_is_told(question: bench.Budgets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "least_tokens", lambda *_: 1)
    assert bench.FAR in labels(judged(question, {"enum": ["a long text of words"]}))


@pytest.mark.slow
def test_samples_are_written_within_random_budgets(question: bench.Budgets) -> None:
    for path in sorted((ROOT / "schemas").glob("*.json")):
        schema = json.loads(path.read_text(encoding="utf-8"))["schema"]
        # what jsonschema-rs takes for an address is narrower (a local part of 64 octets)
        outcome = judged(question, schema, formats="annotate")
        # numbers above the least are the bench's to count: see docs/status.md
        assert not {*labels(outcome)} & {*bench.BAD} - {bench.FAR}, path.name
        assert texts(outcome) == 4 or outcome.verdict == "longer than the context"

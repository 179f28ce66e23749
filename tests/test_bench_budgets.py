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
OPTIONS = argparse.Namespace(seed=1, texts=4, states=20_000, seconds=30.0)


@pytest.fixture(scope="module")
def bench() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(ROOT / "bench"), *sys.path])
        import bench_budgets

        yield bench_budgets


@pytest.fixture(scope="module")
def loaded() -> Any:
    from structgen.engine import load_model

    return load_model("structgen/extract", device="cpu")


def _subject(bench: Any, schema: Any) -> Any:
    return bench.Subject("one", json.dumps(schema))


def _why(outcome: Any) -> list[str]:
    return [fault["why"].partition(":")[0] for fault in outcome.faults]


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
    bench: Any, loaded: Any, schema: Any
) -> None:
    outcome = bench.attempt(_subject(bench, schema), *loaded, OPTIONS)
    assert sum(outcome.walks.values()) == 4
    assert _why(outcome) == ["is the least"]


def test_a_refused_schema_is_told_by_its_error(bench: Any, loaded: Any) -> None:
    outcome = bench.attempt(
        _subject(bench, {"minimum": 3, "maximum": 2, "type": "integer"}), *loaded, OPTIONS
    )
    assert outcome.verdict == "UnsatisfiableSchema" and not outcome.walks


def test_what_is_wrong_is_told(bench: Any, loaded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
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
    outcome = bench.attempt(_subject(bench, {"type": "integer"}), *loaded, OPTIONS)
    assert _why(outcome)[:3] == [bench.INVALID, bench.OVER, bench.ERROR]
    assert dict(bench.totals([outcome]))[f"texts: {bench.OVER}"] == 1


def test_the_search_for_the_least_is_exact_and_bounded(bench: Any) -> None:
    from least import least_tokens

    tokens = [bytes([byte]) for byte in range(256)] + [b"1,2", b"1,", b"2]", b"<end>"]
    tokenizer = sg.Tokenizer.from_bytes(tokens, eos_token_id=len(tokens) - 1)
    grammar = sg.json_schema({"type": "array", "const": [1, 2, 1]}, whitespace="compact")
    compiled = sg.compile(grammar, tokenizer)
    # [ 1,2 , 1 ]
    assert least_tokens(compiled, 20, 1000, 10.0) == 5
    assert least_tokens(compiled, 4, 1000, 10.0) == 4
    assert least_tokens(compiled, 20, 2, 10.0) is None


def test_a_number_above_the_least_is_told(bench: Any, loaded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "least_tokens", lambda *_: 1)
    outcome = bench.attempt(_subject(bench, {"enum": ["a long text of words"]}), *loaded, OPTIONS)
    assert bench.FAR in _why(outcome)


@pytest.mark.slow
def test_samples_are_written_within_random_budgets(bench: Any, loaded: Any) -> None:
    for path in sorted((ROOT / "schemas").glob("*.json")):
        schema = json.loads(path.read_text(encoding="utf-8"))["schema"]
        # what jsonschema-rs takes for an address is narrower (a local part of 64 octets)
        subject = bench.Subject("one", json.dumps(schema), {"formats": "annotate"})
        outcome = bench.attempt(subject, *loaded, OPTIONS)
        # numbers above the least are the bench's to count: see docs/status.md
        assert not {*_why(outcome)} & {*bench.BAD} - {bench.FAR}, path.name
        assert sum(outcome.walks.values()) == 4 or outcome.verdict == "longer than the context"

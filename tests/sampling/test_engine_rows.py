"""Rows of a model of the engine: the same logits as reading each prefix anew, and draws of JSON documents."""

from __future__ import annotations

import random

import numpy as np
import pytest

import structgen as sg

torch = pytest.importorskip("torch")
from structgen.sampling.rows import ModelRows  # noqa: E402


@pytest.fixture(scope="module")
def engine():
    return sg.Engine("structgen/extract-draft")


def test_rows_by_caches_are_those_of_whole_prefixes(engine):
    chance = random.Random(3)
    rows = ModelRows(engine.model, [5, 6, 7], "m", room=6)
    prefixes = [()]
    for _ in range(12):
        asked = [chance.choice(prefixes) for _ in range(5)]
        for prefix, row in zip(asked, rows.read(asked), strict=True):
            logits, _ = engine.model.prefill([5, 6, 7, *prefix])
            np.testing.assert_array_equal(row, logits.double().numpy())
            prefixes.append((*prefix, chance.randrange(1, 500)))


@pytest.mark.parametrize("method", ["smc", "importance", "auto"])
def test_documents_of_a_schema_are_drawn(engine, method):
    grammar = sg.json_schema(
        {"type": "object", "properties": {"paid": {"type": "boolean"}}, "required": ["paid"]}
    )
    found = sg.sample(engine, "Zorvik has paid.", grammar, 6, method=method, max_tokens=40, budget=2000)
    assert found.values
    assert all(isinstance(value["paid"], bool) for value in found)

"""Arrays in which items of one kind are counted: their completions are what trying all arrays gives."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

import structgen as sg

BYTES = sg.Tokenizer.from_bytes([bytes([byte]) for byte in range(256)] + [None], eos_token_id=256)


def shortest(values: list[Any], least: int, most: int | None, lo: int, hi: int) -> bytes | None:
    """Return the shortest array (ties: the smaller text) with so many strings, by trying all."""
    found: list[bytes] = []
    for size in range(lo, hi + 1):
        for items in itertools.product(values, repeat=size):
            count = sum(isinstance(item, str) for item in items)
            if least <= count <= (size if most is None else most):
                found.append(json.dumps(list(items), separators=(",", ":")).encode())
    return min(found, key=lambda text: (len(text), text), default=None)


@pytest.mark.parametrize("values", [[1, "a"], [100, "ab"], [10000, "a"], ["a"], [1], [123, "a"]], ids=repr)
def test_an_array_with_counted_items_is_completed_as_shortly_as_can_be(values: list[Any]) -> None:
    for least, most, lo, hi in itertools.product((0, 1, 2), (None, 0, 1, 2), (0, 1, 3), (1, 3)):
        schema: dict[str, Any] = {
            "type": "array",
            "items": {"enum": values},
            "contains": {"type": "string"},
            "minContains": least,
            "minItems": lo,
            "maxItems": hi,
        }
        if most is not None:
            schema["maxContains"] = most
        expected = shortest(values, least, most, lo, hi)
        try:
            compiled = sg.compile(
                sg.json_schema(schema, whitespace="compact", numbers="plain"), BYTES, store=False
            )
        except sg.UnsatisfiableSchema:
            assert expected is None, schema
            continue
        assert compiled.completion(compiled.start) == expected, schema

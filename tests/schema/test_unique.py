"""Arrays whose items must differ (`uniqueItems`), and arrays of which two items must be equal."""

from __future__ import annotations

import json
from typing import Any

import pytest
from schema_documents import compiled, judged

import structgen as sg
from structgen.errors import LimitError
from structgen.limits import Limits
from structgen.schema.recogniser.distinct_values import Distinct


def test_what_is_remembered_of_items_is_bounded_by_a_named_limit() -> None:
    schema = {"type": "array", "uniqueItems": True}
    with pytest.raises(LimitError) as caught:
        judged(schema, [list(range(20))], limits=Limits(parser_states=40))
    assert caught.value.limit == "parser_states"


def test_a_number_that_no_decimal_holds_is_past_a_limit() -> None:
    grammar = compiled({"type": "array", "uniqueItems": True}, numbers="any")
    assert grammar.step_bytes(grammar.start, b"[0e9999999999999999999,1") is not None
    assert grammar.step_bytes(grammar.start, b"[0e9999999999999999999,0.0]") is None
    far = grammar.step_bytes(grammar.start, b"[1e999999999999999999")
    assert far is not None
    with pytest.raises(LimitError) as caught:
        grammar.step_bytes(far, b"9,")
    assert caught.value.limit == "number_chars"
    assert "bounded" in caught.value.cure


def listings(document: Any, monkeypatch: pytest.MonkeyPatch, **item: Any) -> int:
    """Return how often values had to be listed to see that there are enough of them, along a document."""
    counted: list[bool] = []
    exactly = Distinct._exactly

    def listed(self: Distinct, demand: int, need: int) -> bool:
        found = exactly(self, demand, need)
        counted.append(found)
        return found

    monkeypatch.setattr(Distinct, "_exactly", listed)
    schema = {"type": "array", "uniqueItems": True, "minItems": len(document), "items": item}
    matcher = sg.Matcher(compiled(schema, **sg.WIDEST))
    mask = sg.allocate_mask(1, 257)
    for byte in json.dumps(document).encode():
        matcher.fill_mask(mask)
        matcher.advance(byte)
    assert matcher.is_complete
    monkeypatch.undo()
    return sum(counted)


def test_objects_that_differ_in_a_free_member_are_enough_without_listing_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    item = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "kind": {"enum": ["a", "b"]}},
        "required": ["name"],
        "additionalProperties": False,
    }
    lists = {"type": "array", "uniqueItems": True, "minItems": 1, "items": item}
    holder = {"type": "object", "properties": {"args": lists}, "required": ["args"]}
    document = [{"args": [{"name": "x"}]}, {"args": [{"name": "y"}]}, {"args": [{"name": "x"}, {"name": ""}]}]
    assert listings(document, monkeypatch, **holder) == 0

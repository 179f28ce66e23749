"""Known fields of a document: a value of a wrong type is refused by its name."""

from __future__ import annotations

from typing import Any

import pytest

import structgen as sg
from structgen.decoding.infilling.given_fields import parts_of_given


def _schema(kind: Any) -> dict[str, Any]:
    inner = {"type": "object", "properties": {"age": {"$ref": "#/$defs/age"}, "x": {}}, "required": ["x"]}
    return {"properties": {"who": inner}, "required": ["who"], "$defs": {"age": {"type": kind}}}


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("integer", "34"),
        ("integer", True),
        ("integer", 3.5),
        ("number", None),
        (["string", "null"], 3),
        ("array", {}),
    ],
)
def test_a_value_of_a_wrong_type_is_named(kind: Any, value: Any) -> None:
    with pytest.raises(sg.errors.NoFillingError, match="and the schema requires") as caught:
        parts_of_given(_schema(kind), {"who": {"age": value}})
    assert caught.value.where == "given['who']['age']"


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("integer", 34),
        ("integer", 2.0),
        ("number", 2),
        (["string", "null"], None),
        ("array", (1,)),
        ("any", "x"),
        ([{}], 1),
    ],
)
def test_a_value_of_the_right_type_is_taken(kind: Any, value: Any) -> None:
    assert parts_of_given(_schema(kind), {"who": {"age": value}})

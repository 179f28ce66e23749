"""Values as keys of equality, and their texts."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from structgen.schema.reading.json_values import JsonPieces, equality_key, json_string

scalars = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", "1"])
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner)
)


def slow_key(value: Any) -> str:
    """Return JSON text with sorted keys, in which equal values of these tests are written alike."""
    return json.dumps(value, sort_keys=True)


@given(values, values)
def test_keys_are_equal_where_values_are(a: Any, b: Any) -> None:
    assert (equality_key(a) == equality_key(b)) == (slow_key(a) == slow_key(b))


def test_numbers_are_equal_by_value_and_true_is_no_number() -> None:
    assert equality_key([1, {"a": 1}]) == equality_key([Decimal("1.0"), {"a": Decimal("10e-1")}])
    assert equality_key([0, 100]) == equality_key([Decimal("-0.0"), Decimal("1e2")])
    assert (
        len({equality_key(1), equality_key(True), equality_key("1"), equality_key(0), equality_key(False)})
        == 5
    )


def test_deep_values_need_no_deep_stack() -> None:
    deep: Any = 1
    for _ in range(20_000):
        deep = [deep]
    assert equality_key(deep) == equality_key([deep[0]])


@given(st.text(st.characters(exclude_categories=[]), max_size=6))
def test_string_literals_read_back(text: str) -> None:
    assert json.loads(json_string(text)) == text


@given(st.recursive(st.binary(max_size=3), lambda inner: st.lists(inner, max_size=4)))
def test_texts_know_their_length_and_order(tree: Any) -> None:
    def made(node: Any) -> JsonPieces | bytes:
        return node if isinstance(node, bytes) else JsonPieces(tuple(made(child) for child in node))

    text = JsonPieces((made(tree),))
    assert len(text.to_bytes()) == text.length
    assert text.is_before(None) and not text.is_before(text)
    assert JsonPieces((text.to_bytes(), b"x")).is_before(text) is False


@given(st.lists(st.lists(st.binary(max_size=3) | st.integers(0, 9), max_size=4), min_size=1, max_size=12))
def test_texts_that_share_pieces_are_joined_as_they_stand(recipes: list[list[bytes | int]]) -> None:
    texts: list[JsonPieces] = []
    joined: list[bytes] = []
    for recipe in recipes:
        # a number is an earlier text
        pieces = [piece if isinstance(piece, bytes) else piece % len(texts) for piece in recipe
                  if texts or isinstance(piece, bytes)]  # fmt: skip
        texts.append(
            JsonPieces(tuple(piece if isinstance(piece, bytes) else texts[piece] for piece in pieces))
        )
        joined.append(b"".join(piece if isinstance(piece, bytes) else joined[piece] for piece in pieces))
        # the same pieces are met again behind every text
        assert JsonPieces((b"<", *texts, b">")).to_bytes() == b"<" + b"".join(joined) + b">"
    assert [text.to_bytes() for text in reversed(texts)] == joined[::-1]


def test_deep_texts_that_are_met_again_need_no_deep_stack() -> None:
    deep = JsonPieces((b"x",))
    for _ in range(20_000):
        deep = JsonPieces((deep,))
    for head in (b"a", b"b", b"c"):
        assert JsonPieces((head, deep)).to_bytes() == head + b"x"

"""Shortcuts of the walks take no token more and no token less than stepping through each of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from for_each import for_each

import structgen as sg

_WORDS = (
    *("the", " and", "ing", "é", "日本", " 日", "abc", "A1", "0a", "  ", "\n", "\t", " {", ' "', '"'),
    *('",', '":', "},"),
)
_MORE = (
    *('"}', ", ", '": ', "\\n", "\\\\", '\\"', "\\u00", "\\ud83d", "\\n\\n", "a\\", '\\"a"', "/api"),
    *("/v1", "1", "23"),
)
_LABELS = ("9n", "2b", "xn--", "n-", ".a", '."', "--", "-.", "a.xn--q", "A-", "0" * 9, "0" * 61, ".a.b.c")
_LAST = (
    *("-", "45", "0.5", "e+", "true", " true", "null", "[", "[]", "[{", ' ["', "\n  ", "\n    "),
    *("\r\n", ' "a', "api/"),
)


def _tokenizer() -> sg.Tokenizer:
    """Return a vocabulary of bytes, words, pieces of characters, escapes and what stands between values."""
    pieces = [word.encode() for word in (*_WORDS, *_MORE, *_LAST, *_LABELS)]
    pieces += [a + b for a in pieces[:24] for b in pieces[:30]]
    pieces += ["日".encode()[:2], "日".encode()[1:], "😀".encode()[:3], "a日".encode()[:-1], b"the" * 5]
    tokens: list[bytes | None] = [bytes([byte]) for byte in range(256)]
    tokens += sorted(set(pieces) - set(tokens))
    return sg.Tokenizer.from_bytes([*tokens, None], eos_token_id=len(tokens))


TOKENIZER = _tokenizer()


def _stepped(compiled: sg.CompiledGrammar, state: Any) -> set[int]:
    return {t for t in range(TOKENIZER.vocab_size) if compiled.step(state, t) is not None}


def _masks_are_exact(schema: Any, text: str, least: int | None = None, **options: Any) -> None:
    """Hold the masks along a text to steps; `least`: the text may end the language behind so many bytes."""
    compiled = sg.compile(sg.json_schema(schema, **options), TOKENIZER, store=sg.MaskStore())
    mask = sg.allocate_mask(1, TOKENIZER.vocab_size)
    data = text.encode()
    for end in range(len(data) + 1):
        state = compiled.step_bytes(compiled.start, data[:end])
        if state is None and least is not None and end >= least:
            break
        assert state is not None, data[:end]
        compiled.fill(state, mask, 0)
        bits = np.unpackbits(mask.array.view(np.uint8), bitorder="little")
        assert set(np.flatnonzero(bits).tolist()) == _stepped(compiled, state), data[:end]


@for_each("escapes", ["canonical", "any", "ascii"])
@for_each(
    ("pattern", "text"),
    [
        ("/api/v1", '"the/api/v1 and"'),
        ("^a.+$", '"abc日"'),
        (r"^(?:\S+\s+){0,3}\S+$", '"a b c the"'),
        ("^[0-9A-Za-z]{4}-[a-z]{3}$", '"A10a-abc"'),
        ("é|日本", '"the é and"'),
        (r"^[^\n]*the[^\n]*$", '"a the b"'),
    ],
)
def test_strings_that_take_nearly_all_are_exact(pattern: str, text: str, escapes: str) -> None:
    if escapes == "ascii":
        text = text.encode("ascii", "ignore").decode()
        if pattern == "é|日本":
            text = '"the'
    _masks_are_exact({"type": "string", "pattern": pattern}, text, escapes=escapes)


@pytest.mark.parametrize("more", [{}, {"maxLength": 16}])
def test_strings_of_many_patterns_are_exact(more: dict[str, int]) -> None:
    parts = ["a", "b", "[0-9]{2}", "é日", "x(yz)+", "-"]
    _masks_are_exact(
        {"allOf": [{"pattern": one} for one in parts], "type": "string", **more}, '"ab12-é日xyz"'
    )


@pytest.mark.parametrize(("least", "most"), [(0, 4), (2, 9), (0, 40), (3, 3)])
def test_strings_of_bounded_length_are_exact(least: int, most: int) -> None:
    _masks_are_exact(
        {"type": "string", "minLength": least, "maxLength": most}, '"a日"' if least < 3 else '"abc"'
    )


_NAME = ".".join(["a" * 63] * 3 + ["b" * 61])


@for_each(
    "schema",
    [
        {"format": "hostname"},
        {"format": "hostname", "minLength": 9},
        {"format": "hostname", "maxLength": 120},
        {"anyOf": [{"format": "hostname"}, {"format": "ipv4"}]},
        {"enum": ["www.x-9.example", _NAME, _NAME + "b", "xn--a"], "format": "hostname"},
    ],
)
@for_each("text", [f'"{_NAME[-70:]}"', '"www.x-9.example"', '"xm--q.a"', '"\\u0078M--zcA.a"', '"127.0.0.1'])
def test_host_names_are_exact(schema: Any, text: str) -> None:
    _masks_are_exact({"type": "string", **schema}, text, least=2, **sg.WIDEST)


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1,\n  "b" : [ \r\n   true ,\n\t23 ]\n}',
        '{ \n      "a":\n  1 , "b": [] }',
        '{"b":\n[\n  "日"\n  , {"c":\n   null}]}',
    ],
)
def test_white_space_that_is_half_written_is_exact(text: str) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "array"}}}
    _masks_are_exact(schema, text)


def test_white_space_deeper_than_any_token_is_exact() -> None:
    depth = 6
    text = (
        "".join("[\n" + "  " * level for level in range(1, depth + 1)) + "1" + "\n" + "  " * (depth - 1) + "]"
    )
    _masks_are_exact({"type": "array"}, text)


@pytest.mark.parametrize("schema", [{"type": "integer"}, {"type": "number", "minimum": -1.5, "maximum": 450}])
def test_numerals_are_exact(schema: Any) -> None:
    _masks_are_exact({"type": "array", "items": schema}, "[1, 23, 0, -1, 45 ]")


@pytest.mark.parametrize("escapes", ["canonical", "any"])
def test_keys_that_are_written_as_escapes_are_exact(escapes: str) -> None:
    schema = {
        "properties": {'a"b': {}, "a\\": {}, "a\n": {}, "api": {"type": "null"}},
        "additionalProperties": {"type": "integer"},
    }
    _masks_are_exact(schema, '{"a\\"b": 1, "a\\n": 23, "api": null, "the": 1}', escapes=escapes)

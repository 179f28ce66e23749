"""Bytes that stand in no token leave the alphabet of a schema's own machine: nothing leads to where only they
could follow, and what is written without them is taken. The law is tried on random schemas and vocabularies
(`lacking`)."""

from __future__ import annotations

import json
from typing import Any

import lacking
import numpy as np
import pytest

import structgen as sg
from structgen.automata.regex.ecma_syntax import parse_ecma
from structgen.automata.strings.alphabets import allowed_characters, pattern_of_characters
from structgen.automata.strings.patterns import automaton_of
from structgen.doors.serving.served_model import LIMITS
from structgen.grammars.json_grammars.compiled_schema import CompiledSchema

SEED, CASES, PARTS = 7, 18, 3
MANY = [pytest.param(range(at, at + 20), 3, marks=pytest.mark.slow) for at in range(CASES, 238, 20)]


def faults(number: int, walks: int) -> list[str]:
    schema, options, absent, chance = lacking.case(SEED, number)
    grammar = sg.json_schema(schema, strict=None, **options)
    try:
        one = lacking.Lacking(grammar, absent, chance)
    except sg.errors.UnsatisfiableSchema:
        return []
    return [
        f"{schema} {options} {sorted(absent)}: {said}"
        for said in one.faults(walks, 12, lacking.judge(schema))
    ]


@pytest.mark.parametrize(
    ("numbers", "walks"), [*((range(part, CASES, PARTS), 1) for part in range(PARTS)), *MANY]
)
def test_what_tokens_can_write_of_a_schema_is_what_masks_allow(numbers: range, walks: int) -> None:
    for number in numbers:
        assert not faults(number, walks)


def compiled(schema: Any, absent: bytes, **options: Any) -> sg.CompiledGrammar:
    tokenizer = lacking.tokenizer_of(lacking.tokens_of(frozenset(absent)))
    return sg.compile(sg.json_schema(schema, **options), tokenizer, store=False)


@pytest.mark.parametrize(
    ("schema", "absent", "shortest"),
    [
        ({"const": "\u9999"}, b"\xe9", b'"\\u9999"'),
        ({"type": "object", "required": ["\u9999"]}, b"\xe9", b'{"\\u9999":0}'),
        ({"type": "object", "required": ["a"]}, b"\xe90", b'{"a":1}'),
        ({"const": "🙂"}, b"\xf0d", b'"\\uD83D\\uDe42"'),
        ({"enum": ["ab", "longer"]}, b"a\\", b'"longer"'),
        ({"type": "integer", "minimum": 10, "maximum": 20}, b"1", b"20"),
        ({"type": "number", "exclusiveMinimum": 0, "maximum": 30}, b".1", b"2"),
        ({"type": "boolean"}, b"r", b"false"),
        ({"anyOf": [{"type": "null"}, {"type": "array", "minItems": 1}]}, b"u", b"[0]"),
    ],
)
def test_the_shortest_text_is_written_in_a_way_that_is_left(
    schema: Any, absent: bytes, shortest: bytes
) -> None:
    made = compiled(schema, absent, escapes="any")
    assert isinstance(made, CompiledSchema), "its own machine reads it"
    assert made.completion(made.start) == shortest


@pytest.mark.parametrize(
    ("schema", "absent", "named"),
    [
        ({"const": "\u9999"}, b"\xe9", "0xe9.*escapes="),
        ({"type": "object", "required": ["\u9999"]}, b"\xe9", "0xe9.*escapes="),
        ({"enum": ["ab", "ac"]}, b"a", "0x61"),
        ({"type": "integer", "minimum": 10, "maximum": 19}, b"1", "0x31"),
        ({"const": 1}, b"0123456789", "0x31"),
        ({"enum": [1, 2.5]}, b"0123456789", "0x31"),
        ({"type": "array", "minItems": 2}, b",", "0x2c"),
        ({"type": "object", "properties": {"a": {"type": "null"}}, "required": ["a"]}, b"u", "0x75"),
        (
            {"type": "array", "items": {"enum": ["a"]}, "contains": {"const": "b"}},
            b"b",
            "0x62|none|no document",
        ),
    ],
)
def test_what_cannot_be_written_is_refused_by_its_bytes(schema: Any, absent: bytes, named: str) -> None:
    with pytest.raises((sg.errors.TokenizerError, sg.errors.UnsatisfiableSchema), match=named):
        compiled(schema, absent)


def escapes_end(missing: int) -> None:
    """Hold the completions behind each beginning of an escape to what `json` reads, under each policy."""
    tokenizer = lacking.tokenizer_of([one for one in lacking.SINGLE if one != bytes((missing,))])
    whole = b'"\\uD83D\\uDE0'
    for escapes in ("any", "canonical", "ascii", "utf8"):
        try:
            made = sg.compile(sg.json_schema({"type": "string"}, escapes=escapes), tokenizer, store=False)
        except sg.errors.TokenizerError:
            assert missing == 34
            continue
        begun = {whole[:at] for at in range(1, len(whole) + 1)} | {b'"\\u0', b'"\\u00', b'"\\u00d'}
        for text in sorted(begun):
            state = made.step_bytes(made.start, text)
            if state is None:
                continue
            rest = made.completion(state)
            assert missing not in rest
            assert isinstance(json.loads(text + rest), str)
            assert made.tokens_to_finish(state) == len(rest)


def test_an_escape_that_has_begun_ends_without_a_byte() -> None:
    for missing in (0xDF, 0xB5, 0xFF, *b'du"\\0'):
        escapes_end(missing)


@pytest.mark.slow
def test_an_escape_that_has_begun_ends_without_a_byte_whole() -> None:
    for missing in range(256):
        escapes_end(missing)


def test_a_key_that_cannot_be_written_is_not_offered() -> None:
    made = compiled(
        {"type": "object", "properties": {"\u9999": {}, "ab": {}}, "additionalProperties": False}, b"\xe9"
    )
    state = made.step_bytes(made.start, b'{"')
    assert state is not None
    assert made.completion(state)[:1] == b"a"


def test_two_vocabularies_share_a_store_and_keep_their_own_masks(tmp_path: Any) -> None:
    grammar = sg.json_schema({"enum": ["a", "b"]})
    store = sg.MaskStore(tmp_path)
    for absent, left in ((b"", {b"a", b"b"}), (b"a", {b"b"}), (b"b", {b"a"})):
        tokens = lacking.tokens_of(frozenset(absent))
        for _ in range(2):
            made = sg.compile(grammar, lacking.tokenizer_of(tokens), store=store)
            state = made.step_bytes(made.start, b'"')
            assert state is not None
            assert {tokens[one] for one in made.allowed(state)} & {b"a", b"b"} == left


PLAIN: list[Any] = [
    {},
    {"type": "string"},
    {"type": "string", "maxLength": 5},
    {"type": "string", "pattern": "^a+$"},
    {"type": "string", "pattern": "^[^\\u4321]*$"},
    {"type": "string", "format": "date"},
    {"type": "array", "items": {"type": "string", "minLength": 2}},
    {"type": "object"},
    {"type": "object", "additionalProperties": {"type": "string"}},
    {"type": "object", "patternProperties": {"^x": {"type": "integer"}}},
    {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}, "required": ["a"]},
    {"anyOf": [{"type": "string"}, {"type": "null"}]},
]


def walks_under_the_limits_of_a_server(seed: int) -> None:
    """Write a few tokens under each plain schema and two policies. The vocabulary lacks 1 to 16 bytes beyond
    ASCII, and a letter."""
    drawn = np.random.default_rng(seed)
    absent = frozenset(drawn.choice(range(0x80, 0x100), drawn.integers(1, 17), replace=False).tolist())
    tokenizer = lacking.tokenizer_of(lacking.tokens_of(absent | {int(drawn.integers(0x41, 0x5B))}))
    for schema in PLAIN:
        for escapes in drawn.choice(["any", "canonical", "ascii", "utf8"], 2, replace=False).tolist():
            grammar = sg.json_schema(schema, escapes=escapes, limits=LIMITS)
            made = sg.compile(grammar, tokenizer, store=False)
            state = made.start
            for _ in range(5):
                allowed = made.allowed(state)
                if not allowed or not made.completion(state):
                    break
                state = made.step(state, int(drawn.choice(sorted(allowed))))


def test_bytes_that_a_vocabulary_lacks_use_up_no_limit_of_a_server() -> None:
    walks_under_the_limits_of_a_server(3)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(60))
def test_bytes_that_a_vocabulary_lacks_use_up_no_limit_of_a_server_whole(seed: int) -> None:
    walks_under_the_limits_of_a_server(seed)


def test_ranges_of_characters_are_read_as_the_pattern_of_them() -> None:
    drawn = np.random.default_rng(0)
    known = [0, 1, 0x7F, 0x80, 0xD800, 0xDFFF, 0xE000, 0x10FFFF, 0x110000]
    for _ in range(100):
        points = np.unique(drawn.choice([*known, *drawn.integers(0, 0x110001, 8)], 2 * drawn.integers(1, 8)))
        pattern = pattern_of_characters(np.append(points, 0x110001)[: len(points) // 2 * 2])
        found = allowed_characters(pattern)
        if found is not None:
            whole = automaton_of(parse_ecma(pattern), 10)
            assert found[0].starts.tolist() == whole.alphabet.starts.tolist()
            assert found[0].kinds.tolist() == whole.alphabet.kinds.tolist()
            assert np.flatnonzero(whole.trans[0] == 0).tolist() == [found[1]]


@pytest.mark.parametrize("ranges", [r"\u{9}-\u{6}", r"\u{5}-\u{6}\u{7}-\u{8}", r"\u{5}-\u{110000}", "a-b"])
def test_other_patterns_are_not_read_as_ranges(ranges: str) -> None:
    assert allowed_characters(f"^[{ranges}]*$") is None

"""Completions: they are accepted, are the rest of each other, and cost one token less after some token."""

from __future__ import annotations

import itertools
import json
import random
import sys
from pathlib import Path
from typing import Any

import pytest
from compiled_texts import reached
from for_each import for_each
from hypothesis import given
from hypothesis import strategies as st

import structgen as sg

sys.path.insert(0, str(Path(__file__).resolve().parent / "oracles"))

from effort import MODEST
from strategies import open_schemas, schema_text

PIECES = [
    *(bytes([byte]) for byte in range(256)),
    *(b"\\u", b"\\u00", b"\\ud8", b"00", b"dc0", b"\\ud83d\\ud", b"001f", b'\\"'),
    *(b'":', b'","', b'{"', b'"}', b'": "', b'{"a":{"', b'"a":', b'b":', b'a"', b'":"","', b'":0,"', b"[["),
    *(b"\n", b"  ", b"\n  ", b"\xc3\xa9"),
]
END = len(PIECES)
TOKENIZER = sg.Tokenizer.from_bytes([*PIECES, None], eos_token_id=END)
WHITESPACE: tuple[Any, ...] = ("bounded", "compact", "oneline", 2, "\t", "any")


def compiled_case(schema: Any, chance: random.Random) -> sg.CompiledGrammar | None:
    """Return a schema compiled under policies drawn by chance, or None where it is refused."""
    options = {
        "whitespace": chance.choice(WHITESPACE),
        "escapes": chance.choice(["canonical", "any"]),
        "numbers": chance.choice(["bounded", "plain", "any"]),
        "property_order": chance.choice(["declared", "any"]),
    }
    try:
        return sg.compile(sg.json_schema(schema_text(schema), **options), TOKENIZER, store=False)
    except sg.StructgenError:
        return None


def walk(compiled: sg.CompiledGrammar, chance: random.Random, most: int) -> list[sg.core.State]:
    """Return the states of a random walk, which prefers tokens of several bytes and printable ones."""
    states = [compiled.start]
    while len(states) < most:
        tokens = [token for token in compiled.allowed(states[-1]) if token != END]
        if not tokens:
            break
        lively = [t for t in tokens if len(PIECES[t]) > 1 or 32 <= PIECES[t][0] < 127]
        after = reached(compiled, chance.choice(lively or tokens), states[-1])
        states.append(after)
    return states


def fewest(tokens: list[bytes], text: bytes) -> int:
    """Return the fewest of the tokens that write a text: what a cost is where there is no choice."""
    best = [0] * (len(text) + 1)
    for start in range(len(text) - 1, -1, -1):
        best[start] = 1 + min(best[start + len(t)] for t in tokens if text.startswith(t, start))
    return best[0]


@MODEST
@given(open_schemas(), st.integers(0, 1 << 30))
def test_a_completion_completes_and_its_rest_is_the_completion_after_a_byte(schema: Any, seed: int) -> None:
    chance = random.Random(seed)
    compiled = compiled_case(schema, chance)
    if compiled is None:
        return
    for state in walk(compiled, chance, chance.choice([3, 8, 16])):
        text = compiled.completion(state)
        assert (text == b"") == state.is_complete
        end = compiled.step_bytes(state, text)
        assert end is not None and end.is_complete, (text, state)
        if text:
            after = compiled.step_bytes(state, text[:1])
            assert after is not None and compiled.completion(after) == text[1:]


def test_a_second_high_surrogate_that_has_begun_may_stand_alone() -> None:
    compiled = sg.compile(sg.json_schema({"type": "string"}, escapes="any"), TOKENIZER, store=False)
    text = b'"\\ud83d\\ud9fb'
    states = [compiled.step_bytes(compiled.start, text[:size]) for size in range(7, len(text) + 1)]
    rests = [compiled.completion(state) for state in states if state is not None]
    assert rests == [b'"', b'""', b'0000"', b'000"', b'00"', b'0"', b'"']


@MODEST
@given(open_schemas(), st.integers(0, 1 << 30))
def test_a_completion_is_as_long_as_in_a_grammar_that_was_asked_nothing_else(schema: Any, seed: int) -> None:
    """States that differ in the names of extra keys are looked at once: one may be answered with another's
    completion."""
    chance = random.Random(seed)
    compiled = compiled_case(schema, chance)
    if compiled is None:
        return
    states = walk(compiled, chance, 12)
    for state in states:
        for token in compiled.allowed(state)[:: chance.randint(20, 60)]:
            after = None if token == END else compiled.step(state, token)
            if after is not None:
                compiled.tokens_to_finish(after)
    for state in chance.sample(states, min(3, len(states))):
        fresh = sg.compile(compiled.grammar, TOKENIZER, store=False)
        there = fresh.start
        for token in tokens_to(compiled, states, state):
            following = reached(fresh, token, there)
            there = following
        assert len(fresh.completion(there)) == len(completed(compiled, state))


def completed(compiled: sg.CompiledGrammar, state: sg.core.State) -> bytes:
    """Return the completion of a state, once it has been seen to complete the document."""
    text = compiled.completion(state)
    end = compiled.step_bytes(state, text)
    assert end is not None and end.is_complete, text
    return text


def tokens_to(compiled: sg.CompiledGrammar, states: list[sg.core.State], last: sg.core.State) -> list[int]:
    """Return tokens that lead from each state of a walk to the next, as far as a state."""
    found = []
    for state, after in itertools.pairwise(states[: states.index(last) + 1]):
        found.append(
            next(t for t in compiled.allowed(state) if t != END and compiled.step(state, t) == after)
        )
    return found


@for_each(
    "schema",
    [
        {"properties": {"a": {"type": "integer", "minimum": 1}}, "required": ["a"], "type": "object"},
        {"type": "array", "items": {"type": ["boolean", "null"]}, "minItems": 2},
        {"type": "string", "pattern": "^[a-f]{3,4}-[0-9]{2}$"},
        {"oneOf": [{"const": "a long constant"}, {"type": "number", "minimum": 1000}]},
        {"enum": ["one", "another", {"k": [1, 2]}]},
    ],
)
def test_a_count_is_the_fewest_tokens_of_any_document(schema: Any) -> None:
    """Found by breadth-first search over masks and steps alone."""
    compiled = sg.compile(sg.json_schema(schema, **sg.JSON_DUMPS), TOKENIZER, store=False)
    level, met, count = [compiled.start], {compiled.start}, 0
    while not any(compiled.accepts_end(state) for state in level):
        ahead = [compiled.step(state, token) for state in level for token in compiled.allowed(state)]
        level = [one for one in dict.fromkeys(ahead) if one is not None and one not in met]
        met.update(level)
        count += 1
    assert compiled.tokens_to_finish(compiled.start) == count


FEW_KEYS: list[Any] = [
    {"propertyNames": {"enum": ["a", "b", "cc"]}, "minProperties": 2},
    {"propertyNames": {"pattern": "^[ab]$"}, "minProperties": 2},
    {"patternProperties": {"^a": {"const": 1}, "^b": {}}, "additionalProperties": False, "minProperties": 2},
    {"minProperties": 3, "additionalProperties": {"type": "null"}},
    {"propertyNames": {"maxLength": 1}, "minProperties": 3},
    {"propertyNames": {"pattern": "^a{0,2}$"}, "minProperties": 3},
]


@for_each("schema", FEW_KEYS)
@for_each("nested", [False, True])
def test_names_that_an_object_holds_count_where_few_are_left(schema: Any, nested: bool) -> None:
    """Each object is asked after its twin, which holds as many other names."""
    whole = {"type": "object", **schema}
    head = b""
    if nested:
        head, whole = b'{"x":[', {"type": "object", "additionalProperties": {"type": "array", "items": whole}}
    compiled = sg.compile(sg.json_schema(whole, whitespace="compact"), TOKENIZER, store=False)
    asked = 0
    for order in ("a", "b", "cc", "", " ", "aa", "bb"), ("b", "", "a", "aa", " ", "cc", "bb"):
        for held in range(1, 3):
            body = ",".join(f'"{name}":1' for name in order[:held])
            for rest in (b"", b",", b',"', b',"a', b',"b'):
                text = head + b"{" + body.replace(":1", ":null").encode() + rest
                text = (
                    text if compiled.step_bytes(compiled.start, text) else head + b"{" + body.encode() + rest
                )
                state = compiled.step_bytes(compiled.start, text)
                if state is None:
                    continue
                fresh = sg.compile(compiled.grammar, TOKENIZER, store=False)
                there = reached(fresh, text)
                assert len(completed(compiled, state)) == len(fresh.completion(there)), text
                assert compiled.tokens_to_finish(state) <= fewest(PIECES, compiled.completion(state))
                asked += 1
    assert asked > 3


def completion_after(schema: Any, prefix: bytes, **options: Any) -> bytes:
    compiled = sg.compile(sg.json_schema(schema, **options), TOKENIZER, store=False)
    state = reached(compiled, prefix)
    return completed(compiled, state)


LISTS = {"type": "object", "minProperties": 2, "additionalProperties": {"type": "array"}}


@pytest.mark.parametrize(
    "prefix", [b'{"\\', b'{"\\u', b'{"\\u0', b'{"\\u00', b'{"\\u000', b'{"": [], "\\u00']
)
def test_a_key_that_breaks_off_in_an_escape_is_completed(prefix: bytes) -> None:
    completion_after(LISTS, prefix)


@pytest.mark.parametrize("prefix", [b'"\\ud83d', b'"\\ud83d\\', b'"\\ud83d\\ud', b'"\\ud8', b'"\xf0\x9f'])
@pytest.mark.parametrize("escapes", ["canonical", "any"])
def test_half_of_a_pair_is_completed(prefix: bytes, escapes: str) -> None:
    completion_after({"type": "string"}, prefix, escapes=escapes)


def test_a_character_is_chosen_that_json_writes_in_one_byte() -> None:
    assert completion_after({"type": "string", "pattern": "^[^a]{3}$"}, b"") == b'"   "'


def test_an_extra_key_is_not_repeated() -> None:
    schema = {"type": "object", "minProperties": 3, "additionalProperties": {"type": "null"}}
    text = b'{"": null, " ": null, '
    members = json.loads(
        text + completion_after(schema, text), object_pairs_hook=lambda pairs: [key for key, _ in pairs]
    )
    assert len(set(members)) == 3


def test_an_extra_key_that_meets_a_pattern_is_found_though_the_shortest_is_taken() -> None:
    schema = {
        "type": "object",
        "minProperties": 2,
        "patternProperties": {"^x": {}},
        "additionalProperties": False,
    }
    completion_after(schema, b'{"x": 0, "')


def test_a_key_is_lengthened_by_part_of_a_character() -> None:
    schema = {"type": "object", "properties": {"a": True, "b": True}, "minProperties": 1}
    completion_after({"not": {"not": schema}}, b"{\n", property_order="any", whitespace=2)


def test_the_first_byte_may_be_one_of_many_that_save_tokens() -> None:
    tokenizer = sg.Tokenizer.from_bytes([*PIECES[:256], b'"q"]', None], eos_token_id=257)
    schema = {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1}
    compiled = sg.compile(sg.json_schema(schema, whitespace="compact"), tokenizer, store=False)
    assert compiled.completion(compiled.start) == b'[" "]'
    assert compiled.tokens_to_finish(compiled.start) == 2


def test_the_count_of_a_state_does_not_depend_on_the_states_asked_before() -> None:
    """Where a completion is long, its far end is costed as written; a state met there costs what it costs."""
    names = ["street", "city", "country", "code", "mail", "phone", "title", "remark", "number", "group"]
    schema = {"properties": {name: {"type": "string", "minLength": 12} for name in names}, "required": names}
    options: dict[str, Any] = {"type": "object", **schema}
    compiled, chance = sg.compile(sg.json_schema(options), TOKENIZER, store=False), random.Random(7)
    text = compiled.completion(compiled.start)
    cuts = chance.sample(range(len(text)), len(text))
    states = {cut: compiled.step_bytes(compiled.start, text[:cut]) for cut in cuts}
    counts = {cut: compiled.tokens_to_finish(state) for cut, state in states.items() if state is not None}
    assert len(text) > 200 and len(counts) == len(text)
    for cut in counts:
        fresh = sg.compile(compiled.grammar, TOKENIZER, store=False)
        if cut % 24 == 0:
            state = fresh.step_bytes(fresh.start, text[:cut])
            assert state is not None and fresh.tokens_to_finish(state) == counts[cut], cut


def test_a_completion_of_thousands_of_bytes_takes_the_fewest_tokens_that_write_it() -> None:
    # one that repeats itself every 16 bytes, and one that does not
    alike = {"items": {"const": "b" * 10 + "001"}, "minItems": 200}
    keys = [f"k{i * i * i}" for i in range(200)]
    unlike = {
        "properties": {key: {"const": int(key[1:]) % 977} for key in keys},
        "required": keys,
        "additionalProperties": False,
    }
    for schema in ({"type": "array", **alike}, {"type": "object", **unlike}):
        compiled = sg.compile(sg.json_schema(schema, whitespace="compact"), TOKENIZER, store=False)
        state = compiled.start
        for _ in range(20):
            text = compiled.completion(state)
            assert len(text) > 2_000
            assert compiled.tokens_to_finish(state) == fewest(
                [piece for piece in PIECES if piece in text], text
            )
            following = reached(compiled, text[:37], state)
            state = following


def test_a_completion_adds_no_key_that_the_object_holds() -> None:
    schema = {"type": "object", "properties": {"a": {"enum": ["a"]}}}
    for first, second in ((b'{"b":1,', b'"":1,'), (b'{"b":1, ', b'"":1, '), (b'{"":1,', b'" ":1,')):
        compiled = sg.compile(sg.json_schema(schema, **sg.WIDEST), TOKENIZER, store=False)
        before = reached(compiled, first)
        # what was found for an object with other keys is not good for this one
        assert compiled.step_bytes(before, compiled.completion(before)) is not None
        state = reached(compiled, second, before)
        assert compiled.step_bytes(state, compiled.completion(state)) is not None


def test_the_completion_of_few_values_that_must_differ_is_written_in_ascii() -> None:
    schema = {"type": "array", "items": {"enum": ["é", "ü"]}, "uniqueItems": True, "minItems": 2}
    compiled = sg.compile(sg.json_schema(schema, **sg.JSON_DUMPS), TOKENIZER, store=False)
    text = compiled.completion(compiled.start)
    assert text.isascii() and sorted(json.loads(text)) == ["é", "ü"]

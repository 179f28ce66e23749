"""The oracles against each other, and against cases written by hand: a law is no better than its judge."""

from __future__ import annotations

import json
import random
from decimal import Decimal
from typing import Any

import ecma
import pytest
from arbiter import Arbiter
from cases import Case, regular_cases
from effort import MODEST
from for_each import for_each
from hypothesis import assume, given
from hypothesis import strategies as st
from json_text import TextError, parse
from language import Automaton, Language, Nfa, Unclear, finite_language, numeral_pattern
from policy_oracle import COMPACT, WIDEST, Answer, Options, judge, layout
from strategies import LEAVES, Bounded, Writer, bounded_schemas, bounded_strings, open_schemas, values
from validator import DISAGREEMENTS, Validator

FLAT_OPTIONS = (
    COMPACT,
    Options(),
    Options("any", "any", "bounded", "any"),
    Options("oneline", "any", "plain", "any"),
    Options(2, "declared", "bounded", "canonical"),
)


@for_each(
    "text",
    [
        *rb"""01 1. .5 - +1 [1,] [,1] {1:2} {"a"} {"a":} [} ] {"a":1,} "a "\x" "\u12" """.split(),
        *b"truefalse nul 'a' NaN 1e --1".split(),
        *(b"", b" ", b"1 2", b'{"a":1 "b":2}', b'"\x1f"', b'{"a":1,"\\u0061":2}', b"\xef\xbb\xbf1", b"\x0c1"),
        *(b'"\xff"', b'"\xed\xa0\x80"', b'"\xc0\x80"'),
    ],
)
def test_the_reader_refuses_what_is_not_json(text: bytes) -> None:
    with pytest.raises(TextError):
        parse(text)


@MODEST
@given(values())
def test_the_reader_reads_what_the_standard_library_writes(value: Any) -> None:
    text = json.dumps(value, default=str)
    expected = json.loads(text, parse_float=Decimal)
    assert parse(text.encode())[0].value == expected


@MODEST
@given(values(), st.integers(0, 2**32))
def test_the_writer_changes_the_spelling_and_not_the_value(value: Any, seed: int) -> None:
    text = Writer(random.Random(seed), 0.4, 0.6).text(value)
    assert Arbiter({"const": value}).valid(parse(text)[0].value)


def test_the_reader_takes_deep_documents() -> None:
    depth = 20_000
    assert len(parse(b"[" * depth + b"]" * depth)[1]) == 2 * depth


def test_a_pair_of_escapes_is_one_character_and_a_lone_one_stays() -> None:
    assert parse(b'["\\ud83d\\ude00","\\ude00\\ud83d"]')[0].value == ["\U0001f600", "\ude00\ud83d"]


@MODEST
@given(values(), st.sampled_from([None, 0, 1, 2, "\t", " \t"]))
def test_a_layout_is_what_json_dumps_writes(value: Any, indent: int | str | None) -> None:
    value = json.loads(json.dumps(value, default=float))
    text = json.dumps(value, indent=indent)
    tokens = [text.encode()[t.start : t.end].decode() for t in parse(text.encode())[1]]
    assert layout(tokens, "oneline" if indent is None else indent) == text


@MODEST
@given(values(), st.integers(0, 8), st.booleans())
def test_every_indent_up_to_eight_fits_bounded_white_space(value: Any, indent: int, tabs: bool) -> None:
    text = json.dumps(value, default=float, indent="\t" * indent if tabs else indent, ensure_ascii=False)
    assert judge(text.encode(), {}, Options(numbers="any", escapes="any")).answer is Answer.YES


ORDER_SCHEMA = {
    "required": ["r", "b", "q"],
    "$ref": "#/$defs/t",
    "properties": {"b": {}, "a": {}},
    "allOf": [{"properties": {"c": {}}, "required": ["s"]}, {"$ref": "#/$defs/t"}],
    "not": {"properties": {"n": {}}, "required": ["m"]},
    "$defs": {"t": {"properties": {"t": {}, "a": {}}}},
}


@pytest.mark.parametrize(
    ("keys", "holds"),
    [
        ("tabc", True),
        ("tbac", False),
        ("tabcrqs", True),
        ("tabcqr", False),
        ("rs", True),
        ("tabcrqsmn", True),
        ("tabcrqsnm", True),
        ("ntabcrqs", False),
        ("cr", True),
        ("rc", False),
    ],
)
def test_declared_order_is_read_as_the_table_says(keys: str, holds: bool) -> None:
    text = json.dumps(dict.fromkeys(keys, 1)).encode()
    assert (judge(text, ORDER_SCHEMA, Options()).answer is Answer.YES) == holds


def test_canonical_escapes_bind_keys_and_named_strings_alone() -> None:
    schema = {"properties": {"e": {"enum": ["a"]}, "f": {"type": "string"}}}
    options = Options(whitespace="compact")
    assert judge(b'{"e":"a","f":"\\u0061"}', schema, options).answer is Answer.YES
    assert judge(b'{"e":"\\u0061"}', schema, options).answer is Answer.NO
    assert judge(b'{"\\u0065":"a"}', schema, options).answer is Answer.NO
    assert judge(b'{"f":"\\ud800"}', schema, options).answer is Answer.NO
    assert judge(b'{"f":"\\ud800","\\u0065":"\\u0061"}', schema, WIDEST).answer is Answer.YES


@pytest.mark.parametrize("case", DISAGREEMENTS, ids=lambda case: case.section[:16])
def test_a_known_disagreement_is_one_still(case: Any) -> None:
    validator = Validator(case.schema)
    assert validator.arbiter.valid(case.value) is case.valid
    assert validator.opinion(case.value) is not case.valid


@MODEST
@given(open_schemas(), st.lists(values(), min_size=1, max_size=10))
def test_the_two_validators_agree_but_for_the_known(schema: Any, some: list[Any]) -> None:
    validator = Validator(schema)
    for value in some:
        validator.valid(value)


@pytest.mark.skipif(ecma.NODE is None, reason="Node's RegExp is the oracle and is not installed")
@MODEST
@given(
    st.sampled_from(["^a", "b$", "^[ab]*$", "a|b", "^$", "^.b", "^x", "[ab]", "^\\d+$", "\\w"]),
    st.text("ab1x\n\u2028é", max_size=4),
)
def test_the_translated_patterns_agree_with_node(pattern: str, text: str) -> None:
    assert ecma.translated(pattern, text) == ecma.search(pattern, text)


@MODEST
@given(
    st.sampled_from([v for v in LEAVES if isinstance(v, (int, Decimal)) and not isinstance(v, bool)]),
    st.data(),
)
def test_spelt_numerals_have_the_value_and_keep_to_the_policy(value: Any, data: st.DataObject) -> None:
    policy = data.draw(st.sampled_from(["plain", "bounded"]))
    nfa = Nfa()
    nfa.final.add(nfa.piece(0, numeral_pattern(Decimal(value), policy)))
    numeral = Automaton(nfa).sample(random.Random(data.draw(st.integers(0, 2**32))))
    assert Decimal(numeral.decode()) == value
    assert judge(numeral, {}, Options(whitespace="compact", numbers=policy)).answer is Answer.YES


@MODEST
@given(
    st.one_of(
        st.tuples(bounded_schemas(depth=1), st.sampled_from(FLAT_OPTIONS)),
        st.tuples(bounded_strings(), st.sampled_from(FLAT_OPTIONS)),
        st.tuples(bounded_schemas(depth=2), st.just(COMPACT)),
    ),
    st.integers(0, 2**32),
)
def test_the_automaton_of_a_finite_language_agrees_with_its_judge(
    case: tuple[Bounded, Options], seed: int
) -> None:
    (bounded, options), chance = case, random.Random(seed)
    try:
        automaton = finite_language(
            bounded.schema, bounded.universe, options, named_strings=bounded.named_strings
        )
    except Unclear:
        assume(False)
    assume(not automaton.empty)
    language = Language(bounded.schema, options)
    for _ in range(10):
        word = bytearray(automaton.sample(chance))
        assert not automaton.accepts(automaton.step(0, word)) or language.holds(bytes(word)) is not Answer.NO
        if word:
            word[chance.randrange(len(word))] = chance.choice(b' "a01,:{}[]\\\n')
        wrong = Answer.NO if automaton.accepts(automaton.step(0, word)) else Answer.YES
        assert language.holds(bytes(word)) is not wrong


PIECES = (
    *(b"", b" ", b'"', b"a", b"0", b",", b"}", b"]", b"\\", b"\n", b"e1", b".0", b"\\ud800"),
    *(b"\xc3", b"\xc3\xa9"),
)


@MODEST
@given(regular_cases())
def test_the_automaton_of_a_regular_language_agrees_with_its_judge(case: Case) -> None:
    for _ in range(10):
        word = bytearray(case.automaton.sample(case.chance, 100))
        if case.automaton.accepts(case.automaton.step(0, word)):
            assert case.language.holds(bytes(word)) is Answer.YES
        for _ in range(3):
            other = bytearray(word)
            at = case.chance.randrange(len(other) + 1)
            other[at : at + case.chance.randint(0, 1)] = case.chance.choice(PIECES)
            expected = Answer.YES if case.automaton.accepts(case.automaton.step(0, other)) else Answer.NO
            assert case.language.holds(bytes(other)) is expected, bytes(other)

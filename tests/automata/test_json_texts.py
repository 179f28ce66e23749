"""JSON texts within strings, against Python's reader, and prefix by prefix against a parser of characters."""

from __future__ import annotations

import itertools
import json
from typing import Any

import lark
import pytest
from hypothesis import given
from hypothesis import strategies as st

from structgen.automata.formats.json_content import JSON_TEXT
from structgen.automata.strings.string_pool import StringPool
from structgen.errors import LimitError, UnsupportedError
from structgen.json_machine.answers.scalar_questions import Strings
from structgen.language.ir import UNKNOWN, All, Any_, Format, Formula, Length, Not, Pattern, Spec, Words
from structgen.limits import Limits

TEXT = Format(JSON_TEXT)
MARKS = '[]{}:,"\\ 0123e.-+tfnabu\n\t\x01é😀/E'


def one(demands: frozenset[int]) -> int:
    return 0


POOL = StringPool(Limits())
ORACLE = Strings(POOL, one)

# One terminal a character: an LALR parser refuses the first character with which nothing begins.
GRAMMAR = r"""
start: ws value ws
value: "t" "r" "u" "e" | "f" "a" "l" "s" "e" | "n" "u" "l" "l" | string | number | array | object
array: "[" ws "]" | "[" ws items "]"
items: value ws | value ws "," ws items
object: "{" ws "}" | "{" ws members "}"
members: member | member "," ws members
member: string ws ":" ws value ws
string: "\"" chars "\""
chars: | chars char
char: letter | "\\" escaped
escaped: "\"" | "\\" | "/" | "b" | "f" | "n" | "r" | "t" | "u" hex hex hex hex
letter: " " | OTHER | "/" | hex | "t" | "r" | "u" | "l" | "s" | "n" | mark_of_structure | "." | "-" | "+"
mark_of_structure: ":" | "," | "[" | "]" | "{" | "}"
hex: digit | "a" | "b" | "c" | "d" | "e" | "f" | "E"
number: whole | whole fraction | whole exponent | whole fraction exponent
whole: natural | "-" natural
natural: "0" | first digits
digits: | digits digit
fraction: "." digit digits
exponent: mark digit digits | mark sign digit digits
mark: "e" | "E"
sign: "+" | "-"
first: "1" | "2" | "3"
digit: "0" | first
ws: | ws " " | ws "\n" | ws "\t"
OTHER: "é" | "😀"
"""
PARSER = lark.Lark(GRAMMAR, parser="lalr", lexer="basic")
NAMES = {pattern.value: name for name, pattern in ((one.name, one.pattern) for one in PARSER.terminals)}


def holds(text: str) -> bool:
    """Return whether Python reads a text as JSON."""

    def refuse(constant: str) -> Any:
        raise ValueError(constant)

    try:
        json.loads(text, parse_constant=refuse)
    except ValueError:
        return False
    return True


def begins(text: str) -> int:
    """Return how many characters of a text begin some JSON text."""
    parser = PARSER.parse_interactive("")
    for at, char in enumerate(text):
        name = "OTHER" if char in "é😀" else NAMES.get(char, "")
        if name not in parser.accepts():
            return at
        parser.feed_token(lark.Token(name, char))
    return len(text)


def states(text: str, formula: Formula = TEXT, pool: StringPool = POOL) -> list[int]:
    """Return the states before each character of a text, and after it; as far as it goes on."""
    found = [pool.start(Spec((formula,)), one)]
    for char in text:
        state = found[-1]
        for byte in char.encode():
            if pool.trans[state, byte] == UNKNOWN:
                pool.expand(state, byte)
            state = int(pool.trans[state, byte])
            if state < 0:
                return found
        found.append(state)
    return found


values = st.recursive(
    st.none() | st.booleans() | st.sampled_from([0, -1, 20, 1.5, 1e30, -2e-10]) | st.text('a"\\é/ \n😀b'),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("ab\\", max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)


@st.composite
def texts(draw: st.DrawFn) -> str:
    """A JSON text, or one that a few edits made of it."""
    text = json.dumps(
        draw(values), ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, None, 1, "\t"]))
    )
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(st.sampled_from(["", *MARKS])) + text[at + draw(st.integers(0, 1)) :]
    return text


@given(text=texts())
def test_a_string_holds_a_json_text_where_python_reads_one(text: str) -> None:
    assert ORACLE.matches(TEXT, text) is holds(text)
    assert ORACLE.matches(Not(TEXT), text) is not holds(text)


@given(text=texts().filter(lambda text: set(text) <= set(MARKS) | set("rls")))
def test_a_state_lives_where_some_json_text_goes_on(text: str) -> None:
    assert len(states(text)) - 1 == begins(text)


@given(text=texts())
def test_the_rest_that_is_told_is_an_end_and_none_is_shorter(text: str) -> None:
    path = states(text)
    begun = text[: len(path) - 1]
    rest = POOL.finish(path[-1])[0].decode()
    assert holds(begun + rest)
    for length in range(min(len(rest), 3)):
        for other in itertools.product(']}":0ael', repeat=length):
            assert not holds(begun + "".join(other))


def test_nesting_has_no_bound_but_memory() -> None:
    opened = '[{"a":' * 1_500
    path = states(opened)
    assert len(path) == len(opened) + 1
    assert POOL.finish(path[-1])[0].decode() == "0" + "}]" * 1_500
    assert len(set(states("[" * 50 + "]" * 50))) == 101


def test_the_states_of_a_grammar_with_few_are_few() -> None:
    with pytest.raises(LimitError) as caught:
        states("[" * 3_000, pool=StringPool(Limits(automaton_states=2_000)))
    assert caught.value.limit == "automaton_states"


@pytest.mark.parametrize("text", ["", '{"a": [', '[[{"b"', "[[1", '"\\u00', "[] "])
def test_a_state_has_one_name_in_every_process(text: str) -> None:
    other = StringPool(Limits())
    other.start(Spec((Any_((Pattern("^(ab){3,9}$"), Words(frozenset({"x", "yy"})))),)), one)
    assert other.key(states(text, pool=other)[-1]) == POOL.key(states(text)[-1])


def test_states_that_are_nested_differently_have_different_names() -> None:
    keys = {POOL.key(states(text)[-1]) for text in ("[", "[[", '{"":[', '[{"":[', '{"":[[')}
    assert len(keys) == 5


@pytest.mark.parametrize(
    "beside", [Length(0, 9), Length(1, None), Pattern("a"), Format("date"), TEXT, Not(Pattern("a"))]
)
def test_what_would_be_searched_together_with_nesting_is_refused(beside: Formula) -> None:
    formula = All((TEXT, beside if beside is not TEXT else Not(TEXT)))
    with pytest.raises(UnsupportedError) as caught:
        StringPool(Limits()).start(Spec((formula,)), one)
    assert caught.value.keyword == "contentMediaType"


def test_words_may_be_excluded() -> None:
    formula = All((TEXT, Not(Words(frozenset({"[]", "0"})))))
    assert [ORACLE.matches(formula, text) for text in ("[]", "0", "[ ]", "00", "1")] == [
        False,
        False,
        True,
        False,
        True,
    ]

"""The algebra of grammars: its laws, on all words up to a length."""

from __future__ import annotations

import itertools
import json
import pickle
import random
from collections.abc import Callable

import pytest
from for_each import for_each
from hypothesis import given
from hypothesis import strategies as st
from language_words import accepts, check_rest, power, product, texts, words_of

import structgen as sg
from structgen.grammars.text_grammars.machine.language import TOKEN
from structgen.grammars.text_grammars.regular import RegularGrammar
from structgen.grammars.text_grammars.text_grammar import TextGrammar

ALPHABET, MOST = "ab", 5
ALL = set(texts(ALPHABET, MOST))


def words(grammar: TextGrammar) -> set[str]:
    try:
        return words_of(grammar, ALPHABET, MOST)
    except sg.errors.GrammarError as error:
        assert type(error) is sg.errors.GrammarError
        return set()


# grammars with assertions are not merged into one pattern, free texts are not even regular grammars
PARTS: dict[str, Callable[[], TextGrammar]] = {
    "literal": lambda: sg.literal("ab"),
    "empty": lambda: sg.literal(""),
    "choice": lambda: sg.choice(["a", "ba", "b"]),
    "letters": lambda: sg.choice(["a", "b"]),
    "pattern": lambda: sg.regex("a*b?|ba"),
    "assertion": lambda: sg.regex("a*(?!b)|b(?<=b)a?"),
    "span": lambda: sg.substring_of("abba"),
    "text": lambda: sg.text(until="b"),
    "without": lambda: sg.text(until="ab", included=False),
    "sequence": lambda: sg.substring_of("ab") + sg.regex("a|b(?!a)"),
    "loop": lambda: sg.substring_of("ab").repeat(1, 2),
}
PART = st.sampled_from(sorted(PARTS)).map(lambda name: PARTS[name]())
REGULAR = st.sampled_from(["literal", "empty", "choice", "letters", "pattern", "assertion"]).map(
    lambda name: PARTS[name]()
)


@given(a=PART, b=PART)
def test_a_sum_has_the_products_of_the_words(a: TextGrammar, b: TextGrammar) -> None:
    assert words(a + b) == product(words(a), words(b), MOST)


def test_a_choice_of_characters_stays_one_part_of_a_sum() -> None:
    assert words("b" + sg.choice(["a", "b"])) == {"ba", "bb"}
    assert words(sg.regex("a|b") + "b") == {"ab", "bb"}


@given(a=PART, b=PART)
def test_alternatives_have_the_words_of_either(a: TextGrammar, b: TextGrammar) -> None:
    assert words(a | b) == words(a) | words(b)


@given(a=PART, least=st.integers(0, 3), more=st.none() | st.integers(0, 2))
def test_repeats_have_the_powers_of_the_words(a: TextGrammar, least: int, more: int | None) -> None:
    most = None if more is None else least + more
    powers = power(words(a), least, least + MOST if most is None else most, MOST)
    assert words(a.repeat(least, most)) == powers


@given(a=PART, b=REGULAR)
def test_intersections_and_differences(a: TextGrammar, b: TextGrammar) -> None:
    assert words(a & b) == words(b & a) == words(a) & words(b)
    assert words(a - b) == words(a) - words(b)


@given(a=REGULAR, b=REGULAR)
def test_complements_and_de_morgan(a: TextGrammar, b: TextGrammar) -> None:
    assert words(~a) == ALL - words(a)
    assert words(~~a) == words(a)
    assert words(~(a | b)) == words(~a & ~b) == ALL - words(a) - words(b)
    assert words(~(a & b)) == words(~a | ~b)


def test_what_is_regular_stays_one_automaton() -> None:
    whole = "a" + sg.regex("b+").repeat(0, 3) + (sg.literal("a") | sg.choice(["b", "ba"]))
    assert isinstance(whole, RegularGrammar)
    assert isinstance(sg.regex("a(?!b)") & ~sg.literal("a"), RegularGrammar)


def test_many_repeats_of_what_is_not_regular() -> None:
    grammar = (sg.substring_of("ab") + "c").repeat(1000, 2000)
    language = grammar.language(sg.Limits())
    config = language.start()
    for _ in range(1999):
        for byte in b"ac":
            config = language.step(config, byte)
    assert language.accepts(config)
    assert len(language.shortest_rest(language.start())) == 2000


def test_a_schema_is_a_part() -> None:
    schema = sg.json_schema({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]})
    grammar = "<" + sg.sequence(schema) + ">" + sg.regex("[0-9]{2}")
    assert accepts(grammar, '<{"a": 1}>12')
    assert not accepts(grammar, '<{"a": "1"}>12') and not accepts(grammar, '<{"a": 1}>1')
    language = grammar.language(sg.Limits())
    check_rest(language, language.start())
    assert bytes(language.shortest_rest(language.start())).startswith(b'<{"a":0}>')
    assert accepts("x" + sg.sequence(schema), 'x{"a":5}') and accepts(schema | sg.literal("none"), "none")


def test_a_schema_has_the_operators_of_its_text_grammar() -> None:
    schema = sg.json_schema({"enum": [1, 12]})
    part = sg.sequence(schema)
    for made, meant in (
        ("A: " + schema, "A: " + part),
        (schema + "!", part + "!"),
        (schema + schema, part + part),
        ("none" | schema, "none" | part),
        (schema | "none", part | "none"),
        (schema & "12", part & "12"),
        ("12" & schema, "12" & part),
        (schema - "12", part - "12"),
        (schema.repeat(1, 2), part.repeat(1, 2)),
        (schema.optional(), part.optional()),
    ):
        assert made == meant
    assert accepts("A: " + schema, "A: 12") and not accepts("A: " + schema, "A: 2")
    with pytest.raises(sg.errors.OptionError, match="complement"):
        _ = ~schema
    with pytest.raises(sg.errors.OptionError, match="bytes is not a part of a grammar"):
        _ = b"A: " + schema


def test_a_text_stands_on_the_left_of_a_difference_too() -> None:
    assert words("ab" - sg.literal("a")) == {"ab"} and words("a" - sg.regex("a|b")) == set()


def test_special_tokens_are_letters_of_their_own() -> None:
    token = chr(0xF0000 + 7)
    grammar = sg.special(7) + "a" + sg.special(7).optional()
    assert words_of(grammar, ["a", 7], 4) == {token + "a", token + "a" + token}
    language = grammar.language(sg.Limits())
    assert language.specials == {7} and list(language.shortest_rest(language.start())) == [TOKEN + 7, 97]


def test_an_alternative_without_texts_is_left_out() -> None:
    assert words(sg.regex("a(?=b)") | sg.substring_of("b")) == {"b"}
    with pytest.raises(sg.errors.GrammarError, match="None of the alternatives"):
        ((sg.text() & sg.regex("(?!)")) | (sg.substring_of("a") & sg.literal("b"))).language(sg.Limits())


def test_a_composed_grammar_is_a_value() -> None:
    def made() -> TextGrammar:
        return (sg.substring_of("ab") + sg.special(3)).repeat(0, 2) | (sg.text() - sg.literal("a"))

    assert made() == made() and hash(made()) == hash(made())
    assert pickle.loads(pickle.dumps(made())) == made()
    assert made() != made().repeat()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: sg.literal("a") + 1, "int is not a part"),
        (lambda: sg.literal("a").repeat(2, 1), "most must be .*at least 2, got 1"),
        (lambda: sg.literal("a").repeat(-1), "least must be .*, got -1"),
        (lambda: sg.substring_of("a") & sg.substring_of("a"), "regular"),
        (lambda: sg.literal("a") - sg.substring_of("a"), "regular"),
        (lambda: ~sg.substring_of("a"), "not regular"),
        (lambda: sg.either(), "list of alternatives is empty"),
        (lambda: sg.special(-1), "token must be .*, got -1"),
    ],
)
def test_bad_operands_are_refused(make: Callable[[], object], said: str) -> None:
    with pytest.raises(sg.errors.OptionError, match=said):
        make()


def test_a_search_without_end_is_a_limit_by_name() -> None:
    rules = sg.lark('start: "x" start | "y"')
    assert words_of(rules & sg.regex("x{2}y|z"), "xyz", 4) == {"xxy"}
    with pytest.raises(sg.StructgenError, match="oracle_steps"):
        (rules & sg.regex("x+")).language(sg.Limits())


LETTERS = 'ac"\\'
CROSSING = [b"ac", b'c"', b'\\"', b'a\\"', b'"a"']
BYTES = sg.Tokenizer.from_bytes([*(bytes((byte,)) for byte in range(256)), *CROSSING, None], eos_token_id=261)


def tags() -> TextGrammar:
    tag = {"begin": "a", "content": {"type": "regex", "pattern": "c"}, "end": "c"}
    return sg.structural_tag(
        {"type": "structural_tag", "format": {"type": "triggered_tags", "triggers": ["a"], "tags": [tag]}}
    )


def doubled(value: int) -> int:
    """Double it."""
    return 2 * value


KINDS: dict[str, Callable[[], TextGrammar]] = {
    "literal": lambda: sg.literal('a"'),
    "empty": lambda: sg.literal(""),
    "choice": lambda: sg.choice(["a", "ca", 'c"']),
    "assertion": lambda: sg.regex("a*(?!c)|c(?<=c)a?"),
    "span": lambda: sg.substring_of("acca"),
    "until": lambda: sg.text(until="ac", included=False),
    "ebnf": lambda: sg.ebnf('root ::= "c" | "a" root "c"'),
    "lark": lambda: sg.lark('start: A C?\nA: /a+/\nC: "c"\n'),
    "characters": lambda: sg.lark('start: "a" start "c" | "c"\n', lexer="characters"),
    "bound": lambda: sg.lark('start: "a" X\n%declare X\n', bind={"X": sg.regex("c+")}),
    "schema": lambda: sg.sequence(sg.json_schema({"enum": ["a", "c"]})),
    "tags": tags,
    "tools": lambda: sg.tools([doubled], format="hermes"),
    "filter": lambda: sg.without_spans_of("acca", 3),
}


def quoted(some: set[str]) -> set[str]:
    return {json.dumps(one) for one in some}


OPERATORS: dict[str, tuple[Callable[[TextGrammar], TextGrammar], Callable[[set[str]], set[str]]]] = {
    "before": (lambda one: "a" + one, lambda some: product({"a"}, some, MOST)),
    "behind": (lambda one: one + "c", lambda some: product(some, {"c"}, MOST)),
    "or": (lambda one: one | "ca", lambda some: some | {"ca"}),
    "optional": (lambda one: one.optional(), lambda some: some | {""}),
    "repeat": (lambda one: one.repeat(1, 2), lambda some: power(some, 1, 2, MOST)),
    "and": (
        lambda one: one & sg.regex("(?s:.{1,3})"),
        lambda some: {one for one in some if 0 < len(one) < 4},
    ),
    "minus": (
        lambda one: one - sg.regex("(?s:.*cc.*)"),
        lambda some: {one for one in some if "cc" not in one},
    ),
    "without": (
        lambda one: sg.without(one, ["aa", '"c']),
        lambda some: {one for one in some if "aa" not in one and '"c' not in one},
    ),
    "string": (sg.in_json_string, quoted),
    "canonical": (lambda one: sg.in_json_string(one, escapes="canonical"), quoted),
}


def compiled_words(grammar: TextGrammar) -> set[str]:
    """Return the words of some letters that masks allow. On the way: completions are words, and a token of
    several bytes is allowed exactly where they are."""
    compiled = sg.compile(grammar, BYTES, store=False)
    found, pending = set[str](), [("", compiled.start)]
    for word, state in pending:
        allowed = set(compiled.allowed(state))
        found |= {word} if 261 in allowed else set()
        end = compiled.step_bytes(state, compiled.completion(state))
        assert end is not None and compiled.accepts_end(end), word
        for token, data in enumerate(CROSSING, 256):
            assert (token in allowed) == (compiled.step_bytes(state, data) is not None), (word, data)
        for letter in LETTERS if len(word) < MOST else "":
            after = compiled.step_bytes(state, letter.encode())
            assert (after is not None) == (ord(letter) in allowed), (word, letter)
            pending += [] if after is None else [(word + letter, after)]
    return found


def hold_operators(kind: str, names: tuple[str, ...]) -> None:
    """Assert that operators on a kind of grammar have the words that sets say; a limit may say that it is not
    known."""
    grammar = KINDS[kind]()
    expected = compiled_words(grammar)
    for name in names:
        operator, of_sets = OPERATORS[name]
        grammar = operator(grammar)
        expected = {one for one in of_sets(expected) if len(one) <= MOST}
    try:
        assert compiled_words(grammar) == expected, (kind, names)
    except sg.errors.GrammarError as error:
        assert type(error) is sg.errors.GrammarError and not expected, (kind, names)
    except sg.errors.LimitError as error:
        assert error.limit == "oracle_steps"


PAIRS = [(name,) for name in OPERATORS] + list(itertools.product(OPERATORS, repeat=2))


@for_each("kind", KINDS)
def test_operators_on_each_kind_of_grammar_have_the_words_that_sets_say(kind: str) -> None:
    for names in (("string",), random.Random(kind).choice(PAIRS)):
        hold_operators(kind, names)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_operators_on_each_kind_of_grammar_have_the_words_that_sets_say_whole(kind: str) -> None:
    for names in PAIRS:
        hold_operators(kind, names)

"""The algebra of grammars: its laws, on all words up to a length."""

from __future__ import annotations

import itertools
import pickle
import random
from collections.abc import Callable

import pytest
from for_each import for_each
from hypothesis import given
from hypothesis import strategies as st
from language_words import accepts, check_rest, run, words_of

import structgen as sg
from structgen.text_grammars.machine.language import TOKEN
from structgen.text_grammars.regular import RegularGrammar
from structgen.text_grammars.text_grammar import TextGrammar

ALPHABET, MOST = "ab", 5
ALL = {"".join(word) for size in range(MOST + 1) for word in itertools.product(ALPHABET, repeat=size)}


def words(grammar: TextGrammar) -> set[str]:
    try:
        return words_of(grammar, ALPHABET, MOST)
    except sg.errors.GrammarError as error:
        assert type(error) is sg.errors.GrammarError
        return set()


def product(one: set[str], other: set[str]) -> set[str]:
    return {a + b for a in one for b in other if len(a + b) <= MOST}


def power(one: set[str], least: int, most: int) -> set[str]:
    found, now = set(), {""}
    for count in range(most + 1):
        if count >= least:
            found |= now
        now = product(now, one)
    return found


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
    assert words(a + b) == product(words(a), words(b))


def test_a_choice_of_characters_stays_one_part_of_a_sum() -> None:
    assert words("b" + sg.choice(["a", "b"])) == {"ba", "bb"}
    assert words(sg.regex("a|b") + "b") == {"ab", "bb"}


@given(a=PART, b=PART)
def test_alternatives_have_the_words_of_either(a: TextGrammar, b: TextGrammar) -> None:
    assert words(a | b) == words(a) | words(b)


@given(a=PART, least=st.integers(0, 3), more=st.none() | st.integers(0, 2))
def test_repeats_have_the_powers_of_the_words(a: TextGrammar, least: int, more: int | None) -> None:
    most = None if more is None else least + more
    assert words(a.repeat(least, most)) == power(words(a), least, least + MOST if most is None else most)


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


@given(a=PART, b=PART, c=PART)
def test_sums_and_alternatives_are_associative_and_distribute(
    a: TextGrammar, b: TextGrammar, c: TextGrammar
) -> None:
    assert words((a + b) + c) == words(a + (b + c)) == words(sg.sequence(a, b, c))
    assert words((a | b) | c) == words(a | (b | c)) == words(sg.either(a, b, c))
    assert words(a + (b | c)) == words((a + b) | (a + c))
    assert words((a | b) + c) == words((a + c) | (b + c))


@given(a=PART)
def test_units(a: TextGrammar) -> None:
    assert words("" + a) == words(a + "") == words(a | a) == words(a.repeat(1, 1)) == words(a)
    assert words(a.optional()) == words(a) | {""}
    assert words(a.repeat(0, 0)) == {""}


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
    assert len(language.shortest(language.start())) == 2000


def test_a_schema_is_a_part() -> None:
    schema = sg.json_schema({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]})
    grammar = "<" + sg.sequence(schema) + ">" + sg.regex("[0-9]{2}")
    assert accepts(grammar, '<{"a": 1}>12')
    assert not accepts(grammar, '<{"a": "1"}>12') and not accepts(grammar, '<{"a": 1}>1')
    language = grammar.language(sg.Limits())
    check_rest(language, language.start())
    assert bytes(language.shortest(language.start())).startswith(b'<{"a":0}>')
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
    with pytest.raises(sg.errors.OptionError, match="A bytes is no part of a grammar"):
        _ = b"A: " + schema


def test_a_text_stands_on_the_left_of_a_difference_too() -> None:
    assert words("ab" - sg.literal("a")) == {"ab"} and words("a" - sg.regex("a|b")) == set()


def test_special_tokens_are_letters_of_their_own() -> None:
    token = chr(0xF0000 + 7)
    grammar = sg.special(7) + "a" + sg.special(7).optional()
    assert words_of(grammar, ["a", 7], 4) == {token + "a", token + "a" + token}
    language = grammar.language(sg.Limits())
    assert language.specials == {7} and list(language.shortest(language.start())) == [TOKEN + 7, 97]


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
        (lambda: sg.literal("a") + 1, "int is no part"),
        (lambda: sg.literal("a").repeat(2, 1), "never both"),
        (lambda: sg.literal("a").repeat(-1), "least is -1"),
        (lambda: sg.substring_of("a") & sg.substring_of("a"), "regular"),
        (lambda: sg.literal("a") - sg.substring_of("a"), "regular"),
        (lambda: ~sg.substring_of("a"), "not regular"),
        (lambda: sg.either(), "no alternatives"),
        (lambda: sg.special(-1), "no token id"),
    ],
)
def test_bad_operands_are_refused(make: Callable[[], object], said: str) -> None:
    with pytest.raises(sg.errors.OptionError, match=said):
        make()


PIECES = [b"ab", b"ba", b'a"', b'["a', b'"]', b'"\\u']
TOKENS: list[bytes | None] = [*(bytes((byte,)) for byte in range(256)), *PIECES, None, None]
SPECIAL, END = len(TOKENS) - 2, len(TOKENS) - 1


def test_masks_of_composed_grammars_are_what_can_be_read_symbol_by_symbol() -> None:
    schema = sg.json_schema({"items": {"enum": ["a", "b"]}, "type": "array"}, whitespace="compact")
    tail = sg.sequence(schema) | sg.in_json_string("a\n").repeat(1, 2)
    grammar = sg.substring_of("abba") + sg.special(SPECIAL) + tail
    compiled = sg.compile(grammar, sg.Tokenizer.from_bytes(TOKENS, eos_token_id=END), store=False)
    language = grammar.language(sg.Limits())
    symbols = [tuple(text) if text is not None else (TOKEN + token,) for token, text in enumerate(TOKENS)]
    pending = [(compiled.start, language.start(), 0)]
    met = 0
    while pending:
        state, config, depth = pending.pop()
        met += 1
        after = {token: run(language, config, symbols[token]) for token in range(END)}
        expected = [token for token, there in after.items() if there is not None]
        assert compiled.allowed(state) == expected + [END] * language.accepts(config)
        for token in expected if depth < 5 else ():
            following = compiled.step(state, token)
            assert following is not None
            pending.append((following, after[token], depth + 1))
    assert met > 100


@for_each("seed", range(12))
def test_walks_within_a_budget_come_to_an_end(seed: int) -> None:
    rules = sg.ebnf('root ::= "(" root ")" | root "b" root | "a"{2,}')
    grammar = "[" + (rules - sg.regex(".*ba{2}b.*")) + sg.text("]", max_tokens=3) + sg.special(SPECIAL)
    compiled = sg.compile(grammar, sg.Tokenizer.from_bytes(TOKENS, eos_token_id=END), store=False)
    matcher, mask, chooser = sg.Matcher(compiled), sg.allocate_mask(1, len(TOKENS)), random.Random(seed)
    left = matcher.tokens_to_finish() + seed
    while not matcher.is_finished:
        matcher.fill_mask(mask, budget=left)
        token = chooser.choice(mask.allowed().tolist())
        matcher.advance(token)
        left -= token != END
        assert left >= 0


def test_a_search_without_end_is_a_limit_by_name() -> None:
    rules = sg.lark('start: "x" start | "y"')
    assert words_of(rules & sg.regex("x{2}y|z"), "xyz", 4) == {"xxy"}
    with pytest.raises(sg.StructgenError, match="oracle_steps"):
        (rules & sg.regex("x+")).language(sg.Limits())

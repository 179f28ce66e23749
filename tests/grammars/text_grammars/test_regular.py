"""Regular grammars, held to re.fullmatch on all short texts."""

from __future__ import annotations

import pickle
import re
import warnings

import pytest
from for_each import for_each
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from language_words import accepts, texts, words_of

import structgen as sg
from structgen.grammars.text_grammars.machine.language import Config, Language
from structgen.grammars.text_grammars.text_grammar import TextGrammar
from structgen.tokens.tokenizer import byte_tokenizer


def matched(pattern: str, alphabet: str, most: int, flags: int = re.ASCII) -> set[str]:
    return {text for text in texts(alphabet, most) if re.fullmatch(pattern, text, flags)}


@for_each(
    "pattern",
    [
        "a*b?", r"\ba\b|\n", "(?i:K)+|a", "[^a]", "(?:ab|a)(?!b)[ab\n]*", "é+|ab",
        "a$\n?", "(?m:^a$\n?)+", "a{2,3}", "(?:a|b){0,2}é", r"\w+", "(?<!a)b|a(?<=a)", "(?:(?=a)|b)[ab]?",
        "a.b", "(?s:a.)b?",
    ],
)  # fmt: skip
def test_the_words_are_the_texts_that_re_matches_whole(pattern: str) -> None:
    assert words_of(sg.regex(pattern), "abkKé\n", 3) == matched(pattern, "abkKé\n", 3)


def test_flags_and_compiled_patterns_are_taken() -> None:
    alphabet = "aAb\n"
    assert words_of(sg.regex("a.", flags=re.I | re.S), alphabet, 2) == matched("a.", alphabet, 2, re.I | re.S)
    assert words_of(sg.regex(re.compile("A.b", re.I)), alphabet, 3) == matched("A.b", alphabet, 3, re.I)


@for_each("pattern", [r"\w\b.?", r"\W|é\B.", r"(?i)\w", "(?i)[k\u0130é]", r"(?i)[^\wé]"])
@for_each("flags", [re.ASCII, re.UNICODE, re.NOFLAG])
def test_flags_of_classes_are_those_of_re(pattern: str, flags: re.RegexFlag) -> None:
    alphabet = "kK\u212aéÉ\u0130i٣ "
    if flags:
        assert words_of(sg.regex(pattern, flags=flags), alphabet, 2) == matched(pattern, alphabet, 2, flags)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sg.errors.PatternWarning)
        grammar = sg.regex(re.compile(pattern, flags))
    assert words_of(grammar, alphabet, 2) == matched(pattern, alphabet, 2, flags)


@for_each(
    ("pattern", "flags", "is_warned"),
    [
        (r"\d+-\d\w", re.NOFLAG, True), (r"[^\s]", re.NOFLAG, True), (r"(?i:a\B)", re.NOFLAG, True),
        (r"\d", re.ASCII, False), (r"(?u)\d", re.NOFLAG, False), (r"(?x) (?u) \d", re.NOFLAG, False),
        (r"(?a:\d)(?u:\w)", re.NOFLAG, False), (r"[0-9]\\d[\b]k", re.IGNORECASE, False),
    ],
)  # fmt: skip
def test_a_compiled_pattern_warns_once_of_classes_that_it_does_not_ask_for(
    pattern: str, flags: re.RegexFlag, is_warned: bool
) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        sg.regex(re.compile(pattern, flags))
        sg.regex(pattern, flags=flags)
    assert [one.category for one in caught] == [sg.errors.PatternWarning] * is_warned
    assert all(one.filename == __file__ and "re.ASCII" in str(one.message) for one in caught)


def test_ecma_reads_what_python_reads_otherwise() -> None:
    # \s is Unicode's in ECMA-262; `$` there is the end alone
    assert not accepts(sg.regex(r"\s"), "\u2003") and accepts(sg.regex(r"\s", dialect="ecma"), "\u2003")
    assert accepts(sg.regex("a$\\n"), "a\n")
    with pytest.raises(sg.errors.GrammarError, match="No text"):
        sg.regex("a$\\n", dialect="ecma").language(sg.Limits())
    assert words_of(sg.regex("[ab]{1,2}|c", dialect="ecma"), "abc", 3) == matched("[ab]{1,2}|c", "abc", 3)


_leaf = st.sampled_from(["a", "b", "[ab]", ".", r"\b", "^", "$", "", "é", "[^a]", "(?<=a)", "(?<!ab)"])


def _grown(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    quantifiers = st.sampled_from(["*", "+", "?", "*?", "{2}", "{1,2}", "{2,}", "{0,2}?"])
    plain = st.sampled_from(["a", "[ab]", "ab", "a|ab", "b|ab", "|a", "é", "a|ba"])
    return st.one_of(
        st.tuples(children, children).map("".join),
        st.tuples(children, children).map(lambda two: f"(?:{two[0]}|{two[1]})"),
        st.tuples(plain, quantifiers).map(lambda two: f"(?:{two[0]}){two[1]}"),
        st.tuples(children, quantifiers).map(lambda two: f"(?:{two[0]}b){two[1]}"),
        children.map(lambda one: f"(?={one})"),
        children.map(lambda one: f"(?!{one})"),
    )


PATTERNS = st.recursive(_leaf, _grown, max_leaves=7)


def _agrees(pattern: str) -> None:
    try:
        expected = matched(pattern, "ab\né", 3)
        grammar = sg.regex(pattern)
    except (re.error, sg.errors.RegexError):
        assume(False)
    if not expected:
        try:
            grammar.language(sg.Limits())
        except sg.errors.GrammarError:
            return
    assert words_of(grammar, "ab\né", 3) == expected


@settings(max_examples=4 * settings().max_examples)
@given(pattern=PATTERNS)
def test_random_patterns_have_the_texts_of_re(pattern: str) -> None:
    _agrees(pattern)


def test_counted_repeats_of_counted_repeats_are_one_count() -> None:
    language = sg.regex("(a{0,30}){0,30}").language(sg.Limits())
    config = language.start()
    for _ in range(900):
        config = reached_by(language, config)
    assert language.step(config, 97) is None
    assert language.sizes["string_states"] < 1000
    large = sg.regex("(a{0,120}){0,120}").language(sg.Limits())
    config = large.start()
    for _ in range(14_400):
        config = reached_by(large, config)
    assert large.step(config, 97) is None and large.accepts(config)


def reached_by(language: Language, config: Config) -> Config:
    after = language.step(config, 97)
    assert after is not None
    return after


def test_the_shortest_rest_is_counted_in_bytes() -> None:
    # in JSON text the two quotes would be longer than three letters
    language = sg.regex('""|abc').language(sg.Limits())
    assert bytes(language.shortest_rest(language.start())) == b'""'


def test_a_literal_and_a_choice_have_their_texts_alone() -> None:
    assert words_of(sg.literal('a"\n'), 'a"\nb', 4) == {'a"\n'}
    assert words_of(sg.choice(["ab", "b", "", "ab"]), "ab", 3) == {"ab", "b", ""}
    many = [f"word {number}" for number in range(3000)]
    language = sg.choice(many).language(sg.Limits())
    config = language.start()
    for byte in b"word 299":
        config = language.step(config, byte)
    assert [chr(byte) for byte in range(256) if language.step(config, byte) is not None] == list("0123456789")


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (lambda: sg.regex("a("), sg.errors.RegexError, "column 2"),
        (lambda: sg.regex(r"(a)\1"), sg.errors.RegexError, "back-reference"),
        (lambda: sg.regex("a(", dialect="ecma"), sg.errors.RegexError, "group"),
        (lambda: sg.regex(b"a"), sg.errors.OptionError, "bytes"),
        (lambda: sg.regex("a", dialect="perl"), sg.errors.OptionError, "perl"),
        (lambda: sg.regex("a", dialect="ecma", flags=re.I), sg.errors.OptionError, "flags"),
        (lambda: sg.choice([]), sg.errors.OptionError, "needs at least one text"),
        (lambda: sg.choice(["a", 1]), sg.errors.OptionError, "texts must be .*, got 1"),
        (lambda: sg.literal("\ud800"), sg.errors.OptionError, "surrogate"),
        (
            lambda: sg.compile(sg.regex("(?!)"), byte_tokenizer(), store=False),
            sg.errors.GrammarError,
            "No text",
        ),
    ],
)
def test_bad_input_is_refused_by_name(make: object, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        make()  # type: ignore[operator]


def test_a_grammar_is_a_value() -> None:
    one: TextGrammar = sg.choice(["b", "a"])
    assert one == sg.choice(["a", "b"]) and hash(one) == hash(sg.choice(["a", "b"]))
    assert one != sg.choice(["a"])
    again = pickle.loads(pickle.dumps(sg.regex("a+", flags=re.I)))
    assert again == sg.regex("(?i:a+)") and again.fingerprint == sg.regex("(?i:a+)").fingerprint

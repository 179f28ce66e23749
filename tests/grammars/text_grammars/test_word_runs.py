"""Runs of a text, held to all runs that plain Python enumerates."""

from __future__ import annotations

import itertools
import json
import random
import unicodedata
from typing import Any

import pytest
from compiled_texts import takes
from for_each import for_each
from hypothesis import given, settings
from hypothesis import strategies as st
from language_words import check_rest

import structgen as sg
from structgen.grammars.text_grammars.word_runs import WordRuns, runs_of
from structgen.tokens.tokenizer import Tokenizer, byte_tokenizer

LETTERS = "abשé一カไ\U0001f1e6"
"""Plain letters, a composed one, three of scripts without blanks, and a sign that is no letter."""
ALPHABET = f'{LETTERS}\u0301\u05b0\u0e31\u200f\u200d \t\n\u00a0\u2003;"(\\\u0000'
"""And marks, characters of direction and without width, white space, punctuation."""


def is_one_word(char: str) -> bool:
    return char in "一カไ"


def folded(text: str) -> str:
    """Return a text with one blank for each run of white space."""
    found = ""
    for char in text:
        if not char.isspace():
            found += char
        elif not found.endswith(" "):
            found += " "
    return found.strip(" ")


def words(text: str) -> list[tuple[int, int]]:
    """Return where the words of a text of ALPHABET stand, character by character."""
    found: list[tuple[int, int]] = []
    inside: str | None = None  # the first character of the word that is being read
    invisible = 0
    for at, char in enumerate(text):
        is_mark = unicodedata.category(char)[0] == "M"
        if inside and is_mark and not invisible:
            found[-1] = found[-1][0], at + 1
        elif char.isalpha():
            if inside and not is_one_word(inside) and not is_one_word(char):
                found[-1] = found[-1][0], at + 1
            else:
                found.append((at, at + 1))
            inside, invisible = char, 0
            if is_one_word(char):
                inside = char
        elif inside and not is_one_word(inside) and unicodedata.category(char) == "Cf":
            invisible += 1
        else:
            inside, invisible = None, 0
    return found


def runs(text: str, most: int | None) -> dict[str, list[tuple[int, int]]]:
    """Return the runs of a text of ALPHABET, each with its places."""
    at = words(text)
    found: dict[str, list[tuple[int, int]]] = {}
    for first, last in itertools.combinations_with_replacement(range(len(at)), 2):
        if most is None or last - first < most:
            begin, end = at[first][0], at[last][1]
            found.setdefault(folded(text[begin:end]), []).append((begin, end))
    return found


def accepted(grammar: WordRuns) -> set[bytes]:
    """Return all texts of a grammar of runs, read byte by byte; each configuration keeps the contract."""
    language = grammar.language(grammar.limits)
    found: set[bytes] = set()
    pending = [(language.start(), b"")]
    while pending:
        config, read = pending.pop()
        check_rest(language, config)
        if language.accepts(config):
            found.add(read)
        told = language.first_bytes(config)
        assert all((language.step(config, byte) is not None) == (byte in told) for byte in range(256))
        pending += [(language.step(config, byte), read + bytes((byte,))) for byte in told]
    return found


TEXTS = st.text(ALPHABET, max_size=16)


@settings(max_examples=150, deadline=None)
@given(TEXTS, st.sampled_from([None, 1, 2, 3]))
def test_the_texts_are_the_runs_of_words(text: str, most: int | None) -> None:
    wanted = runs(text, most)
    if not wanted:
        with pytest.raises(sg.errors.GrammarError, match="no words"):
            runs_of(text, words=most)
    else:
        assert accepted(runs_of(text, words=most)) == {one.encode() for one in wanted}


@settings(max_examples=25, deadline=None)
@given(TEXTS, st.sampled_from([None, 2]), st.integers(0, 99))
def test_the_masks_of_an_odd_vocabulary_are_the_beginnings_of_runs(
    text: str, most: int | None, seed: int
) -> None:
    wanted = {one.encode() for one in runs(text, most)}
    if not wanted:
        return
    chance = random.Random(seed)
    data = folded(text).encode()
    pieces = [data[at : at + chance.randint(1, 5)] for at in range(len(data))]
    others = {b"b\xc3", b" a", b"\xe3\x82", *(bytes((byte,)) for byte in range(256))}
    tokens = [None, *sorted({*pieces, *others})]
    compiled = sg.compile(runs_of(text, words=most), Tokenizer(tokens, [0]))
    begun = {one[:size] for one in wanted for size in range(len(one) + 1)}
    mask = sg.allocate_mask(1, len(tokens))
    matcher, read = sg.Matcher(compiled), b""
    while not matcher.is_finished:
        matcher.fill_mask(mask)
        allowed = mask.allowed()
        live = {at for at, token in enumerate(tokens) if token is not None and read + token in begun}
        assert set(allowed) == live | ({0} if read in wanted else set()), read
        token = chance.choice(allowed)
        matcher.advance(token)
        read += tokens[token] or b""


def begins_and_ends(text: str, **said: Any) -> tuple[set[str], set[str]]:
    """Return what may stand first in a run that goes on to the last end, and last in one from the first
    beginning."""
    grammar = runs_of(text, **said)
    whole = grammar.folded
    last = int(grammar.last[-1])
    first = int(grammar.first[0])
    ends = [at for at in range(first + 1, last + 1) if not grammar.left[at]]
    return (
        {whole[at:last].decode() for at in grammar.first.tolist()},
        {whole[first:at].decode() for at in ends},
    )


@for_each(
    ("text", "begins", "ends"),
    [
        ("O'Neil e-mail", "O'Neil e-mail|e-mail", "O'Neil|O'Neil e-mail"),
        ("tomas@lind.example", "tomas@lind.example", "tomas@lind.example"),
        ("555-0142", "555-0142", "555-0142"),
        ("1,204.50", "1,204.50", "1,204.50"),
        ("at 10:30, we", "at 10:30, we|10:30, we|we", "at|at 10:30|at 10:30, we"),
        ("one,two", "one,two|two", "one|one,two"),
        ("key:value", "key:value|value", "key|key:value"),
        ("end.Next", "end.Next|Next", "end|end.Next"),
        ("U.S. law", "U.S. law|law", "U.S|U.S.|U.S. law"),
        ("at 5 p.m.", "at 5 p.m.|5 p.m.|p.m.", "at|at 5|at 5 p.m|at 5 p.m."),
        ("It is 61.40.", "It is 61.40|is 61.40|61.40", "It|It is|It is 61.40"),
        ("Ada's cat", "Ada's cat|cat", "Ada|Ada's|Ada's cat"),
        ("l\u2019\u00e9cole", "l\u2019\u00e9cole|\u00e9cole", "l\u2019\u00e9cole"),
        ("$12.50", "$12.50|12.50", "$12.50"),
        ("-5 and (-3)", "-5 and (-3|5 and (-3|and (-3|-3|3", "-5|-5 and|-5 and (-3"),
        ("5%", "5%", "5|5%"),
        ("Bob's+ one", "Bob's+ one|one", "Bob|Bob's|Bob's+|Bob's+ one"),
        ("61,40 €.", "61,40 €", "61,40|61,40 €"),
        ("C++ and C#", "C++ and C#|and C#|C#", "C|C++|C++ and|C++ and C|C++ and C#"),
        ("\u201cYes\u201d", "Yes", "Yes"),
        ("(it) [b]", "it) [b|b", "it|it) [b"),
        ("https://a.example/b", "https://a.example/b", "https://a.example/b"),
        ("3月5日", "3月5日|月5日|5日|日", "3|3月|3月5|3月5日"),
        ("กำ๑", "กำ๑|ำ๑|๑", "ก|กำ|กำ๑"),
        ("किताब", "किताब", "किताब"),
        ("\u200fשלם\u200e.", "שלם", "שלם"),
        ("a\u200db", "a\u200db", "a\u200db"),
        ("snake_case", "snake_case", "snake_case"),
    ],
)  # fmt: skip
def test_a_word_is_what_people_read_as_one(text: str, begins: str, ends: str) -> None:
    assert begins_and_ends(text) == (set(begins.split("|")), set(ends.split("|")))


@for_each(
    ("of", "text", "pieces"),
    [
        ("sentences", "Mr. Lee said: \"Go.\" Then he left!  Why?", 'Mr. Lee said: "Go."|Then he left!|Why?'),
        ("sentences", "It is 3.5 km, e.g. to\nit. ¿Qué? Sí.", "It is 3.5 km, e.g. to it.|¿Qué?|Sí."),
        ("sentences", "Title\n \nA text without a stop", "Title|A text without a stop"),
        ("sentences", "你好。我走了\uff01再见", "你好。|我走了\uff01|再见"),
        ("sentences", "Wait... what?! No.", "Wait... what?!|No."),
        ("lines", " a, b \r\n\n\tc  d\u2028e ", "a, b|c d|e"),
    ],
)  # fmt: skip
def test_a_run_is_of_whole_sentences_and_lines(of: str, text: str, pieces: str) -> None:
    parts = pieces.split("|")
    joint = "" if "。" in text else " "
    wanted = {joint.join(parts[a:b]) for a in range(len(parts)) for b in range(a + 1, len(parts) + 1)}
    grammar = runs_of(text, of=of)
    assert accepted(grammar) == {one.encode() for one in wanted}


STRING = {"type": "string"}
TEXT = 'Ada\'s "dog" ran 5 km to Lund.\nAda ran home, too.'


@for_each(
    ("schema", "places", "meets", "wrapped"),
    [
        ({"type": "string", "maxLength": 9, "minLength": 4}, ["#"], lambda one: 4 <= len(one) <= 9, None),
        ({"type": "string", "pattern": "^A.*n$"}, ["#"], lambda one: one[0] + one[-1] == "An", None),
        ({"anyOf": [STRING, {"type": "null"}]}, ["#/anyOf/0"], None, None),
        ({"type": "array", "items": STRING}, ["#/items"], None, lambda one: [one, one]),
        ({"type": "object", "properties": {"a": STRING, "b": STRING}, "required": ["a", "b"]},
         ["#/properties/a", "#/properties/b"], None, lambda one: {"a": one, "b": one}),
    ],
)  # fmt: skip
def test_a_string_of_a_schema_is_a_run(schema: Any, places: list[str], meets: Any, wrapped: Any) -> None:
    grammar = runs_of(TEXT, words=3)
    compiled = sg.compile(sg.json_schema(schema, grammars=dict.fromkeys(places, grammar)), byte_tokenizer())
    texts = folded(TEXT)
    spans = {texts[a:b] for a in range(len(texts)) for b in range(a + 1, min(a + 24, len(texts)) + 1)}
    runs = {one.decode() for one in accepted(grammar)}
    assert len(runs) > 20
    for one in spans | runs:
        value = one if wrapped is None else wrapped(one)
        written = json.dumps(value, ensure_ascii=False)
        assert takes(compiled, written) == (one in runs and (meets is None or meets(one))), one
    assert takes(compiled, "null") == ("anyOf" in schema)


def test_there_are_as_many_configurations_as_bytes_where_each_word_stands_once() -> None:
    text = " ".join(map(str, range(100, 400)))
    language = runs_of(text).language(sg.Limits())
    seen, pending = set(), [language.start()]
    while pending:
        config = pending.pop()
        if config not in seen:
            seen.add(config)
            pending += [language.step(config, byte) for byte in language.first_bytes(config)]
    assert len(seen) < 2 * len(text)  # 300 * 1200 / 2 pairs of a beginning and a place


def test_a_text_that_repeats_itself_is_as_small_as_another() -> None:
    language: Any = runs_of("a " * 50_000).language(sg.Limits())
    config = language.through(language.start(), b"a " * 500)
    assert language.accepts(language.step(config, ord("a")))
    assert language._first.nbytes == 50_000 * 8  # no configuration has places of its own


def test_equal_texts_and_counts_are_equal_grammars() -> None:
    made = [runs_of("a b"), runs_of("a b", words=1), runs_of("a c"), runs_of("a b", of="lines")]
    assert [runs_of("a b") == one for one in made] == [True, False, False, False]
    assert len({one.fingerprint for one in made}) == 4


@for_each(
    ("text", "said", "error", "told"),
    [
        (b"ab", {}, "OptionError", "Give a text"),
        ("a\udc00", {}, "OptionError", "surrogate"),
        ("a", {"words": 0}, "OptionError", "at least 1"),
        ("a", {"words": 2.0}, "OptionError", "at least 1"),
        ("a", {"of": "chapters"}, "OptionError", "words, sentences, lines"),
        ("a", {"of": "lines", "words": 3}, "OptionError", "Leave one of them out"),
        *(("", {"of": of}, "GrammarError", f"no {of}") for of in ("words", "sentences", "lines")),
        *((" \n", {"of": of}, "GrammarError", f"no {of}") for of in ("words", "sentences", "lines")),
        ("?!", {}, "GrammarError", "no words"),
    ],
)  # fmt: skip
def test_bad_input_is_refused(text: Any, said: Any, error: str, told: str) -> None:
    with pytest.raises(getattr(sg.errors, error), match=told):
        runs_of(text, **said)

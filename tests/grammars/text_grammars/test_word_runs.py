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


def marks(text: str) -> list[tuple[int, int]]:
    """Return where the marks of a text of ALPHABET stand: what is of no word, each with what changes it."""
    inside = {at for start, end in words(text) for at in range(start, end)}

    def is_free(at: int) -> bool:
        return at < len(text) and at not in inside and not text[at].isspace()

    found: list[tuple[int, int]] = []
    at = 0
    while at < len(text):
        start, at = at, at + 1
        if not is_free(start):
            continue
        if text[start : start + 2] == "\U0001f1e6" * 2:
            at += 1
        while is_free(at):
            if unicodedata.category(text[at])[0] == "M":
                at += 1
            elif text[at] == "\u200d" and is_free(at + 1):
                at += 2
            else:
                break
        found.append((start, at))
    return found


def belongs(text: str, at: int, step: int) -> bool:
    """Return whether the mark at a place may stand at the edge of a quote that goes on in a direction: where
    a word touches the marks there on this side, or none does on either."""
    inside = {place for start, end in words(text) for place in range(start, end)}

    def touches(direction: int) -> bool:
        place = at
        while 0 <= place < len(text) and place not in inside and not text[place].isspace():
            place += direction
        return place in inside

    return touches(step) or not touches(-step)


def runs(text: str, most: int | None) -> dict[str, list[tuple[int, int]]]:
    """Return the runs of a text of ALPHABET, each with its places."""
    of_words, of_marks = words(text), marks(text)
    begins = [*of_words, *(span for span in of_marks if belongs(text, span[0], 1))]
    ends = [*of_words, *(span for span in of_marks if belongs(text, span[1] - 1, -1))]
    found: dict[str, list[tuple[int, int]]] = {}
    for (begin, _), (_, end) in itertools.product(begins, ends):
        count = sum(begin <= start and stop <= end for start, stop in of_words)
        if 1 <= count <= (most or count):
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
    whole = grammar.folded_text
    last = int(grammar.last[-1])
    first = int(grammar.first[0])
    ends = [at for at in range(first + 1, last + 1) if not grammar.bytes_left[at]]
    return (
        {whole[at:last].decode() for at in grammar.first.tolist()},
        {whole[first:at].decode() for at in ends},
    )


@for_each(
    ("text", "begins", "ends"),
    [
        ("Acme Inc. paid.", "Acme Inc. paid.|Inc. paid.|paid.",
         "Acme|Acme Inc|Acme Inc.|Acme Inc. paid|Acme Inc. paid."),
        (".NET", ".NET|NET", ".NET"),
        ("--force", "--force|-force|force", "--force"),
        ("Yahoo!", "Yahoo!", "Yahoo|Yahoo!"),
        ("one,two", "one,two|,two|two", "one|one,|one,two"),
        ("61,4 €.", "61,4 €.|,4 €.|4 €.", "61|61,|61,4|61,4 €|61,4 €."),
        ("5 € net", "5 € net|€ net|net", "5|5 €|5 € net"),
        ("« Oui »", "« Oui »|Oui »", "« Oui|« Oui »"),
        ("(it) [b]", "(it) [b]|it) [b]|[b]|b]", "(it|(it)|(it) [b|(it) [b]"),
        ("__init__", "__init__|_init__|init__", "__init|__init_|__init__"),
        ("3月5日", "3月5日|月5日|5日|日", "3|3月|3月5|3月5日"),
        ("กำ๑", "กำ๑|ำ๑|๑", "ก|กำ|กำ๑"),
        ("किताब", "किताब", "किताब"),
        ("\u200fשלם\u200e.", "\u200fשלם\u200e.|שלם\u200e.", "\u200fשלם|\u200fשלם\u200e|\u200fשלם\u200e."),
        ("a\u200db", "a\u200db", "a\u200db"),
        ("a\U0001f468\u200d\U0001f469", "a\U0001f468\u200d\U0001f469", "a|a\U0001f468\u200d\U0001f469"),
    ],
)  # fmt: skip
def test_a_run_begins_and_ends_with_a_word_or_its_marks(text: str, begins: str, ends: str) -> None:
    assert begins_and_ends(text) == (set(begins.split("|")), set(ends.split("|")))


@for_each(
    "word",
    [
        *("O'Neil", "e-mail", "tomas@lind.example", "555-0142", "1,204.50", "10:30", "U.S.", "p.m.", "Ada's"),
        *("l\u2019\u00e9cole", "$12.50", "5%", "C++", "https://a.example/b", "snake_case", "/etc/passwd"),
    ],
)  # fmt: skip
def test_what_people_read_as_one_word_counts_as_one(word: str) -> None:
    found = accepted(runs_of(f"The {word} there", words=1))
    assert word.encode() in found and f"The {word}".encode() not in found
    assert f"The {word}".encode() in accepted(runs_of(f"The {word} there", words=2))


@for_each("text", ["one,two", "key:value", "end.Next", "3月", "日本"])
def test_words_that_nothing_joins_count_as_two(text: str) -> None:
    assert text.encode() not in accepted(runs_of(text, words=1))
    assert text.encode() in accepted(runs_of(text, words=2))


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
    config = language.config_after(language.start(), b"a " * 500)
    assert language.accepts(language.step(config, ord("a")))
    assert language._first.nbytes == 50_000 * 8  # no configuration has places of its own


def test_equal_texts_and_counts_are_equal_grammars() -> None:
    made = [runs_of("a b"), runs_of("a b", words=1), runs_of("a c"), runs_of("a b", of="lines")]
    assert [runs_of("a b") == one for one in made] == [True, False, False, False]
    assert len({one.fingerprint for one in made}) == 4


@for_each(
    ("text", "said", "error", "told"),
    [
        (b"ab", {}, "OptionError", "must be a text"),
        ("a\udc00", {}, "OptionError", "surrogate"),
        ("a", {"words": 0}, "OptionError", "at least 1"),
        ("a", {"words": 2.0}, "OptionError", "at least 1"),
        ("a", {"of": "chapters"}, "OptionError", "words, sentences, lines"),
        ("a", {"of": "lines", "words": 3}, "OptionError", "Remove one of them"),
        *(("", {"of": of}, "GrammarError", f"no {of}") for of in ("words", "sentences", "lines")),
        *((" \n", {"of": of}, "GrammarError", f"no {of}") for of in ("words", "sentences", "lines")),
        ("?!", {}, "GrammarError", "no words"),
    ],
)  # fmt: skip
def test_bad_input_is_refused(text: Any, said: Any, error: str, told: str) -> None:
    with pytest.raises(getattr(sg.errors, error), match=told):
        runs_of(text, **said)

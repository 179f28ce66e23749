"""`sg.without_spans_of` refuses exactly the texts that copy a long run of a corpus."""

from __future__ import annotations

import itertools
import json
import pickle
import random
import tracemalloc

import pytest
from compiled_texts import takes

import structgen as sg
from structgen.grammars.text_grammars.copied_spans import sorted_places

TOKENIZER = sg.Tokenizer.from_bytes(
    [*(bytes([byte]) for byte in range(256)), b"ab", b"ba", b"abc", "é".encode(), b"<end>"], eos_token_id=260
)


def _copies(text: str, corpus: str, longest: int) -> bool:
    size = longest + 1
    return any(text[at : at + size] in corpus for at in range(len(text) - size + 1))


@pytest.mark.parametrize("letters", ["ab", "abc", "aé漢😀"], ids=["two", "three", "wide"])
def test_random_texts_are_judged_as_by_substring_search(letters: str) -> None:
    numbers = random.Random(4)
    for longest in (1, 2, 3, 5):
        corpus = "".join(numbers.choices(letters, k=numbers.randint(0, 30)))
        compiled = sg.compile(sg.without_spans_of(corpus, longest), TOKENIZER)
        for _ in range(90):
            text = "".join(numbers.choices(letters + "zü", k=numbers.randint(0, 12)))
            assert takes(compiled, text) == (not _copies(text, corpus, longest)), (corpus, longest, text)


def test_all_texts_over_two_letters_are_judged_right() -> None:
    numbers = random.Random(5)
    for longest in (1, 2, 3):
        corpus = "".join(numbers.choices("ab", k=9))
        compiled = sg.compile(sg.without_spans_of(corpus, longest), TOKENIZER)
        for size in range(9):
            for letters in itertools.product("ab", repeat=size):
                text = "".join(letters)
                assert takes(compiled, text) == (not _copies(text, corpus, longest))


def test_a_schema_has_the_documents_that_copy_nothing() -> None:
    corpus = "the quick brown fox jumps"
    schema = sg.json_schema(
        {"enum": ["the quick brown", "the quiet", "brown", "a fox"]}, whitespace="compact"
    )
    compiled = sg.compile(sg.without_spans_of(corpus, longest=7) & schema, TOKENIZER)
    for value in ("the quick brown", "the quiet", "brown", "a fox", "fox"):
        wanted = value in ("the quiet", "brown", "a fox")
        assert takes(compiled, json.dumps(value)) == wanted
    swapped = sg.compile(schema & sg.without_spans_of(corpus, longest=7), TOKENIZER)
    assert takes(swapped, '"brown"')
    assert not takes(swapped, '"the quick brown"')


def test_a_schema_that_needs_a_banned_run_is_refused_with_the_run() -> None:
    schema = sg.json_schema({"const": "a quick brown dog"}, whitespace="compact")
    with pytest.raises(sg.errors.GrammarError, match=r"' quick brown '"):
        sg.compile(schema & sg.without_spans_of("the quick brown fox", longest=8), TOKENIZER)


def test_copied_runs_are_found_with_their_places() -> None:
    corpus = "the quick brown fox jumps over"
    grammar = sg.without_spans_of(corpus, longest=5)
    text = "a quick brown dog jumps over it"
    found = grammar.copied(text)
    assert [text[one.start : one.end] for one in found] == [" quick brown ", " jumps over"]
    for one in found:
        assert corpus[one.place : one.place + one.end - one.start] == text[one.start : one.end]
    numbers = random.Random(7)
    for _ in range(100):
        corpus = "".join(numbers.choices("ab", k=20))
        text = "".join(numbers.choices("abz", k=15))
        assert bool(sg.without_spans_of(corpus, 4).copied(text)) == _copies(text, corpus, 4)


def test_places_are_sorted_by_what_follows() -> None:
    numbers = random.Random(8)
    for reach in (1, 2, 3, 4, 9):
        corpus = "".join(numbers.choices("abé", k=60))
        places = sorted_places(corpus, reach).tolist()
        keys = [corpus[place : place + reach] for place in places]
        assert sorted(places) == list(range(60))
        assert keys == sorted(keys)


def test_a_long_corpus_takes_bounded_memory() -> None:
    numbers = random.Random(9)
    corpus = "".join(numbers.choices("abcdefgh ", k=200_000))
    grammar = sg.without_spans_of(corpus, longest=30)
    tracemalloc.start()
    index = grammar.corpus_index
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 * len(corpus)
    assert kept < 6 * len(corpus)
    assert index.has_text(corpus[100_000:100_031])
    assert not index.has_text("zz")


def test_the_grammar_can_be_pickled() -> None:
    grammar = sg.without_spans_of("abc", 2)
    again = pickle.loads(pickle.dumps(grammar))
    assert again.fingerprint == grammar.fingerprint


@pytest.mark.parametrize(
    ("corpus", "longest", "where"),
    [(7, 3, "corpus"), ("abc", 0, "longest"), ("abc", True, "longest"), ("abc", 2000, "longest")],
)
def test_bad_options_are_refused_by_name(corpus: object, longest: object, where: str) -> None:
    with pytest.raises(sg.errors.OptionError) as caught:
        sg.without_spans_of(corpus, longest)  # type: ignore[arg-type]
    assert caught.value.where == where

"""`sg.most_probable` finds what enumeration finds, proves it, and tells a true bound if it is cut short."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from exact import END, OTHER_END, TOKENIZER, TOKENS, Bigram, law_of_texts

import structgen as sg

ALIVE = (b"a", b"b", b"c", b"ab", b"ba", b"abc")


def _found(model, grammar, **options):
    options = {"tokenizer": TOKENIZER, "name": "bigram", "max_tokens": 6} | options
    return sg.most_probable(model, [97], grammar, **options)


def _ranked(model, texts, max_tokens=6, canonical=False):
    """Return log P(tokens, end) of all sequences that write some texts, likeliest first."""
    exact = law_of_texts(model, texts, max_tokens)
    if canonical:
        exact = {
            one: p for one, p in exact.items() if one == tuple(TOKENIZER.encode(TOKENIZER.decode(list(one))))
        }
    return sorted(((math.log(p), one) for one, p in exact.items()), reverse=True)


def _random_texts(numbers):
    return sorted(
        {
            bytes(numbers.choice(b"abc") for _ in range(numbers.randint(1, 5)))
            for _ in range(numbers.randint(1, 12))
        }
    )


@pytest.mark.parametrize("tokenisation", ["canonical", "any"])
@pytest.mark.parametrize("together", [1, 8])
def test_the_likeliest_texts_of_random_languages_are_those_of_enumeration(tokenisation, together):
    numbers = random.Random(5)
    for seed in range(10):
        texts = _random_texts(numbers)
        ranked = _ranked(Bigram(seed, ALIVE), texts, canonical=tokenisation == "canonical")
        grammar = sg.choice([text.decode() for text in texts])
        for k in (1, 3, 50):
            found = _found(Bigram(seed, ALIVE), grammar, k=k, tokenisation=tokenisation, together=together)
            assert found.is_certain
            assert [one.token_ids for one in found.texts] == [tokens for _, tokens in ranked[:k]]
            wanted = [logprob for logprob, _ in ranked[:k]]
            assert [one.logprob for one in found.texts] == pytest.approx(wanted, rel=1e-9)
            rest = [logprob for logprob, _ in ranked[k:]]
            assert found.bound >= max(rest, default=-math.inf) - 1e-9
            if k == 50 and tokenisation == "any":
                assert found.bound == -math.inf


DOCUMENT = "abacabbacbaabc"


def _of_span(model, span):
    """Return log P of a span by teacher forcing, in the tokenizer's own tokens."""
    read, logprob = [97], 0.0
    for token in TOKENIZER.encode(span.encode()):
        logprob += model(read)[token]
        read.append(token)
    return logprob + np.logaddexp(model(read)[END], model(read)[OTHER_END])


@pytest.mark.parametrize("seed", range(8))
def test_the_likeliest_span_is_that_of_brute_force_in_fewer_calls(seed):
    spans = {DOCUMENT[i:j] for i in range(len(DOCUMENT)) for j in range(i + 1, len(DOCUMENT) + 1)}
    model = Bigram(seed, ALIVE)
    scores = {span: _of_span(model, span) for span in spans}
    best = max(scores.values())
    found = _found(Bigram(seed, ALIVE), sg.substring_of(DOCUMENT), max_tokens=20, together=1)
    assert found.is_certain
    assert found.texts[0].logprob == pytest.approx(best, rel=1e-9)
    assert scores[found.texts[0].text] == pytest.approx(best, rel=1e-9)
    assert found.model_rows <= len(DOCUMENT) * (len(DOCUMENT) + 1) // 2


def test_ties_are_all_there():
    def flat(ids):
        row = np.full(len(TOKENS), -50.0)
        row[[97, 98, 99, END]] = math.log(0.25)
        return row

    found = sg.most_probable(
        flat, [97], sg.regex("[abc]"), k=3, tokenizer=TOKENIZER, name="flat", max_tokens=3
    )
    assert {one.text for one in found.texts} == {"a", "b", "c"}
    assert len({round(one.logprob, 12) for one in found.texts}) == 1


@pytest.mark.parametrize("budget", [1, 2, 3, 5, 8])
def test_a_search_that_is_cut_short_tells_a_true_bound(budget):
    numbers = random.Random(9)
    for seed in range(10):
        texts = _random_texts(numbers)
        ranked = _ranked(Bigram(seed, ALIVE), texts)
        found = _found(
            Bigram(seed, ALIVE),
            sg.choice([text.decode() for text in texts]),
            k=2,
            tokenisation="any",
            budget=budget,
            together=1,
        )
        assert found.model_rows <= budget
        told = {one.token_ids for one in found.texts}
        missing = [logprob for logprob, tokens in ranked if tokens not in told]
        assert max(missing, default=-math.inf) <= found.bound + 1e-9
        if found.is_certain:
            assert [one.token_ids for one in found.texts] == [tokens for _, tokens in ranked[:2]]


def test_an_infinite_language_ends():
    found = _found(Bigram(3, ALIVE), sg.regex("[abc]+"), max_tokens=200)
    assert found.is_certain
    assert len(found.texts) == 1


def test_no_text_is_no_error():
    class Short:
        fingerprint = "none"

        def viable(self, prefix):
            return len(prefix) < 2

        def final(self, text):
            return False

    found = _found(Bigram(3, ALIVE), sg.regex("[abc]+"), checkers=[Short()])
    assert (found.texts, found.is_certain, found.bound) == ([], True, -math.inf)


def test_an_engine_finds_what_greedy_decoding_misses_or_finds():
    engine = sg.Engine("structgen/extract")
    person = sg.json_schema(
        {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    )
    greedy = engine.generate(sg.Request("Ada Lovelace, 36, lives in London.", person, max_tokens=40))[0]
    found = sg.most_probable(
        engine, "Ada Lovelace, 36, lives in London.", person, max_tokens=40, tokenisation="any"
    )
    assert found.is_certain
    assert found.texts[0].logprob >= greedy.logprob - 1e-3
    assert found.texts[0].value == {"name": "Ada Lovelace"}


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"k": 0}, "k"),
        ({"k": 65_537}, "k"),
        ({"tokenisation": "some"}, "tokenisation"),
        ({"together": 0}, "together"),
    ],
)
def test_options_out_of_range_are_refused_by_name(options, where):
    with pytest.raises(sg.errors.OptionError) as caught:
        _found(Bigram(1, ALIVE), sg.regex("a"), **options)
    assert caught.value.where == where

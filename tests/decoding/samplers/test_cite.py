"""`sg.cite`: each stage against brute force, with models that are functions of the last tokens."""

from __future__ import annotations

import random
from itertools import pairwise

import numpy as np
import pytest
from exact import END, OTHER_END, TOKENIZER, TOKENS
from for_each import for_each

import structgen as sg

TEXT = (
    "The cat sat. The cat ran away. A dog barked! Was it late? It was late. "
    "The cat sat.\nNo stop here\nThe end came soon."
)
SENTENCES = [
    *("The cat sat.", "The cat ran away.", "A dog barked!", "Was it late?", "It was late.", "The cat sat."),
    *("No stop here", "The end came soon."),
]


class Hashed:
    """A model whose law hangs on the last four tokens."""

    def __init__(self, seed: int) -> None:
        self.seed, self.asked = seed, 0

    def __call__(self, ids):
        self.asked += 1
        row = np.random.default_rng([self.seed, *ids[-4:]]).normal(size=len(TOKENS)) * 2
        return row - np.logaddexp.reduce(row)


def _cite(seed, **options):
    return sg.cite(Hashed(seed), TEXT, "Who?", tokenizer=TOKENIZER, name="hashed", **options)


def _prompt():
    return TOKENIZER.encode(f"{TEXT}\n\nWho?\n".encode())


def _places():
    found, at = [], 0
    for one in SENTENCES:
        at = TEXT.index(one, at)
        found.append((at, at + len(one)))
        at += len(one)
    return found


def _brute_ranking(seed):
    """Return scores of all sentences, by the shortest beginnings that tell them apart."""
    model, texts = Hashed(seed), [tuple(TOKENIZER.encode(one.encode())) for one in SENTENCES]
    scored = []
    for at, one in enumerate(texts):
        size = next(
            (
                size
                for size in range(1, len(one) + 1)
                if not any(other[:size] == one[:size] for i, other in enumerate(texts) if i != at)
            ),
            len(one),
        )
        logprobs = [model([*_prompt(), *one[:i]])[one[i]] for i in range(size)]
        scored.append((-sum(logprobs) / size, at))
    return sorted(scored)


def _brute_end(seed, first, reach):
    model, places = Hashed(seed), _places()
    best, tokens = None, []
    for at in range(first, len(places)):
        begin = places[first][0] if at == first else places[at - 1][1]
        piece = TOKENIZER.encode(TEXT[begin : places[at][1]].encode())
        if at > first and len(tokens) + len(piece) > reach:
            break
        tokens = [*tokens, *piece]
        row = model([*_prompt(), *tokens])
        score = np.logaddexp(row[END], row[OTHER_END])
        if best is None or score > best[0]:
            best = score, places[at][1]
    return best[1]


@for_each("seed", range(12))
def test_one_span_is_that_of_brute_force(seed):
    for reach in (1, 30, 256):
        (span,) = _cite(seed, k=1, reach=reach, beam=20)
        score, first = _brute_ranking(seed)[0]
        assert span.score == pytest.approx(-score, rel=1e-9)
        assert (span.start, span.end) == (_places()[first][0], _brute_end(seed, first, reach))


@for_each("seed", range(12))
def test_spans_are_of_the_document_and_do_not_overlap(seed):
    spans = _cite(seed, k=5)
    assert [one.score for one in spans] == sorted((one.score for one in spans), reverse=True)
    for one in spans:
        assert TEXT[one.start : one.end] == one.text
    ordered = sorted(spans, key=lambda one: one.start)
    assert all(one.end <= other.start for one, other in pairwise(ordered))


def test_joined_spans_cover_what_their_parts_did():
    numbers = random.Random(1)
    for _ in range(12):
        seed = numbers.randrange(100)
        spans = _cite(seed, k=5, beam=20)
        first = {_places()[at][0] for _, at in _brute_ranking(seed)[:5]}
        assert all(any(one.start <= start < one.end for one in spans) for start in first)


def test_all_sentences_are_ranked_with_a_beam_as_wide_as_they_are_many():
    for seed in range(5):
        spans = _cite(seed, k=8, reach=1, beam=8)
        starts = [_places()[at][0] for _, at in _brute_ranking(seed)]
        assert sorted(one.start for one in spans) == sorted(starts)
        scores = {start: -score for (score, _), start in zip(_brute_ranking(seed), starts, strict=True)}
        assert all(one.score == pytest.approx(scores[one.start]) for one in spans)


def test_sentences_may_be_split_otherwise():
    (span,) = _cite(3, k=1, reach=1, sentences=r"[^\n]+")
    assert span.text in TEXT.split("\n")


def test_an_engine_cites():
    spans = sg.cite("structgen/extract", "Ada is 36. Bob is 7. Eve is 41.", "How old is Bob?", k=2)
    assert spans
    assert all(one.text.endswith(".") for one in spans)


@pytest.mark.parametrize(
    ("options", "where"),
    [({"k": 0}, "k"), ({"reach": 0}, "reach"), ({"beam": 0}, "beam"), ({"sentences": "("}, "sentences")],
    ids=["k", "reach", "beam", "sentences"],
)
def test_options_out_of_range_are_refused_by_name(options, where):
    with pytest.raises(sg.errors.OptionError) as caught:
        _cite(1, **options)
    assert caught.value.where == where


def test_documents_that_cannot_be_cited_are_refused():
    with pytest.raises(sg.errors.OptionError, match="no sentence"):
        sg.cite(Hashed(1), " \n ", "Who?", tokenizer=TOKENIZER, name="hashed")
    with pytest.raises(sg.errors.OptionError, match=r"context, 1,024|context") as caught:
        sg.cite("structgen/extract", "Ada is 36. " * 2000, "Who?")
    assert caught.value.where == "document"

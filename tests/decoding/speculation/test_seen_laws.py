"""Drafts from other samples of a request: what is remembered of the model's laws, and what is drafted."""

from __future__ import annotations

import random

import numpy as np
import pytest
from draft_cases import facts
from for_each import for_each

import structgen as sg
from structgen.decoding.speculation.drafters.seen_laws import (
    MOST_CONTEXTS,
    SIZES,
    TOP,
    OtherSamples,
    SeenLaws,
)
from structgen.decoding.speculation.drafts.draft import Draft
from structgen.decoding.speculation.speculation_options import own_drafters
from structgen.speculation import VerifiedDraft


@for_each("seed", range(20))
def test_behind_a_context_is_the_mean_of_the_laws_of_its_longest_known_end(seed: int) -> None:
    draws = random.Random(seed)
    laws, seen = SeenLaws(), list[tuple[tuple[int, ...], dict[int, float]]]()
    for _ in range(30):
        context = tuple(draws.choices(range(3), k=draws.randint(1, max(SIZES))))
        law = {token: draws.random() / TOP for token in draws.sample(range(TOP), draws.randint(1, TOP))}
        seen.append((context, law))
        laws.learn_law(context, law)
    for _ in range(30):
        asked = tuple(draws.choices(range(3), k=draws.randint(0, max(SIZES))))
        wanted: dict[int, float] = {}
        for size in SIZES:
            met = [law for text, law in seen if size <= len(text) and text[-size:] == asked[-size:]]
            if size <= len(asked) and met:
                tokens = {token for law in met for token in law}
                wanted = {one: sum(law.get(one, 0.0) for law in met) / len(met) for one in tokens}
                break
        found = laws.followers_of(asked)
        assert dict(found) == pytest.approx(wanted)
        assert [share for _, share in found] == sorted((share for _, share in found), reverse=True)


def test_no_more_contexts_are_kept_than_the_bound_allows() -> None:
    laws = SeenLaws()
    for token in range(MOST_CONTEXTS + 100):
        laws.learn_law([token], {1: 1.0})
    assert laws.followers_of([0]) == [] and laws.followers_of([MOST_CONTEXTS]) == [(1, 1.0)]


def test_a_request_for_one_text_has_no_drafter_of_other_samples() -> None:
    names = [[one.name for one in own_drafters(sg.Speculation(), count)] for count in (1, 2)]
    assert names == [["forced", "grammar", "suffix"], ["forced", "grammar", "suffix", "samples"]]


def test_samples_of_a_request_learn_from_each_other() -> None:
    asked = facts(b"ab")
    first, second = OtherSamples(), OtherSamples()
    for one in (first, second):
        one.begin(asked)
    draft = Draft.chain([7], chance=0.5)
    tokens, chances = np.array([[7, 8], [9, -1]], np.int32), np.array([[0.6, 0.3], [0.9, 0.0]], np.float32)
    first.verified(VerifiedDraft(draft, tokens, chances))
    laws = second._laws
    end = list(asked.prompt)
    assert dict(laws.followers_of(end)) == pytest.approx({7: 0.6, 8: 0.3})
    assert dict(laws.followers_of([*end, 7])) == pytest.approx({9: 0.9})

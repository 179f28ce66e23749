"""`Sampling(banned=...)`: texts and tokens that are never written, against enumeration and plain search."""

from __future__ import annotations

import random
from typing import Any

import pytest
from for_each import for_each
from strategy_models import LETTERS, enumerated, scrambled, softmax, texts_of

import structgen as sg

TEXTS = sg.regex("[abc]{1,5}")


@for_each("seed", range(6))
def test_banned_texts_are_in_no_text_in_whichever_tokens(seed: int) -> None:
    rng = random.Random(seed)
    banned = ["".join(rng.choices("abc", k=rng.randint(1, 2))) for _ in range(2)]
    how = sg.Sampling(seed=seed, banned=banned)
    plain = sg.Sampling(seed=seed)
    engine = sg.Engine(scrambled(seed), LETTERS)
    request = sg.Request([0], TEXTS, how, max_tokens=5, n=200)
    found = [one.text for one in texts_of(engine, request)]
    assert not [text for text in found if any(one in text for one in banned)]
    free = [one.text for one in texts_of(engine, sg.Request([0], TEXTS, plain, max_tokens=5, n=200))]
    assert [text for text in free if any(one in text for one in banned)]
    assert len(set(found)) > 1


def test_a_banned_text_is_not_written_across_two_tokens_of_free_text() -> None:
    engine = sg.Engine(scrambled(3), LETTERS)
    how = sg.Sampling(banned=["bc", "ca"], seed=1)
    for one in texts_of(engine, sg.Request([0], None, how, max_tokens=12, n=100)):
        assert "bc" not in one.text
        assert "ca" not in one.text
        assert one.finish_reason in (sg.FinishReason.STOP, sg.FinishReason.MAX_TOKENS)


def test_a_banned_token_is_never_chosen_and_its_text_is() -> None:
    engine = sg.Engine(scrambled(4), LETTERS)
    found = texts_of(engine, sg.Request([0], TEXTS, sg.Sampling(banned=[3]), max_tokens=8, n=300))
    assert not [one for one in found if 3 in one.tokens]
    assert [one for one in found if "ab" in one.text]


def test_the_law_under_a_ban_is_the_models_under_the_mask() -> None:
    model = scrambled(5)
    rest = sg.regex("c[ab]{1,3}") & ~sg.regex("[abc]*ab[abc]*")

    def law(tokens: tuple[int, ...], allowed: list[int]) -> dict[int, float]:
        logits = model.logits([0, *tokens])
        return softmax({token: float(logits[token]) for token in allowed})

    exact = enumerated(law, rest)
    engine = sg.Engine(model, LETTERS, max_rows=512)
    how = sg.Sampling(banned="ab")
    request = sg.Request([0], sg.regex("c[ab]{1,3}"), how, max_tokens=12, n=4_000)
    counts: dict[tuple[int, ...], int] = {}
    for one in texts_of(engine, request):
        counts[tuple(one.tokens)] = counts.get(tuple(one.tokens), 0) + 1
    assert set(counts) <= set(exact)
    assert sum(abs(counts.get(one, 0) / 4_000 - mass) for one, mass in exact.items()) / 2 < 0.02


def test_the_strings_of_a_document_have_no_banned_text_however_escaped() -> None:
    engine = sg.Engine("structgen/extract-draft")
    person = sg.json_schema(
        {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    )
    (plain,) = engine.generate(sg.Request("Ada wrote it.", person, max_tokens=40))
    assert "Ada" in plain.text
    how = sg.Sampling(temperature=0.0, banned=["Ada"])
    (found,) = engine.generate(sg.Request("Ada wrote it.", person, how, max_tokens=40))
    assert "Ada" not in found.value["name"]


def test_a_grammar_that_needs_a_banned_text_is_refused() -> None:
    engine = sg.Engine(scrambled(6), LETTERS)
    with pytest.raises(sg.StructgenError):
        engine.submit(sg.Request([0], sg.literal("abc"), sg.Sampling(banned=["bc"])))


@pytest.mark.parametrize("banned", [[4], [99], [True], [""], [-1], [1.5], b"ab"])
def test_wrong_bans_are_refused(banned: Any) -> None:
    with pytest.raises(sg.errors.OptionError) as caught:
        engine = sg.Engine(scrambled(6), LETTERS)
        engine.submit(sg.Request([0], TEXTS, sg.Sampling(banned=banned)))
    assert caught.value.where == "banned"


def test_typed_functions_take_bans() -> None:
    @sg.generate(model="structgen/extract-draft", sampling=sg.Sampling(temperature=0.0, banned=["Ada"]))
    def name(text: str) -> str:
        """The name in: {text}"""
        return sg.filled()

    assert "Ada" not in name("Ada is 36.")


def test_draws_from_the_models_own_law_refuse_bans() -> None:
    with pytest.raises(sg.errors.OptionError) as caught:
        sg.sample("structgen/extract-draft", "x", sg.regex("a"), 1, banned=["a"])
    assert caught.value.where == "banned"

"""With speculation, texts are drawn from the law of plain decoding: all texts of a small language are listed,
with the product of the model's masked laws as their probability, and drawn many times."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from small_models import TreeFunction, tokenizer

import structgen as sg
from structgen.decoding.engine import Engine, Request, Sampling
from structgen.decoding.speculation.drafts.draft import Draft, DraftTree
from structgen.decoding.speculation.drafts.drafter import DraftContext, RequestFacts
from structgen.decoding.speculation.speculation_options import Speculation

pytestmark = pytest.mark.usefixtures("keen")
TOKENIZER = tokenizer()
# tokens come again: noise that is used twice shifts the law
TEXTS = sg.regex("(a|b|ce)(a|bc)[abc]")
PROMPT = "law"


class Flat(TreeFunction):
    """A model whose laws are not too sharp, and depend on the last two tokens."""

    @staticmethod
    @functools.cache
    def _of(vocab_size: int, end: tuple[int, ...]) -> Any:
        return torch.randn(vocab_size, generator=torch.Generator().manual_seed(hash(end) & 0xFFFFFFFF))

    def logits(self, tokens: Sequence[int]) -> Any:
        return self._of(self.vocab_size, tuple(tokens[-2:]))


@functools.cache
def _law() -> dict[tuple[int, ...], float]:
    """Return each text, as tokens with the end token, and its probability."""
    model, compiled = Flat(TOKENIZER.vocab_size), sg.compile(TEXTS, TOKENIZER)
    mask = sg.allocate_mask(1, TOKENIZER.vocab_size)
    prompt = TOKENIZER.encode(PROMPT.encode())
    found: dict[tuple[int, ...], float] = {}

    def follow(matcher: sg.Matcher, tokens: tuple[int, ...], share: float) -> None:
        if tokens and tokens[-1] in TOKENIZER.eos_token_ids:
            found[tokens] = share
            return
        matcher.fill_mask(mask)
        allowed = mask.allowed()
        shares = torch.softmax(model.logits([*prompt, *tokens]).double()[torch.from_numpy(allowed)], -1)
        for token, one in zip(allowed.tolist(), shares.tolist(), strict=True):
            after = matcher.fork()
            after.advance(token)
            follow(after, (*tokens, token), share * one)

    follow(sg.Matcher(compiled), (), 1.0)
    assert abs(sum(found.values()) - 1) < 1e-9
    return found


class Listing:
    """Drafts the tree of all texts of the language, or the likeliest one of them, from where the text is."""

    name = "listing"

    def __init__(self, most: int) -> None:
        self._most = most

    def begin(self, facts: RequestFacts) -> None:
        pass

    def propose(self, view: DraftContext, most: int) -> Draft:
        done = tuple(view.tokens)
        rest = [text[len(done) :] for text in _law() if text[: len(done)] == done]
        rest.sort(key=lambda text: -_law()[(*done, *text)])
        tree = DraftTree()
        for text in rest[: self._most]:
            node = -1
            for token in text:
                if len(tree) < most:
                    node = tree.add_node(node, token, 0.5)
        return tree.make_draft()

    def observe(self, taken: Sequence[int], accepted: int) -> None:
        pass

    def end(self) -> None:
        pass


def _drawn(count: int, most: int) -> tuple[Counter[tuple[int, ...]], float]:
    """Return how often each text came, and passes of the model a token."""
    engine = Engine(Flat(TOKENIZER.vocab_size), TOKENIZER, max_rows=256)
    how = Speculation(drafters=(lambda: Listing(most),), nodes=64)
    request = Request(PROMPT, TEXTS, Sampling(seed=11), n=count, max_tokens=20, speculation=how)
    results = engine.generate(request)
    drawn = Counter(tuple(step.token for step in one.steps) for one in results)
    calls = sum(one.usage.calls for one in results)
    return drawn, calls / sum(len(one.steps) for one in results)


def _check(drawn: Counter[tuple[int, ...]]) -> float:
    """Hold counts to the law by a chi-square test; returns their total variation from it."""
    law, count = _law(), sum(drawn.values())
    assert set(drawn) <= set(law)
    texts = sorted(law, key=lambda text: law[text])
    expected = np.array([law[text] for text in texts]) * count
    seen = np.array([drawn[text] for text in texts], float)
    # texts that are expected fewer than ten times are counted together
    rare = max(int(np.searchsorted(np.cumsum(expected), 10)) + 1, int((expected < 10).sum()))
    found, wanted = (np.concatenate(([one[:rare].sum()], one[rare:])) for one in (seen, expected))
    freedom = len(found) - 1
    # a chi-square law of n degrees passes n + 5 sqrt(2 n) once in a hundred thousand
    assert ((found - wanted) ** 2 / wanted).sum() < freedom + 5 * (2 * freedom) ** 0.5
    return float(np.abs(seen - expected).sum() / 2 / count)


@pytest.mark.parametrize(("most", "calls"), [(100, 0.25), (1, 0.75)])
def test_texts_are_drawn_from_the_law_of_plain_decoding(most: int, calls: float) -> None:
    drawn, per_token = _drawn(600, most)
    _check(drawn)
    assert per_token < calls


@pytest.mark.slow
@pytest.mark.parametrize("most", [100, 3, 1])
def test_texts_are_drawn_from_the_law_within_two_hundredths(most: int) -> None:
    assert _check(_drawn(40_000, most)[0]) < 0.02

"""A model that switches between a small and a large one."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from methods.cautious import Cautious
from methods.fused_models import FusedModels
from methods.switched_models import SwitchedModels
from strategy_models import LETTERS, TEXTS, Table, scrambled

import structgen as sg
from structgen.decoding.engine import Engine, Request, Sampling

OTHER = sg.Tokenizer.from_bytes([b"a", b"c", b"b", b"ab", b"<end>"], eos_token_id=4)


def _switched(small: Table, large: Table, **options: Any) -> SwitchedModels:
    return SwitchedModels(Engine(small, LETTERS), Engine(large, LETTERS), **options)


def _tokens(model: Any, count: int = 20, **options: Any) -> list[list[int]]:
    requests = [
        Request([at % 4, 1], TEXTS, Sampling(seed=at), **{"max_tokens": 16, **options}) for at in range(count)
    ]
    results = Engine(model, LETTERS, max_rows=8).generate(requests)
    assert all(one.error is None for one in results), results[0].error
    return [one.tokens for one in results]


def test_the_ends_of_tau_are_the_two_models_token_for_token() -> None:
    small, large = scrambled(1), scrambled(2)
    assert _tokens(_switched(small, large, tau=-1)) == _tokens(large)
    assert _tokens(_switched(small, large, tau=math.inf)) == _tokens(small)
    assert _tokens(_switched(small, large, tau=0.8)) not in (_tokens(small), _tokens(large))


def _entropy(row: Any, allowed: list[int]) -> float:
    law = torch.softmax(row[allowed].double(), -1)
    return float(-(law * law.log2()).sum())


@pytest.mark.parametrize(
    ("tau", "window", "least_tokens"), [(0.8, 5, 3), (0.5, 2, 1), (1.1, 3, 0), (0.9, 1, 4)]
)
def test_each_row_is_that_of_the_model_that_a_twin_has_in_charge(
    tau: float, window: int, least_tokens: int
) -> None:
    small, large = scrambled(3), scrambled(4)
    model = _switched(small, large, tau=tau, window=window, least_tokens=least_tokens)
    engine = Engine(model, LETTERS)
    compiled, switches = sg.compile(TEXTS, LETTERS), 0
    for seed in range(12):
        (one,) = engine.generate(
            Request([0, 1], TEXTS, Sampling(seed=seed, strategy=model.listener), max_tokens=16)
        )
        matcher, read, charge, since = sg.Matcher(compiled), [0, 1], False, least_tokens
        entropies: list[float] = []
        for step in one.steps:
            row = (large if charge else small).logits(read)
            assert step.logprob == pytest.approx(
                float(torch.log_softmax(row.double(), -1)[step.token]), abs=1e-5
            )
            allowed = [token for token in range(5) if matcher.accepts([token])]
            if len(allowed) > 1:
                entropies.append(_entropy(row, allowed))
                assert step.state == (pytest.approx(entropies[-1], abs=1e-6),)
            else:
                assert step.state == ()
            matcher.advance(step.token)
            read.append(step.token)
            since += 1
            mean = sum(entropies[-window:]) / max(len(entropies[-window:]), 1)
            if (mean > tau) != charge and since >= least_tokens:
                charge, since, switches = mean > tau, 0, switches + 1
    assert switches > 3


WIDE = sg.Tokenizer.from_bytes([b"a", b"b", b"c", b"ab", b"ca", b"abc", b"<end>"], eos_token_id=6)
COMPOSED: dict[str, Callable[[], Any]] = {
    "switched": lambda: _switched(scrambled(7), scrambled(8), tau=0.8),
    "fused": lambda: FusedModels(Engine(scrambled(16), LETTERS), Engine(scrambled(17, size=7), WIDE), r=0.5),
}


@pytest.mark.parametrize("name", COMPOSED)
def test_texts_are_the_same_alone_and_in_any_batch(name: str) -> None:
    def texts(rows: int) -> list[list[int]]:
        model = COMPOSED[name]()
        strategy = getattr(model, "listener", ())
        found = Engine(model, LETTERS, max_rows=rows).generate(
            Request([at % 3], TEXTS, Sampling(seed=at, strategy=strategy), max_tokens=16) for at in range(4)
        )
        return [one.tokens for one in found]

    assert texts(4) == texts(3) == texts(1)


def test_caches_are_those_of_a_fresh_prefill() -> None:
    """With models that read for themselves: the logits of both equal those of reading all tokens at once."""
    grammar = sg.json_schema({"type": "object", "properties": {"what": {"type": "string"}}}, **sg.JSON_DUMPS)
    model = SwitchedModels(
        Engine("structgen/extract-draft"), Engine("structgen/extract"), tau=0.02, window=2, least_tokens=1
    )
    engine = Engine(model)
    prompt = engine.prompt_tokens(Request("Nine brooms were sold by Mister Oak, two of them green.", grammar))
    tokens = engine.tokenizer.encode(b'{"what": "brooms of Oak and green ones"}')
    _, cache = model.prefill(prompt)
    used = set()
    for at, token in enumerate(tokens):
        (row,) = model.decode([token], [cache])
        used.add(int(cache.in_charge))
        reader = model._large if cache.in_charge else model._small
        fresh, _ = reader.prefill([*prompt, *tokens[: at + 1]])
        assert float((row - fresh[: len(row)]).abs().max()) < 1e-5
        if at == 5:
            cache = cache.copy()
    assert used == {0, 1}


def test_searches_and_samplers_run_on_it() -> None:
    model = _switched(scrambled(9), scrambled(10), tau=0.8)
    _tokens(model, 3, strategy=Cautious(trials=3, low=0.0, high=0.1))
    found = sg.sample(Engine(model, LETTERS), [0], TEXTS, 20, method="cars", max_tokens=16)
    assert len(found) == 20

"""Cautious prediction: its law in closed form, its boundaries, its number of trials."""

from __future__ import annotations

import itertools
import math

import pytest
from methods.cautious import Cautious
from strategy_models import (
    END,
    LETTERS,
    Table,
    distance,
    drawn,
    enumerated,
    scrambled,
    softmax,
)

import structgen as sg
from structgen.decoding.engine import Engine, Request, Sampling

ALWAYS = 1e-9
"""An entropy that each choice exceeds."""


def _best_of(model: Table, trials: int) -> dict[tuple[int, ...], float]:
    """Return the law of the likeliest of some whole texts. For a loss it is (sum of s_j >= s_i)^K - (sum of
    s_j > s_i)^K; texts of one loss share it by their probability."""
    losses: dict[tuple[int, ...], list[float]] = {}

    def law(tokens: tuple[int, ...], allowed: list[int]) -> dict[int, float]:
        row = model.logits([0, *tokens])
        shares = softmax({one: float(row[one]) for one in allowed})
        for token, share in shares.items():
            own = [-math.log(share)] if len(allowed) > 1 else []
            losses[(*tokens, token)] = losses.get(tokens, []) + own
        return shares

    plain = enumerated(law)
    scores = {}
    for tokens in plain:
        own = losses[(*tokens, END)]
        scores[tokens] = round(sum(own) / max(len(own), 1), 9)
    found = {}
    for tokens, share in plain.items():
        group = sum(one for text, one in plain.items() if scores[text] == scores[tokens])
        above = sum(one for text, one in plain.items() if scores[text] > scores[tokens])
        found[tokens] = ((group + above) ** trials - above**trials) * share / group
    assert math.isclose(sum(found.values()), 1.0, abs_tol=1e-9)
    return found


@pytest.mark.parametrize(
    ("trials", "count", "most"),
    [
        (3, 300, 0.1),
        pytest.param(2, 15_000, 0.02, marks=pytest.mark.slow),
        pytest.param(5, 15_000, 0.02, marks=pytest.mark.slow),
    ],
)
def test_the_law_is_that_of_the_likeliest_of_the_trials(trials: int, count: int, most: float) -> None:
    model = scrambled(30)
    how = Sampling(seed=3, strategy=Cautious(trials=trials, low=0.0, high=ALWAYS))
    exact, plain = _best_of(model, trials), _best_of(model, 1)
    assert 0.5 * sum(abs(exact[one] - plain[one]) for one in exact) > 0.1
    assert distance(drawn(model, how, count), exact) < most


def test_the_number_of_trials_follows_the_entropy() -> None:
    how = Cautious()
    assert [how.count(nats) for nats in (0.0, 0.01, 0.1, 0.2, 0.755, 1.4, 1.5, 9.0)] == [
        *(1, 1, 1, 2, 5, 9, 10, 10),
    ]


def test_trials_end_at_items_and_at_stops_inside_strings() -> None:
    pieces = [b'["', b"a", b".", b"b ", b'"', b'","', b"]"]
    others = [bytes([byte]) for byte in range(256) if bytes([byte]) not in pieces]
    texts = [*pieces, b"<end>", *others]  # without all bytes a grammar tells no events
    tokenizer = sg.Tokenizer.from_bytes(texts, eos_token_id=7)
    item = {"type": "string", "pattern": "^[ab. ]{1,12}$"}
    grammar = sg.json_schema({"type": "array", "items": item, "maxItems": 4}, whitespace="compact")
    likely = scrambled(31, size=8, spread=0.7)
    model = Table(
        lambda tokens: [*likely.logits(tokens).tolist(), *[-30.0] * len(others)], size=len(texts), reach=3
    )
    strategy = Cautious(trials=3, low=0.0, high=ALWAYS)
    results = Engine(model, tokenizer).generate(
        Request([0], grammar, Sampling(seed=2), max_tokens=24, n=20, strategy=strategy)
    )
    ends = []
    for one in results:
        assert one.error is None
        begins = [at for at, step in enumerate(one.steps) if step.state and step.state[0] > 1]
        for begin, after in itertools.pairwise(begins):
            span = [texts[step.token] for step in one.steps[begin:after]]
            # a token without an alternative is not part of a decision
            closing = [at for at, piece in enumerate(span) if piece in (b".", b'"', b'","', b"]")]
            free = [step.allowed > 1 for step in one.steps[begin:after]]
            assert closing
            assert not any(free[closing[0] + 1 :])
            ends.append(span[closing[0]])
    assert {b".", b'","'} <= set(ends)


def test_free_text_ends_trials_at_stops() -> None:
    tokenizer = sg.Tokenizer.from_bytes([b"a", b"b", b". ", b"c", b"<end>"], eos_token_id=4)
    strategy = Cautious(trials=3, low=0.0, high=ALWAYS)
    for one in Engine(scrambled(33), tokenizer).generate(
        Request([0], None, Sampling(seed=1), max_tokens=20, n=10, strategy=strategy)
    ):
        begins = [at for at, step in enumerate(one.steps) if step.state]
        for at in begins[1:]:
            assert one.steps[at - 1].token == 2


def test_a_stop_string_ends_a_trial() -> None:
    strategy = Cautious(trials=3, low=0.0, high=ALWAYS)
    (one,) = Engine(scrambled(34), LETTERS).generate(
        Request([0], None, Sampling(seed=1), max_tokens=200, stop="bc", strategy=strategy)
    )
    assert "bc" not in one.text
    assert one.usage.strategy_rows <= 3 * (len(one.tokens) + 200)

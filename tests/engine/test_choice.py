"""Tokens are drawn from the law that the options name, and from noise that knows nothing of the batch."""

from __future__ import annotations

import math
import random
from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from for_each import for_each

torch = pytest.importorskip("torch")

from defined_draws import defined_tokens  # noqa: E402
from structgen_kernels.reference import gumbel, position_keys, sample_key, words  # noqa: E402

from structgen.engine.choice import ChoiceRow, candidates, choose, choose_anywhere  # noqa: E402
from structgen.engine.requests import Sampling  # noqa: E402

SIZE = 12
LOGITS = torch.linspace(-2.0, 1.5, SIZE)
DRAWS = 4_000


def _law(logits: torch.Tensor, how: Sampling, allowed: list[int]) -> dict[int, float]:
    """Return the probabilities, worked out one by one."""
    weights = {i: math.exp(float(logits[i]) / how.temperature) for i in allowed}
    order = sorted(weights, key=lambda i: -weights[i])
    if how.top_k:
        order = order[: how.top_k]
    total = sum(weights[i] for i in order)
    kept, mass = [], 0.0
    for i in order:
        if mass >= how.top_p or weights[i] < how.min_p * weights[order[0]]:
            break
        kept.append(i)
        mass += weights[i] / total
    total = sum(weights[i] for i in kept)
    return {i: weights[i] / total for i in kept}


def _mask(allowed: list[int]) -> npt.NDArray[np.int32]:
    return np.array([[sum(1 << i for i in allowed)]], np.int32)


@pytest.mark.parametrize(
    "how",
    [
        Sampling(),
        Sampling(temperature=0.5),
        Sampling(top_k=4),
        Sampling(top_p=0.8),
        Sampling(min_p=0.2, temperature=2.0),
        Sampling(top_k=6, top_p=0.9, min_p=0.1, temperature=1.3),
    ],
)
def test_draws_follow_their_law(how: Sampling) -> None:
    allowed = [0, 2, 3, 5, 6, 8, 9, 11]
    law = _law(LOGITS, how, allowed)
    rows = [ChoiceRow(how, sample, 7, (), ()) for sample in range(DRAWS)]
    found = choose(LOGITS.expand(DRAWS, SIZE), _mask(allowed).repeat(DRAWS, 0), rows)
    counts = Counter(found.tokens)
    assert set(counts) <= set(law)
    square = sum((counts[i] - DRAWS * p) ** 2 / (DRAWS * p) for i, p in law.items())
    # a chi-square law of n degrees passes n + 5 sqrt(2 n) once in a hundred thousand
    assert square < len(law) - 1 + 5 * math.sqrt(2 * max(len(law) - 1, 1))


def test_no_temperature_takes_the_first_of_the_likeliest() -> None:
    logits = torch.tensor([[0.0, 2.0, 2.0, 1.0]])
    found = choose(
        logits,
        torch.tensor([[0b1111]], dtype=torch.int32),
        [ChoiceRow(Sampling(temperature=0), 0, 0, (), ())],
    )
    assert found.tokens == [1]


def test_penalties_count_what_was_written() -> None:
    logits = torch.zeros(1, SIZE)
    how = Sampling(temperature=0, presence_penalty=0.5, frequency_penalty=0.25)
    logits[0, 3], logits[0, 4], logits[0, 5] = 1.3, 0.9, 0.5
    # 3 was written twice (1.3 - 0.5 - 0.5), 4 once (0.9 - 0.5 - 0.25)
    found = choose(logits, None, [ChoiceRow(how, 0, 3, (), (3, 4, 3))])
    assert found.tokens == [5]
    assert choose(logits, None, [ChoiceRow(Sampling(temperature=0), 0, 3, (), (3, 4, 3))]).tokens == [3]


def test_a_repeated_token_is_divided_or_multiplied() -> None:
    logits = torch.full((1, SIZE), -3.0)
    logits[0, 2], logits[0, 6] = -1.0, -1.5
    how = Sampling(temperature=0, repetition_penalty=2.0)
    assert choose(logits, None, [ChoiceRow(how, 0, 0, (2,), ())]).tokens == [6]


def _key(seed: int, sample: int, position: int) -> int:
    return int(position_keys(torch.tensor(sample_key(seed, sample)), torch.tensor(position)))


def test_noise_is_gumbels_and_differs_by_seed_sample_and_position() -> None:
    keys = [_key(*at) for at in ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (-1, 0, 0), (1 << 70, 0, 0))]
    # a seed counts modulo 2 ** 64
    assert len(set(keys)) == 5 and keys[5] == keys[0]
    noise = gumbel(words(torch.tensor(_key(3, 0, 0)), torch.arange(1, 200_001)))
    assert float(noise.mean()) == pytest.approx(0.5772, abs=0.01)
    assert float(noise.var()) == pytest.approx(math.pi**2 / 6, abs=0.03)


def test_a_row_without_numbers_or_without_tokens_is_told() -> None:
    logits = torch.stack([LOGITS, LOGITS * float("nan"), LOGITS])
    mask = np.array([[0b1010], [0b1010], [0]], np.int32)
    found = choose(logits, mask, [ChoiceRow(Sampling(), i, 0, (), ()) for i in range(3)])
    assert found.faulty == [False, True, True]
    assert found.tokens[0] in (1, 3)


class Leaves:
    """What strategies leave of a row: the scores that are given."""

    def __init__(self, scores: list[float]) -> None:
        self.scores = np.array(scores)

    def adjusted(self, *_: object) -> npt.NDArray[np.float64]:
        return self.scores


@pytest.mark.parametrize("heat", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("way", [choose, choose_anywhere], ids=["compiled", "torch"])
def test_a_row_of_which_strategies_leave_no_token_is_told(way: Any, heat: float) -> None:
    never = -math.inf
    how = Sampling(temperature=heat)
    laws: list[Any] = [Leaves([never, never, 1.0, never]), Leaves([0.0, never, never, 0.0])]
    rows = [ChoiceRow(how, i, 0, (), (), law=law) for i, law in enumerate(laws)]
    found = way(torch.zeros(2, 4), _mask([1, 2]).repeat(2, 0), rows)
    assert list(map(bool, found.faulty)) == [False, True] and found.tokens[0] == 2
    assert 0 <= found.tokens[1] < 4


def _random_row(draw: random.Random, sample: int) -> ChoiceRow:
    how = Sampling(
        temperature=draw.choice([0.0, 0.3, 1.0, 2.5]),
        top_k=draw.choice([0, 0, 1, 5, 400]),
        top_p=draw.choice([1.0, 1.0, 0.05, 0.9]),
        min_p=draw.choice([0.0, 0.0, 0.02, 1.0]),
        repetition_penalty=draw.choice([1.0, 1.0, 1.3]),
        presence_penalty=draw.choice([0.0, 0.0, 0.7]),
        frequency_penalty=draw.choice([0.0, 0.0, -0.4]),
        seed=draw.randrange(1 << 66),
    )
    text = [draw.randrange(500) for _ in range(draw.randrange(6))]
    return ChoiceRow(how, sample, draw.randrange(1 << 20), [draw.randrange(500) for _ in range(3)], text)


@for_each("words", [0, 14, 16, 20])
@for_each("spread", [0.0, 1.0, 40.0])
def test_both_ways_choose_the_same(words: int, spread: float) -> None:
    draw, size, count = random.Random(words + spread), 500, 60
    random_numbers = torch.Generator().manual_seed(words)
    logits = spread * torch.randn(count, size, generator=random_numbers)
    # a few equal ones, a few that are never taken
    logits[:, 7:20] = logits[:, 40:53]
    logits[:, 60:70] = float("-inf")
    bits = torch.randint(-(2**31), 2**31, (count, words), generator=random_numbers)
    bits[::3, :] = -1
    bits[1::5, 2:] = 0
    # words with few bits, of which each is looked for
    few = torch.randint(0, 32, (2, count, words), generator=random_numbers)
    bits[2::4] = ((1 << few[0]) | (1 << few[1]))[2::4]
    mask = bits.to(torch.int32).numpy() if words else None
    rows = [_random_row(draw, i) for i in range(count)]
    here, there = choose(logits, mask, rows), choose_anywhere(logits, mask, rows)
    assert here.tokens == there.tokens
    drawn = zip(here.tokens, defined_tokens(logits, mask, rows), here.faulty, strict=True)
    assert all(faulty or token == defined for token, defined, faulty in drawn)
    assert (here.allowed, here.wanted, here.faulty) == (there.allowed, there.wanted, there.faulty)
    for name in ("logprob", "constrained", "removed"):
        assert getattr(here, name) == pytest.approx(
            getattr(there, name), abs=2e-5 * (1 + spread), nan_ok=True
        )


def test_tokens_far_below_the_likeliest_have_their_probabilities() -> None:
    logits = torch.tensor([[900.0, 1.0, 0.0, -800.0]])
    found = choose(logits, _mask([1, 2, 3]), [ChoiceRow(Sampling(temperature=0), 0, 0, (), ())])
    assert found.tokens == [1]
    assert found.logprob[0] == pytest.approx(-899)
    assert found.constrained[0] == pytest.approx(-math.log1p(math.exp(-1)), abs=1e-6)
    assert found.removed == [1.0]


def test_candidates_are_the_likeliest_that_are_allowed() -> None:
    found = candidates(LOGITS, _mask([1, 4, 9])[0], 5)
    law = _law(LOGITS, Sampling(), [1, 4, 9])
    assert [token for token, _ in found] == [9, 4, 1]
    assert [p for _, p in found] == pytest.approx([math.log(law[token]) for token, _ in found], abs=1e-5)
    assert [token for token, _ in candidates(LOGITS, None, 2)] == [11, 10]

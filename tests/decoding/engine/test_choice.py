"""Tokens are drawn from the law that the options name, and from noise that knows nothing of the batch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from defined_draws import by_columns
from structgen_kernels.reference import gumbel, position_keys, sample_key, words

from structgen.decoding.engine import choice
from structgen.decoding.engine.choice import ChoiceRow, list_candidates
from structgen.decoding.engine.requests import Sampling

choose, choose_anywhere = by_columns(choice.choose_tokens), by_columns(choice.choose_anywhere)
SIZE = 12
LOGITS = torch.linspace(-2.0, 1.5, SIZE)


def _mask(allowed: list[int]) -> npt.NDArray[np.int32]:
    return np.array([[sum(1 << i for i in allowed)]], np.int32)


def _key(seed: int, sample: int, position: int) -> int:
    return int(position_keys(torch.tensor(sample_key(seed, sample)), torch.tensor(position)))


def test_noise_is_gumbels_and_differs_by_seed_sample_and_position() -> None:
    keys = [_key(*at) for at in ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (-1, 0, 0), (1 << 70, 0, 0))]
    # a seed counts modulo 2 ** 64
    assert len(set(keys)) == 5 and keys[5] == keys[0]
    noise = gumbel(words(torch.tensor(_key(3, 0, 0)), torch.arange(1, 200_001)))
    assert float(noise.mean()) == pytest.approx(0.5772, abs=0.01)
    assert float(noise.var()) == pytest.approx(math.pi**2 / 6, abs=0.03)


class Leaves:
    """What strategies leave of a row: the scores that are given."""

    def __init__(self, scores: list[float]) -> None:
        self.scores = np.array(scores)

    def adjust_scores(self, *_: object) -> npt.NDArray[np.float64]:
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


def test_tokens_far_below_the_likeliest_have_their_probabilities() -> None:
    logits = torch.tensor([[900.0, 1.0, 0.0, -800.0]])
    found = choose(logits, _mask([1, 2, 3]), [ChoiceRow(Sampling(temperature=0), 0, 0, (), ())])
    assert found.tokens == [1]
    assert found.logprob[0] == pytest.approx(-899)
    assert found.constrained_logprob[0] == pytest.approx(-math.log1p(math.exp(-1)), abs=1e-6)
    assert found.removed_mass == [1.0]


def test_candidates_are_the_likeliest_that_are_allowed() -> None:
    found = list_candidates(LOGITS, _mask([1, 4, 9])[0], 5)
    shares = torch.log_softmax(LOGITS.double()[[9, 4, 1]], -1)
    assert [token for token, _ in found] == [9, 4, 1]
    assert [p for _, p in found] == pytest.approx(shares.tolist(), abs=1e-5)
    assert [token for token, _ in list_candidates(LOGITS, None, 2)] == [11, 10]

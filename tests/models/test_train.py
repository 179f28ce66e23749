"""What training learns of what it draws, and how fast."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("tokenizers")

from batches import Batch  # noqa: E402
from model import Network, Shape  # noqa: E402
from train import hardest, rate_at  # noqa: E402


def test_the_rows_that_cost_most_are_kept() -> None:
    torch.manual_seed(3)
    network = Network(Shape(layers=1, width=64, inner=64, vocabulary=64))
    ids = torch.randint(3, 64, (9, 20))
    begins = torch.tensor([5, 18, 12, 3, 9, 15, 1, 7, 11])[:, None]
    answer = torch.arange(20) >= begins
    batch = Batch(ids, answer, torch.ones_like(answer))
    with torch.no_grad():
        shares = torch.log_softmax(network.logits(network.hidden(ids)).float(), -1)
    costs = [
        -sum(float(shares[row, at - 1, ids[row, at]]) for at in range(int(begins[row]), 20))
        for row in range(9)
    ]
    wanted = sorted(range(9), key=lambda row: -costs[row])[:3]
    kept = hardest(network, batch, 4)
    assert sorted(kept.ids.tolist()) == sorted(ids[wanted].tolist())
    assert sorted(kept.answer.sum(-1).tolist()) == sorted(answer[wanted].sum(-1).tolist())


def test_rates_rise_briefly_and_end_at_nothing() -> None:
    assert rate_at(0.0) < 0.02
    assert rate_at(0.3) == 1.0
    assert rate_at(0.8) == pytest.approx(0.5)
    # where training goes on, the fall begins at once
    assert rate_at(0.515, 0.97) == pytest.approx(0.5)
    assert rate_at(1.0) == rate_at(1.0, 0.97) == 0.0

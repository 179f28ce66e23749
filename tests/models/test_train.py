"""What training learns of what it draws, and how fast; the cards say what came of it."""

from __future__ import annotations

import re

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("tokenizers")

from batches import Batch  # noqa: E402
from make_cards import NAMES, card  # noqa: E402
from model import Network, Shape  # noqa: E402
from train import FOLDER, hardest, rate_at  # noqa: E402


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


@pytest.mark.parametrize("name", NAMES)
def test_a_card_has_a_place_for_each_figure_of_an_examination(name: str) -> None:
    text = (FOLDER / name / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ((?:templated|hand-written|\w* ?everyday), [^|]*) \|", text, re.MULTILINE)
    found = {"fields": 0.5, "documents": 0.25, "json": 1.0, "by kind": {"age": 0.75}}
    figures = {title: found | {"count": 1000 + at} for at, title in enumerate(rows)}
    written = card(text, name, figures, {"tokens": 7_500_000, "step": 4321, "minutes": 99})
    assert written.count("| 50.0% | 25.0% | 100.0% | 75% |\n") == len(rows) > 2
    assert "7.5 million tokens" in written and "4,321\nsteps, 99 minutes of one core" in written
    assert card(written, name, figures, {"tokens": 7_500_000, "step": 4321, "minutes": 99}) == written

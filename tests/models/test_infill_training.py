"""How the model that fills masks is trained and examined: what is hidden and counts, what is filled."""

from __future__ import annotations

import json
import random
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("tokenizers")

from batches import Encoder, canvases, pieces  # noqa: E402
from data.sentences import Examples, written  # noqa: E402
from decode import fill  # noqa: E402
from masking import hidden_places  # noqa: E402
from model import Network, Shape, first_masked, load  # noqa: E402
from train import masked_loss  # noqa: E402

from structgen.decoding.infilling.bidirectional import BidirectionalLlama  # noqa: E402
from structgen.decoding.runs import resources  # noqa: E402

FOLDER = resources.embedded_model("structgen/infill")


def test_structgen_computes_what_the_training_code_does() -> None:
    ids = np.random.default_rng(4).integers(0, 2048, 90)
    ids[50:60] = ids[70] = Encoder().special["<|mask|>"]
    with torch.no_grad():
        given = torch.from_numpy(ids)[None]
        wanted = load(FOLDER)(given, first=first_masked(given, ids[50]))[0].numpy()
    found = BidirectionalLlama.read_folder(FOLDER).forward(ids)
    np.testing.assert_allclose(found, wanted, atol=1e-5 * np.abs(wanted).max())


def test_only_the_canvas_is_hidden_and_each_row_counts_alike() -> None:
    begins = torch.randint(2, 25, (400, 1), generator=torch.Generator().manual_seed(1))
    answer = (torch.arange(30)[None] >= begins) & (torch.arange(30) < 28)
    chance = torch.Generator().manual_seed(2)
    hidden, weights = hidden_places(answer, chance)
    assert hidden.any(-1).all()
    assert not (hidden & ~answer).any()
    assert torch.equal(weights > 0, hidden)
    assert torch.allclose(weights.sum(-1), torch.ones(400))
    # Every kind of hole comes: all of it, one place, several stretches.
    shares = hidden.sum(-1) / answer.sum(-1)
    assert (shares == 1).any()
    assert (shares < 0.2).any()
    assert ((hidden[:, 1:] & ~hidden[:, :-1]).sum(-1) > 2).any()


def test_a_near_token_counts_more_where_a_tail_is_hidden() -> None:
    answer = torch.ones(300, 20, dtype=torch.bool)
    hidden, weights = hidden_places(answer, torch.Generator().manual_seed(3))
    first = hidden.int().argmax(-1)
    tails = [row for row in range(300) if hidden[row, first[row] :].all() and first[row] < 15]
    falling = [row for row in tails if weights[row, first[row]] > weights[row, first[row] + 5]]
    assert len(falling) > 80
    for row in falling:
        assert torch.allclose(weights[row, first[row]], 2 * weights[row, first[row] + 2])


def test_copies_of_a_canvas_cost_what_each_does_alone() -> None:
    encoder, mask = Encoder(), Encoder().special["<|mask|>"]
    torch.manual_seed(5)
    network = Network(Shape(layers=2, width=128, inner=64, vocabulary=2048, causal=False))
    for parameter in network.parameters():
        parameter.data.add_(0.1 * torch.randn_like(parameter))
    batch = next(canvases(encoder, 6, 700, 3))
    answer = batch.answer[:, None].expand(-1, 3, -1)
    hidden, weights = (
        found.view(answer.shape) for found in hidden_places(answer.flatten(0, 1), torch.Generator())
    )
    wanted = 0.0
    with torch.no_grad():
        found = float(masked_loss(network, batch, mask, hidden, weights, torch.float32))
        for row in range(len(batch.ids)):
            prompt, real = batch.prompt[row][batch.prompt_real[row]], batch.real[row]
            for copy in range(3):
                chosen = hidden[row, copy][real]
                ids = torch.cat((prompt, batch.ids[row][real].masked_fill(chosen, mask)))[None]
                logits = network(ids, first=first_masked(ids, mask))[0, len(prompt) - 1 : -1]
                losses = torch.nn.functional.cross_entropy(logits, batch.ids[row][real], reduction="none")
                wanted += float((losses * weights[row, copy][real])[chosen].sum())
    assert found == pytest.approx(wanted / (3 * len(batch.ids)), rel=1e-4)


def test_pieces_are_the_document_and_its_values() -> None:
    value = {"a": 'x"y', "b": [1, {"c": None}, []], "d": {}, "e": "", "f": [True, -2.5]}
    for quotes_too in (False, True):
        found = pieces(value, quotes_too=quotes_too)
        assert "".join(text for text, _ in found) == json.dumps(value)
    values = [text for text, is_value in pieces(value, quotes_too=True) if is_value]
    assert values == ['"x\\"y"', "1", "null", '""', "true", "-2.5"]
    assert 'x\\"y' in [text for text, is_value in pieces(value, quotes_too=False) if is_value]


def test_a_canvas_is_the_document_with_padding_only_behind_values() -> None:
    encoder, source, chance = Encoder(), Examples(5), random.Random(6)
    pad, end = encoder.special["<|pad|>"], encoder.special["<|end|>"]
    kinds = set()
    for _ in range(60):
        example = source.draw()
        _, ids, asked = encoder.canvas(example, chance)
        kept = [token for token in ids if token not in (pad, end)]
        assert encoder.tokenizer.decode(kept) == written(example.answer)
        # What is not said behind a value is asked for: an unscored tail favours short answers.
        assert all(ask for token, ask in zip(ids, asked, strict=True) if token == pad)
        kinds.add((all(asked), pad in ids))
    assert kinds == {(True, True), (True, False), (False, True), (False, False)}


class Telling:
    """A network that is sure of `10 + i` at place i of rows, in the row before; of the end at place 12."""

    def __init__(self) -> None:
        self.steps = 0

    def hidden(self, ids: Any, first: Any, keep: Any, dtype: Any) -> Any:
        self.steps += 1
        return torch.arange(ids.shape[1])[None].expand(ids.shape)

    def logits(self, places: Any) -> Any:
        wanted = torch.where(places + 1 == 12, 1, 11 + places)
        # Later places are surer.
        return torch.nn.functional.one_hot(wanted.clamp(max=99), 100) * (5.0 + places[:, None] / 50)


@pytest.mark.parametrize(("order", "at_once", "steps"), [("left", 1, 8), ("left", 4, 2), ("sure", 4, 4)])
def test_a_canvas_is_filled_in_each_order(order: Any, at_once: int, steps: int) -> None:
    network: Any = Telling()
    prompts = [[5, 5, 5, 5, 5], [5] * 7]
    found = fill(network, prompts, 2, 1, at_once=at_once, order=order, canvas=16)
    assert found == [[15, 16, 17, 18, 19, 20, 21], [17, 18, 19, 20, 21]]
    assert network.steps == steps

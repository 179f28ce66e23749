"""Schedulers of bench/methods that are trained on the model's own texts: examples, losses and end-of-text
prediction against their definitions."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")


import torch
from methods import dparallel, schedulers_rows
from methods.learn2pd import Learn2Pd, OwnText, filter_of, own_texts, until_the_end
from model import load
from scheduler_views import view

from structgen.decoding.infilling.lattice import NULL, OPEN
from structgen.decoding.infilling.presets import load_masked_model

MODEL, TOKENIZER = load_masked_model("structgen/infill")
SPECIAL = MODEL.mask_id, TOKENIZER.eos_token_ids[0], MODEL.null_id


class Reading:
    """The embedded model; notes the ids of each pass."""

    block_length = None

    def __init__(self) -> None:
        self.read: list[list[int]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(MODEL, name)

    def forward(self, ids: np.ndarray) -> np.ndarray:
        self.read.append(ids.tolist())
        return MODEL.forward(ids)

    def forward_rows(self, ids: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return self.forward(ids)[rows]


@pytest.fixture(scope="module")
def read_and_texts() -> tuple[list[list[int]], list[OwnText]]:
    model = Reading()
    texts = list(own_texts(model, TOKENIZER, 1))
    return model.read, texts


@pytest.fixture(scope="module")
def texts(read_and_texts: tuple[list[list[int]], list[OwnText]]) -> list[OwnText]:
    return read_and_texts[1]


def test_with_end_of_text_prediction_the_first_empty_slot_stands_for_all() -> None:
    filling, masked = [5, 6, 7, NULL, NULL, NULL], np.array([1, 3, 4, 5])
    seen = view([0.6, 0.7, 0.95, 0.99], filling=filling, positions=masked, slots=6, step=1)
    assert until_the_end(seen).tolist() == [True, True, False, False]
    assert until_the_end(view([0.5, 0.5], filling=[NULL, NULL], step=1)).tolist() == [True, False]
    odds_alone = np.zeros(8)
    odds_alone[0] = 1.0
    for sure, chosen in ((0.9, [3]), (0.65, [3]), (0.55, [1, 3])):
        found = Learn2Pd(odds_alone, sure).choose(seen)
        assert seen.positions[found].tolist() == chosen
    found = Learn2Pd(odds_alone, 0.9, predicts_ends=False).choose(seen)
    assert seen.positions[found].tolist() == [4, 5]


def test_an_example_is_each_masked_slot_of_each_step_and_says_what_became_of_its_token(
    texts: list[OwnText],
) -> None:
    for one in texts:
        final, row = np.array(one.found.steps[-1].canvas), 0
        for before, after in zip(one.found.steps, one.found.steps[1:], strict=False):
            masked = np.flatnonzero(np.array(before.canvas) == OPEN)
            here = slice(row, row + len(masked))
            row += len(masked)
            # What a step commits, it proposed, and nothing of it is taken back.
            filled = np.isin(masked, [slot.position for slot in after.committed if slot.probability < 1.0])
            assert one.is_final[here][filled].all()
            # In the end empty slots are the last ones, so a slot that is asked about and empty is the first.
            is_late = masked > np.argmax(np.append(final, NULL) == NULL)
            assert not (one.is_before_end[here] & one.told[here, 3].astype(bool) & is_late & filled).any()
        assert row == len(one.is_final) == len(one.told) == len(one.is_before_end)
        assert 0.2 < one.is_final.mean() < 1.0 and 0.0 < one.is_before_end.mean() < 1.0


def test_the_filter_with_end_of_text_prediction_learns_from_the_slots_that_it_is_asked_about(
    texts: list[OwnText],
) -> None:
    told = np.concatenate([one.told for one in texts])
    final = np.concatenate([one.is_final for one in texts])
    asked = np.concatenate([one.is_before_end for one in texts])
    for predicts_ends, rows in ((True, asked), (False, np.ones(len(asked), bool))):
        weights = filter_of(texts, predicts_ends=predicts_ends)
        # The slope of the likelihood is that of the ridge exactly where these rows were learned from.
        chance = 1.0 / (1.0 + np.exp(-told[rows] @ weights))
        slope = told[rows].T @ (final[rows] - chance) / rows.sum()
        assert slope == pytest.approx(1e-3 * weights, abs=1e-7)


def test_canvases_of_a_trajectory_are_what_the_model_read(
    read_and_texts: tuple[list[list[int]], list[OwnText]],
) -> None:
    read, texts = read_and_texts
    seen = [
        [*one.prompt, *canvas] for one in texts for canvas in dparallel.canvases(one, *SPECIAL).tolist()[:-1]
    ]
    assert [ids[: len(mine)] for ids, mine in zip(read, seen, strict=True)] == seen
    for one in texts:
        last = dparallel.canvases(one, *SPECIAL)[-1].tolist()
        assert last[: len(one.found.tokens)] == list(one.found.tokens)
        assert last[len(one.found.tokens)] == SPECIAL[1]
        assert set(last[len(one.found.tokens) + 1 :]) == {SPECIAL[2]}


def test_the_loss_is_cross_entropy_and_the_entropy_of_squares_of_what_is_right() -> None:
    laws = np.array([[0.7, 0.2, 0.1], [0.4, 0.5, 0.1], [0.3, 0.1, 0.6]])
    goal = [0, 0, 2]
    logits = torch.from_numpy(np.log(laws))
    crossed = -np.mean([math.log(law[token]) for law, token in zip(laws, goal, strict=True)])
    # At temperature 1/2 a probability becomes its square; the second slot is wrong.
    squares = [law**2 / (law**2).sum() for law in laws[[0, 2]]]
    certain = np.mean([-(law * np.log(law)).sum() for law in squares])
    for beta in (0.0, 2.0):
        found = dparallel.loss_of(logits, torch.tensor(goal), beta).item()
        assert found == pytest.approx(crossed + beta * certain)
    wrong = dparallel.loss_of(logits[1:2], torch.tensor([0]), 2.0).item()
    assert wrong == pytest.approx(-math.log(0.4))


def rows_of(texts: list[OwnText]) -> list[tuple[list[int], torch.Tensor, torch.Tensor]]:
    ways = [(one.prompt, dparallel.canvases(one, *SPECIAL)) for one in texts]
    return [(prompt, way[at], way[-1]) for prompt, way in ways for at in (0, len(way) // 2)]


def test_the_loss_of_canvases_is_that_of_the_logits_by_which_they_are_filled(texts: list[OwnText]) -> None:
    logits, goal = [], []
    for prompt, canvas, text in rows_of(texts):
        masked = np.flatnonzero(canvas.numpy() == MODEL.mask_id)
        told = MODEL.forward([*prompt, *canvas.tolist()])[masked + len(prompt) - 1]
        logits.append(torch.from_numpy(told))
        goal.append(text[torch.from_numpy(masked)])
    wanted = dparallel.loss_of(torch.cat(logits), torch.cat(goal)).item()
    with torch.no_grad():
        found = dparallel.loss_of_canvases(load(dparallel.FOLDER), rows_of(texts), MODEL.mask_id).item()
    assert found == pytest.approx(wanted, rel=1e-4) and found > 0.1


def certainty(model: Any, prompt: list[int], canvas: torch.Tensor, text: torch.Tensor) -> np.ndarray:
    """Return the probability of each masked token of a text."""
    masked = np.flatnonzero(canvas.numpy() == MODEL.mask_id)
    told = model.forward([*prompt, *canvas.tolist()])[masked + len(prompt) - 1].astype(np.float64)
    told = np.exp(told - told.max(axis=1, keepdims=True))
    return (told / told.sum(axis=1, keepdims=True))[np.arange(len(masked)), text[masked]]


def test_training_makes_the_model_certain_of_its_own_texts(texts: list[OwnText]) -> None:
    before, after = (
        np.concatenate([certainty(dparallel.model_of(weights), *row) for row in rows_of(texts)[::2]])
        for weights in (load(dparallel.FOLDER).state_dict(), dparallel.trained(texts, 6))
    )
    assert (after > 0.9).sum() > (before > 0.9).sum() and after.mean() > before.mean() + 0.02


def test_each_scheduler_of_this_folder_has_rows(texts: list[OwnText]) -> None:
    folder = Path(schedulers_rows.__file__).parent
    files = {
        path.stem.replace("_", "-")
        for path in folder.glob("*.py")
        if re.search(r"def (choose\(self, view: Sch|fill\(self, step)", path.read_text(encoding="utf-8"))
    }
    # List operations have a family of their own; whole fillings are a base of others.
    assert len(files) >= 6
    names = {method for _, method, _, _ in schedulers_rows.ways(MODEL, TOKENIZER, texts, MODEL)}
    assert names == files - {"list-operations", "whole-filling"} | {"default", "option", "dparallel"}

"""dParallel: the model is trained on its own texts to be certain of many slots at once.

    python bench/methods/dparallel.py --train FILE [--sentences 120] [--epochs 4]

Chen et al., dParallel: Learnable Parallel Decoding for dLLMs, 2025 (arXiv 2509.26488): certainty-forcing
distillation. A slow schedule writes the texts that are learned. On canvases of its trajectory the loss is the
cross-entropy of the masked slots (consistency), and `BETA` times the entropy, at temperature 0.5, of those
that the model already gets right (certainty). They train LoRA weights of LLaDA and Dream.

What differs here: all weights of structgen/infill are trained. The slow schedule is EOSER at one slot a step
under the grammar, on templated sentences that neither training nor an examination has (`learn2pd.own_texts`).
A canvas is one that the schedule passed through, in place of one that is masked at random.

FILE is a safetensors file; `schedulers_rows.py --dparallel FILE` reads it, and trains without one.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2] / "models"))

import numpy as np
import torch
import torch.nn.functional as F
from model import Network, first_masked, load
from safetensors.torch import load_file, save_file
from torch import Tensor

from methods.learn2pd import OwnText, own_texts
from structgen.decoding.infilling.bidirectional import BidirectionalLlama
from structgen.decoding.infilling.lattice import NULL, OPEN
from structgen.decoding.infilling.presets import load_masked_model

FOLDER = Path(__file__).parents[2] / "models" / "infill"
TEMPERATURE, BETA = 0.5, 2.0
"""Of the entropy, and the weight of certainty beside consistency: the paper's."""
RATE = 3e-4
"""The greatest one of Adam; it rises in a tenth of the steps, and falls to nothing."""
ROWS = 16
"""Canvases of a step of Adam."""


def canvases(text: OwnText, mask: int, end: int, pad: int) -> Tensor:
    """Return the ids [steps, slots] of a trajectory as the model reads them: an end token in the first empty
    slot at the end of the text, padding in the others. The last row is the whole text."""
    ids = np.array([step.canvas for step in text.found.steps])
    is_empty = ids == NULL
    ids[ids == OPEN], ids[is_empty] = mask, pad
    first = int(np.argmax(is_empty[-1]))
    ids[is_empty[:, first], first] = end
    return torch.from_numpy(ids)


def loss_of(logits: Tensor, goal: Tensor, beta: float = BETA) -> Tensor:
    """Return the loss of logits [slots, V] for the tokens [slots] of the text: their cross-entropy, and
    `beta` times the mean entropy, at the temperature, of the slots whose likeliest token is right."""
    sure = F.log_softmax(logits[logits.argmax(-1) == goal] / TEMPERATURE, -1)
    entropy = -(sure.exp() * sure).sum(-1)
    return F.cross_entropy(logits, goal) + beta * entropy.sum() / max(len(entropy), 1)


def loss_of_canvases(
    network: Network, rows: list[tuple[list[int], Tensor, Tensor]], mask: int, beta: float = BETA
) -> Tensor:
    """Return the loss of the masked slots of some canvases: a prompt, a canvas, and the whole text each."""
    wide = max(len(prompt) + len(text) for prompt, _, text in rows)
    ids, goal = torch.zeros((2, len(rows), wide), dtype=torch.long)
    is_real = torch.zeros(ids.shape, dtype=torch.bool)
    for row, (prompt, canvas, text) in enumerate(rows):
        end = len(prompt) + len(text)
        ids[row, :end] = torch.cat((torch.tensor(prompt), canvas))
        goal[row, len(prompt) : end], is_real[row, :end] = text, True
    places = (ids == mask).flatten().nonzero()[:, 0]
    # The logits of a place are for the next one; a prompt is never empty.
    hidden = network.hidden(ids, first=first_masked(ids, mask), keep=is_real, places=places - 1)
    return loss_of(network.logits(hidden), goal.flatten()[places], beta)


def trained(
    texts: list[OwnText], epochs: int = 4, beta: float = BETA, rate: float = RATE
) -> dict[str, Tensor]:
    """Return the weights of structgen/infill after training, under transformers' names. An epoch reads one
    canvas of each text. Cost: some 0.06 CPU seconds a canvas."""
    model, tokenizer = load_masked_model("structgen/infill")
    special = model.mask_id, tokenizer.eos_token_ids[0], getattr(model, "null_id", 0)
    ways = [(one.prompt, canvases(one, *special)) for one in texts]
    ways.sort(key=lambda way: len(way[0]) + way[1].shape[1])
    groups = [ways[start : start + ROWS] for start in range(0, len(ways), ROWS)]
    network, chance = load(FOLDER), np.random.default_rng(0)
    adam = torch.optim.Adam(network.parameters(), lr=rate, betas=(0.9, 0.98))
    total = epochs * len(groups)
    falls = torch.optim.lr_scheduler.LambdaLR(adam, lambda at: min(10 * (at + 1) / total, 1 - at / total))
    for _ in range(epochs):
        for group in chance.permutation(len(groups)).tolist():
            rows = [
                (prompt, way[int(chance.integers(len(way) - 1))], way[-1]) for prompt, way in groups[group]
            ]
            adam.zero_grad()
            loss_of_canvases(network, rows, model.mask_id, beta).backward()
            adam.step()
            falls.step()
    return {name: value.detach() for name, value in network.state_dict().items()}


def model_of(weights: dict[str, Tensor]) -> BidirectionalLlama:
    """Return structgen/infill with other weights."""
    config: dict[str, Any] = json.loads((FOLDER / "config.json").read_text(encoding="utf-8"))
    return BidirectionalLlama(config, {name: value.float().numpy() for name, value in weights.items()})


def read(file: Path) -> BidirectionalLlama:
    """Return the model whose weights are in a file."""
    return model_of(load_file(file))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--train", type=Path, required=True, metavar="FILE", help="where the weights go")
    parser.add_argument("--sentences", type=int, default=120)
    parser.add_argument("--epochs", type=int, default=4)
    asked = parser.parse_args()
    written = list(own_texts(*load_masked_model("structgen/infill"), asked.sentences))
    save_file(trained(written, asked.epochs), asked.train)

"""DistillSpec (Zhou et al. 2024, "DistillSpec: Improving Speculative Decoding via Knowledge Distillation",
arXiv:2310.08461) with FastDraft's sizes (Zafrir et al. 2024, "FastDraft: How to Train Your Draft",
arXiv:2411.11055): a draft model is trained on what its target writes.

    python bench/methods/distilled_ways.py [FOLDER]     collects, trains and writes the two draft models

Definition: the target writes the texts itself; at each of their tokens the draft is brought near to the
target's law by a divergence (DistillSpec compares several). FastDraft: a draft model of a hundredth of the
target's weights, and synthetic texts of the target in place of its training data.

What differs here: the texts are written under grammars, and the divergence, forward KL, is between the laws
*under the mask*: of the target, its 8 likeliest allowed tokens, scaled to 1; of the draft, the softmax over
the allowed tokens of its vocabulary. So no weight is spent on what the grammar forbids anyway. The draft
before distillation is the same network, trained to the written tokens alone (one-hot), without a mask.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import torch
from torch import nn

import structgen as sg
from methods.distillation_texts import TOP, Example, vocabulary
from methods.draft_network import DraftNetwork, allowed_places

RATE: Final = 3e-3
DROPOUT: Final = 0.1
BATCH: Final = 16
"""Texts of a step."""


class Trained(nn.Module):
    """The network of `DraftNetwork`, to be trained."""

    def __init__(self, count: int, width: int, size: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(count + 1, width)
        nn.init.normal_(self.embedding.weight, std=width**-0.5)
        self.unit = nn.GRU(width, size, batch_first=True)
        self.head = nn.Linear(size, width, bias=False)
        self.bias = nn.Parameter(torch.zeros(count))
        self.dropout = nn.Dropout(DROPOUT)

    def states(self, places: torch.Tensor) -> torch.Tensor:
        """Return the states [B, T, H] behind each of the tokens [B, T]."""
        found: torch.Tensor = self.unit(self.dropout(self.embedding(places)))[0]
        return found

    def logits(self, states: torch.Tensor) -> torch.Tensor:
        """Return the logits [N, V] of states [N, H]."""
        return nn.functional.linear(self.head(self.dropout(states)), self.embedding.weight[:-1], self.bias)

    def network(self, tokens: Sequence[int]) -> DraftNetwork:
        """Return it for numpy."""
        unit: Any = self.unit
        weights = (
            self.embedding.weight, unit.weight_ih_l0, unit.weight_hh_l0, unit.bias_ih_l0, unit.bias_hh_l0,
            self.head.weight, self.bias,
        )  # fmt: skip
        return DraftNetwork(np.array(tokens, np.int32), *(one.detach().numpy().copy() for one in weights))


class Lesson:
    """A text as tensors: what is read, and at each token of the text what is to be learnt."""

    def __init__(self, example: Example, tokens: Sequence[int], *, is_distilled: bool) -> None:
        places, other = {token: place for place, token in enumerate(tokens)}, len(tokens)
        self.read = [places.get(one, other) for one in (*example.prompt, *example.tokens[:-1])]
        self.start = len(example.prompt) - 1
        laws = example.laws if is_distilled else [{token: 1.0} for token in example.tokens]
        self.wanted = np.zeros((len(laws), TOP), np.int64)
        self.shares = np.zeros((len(laws), TOP), np.float32)
        for at, law in enumerate(laws):
            for rank, (token, share) in enumerate(law.items()):
                if token in places:
                    self.wanted[at, rank], self.shares[at, rank] = places[token], share
        self.allowed = np.ones((len(laws), len(tokens)), np.bool_)
        if is_distilled:
            matcher, mask = sg.Matcher(example.grammar), sg.allocate_mask(1, example.grammar.vocab_size)
            for at, token in enumerate(example.tokens):
                matcher.fill_mask(mask)
                self.allowed[at] = allowed_places(mask.array[0], np.array(tokens, np.int32))
                matcher.advance(token)


def loss_of(model: Trained, lessons: Sequence[Lesson]) -> torch.Tensor:
    """Return the mean cross entropy of a token that the network knows: forward KL to the laws but for their
    entropy, which no weight of the draft changes."""
    longest = max(len(one.read) for one in lessons)
    read = torch.tensor([one.read + [0] * (longest - len(one.read)) for one in lessons])
    rows = zip(model.states(read), lessons, strict=True)
    logits = model.logits(torch.cat([row[one.start : len(one.read)] for row, one in rows]))
    allowed, wanted, shares = (
        torch.from_numpy(np.concatenate([getattr(one, name) for one in lessons]))
        for name in ("allowed", "wanted", "shares")
    )
    found = torch.log_softmax(logits.masked_fill(~allowed, -1e9), 1).gather(1, wanted)
    return -(found * shares).sum() / shares.sum().clamp(min=1.0)


def trained(
    examples: Sequence[Example],
    *,
    is_distilled: bool,
    most: int = 2000,
    width: int = 128,
    size: int = 320,
    rounds: int = 12,
    seed: int = 0,
    say: Callable[[str], object] = print,
) -> tuple[DraftNetwork, list[float]]:
    """Return a network, and the mean loss of each round over the texts. `is_distilled`: it learns the laws
    under the mask; else the written tokens. Cost: 0.4 ms of CPU a token and round."""
    torch.manual_seed(seed)
    tokens = vocabulary(examples, most)
    model = Trained(len(tokens), width, size)
    lessons = [Lesson(one, tokens, is_distilled=is_distilled) for one in examples]
    steps, order, losses = -(-len(lessons) // BATCH), np.random.default_rng(seed), list[float]()
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=rounds * steps)
    for at in range(rounds):
        whole = 0.0
        for chosen in np.array_split(order.permutation(len(lessons)), steps):
            loss = loss_of(model, [lessons[one] for one in chosen])
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            whole += float(loss.detach()) / steps
        losses.append(whole)
        say(f"round {at + 1} of {rounds}: loss {whole:.4f}")
    return model.network(tokens), losses

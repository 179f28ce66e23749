"""Greedy decoding in plain torch, with a grammar's masks or without; slow and short, for evaluation alone."""

from __future__ import annotations

from typing import Literal

import torch
from model import Network, Past, first_masked

import structgen as sg


@torch.no_grad()
def greedy(
    network: Network,
    prompts: list[list[int]],
    end: int,
    matchers: list[sg.Matcher] | None = None,
    most: int = 160,
) -> list[list[int]]:
    """Return the most probable next token after next token for each prompt, without the end token.

    With matchers, of the tokens that they allow. A row stops at the end token or after `most` tokens.
    """
    outputs: list[list[int]] = [[] for _ in prompts]
    mask = sg.allocate_mask(1, network.shape.vocabulary)
    lengths = torch.tensor([len(prompt) for prompt in prompts])
    width = int(lengths.max())
    ids = torch.zeros(len(prompts), width, dtype=torch.long)
    for row, prompt in enumerate(prompts):
        ids[row, : len(prompt)] = torch.tensor(prompt)
    # Columns are only added: nobody looks at those between a row's prompt and the tokens written later.
    past, unread = Past(), torch.arange(width)[None] >= lengths[:, None]
    causal = torch.full((width, width), -1e9).triu(1)[None, None]
    hidden = network.step(ids, torch.arange(width)[None], causal, past)
    last = hidden[torch.arange(len(prompts)), lengths - 1]
    closed = torch.zeros(len(prompts), 1, 1, width).masked_fill(unread[:, None, None], -1e9)
    running = set(range(len(prompts)))
    for count in range(most):
        logits = network.logits(last)
        tokens = torch.full((len(prompts), 1), end)
        for row in sorted(running):
            scores = logits[row]
            if matchers is not None:
                matchers[row].fill_mask(mask)
                allowed = torch.from_numpy(mask.allowed())
                scores = torch.full_like(scores, -torch.inf).index_copy(0, allowed, scores[allowed])
            token = int(scores.argmax())
            if matchers is not None:
                matchers[row].advance(token)
            if token == end:
                running.discard(row)
            else:
                outputs[row].append(token)
                tokens[row] = token
        if not running:
            break
        closed = torch.cat((closed, torch.zeros(len(prompts), 1, 1, 1)), -1)
        last = network.step(tokens, (lengths + count)[:, None], closed, past)[:, 0]
    return outputs


@torch.no_grad()
def fill(
    network: Network,
    prompts: list[list[int]],
    mask: int,
    end: int,
    *,
    at_once: int = 1,
    order: Literal["left", "sure"] = "left",
    canvas: int = 64,
    dtype: torch.dtype = torch.float32,
) -> list[list[int]]:
    """Return the documents that a network fills into canvases of masks after prompts.

    In each step `at_once` of a canvas's masked slots are written, each with its most probable token: the
    first ones (`left`), or those whose tokens are most probable (`sure`). The canvas of a prompt doubles, and
    is filled anew, as long as no end is written in it, up to 256 slots.
    """
    outputs: list[list[int]] = [[] for _ in prompts]
    waiting = sorted(range(len(prompts)), key=lambda at: len(prompts[at]))
    while waiting and canvas <= 256:
        without_end: list[int] = []
        for start in range(0, len(waiting), 32):
            group = waiting[start : start + 32]
            filled = _filled(network, [prompts[at] for at in group], mask, end, at_once, order, canvas, dtype)
            for at, output in zip(group, filled, strict=True):
                outputs[at] = output[: output.index(end)] if end in output else output
                if end not in output:
                    without_end.append(at)
        waiting, canvas = without_end, 2 * canvas
    return outputs


def _filled(
    network: Network,
    prompts: list[list[int]],
    mask: int,
    end: int,
    at_once: int,
    order: Literal["left", "sure"],
    canvas: int,
    dtype: torch.dtype,
) -> list[list[int]]:
    """Return canvases of one size behind prompts, filled together; from the left only up to the end token."""
    lengths = torch.tensor([len(prompt) + canvas for prompt in prompts])
    width = int(lengths.max())
    rows = [prompt + [mask] * canvas + [0] * (width - canvas - len(prompt)) for prompt in prompts]
    ids, real = torch.tensor(rows), torch.arange(width)[None] < lengths[:, None]
    running = torch.arange(len(prompts))
    while len(running):
        # The logits of a place are for the next one; a prompt is never empty.
        first = first_masked(ids[running], mask)
        hidden = network.hidden(ids[running], first=first, keep=real[running], dtype=dtype)[:, :-1]
        places = (ids[running] == mask)[:, 1:]
        logits = network.logits(hidden[places])
        logits[:, mask] = -torch.inf
        best, tokens = torch.softmax(logits, -1).max(-1)
        if order == "left":
            best = -places.nonzero()[:, 1].float()
        ranks = torch.full(places.shape, -torch.inf).masked_scatter(places, best)
        found = torch.zeros(places.shape, dtype=torch.long).masked_scatter(places, tokens)
        chosen = ranks.topk(min(at_once, ranks.shape[1])).indices
        chosen_places = torch.zeros_like(places).scatter(1, chosen, True) & places
        ids[running, 1:] = torch.where(chosen_places, found, ids[running, 1:])
        open_rows = (ids[running] == mask).any(-1)
        if order == "left":
            open_rows &= ~(ids[running] == end).any(-1)
        running = running[open_rows]
    return [ids[row, len(prompt) : len(prompt) + canvas].tolist() for row, prompt in enumerate(prompts)]

"""Greedy decoding in plain torch, with a grammar's masks or without; slow and short, for evaluation alone."""

from __future__ import annotations

import torch
from model import Network, Past

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
    prompt: list[int],
    mask: int,
    end: int,
    canvas: int = 48,
    sure: float = 0.9,
    ahead: int = 1,
) -> list[int]:
    """Return the document that a network which looks both ways fills into a canvas of masks after the prompt.

    In each step, of the first `ahead` slots that are masked still, every one is written whose token the
    network is sure of, and the surest at least. The canvas doubles as long as no end is written in it, up to
    384 slots.
    """
    while True:
        ids = torch.tensor([prompt + [mask] * canvas])
        while bool((ids == mask).any()):
            # The logits of a place are for the next one; the prompt is never empty.
            chances = torch.softmax(network(ids)[0].roll(1, 0), -1)
            chances[:, mask] = 0.0
            best, tokens = chances.max(-1)
            masked = ids[0] == mask
            best = best.masked_fill(~masked | (masked.cumsum(0) > ahead), -1.0)
            chosen = best >= min(sure, float(best.max()))
            ids[0, chosen] = tokens[chosen]
        output: list[int] = ids[0, len(prompt) :].tolist()
        if end in output:
            return output[: output.index(end)]
        if canvas >= 384:
            return output
        canvas *= 2

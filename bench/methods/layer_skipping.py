"""Layer skipping: SWIFT (Xia et al. 2024, arXiv:2410.06916) and fixed skip sets (SkipDecode, Unified Layer
Skipping, FFN-SkipLLM): the target drafts for itself with fewer layers.

Definition: a draft model is the target without some of its middle layers. Fixed sets skip at even distances,
the first and the last layers kept. SWIFT searches the set while it writes: it tries changed sets on the text
so far, and keeps the one whose choices agree with the target's own most often.

What differs here: the search is done once on some texts, each layer left out alone (the paper's: random sets
and Bayesian optimisation), whole layers and not attention and feed-forward apart. The drafter is
`sg.Speculation(draft_model=(skipped, tokenizer))`, so the grammar's mask is on its logits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

import torch

import structgen as sg
from structgen.decoding.engine.forward_pass.llama import Llama
from structgen.decoding.engine.forward_pass.weights import Weights

_TEXT: Final = {"type": "string", "maxLength": 40}
HELD_OUT: Final[dict[str, dict[str, Any]]] = {
    "Describe a famous city as JSON: name, country, river and a sentence about it.": {
        "name": _TEXT,
        "country": _TEXT,
        "river": _TEXT,
        "about": {"type": "string", "maxLength": 120},
    },
    "The film Metropolis of 1927 was directed by Fritz Lang. Write the film as JSON.": {
        "film": _TEXT,
        "director": _TEXT,
        "year": {"type": "integer", "minimum": 0, "maximum": 2100},
        "silent": {"type": "boolean"},
    },
}
"""Prompts, each with the properties of its text, on which sets are searched: no workload."""
SMOLLM2: Final = (7, 6, 25, 18, 5, 12, 14, 15, 17, 22, 3, 13, 19, 21, 26)
"""What `main` finds of SmolLM2's 30 layers."""


def weights_of(name: str) -> Weights:
    """Return the weights of `structgen/extract` or `smollm2`. They are read anew."""
    held: list[Weights] = []
    init = Llama.__init__

    def kept(self: Llama, weights: Weights, **options: Any) -> None:
        held.append(weights)
        init(self, weights, **options)

    from structgen.decoding.engine.models import load_model

    Llama.__init__ = kept  # type: ignore[method-assign]
    try:
        load_model(name, device="cpu")
    finally:
        Llama.__init__ = init  # type: ignore[method-assign]
    return held[0]


def skipping(weights: Weights, skipped: Sequence[int]) -> Llama:
    """Return the model without some layers. Cost: a copy of the other weights."""
    layers = [layer for at, layer in enumerate(weights.layers) if at not in skipped]
    return Llama(replace(weights, sizes=replace(weights.sizes, layers=len(layers)), layers=layers))


def even(layers: int, count: int) -> tuple[int, ...]:
    """Return a fixed set: `count` layers at even distances, without the first two and the last two."""
    middle = range(2, layers - 2) if layers > 4 else range(1, layers - 1)
    count = min(count, len(middle))
    return tuple(middle[(2 * at + 1) * len(middle) // (2 * count)] for at in range(count))


def searched(layers: int, count: int, agreement: Callable[[Sequence[int]], float]) -> tuple[int, ...]:
    """Return `count` layers, none of them the first or the last, that whose loss leaves the highest agreement
    first. Each layer is left out alone, so the first ones are the set of so many. Cost: an `agreement` for
    each layer."""
    found = {layer: agreement([layer]) for layer in range(1, layers - 1)}
    return tuple(sorted(found, key=lambda layer: -found[layer])[:count])


def agreement_on(
    weights: Weights, texts: Sequence[tuple[Sequence[int], Sequence[int]]]
) -> Callable[[Sequence[int]], float]:
    """Return what measures a set: the share of the tokens of texts (prompt, tokens) that the model without
    these layers finds likeliest, without a mask."""

    def agreement(skipped: Sequence[int]) -> float:
        model, right, count = skipping(weights, skipped), 0, 0
        for prompt, tokens in texts:
            _, cache = model.prefill(prompt[:-1])
            read = [prompt[-1], *tokens[:-1]]
            logits: Any = model.decode_tree(read, range(-1, len(read) - 1), [len(read)], [cache])
            right += int((logits.argmax(-1) == torch.tensor(tokens)).sum())
            count += len(tokens)
        return right / count

    return agreement


def main() -> None:
    """Print the best 15 layers of SmolLM2 to skip. Cost: 100 s of CPU."""
    engine, requests = sg.Engine("smollm2"), []
    for prompt, own in HELD_OUT.items():
        schema = {"type": "object", "properties": own, "required": list(own), "additionalProperties": False}
        grammar, drawn = sg.json_schema(schema, **sg.JSON_DUMPS), sg.Sampling(temperature=0.7, seed=5)
        requests.append(sg.Request(prompt, grammar, drawn, max_tokens=120, outline=False))
    results = engine.generate(requests)
    texts = [(engine.prompt_tokens(one), found.tokens) for one, found in zip(requests, results, strict=True)]
    print(searched(30, 15, agreement_on(weights_of("smollm2"), texts)))


if __name__ == "__main__":
    main()

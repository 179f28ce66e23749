"""The family of drafters: calls of the model for each token of a text, counted with free rows.

Columns: the model; the workload (`speculation_smol`, three texts each); the drafters of a request, alone or
behind `USUAL`; tokens, calls, drafted tokens, calls a token; calls over those of
`sg.Speculation()` as it was frozen (`before`, at f5c56362) and of today (`default`); CPU seconds; whether all
tokens are those of plain decoding. A draft has at most 16 nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, Final

import speculation_smol
from speculation_smol import Text

import structgen as sg
from methods.aded import Aded
from methods.aggressive_block import AggressiveBlock
from methods.layer_skipping import even, skipping, weights_of
from methods.pearl import Pearl
from methods.pruned_retrieval import PrunedRetrieval
from methods.specdec_head import SpecDecHead
from methods.speculative_jacobi import SpeculativeJacobi
from methods.token_recycling import TokenRecycling
from structgen.engine.models import load_model
from structgen.speculation.drafters.ngrams import KnownTexts

USUAL: Final = ("forced", "grammar", "suffix")
"""The drafters of `sg.Speculation()` but for `samples`, which is STAND without its noise."""
BEFORE: Final = {
    speculation_smol.SAMPLES: 729 / 1525,
    speculation_smol.IN_TURN: 729 / 1525,
    speculation_smol.CHANGED: 32 / 369,
}
"""Calls a token of `sg.Speculation()` at f5c56362, of bench/results/methods-speculation-2026-11-26.csv."""


METHODS: Final[dict[str, Callable[[], Any]]] = {
    "token recycling": TokenRecycling,
    "ADED": Aded,
    "speculative Jacobi": SpeculativeJacobi,
}


@cache
def small_model() -> tuple[Any, sg.Tokenizer]:
    """Return the draft model of structgen/extract."""
    return load_model("structgen/extract-draft", device="cpu")


OF_EXTRACT: Final[dict[str, Callable[[], Any]]] = {
    "n-grams": KnownTexts,
    "SpecDec++ over n-grams": lambda: SpecDecHead(KnownTexts),
    "RASD's pruning of n-grams": lambda: PrunedRetrieval(small_model()[0]),
    "block of structgen/infill": AggressiveBlock,
    "PEARL": lambda: Pearl(small_model()[0]),
}
"""Those that need a second model with the tokenizer of structgen/extract, and what they are compared with."""


def ways(methods: Mapping[str, Callable[[], Any]]) -> dict[str, Any]:
    """Return ways of drafting by name: each method alone, and behind the usual drafters."""
    found: dict[str, Any] = {"none": "off", "default": sg.Speculation()}
    for name, make in methods.items():
        found[name] = sg.Speculation(drafters=(make,))
        if make is not KnownTexts:
            found[f"default + {name}"] = sg.Speculation(drafters=(*USUAL, make))
    return found


def layer_ways(name: str, counts: Iterable[int]) -> dict[str, Any]:
    """Return ways of drafting by the model itself without some layers."""
    weights = weights_of(name)
    tokenizer = load_model(name, device="cpu")[1]
    found: dict[str, Any] = {}
    for count in counts:
        model = skipping(weights, even(weights.sizes.layers, count))
        how = sg.Speculation(drafters=(), draft_model=(model, tokenizer))
        found[f"{count} of {weights.sizes.layers} layers skipped"] = how
    return found


def measure(
    engine: sg.Engine, model: str, texts: Iterable[Text], wanted: dict[str, Any]
) -> list[dict[str, Any]]:
    """Return a row for each workload and way, over all texts of the workload."""
    found: list[dict[str, Any]] = []
    by_workload: dict[str, list[Text]] = {}
    for text in texts:
        by_workload.setdefault(text.workload, []).append(text)
    for workload, own in by_workload.items():
        digests: list[object] = []
        default = 0.0
        for name, how in wanted.items():
            rows = [speculation_smol.row(engine, text, name, how) for text in own]
            tokens, calls, drafted, seconds = (
                sum(float(str(one[column])) for one in rows)
                for column in ("tokens", "calls", "drafted", "cpu_seconds")
            )
            written = [one["digest"] for one in rows]
            digests = digests or written
            default = calls / tokens if name == "default" else default
            found.append(
                {
                    "model": model,
                    "workload": workload,
                    "drafters": name,
                    "tokens": int(tokens),
                    "calls": int(calls),
                    "drafted": int(drafted),
                    "calls_per_token": calls / tokens,
                    "over_before": calls / tokens / BEFORE[workload] if model == "smollm2" else "",
                    "over_default": calls / tokens / default if default else "",
                    "cpu_seconds": seconds,
                    "same_tokens": written == digests,
                }
            )
            print(*found[-1].values(), sep=" | ", flush=True)
    return found


def rows() -> list[dict[str, Any]]:
    """Measure all ways on structgen/extract, and on SmolLM2 where it is installed."""
    extract = speculation_smol.free_rows(sg.Engine("structgen/extract"))
    own = ways(METHODS | OF_EXTRACT) | layer_ways("structgen/extract", (1, 2))
    own["small model"] = sg.Speculation(drafters=(), draft_model=small_model())
    found = measure(extract, "extract", speculation_smol.extract_texts(extract), own)
    try:
        smollm2 = speculation_smol.smollm2()
    except sg.StructgenError as error:
        print(f"not measured on SmolLM2: {error}")
        return found
    return found + measure(smollm2, "smollm2", speculation_smol.texts(), ways(METHODS))

"""The family of drafters: calls of the model for each token of a text, counted with free rows.

Columns: the model; the workload (`speculation_texts`) and its texts (`chosen`); the drafters of a request,
alone or behind the three of `USUAL`; tokens, calls, drafted tokens, calls a token; calls over those of
`sg.Speculation()` for the same texts, as it was frozen (`before`, at f5c56362) and as it is today
(`default`); CPU seconds; whether all tokens are those of plain decoding. All drafts have at most as many
nodes as the default's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import chain
from typing import Any, Final

import speculation_texts
from speculation_texts import Text

import structgen as sg
from methods import distilled_ways
from methods.aded import Aded
from methods.aggressive_block import AggressiveBlock
from methods.layer_skipping import SMOLLM2, even, skipping, weights_of
from methods.pearl import Pearl
from methods.pruned_retrieval import PrunedRetrieval
from methods.specdec_head import SpecDecHead
from methods.speculative_jacobi import SpeculativeJacobi
from methods.token_recycling import TokenRecycling
from structgen.decoding.engine.models import load_model
from structgen.decoding.speculation.drafters.ngrams import KnownTexts

USUAL: Final = ("forced", "grammar", "suffix")
"""The drafters of `sg.Speculation()` but for `samples`, which is STAND without its noise."""
_SAMPLED: Final = {"order": 168, "people": 252, "book": 309}
BEFORE: Final = {
    speculation_texts.SAMPLES: _SAMPLED,
    speculation_texts.IN_TURN: _SAMPLED,
    speculation_texts.CHANGED: {"order": 9, "people": 16, "book": 7},
}
"""Calls of `sg.Speculation()` for each text of SmolLM2's at f5c56362, of
bench/results/methods-speculation-2026-11-26.csv. Samples in turn took those of samples side by side."""

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
    """Return ways of drafting by name: each method alone."""
    return {name: sg.Speculation(drafters=(make,)) for name, make in methods.items()}


def layer_ways(name: str, sets: Iterable[Sequence[int]]) -> Iterator[tuple[str, sg.Speculation]]:
    """Yield ways of drafting by the model itself without some layers: each holds most of its weights anew."""
    weights = weights_of(name)
    tokenizer = load_model(name, device="cpu")[1]
    for skipped in sets:
        model = skipping(weights, skipped)
        how = sg.Speculation(drafters=(), draft_model=(model, tokenizer))
        yield f"{len(skipped)} of {weights.sizes.layers} layers skipped", how


def behind_usual(alone: Mapping[str, sg.Speculation]) -> dict[str, Any]:
    """Return what all are compared with, first of all plain decoding, and each way behind the usual
    drafters."""
    found: dict[str, Any] = {
        "none": "off",
        "default": sg.Speculation(),
        "three": sg.Speculation(drafters=USUAL),
    }
    for name, how in alone.items():
        if KnownTexts not in how.drafters:
            found[f"three + {name}"] = replace(how, drafters=(*USUAL, *how.drafters))
    return found


def chosen(model: str, workload: str, drafters: str, own: list[Text]) -> list[Text]:
    """Return the texts of a workload that a way is measured with. SmolLM2 is slow: with it the first text
    stands for all of samples in turn, and of ways that stand alone, whose samples in turn are left out."""
    if model != "smollm2":
        return own
    is_alone = drafters not in ("none", "default", "three") and not drafters.startswith("three +")
    if workload == speculation_texts.IN_TURN:
        return [] if is_alone else own[:1]
    return own[:1] if is_alone else own


def measure(
    engine: sg.Engine, model: str, texts: Iterable[Text], wanted: Iterable[tuple[str, Any]]
) -> list[dict[str, Any]]:
    """Return a row for each workload and way, over all texts of the workload that are measured. The first way
    is plain decoding."""
    found: list[dict[str, Any]] = []
    by_workload: dict[str, list[Text]] = {}
    for text in texts:
        by_workload.setdefault(text.workload, []).append(text)
    plain: dict[str, list[object]] = {}
    default: dict[str, list[int]] = {}
    for name, how in wanted:
        for workload, own in by_workload.items():
            if not (some := chosen(model, workload, name, own)):
                continue
            rows = [speculation_texts.row(engine, text, name, how) for text in some]
            written = [one["digest"] for one in rows]
            each = [int(str(one["calls"])) for one in rows]
            plain.setdefault(workload, written)
            if name == "default":
                default[workload] = each
            tokens, drafted, seconds = (
                sum(float(str(one[column])) for one in rows)
                for column in ("tokens", "drafted", "cpu_seconds")
            )
            before = sum(BEFORE[workload][text.name] for text in some) if model == "smollm2" else 0
            of_default = sum(default.get(workload, [])[: len(some)])
            found.append(
                {
                    "model": model,
                    "workload": workload,
                    "texts": some[0].name if len(some) < len(own) else "all",
                    "drafters": name,
                    "tokens": int(tokens),
                    "calls": sum(each),
                    "drafted": int(drafted),
                    "calls_per_token": sum(each) / tokens,
                    "over_before": sum(each) / before if before else "",
                    "over_default": sum(each) / of_default if of_default else "",
                    "cpu_seconds": seconds,
                    "same_tokens": written == plain[workload][: len(some)],
                }
            )
            print(*found[-1].values(), sep=" | ", flush=True)
    return sorted(found, key=lambda row: list(by_workload).index(row["workload"]))


def rows() -> list[dict[str, Any]]:
    """Measure all ways on structgen/extract, and on SmolLM2 where it is installed."""
    extract = speculation_texts.free_rows(sg.Engine("structgen/extract"))
    alone = ways(METHODS | OF_EXTRACT) | dict(layer_ways("structgen/extract", (even(4, 1), even(4, 2))))
    alone["small model"] = sg.Speculation(drafters=(), draft_model=small_model())
    wanted = behind_usual(alone) | alone
    found = measure(extract, "extract", speculation_texts.extract_texts(extract), wanted.items())
    try:
        smollm2 = speculation_texts.smollm2()
    except sg.StructgenError as error:
        print(f"not measured on SmolLM2: {error}")
        return found
    alone = ways(METHODS) | distilled_ways.ways(smollm2)
    skipped = layer_ways("smollm2", (SMOLLM2[:count] for count in (6, 10, 15)))
    texts = speculation_texts.texts()
    return found + measure(
        smollm2, "smollm2", texts, chain(behind_usual(alone).items(), skipped, alone.items())
    )

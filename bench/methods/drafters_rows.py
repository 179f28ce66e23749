"""The family of drafters: calls of the model for each token of a text, counted with free rows.

Columns: the model; the workload (`speculation_smol`, three texts each); the drafters of a request, alone or
behind the three of `sg.Speculation()`; tokens, calls, calls a token; calls over those of `sg.Speculation()`
as it was frozen (`before`: before the public parts of today) and of today (`default`); CPU seconds; whether
all tokens are those of plain decoding. A draft has at most 16 nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import speculation_smol
from speculation_smol import Text

import structgen as sg
from methods.aded import Aded
from methods.speculative_jacobi import SpeculativeJacobi
from methods.stand import Stand
from methods.token_recycling import TokenRecycling

USUAL: Final = ("forced", "grammar", "suffix")
BEFORE: Final = {
    speculation_smol.SAMPLES: 729 / 1525,
    speculation_smol.IN_TURN: 729 / 1525,
    speculation_smol.CHANGED: 32 / 369,
}
"""Calls a token of `sg.Speculation()` at f5c56362, of bench/results/methods-speculation-2026-11-26.csv."""


def likeliest_stand() -> Stand:
    """Return STAND without noise."""
    return Stand(noise=0.0)


METHODS: Final[dict[str, Callable[[], Any]]] = {
    "token recycling": TokenRecycling,
    "STAND": Stand,
    "STAND, no noise": likeliest_stand,
    "ADED": Aded,
    "speculative Jacobi": SpeculativeJacobi,
}


def ways() -> dict[str, Any]:
    """Return all ways of drafting, by name."""
    found: dict[str, Any] = {"none": "off", "default": sg.Speculation()}
    for name, make in METHODS.items():
        found[name] = sg.Speculation(drafters=(make,))
        found[f"default + {name}"] = sg.Speculation(drafters=(*USUAL, make))
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
            tokens, calls, seconds = (
                sum(float(str(one[column])) for one in rows) for column in ("tokens", "calls", "cpu_seconds")
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
    found = measure(extract, "extract", speculation_smol.extract_texts(extract), ways())
    try:
        smollm2 = speculation_smol.smollm2()
    except sg.StructgenError as error:
        print(f"not measured on SmolLM2: {error}")
        return found
    return found + measure(smollm2, "smollm2", speculation_smol.texts(), ways())

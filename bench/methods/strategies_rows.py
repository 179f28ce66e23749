"""The family of strategies, small: right fields by strategy, by `bench_strategies` and `bench_answers`.

Model `extract`: hand-written sentences; model `smollm2`: tasks of the half `open` of bench/answers.
`difference` is that to the plain way of the same temperature, with its 95 % interval, which is wide with few
sentences. The whole tables are those of `make bench-strategies` and `python bench/bench_answers.py
--rows ...`.
"""

from __future__ import annotations

import argparse
from typing import Any

import bench_answers
import bench_strategies


def rows(sentences: int = 20, tasks: int = 10) -> list[dict[str, Any]]:
    """Return a row for each strategy; of SmolLM2 where it is installed."""
    found = []
    for row in bench_strategies.ways_measured(["hand-written"], sentences):
        same = {name: row[name] for name in ("way", "fields", "right", "difference", "low", "high")}
        found.append({"model": "extract"} | same | {"cpu_s": row["seconds"]})
    asked = argparse.Namespace(model="smollm2", max_tokens=64, wording="first", half="open", answers=None)
    chosen = bench_answers.drawn(bench_answers.read_tasks("open"), tasks)
    rows = bench_answers.measured(bench_answers.Bench(asked), list(bench_answers.STRATEGIES), chosen)
    for row in rows:
        if row["kind"] == "all":
            shares = {name: row[name] / row["fields"] for name in ("right", "difference", "low", "high")}
            told = {"model": "smollm2", "way": row["row"], "fields": row["fields"]}
            found.append(told | shares | {"cpu_s": row["cpu_seconds"]})
    return found

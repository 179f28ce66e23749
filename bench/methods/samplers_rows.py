"""The family of samplers, small: error of draws by method, as `bench_samplers` and `bench_published` say it.

Model `n-grams`: the three frozen tasks, `rows` model rows for each run. Model `smollm2`: a label of 20 whose
law is enumerated, 20 draws wanted, at most 100 rows for each. `floor`: the error of exact independent draws.
The whole tables are those of `make bench-samplers` and `python bench/bench_published.py samplers`.
"""

from __future__ import annotations

import argparse
from itertools import islice
from typing import Any, Final

import bench_published
import bench_samplers

import structgen as sg
from structgen.decoding.samplers.methods import METHODS

ON_SMOLLM2: Final = 7
"""Rows of the first task: 20 draws by each of seven methods."""


def rows(seeds: int = 2, most: int = 1000) -> list[dict[str, Any]]:
    """Return a row for each task and method; of SmolLM2 where it is installed."""
    outcomes = [
        bench_samplers.work(task, method, seed, most)
        for task in bench_samplers.frozen()
        for method in ("ideal", *METHODS, "mcmc")
        for seed in range(seeds)
    ]
    columns = "task", "method", "rows", "draws", "seeds", "error", "floor"
    found = [
        {"model": "n-grams"} | {column: row[column] for column in columns}
        for row in bench_samplers.table(outcomes)
        if row["method"] != "ideal"
    ]
    try:
        engine = sg.Engine("smollm2")
    except sg.StructgenError as error:
        print(f"not measured on SmolLM2: {error}")
        return found
    for row in islice(bench_published.samplers(engine, argparse.Namespace(seeds=seeds)), ON_SMOLLM2):
        own = {"rows": row["model rows"], "draws": row["n"], "floor": row["error of exact draws"]}
        found.append({"model": "smollm2"} | {column: row.get(column) for column in columns} | own)
    return found

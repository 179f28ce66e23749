"""The family of strategies, small: right fields by strategy, by `bench_strategies` and `bench_published`.

Model `extract`: hand-written sentences; model `smollm2`: tasks of the half `open` of bench/answers.
`difference` is that to the plain way of the same temperature, with its 95 % interval, which is wide with few
sentences. The whole tables are those of `make bench-strategies` and `python bench/bench_published.py
strategies`.
"""

from __future__ import annotations

import argparse
from typing import Any

import bench_published
import bench_strategies

import structgen as sg


def rows(sentences: int = 20, tasks: int = 10) -> list[dict[str, Any]]:
    """Return a row for each strategy; of SmolLM2 where it is installed."""
    found = []
    for told in bench_strategies.ways_measured(["hand-written"], sentences):
        row = dict(zip(bench_strategies.NAMES, told, strict=True))
        right = {"fields": row["fields"], "right": row["right"], "difference": row["difference"]}
        spread = {"low": row["low"], "high": row["high"], "cpu_s": row["seconds"]}
        found.append({"model": "extract", "way": row["way"]} | right | spread)
    try:
        engine = sg.Engine("smollm2")
    except sg.StructgenError as error:
        print(f"not measured on SmolLM2: {error}")
        return found
    asked = argparse.Namespace(tasks=tasks, ways=(), answers=None)
    for told in bench_published.strategies(bench_published.Setting(asked, engine)):
        row = dict(zip(bench_published.STRATEGIES, told, strict=True))
        shares = {
            name: row[column] / row["fields"]
            for name, column in {
                "right": "right",
                "difference": "difference to its plain way",
                "low": "low",
                "high": "high",
            }.items()
        }
        found.append(
            {"model": "smollm2", "way": row["way"], "fields": row["fields"]}
            | shares
            | {"cpu_s": row["cpu s"]}
        )
    return found

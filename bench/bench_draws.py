"""What do n draws cost, in model rows, by `auto` and by each unbiased method?

    python bench/bench_draws.py                                   all groups, 20 draws, 5 seeds
    python bench/bench_draws.py --groups n-grams --n 5 100 --seeds 3

Groups: the three frozen tasks of bench_samplers.py ("n-grams"); two tasks of each domain of methods/, and its
small one ("domains"); the three tasks of bench_published.py ("smollm2"). The last two need SmolLM2. No
budget is given; a method that costs more than `--most` rows is stopped, and does not count as the cheapest.

A row is a task, a number of draws and a method: means over seeds of model rows, draws, the exact draws that
they are worth, and calls of the checker; the share of runs that gave all draws; for `auto` the methods that
it chose, and its rows over those of the cheapest unbiased method that gave all draws in each run.
"""

from __future__ import annotations

import argparse
import importlib
import math
import statistics
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import bench_samplers
import records
from told import tell

import structgen as sg

UNBIASED: Final = ("cars", "importance", "smc", "awrs")
ALL: Final = (*UNBIASED, "raj", "auto")
Drawing = Callable[..., sg.Samples[Any]]


def n_grams() -> Iterator[tuple[str, Drawing]]:
    """Yield the frozen tasks, each with what draws from it."""
    for name in bench_samplers.frozen():
        task = bench_samplers.ready(name)
        how = {"tokenizer": task.tokenizer, "name": name, "max_tokens": task.max_tokens}
        how["checkers"] = list(task.checkers)
        yield name, partial(sg.sample, task.next_logprobs, [], task.compiled, **how)


def domains() -> Iterator[tuple[str, Drawing]]:
    """Yield three tasks of each domain whose packages are installed, the small one among them."""
    from methods.domains_rows import DOMAINS, AskedTask

    engine = sg.Engine("smollm2")
    for name in DOMAINS:
        domain = importlib.import_module(f"methods.domain_{name}")
        if domain.missing():
            print(f"{name} is not measured: {domain.missing()}", file=sys.stderr)
            continue
        for kind, task in (("small", domain.small()), *zip("ab", domain.tasks()[::20], strict=True)):
            asked = AskedTask(engine, task)
            yield f"{name}, {kind}", asked.draw_by


def smollm2() -> Iterator[tuple[str, Drawing]]:
    """Yield the tasks of the published model."""
    import bench_published
    from methods.remembered_model import RememberedModel

    engine = sg.Engine("smollm2")
    for name, compiled, prompt, _ in bench_published.sampled_tasks(engine):
        own = sg.Engine(RememberedModel(engine, prompt), engine.tokenizer)
        yield name, partial(sg.sample, own, prompt, compiled, max_tokens=24)


GROUPS: Final = {"n-grams": n_grams, "domains": domains, "smollm2": smollm2}


def measured(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield a row for each task, number of draws and method."""
    for group in options.groups:
        for task, draw in GROUPS[group]():
            for n in options.n if any(part in task for part in options.tasks) else ():
                runs = {}
                for method in ALL:
                    limit = {} if method == "auto" else {"budget": options.most}
                    runs[method] = [
                        draw(n=n, method=method, seed=seed, **limit) for seed in range(options.seeds)
                    ]
                about = {"group": group, "task": task, "n": n, "seeds": options.seeds}
                yield from (about | row for row in compared(n, runs))


def compared(n: int, runs: dict[str, list[sg.Samples[Any]]]) -> Iterator[dict[str, Any]]:
    """Yield the row of each method, from its runs."""
    rows = {
        method: statistics.fmean(one.statistics.model_rows for one in found) for method, found in runs.items()
    }
    whole = {method: statistics.fmean(len(one) >= n or one.lists_all for one in found) for method, found in runs.items()}
    cheapest = min((rows[method] for method in UNBIASED if whole[method] == 1), default=float("nan"))
    for method, found in runs.items():
        chosen = Counter(one.method for one in found)
        yield {
            "method": method,
            "model_rows": rows[method],
            "draws": statistics.fmean(map(len, found)),
            "worth": statistics.fmean(math.nan if one.worth is None else one.worth for one in found),
            "checks": statistics.fmean(one.statistics.checks for one in found),
            "complete": whole[method],
            "chosen": " ".join(f"{name} {count}" for name, count in chosen.most_common()),
            "over_cheapest": rows[method] / cheapest,
        }


def main() -> None:
    """Print the rows, and write bench/results."""
    parser = records.arguments(__doc__)
    parser.add_argument("--groups", nargs="+", default=list(GROUPS), choices=list(GROUPS))
    parser.add_argument("--tasks", nargs="+", default=[""], help="only tasks whose names have one of these")
    parser.add_argument("--n", nargs="+", type=int, default=[20])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--most", type=int, default=5000, help="rows at which a published method is stopped")
    parser.add_argument("--more", action="store_true", help="keep the rows that the day has")
    options = parser.parse_args()
    tell(options, "draws", measured(options), ["torch", "numpy"])


if __name__ == "__main__":
    main()

"""How near do samplers come to the target law for a number of model rows?

    python bench/bench_samplers.py                       the three frozen tasks, every method, 20 seeds
    python bench/bench_samplers.py --seeds 3 --rows 300 3000 --tasks free-text --methods auto cars

The error of a run is the mean, over the fields of a task, of the total variation between the field's exact
marginal (sampler_tasks.py) and that of the weighted draws. All methods get the same seeds, and errors are
compared seed by seed: the standard errors of ratios are those of paired differences. "floor" is the error of
as many exact independent draws as masking writes texts with the same rows. A run that has not one valid draw
has the error 1.

`auto` is asked for as many draws as it has rows, so it runs beams where the rows pay for 64 texts, and
tempered walks where they do not.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from typing import Any, Final

import numpy as np
import sampler_tasks
from methods.mcmc import chains
from records import arguments
from told import tell

import structgen as sg
from structgen.decoding.samplers.methods import METHODS

OURS: Final = frozenset(("auto", "beams"))
"""What has not been published by others: all else counts as published."""
PARTICLES: Final = 16

Outcome = dict[str, Any]


def attempt(task: sampler_tasks.Task, exact: Any, method: str, seed: int, rows: int) -> Outcome:
    """Return the error of a method on a task for a number of model rows, and what it cost. The method `ideal`
    are exact independent draws, as many as masking writes texts with these rows."""
    if method == "ideal":
        masked = attempt(task, exact, "masked", seed, rows)
        n = max(round(rows / masked["model_rows"] * masked["attempts"]), 1)
        texts = [task.text(tokens).decode() for tokens in task.law.draw(n, seed)]
        error = sampler_tasks.field_error(exact["marginals"], task.marginals(texts, np.ones(n)))
        return masked | {"error": error, "model_rows": rows, "draws": n, "log_z": math.log(exact["z"])}
    wall, cpu = time.perf_counter(), time.process_time()
    found = sg.sample(
        task.next_logprobs,
        [],
        task.compiled,
        PARTICLES * max(rows // 8, 2) if method in ("smc", "awrs") else rows,
        method="masked" if method == "mcmc" else method,
        budget=rows,
        seed=seed,
        max_tokens=task.max_tokens,
        checkers=list(task.checkers),
        tokenizer=task.tokenizer,
        name=task.name,
    )
    if method == "mcmc":
        found = chains(found, np.random.default_rng([seed, 1]))
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    marginals = task.marginals(found.texts, found.weights)
    return {
        "error": sampler_tasks.field_error(exact["marginals"], marginals),
        "model_rows": found.statistics.model_rows,
        "draws": len(found.texts),
        "attempts": found.statistics.attempts,
        "log_z": found.log_z if math.isfinite(found.log_z) else None,
        "cpu_s": cpu,
        "wall_s": wall,
    }


@cache
def frozen() -> dict[str, Any]:
    """Return what is frozen of the tasks."""
    found: dict[str, Any] = json.loads(sampler_tasks.FROZEN.read_text(encoding="utf-8"))
    return found


@cache
def ready(name: str) -> sampler_tasks.Task:
    """Return a task whose digest is the frozen one, with its masks compiled and some rows known."""
    task = sampler_tasks.tasks()[name]
    if task.digest() != frozen()[name]["digest"]:
        raise SystemExit(f"The task {name} is not the one that was frozen: its digest differs.")
    attempt(task, frozen()[name], "masked", 0, 2000)
    return task


def work(name: str, method: str, seed: int, rows: int) -> Outcome:
    """Return the outcome of a method on a task with one seed and a number of rows."""
    about = {"task": name, "method": method, "seed": seed, "rows": rows}
    return about | attempt(ready(name), frozen()[name], method, seed, rows)


def measured(options: argparse.Namespace) -> Iterator[Outcome]:
    """Yield all outcomes."""
    runs = [
        (task, method, seed, rows)
        for task in options.tasks
        for rows in options.rows
        for method in ("ideal", *options.methods)
        for seed in range(options.seeds)
    ]
    with ProcessPoolExecutor(options.processes, get_context("spawn")) as pool:
        for done, outcome in enumerate(pool.map(work, *zip(*runs, strict=True)), 1):
            yield outcome
            print(f"\r{done:,} of {len(runs):,} runs  ", end="", file=sys.stderr)


def table(outcomes: Iterable[Outcome]) -> Iterator[dict[str, Any]]:
    """Yield a row for each task, number of rows and method.

    `above_best`: by how much the error is above the least mean error of all methods, and `above_best_se` the
    paired standard error of that.
    """
    cells: dict[tuple[str, int], dict[str, dict[int, Outcome]]] = defaultdict(lambda: defaultdict(dict))
    for one in outcomes:
        cells[one["task"], one["rows"]][one["method"]][one["seed"]] = one
    for (task, rows), by_method in cells.items():
        seeds = sorted(set.intersection(*(set(runs) for runs in by_method.values())))
        errors = {
            method: np.array([runs[seed]["error"] for seed in seeds]) for method, runs in by_method.items()
        }
        means = {method: float(values.mean()) for method, values in errors.items() if method != "ideal"}
        least = min(means, key=means.__getitem__)
        best = min(means.keys() - OURS, key=means.__getitem__, default=least)
        for method, own in errors.items():
            runs = [by_method[method][seed] for seed in seeds]
            ratio = float(own.mean()) / means[best]
            log_z = math.log(frozen()[task]["z"])
            off = [abs(run["log_z"] - log_z) for run in runs if run["log_z"] is not None]
            yield {
                "task": task,
                "method": method,
                "rows": rows,
                "seeds": len(seeds),
                "error": float(own.mean()),
                "error_se": _se(own),
                "floor": float(errors["ideal"].mean()) if "ideal" in errors else math.nan,
                "best_published": best,
                "ratio_to_best_published": ratio,
                # by the delta method
                "ratio_se": _se(own - ratio * errors[best]) / means[best],
                "above_best": float((own - errors[least]).mean()),
                "above_best_se": _se(own - errors[least]),
                "log_z_error": statistics.fmean(off) if off else math.nan,
                **{
                    key: statistics.fmean(run[key] for run in runs)
                    for key in ("model_rows", "draws", "cpu_s", "wall_s")
                },
            }


def _se(values: Any) -> float:
    return float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else math.nan


def main(argv: Sequence[str] | None = None) -> None:
    """Print the rows, and write bench/results."""
    parser = arguments(__doc__)
    names = list(sampler_tasks.tasks())
    parser.add_argument("--tasks", nargs="+", default=names, choices=names)
    usual = [*(name for name in METHODS if name != "rejection"), "mcmc"]  # never the best: asked for by name
    parser.add_argument("--methods", nargs="+", default=usual, choices=[*METHODS, "mcmc"])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--rows", type=int, nargs="+", default=[30_000], help="model rows of a run")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args(argv)
    tell(options, "samplers", table(measured(options)), ["numpy"])


if __name__ == "__main__":
    main()

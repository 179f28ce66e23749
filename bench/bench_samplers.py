"""How near do samplers come to the target law for a number of model rows?

    python bench/bench_samplers.py                       the five frozen tasks, every method, 20 seeds
    python bench/bench_samplers.py --seeds 3 --rows 3000 --tasks enum checksum --methods auto cars

The error of a run is the mean, over the fields of a task, of the total variation between the field's exact
marginal (sampler_tasks.py) and that of the weighted draws. All methods get the same seeds, and errors are
compared seed by seed: the standard errors of ratios are those of paired differences. "floor" is the error of
as many exact independent draws as masking writes texts with the same rows. A run that has not one valid draw
has the error 1.

`auto` is asked for as many draws as it has rows, so it runs beams where the rows pay for 64 texts, and
tempered walks where they do not.

Runs are kept in a file (--runs) as soon as they are done; a second call takes up where the first one stopped,
as long as the version that is measured and the tasks are the same.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import numpy as np
import records
import sampler_tasks

import structgen as sg
from structgen.samplers.methods import METHODS

TITLES: Final = {
    "masked": "masking",
    "rejection": "rejection",
    "asap": "ASAp",
    "importance": "ASAp + weights",
    "cars": "CARS",
    "mcmc": "MCMC restart k=10",
    "awrs": "SMC-16 + AWRS",
    "smc": "SMC-16, exact mask",
    "beams": "beams",
    "auto": "auto",
}
"""Every method, in the order of the tables."""
OURS: Final = frozenset(("auto", "beams"))
"""What has not been published by others: all else counts as published."""
ALONG: Final = (300, 1_000, 3_000, 10_000)
"""Rows at which the error is measured on the way, by the first seeds."""
ALONG_SEEDS: Final = 12
GOALS: Final = {
    "enum": 0.10,
    "free-text": 0.80,
    "unique-per-item": 0.45,
    "unique-at-end": 0.75,
    "checksum": 0.65,
}
"""The share of the best published method's error that `auto` is to stay under."""
PARTICLES: Final = 16

Outcome = dict[str, Any]


def methods() -> list[str]:
    """Return the methods that are measured."""
    return [name for name in TITLES if name in METHODS]


# --- one run ------------------------------------------------------------------------------------------------


class AtEnd:
    """A checker that is asked of whole texts alone."""

    def __init__(self, checker: Any) -> None:
        self.fingerprint, self.final = checker.fingerprint, checker.final

    def copy(self) -> AtEnd:
        return self


def attempt(task: sampler_tasks.Task, exact: Any, method: str, seed: int, rows: int) -> Outcome:
    """Return the error of a method on a task for a number of model rows, and what it cost."""
    wall, cpu = time.perf_counter(), time.process_time()
    n = PARTICLES * max(rows // 8, 2) if method in ("smc", "awrs") else rows
    found = sg.sample(
        task.next_logprobs,
        [],
        task.compiled,
        n,
        method=method,
        budget=rows,
        seed=seed,
        max_tokens=task.max_tokens,
        checkers=[one if getattr(one, "early", False) else AtEnd(one) for one in task.checkers],
        tokenizer=task.tokenizer,
        name=task.name,
    )
    texts, weights = found.texts, found.weights
    used, attempts = found.statistics.model_rows, found.statistics.attempts
    log_z = found.log_z if math.isfinite(found.log_z) else None
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    marginals = sampler_tasks.weighted_marginals(task, texts, weights)
    return {
        "error": sampler_tasks.field_error(exact["marginals"], marginals),
        "model_rows": used,
        "draws": len(texts),
        "attempts": attempts,
        "log_z": log_z,
        "cpu_s": cpu,
        "wall_s": wall,
    }


def ideal(task: sampler_tasks.Task, exact: Any, masked: Outcome, seed: int, rows: int) -> Outcome:
    """Return the error of exact independent draws, as many as masking has written texts."""
    count = max(round(rows / masked["model_rows"] * masked["attempts"]), 1)
    cpu = time.process_time()
    texts = [
        b"".join(task.tokens[token] or b"" for token in tokens).decode()
        for tokens in task.law.draw(count, seed)
    ]
    marginals = sampler_tasks.weighted_marginals(task, texts, np.ones(count))
    return {
        "error": sampler_tasks.field_error(exact["marginals"], marginals),
        "model_rows": rows,
        "draws": count,
        "attempts": count,
        "log_z": math.log(exact["z"]),
        "cpu_s": time.process_time() - cpu,
        "wall_s": 0.0,
    }


@cache
def _frozen() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(sampler_tasks.FROZEN.read_text(encoding="utf-8"))
    return found


@cache
def _ready(name: str) -> sampler_tasks.Task:
    """Return a task whose digest is the frozen one, with its masks compiled and some rows known."""
    task = sampler_tasks.tasks()[name]
    if task.digest() != _frozen()[name]["digest"]:
        raise SystemExit(f"The task {name} is not the one that was frozen: its digest differs.")
    attempt(task, _frozen()[name], "masked", 0, 2000)
    return task


def work(name: str, method: str, seed: int, budgets: Sequence[int]) -> list[Outcome]:
    """Return the outcomes of a method on a task with one seed, for each number of rows."""
    task, exact = _ready(name), _frozen()[name]
    found = []
    for rows in budgets:
        about = {"task": name, "seed": seed, "rows": rows}
        outcome = attempt(task, exact, method, seed, rows)
        found.append({**about, "method": method, **outcome})
        if method == "masked":
            found.append({**about, "method": "ideal", **ideal(task, exact, outcome, seed, rows)})
    return found


# --- many runs ----------------------------------------------------------------------------------------------


def measured(options: argparse.Namespace) -> list[Outcome]:
    """Return all outcomes, those that an earlier call has kept among them; tell on stderr how far it is."""
    version = records.version()
    kept = _kept(options.runs, version)
    jobs = []
    for name in options.tasks:
        for seed in range(options.seeds):
            for method in options.methods:
                along = [rows for rows in ALONG if rows < options.rows] if seed < ALONG_SEEDS else []
                budgets = [rows for rows in (*along, options.rows) if (name, method, seed, rows) not in kept]
                if budgets:
                    jobs.append((name, method, seed, budgets))
    began = time.monotonic()
    options.runs.parent.mkdir(parents=True, exist_ok=True)
    with (
        options.runs.open("a", encoding="utf-8") as file,
        ProcessPoolExecutor(options.processes, get_context("spawn")) as pool,
    ):
        waiting = [pool.submit(work, *job) for job in jobs]
        for done, future in enumerate(as_completed(waiting), 1):
            for outcome in future.result():
                kept[outcome["task"], outcome["method"], outcome["seed"], outcome["rows"]] = outcome
                digest = _frozen()[outcome["task"]]["digest"]
                file.write(json.dumps({"version": version, "digest": digest, **outcome}) + "\n")
            file.flush()
            spent = time.monotonic() - began
            left = spent / done * (len(jobs) - done)
            print(
                f"\r{done:,} of {len(jobs):,} runs, {spent:,.0f} s, {left:,.0f} s left   ",
                end="",
                file=sys.stderr,
            )
    print(file=sys.stderr)
    wanted = {*options.methods, "ideal"}
    rows = {*(rows for rows in ALONG if rows < options.rows), options.rows}
    return [
        outcome
        for (task, method, seed, at), outcome in sorted(kept.items(), key=_order)
        if task in options.tasks and method in wanted and seed < options.seeds and at in rows
    ]


def _order(item: tuple[tuple[str, str, int, int], Outcome]) -> tuple[int, int, int, int]:
    """Return a place that puts outcomes in the order of the tables."""
    task, method, seed, rows = item[0]
    return list(GOALS).index(task), ["ideal", *TITLES].index(method), rows, seed


def _kept(path: Path, version: str) -> dict[tuple[str, str, int, int], Outcome]:
    """Return the outcomes of a file that are of this version and of the tasks as they are frozen."""
    found: dict[tuple[str, str, int, int], Outcome] = {}
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            outcome = json.loads(line)
            digest = _frozen().get(outcome["task"], {}).get("digest")
            if outcome.pop("version") == version and outcome.pop("digest") == digest:
                found[outcome["task"], outcome["method"], outcome["seed"], outcome["rows"]] = outcome
    return found


# --- tables -------------------------------------------------------------------------------------------------

COLUMNS: Final = (
    "task",
    "method",
    "rows",
    "seeds",
    "error",
    "error_se",
    "floor",
    "best_published",
    "ratio_to_best_published",
    "ratio_se",
    "goal",
    "above_best",
    "above_best_se",
    "model_rows",
    "draws",
    "log_z_error",
    "cpu_s",
    "wall_s",
)


def table(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Return a row for each task, number of rows and method; see COLUMNS.

    `above_best`: by how much the error is above the least mean error of all methods, and `above_best_se` the
    paired standard error of that.
    """
    cells: dict[tuple[str, int], dict[str, dict[int, Outcome]]] = defaultdict(lambda: defaultdict(dict))
    for one in outcomes:
        cells[one["task"], one["rows"]][one["method"]][one["seed"]] = one
    found = []
    for (task, rows), by_method in cells.items():
        seeds = sorted(set.intersection(*(set(runs) for runs in by_method.values())))
        if not seeds:
            continue
        errors = {
            method: np.array([runs[seed]["error"] for seed in seeds]) for method, runs in by_method.items()
        }
        real = {method: values for method, values in errors.items() if method != "ideal"}
        published = [method for method in real if method not in OURS]
        best = min(published, key=lambda method: real[method].mean(), default="")
        least = min(real, key=lambda method: real[method].mean())
        for method in ("ideal", *TITLES):
            if method not in errors:
                continue
            runs = [by_method[method][seed] for seed in seeds]
            ratio, ratio_se = _ratio(errors[method], real[best]) if best else (math.nan, math.nan)
            z = _frozen()[task]["z"]
            logs = [abs(run["log_z"] - math.log(z)) for run in runs if run["log_z"] is not None]
            found.append(
                {
                    "task": task,
                    "method": method,
                    "rows": rows,
                    "seeds": len(seeds),
                    "error": errors[method].mean(),
                    "error_se": _se(errors[method]),
                    "floor": errors["ideal"].mean() if "ideal" in errors else math.nan,
                    "best_published": best,
                    "ratio_to_best_published": ratio,
                    "ratio_se": ratio_se,
                    "goal": GOALS[task] if method == "auto" else "",
                    "above_best": (errors[method] - real[least]).mean(),
                    "above_best_se": _se(errors[method] - real[least]),
                    "log_z_error": statistics.fmean(logs) if logs else math.nan,
                    **{
                        key: statistics.fmean(run[key] for run in runs)
                        for key in ("model_rows", "draws", "cpu_s", "wall_s")
                    },
                }
            )
    return found


def _se(values: Any) -> float:
    return float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else math.nan


def _ratio(one: Any, other: Any) -> tuple[float, float]:
    """Return the ratio of two means over the same seeds, and its standard error by the delta method."""
    ratio = float(one.mean() / other.mean())
    return ratio, _se(one - ratio * other) / float(other.mean())


def markdown(rows: Sequence[dict[str, Any]], at: int) -> str:
    """Return the table of errors for a number of rows: a line a method, a column a task."""
    tasks = list(dict.fromkeys(row["task"] for row in rows))
    cells = {(row["task"], row["method"]): row for row in rows if row["rows"] == at}
    titles = TITLES | {"ideal": "floor: as many exact draws as masking's"}
    lines = []
    for method, title in titles.items():
        found = [cells.get((task, method)) for task in tasks]
        if any(found):
            lines.append(
                [title, *(f"{row['error']:.4f} ± {row['error_se']:.4f}" if row else "" for row in found)]
            )
    own = [cells[task, "auto"] for task in tasks if (task, "auto") in cells]
    if own:
        told = (
            f"{row['ratio_to_best_published']:.2f} ± {row['ratio_se']:.2f} of "
            f"{TITLES.get(row['best_published'], 'none')}'s (goal {row['goal']})"
            for row in own
        )
        lines.append(["auto beside the best published", *told])
    return records.markdown(["", *tasks], lines)


# --- the command --------------------------------------------------------------------------------------------


def about() -> dict[str, object]:
    """Return what is the same in all rows of a file."""
    versions = f"structgen {records.version()}, numpy {np.__version__}"
    return {"load": records.load(), "python": platform.python_version(), "versions": versions}


def written(value: object) -> object:
    """Return a figure as it stands in a file."""
    return f"{value:.6g}" if isinstance(value, float) else value


def report(options: argparse.Namespace, outcomes: Iterable[Outcome]) -> None:
    """Write the files of results, and print the table."""
    rows = table(list(outcomes))
    lines = [[written(row[column]) for column in COLUMNS] for row in rows]
    target = records.write(options.results, "samplers", about(), COLUMNS, lines)
    print(markdown(rows, options.rows))
    print(f"\n{target}")


def main(argv: Sequence[str] | None = None) -> None:
    parser = records.arguments(__doc__)
    parser.add_argument("--tasks", nargs="+", default=list(GOALS), choices=list(GOALS))
    usual = [name for name in methods() if name != "rejection"]  # never the best: asked for by name
    parser.add_argument("--methods", nargs="+", default=usual, choices=methods())
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--rows", type=int, default=30_000, help="model rows of a run")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument(
        "--runs",
        type=Path,
        default=Path(tempfile.gettempdir()) / "structgen-samplers.jsonl",
        help="where runs are kept",
    )
    options = parser.parse_args(argv)
    report(options, measured(options))


if __name__ == "__main__":
    main()

"""genlm-control (SMC with AWRS) beside structgen, on the frozen tasks: the same model, the same grammar.

    python bench/genlm_control.py --peers PYTHON [--seeds 5] [--rows 10000] [--tasks enum checksum]

PYTHON is the interpreter of an environment that has genlm-control, and what structgen itself needs, since its
grammars answer there (bench/README.md).

genlm-control answers through its own interface: a `Potential` whose `logw_next` is the task's n-gram model, a
boolean `Potential` whose `prefix` and `complete` are the grammar and the checkers (each answer a look-up in
structgen's compiled grammar, so that it is cheap), `AWRS(model, condition)`, and `.smc(16 particles,
resampling under half of them)`, again and again until the rows are spent. A model row is one prefix in one
batch: prefixes that are equal in a batch count once, as they do for structgen. Clouds of particles are put
together by their weights; one that would need more rows than are left is not counted. `z_ratio` is the mean
estimate of Z over the exact Z: near 1 where model and condition are those of the task."""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from records import arguments, write

MARK: Final = "genlm-control outcome: "


# --- inside the environment: genlm-control ------------------------------------------------------------------


def inside(options: argparse.Namespace) -> None:
    """Run genlm-control on the tasks, and print an outcome a line."""
    import asyncio

    import numpy as np
    import sampler_tasks
    import torch
    from genlm.control import AWRS, Potential

    torch.set_num_threads(1)

    class Model(Potential):  # type: ignore[misc]
        """The n-gram model of a task."""

        def __init__(self, task: sampler_tasks.Task) -> None:
            super().__init__(vocabulary=list(range(task.end)))
            self.task, self.rows = task, 0

        def _row(self, context: Sequence[int]) -> Any:
            return self.task.next_logprobs(list(context))

        async def logw_next(self, context: Sequence[int]) -> Any:
            self.rows += 1
            return self.make_lazy_weights(self._row(context))

        async def batch_logw_next(self, contexts: Sequence[Sequence[int]]) -> Any:
            self.rows += len({tuple(context) for context in contexts})
            return self.make_lazy_weights(np.stack([self._row(context) for context in contexts]))

        async def prefix(self, context: Sequence[int]) -> float:
            return math.fsum(float(self._row(context[:at])[token]) for at, token in enumerate(context))

        async def complete(self, context: Sequence[int]) -> float:
            return await self.prefix(context) + float(self._row(context)[self.task.end])

    class Condition(Potential):  # type: ignore[misc]
        """The grammar and the checkers of a task: 0 or minus infinity."""

        def __init__(self, task: sampler_tasks.Task) -> None:
            super().__init__(vocabulary=list(range(task.end)))
            self.task, self.checks = task, 0
            self.states: dict[tuple[int, ...], int] = {(): task.compiled.start.index}

        def _state(self, context: tuple[int, ...]) -> int:
            state = self.states.get(context)
            if state is None:
                before = self._state(context[:-1])
                state = -1 if before < 0 else self.task.compiled.next_index(before, context[-1])
                if state >= 0 and not all(one.viable(self._text(context)) for one in self.task.checkers):
                    state = -1
                self.states[context] = state
            return state

        def _text(self, context: Sequence[int]) -> bytes:
            return b"".join(self.task.tokens[token] or b"" for token in context)

        async def prefix(self, context: Sequence[int]) -> float:
            self.checks += 1
            return 0.0 if self._state(tuple(context)) >= 0 else -math.inf

        async def complete(self, context: Sequence[int]) -> float:
            self.checks += 1
            state = self._state(tuple(context))
            good = state >= 0 and self.task.compiled.may_end(state)
            good = good and all(one.final(self._text(context)) for one in self.task.checkers)
            return 0.0 if good else -math.inf

    async def run(task: sampler_tasks.Task, seed: int, rows: int) -> dict[str, Any]:
        np.random.seed(seed)
        torch.manual_seed(seed)
        model, condition = Model(task), Condition(task)
        sampler = AWRS(model, condition, seed=seed)
        texts: list[str] = []
        weights: list[float] = []
        wall, cpu, used, clouds = time.perf_counter(), time.process_time(), 0, 0
        while True:
            # The end token is among genlm-control's tokens, and not among ours.
            found = await sampler.smc(n_particles=16, ess_threshold=0.5, max_tokens=task.max_tokens + 1)
            if model.rows > rows:
                break
            used, clouds = model.rows, clouds + 1
            for context, weight in found:
                if weight > -math.inf:
                    texts.append(condition._text(context[:-1]).decode())
                    weights.append(math.exp(weight))
            condition.states = {(): task.compiled.start.index}
        await sampler.cleanup()
        marginals = sampler_tasks.weighted_marginals(task, texts, weights)
        return {
            "error": sampler_tasks.field_error(frozen[task.name]["marginals"], marginals),
            "z_ratio": sum(weights) / (16 * clouds) / frozen[task.name]["z"] if clouds else math.nan,
            "model_rows": used,
            "draws": len(texts),
            "attempts": 16 * clouds,
            "checks": condition.checks,
            "cpu_s": time.process_time() - cpu,
            "wall_s": time.perf_counter() - wall,
        }

    frozen = json.loads(sampler_tasks.FROZEN.read_text(encoding="utf-8"))
    for name in options.tasks:
        task = sampler_tasks.tasks()[name]
        asyncio.run(run(task, 10_000, 300))
        for seed in range(options.seeds):
            outcome = asyncio.run(run(task, seed, options.rows))
            print(MARK + json.dumps({"task": name, "seed": seed, **outcome}), flush=True)


# --- outside ------------------------------------------------------------------------------------------------

COLUMNS: Final = (
    "task",
    "system",
    "rows",
    "seeds",
    "error",
    "error_se",
    "model_rows",
    "draws",
    "cpu_s",
    "wall_s",
    "error_times_root_seconds",
    "z_ratio",
    "note",
)


def outside(options: argparse.Namespace) -> None:
    """Run genlm-control in its environment and our methods in this one; write the rows and print them."""
    import bench_samplers

    theirs, note = _theirs(options)
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for outcome in theirs:
        found.setdefault((outcome["task"], "genlm-control SMC-16 + AWRS"), []).append(outcome)
    for name in options.tasks:
        for method in options.methods:
            for seed in range(options.seeds):
                (outcome,) = (
                    one
                    for one in bench_samplers.work(name, method, seed, [options.rows])
                    if one["method"] == method
                )
                z = bench_samplers._frozen()[name]["z"]
                outcome["z_ratio"] = math.exp(outcome["log_z"]) / z if outcome["log_z"] else math.nan
                found.setdefault((name, f"structgen {method}"), []).append(outcome)
            print(f"{name} {method}", file=sys.stderr)
    rows: list[tuple[object, ...]] = []
    for (task, system), runs in sorted(found.items()):
        mean = {
            key: math.fsum(run[key] for run in runs) / len(runs)
            for key in ("error", "model_rows", "draws", "cpu_s", "wall_s", "z_ratio")
        }
        spread = math.sqrt(
            math.fsum((run["error"] - mean["error"]) ** 2 for run in runs) / max(len(runs) - 1, 1)
        )
        row = (
            task,
            system,
            options.rows,
            len(runs),
            mean["error"],
            spread / math.sqrt(len(runs)),
            mean["model_rows"],
            mean["draws"],
            mean["cpu_s"],
            mean["wall_s"],
            mean["error"] * math.sqrt(mean["cpu_s"]),
            mean["z_ratio"],
            note if system.startswith("genlm") else "",
        )
        rows.append(tuple(f"{one:.5g}" if isinstance(one, float) else one for one in row))
    if not theirs:
        rows.append(("all", "genlm-control SMC-16 + AWRS", options.rows, 0, *[""] * 8, note))
    target = write(options.results, "samplers-genlm", bench_samplers.about(), COLUMNS, rows)
    for row in rows:
        print(*row, sep="  ")
    print(target)


def _theirs(options: argparse.Namespace) -> tuple[list[dict[str, Any]], str]:
    """Return genlm-control's outcomes, and what it is, or why there is none."""
    python = str(options.peers)
    version = "import genlm.control, importlib.metadata as m; print(m.version('genlm-control'))"
    asked = subprocess.run([python, "-c", version], capture_output=True, text=True, check=False)
    if asked.returncode:
        return [], f"not measured: {asked.stderr.strip().splitlines()[-1]}"
    note = f"genlm-control {asked.stdout.strip().splitlines()[-1]}"
    print(note, file=sys.stderr)
    command = [python, __file__, "--inside", "--seeds", str(options.seeds), "--rows", str(options.rows)]
    root = Path(__file__).resolve().parents[1]
    paths = os.pathsep.join(map(str, (root, root / "kernels", root / "bench")))
    found: list[dict[str, Any]] = []
    with subprocess.Popen(
        [*command, "--tasks", *options.tasks],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if options.quiet else None,
        text=True,
        env={**os.environ, "PYTHONPATH": paths},
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith(MARK):
                found.append(json.loads(line.removeprefix(MARK)))
                print(line.strip(), file=sys.stderr)
    if process.returncode:
        note += f"; it ended with code {process.returncode} after {len(found)} runs"
    return found, note


def main(argv: Sequence[str] | None = None) -> None:
    parser = arguments(__doc__)
    names = ["enum", "free-text", "unique-per-item", "unique-at-end", "checksum"]
    parser.add_argument("--peers", type=Path, default=sys.executable, help="the interpreter of genlm-control")
    parser.add_argument("--tasks", nargs="+", default=names, choices=names)
    parser.add_argument("--methods", nargs="+", default=["auto", "smc"], help="ours, beside genlm-control")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--quiet", action="store_true", help="nothing of genlm-control's own output")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    (inside if options.inside else outside)(options)


if __name__ == "__main__":
    main()

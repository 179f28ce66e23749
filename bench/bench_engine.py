"""What does the engine cost: masks in a decode step, and throughput beside transformers' own loop?

    python bench/bench_engine.py [--device cpu] [--model extract|smollm2|random|FOLDER] [--batches 1,8,32]

Each batch writes `--tokens` tokens after each prompt, with documents that cannot end before, so that batches
stay full; seconds are those from the prompts (as text) to the last token. The systems take turns within each
of `--repeats` rounds, in another order each time; figures are medians over the rounds.
The cost of masks is the median step under a grammar against the median step of free text, both of our
engine, both at temperature 1, in the same rounds; "ordinary" and "hard" are the schemas of engine_runs.py.
The peers' processors run in transformers' loop as their documentation has it, over the ordinary schema.
Random weights: `--model random` is a Llama of 1.2 billion in bfloat16, the default on cuda.
Prints a table and the goals, and writes bench/results/engine-DEVICE-MODEL-DATE.csv. Without the device it
says that nothing was measured.
"""

from __future__ import annotations

import argparse
import math
import platform
import statistics
import sys
from collections import defaultdict
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from engine_runs import FREE, HARD, ORDINARY, Ours, Setting, Theirs, nbytes, near_ties, peers, setting
from records import arguments, load, show, write
from records import version as our_version

COLUMNS = ("batch", "system", "text", "temperature", "measure", "value")
Key = tuple[int, str, str, float]
"""Batch, system, text, temperature."""


@dataclass
class Figures:
    """What was measured: seconds and steps by run, and other measures."""

    seconds: dict[Key, list[float]]
    steps: dict[Key, list[float]]
    rows: list[tuple[int, str, str, float | str, str, float]]

    def rate(self, key: Key, tokens: int) -> float:
        """Return tokens a second, the median."""
        return key[0] * tokens / statistics.median(self.seconds[key])


def plan(ours: Ours, free: Theirs, others: list[Theirs]) -> list[tuple[Any, str, float]]:
    """Return the runs of a round: a system, what it writes, a temperature."""
    runs: list[tuple[Any, str, float]] = [
        (ours, kind, temperature) for temperature in (0.0, 1.0) for kind in (FREE, ORDINARY, HARD)
    ]
    runs += [(free, FREE, 0.0), (free, FREE, 1.0)]
    return runs + [(peer, ORDINARY, 0.0) for peer in others]


def measure(where: Setting, batches: list[int], tokens: int, repeats: int) -> Figures:
    """Run everything."""
    found = Figures(defaultdict(list), defaultdict(list), [])
    free, others = Theirs(where), [Theirs(where, peer) for peer in peers()]
    for batch in batches:
        prompts, ours = where.prompts(batch), Ours(where, batch)
        runs = plan(ours, free, others)
        for turn in range(repeats + 1):
            shift = turn % len(runs)
            for system, kind, temperature in runs[shift:] + runs[:shift]:
                timing, results = system.run(prompts, kind, tokens, temperature)
                key = batch, system.name, kind, temperature
                if turn == 0:
                    continue  # compilation, first masks
                found.seconds[key].append(timing.seconds)
                found.steps[key] += timing.steps
                if turn == 1 and system is ours:
                    found.rows += memory(key, results, tokens)
        print(f"batch {batch} done", file=sys.stderr, flush=True)
    for key, seconds in found.seconds.items():
        found.rows.append((*key, "tokens/s", found.rate(key, tokens)))
        found.rows.append((*key, "seconds", statistics.median(seconds)))
        if found.steps[key]:
            found.rows.append((*key, "step ms", 1e3 * statistics.median(found.steps[key])))
    return found


def memory(key: Key, results: list[Any], tokens: int) -> list[tuple[int, str, str, float, str, float]]:
    """Return the bytes of a request: its keys and values, and its result; a matcher is 8 bytes a token."""
    caches = statistics.mean(result.usage.cache_bytes for result in results)
    own = statistics.mean(nbytes(result.steps) + nbytes(result.tokens) for result in results)
    matcher = 0 if key[2] == FREE else 8 * (tokens + 1)
    return [(*key, "cache bytes", caches), (*key, "result bytes", own), (*key, "matcher bytes", matcher)]


def goals(found: Figures, batches: list[int], tokens: int) -> list[tuple[str, float, str, bool]]:
    """Return what was to be reached, what was, and whether it suffices."""
    told: list[tuple[str, float, str, bool]] = []
    for batch in batches:
        for kind in (ORDINARY, HARD):
            step, free = (statistics.median(found.steps[batch, Ours.name, one, 1.0]) for one in (kind, FREE))
            share, most = 100 * (1 - free / step), 2.0 if batch == 1 else 5.0
            found.rows.append((batch, Ours.name, kind, 1.0, "masks % of a step", share))
            told.append((f"batch {batch}: masks, % of a step ({kind})", share, f"<= {most:g}", share <= most))
        for temperature in (0.0, 1.0):
            ratio = found.rate((batch, Ours.name, FREE, temperature), tokens) / found.rate(
                (batch, "transformers", FREE, temperature), tokens
            )
            found.rows.append((batch, Ours.name, FREE, temperature, "times transformers", ratio))
            name = "greedy" if temperature == 0 else "sampled"
            told.append((f"batch {batch}: times transformers, free, {name}", ratio, ">= 1", ratio >= 1))
        for peer in peers():
            ratio = found.rate((batch, Ours.name, ORDINARY, 0.0), tokens) / found.rate(
                (batch, f"transformers+{peer}", ORDINARY, 0.0), tokens
            )
            least = 3 if batch == 32 else 1
            found.rows.append((batch, Ours.name, ORDINARY, 0.0, f"times transformers+{peer}", ratio))
            told.append(
                (f"batch {batch}: times transformers with {peer}", ratio, f">= {least}", ratio >= least)
            )
    return told


def tell(found: Figures, told: list[tuple[str, float, str, bool]]) -> None:
    """Print the table, and the goals."""
    values = {(row[:4], row[4]): row[5] for row in found.rows}
    shown = [
        (*key, f"{values[key, 'tokens/s']:,.0f}", f"{values.get((key, 'step ms'), math.nan):.2f}")
        for key in found.seconds
    ]
    columns = ("batch", "system", "text", "temperature", "tokens/s", "step ms")
    show(columns, shown, "Tokens a second, and the median step")
    for what, value, goal, reached in told:
        print(f"{'reached' if reached else 'missed ':<8} {what}: {value:.2f} (goal {goal})")


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, ...")
    parser.add_argument("--model", default="", help="extract, smollm2, random, tiny, or a folder")
    parser.add_argument("--batches", default="", help="default 1,8,32; on cuda 1,32,256")
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, help="of torch; default: torch's own choice")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    try:
        device = torch.device(options.device)
    except RuntimeError as error:
        parser.error(f"--device {options.device}: {str(error).partition(chr(10))[0]}")
    if missing := _missing(device):
        print(f"not measured on {options.device}: {missing}")
    else:
        measure_loop(options, device)
    return 0


def _missing(device: torch.device) -> str:
    """Return why torch has no such device; "" where it has one."""
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        return str(error).partition("\n")[0]
    return ""


def _about(options: argparse.Namespace, device: torch.device) -> dict[str, object]:
    """Return what is the same in all rows."""
    versions = " ".join(f"{name} {version(name)}" for name in ("torch", "transformers", *peers()))
    return {
        "load": load(),
        "python": platform.python_version(),
        "versions": f"structgen {our_version()}, {versions}",
        "device": options.device
        if device.type != "cuda"
        else f"{options.device}, {torch.cuda.get_device_name(device)}",
        "dtype": "float32" if device.type == "cpu" else "bfloat16",
        "threads": torch.get_num_threads(),
        "tokens": options.tokens,
        "repeats": options.repeats,
    }


def measure_loop(options: argparse.Namespace, device: torch.device) -> None:
    """Run the engine beside transformers' own loop."""
    before = load()
    on_cpu = device.type == "cpu"
    model = options.model or ("extract" if on_cpu else "random")
    batches = [int(batch) for batch in (options.batches or ("1,8,32" if on_cpu else "1,32,256")).split(",")]
    where = setting(model, device)
    found = measure(where, batches, options.tokens, options.repeats)
    told = goals(found, batches, options.tokens)
    differ, near, elsewhere = near_ties(
        where, where.prompts(min(max(batches), 32)), options.tokens, max(batches)
    )
    for name, value in (("differ", differ), ("part at a near tie", near), ("part elsewhere", elsewhere)):
        found.rows.append((max(batches), Ours.name, FREE, 0.0, f"texts that {name}", value))
    tell(found, told)
    print(
        f"alone and in a batch {differ} texts differ, {near} from a near tie (1e-3) on, {elsewhere} elsewhere"
    )
    about = _about(options, device)
    about |= {
        "load": f"{before} -> {about['load']}",
        "model": model,
        "dtype": str(next(where.theirs.parameters()).dtype).removeprefix("torch."),
    }
    question = f"engine-{device.type}-{Path(model).name}"
    rows = [(*key, round(value, 4)) for *key, value in found.rows]
    print(f"load {about['load']}; {write(options.results, question, about, COLUMNS, rows)}")


if __name__ == "__main__":
    sys.exit(main())

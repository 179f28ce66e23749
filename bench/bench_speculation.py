"""What does speculation save: rows that cost less together, model calls per token, and wall time?

    python bench/bench_speculation.py PATH                      everything; PATH: MaskBench's folder
    python bench/bench_speculation.py --parts walls             without MaskBench
    python bench/bench_speculation.py PATH --quick              a smoke test of a minute
    python bench/bench_speculation.py --device cuda --model random-1b

The parts:

    rows      r(n), what n rows of one text cost together beside one row (bench_rows.py)
    counts    model calls per output token of 800 recorded answers, by drafters (speculation_counts.py), and
              the same in the engine with passes that really run (speculation_engine_counts.py)
    walls     wall and CPU seconds of four frozen workloads (speculation_workloads.py) at batch 1, 8 and 32:
              "off", "auto" and explicit settings in turns, on structgen/extract and at batch 1 on a Llama of
              100 million random weights that replays; and transformers' own assisted generation
    pairs     what "auto" costs on structgen/extract at batch 1: many pairs of runs of one text, "off" and
              "auto" in turns, the median ratio and its interval

PATH may stand in STRUCTGEN_MASKBENCH instead; without it the counts are left out, and said to be. With
`--device cuda` only walls are measured, at batch 1, on a Llama of 1.24 billion random weights in bfloat16
(`--dtype float32`) that replays what structgen/extract wrote on the CPU.

Run the walls on a machine that does nothing else. Prints tables, and writes
bench/results/speculation-PART-DATE.csv. The exit status is 1 where a text of our engine is another one with
speculation than without.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import records

PARTS = "rows", "counts", "walls", "pairs"


def main(argv: Sequence[str] | None = None) -> int:
    options = _options(argv)
    different = 0
    if options.device != "cpu":
        return min(1, on_device(options))
    if "rows" in options.parts:
        rows(options)
    if "counts" in options.parts:
        different += counts(options)
    if "walls" in options.parts:
        different += walls(options)
    if "pairs" in options.parts:
        different += pairs(options)
    return min(1, different)


def rows(options: argparse.Namespace) -> None:
    """Measure r(n)."""
    import bench_rows

    print("\nWhat rows of one text cost together\n")
    found = bench_rows.measure(seconds=2.0 if options.quick else 60.0)
    _write(options, "rows", bench_rows.Row._fields, found)
    print(bench_rows.table(found))


def counts(options: argparse.Namespace) -> int:
    """Count model calls; returns how many texts of the engine were not the recorded ones."""
    print("\nModel calls per output token, Llama 3's vocabulary\n")
    if options.path is None:
        print("not measured: no folder of MaskBench was given")
        return 0
    import speculation_counts
    import speculation_engine_counts as engine_counts

    count = options.answers or (4 if options.quick else None)
    counted = speculation_counts.measure(options.path, count, 1 if options.quick else options.processes)
    table = speculation_counts.rows(counted)
    _write(options, "counts", speculation_counts.COLUMNS, table)
    print(speculation_counts.markdown(table))
    print("\nThe same with passes that run, in the engine\n")
    ran = engine_counts.measure(options.path, 2 if options.quick else options.engine_answers)
    _write(options, "engine-counts", engine_counts.COLUMNS, ran)
    print(records.markdown(engine_counts.COLUMNS, ran))
    return sum(int(str(row[-1])) for row in ran)


def walls(options: argparse.Namespace) -> int:
    """Measure wall time; returns how many texts were others with speculation."""
    import torch
    from speculation_models import llama_100m
    from speculation_walls import Bench, Cell, Writer, of_transformers
    from speculation_workloads import CHANGED, HELD_OUT, NAMES, SAME, TWENTY, workloads

    from structgen.engine.models import load_model
    from structgen.system.resources import embedded_model

    print("\nWall time\n")
    frozen = workloads()
    model, tokenizer = load_model("structgen/extract", device="cpu")
    writer = Writer(model, tokenizer)
    quick, few = options.quick, max(1, options.rounds // 2)
    cells: list[Cell] = []
    if "extract" in options.models:
        bench = Bench("extract", model, writer, replays=False, draft_model="structgen/extract-draft")
        if quick:
            for name in NAMES:
                cells += bench.measure(frozen[name], 1, 1, 1, 3 if name == TWENTY else None)
            cells += bench.measure(frozen[HELD_OUT], 8, 8, 1, 3)
        else:
            for batch in options.batches:
                for name in NAMES:
                    cells += bench.measure(frozen[name], batch, max(8, batch), options.rounds)
    if "100M" in options.models:
        bench = Bench("100M", llama_100m(), writer, replays=True)
        for name in (CHANGED, SAME) if quick else NAMES:
            # the twenty records are long
            count = 1 if quick or name == TWENTY else 4
            cells += bench.measure(frozen[name], 1, count, few, 3 if quick else None)
    if "transformers" in options.models and find_spec("transformers") is not None:
        folder, draft = (embedded_model(f"structgen/{one}") for one in ("extract", "extract-draft"))
        listed = [frozen[name] for name in ((HELD_OUT,) if quick else NAMES)]
        cells += of_transformers(listed, 1 if quick else 4, few, folder, draft)
    return _told(options, "walls", cells, torch.get_num_threads())


def pairs(options: argparse.Namespace) -> int:
    """Measure what "auto" takes beside "off"; returns how many texts were others."""
    from speculation_walls import PAIR_COLUMNS, Bench, Writer, pair_rows, partings
    from speculation_workloads import NAMES, TWENTY, workloads

    from structgen.engine.models import load_model

    print('\nThe time of "auto" over that of "off", structgen/extract, batch 1\n')
    frozen = workloads()
    model, tokenizer = load_model("structgen/extract", device="cpu")
    bench = Bench("extract", model, Writer(model, tokenizer), replays=False)
    rounds = 3 if options.quick else options.pairs
    cells = []
    for name in NAMES:
        # the twenty records are replayed: they are not the model's own texts
        for item in frozen[name].items[: 0 if name == TWENTY else 8]:
            # a pair is of one text, so that both of its runs meet the same load of the machine
            cells += bench.measure(replace(frozen[name], items=[item]), 1, 1, rounds, most_modes=2)
    table = pair_rows(cells)
    _write(options, "pairs", PAIR_COLUMNS, table)
    for row in table:
        print(*(f"{one:.3f}" if isinstance(one, float) else one for one in row), sep=" | ")
    return partings(cells)


def on_device(options: argparse.Namespace) -> int:
    """Measure wall time at batch 1 on an accelerator; returns how many texts were others."""
    import torch
    from speculation_models import llama_1b
    from speculation_walls import Bench, Writer
    from speculation_workloads import NAMES, workloads

    from structgen.engine.models import load_model

    print(f"\nWall time on {options.device}\n")
    kind = torch.device(options.device).type
    if kind == "cuda" and not torch.cuda.is_available():
        print("not measured: torch finds no such device here")
        return 0
    model, tokenizer = load_model("structgen/extract", device="cpu")
    writer = Writer(model, tokenizer)
    dtype = getattr(torch, options.dtype)
    large = Bench("1B", llama_1b(options.device, dtype), writer, replays=True)
    frozen = workloads()
    cells = []
    for name in NAMES:
        cells += large.measure(
            frozen[name], 1, 1 if options.quick else 4, 1 if options.quick else options.rounds
        )
    name = torch.cuda.get_device_name() if kind == "cuda" else options.device
    return _told(options, f"walls-{kind}", cells, f"{name}, {options.dtype}")


def _told(options: argparse.Namespace, question: str, cells: list[Any], where: object) -> int:
    from speculation_walls import markdown, partings
    from speculation_walls import rows as rows_of

    table = rows_of(cells)
    from speculation_walls import COLUMNS

    _write(options, question, ("threads_or_device", *COLUMNS), [(where, *row) for row in table])
    print(markdown(table))
    return partings(cells)


def _write(
    options: argparse.Namespace, part: str, columns: Sequence[str], table: Iterable[Sequence[object]]
) -> None:
    about = {
        "load": f"{options.load} -> {records.load()}",
        "python": platform.python_version(),
        "versions": records.versions("torch", "numpy", "numba", "transformers", "llguidance"),
        "quick": "yes" if options.quick else "",
    }
    lines = [[f"{one:.5g}" if isinstance(one, float) else one for one in row] for row in table]
    records.write(options.results, f"speculation-{part}", about, columns, lines, more=options.more)


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = records.arguments(__doc__)
    known = os.environ.get("STRUCTGEN_MASKBENCH")
    parser.add_argument("path", nargs="?", type=Path, default=Path(known) if known else None)
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=PARTS)
    parser.add_argument("--quick", action="store_true", help="all parts, small: a smoke test, no figures")
    parser.add_argument("--answers", type=int, help="of the 800, the first so many")
    parser.add_argument("--engine-answers", type=int, default=60, help="whose passes really run")
    parser.add_argument("--processes", type=int, default=2, help="that count")
    parser.add_argument(
        "--rounds", type=int, default=7, help="in which all modes take turns; half for others"
    )
    parser.add_argument("--pairs", type=int, default=24, help="of runs of each text, in the part pairs")
    parser.add_argument(
        "--models",
        nargs="+",
        default=["extract", "100M", "transformers"],
        choices=("extract", "100M", "transformers"),
        help="what is timed",
    )
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 8, 32], help="of structgen/extract")
    parser.add_argument("--more", action="store_true", help="add to the files of today, in place of anew")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--model", default="random-1b", choices=("random-1b",), help="on another device")
    parser.add_argument("--dtype", default="bfloat16", choices=("bfloat16", "float32"), help="the same")
    options = parser.parse_args(argv)
    options.load = records.load()
    return options


if __name__ == "__main__":
    sys.exit(main())

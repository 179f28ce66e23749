"""The files of bench/results: a row for each figure, and in each row what it was measured on."""

from __future__ import annotations

import argparse
import csv
import datetime
import os
import platform
import re
import statistics
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

import structgen

RESULTS = Path(__file__).parent / "results"


def warm_engine(model: str) -> structgen.Engine:
    """Return the engine of a model, of one thread, which has written a text: what is compiled once is in no
    row's time."""
    import torch

    torch.set_num_threads(1)
    engine = structgen.Engine(model)
    structgen.run(engine, "Say yes.", bool, max_tokens=8)
    return engine


def machine() -> str:
    """Return the processor, its number of cores, the memory and the system, in one line."""
    about = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").exists() else ""
    named = re.search(r"^model name\s*: (.+)$", about, re.MULTILINE)
    cpu = named[1] if named else platform.processor() or platform.machine()
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        gib = f"{memory / (1 << 30):.0f} GiB"
    except (AttributeError, ValueError, OSError):
        gib = "memory unknown"
    return f"{cpu}, {os.cpu_count()} cores, {gib}, {platform.system()} {platform.release()}"


def load() -> str:
    """Return the load averages of 1 and 15 minutes: how quiet the machine was."""
    one, _, fifteen = os.getloadavg()
    return f"{one:.2f}/{fifteen:.2f}"


def revision(checkout: Path = Path(__file__).parent) -> str:
    """Return the commit that is measured, `+` behind it where files differ from it; "" outside a checkout."""
    git = ["git", "-C", str(checkout), "describe", "--always", "--exclude=*", "--dirty=+"]
    try:
        return subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def version() -> str:
    """Return our version, and the commit that is measured."""
    return f"{structgen.__version__} {revision()}".strip()


def versions(*packages: str) -> str:
    """Return our version and those of other packages, `no NAME` where one is not installed."""
    found = [f"structgen {version()}"]
    for name in packages:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            found.append(f"no {name}")
    return ", ".join(found)


def arguments(described: str | None) -> argparse.ArgumentParser:
    """Return the reader of a bench's options, with that which says where results go. `described`: its
    docstring, which --help shows."""
    shape = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=described, formatter_class=shape)
    parser.add_argument("--results", type=Path, default=RESULTS)
    return parser


def show(names: Sequence[str], rows: Iterable[Sequence[object]], title: str = "", width: int = 200) -> None:
    """Print rows as a table for people; none where there is no row."""
    table = Table(*names, title=title or None)
    for row in rows:
        table.add_row(*map(str, row))
    if table.row_count:
        Console(width=width).print(table)


def in_turns(
    ways: Mapping[str, Callable[[], Any]], rounds: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, list[tuple[float, Any]]]:
    """Return what each way took in each round, by a clock, and what came of it: each round in another order,
    after one that is thrown away."""
    names = list(ways)
    found: dict[str, list[tuple[float, Any]]] = {name: [] for name in names}
    for turn in range(rounds + 1):
        shift = turn % len(names)
        for name in names[shift:] + names[:shift]:
            begun = clock()
            made = ways[name]()
            if turn:
                found[name].append((clock() - begun, made))
    return found


def middle(taken: Iterable[tuple[float, Any]]) -> float:
    """Return the median of what a way took."""
    return statistics.median(one for one, _ in taken)


def markdown(names: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return rows as a table of a page: floats with three digits."""
    lines = [[name.replace("_", " ") for name in names], ["---"] * len(names)]
    lines += [[f"{one:.3f}" if isinstance(one, float) else str(one) for one in row] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write(
    folder: Path,
    question: str,
    about: Mapping[str, object],
    names: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    more: bool = False,
) -> Path:
    """Write the day's rows of a question, in place of those that the day has, with `more` behind them.

    `about`: what is the same in all rows, beside date and machine, and comes first; `names`: of the columns
    of `rows`. Returns the file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{question}-{_today()}.csv"
    headless = more and target.exists()
    with target.open("a" if more else "w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, lineterminator="\n")
        if not headless:
            out.writerow(("date", "machine", *about, *names))
        first = (_today(), machine(), *about.values())
        out.writerows((*first, *row) for row in rows)
    return target


def _today() -> str:
    return f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}"

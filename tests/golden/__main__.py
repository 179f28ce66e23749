"""`make golden`: compare what structgen answers with `digests.txt`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import structgen as sg

from .book import DIGESTS, Difference, differences, read, write
from .case import Case, drawn
from .cases import CASES
from .run import Ran, ShareFailed, run
from .share import work

_MOST = 60
"""Rows of the table of differences that are printed."""


def main() -> int:
    """Return the exit status: 0 where all is as it was, or was blessed; 1 where something differs."""
    options = _options()
    if options.part:
        assert Path(sg.__file__).is_relative_to(options.package or "/"), f"{sg.__file__} answers"
        named = sys.stdin.read().split("\n")
        work(options.part, [CASES[name] for name in named], Path(options.folder))
        return 0
    cases = _chosen(options.only, options.sample)
    if not cases:
        print(f"No case is named {' or '.join(options.only)}.")
        return 2
    began = time.monotonic()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        ran = run(cases, options.jobs, options.package and Path(options.package), options.patience)
    except ShareFailed as failure:
        print(failure)
        return 1
    except KeyboardInterrupt:
        return 130
    if options.times:
        for cpu, name in sorted(((cpu, name) for name, cpu in ran.cpu.items()), reverse=True)[:40]:
            print(f"{cpu:7.2f} s  {name}")
    took = f"{len(ran.lines)} lines of {len(cases)} cases in {time.monotonic() - began:.0f} s"
    before = read(DIGESTS.read_text(encoding="utf-8")) if DIGESTS.exists() else {}
    names = set(ran.lines)
    if len(cases) == len(CASES):
        names |= set(before)
    found = differences(before, ran.lines, names)
    print(table(found, ran), end="")
    if options.bless:
        return _bless(before, ran, whole=len(cases) == len(CASES), changed=len({one.name for one in found}))
    if not found:
        print(f"golden: {took}, all as in {DIGESTS.name}")
        return 0
    print(
        f"golden: {took}, {len({one.name for one in found})} differ. "
        "If each change is meant, `make golden BLESS=1` writes the new digests."
    )
    return 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="golden", description=__doc__)
    parser.add_argument("only", nargs="*", help="names of cases, with * and ?; all without one")
    parser.add_argument("--bless", action="store_true", help="write what is answered to digests.txt")
    parser.add_argument("--sample", type=int, default=1, metavar="N", help="one case in N")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="processes at once")
    parser.add_argument("--times", action="store_true", help="print the slowest cases")
    parser.add_argument("--part", choices=["cold", "kept"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    # scripts/mutants.py: the folder of the structgen that answers, and how many seconds it may take
    parser.add_argument("--package", help=argparse.SUPPRESS)
    parser.add_argument("--patience", type=float, help=argparse.SUPPRESS)
    return parser.parse_args()


def _chosen(only: Sequence[str], sample: int) -> list[Case]:
    """Return the cases whose names fit, one in `sample` of them, in the order of a draw: neighbours are of
    about the same cost, and shares should be, too."""
    names = [name for name in CASES if not only or any(fnmatchcase(name, one) for one in only)]
    names = [name for name in names if drawn(f"sample {name}", sample) == 0]
    return [CASES[name] for name in sorted(names, key=lambda name: (drawn(name, 1 << 30), name))]


def table(found: Sequence[Difference], ran: Ran) -> str:
    """Return what differs as a table: case, kind, the step and the text before it."""
    rows = []
    for one in found[:_MOST]:
        place = "" if one.step is None else f"answer {one.step}"
        before = ran.before.get(one.name, [])
        if (
            one.kind in ("masks", "completions", "expected")
            and one.step is not None
            and one.step < len(before)
        ):
            place = f"step {one.step}, after '{before[one.step][-40:]}'"
        elif one.step is None:
            place = f"{one.before[:60]} -> {one.now[:60]}"
        rows.append((one.name, one.kind, place))
    if not rows:
        return ""
    widths = [max(len(row[at]) for row in rows) for at in range(2)]
    text = "".join(f"{name:<{widths[0]}}  {kind:<{widths[1]}}  {place}\n" for name, kind, place in rows)
    return text + (f"... and {len(found) - _MOST} more\n" if len(found) > _MOST else "")


def _bless(before: dict[str, dict[str, str]], ran: Ran, *, whole: bool, changed: int) -> int:
    if ran.torn:
        print("golden: a process that reads the store answers otherwise, which is a fault, here:")
        for name, kind in ran.torn[:_MOST]:
            print(f"  {name}  {kind}")
    lines = ran.lines if whole else before | ran.lines
    DIGESTS.write_text(write(lines), encoding="utf-8")
    print(f"golden: {len(ran.lines)} lines written, {changed} changed")
    return 0


if __name__ == "__main__":
    sys.exit(main())

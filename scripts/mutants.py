"""Runs tests over copies of structgen, each of which has one seeded fault: each must turn a test red.

    python scripts/mutants.py golden|sampling|speculation|strategy|methods|kernel [name ...] [--jobs 2]

faults.txt lists the faults, and says how they are written. A copy, of structgen, its kernels and
bench/methods, is of files: the digest of a module's imports follows links back to sources without the fault.
Exit status: 0 where every mutant is red, 1 where one is green, 2 where one no longer fits its source or the
tests are red without a mutant.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent

_MAIN = """
import sys
from importlib.util import find_spec
from pathlib import Path
import pytest
copy = sys.argv.pop(1)
sys.path.append(copy + "/bench")
# in memory, because tests put the folder of the sound methods first on the path
import methods
for package in ("structgen", "structgen_kernels", "methods"):
    assert Path(find_spec(package).origin).is_relative_to(copy), "not the copy"
sys.exit(pytest.main())
"""
_PATIENCE = 300.0
_CHANGE = re.compile("«(.*?)→(.*?)»", re.DOTALL)


class Fault(NamedTuple):
    """In a file, a text that stands there once, and what is put in its place."""

    name: str
    file: str
    tests: tuple[str, ...]
    text: str
    """With its changes marked."""

    @property
    def old(self) -> str:
        return _CHANGE.sub(r"\1", self.text)

    @property
    def new(self) -> str:
        return _CHANGE.sub(r"\2", self.text)


class Faults(NamedTuple):
    """A part of faults.txt: those of one folder, whose tests run in one environment."""

    set: str
    is_golden: bool
    patience: float
    settings: dict[str, str]
    faults: list[Fault]


def read(text: str = "") -> list[Faults]:
    """Return the parts of a text, or of faults.txt, with files and tests from the root on."""
    text = text or (ROOT / "scripts/faults.txt").read_text(encoding="utf-8")
    parts: list[Faults] = []
    sources, tests, is_open = "", "", False
    named: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("["):
            key, sources, tests, *settings = line[1:].replace("]", "").split()
            given = dict(one.split("=") for one in settings)
            patience = float(given.pop("patience", _PATIENCE))
            parts.append(Faults(key, tests == "golden", patience, given, []))
            named = ()
        elif line.startswith("@ "):
            name = line[2:] if parts[-1].is_golden else f"{tests}/{line[2:]}"
            named, is_open = (*(named if is_open else ()), name), True
        elif line.startswith("    "):
            last = parts[-1].faults.pop()
            more = f"{last.text}\n{line[4:]}" if last.text else line[4:]
            parts[-1].faults.append(last._replace(text=more))
        elif line and not line.startswith("#"):
            file, colon, name = line.partition(": ")
            held = named or laws().get(f"{sources}/{file}", ())
            if not colon or not held:
                raise SystemExit(f"faults.txt, line {number}: a fault is written `file: name`, below a test.")
            parts[-1].faults.append(Fault(name, f"{sources}/{file}", held, ""))
            is_open = False
    return parts


@cache
def laws() -> dict[str, tuple[str, ...]]:
    """Return for each file of a method the laws that docs/methods.md names beside it."""
    found: defaultdict[str, tuple[str, ...]] = defaultdict(tuple)
    for row in (ROOT / "docs/methods.md").read_text(encoding="utf-8").splitlines():
        for file in re.findall(r"`((?:structgen|bench)/[\w/]+\.py)`", row):
            for name, law in re.findall(r"`(test_\w+\.py)(::test_\w+)`", row):
                (path,) = (ROOT / "tests").rglob(name)
                found[file] += (f"{path.relative_to(ROOT)}{law}",)
    return found


def main() -> int:
    """Run the mutants of a set, or those that the command line names, and print a line for each."""
    parts = read()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("set", choices=dict.fromkeys(part.set for part in parts))
    parser.add_argument("only", nargs="*", help="names of mutants, with * and ?; all without one")
    parser.add_argument("--jobs", type=int, default=2, help="processes at once")
    options = parser.parse_intermixed_args()
    if options.set == "golden":  # some faults have a search go on for ever
        resource.setrlimit(resource.RLIMIT_AS, (16 << 30, 16 << 30))
    return max(run(part, options.only or ["*"], options.jobs) for part in parts if part.set == options.set)


def run(part: Faults, only: Sequence[str], jobs: int) -> int:
    """Run mutants whose names fit; returns the exit status."""
    listed = [one for one in part.faults if any(fnmatchcase(one.name, of) for of in only)]
    if not listed:
        return 0
    failed, _ = tested(part, None, tuple(dict.fromkeys(test for one in listed for test in one.tests)))
    if failed:
        print(f"The tests are red without a mutant: {failed}")
        return 2
    status = 0
    with ThreadPoolExecutor(jobs) as pool:
        for fault, (verdict, why, seconds) in zip(
            listed, pool.map(partial(judge, part), listed), strict=True
        ):
            status = max(status, {"red": 0, "GREEN": 1, "STALE": 2}[verdict])
            print(f"{verdict:<6} {fault.name:<68} {fault.file:<34} {why}  ({seconds:.0f} s)", flush=True)
    return status


def judge(part: Faults, fault: Fault) -> tuple[str, str, float]:
    """Return "red", "GREEN", or "STALE" where the text is not in the source once; the test that turned red;
    and the seconds it took."""
    began = time.monotonic()
    times = (ROOT / fault.file).read_text(encoding="utf-8").count(fault.old)
    if times != 1:
        return "STALE", f"the text stands there {times} times", 0.0
    failed, said = tested(part, fault, fault.tests)
    return "red" if failed else "GREEN", failed or said, time.monotonic() - began


def tested(part: Faults, fault: Fault | None, tests: tuple[str, ...]) -> tuple[str, str]:
    """Run tests over a copy that may have a fault in it. Return the test that failed first, "" for none, and
    the last line that was said."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as temporary:
        copy = Path(temporary)
        for folder in ("structgen", "kernels", "bench"):
            shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
        if fault is not None:
            text = (copy / fault.file).read_text(encoding="utf-8").replace(fault.old, fault.new)
            (copy / fault.file).unlink()
            (copy / fault.file).write_text(text, encoding="utf-8")
        (copy / "models").symlink_to(ROOT / "models")
        (copy / "structgen_kernels").symlink_to(copy / "kernels" / "structgen_kernels")
        # -P: or the folder that it runs in would come first on the path, and with it the sound package.
        command = [sys.executable, "-P", "-c", _MAIN, temporary]
        command += ["-q", "-x", "-n", "0", "--tb=no", "-rfE", "-p", "no:cacheprovider"]
        path = [temporary]
        if part.is_golden:
            command = [sys.executable, "-P", "-m", "golden", "--package", temporary, "--jobs", "1"]
            command += ["--patience", "1800"]
            path = [str(ROOT), str(ROOT / "kernels"), str(ROOT / "tests")]
        settings = {"PYTHONPATH": os.pathsep.join(path), "PYTHONDONTWRITEBYTECODE": "1", **part.settings}
        try:
            ran = subprocess.run(
                [*command, *tests],
                cwd=ROOT,
                env=os.environ | settings,
                capture_output=True,
                text=True,
                timeout=part.patience,
            )
        except subprocess.TimeoutExpired:
            return f"{tests[0]}: not ended after {part.patience:.0f} s", ""
    printed = (ran.stdout.strip() or ran.stderr.strip()).splitlines() or [""]
    if ran.returncode == 0:
        return "", printed[-1]
    # a table of cases; of pytest's exit codes, 5 says that no test has such a name
    found = re.search(r"^(?:FAILED|ERROR) tests/(\S.*?)(?: - .*)?$", ran.stdout, re.MULTILINE)
    return printed[0] if part.is_golden else found[1] if found else f"it ended: {printed[-1]}", printed[-1]


if __name__ == "__main__":
    sys.exit(main())

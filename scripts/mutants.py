"""Runs tests over copies of structgen, each of which has one seeded fault: every fault must turn a test red.

The scripts beside this one list the faults. A copy, of structgen and of its kernels, is made of links, but for
the file that has the fault, so that nothing else is compiled anew.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent

_MAIN = """
import sys
from importlib.util import find_spec
from pathlib import Path
import pytest
copy = sys.argv.pop(1)
for package in ("structgen", "structgen_kernels"):
    assert Path(find_spec(package).origin).is_relative_to(copy), "not the copy"
sys.exit(pytest.main())
"""
_PATIENCE = 300.0
"""Seconds after which a run of tests that has not ended is red, too."""


class Mutant(NamedTuple):
    """A fault: in a file, a text that stands there once, and what is put in its place."""

    name: str
    file: str
    """From the folder of the package that `main` is given."""
    old: str
    new: str
    tests: tuple[str, ...]
    """Tests that are run, as pytest names them, from the folder of tests that `main` is given."""


def main(mutants: Sequence[Mutant], said: str, package: str, tests: str) -> int:
    """Run all mutants, or those that the command line names, and print a line for each. `said` is the help;
    `package` and `tests` are the folders from which mutants name files and tests.

    Returns 0 where every mutant is red, 1 where one is green, 2 where one no longer fits its source or the
    tests are red without a mutant.
    """
    parser = argparse.ArgumentParser(description=said)
    parser.add_argument("only", nargs="*", help="names of mutants, with * and ?; all without one")
    parser.add_argument("--jobs", type=int, default=2, help="processes at once")
    options = parser.parse_args()
    listed = [
        one._replace(file=f"{package}/{one.file}", tests=tuple(f"{tests}/{test}" for test in one.tests))
        for one in mutants
        if not options.only or any(fnmatchcase(one.name, of) for of in options.only)
    ]
    if not listed:
        return 0
    failed, _ = tested(None, tuple(dict.fromkeys(test for one in listed for test in one.tests)))
    if failed:
        print(f"The tests are red without a mutant: {failed}")
        return 2
    status = 0
    with ThreadPoolExecutor(options.jobs) as pool:
        for mutant, (verdict, why, seconds) in zip(listed, pool.map(judge, listed), strict=True):
            status = max(status, {"red": 0, "GREEN": 1, "STALE": 2}[verdict])
            print(f"{verdict:<6} {mutant.name:<68} {mutant.file:<34} {why}  ({seconds:.0f} s)", flush=True)
    return status


def judge(mutant: Mutant) -> tuple[str, str, float]:
    """Return "red", "GREEN", or "STALE" where the text is not in the source once; the test that turned red;
    and the seconds it took."""
    began = time.monotonic()
    times = (ROOT / mutant.file).read_text(encoding="utf-8").count(mutant.old)
    if times != 1:
        return "STALE", f"the text stands there {times} times", 0.0
    failed, said = tested(mutant, mutant.tests)
    if failed:
        return "red", failed, time.monotonic() - began
    return "GREEN", said, time.monotonic() - began


def tested(mutant: Mutant | None, tests: tuple[str, ...]) -> tuple[str, str]:
    """Run tests over a copy that may have a mutant in it. Return the test that failed first, "" for none, and
    the last line that pytest says."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as temporary:
        package = Path(temporary) / "structgen"
        _link(ROOT / "structgen", package, mutant)
        kernels = package.parent / "kernels"
        _link(ROOT / "kernels", kernels, mutant)
        (package.parent / "models").symlink_to(ROOT / "models")
        # -P: or the folder that it runs in would come first on the path, and with it the sound package.
        command = [sys.executable, "-P", "-c", _MAIN, temporary, "-q", "-x", "-n", "0", "--tb=no", "-rfE"]
        command += ["-p", "no:cacheprovider", *tests]
        paths = os.pathsep.join((str(package.parent), str(kernels)))
        try:
            ran = subprocess.run(
                command,
                cwd=ROOT,
                env=os.environ | {"PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"},
                capture_output=True,
                text=True,
                timeout=_PATIENCE,
            )
        except subprocess.TimeoutExpired:
            return f"{tests[0]}: not ended after {_PATIENCE:.0f} s", ""
    found = re.search(r"^(?:FAILED|ERROR) tests/(\S.*?)(?: - .*)?$", ran.stdout, re.M)
    said = (ran.stdout.strip().splitlines() or ran.stderr.strip().splitlines() or [""])[-1]
    # Of pytest's other exit codes, 5 says that no test has such a name.
    return (found[1] if found else "" if ran.returncode == 0 else f"pytest: {said}"), said


def _link(source: Path, copy: Path, mutant: Mutant | None) -> None:
    """Make a copy of a folder of links, in which the file of the mutant has its fault."""
    changed = ROOT / mutant.file if mutant is not None else None
    copy.mkdir()
    for path in source.iterdir():
        if changed is None or (path != changed and path not in changed.parents):
            (copy / path.name).symlink_to(path)
        elif path == changed and mutant is not None:
            text = path.read_text(encoding="utf-8").replace(mutant.old, mutant.new)
            (copy / path.name).write_text(text, encoding="utf-8")
        else:
            _link(path, copy / path.name, mutant)

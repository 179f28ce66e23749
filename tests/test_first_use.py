"""The first wait after an installation: what is compiled together, by whom, and what a person reads."""

from __future__ import annotations

import os
import pty
import random
import shutil
import subprocess
import sys
import textwrap
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from heapq import merge
from operator import itemgetter
from pathlib import Path

import forked
import pytest
from small_package import small_package

from structgen.base.native import first_use
from structgen.base.native.compile_pace import Pace

LOOP = """
from structgen.base.native.jit import entry

@entry("int64(int64)")
def loop(x):
    return x + {number}
"""
GROUP = """
import os
from structgen.base.native import first_use
names = ("one", "two", "three")
first_use.GROUPS = {{"some masks": {{f"structgen.machine.{{name}}": {seconds} for name in names}}}}
first_use.processors = lambda: {cores}
started = []
start = first_use.subprocess.Popen.__init__
def counted(self, *arguments, **options):
    started.append(self)
    start(self, *arguments, **options)
first_use.subprocess.Popen.__init__ = counted
from structgen.machine.one import loop
import structgen.base.native.jit as jit
{body}
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package with our decorators, and three modules with an entry point each."""
    root = small_package(tmp_path)
    for number, name in enumerate(("one", "two", "three")):
        (root / "machine" / f"{name}.py").write_text(LOOP.format(number=number))
    return root


def process(
    package: Path, body: str, *, seconds: float = 5.0, cores: int = 2, stderr: int | None = None
) -> subprocess.CompletedProcess[str]:
    """Run statements in a new process that has the three modules as one group."""
    code = GROUP.format(seconds=seconds, cores=cores, body=textwrap.dedent(body))
    environment = {**os.environ, "PYTHONPATH": str(package.parent)}
    return forked.run(code, env=environment, cwd=package, stderr=stderr)


WHOLE = """
assert loop(1) == 1
from structgen.machine import three, two
modules = jit._entries.values()
print(len(started), *(one.is_ready() and sum(one.all[0].stats.cache_hits.values()) for one in modules))
"""


def test_the_first_call_compiles_its_group_by_two_processes(package: Path) -> None:
    done = process(package, WHOLE)
    assert done.stderr == LINE
    assert done.stdout.split()[0] == "1"
    assert process(package, WHOLE).stdout.split() == ["0", "1", "1", "1"]


def test_one_processor_compiles_without_another_process(package: Path) -> None:
    assert process(package, WHOLE, cores=1).stdout.split() == ["0", "0", "0", "0"]


OTHERS = {
    "cannot be started": """
def refuse(*a, **k): raise PermissionError(1, 'no')
first_use.subprocess.Popen.__init__ = refuse
""",
    "dies": "first_use._COMPILING = 'raise SystemExit(3)  # {path!r}'\n",
}


@pytest.mark.parametrize("what", OTHERS)
def test_another_process_that_cannot_be_started_or_dies_costs_time_alone(package: Path, what: str) -> None:
    done = process(package, OTHERS[what] + "print(loop(4), jit._entries['structgen.machine.two'].is_ready())")
    assert (done.stdout, done.stderr) == ("4 True\n", LINE)


def test_an_error_leaves_no_process_behind(package: Path) -> None:
    (package / "machine" / "one.py").write_text(LOOP.format(number="no_such_name"))
    body = """
    try:
        loop(1)
    except Exception as error:
        print("no_such_name" in str(error), [one.poll() is not None for one in started])
    """
    assert process(package, body).stdout == "True [True]\n"


HELD = """
import sys
compiled, made = jit.compiled, []
def held(entries):
    made.append(entries[0].py_func.__module__)
    print("compiles", made[-1], flush=True)
    sys.stdin.readline()
    return compiled(entries)
jit.compiled = held
"""
WAITING = """
import types
def waits(seconds):
    if not told:
        print("waits", flush=True)
    told.append(seconds)
    first.sleep(seconds)
first, told = first_use.time, []
first_use.time = types.SimpleNamespace(monotonic=lambda: 0.0, sleep=waits)
"""


@contextmanager
def running(package: Path, body: str) -> Iterator[subprocess.Popen[str]]:
    """Start a process as `process` does, on one processor; its input and output are pipes."""
    with subprocess.Popen(
        [sys.executable, "-c", GROUP.format(seconds=5.0, cores=1, body=body)],
        env={**os.environ, "PYTHONPATH": str(package.parent)},
        cwd=package,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as one:
        try:
            yield one
        finally:
            one.kill()


def line(one: subprocess.Popen[str]) -> str:
    """Return the next line that a process writes: waits until it does, or ends."""
    assert one.stdout is not None
    return one.stdout.readline().strip()


def go_on(one: subprocess.Popen[str]) -> None:
    """Let a process compile the module that it has named."""
    assert one.stdin is not None
    one.stdin.write("\n")
    one.stdin.flush()


def test_a_second_process_waits_for_the_first_and_compiles_nothing(package: Path) -> None:
    """It goes on as soon as there is what it needs, while the first compiles the rest of the group."""
    with (
        running(package, f"{HELD}loop(1)\nprint(len(made))") as first,
        running(package, f"{HELD}{WAITING}sys.stdin.readline()\nprint(loop(1), made)") as second,
    ):
        assert line(first) == "compiles structgen.machine.one"
        go_on(second)
        assert line(second) == "waits"
        go_on(first)
        assert line(first) == "compiles structgen.machine.two"
        assert line(second) == "1 []"
        go_on(first)
        assert line(first) == "compiles structgen.machine.three"
        go_on(first)
        assert line(first) == "3"


LINE = (
    "structgen: compiling the inner loops of some masks, once after an installation (`structgen warmup` does "
    "it ahead)\n"
)
QUIET = "import logging; logging.getLogger('structgen').setLevel('ERROR')\n"


def said_on_a_terminal(package: Path, seconds: float, before: str = "") -> str:
    """Return what a new process writes on a terminal while it loads the compiled functions."""
    ours, theirs = pty.openpty()
    body = f"from structgen.base.system import waits\n{before}loop(1); import sys; sys.stderr.write('.')"
    try:
        done = process(package, body, seconds=seconds, cores=1, stderr=theirs)
        assert done.returncode == 0
        return os.read(ours, 4096).decode().replace("\r\n", "\n")
    finally:
        os.close(theirs)
        os.close(ours)


def test_a_person_reads_why_and_the_cure_once(package: Path) -> None:
    said = [said_on_a_terminal(package, 5.0) for _ in range(2)]
    assert said == [LINE + ".", "."]


def test_a_short_wait_is_not_worth_a_line(package: Path) -> None:
    assert said_on_a_terminal(package, 0.1, before="waits.SECONDS = 600.0\n") == "."


def test_a_level_of_the_log_switches_the_line_off(package: Path) -> None:
    assert process(package, f"{QUIET}loop(1)", cores=1).stderr == ""
    shutil.rmtree(package / "machine" / "__pycache__")
    assert process(package, "loop(1)", cores=1).stderr == LINE


CLOSED = {
    "closed": "import sys; sys.stderr.close()\n",
    "none": "import sys; sys.stderr = None\n",
    "no descriptor": "import os; os.close(2)\n",
    "a pipe that nobody reads": "import os; r, w = os.pipe(); os.close(r); os.dup2(w, 2)\n",
}


@pytest.mark.parametrize("way", CLOSED)
def test_a_stderr_that_is_closed_costs_the_line_alone(package: Path, way: str) -> None:
    done = process(package, f"{CLOSED[way]}print(loop(1), flush=True)", cores=1)
    assert done.stdout == "1\n"


FOLDERS = {
    "NUMBA_CACHE_DIR to a folder that can be written": """
import numba.core.caching as caching
def refuse(self): raise OSError(30, "Read-only file system")
for kind in (caching._CacheLocator, *caching._CacheLocator.__subclasses__()):
    if "ensure_cache_path" in vars(kind):
        kind.ensure_cache_path = refuse
""",
    "No space left on device": """
from numba.core.caching import IndexDataCacheFile
def refuse(*_): raise OSError(28, "No space left on device")
IndexDataCacheFile._save_data = refuse
""",
}


@pytest.mark.parametrize("told", FOLDERS)
def test_where_no_file_can_be_written_a_warning_says_so_once(package: Path, told: str) -> None:
    done = process(package, f"{FOLDERS[told]}print(loop(4))", cores=1)
    assert done.stdout == "4\n"
    assert done.stderr.count(told) == 1


def test_each_module_with_entry_points_is_in_one_group_so_that_each_wait_is_told() -> None:
    from structgen.doors.cli.inner_loops import modules_with_entries

    named = [name for group in first_use.GROUPS.values() for name in group]
    assert len(named) == len(set(named))
    assert set(named) == set(modules_with_entries())


class Clock:
    """A clock that stands until it is moved."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("slower", [1.0, 3.0, 10.0, 30.0])
@pytest.mark.parametrize("kind", first_use.KINDS)
def test_what_is_told_is_within_a_factor_of_two_once_a_tenth_is_compiled(kind: str, slower: float) -> None:
    """Two processes compile, the second one a twentieth of the work later. A module takes 0.75 to 1.3 times
    its weight, and a function 25 to 45 ms of the quick machine."""
    weights = first_use.weights([*first_use.GROUPS[kind], *first_use.GROUPS[first_use.SHARED]])
    draw, clock = random.Random(f"{kind} {slower}"), Clock()
    pace, told = Pace(weights, 2, clock=clock), []

    def events(begin: float, names: Iterator[str]) -> Iterator[tuple[float, Callable[[str], None], str]]:
        for name in names:
            needed = weights[name] * slower * draw.uniform(0.75, 1.3)
            functions = max(1, round(0.8 * needed / slower / draw.uniform(0.025, 0.045)))
            for number in range(functions):
                yield begin + 0.8 * needed * (number + 1) / functions, pace.function, name
            begin += needed
            yield begin, pace.done, name

    waiting = deque(weights)
    front = events(0.0, (waiting.popleft() for _ in range(99) if waiting))
    back = events(0.05 * slower * sum(weights.values()), (waiting.pop() for _ in range(99) if waiting))
    for clock.now, tell, name in merge(front, back, key=itemgetter(0)):
        tell(name)
        if pace.left:
            told.append((clock.now, pace.left))
    near = 0.1 * clock.now  # the machine code of the last module
    for now, left in told:
        really = clock.now - now
        assert really / 2 - near <= left <= really * 2 + near
    assert told[0][0] < clock.now / 3


def test_nothing_is_promised_before_a_tenth_is_compiled() -> None:
    clock = Clock()
    pace = Pace({"one": 10.0, "two": 10.0}, 2, clock=clock)
    for clock.now in range(50):
        pace.function("one")
    assert pace.left is None

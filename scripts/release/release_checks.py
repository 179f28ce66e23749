"""Each wheel of a release is installed in an empty environment, as a user installs it, and tried.

The environment has no compiler (its PATH is its own folder) and no cache. What is tried: twine's check of the
metadata, the size, `structgen check`, the processor time to a first mask, that a read-only installation
without any folder to write to works as well, and `sg.run` with the embedded model "structgen/extract", as a
typed object. That wants torch: `--torch` says how pip finds a build without CUDA.
"""

from __future__ import annotations

import json
import resource
import shlex
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from changelog_cut import ReleaseError
from release_building import ROOT, environment, python_of, run

COLUMNS = ("wheel", "python", "wheel_mb", "install_s", "first_mask_cpu_s", "first_mask_s", "read_only_cpu_s",
           "typed_object_s", "typed_object_cpu_s", "own_s", "own_cpu_s")  # fmt: skip
MOST = {
    "wheel_mb": 60.0,
    "first_mask_cpu_s": 1.0,
    "read_only_cpu_s": 1.0,
    "typed_object_s": 60.0,
    "own_s": 5.0,
}
"""What the figures of a wheel with machine code may be at most; of the pure one its size alone."""
_SCHEMA = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
_FIRST_MASK = """
import json, resource, time
begun = time.time() - time.process_time()
import structgen as sg
tokenizer = sg.Tokenizer.from_bytes([bytes([i]) for i in range(256)] + [None], 256)
schema = {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}}
matcher = sg.Matcher(sg.compile(sg.json_schema(schema), tokenizer))
matcher.fill_mask(sg.allocate_mask(1, tokenizer.vocab_size))
used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
print(json.dumps([sg.__file__, sum(one.ru_utime + one.ru_stime for one in used), time.time() - begun]))
"""
_READ_ONLY = """
import ctypes
ctypes.CDLL(None).prctl(24, 1, 0, 0, 0)  # root too is held to the rights of files: without CAP_DAC_OVERRIDE
import os, sys
os.execv(sys.executable, [sys.executable, "-c", sys.argv[1]])
"""
_TYPED = """
import json, time
import torch
loaded, used = time.perf_counter(), time.process_time()
import structgen as sg
from pydantic import BaseModel
class Person(BaseModel):
    name: str
    age: int
made = sg.run("structgen/extract", "Ada Lovelace is 36 years old.", Person)
assert isinstance(made, Person)
print(json.dumps([repr(made), time.perf_counter() - loaded, time.process_time() - used]))
"""


def check(pythons: Sequence[str], folder: Path, version: str, torch: str, results: Path | None) -> None:
    """Try the files of a folder; print a table, and write it as rows of a bench where `results` is a folder.

    The pure wheel is tried with the first Python, and with numba; the other wheel with each Python. `torch`:
    options of pip, or `none` to leave out what wants torch. Raises ReleaseError with all that is wrong.
    """
    files = sorted(path for path in folder.resolve().glob("*") if version in path.name)
    wheels = [path for path in files if path.suffix == ".whl"]
    if not wheels:
        raise ReleaseError(f"{folder} has no wheel of {version}. Run `python scripts/release build` first.")
    run(sys.executable, "-m", "twine", "check", "--strict", *files)
    print(f"twine check --strict: {len(files)} files passed.")
    rows, faults = [], []
    for name in pythons:
        python = python_of(name)
        for wheel in wheels:
            if "-none-any" not in wheel.name or name == pythons[0]:
                row, wrong = tried(wheel, python, torch)
                rows.append(row)
                faults += wrong
                print(*(f"{column}={value}" for column, value in zip(COLUMNS, row, strict=True)), flush=True)
    sys.path.insert(0, str(ROOT / "bench"))
    import records  # structgen itself, which the other commands do not need

    records.show(COLUMNS, rows)
    if results is not None:
        about = {"load": records.load(), "version": records.version()}
        print(records.write(results, "release", about, COLUMNS, rows, more=True))
    if faults:
        raise ReleaseError("\n  ".join(["not as it should be:", *faults]))


def tried(wheel: Path, python: Path, torch: str) -> tuple[tuple[str, ...], list[str]]:
    """Return the row of a wheel, and what is not as it should be."""
    pure = "-none-any" in wheel.name
    with tempfile.TemporaryDirectory(prefix="release-") as temporary:
        home = Path(temporary)
        inside = environment(python, home / "bare")
        begun = time.perf_counter()
        install(inside, f"{wheel}[compile]" if pure else str(wheel), home)
        installed = time.perf_counter() - begun
        _check_a_file(inside, home)
        _, cpu, wall = first_mask(inside, home)
        read_only = None if pure else first_mask(inside, home, read_only=True)[1]
        typed = (None,) * 4 if torch == "none" else typed_object(wheel, python, home, torch)
        exact = run(inside, "-c", "import platform; print(platform.python_version())").strip()
    figures = (wheel.stat().st_size / 1e6, installed, cpu, wall, read_only, *typed)
    wanted = {"wheel_mb": MOST["wheel_mb"]} if pure else MOST
    named = dict(zip(COLUMNS[2:], figures, strict=True))
    faults = [
        f"{wheel.name}: {name} is {named[name]:.2f}, and {most:g} at most is wanted"
        for name, most in wanted.items()
        if (named[name] or 0.0) > most
    ]
    shown = ("not tried" if value is None else f"{value:.2f}" for value in figures)
    return (wheel.name.split("-", 2)[2].removesuffix(".whl"), exact, *shown), faults


def install(inside: Path, what: str, home: Path, *options: str) -> None:
    """Install a wheel, and what it needs, into an environment: the newest versions, as a user gets them."""
    run(inside, "-m", "pip", "install", "--disable-pip-version-check", "-q", what, *options, cwd=home)


def without_compiler(inside: Path, home: Path) -> dict[str, str]:
    """Return the environment variables of a process that finds no compiler and no file of another process."""
    cache = str(home / f"cache-{len(list(home.iterdir()))}")
    return {"PATH": str(inside.parent), "HOME": cache, "XDG_CACHE_HOME": cache, "OMP_NUM_THREADS": "1"}


def _check_a_file(inside: Path, home: Path) -> None:
    """Run `structgen check` on a document that is right, and on one that is not."""
    (home / "schema.json").write_text(json.dumps(_SCHEMA))
    command = (inside.with_name("structgen"), "check", "--schema", "schema.json")
    (home / "right.json").write_text('{"age": 3}')
    (home / "wrong.json").write_text('{"age": "3"}')
    run(*command, "right.json", cwd=home, **without_compiler(inside, home))
    try:
        run(*command, "wrong.json", cwd=home, **without_compiler(inside, home))
    except ReleaseError:
        return
    raise ReleaseError("structgen check finds nothing wrong in a document that is wrong")


def first_mask(inside: Path, home: Path, *, read_only: bool = False) -> tuple[str, float, float]:
    """Return where structgen was found, and processor and wall seconds to a first mask, with nothing kept by
    another process. `read_only`: neither the environment nor any folder of a cache can be written."""
    around, packages = without_compiler(inside, home), inside.parents[1]
    if not read_only:
        return tuple(json.loads(run(inside, "-c", _FIRST_MASK, cwd=home, **around)))
    Path(around["HOME"]).mkdir()
    locked = [Path(around["HOME"]), *(path for path in packages.rglob("*") if path.is_dir())]
    for path in locked:
        path.chmod(0o555)
    try:
        return tuple(json.loads(run(inside, "-c", _READ_ONLY, _FIRST_MASK, cwd=home, **around)))
    finally:
        for path in locked:
            path.chmod(0o755)


def typed_object(wheel: Path, python: Path, home: Path, torch: str) -> tuple[float, float, float, float]:
    """Return the seconds from an empty environment to a typed object, and those of structgen's own: of the
    process that makes it, without the start of Python and the import of torch. Both of the wall and of the
    processor."""
    begun, used = time.perf_counter(), _processor()
    inside = environment(python, home / "typed")
    # torch by itself: its own index is not asked for what it needs
    install(inside, "torch", home, "--no-deps", "-c", str(ROOT / "constraints.txt"), *shlex.split(torch))
    extras = "tokenizers,torch,typed" + ",compile" * ("-none-any" in wheel.name)
    install(inside, f"{wheel}[{extras}]", home)
    made, own, own_cpu = json.loads(run(inside, "-c", _TYPED, cwd=home, **without_compiler(inside, home)))
    print(f"{wheel.name}: {made}", flush=True)
    return time.perf_counter() - begun, _processor() - used, own, own_cpu


def _processor() -> float:
    """Return the processor seconds of all processes that were started and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime

"""Do monitors of Python code suggest what programs use, and does code under them use what exists?

    python bench/bench_monitors.py [--dereferences 300] [--texts 100]

Two tables. The library is that of the Python that runs, cut by a frozen seed into files for training and
files for the tests.

1. Dereferences: attributes of the library's test files, each file cut behind the dot. Shares: where jedi
   infers (suggests anything), and there the true name is among the suggestions; and answers within 0.5 s.
2. Texts: files under grammars/python.lark, drawn from an n-gram model of bytes (five bytes) trained on those
   statements of the training files that use ten modules, behind their imports, with and without
   `python_attributes`. The check is independent of jedi: an attribute of an imported module that no line
   binds again does not exist if `hasattr` says so.

Prints the tables and writes bench/results/monitors-DATE.csv.
"""

from __future__ import annotations

import ast
import importlib
import random
import re
import sys
import sysconfig
import time
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lark.indenter import PythonIndenter
from ngram_model import BYTES, NgramModel
from records import arguments, load, write

import structgen as sg
from structgen.monitors.analysis import analyst_of
from structgen.system import resources

MODULES = ("collections", "itertools", "json", "math", "os", "random", "re", "string", "sys", "time")
HEADER = "".join(f"import {name}\n" for name in MODULES)
PATIENT, USUAL = 20.0, 0.5
"""Seconds of a call: that of the table, and the default of monitors."""
IDENTIFIER = re.compile(r"[^\W\d]\w*")


def library(rng: random.Random) -> tuple[list[Path], list[Path]]:
    """Return the files of the library for training and for the tests."""
    folder = Path(sysconfig.get_paths()["stdlib"])
    files = sorted(one for one in folder.glob("*.py") if 2_000 < one.stat().st_size < 80_000)
    files += sorted(
        one for one in folder.glob("[a-z]*/*.py") if one.parent.name in ("json", "email", "asyncio")
    )
    rng.shuffle(files)
    half = len(files) // 2
    return files[:half], files[half:]


def dereferences(files: list[Path], count: int, rng: random.Random) -> list[tuple[str, int]]:
    """Return attributes: the text of a file, and the place behind the dot."""
    found = []
    for path in files:
        text = path.read_text(encoding="utf-8")
        starts = [0]
        for line in text.splitlines(keepends=True):
            starts.append(starts[-1] + len(line.encode()))
        data = text.encode()
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Attribute) and node.end_lineno is not None:
                end = starts[node.end_lineno - 1] + (node.end_col_offset or 0)
                at = end - len(node.attr.encode())
                if data[at - 1 : at] == b".":
                    found.append((text, len(data[:at].decode())))
    return rng.sample(found, min(count, len(found)))


def statements(files: list[Path]) -> list[bytes]:
    """Return the simple statements of files that use a module of HEADER, a text each."""
    found = []
    for path in files:
        for line in path.read_text(encoding="utf-8").splitlines():
            text = line.strip()
            if (
                re.search(rf"\b({'|'.join(MODULES)})\.", text)
                and compiles(text)
                and not text.startswith("import")
            ):
                found.append(text.encode() + b"\n")
    return found


def suggested(monitor: Any, code: str) -> tuple[tuple[str, ...] | sg.Grammar, float]:
    """Return what a monitor suggests behind code, and the seconds."""
    began = time.perf_counter()
    advice = analyst_of(monitor).advice(code)
    return advice.suggested, time.perf_counter() - began


def has(found: tuple[str, ...] | sg.Grammar, rest: str) -> bool:
    """Return whether suggestions have the identifier at the beginning of a text."""
    if isinstance(found, sg.Grammar):
        compiled = sg.compile(found, BYTES)
        return compiled.step_bytes(compiled.start, _head(rest)) is not None
    return _head(rest)[:-1].decode() in found


def _head(rest: str) -> bytes:
    match = IDENTIFIER.match(rest)
    return rest[: 0 if match is None else match.end() + 1].encode()


def missing(code: str) -> tuple[int, int]:
    """Return how many attributes of modules that HEADER imports code has, and how many do not exist."""
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError):
        return 0, 0
    bound = {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)
    }
    bound |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    lines = HEADER.count("\n")
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            bound.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom) and node.lineno > lines:
            bound |= {(one.asname or one.name).partition(".")[0] for one in node.names}
        elif isinstance(node, ast.ExceptHandler) and node.name:
            bound.add(node.name)
    count = wrong = 0
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and isinstance(node.ctx, ast.Load)
        ):
            if node.value.id in MODULES and node.value.id not in bound:
                count += 1
                wrong += not hasattr(importlib.import_module(node.value.id), node.attr)
    return count, wrong


def compiles(code: str) -> bool:
    """Return whether Python's compiler takes code."""
    try:
        compile(code, "file", "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return False
    return True


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--dereferences", type=int, default=300)
    parser.add_argument("--texts", type=int, default=100)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    rng = random.Random(44)
    training, tests = library(rng)
    rows: list[list[object]] = []

    def add(table: str, way: str, measure: str, value: float, count: int) -> None:
        rows.append([table, way, measure, round(value, 4), count, load()])
        print(f"{table:14} {way:18} {measure:34} {value:8.3f}  of {count}", flush=True)

    monitor = sg.monitors.python_attributes(sysconfig.get_paths()["stdlib"], seconds=PATIENT)
    suggested(monitor, "x = ''\nx.")
    cuts = dereferences(tests, options.dereferences, rng)
    answers = [(suggested(monitor, text[:at]), text[at:]) for text, at in cuts]
    inferred = [has(found, rest) for (found, _), rest in answers if found]
    times = sorted(seconds for (_, seconds), _ in answers)
    for measure, value, count in (
        ("jedi infers", len(inferred) / len(cuts), len(cuts)),
        ("the true name is suggested", sum(inferred) / len(inferred), len(inferred)),
        ("answered in 0.5 s", sum(one <= USUAL for one in times) / len(cuts), len(cuts)),
        ("seconds, median", times[len(times) // 2], len(cuts)),
    ):
        add("dereferences", "python_attributes", measure, value, count)
    monitor.close()

    engine = sg.Engine(NgramModel([b"".join(statements(training))], orders=(0, 1, 2, 3, 4)), BYTES)
    python = sg.lark(resources.grammar("python").read_text(encoding="utf-8"), postlex=PythonIndenter())
    for way in ("plain", "python_attributes"):
        watch = sg.monitors.python_attributes(before=HEADER, seconds=PATIENT)
        count = wrong = left = silent = 0
        for seed in range(options.texts):
            how = sg.Sampling(temperature=0.8, seed=seed, monitors=[watch] if way != "plain" else [])
            (result,) = engine.generate(sg.Request(list(HEADER.encode()), python, how, max_tokens=250))
            assert result.error is None, result.error
            some, bad = missing(HEADER + result.text)
            count, wrong = count + some, wrong + bad
            left += sum(one.yielded for one in result.usage.monitors)
            silent += sum(one.late + one.failed for one in result.usage.monitors)
        add("texts", way, "attributes that do not exist", wrong / max(count, 1), count)
        add("texts", way, "suggestions that the text left", left, options.texts)
        add("texts", way, "calls without an answer", silent, options.texts)
        watch.close()

    about = {"python": sys.version.split()[0], "jedi": version("jedi"), "seed": 44}
    write(options.results, "monitors", about, ["table", "way", "measure", "value", "count", "load"], rows)


if __name__ == "__main__":
    main()

"""What do masks under a Lark grammar cost, on real texts, cold, beside llguidance where it takes the grammar?

    python bench/bench_grammars.py [--tokenizer llama3] [--files 8] [--bytes 6000] [--only json,python]

Each grammar is taken as its authors wrote it: lark's own python.lark (files of the standard library), and
ours of SQL, JSON and arithmetic (their accepted texts). A grammar is compiled anew for the run, with no
store; then the texts are replayed token by token: a mask, a commit. A mask must allow the token that comes;
one that does not is counted. llguidance reads the same file where it can (it refuses what it does not know,
and says so in the table); engines take turns, text by text.
Prints a table and writes bench/results/grammars-DATE.csv. Times are wall clock, in microseconds.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import json
import os
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from bench_masks import machine
from lark.indenter import PythonIndenter
from rich.console import Console
from rich.table import Table

import structgen as sg
from structgen import resources
from structgen.maskbench.peers import _row, _Vocabulary
from structgen.maskbench.vocabularies import load

RESULTS = Path(__file__).parent / "results"


def python_texts(files: int, size: int) -> list[str]:
    """Return the beginnings of files of the standard library, whole lines of them."""
    found = []
    for path in sorted(Path(os.__file__).parent.glob("*.py"))[5 :: max(1, 160 // files)][:files]:
        text = path.read_text("utf-8")[:size]
        found.append(text[: text.rindex("\n") + 1])
    return found


def accepted(name: str) -> list[str]:
    """Return the accepted texts of one of our grammars."""
    held = json.loads(resources.grammar(name).with_suffix(".texts.json").read_text("utf-8"))
    return [one["text"] if isinstance(one, dict) else one[0] for one in held["accepted"]]


class Ours:
    """One grammar compiled by structgen; its texts replayed."""

    name = "structgen"

    def __init__(self, grammar: Callable[[], sg.Grammar], tokenizer: sg.Tokenizer) -> None:
        begun = time.perf_counter()
        made = grammar()
        loaded = time.perf_counter()
        self._compiled = sg.compile(made, tokenizer, store=False)
        self.load_ms = 1e3 * (loaded - begun)
        self.compile_ms = 1e3 * (time.perf_counter() - loaded)
        self._mask = sg.allocate_mask(1, tokenizer.vocab_size)

    def replay(self, tokens: list[int], masks: list[float], commits: list[float]) -> int:
        """Replay a text; return how many of its tokens were not allowed."""
        matcher, wrong, row = sg.Matcher(self._compiled), 0, self._mask.array[0]
        for token in tokens:
            begun = time.perf_counter()
            matcher.fill_mask(self._mask)
            filled = time.perf_counter()
            if not (int(row[token >> 5]) >> (token & 31)) & 1:
                return wrong + 1
            taken = time.perf_counter()
            matcher.advance(token)
            commits.append(time.perf_counter() - taken)
            masks.append(filled - begun)
        return wrong


class Llguidance:
    """The same grammar under llguidance; raises ValueError where it refuses it."""

    name = "llguidance"

    def __init__(self, text: str, tokenizer: sg.Tokenizer) -> None:
        import llguidance
        from llguidance._tokenizer import TokenizerWrapper

        self._module = llguidance
        self._tokenizer = llguidance.LLTokenizer(
            TokenizerWrapper(_Vocabulary(tokenizer)),
            n_vocab=tokenizer.vocab_size,
            eos_token=list(tokenizer.eos_token_ids),
        )
        self._array, _view = _row(tokenizer.vocab_size)
        self._pointer, self._bytes = self._array.ctypes.data, self._array.nbytes
        begun = time.perf_counter()
        self._grammar = llguidance.LLMatcher.grammar_from_lark(text)
        self._matcher = self._new()
        self.load_ms, self.compile_ms = 0.0, 1e3 * (time.perf_counter() - begun)

    def _new(self) -> Any:
        matcher = self._module.LLMatcher(self._tokenizer, self._grammar, log_level=0)
        if matcher.is_error():
            raise ValueError(matcher.get_error())
        return matcher

    def replay(self, tokens: list[int], masks: list[float], commits: list[float]) -> int:
        """Replay a text; return how many of its tokens were not allowed."""
        matcher, wrong = self._new(), 0
        for token in tokens:
            begun = time.perf_counter()
            matcher.unsafe_compute_mask_ptr(self._pointer, self._bytes)
            filled = time.perf_counter()
            if not (int(self._array[token >> 5]) >> (token & 31)) & 1:
                return wrong + 1
            taken = time.perf_counter()
            matcher.consume_token(token)
            commits.append(time.perf_counter() - taken)
            masks.append(filled - begun)
        return wrong


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokenizer", default="llama3")
    parser.add_argument("--files", type=int, default=8)
    parser.add_argument("--bytes", type=int, default=6000)
    parser.add_argument("--only", default="", help="the grammars whose names begin so, comma-separated")
    options = parser.parse_args()
    import lark

    tokenizer = load(options.tokenizer)
    python = Path(lark.__file__).parent / "grammars" / "python.lark"
    cases: list[tuple[str, Path, dict[str, Any], list[str]]] = [
        (name, resources.grammar(name), {}, accepted(name)) for name in ("json", "arithmetic", "sql")
    ]
    texts = python_texts(options.files, options.bytes)
    cases.append(("python (lark's)", python, {"start": "file_input", "postlex": PythonIndenter()}, texts))
    chosen = tuple(options.only.split(","))
    cases = [case for case in cases if case[0].startswith(chosen)]
    # what a process loads once is nobody's cost
    Ours(lambda: sg.lark('start: "a"'), tokenizer).replay([], [], [])
    rows: list[dict[str, Any]] = []
    for name, path, arguments, held in cases:
        engines: list[Any] = [
            Ours(lambda path=path, arguments=arguments: sg.lark(path, **arguments), tokenizer)
        ]
        refused = ""
        try:
            engines.append(Llguidance(path.read_text("utf-8"), tokenizer))
        except (ValueError, ImportError) as error:
            refused = str(error).strip().splitlines()[0][:100]
        times: dict[str, tuple[list[float], list[float]]] = {one.name: ([], []) for one in engines}
        wrong = dict.fromkeys(times, 0)
        for text in held:
            tokens = tokenizer.encode(text.encode())
            for one in engines:
                wrong[one.name] += one.replay(tokens, *times[one.name])
        for one in engines:
            masks = 1e6 * np.array(times[one.name][0] or [0.0])
            commits = 1e6 * np.array(times[one.name][1] or [0.0])
            rows.append(
                {
                    "grammar": name,
                    "engine": one.name,
                    "texts": len(held),
                    "masks": len(times[one.name][0]),
                    "load_ms": round(one.load_ms, 1),
                    "compile_ms": round(one.compile_ms, 1),
                    "first_mask_us": round(float(masks[0]), 1),
                    "mask_avg_us": round(float(masks.mean()), 2),
                    "mask_p50_us": round(float(np.median(masks)), 2),
                    "mask_p99_us": round(float(np.percentile(masks, 99)), 1),
                    "mask_p999_us": round(float(np.percentile(masks, 99.9)), 1),
                    "commit_avg_us": round(float(commits.mean()), 2),
                    "refused_texts": wrong[one.name],
                    "note": "",
                }
            )
        if refused:
            rows.append({"grammar": name, "engine": "llguidance", "note": f"refuses it: {refused}"})
    show(rows)
    write(rows, options.tokenizer)


def show(rows: list[dict[str, Any]]) -> None:
    """Print the table."""
    table = Table(title="Masks under Lark grammars, cold (microseconds)")
    columns = ("grammar", "engine", "masks", "load_ms", "compile_ms", "first_mask_us", "mask_avg_us")
    columns += ("mask_p50_us", "mask_p99_us", "mask_p999_us", "commit_avg_us", "refused_texts", "note")
    for column in columns:
        table.add_column(column, justify="left" if column in ("grammar", "engine", "note") else "right")
    for row in rows:
        table.add_row(*(str(row.get(column, "")) for column in columns))
    Console(width=200).print(table)


def write(rows: list[dict[str, Any]], tokenizer: str) -> None:
    """Write the rows, with the machine and the versions."""
    RESULTS.mkdir(exist_ok=True)
    date = datetime.date.today().isoformat()
    names = {name: "" for row in rows for name in row}
    about = {"tokenizer": tokenizer, "machine": machine(), "date": date}
    for package in ("structgen", "lark", "llguidance", "numba"):
        about[package] = version(package)
    with (RESULTS / f"grammars-{date}.csv").open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, [*names, *about])
        writer.writeheader()
        writer.writerows({**row, **about} for row in rows)


if __name__ == "__main__":
    main()

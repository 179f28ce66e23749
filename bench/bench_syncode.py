"""How many completed outputs of a model have a syntax error, with the mask of a grammar and without it?

    python bench/bench_syncode.py [--outputs 200] [--tokens 300] [--only python,json,sql]
        [--go FOLDER --gofmt PROGRAM]

SynCode's question (arXiv:2403.01632), asked of two models: an n-gram model that this bench trains on tokens
(Python: top-level statements of the standard library; JSON: the values in the sample schemas; SQL: the
accepted texts of `grammars/sql.lark`), and the embedded `structgen/extract`, which was trained on neither. An
output is *completed* where the model ends it within its tokens; its syntax is judged by `ast.parse`,
`json.loads` and SQLite's parser. Without a mask the models draw from all tokens, with it from those that the
grammar of `grammars/` allows; nothing else differs. With files of Go and a gofmt, Go is asked too: the n-gram
model learns functions, gofmt judges.
Prints a table and writes bench/results/syncode-DATE.csv.
The exit status is 1 where a completed output under the mask has an error.
"""

from __future__ import annotations

import argparse
import ast
import json
import random
import re
import subprocess
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from grammar_cases import case, go_text, judge, library
from records import arguments, version, write
from records import load as load_averages

import structgen as sg
from structgen.maskbench.vocabularies import load
from structgen.system import resources

LANGUAGES = ("python", "json", "sql")
GO = "go"
ORDER = 6
"""Tokens that the n-gram model looks back on, at most."""
SEEN = 3
"""Times that a context must have been seen, or a shorter one is asked."""
LONGEST = 3_000
"""Bytes of a text that the n-gram model is trained on, at most."""
PROMPTS = {
    "python": "Write a Python function that adds two numbers.\n",
    "json": "Write a JSON document about a person.\n",
    "sql": "Write a query for the names of all customers in SQL.\n",
    GO: "Write a Go function that adds two numbers.\n",
}
FIGURES = ("outputs", "completed", "syntax errors", "tokens", "seconds")


def corpus(language: str, options: argparse.Namespace) -> Iterator[str]:
    """Yield the texts that the n-gram model is trained on."""
    if language in ("python", GO):
        paths = library() if language == "python" else sorted(options.go.rglob("*.go"))
        random.Random(3).shuffle(paths)
        for path in paths[: options.files]:
            yield from statements(path) if language == "python" else declarations(path)
    elif language == "sql":
        held = json.loads(resources.grammar("sql").with_suffix(".texts.json").read_text("utf-8"))
        yield from (one["text"] for one in held["accepted"])
    else:
        for path in sorted(resources.grammar("json").parent.parent.glob("schemas/*.json")):
            pending = [json.loads(path.read_text("utf-8"))]
            while pending:
                value = pending.pop()
                if isinstance(value, dict | list):
                    yield json.dumps(value, indent=2 if len(pending) % 2 else None)
                    pending += value.values() if isinstance(value, dict) else value


def statements(path: Path) -> Iterator[str]:
    """Yield the top-level statements of a file of Python, none of a file that is not."""
    try:
        text = path.read_bytes().decode("utf-8")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parts = ast.parse(text).body
    except (SyntaxError, ValueError):
        return
    lines = text.splitlines(keepends=True)
    for part in parts:
        yield "".join(lines[part.lineno - 1 : part.end_lineno]).rstrip() + "\n"


def declarations(path: Path) -> Iterator[str]:
    """Yield the functions of a file of Go, each behind a package clause; no files of tests."""
    if path.name.endswith("_test.go") or "testdata" in path.parts:
        return
    for found in re.finditer(r"^func .*?^}\n", go_text(path), re.MULTILINE | re.DOTALL):
        yield "package main\n\n" + found[0]


def gofmt(program: str) -> Callable[[str], bool]:
    """Return what gofmt says of a text: whether it is a file of Go."""

    def verdict(text: str) -> bool:
        return not subprocess.run([program], input=text.encode(), capture_output=True, check=False).returncode

    return verdict


class Ngrams:
    """A model of tokens: what followed the longest context that was seen often enough."""

    def __init__(self, texts: Iterator[str], tokenizer: sg.Tokenizer, seed: int) -> None:
        self.end = min(tokenizer.eos_token_ids)
        pad = [self.end] * ORDER
        tokens: list[int] = []
        for text in texts:
            data = text.encode()
            if len(data) <= LONGEST:
                tokens += pad + tokenizer.encode(data) + [self.end]
        self.tokens = np.array(tokens, np.int64)
        self._draw = np.random.default_rng(seed)
        self._sorted: list[tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]] = []
        keys = np.zeros(len(tokens), np.uint64)  # of the context before each token
        for order in range(ORDER + 1):
            places = np.argsort(keys, kind="stable")
            self._sorted.append((keys[places], places))
            before = np.zeros(len(tokens), np.uint64)
            before[order + 1 :] = self.tokens[: len(tokens) - order - 1].astype(np.uint64) + np.uint64(1)
            keys = keys * np.uint64(0x9E3779B97F4A7C15) + before

    def following(self, context: list[int], order: int) -> npt.NDArray[np.int64]:
        """Return all tokens that followed the last `order` tokens."""
        key = np.uint64(0)
        with np.errstate(over="ignore"):
            for token in reversed(context[len(context) - order :]):
                key = key * np.uint64(0x9E3779B97F4A7C15) + np.uint64(token + 1)
        keys, places = self._sorted[order]
        found = places[np.searchsorted(keys, key, "left") : np.searchsorted(keys, key, "right")]
        return self.tokens[found]

    def draw(self, context: list[int], allowed: npt.NDArray[np.bool_] | None) -> int:
        """Return a token that may follow, of the allowed ones."""
        for order in range(ORDER, -1, -1):
            found = self.following(context, order)
            if allowed is not None:
                found = found[allowed[found]]
            if len(found) >= SEEN or (order == 0 and len(found)):
                return int(self._draw.choice(found))
        assert allowed is not None, "a model of no texts"
        return int(self._draw.choice(np.flatnonzero(allowed)))

    def write(
        self, most: int, compiled: sg.CompiledGrammar | None, tokenizer: sg.Tokenizer
    ) -> tuple[bytes, bool]:
        """Return an output of at most `most` tokens, and whether the model ended it."""
        context, text = [self.end] * ORDER, bytearray()
        matcher = None if compiled is None else sg.Matcher(compiled)
        mask = sg.allocate_mask(1, tokenizer.vocab_size)
        for _ in range(most):
            allowed = None
            if matcher is not None:
                matcher.fill_mask(mask)
                allowed = np.zeros(tokenizer.vocab_size, np.bool_)
                allowed[mask.allowed(0)] = True
            token = self.draw(context, allowed)
            if token in tokenizer.eos_token_ids:
                return bytes(text), True
            if matcher is not None:
                matcher.advance(token)
            text += tokenizer.token_bytes[token] or b""
            context.append(token)
        return bytes(text), False


def written(
    model: Any,
    language: str,
    options: argparse.Namespace,
    grammar: sg.Grammar | None,
    tokenizer: sg.Tokenizer,
) -> Iterator[tuple[bytes, bool, int]]:
    """Yield outputs of a model, whether each was ended, and its tokens."""
    if isinstance(model, Ngrams):
        compiled = None if grammar is None else sg.compile(grammar, tokenizer)
        for _ in range(options.outputs):
            text, ended = model.write(options.tokens, compiled, tokenizer)
            yield text, ended, len(tokenizer.encode(text))
        return
    sampling = sg.Sampling(temperature=1.0, seed=options.seed)
    request = sg.Request(
        PROMPTS[language], grammar, sampling=sampling, max_tokens=options.tokens, n=options.outputs
    )
    for result in model.generate([request]):
        yield result.text.encode(), result.finish_reason is sg.FinishReason.STOP, len(result.tokens)


def main() -> int:
    """Run it."""
    parser = arguments(__doc__)
    parser.add_argument("--outputs", type=int, default=200, help="of each model, language and way")
    parser.add_argument("--tokens", type=int, default=300, help="of an output, at most")
    parser.add_argument("--files", type=int, default=400, help="of the standard library, to train on")
    parser.add_argument(
        "--only", default="", help=f"languages, comma-separated: {', '.join((*LANGUAGES, GO))}"
    )
    parser.add_argument("--go", type=Path, help="a folder with files of Go")
    parser.add_argument("--gofmt", default="gofmt", help="the program")
    parser.add_argument("--models", default="n-gram,structgen/extract")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chosen = options.only.split(",") if options.only else [*LANGUAGES, *([GO] if options.go else [])]
    if GO in chosen and not options.go:
        parser.error("Go needs --go.")
    tokenizer = load("small")
    about = {"load": load_averages(), "version": version(), "seed": options.seed}
    rows, bad = [], 0
    for name in options.models.split(","):
        engine = None if name == "n-gram" else sg.Engine(name)
        for language in chosen:
            verdict = gofmt(options.gofmt) if language == GO else judge(language)
            for masked in (False, True):
                # the same draws with and without the mask, as far as they go alike
                model = engine or Ngrams(corpus(language, options), tokenizer, options.seed)
                counts: Counter[str] = Counter()
                grammar, since = case(language).grammar() if masked else None, time.perf_counter()
                for text, ended, tokens in written(model, language, options, grammar, tokenizer):
                    counts["outputs"] += 1
                    counts["completed"] += ended
                    counts["tokens"] += tokens
                    if ended and not verdict(text.decode("utf-8", "replace")):
                        counts["syntax errors"] += 1
                        if masked:
                            print(f"{language}, {name}: {text!r}", flush=True)
                counts["seconds"] = round(time.perf_counter() - since)
                bad += counts["syntax errors"] * masked
                way = "grammar" if masked else "free"
                rows.append((name, language, way, *(counts[one] for one in FIGURES)))
                print(
                    name, language, way, *(f"{one} {counts[one]:,}" for one in FIGURES), sep="; ", flush=True
                )
    print(write(options.results, "syncode", about, ("model", "language", "way", *FIGURES), rows))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

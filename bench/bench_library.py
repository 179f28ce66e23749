"""Is any file of the standard library refused that lark takes? Each is replayed token by token.

    python bench/bench_library.py [--files 500] [--tokenizer llama3] [--masks 16] [--only lark]

The grammars are lark's own python.lark and the one of `grammars/`, each with lark's PythonIndenter; the files
are drawn by the seed. lark says first whether it takes a file. Of one that it takes every token must be taken
(`Matcher.advance`), the text must be complete at its end, and the mask before every 16th token must allow it.
Of one that it does not take some token must be refused, or the end. A limit that is met is counted apart, and
so is a file that is not UTF-8, which nobody reads. Prints what differs, and writes a row for each grammar to
bench/results/library-DATE.csv. The exit status is 1 where anything differs, or a limit was met.
"""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from pathlib import Path

from grammar_cases import LARKS, Case, case, library
from records import arguments, version, write
from records import load as load_averages

import structgen as sg
from structgen.maskbench.vocabularies import load

BAD = ("refused", "accepted", "limit met")
"""Refused, and lark takes it; accepted, and lark does not."""
FIGURES = ("files", "bytes", "tokens", "masks", "taken", "not taken", "not UTF-8", *BAD, "seconds")


def replay(
    compiled: sg.CompiledGrammar, tokens: list[int], mask: sg.core.TokenMask, every: int, counts: Counter[str]
) -> bool:
    """Return whether a text is taken, with a mask before every so many tokens. Raises LimitError."""
    matcher, row = sg.Matcher(compiled), mask.array[0]
    for at, token in enumerate(tokens):
        counts["tokens"] += 1
        if at % every == 0:
            matcher.fill_mask(mask)
            counts["masks"] += 1
            if not (int(row[token >> 5]) >> (token & 31)) & 1:
                return False
        try:
            matcher.advance(token)
        except sg.errors.TokenError:
            return False
    return matcher.is_complete


def attempt(one: Case, paths: list[Path], tokenizer: sg.Tokenizer, every: int) -> Counter[str]:
    """Return what came of the files under one grammar."""
    counts: Counter[str] = Counter()
    compiled = sg.compile(one.grammar(), tokenizer, store=False)
    mask = sg.allocate_mask(1, tokenizer.vocab_size)
    since = time.perf_counter()
    for path in paths:
        counts["files"] += 1
        try:
            text = path.read_bytes().decode("utf-8")
        except UnicodeDecodeError:
            counts["not UTF-8"] += 1
            continue
        wanted = one.takes(text)
        counts["taken" if wanted else "not taken"] += 1
        data = text.encode()
        counts["bytes"] += len(data)
        try:
            got = replay(compiled, tokenizer.encode(data), mask, every, counts)
        except sg.errors.LimitError as error:
            counts["limit met"] += 1
            print(f"{one.name}: {path}: {error}", flush=True)
            continue
        if got != wanted:
            verdict = "accepted" if got else "refused"
            counts[verdict] += 1
            print(f"{one.name}: {path}: {verdict}, against lark", flush=True)
    counts["seconds"] = round(time.perf_counter() - since)
    return counts


def main() -> int:
    """Run it."""
    parser = arguments(__doc__)
    parser.add_argument("--files", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tokenizer", default="llama3")
    parser.add_argument("--masks", type=int, default=16, help="a mask before every so many tokens")
    parser.add_argument("--only", choices=("lark", "grammars"), help="lark's own grammar, or ours, alone")
    options = parser.parse_args()
    paths = library()
    random.Random(options.seed).shuffle(paths)
    tokenizer = load(options.tokenizer)
    names = {"lark": (LARKS,), "grammars": ("python",)}.get(options.only, (LARKS, "python"))
    about = {
        "load": load_averages(),
        "version": version(),
        "tokenizer": options.tokenizer,
        "seed": options.seed,
    }
    rows, bad = [], 0
    for name in names:
        counts = attempt(case(name), paths[: options.files], tokenizer, options.masks)
        bad += sum(counts[kind] for kind in BAD)
        rows.append((name, *(counts[kind] for kind in FIGURES)))
        print(name, *(f"{kind} {counts[kind]:,}" for kind in FIGURES), sep="; ", flush=True)
    print(write(options.results, "library", about, ("grammar", *FIGURES), rows))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

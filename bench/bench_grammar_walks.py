"""Does every walk over the masks of a sample grammar end in a text that its oracle takes?

    python bench/bench_grammar_walks.py [--walks 1000] [--only json,sql] [--tokenizer small] [--seed 0]

A third of the walks are drawn uniformly from the allowed tokens, a third towards closing brackets, a third
within a random budget a little above the least; what is not over after some tokens is finished within
`tokens_to_finish()` (bench/walks.py). An empty mask, or a budget that does not suffice, is a *dead end*, any
other error a *crash*. Of a text that was written lark's verdict is asked (*refused by lark*), and that of who
reads the language beside: `ast.parse`, SQLite's parser, `json.loads`, datetime, packaging (*invalid*).
Prints what is to be looked at, and writes a row for each grammar and kind of walk to
bench/results/grammar-walks-DATE.csv. The exit status is 1 where there was anything.
"""

from __future__ import annotations

import random
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator

from grammar_cases import SAMPLES, case, judge
from records import arguments, version, write
from records import load as load_averages
from walks import KINDS, Stuck, Vocabulary, Walker

import structgen as sg
from structgen.maskbench.vocabularies import load

BAD = ("dead end", "crash", "refused by lark", "invalid")
FIGURES = ("walks", "tokens", *BAD, "seconds")


def walk(
    name: str, walks: int, tokens: int, seed: int, vocabulary: Vocabulary
) -> Iterator[tuple[str, Counter[str]]]:
    """Yield what came of a grammar's walks, by kind."""
    one, verdict = case(name), judge(name)
    walker = Walker(
        sg.compile(one.grammar(), vocabulary.tokenizer), vocabulary, random.Random(f"{name} {seed}")
    )
    counts: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
    for number in range(walks):
        kind = KINDS[number % len(KINDS)]
        counts[kind]["walks"] += 1
        since = time.process_time()
        fault, why = "", ""
        try:
            text = walker.walk(kind, walker.chance.randrange(1, tokens))
        except Stuck as error:
            text, fault, why = error.text, "dead end", str(error)
        except Exception:
            text, fault, why = bytes(walker.text), "crash", traceback.format_exc(limit=-4)
        else:
            if not one.takes(text.decode()):
                fault = "refused by lark"
            elif not verdict(text.decode()):
                fault = "invalid"
        counts[kind]["tokens"] += len(walker.matcher.tokens)
        counts[kind]["seconds"] += time.process_time() - since
        if fault:
            counts[kind][fault] += 1
            print(f"{name} [{kind}] {fault}: {why}\n    {text!r}", flush=True)
    yield from counts.items()


def main() -> int:
    """Run it."""
    parser = arguments(__doc__)
    parser.add_argument("--walks", type=int, default=1000, help="of each grammar")
    parser.add_argument("--tokens", type=int, default=60, help="free tokens of a walk, at most")
    parser.add_argument("--only", default=",".join(SAMPLES), help="names of grammars, comma-separated")
    parser.add_argument("--tokenizer", default="small")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    vocabulary = Vocabulary(load(options.tokenizer))
    about = {
        "load": load_averages(),
        "version": version(),
        "tokenizer": options.tokenizer,
        "seed": options.seed,
    }
    rows, bad = [], 0
    for name in options.only.split(","):
        for kind, counts in walk(name, options.walks, options.tokens, options.seed, vocabulary):
            counts["seconds"] = round(counts["seconds"], 1)
            bad += sum(counts[fault] for fault in BAD)
            rows.append((name, kind, *(counts[one] for one in FIGURES)))
            print(name, kind, *(f"{one} {counts[one]:,}" for one in FIGURES), sep="; ", flush=True)
    print(write(options.results, "grammar-walks", about, ("grammar", "kind", *FIGURES), rows))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

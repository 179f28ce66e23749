"""Does every walk over the masks of a sample grammar end in a text that its oracle takes?

    python bench/bench_grammar_walks.py [NAME...] [--walks 1000] [--tokenizer small] [--seed 0]

A third of the walks are drawn uniformly from the allowed tokens, a third towards closing brackets, a third
within a random budget a little above the least; what is not over after some tokens is finished within
`tokens_to_finish()` (bench/walks.py). An empty mask, or a budget that does not suffice, is a *dead end*, any
other error a *crash*. Of a text that was written lark's verdict is asked (*refused by lark*), and that of who
reads the language beside: `ast.parse`, SQLite's parser, `json.loads`, datetime, packaging (*invalid*).
Prints what is to be looked at, and writes a row for each grammar and kind of walk to
bench/results/grammar-walks-DATE.csv. The exit status is 1 where there was anything.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable, Iterator

from grammar_cases import SAMPLES, Case, case, judge
from judging import Outcome, Question, run
from walks import CRASH, DEAD_END, INVALID, KINDS, Vocabulary, Walker, walked

import structgen as sg
from structgen.maskbench.vocabularies import load

REFUSED = "refused by lark"


class GrammarWalks(Question):
    """Walks sample grammars."""

    name = "grammar-walks"
    keys = ("grammar", "kind")
    bad = (DEAD_END, CRASH, REFUSED, INVALID)
    figures = ("walks", "tokens", *bad, "seconds")
    told = ("tokenizer", "seed")

    @classmethod
    def add_options(cls, parser: argparse.ArgumentParser) -> None:
        parser.set_defaults(timeout=3600.0)
        parser.add_argument("--walks", type=int, default=1000, help="of each grammar")
        parser.add_argument("--tokens", type=int, default=60, help="free tokens of a walk, at most")

    def cases(self, wanted: Callable[[str], bool]) -> Iterator[Case]:
        return (case(name) for name in SAMPLES if wanted(name))

    def ready(self) -> None:
        self.vocabulary = Vocabulary(load(self.options.tokenizer))

    def judged(self, case: Case) -> Outcome:
        options, outcome, verdict = self.options, Outcome(case.name), judge(case.name)

        def fault_of(text: bytes) -> str | None:
            if not case.takes(text.decode()):
                return REFUSED
            return None if verdict(text.decode()) else INVALID

        compiled = sg.compile(case.grammar(), self.vocabulary.tokenizer)
        walker = Walker(compiled, self.vocabulary, random.Random(f"{case.name} {options.seed}"))
        for number in range(options.walks):
            kind, since = KINDS[number % len(KINDS)], time.process_time()
            row, free = f"{case.name}\t{kind}", walker.chance.randrange(1, options.tokens)
            walked(walker, kind, free, fault_of, outcome, row)
            outcome.count(row, "seconds", time.process_time() - since)
        return outcome


if __name__ == "__main__":
    sys.exit(run(GrammarWalks, __doc__))

"""Does every walk end in a valid document? Random walks over the masks, and what became of each.

    python bench/bench_walks.py PATH... [--sample 300] [--seed 0] [--jobs 2] [--policies widest]
    python bench/bench_walks.py PATH... --progress FILE [--again slow] [--minutes 60]
    python bench/bench_walks.py --random 5000 [--seed 7]

PATH is a folder or file of MaskBench, or the folder of the JSON-Schema-Test-Suite. Each schema that has
a valid instance is walked 20 times: uniformly over the allowed tokens, drawn towards closing, and within a
budget a little above the least. A walk that is not over after some tokens is finished within
`tokens_to_finish()`. An empty mask, or a budget that does not suffice, is a *dead end*; any other error is a
*crash*; a document that jsonschema-rs refuses (formats asserted; the arbiter of tests/oracles decides where
it knows better) is *invalid*. The exit status is 1 where there was one of them. A schema whose walks take too
long is *slow*, and named.

With --random so many schemas are made by the seed (bench/attacks.py): of the rare keywords, of unions that
some keys decide, with lone surrogates and non-ASCII keys, under all escape policies. They are walked three
times and tried with random documents. jsonschema and jsonschema-rs judge: where both accept a document and
the policies let it be spelt so, and the masks do not, it is *lost*. Where the two differ (*disputed*) nothing
is said; a `LimitError` in the middle of a text (*limit*) is counted.

With --progress each schema is a line of that file as soon as it is walked; a second run with the same file
leaves out what is there, but for the verdicts of --again, and the totals are of all lines. The order is drawn
by the seed: what an interrupted run has walked is a fair sample.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from attacks import attack, random_subjects
from judging import LATE, Outcome, Question, run
from vocabularies import load
from walks import BAD, DOUBTFUL, KINDS, Judge, Subject, Vocabulary, Walker, subjects, walked

import structgen as sg

POLICIES: dict[str, dict[str, Any]] = {"default": {}, "widest": dict(sg.WIDEST)}
RANDOM = "random"


class Walks(Question):
    """Walks schemas."""

    name = "walks"
    source = "STRUCTGEN_MASKBENCH"
    keys = ("source", "kind")
    figures = ("schemas", "walks", "tokens", *BAD, *DOUBTFUL)
    bad = BAD
    told = ("policies", "tokenizer", "sample", "random", "seed", "free_tokens")

    @classmethod
    def add_options(cls, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--random", type=int, default=0, help="this many random schemas")
        parser.add_argument(
            "--seconds",
            type=float,
            help="of the processor: no walk begins after it; default 15, of random schemas 2",
        )
        parser.add_argument("--walks", type=int, help="default 20, of random schemas 3")
        parser.add_argument("--tokens", dest="free_tokens", type=int, default=60, help="free, of a walk")
        parser.add_argument("--policies", choices=POLICIES, default="widest")

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(options)
        options.walks = options.walks or (3 if options.random else 20)
        options.seconds = options.seconds or (2.0 if options.random else 15.0)

    def cases(self, wanted: Callable[[str], bool]) -> Iterator[Subject]:
        options = self.options
        made = (one for one in random_subjects(options.seed, options.random) if wanted(one.name))
        return itertools.chain(made, subjects(options.paths, options.seed, options.sample, wanted))

    def ready(self) -> None:
        self.vocabulary = Vocabulary(load(self.options.tokenizer))
        sg.Matcher(sg.compile(sg.json_schema({}), self.vocabulary.tokenizer)).tokens_to_finish()

    def judged(self, case: Subject) -> Outcome:
        options, outcome = self.options, Outcome(case.name)
        if case.attacked:
            attack(
                case,
                outcome,
                self.vocabulary,
                options.walks,
                options.free_tokens,
                options.seconds,
                options.seed,
            )
        else:
            self._walk(case, outcome)
        # Names of the suite are paths below its folder of tests.
        of_suite = "suite" if "/" in case.name and "#" in case.name else "MaskBench"
        source = RANDOM if case.attacked else of_suite
        for row in outcome.rows.values():
            row["schemas"] = 1
        outcome.count(f"schemas {outcome.verdict}", "schemas")
        outcome.rows = {f"{source}\t{kind}": row for kind, row in outcome.rows.items()}
        return outcome

    def _walk(self, case: Subject, outcome: Outcome) -> None:
        """Walk a schema. Once its seconds are used no other walk begins, and the verdict is "slow"; of a
        schema that is refused it is the error's name."""
        options, since = self.options, time.process_time()
        try:
            grammar = sg.json_schema(case.schema, **{**POLICIES[options.policies], **case.options})
            compiled = sg.compile(grammar, self.vocabulary.tokenizer)
        except sg.StructgenError as error:
            outcome.verdict = type(error).__name__
            return
        judge = Judge(case)
        walker = Walker(compiled, self.vocabulary, random.Random(f"{options.seed} {case.name}"))
        for number in range(options.walks):
            if time.process_time() - since > options.seconds:
                outcome.verdict = LATE
                break
            kind = KINDS[number % len(KINDS)]
            walked(walker, kind, options.free_tokens, judge.fault, outcome, kind)


if __name__ == "__main__":
    sys.exit(run(Walks, __doc__))

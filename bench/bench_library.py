"""Is any file of the standard library refused that lark takes? Each is replayed token by token.

    python bench/bench_library.py [NAME...] [--sample 500] [--tokenizer llama3] [--masks 16]

The grammars are lark's own python.lark and the one of `grammars/`, each with lark's PythonIndenter; the files
are drawn by the seed. lark says first whether it takes a file. Of one that it takes every token must be taken
(`Matcher.advance`), the text must be complete at its end, and the mask before every 16th token must allow it.
Of one that it does not take some token must be refused, or the end. A limit that is met is counted apart, and
so is a file that is not UTF-8, which nobody reads. Prints what differs, and writes a row for each grammar to
bench/results/library-DATE.csv. The exit status is 1 where anything differs, or a limit was met.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench_suite import replay
from grammar_cases import LARKS, case, library
from judging import Outcome, Question, run

import structgen as sg
from structgen.maskbench.vocabularies import load


@dataclass(frozen=True)
class File:
    """A file under a grammar."""

    grammar: str
    path: Path

    @property
    def name(self) -> str:
        """The grammar's name and the path."""
        return f"{self.grammar}: {self.path}"


class Library(Question):
    """Replays files of Python under two grammars."""

    name = "library"
    keys = ("grammar",)
    bad = ("refused", "accepted", "limit met")
    """Refused, and lark takes it; accepted, and lark does not."""
    figures = ("files", "bytes", "tokens", "masks", "taken", "not taken", "not UTF-8", *bad, "seconds")
    told = ("tokenizer", "seed")

    @classmethod
    def add_options(cls, parser: argparse.ArgumentParser) -> None:
        parser.set_defaults(sample=500, tokenizer="llama3")
        parser.add_argument("--masks", type=int, default=16, help="a mask before every so many tokens")

    def cases(self, wanted: Callable[[str], bool]) -> Iterator[File]:
        paths = library()
        random.Random(self.options.seed).shuffle(paths)
        files = (File(name, path) for name in (LARKS, "python") for path in paths[: self.options.sample])
        return (file for file in files if wanted(file.name))

    def ready(self) -> None:
        self.tokenizer = load(self.options.tokenizer)
        self.mask = sg.allocate_mask(1, self.tokenizer.vocab_size)
        self.known = {name: case(name) for name in (LARKS, "python")}
        self.compiled = {
            name: sg.compile(one.grammar(), self.tokenizer, store=False) for name, one in self.known.items()
        }

    def judged(self, case: File) -> Outcome:
        outcome, since = Outcome(case.name), time.process_time()
        outcome.count(case.grammar, "files")
        try:
            text = case.path.read_bytes().decode("utf-8")
        except UnicodeDecodeError:
            outcome.count(case.grammar, "not UTF-8")
            return outcome
        wanted = self.known[case.grammar].takes(text)
        outcome.count(case.grammar, "taken" if wanted else "not taken")
        outcome.count(case.grammar, "bytes", len(text.encode()))
        try:
            tokens, every = self.tokenizer.encode(text.encode()), self.options.masks
            taken = replay(self.compiled[case.grammar], tokens, self.mask, every)
            outcome.count(case.grammar, "tokens", min(taken + 1, len(tokens)))
            outcome.count(case.grammar, "masks", -(-min(taken + 1, len(tokens)) // every))
            if (taken > len(tokens)) != wanted:
                outcome.fault(case.grammar, "refused" if wanted else "accepted", "against lark")
        except sg.errors.LimitError as error:
            outcome.fault(case.grammar, "limit met", str(error))
        outcome.count(case.grammar, "seconds", time.process_time() - since)
        return outcome


if __name__ == "__main__":
    sys.exit(run(Library, __doc__))

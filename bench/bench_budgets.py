"""Is every text of the engine valid and within its budget, and is the budget that an error names the least?

    python bench/bench_budgets.py PATH... [--sample 200] [--texts 10] [--progress FILE]

PATH is a folder, tar or file of MaskBench; without it the environment's STRUCTGEN_MASKBENCH, and without that
nothing is measured. The embedded model writes `--texts` documents of each of `--sample` schemas, in batches,
with budgets drawn from the least up to twice as much and 40, at temperatures 0, 0.7 and 1.5; jsonschema-rs,
and where it refuses the arbiter of tests/oracles, judges what comes. A budget of one token is asked for, too:
the number in the error must suffice, and is held to the fewest tokens of any document, by breadth-first
search over (state, token) as far as that ends within its bounds.

With --progress each schema is a line of that file; a second run leaves out those that are there. The exit
status is 1 where a text was invalid, over its budget, or an error; or a number did not suffice, or was more
than 1.1 times the least. Writes bench/results/budgets-DATE.csv.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import functools
import json
import os
import random
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench_walks import read_progress, run
from least import least_tokens
from records import arguments, load, version, write
from walks import Judge, Outcome, Subject, subjects

import structgen as sg

DUMPS = {**sg.JSON_DUMPS, "escapes": "utf8"}
"""What the model was trained to write; and few ways to write a document, so that the search ends."""
OVER, INVALID, ERROR, SHORT, FAR = BAD = (
    "over its budget",
    "invalid",
    "error",
    "did not suffice",
    "more than 1.1 times the least",
)
TEMPERATURES = (0.0, 0.7, 1.5)


def attempt(subject: Subject, model: Any, tokenizer: sg.Tokenizer, options: argparse.Namespace) -> Outcome:
    """Return what came of one schema: texts by finish reason, faults, and what the least was found to be."""
    outcome = Outcome(subject.name)
    since = time.process_time()
    chance = random.Random(f"{options.seed} {subject.name}")
    engine = sg.Engine(model, tokenizer, max_rows=max(options.texts, 1))
    try:
        grammar = sg.json_schema(subject.schema, **{**DUMPS, **subject.options})
        least = _named(engine, grammar)
        if least + 10 > engine.model.context:
            outcome.verdict = "longer than the context"
            return outcome
        requests = [_request(grammar, least, engine.model.context, chance) for _ in range(options.texts)]
        results = engine.generate(requests)
    except sg.StructgenError as error:
        outcome.verdict = type(error).__name__
        outcome.faults.append({"kind": "compile", "why": f"{type(error).__name__}: {error}"[:400]})
        return outcome
    judge = Judge(subject)
    for request, result in zip(requests, results, strict=True):
        reason = result.finish_reason.value
        outcome.walks[reason] = outcome.walks.get(reason, 0) + 1
        outcome.tokens[reason] = outcome.tokens.get(reason, 0) + len(result.tokens)
        fault = f"{ERROR}: {result.error}" if result.error is not None else judge.fault(result.text.encode())
        if len(result.tokens) > request.max_tokens:
            fault = f"{OVER}: {len(result.tokens)} tokens of {request.max_tokens}"
        if fault is not None:
            outcome.faults.append({"kind": reason, "why": fault, "text": result.text})
    for fault in _examined(engine, grammar, least, options):
        outcome.faults.append(fault)
    outcome.seconds = time.process_time() - since
    return outcome


def _named(engine: sg.Engine, grammar: sg.Grammar) -> int:
    """Return the number that the error for a budget of one token names; 1 where one suffices."""
    try:
        engine.submit(sg.Request("?", grammar, max_tokens=1))[0].cancel()
    except sg.errors.BudgetError as error:
        assert error.minimum is not None
        return error.minimum
    return 1


def _request(grammar: sg.Grammar, least: int, context: int, chance: random.Random) -> sg.Request:
    most = min(2 * least + 40, context - 10)
    sampling = sg.Sampling(temperature=chance.choice(TEMPERATURES), seed=chance.randrange(1 << 32))
    return sg.Request("Write one.\n", grammar, sampling, max_tokens=chance.randint(least, max(most, least)))


def _examined(
    engine: sg.Engine, grammar: sg.Grammar, least: int, options: argparse.Namespace
) -> Iterable[dict[str, Any]]:
    """Yield what the number named came to: a fault, or how it compares with the least."""
    (result,) = engine.generate(sg.Request("?", grammar, sg.Sampling(seed=options.seed), max_tokens=least))
    if result.error is not None or len(result.tokens) > least:
        yield {"kind": "least", "why": f"{SHORT}: {least}, {result.error}"}
    compiled = engine.compiled(grammar)
    try:
        true = least_tokens(compiled, least, options.states, options.seconds)
    except sg.errors.LimitError:
        true = None
    if true is None:
        yield {"kind": "least", "why": "least not found: the search was too long"}
    elif least > max(1, 1.1 * true):
        yield {"kind": "least", "why": f"{FAR}: {least} named, {true} suffice"}
    else:
        what = "is the least" if least == max(true, 1) else "is within 1.1 times the least"
        yield {"kind": "least", "why": f"{what}: {least}"}


class Writer:
    """Writes documents, in a process of its own."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options

    @functools.cached_property
    def loaded(self) -> Any:
        """The model and its tokenizer, ready before a schema's time runs."""
        import torch

        from structgen.engine import load_model

        torch.set_num_threads(1)
        model, tokenizer = load_model("structgen/extract", device="cpu")
        sg.Matcher(sg.compile(sg.json_schema({}), tokenizer)).tokens_to_finish()
        return model, tokenizer

    def __call__(self, subject: Subject) -> Outcome:
        return attempt(subject, *self.loaded, self.options)


def totals(outcomes: Iterable[Outcome]) -> list[tuple[str, int]]:
    """Return what is counted: schemas by verdict, texts by finish reason, faults and findings by kind."""
    counts: collections.Counter[str] = collections.Counter()
    for outcome in outcomes:
        counts[f"schemas: {outcome.verdict}"] += 1
        for reason, texts in outcome.walks.items():
            counts["texts"] += texts
            counts[f"texts: {reason}"] += texts
            counts["tokens"] += outcome.tokens[reason]
        for fault in outcome.faults:
            if fault["kind"] != "compile":
                counts[f"{'least' if fault['kind'] == 'least' else 'texts'}: {_label(fault)}"] += 1
    return sorted(counts.items())


def _label(fault: dict[str, Any]) -> str:
    return str(fault["why"]).partition(":")[0]


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("paths", nargs="*", type=Path, help="default: STRUCTGEN_MASKBENCH")
    parser.add_argument("--sample", type=int, default=200, help="schemas, drawn by the seed")
    parser.add_argument("--texts", type=int, default=10, help="documents of each schema")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--states", type=int, default=100_000, help="of a search for the least")
    parser.add_argument("--seconds", type=float, default=20.0, help="of a search for the least")
    parser.add_argument("--timeout", type=float, default=300.0, help="seconds after which a schema is left")
    parser.add_argument("--minutes", type=float, default=1e9, help="no schema begins after so long")
    parser.add_argument("--progress", type=Path, help="a line for each schema; those it has are left out")
    options = parser.parse_args()
    if not options.paths and os.environ.get("STRUCTGEN_MASKBENCH"):
        options.paths = [Path(os.environ["STRUCTGEN_MASKBENCH"])]
    if not options.paths:
        print("Nothing written: give the path of MaskBench, or set STRUCTGEN_MASKBENCH to it.")
        return 0
    before, outcomes = load(), read_progress(options.progress)
    waiting = subjects(options.paths, options.seed, options.sample, frozenset(), frozenset(outcomes))
    progress = options.progress.open("a", encoding="utf-8") if options.progress else None
    for outcome in run(waiting, options, Writer):
        outcomes[outcome.name] = outcome
        for fault in outcome.faults:
            if _label(fault) in BAD:
                print(f"{outcome.name} {fault['why'][:300]}\n    {fault.get('text', '')[:200]!r}", flush=True)
        if progress is not None:
            print(json.dumps(dataclasses.asdict(outcome)), file=progress, flush=True)
    counted = totals(outcomes.values())
    about = {
        "load": f"{before} -> {load()}",
        "version": version(),
        "model": "structgen/extract",
        "policies": "json.dumps",
        "texts a schema": options.texts,
        "seed": options.seed,
    }
    for what, count in counted:
        print(f"{count:>8,} {what}")
    print(write(options.results, "budgets", about, ("what", "count"), counted))
    return 1 if any(_label(fault) in BAD for outcome in outcomes.values() for fault in outcome.faults) else 0


if __name__ == "__main__":
    sys.exit(main())

"""Is every text of the engine valid and within its budget, and is the budget that an error names the least?

    python bench/bench_budgets.py PATH... [--sample 200] [--texts 10] [--progress FILE]

PATH is a folder, tar or file of MaskBench; without it the environment's STRUCTGEN_MASKBENCH, and without that
nothing is measured. The embedded model writes `--texts` documents of each of `--sample` schemas, in batches,
with budgets drawn from the least up to twice as much and 40, at temperatures 0, 0.7 and 1.5; jsonschema-rs,
and where it refuses the arbiter of tests/oracles, judges what comes. A budget of one token is asked for, too:
the number in the error must suffice, and is held to the fewest tokens of any document, by breadth-first
search over (state, token) as far as that ends within its bounds.

The exit status is 1 where a text was invalid, over its budget, or an error; or a number did not suffice, or
was more than 1.1 times the least. Writes bench/results/budgets-DATE.csv.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable, Iterator

from judging import Outcome, Question, run
from walks import Judge, Subject, subjects

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


class Budgets(Question):
    """Writes documents within budgets. A refused schema has its error's name as the verdict."""

    name = "budgets"
    source = "STRUCTGEN_MASKBENCH"
    keys = ("what",)
    figures = ("count",)
    bad = BAD
    told = ("texts", "seed", "sample")

    @classmethod
    def add_options(cls, parser: argparse.ArgumentParser) -> None:
        parser.set_defaults(sample=200)
        parser.add_argument("--texts", type=int, default=10, help="documents of each schema")
        parser.add_argument("--states", type=int, default=100_000, help="of a search for the least")
        parser.add_argument("--seconds", type=float, default=20.0, help="of a search for the least")

    def cases(self, wanted: Callable[[str], bool]) -> Iterator[Subject]:
        return subjects(self.options.paths, self.options.seed, self.options.sample, wanted)

    def ready(self) -> None:
        import torch

        from structgen.engine import load_model

        torch.set_num_threads(1)
        self.model, self.tokenizer = load_model("structgen/extract", device="cpu")
        sg.Matcher(sg.compile(sg.json_schema({}), self.tokenizer)).tokens_to_finish()

    def judged(self, case: Subject) -> Outcome:
        outcome = Outcome(case.name)
        self._write(case, outcome)
        outcome.count(f"schemas: {outcome.verdict}", "count")
        return outcome

    def _write(self, case: Subject, outcome: Outcome) -> None:
        """Note texts by finish reason, faults, and what the least was found to be."""
        chance = random.Random(f"{self.options.seed} {case.name}")
        engine = sg.Engine(self.model, self.tokenizer, max_rows=max(self.options.texts, 1))
        context = engine.model.context - 10
        try:
            grammar = sg.json_schema(case.schema, **{**DUMPS, **case.options})
            least = _named(engine, grammar)
            if least > context:
                outcome.verdict = "longer than the context"
                return
            requests = [_request(grammar, least, context, chance) for _ in range(self.options.texts)]
            results = engine.generate(requests)
        except sg.StructgenError as error:
            outcome.verdict = type(error).__name__
            return
        judge = Judge(case)
        for request, result in zip(requests, results, strict=True):
            reason = f"texts: {result.finish_reason.value}"
            outcome.count("texts", "count")
            outcome.count(reason, "count")
            outcome.count("tokens", "count", len(result.tokens))
            fault = judge.fault(result.text.encode()) if result.error is None else f"{ERROR}: {result.error}"
            if len(result.tokens) > request.max_tokens:
                fault = f"{OVER}: {len(result.tokens)} tokens of {request.max_tokens}"
            if fault is not None:
                label, _, why = fault.partition(": ")
                outcome.fault(f"texts: {label}", label, why, figure="count", text=result.text)
        for label, why in self._examined(engine, grammar, least):
            outcome.fault(f"least: {label}", label, why, figure="count")

    def _examined(self, engine: sg.Engine, grammar: sg.Grammar, least: int) -> Iterator[tuple[str, str]]:
        """Yield what the number named came to: a fault, or how it compares with the least."""
        how = sg.Sampling(seed=self.options.seed)
        (result,) = engine.generate(sg.Request("?", grammar, how, max_tokens=least))
        if result.error is not None or len(result.tokens) > least:
            yield SHORT, f"{least}, {result.error}"
        compiled = engine.compiled(grammar)
        try:
            true = least_tokens(compiled, least, self.options.states, self.options.seconds)
        except sg.errors.LimitError:
            true = None
        if true is None:
            yield "least not found", "the search was too long"
        elif least > max(1, 1.1 * true):
            yield FAR, f"{least} named, {true} suffice"
        else:
            yield "is the least" if least == max(true, 1) else "is within 1.1 times the least", f"{least}"


def _named(engine: sg.Engine, grammar: sg.Grammar) -> int:
    """Return the number that the error for a budget of one token names; 1 where one suffices."""
    try:
        engine.submit(sg.Request("?", grammar, max_tokens=1))[0].cancel()
    except sg.errors.BudgetError as error:
        assert error.minimum is not None
        return error.minimum
    return 1


def _request(grammar: sg.Grammar, least: int, context: int, chance: random.Random) -> sg.Request:
    most = min(2 * least + 40, context)
    sampling = sg.Sampling(temperature=chance.choice(TEMPERATURES), seed=chance.randrange(1 << 32))
    return sg.Request("Write one.\n", grammar, sampling, max_tokens=chance.randint(least, max(most, least)))


def least_tokens(compiled: sg.CompiledGrammar, most: int, states: int, seconds: float) -> int | None:
    """Return the fewest tokens, the end token not counted, of any document; `most` where none has fewer than
    so many; None where that is not known after so many states, or seconds.

    It asks for masks and steps alone, and for nothing that the engine says of completions: each level of the
    search holds the states that so many tokens lead to, and to none before.
    """
    ends = compiled.end_tokens
    level, met, until = [compiled.start], {compiled.start}, time.monotonic() + seconds
    for count in range(most):
        if any(compiled.accepts_end(state) for state in level):
            return count
        ahead: list[sg.core.State] = []
        for state in level:
            if time.monotonic() > until:
                return None
            for token in compiled.allowed(state):
                after = None if token in ends else compiled.step(state, token)
                if after is not None and after not in met:
                    met.add(after)
                    ahead.append(after)
        if len(met) > states:
            return None
        level = ahead
    return most


if __name__ == "__main__":
    sys.exit(run(Budgets, __doc__))

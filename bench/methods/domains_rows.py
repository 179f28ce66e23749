"""Six ways to draw from five domains, at equal model rows: mask, rejection, `awrs`, `smc`, `beams`, `auto`.

    python bench/methods/domains_rows.py [--tasks 8] [--draws 6] [--seeds 8] [--domains sql goals]

The model is SmolLM2-135M-Instruct (`make smollm2`). Each way is asked for so many draws of a task, and has
the model rows for them: three for each token of the task's answer and its end, for each draw. Figures of a
domain and a way, means over its tasks:

    valid       the weight of draws that the checker accepts (below 1 for the mask alone, which does not ask)
    right       the weight of draws that answer the question
    answered    the share of tasks with a draw that the checker accepts
    rows        model rows; `checks`: calls of the checker

and on the small task of a domain, whose law is enumerated with the model's own rows (64 draws, at most 20
rows for each), means over seeds:

    error       total variation between the draws and the law of the model, given grammar and checker; the law
                is followed to all but a hundredth
    held        the share of intervals of log Z that hold it, a thousandth on either side being rounding;
                `given`: the share of runs that give an interval
"""

from __future__ import annotations

import functools
import importlib
import math
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import structgen as sg

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import records
from bench_published import enumerated

from methods.checked_domain import DomainTask, accepts
from methods.remembered_model import RememberedModel
from structgen.decoding.engine.model_prompts import ModelQuestion

DOMAINS = ("sql", "molecules", "goals", "patterns", "receipts")
WAYS = {"mask alone": "masked"} | {way: way for way in ("rejection", "awrs", "smc", "beams", "auto")}
SMALL_DRAWS, SMALL_ROWS = 64, 20
UNFOLLOWED = 0.01
"""The share of Z that may be missing from a law. A text has many tokenisations: all but a thousandth of the
goals of the small task took more than 11,000 rows."""
COLUMNS = (
    *("family", "method", "case", "tasks", "seeds", "valid", "right", "answered", "rows", "checks"),
    *("error", "held", "given"),
)


def passes(domain: str, task: DomainTask, text: str) -> bool:
    """Return whether the checker accepts a text; that of receipts reads values as they close."""
    return bool(task.checker.final(text)) if domain == "receipts" else accepts(task.checker, text)


class AskedTask:
    """A task behind the prompt of a model. Its rows are computed once, whichever way asks for them."""

    def __init__(self, engine: sg.Engine, task: DomainTask) -> None:
        self.task, self.compiled = task, engine.compiled(task.grammar)
        asked = ModelQuestion(task.messages() if engine.prompts.has_template() else task.text())
        self._prompt = [*engine.prompts.encode_question(asked, engine.tokenizer)]
        self._model = RememberedModel(engine, self._prompt)
        self._engine = sg.Engine(self._model, engine.tokenizer)

    def draw(self, way: str, **how: Any) -> sg.Samples[Any]:
        """Return the draws of a way; the mask alone does not ask the checker."""
        checkers = [] if way == "mask alone" else [self.task.checker]
        return self.draw_by(checkers=checkers, method=WAYS[way], **how)

    def draw_by(self, **how: Any) -> sg.Samples[Any]:
        """Return the draws of a method of `sg.sample`, with its options."""
        how = {"checkers": [self.task.checker], "max_tokens": self.task.max_tokens} | how
        return sg.sample(self._engine, self._prompt, self.compiled, **how)

    def law(self, domain: str) -> tuple[dict[str, float], float]:
        """Return the probability of each text that grammar and checker accept, and the mass of prefixes that
        were not followed: Z is the sum of the texts and at most that more."""
        goes_on = functools.cache(getattr(self.task.checker, "viable", lambda prefix: True))
        keeps = functools.partial(passes, domain, self.task)
        return enumerated(self._model.rows, self.compiled, self.task.max_tokens, keeps, goes_on, UNFOLLOWED)


def judged(domain: str, task: DomainTask, found: sg.Samples[Any]) -> dict[str, float]:
    """Return the figures of the draws of one task."""
    known = {text: passes(domain, task, text) for text in found.texts}
    right = {text: known[text] and task.is_right(text) for text in known}
    pairs = list(zip(found.texts, found.weights, strict=True))
    return {
        "valid": float(sum(weight for text, weight in pairs if known[text])),
        "right": float(sum(weight for text, weight in pairs if right[text])),
        "answered": float(any(known.values())),
        "rows": found.statistics.model_rows,
        "checks": found.statistics.checks,
    }


def against_law(law: dict[str, float], left: float, found: sg.Samples[Any]) -> dict[str, float]:
    """Return how far draws are from a law, and whether their interval of log Z holds; `left`: the mass that
    may be missing from the law."""
    z, mine = math.fsum(law.values()), defaultdict[str, float](float)
    for text, weight in zip(found.texts, found.weights, strict=True):
        mine[text] += float(weight)
    error = sum(abs(mine[text] - law.get(text, 0.0) / z) for text in {*mine, *law}) / 2 if mine else 1.0
    given = found.log_z_interval
    figures = {"error": error, "given": float(given is not None)}
    if given is not None:
        figures["held"] = float(given[0] - 1e-3 <= math.log(z + left) and math.log(z) <= given[1] + 1e-3)
    return figures


def rows(
    tasks: int = 8, draws: int = 6, seeds: int = 8, domains: tuple[str, ...] = DOMAINS, model: Any = None
) -> list[dict[str, Any]]:
    """Return a row for each domain, way and figure. `model`: an engine; SmolLM2 if it is left out. All
    rows have the same keys, and "" is no figure. A domain whose package is missing has one row."""
    engine = sg.Engine("smollm2") if model is None else model
    found = (row for name in domains for row in _of_domain(engine, name, tasks, draws, seeds))
    return [dict.fromkeys(COLUMNS, "") | row for row in found]


def _of_domain(engine: sg.Engine, name: str, count: int, draws: int, seeds: int) -> Iterator[dict[str, Any]]:
    domain = importlib.import_module(f"methods.domain_{name}")
    if domain.missing():
        yield {"family": "domains", "method": f"not measured: {domain.missing()}", "case": name}
        return
    every = domain.tasks()
    chosen = every[:: max(1, len(every) // count)][:count]
    figures: dict[str, dict[str, list[float]]] = {way: defaultdict(list) for way in WAYS}
    for at, task in enumerate(chosen):
        asked = AskedTask(engine, task)
        budget = 3 * draws * (len(engine.tokenizer.encode(task.answer.encode())) + 1)
        for way in WAYS:
            found = asked.draw(way, n=draws, budget=budget, seed=at)
            for figure, value in judged(name, task, found).items():
                figures[way][figure].append(value)
    asked = AskedTask(engine, domain.small())
    law, left = asked.law(name)
    for way in WAYS:
        for seed in range(seeds):
            found = asked.draw(way, n=SMALL_DRAWS, budget=SMALL_DRAWS * SMALL_ROWS, seed=seed)
            for figure, value in against_law(law, left, found).items():
                figures[way][figure].append(value)
    for way in WAYS:
        means = {figure: statistics.mean(values) for figure, values in figures[way].items()}
        yield {
            "family": "domains",
            "method": way,
            "case": name,
            "tasks": len(chosen),
            "seeds": seeds,
            **means,
        }


def main() -> None:
    """Print the rows, and write bench/results."""
    parser = records.arguments(__doc__)
    parser.add_argument("--tasks", type=int, default=8)
    parser.add_argument("--draws", type=int, default=6)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--domains", nargs="+", default=DOMAINS, choices=DOMAINS)
    asked = parser.parse_args()
    engine, done = sg.Engine("smollm2"), list[list[Any]]()
    for name in asked.domains:
        for row in rows(asked.tasks, asked.draws, asked.seeds, (name,), engine):
            done.append([f"{one:.4g}" if isinstance(one, float) else one for one in row.values()])
            print(" | ".join(map(str, done[-1])), flush=True)
        versions = records.versions("partialsmiles", "pddl", "torch")
        records.write(
            asked.results, "methods-domains", {"load": records.load(), "versions": versions}, COLUMNS, done
        )


if __name__ == "__main__":
    main()

"""Filling without a depth bound, and list operations: times of the chart, and shares of right results.

    python bench/methods/infilling_rows.py [--slots 64] [--draws 400]

Chart: any JSON value, and the values of a recursive schema, as json.dumps writes them, in the embedded
model's vocabulary (2,048 tokens), random logits. Times are process CPU, the least of 3 but for tables. All
slots masked: the masks by classes, log Z with marginals, the best filling. Then the masks after each commit
of that filling in a random order: the longest time from each share of filled slots on to the next. Beside it
the automaton of JSON at depth 4, with its sums (`lattice_sums`).

List operations on 5 items (`list_operations`): closed form and measured share of right results by slots a
step.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np

from methods.byte_rules import JSON, Rules
from methods.context_free_fill import OPEN, ContextFreeFill
from methods.lattice_sums import LatticeSums
from methods.list_operations import OPERATIONS, closed_form, measured
from methods.schema_rules import schema_rules
from methods.token_pushdown import token_pushdown
from structgen.decoding.infilling.automata_of_grammars import language_of
from structgen.decoding.infilling.lattice import Lattice, LatticeSlot
from structgen.decoding.infilling.presets import load_masked_model

TREES = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "size": {"type": "integer"},
        "parts": {"type": "array", "items": {"$ref": "#"}},
    },
    "required": ["name", "parts"],
    "additionalProperties": False,
}


def milliseconds(run: Callable[[], object], count: int = 3) -> float:
    """Return the least process CPU time of some runs."""
    taken = []
    for _ in range(count):
        began = time.process_time()
        run()
        taken.append(1e3 * (time.process_time() - began))
    return min(taken)


def row(method: str, case: str, figure: str, value: float, unit: str) -> dict[str, Any]:
    """Return a row of the family's table."""
    return {"method": method, "case": case, "figure": figure, "value": float(f"{value:.4g}"), "unit": unit}


def chart_rows(slots: int) -> list[dict[str, Any]]:
    """Measure the chart and the automaton of a depth."""
    model, tokenizer = load_masked_model("structgen/infill")
    left_out = {model.mask_id, *tokenizer.eos_token_ids, getattr(model, "null_id", -1)}
    tokens = [b"" if one in left_out else tokenizer.decode([one]) for one in range(tokenizer.vocab_size)]
    logits = 3 * np.random.default_rng(0).standard_normal((slots, len(tokens) + 1))
    found = []
    for name, rules in (("JSON", Rules(JSON, "value")), ("recursive schema", schema_rules(TREES))):
        began = time.process_time()
        tables = token_pushdown(rules, tokens)
        times = {"tables": 1e3 * (time.process_time() - began)}
        fill = ContextFreeFill(tables, [OPEN] * slots, logits, 1)
        times["all masks"] = milliseconds(fill.class_masks)
        times["log Z and marginals"] = milliseconds(fill.marginals)
        times["best filling"] = milliseconds(fill.best)
        _, best = fill.best()
        for done, slot in enumerate(np.random.default_rng(2).permutation(slots)[:-1].tolist(), 1):
            fill.tokens[slot] = best[slot]
            share = f"masks after a commit, {25 * (4 * done // slots)} % and more filled"
            times[share] = max(times.get(share, 0.0), milliseconds(fill.class_masks))
        size = f"{name}, {slots} slots, {tables.states} states, {tables.classes} classes"
        found += [row("context-free fill", size, figure, value, "ms") for figure, value in times.items()]
    built = milliseconds(lambda: language_of(True, tokenizer, "JSON", depth=4), 1)
    automaton = language_of(True, tokenizer, "JSON", depth=4).automaton
    lattice = Lattice(automaton, [LatticeSlot()] * slots)
    for slot in range(slots):
        lattice.set_logits(slot, logits[slot, :-1].astype(np.float32))

    size = f"JSON, {slots} slots, {automaton.states} states, {automaton.classes} classes"
    times = {
        "tables": built,
        "all masks": milliseconds(lambda: Lattice(automaton, [LatticeSlot()] * slots).forced_slots()),
        "log Z and marginals": milliseconds(lambda: LatticeSums(lattice).marginals),
        "best filling": milliseconds(lambda: LatticeSums(lattice).best()),
    }
    return found + [row("automaton, depth 4", size, figure, value, "ms") for figure, value in times.items()]


def list_rows(draws: int) -> list[dict[str, Any]]:
    """Measure each operation at some rates."""
    found = []
    for operation in OPERATIONS:
        for rate in (1, 2, 3, 6):
            case = f"{operation}, {rate} a step"
            figures = {
                "closed form": closed_form(operation, 5, rate),
                f"right of {draws} draws": measured(operation, "cadbe", rate, draws),
            }
            if rate == 6:
                few = max(1, draws // 4)
                right = measured(operation, "cadbe", rate, few, with_grammar=True)
                figures[f"right of {few} draws under a grammar"] = right
            found += [row("list operations", case, figure, value, "") for figure, value in figures.items()]
    return found


def rows(slots: int = 64, draws: int = 400) -> list[dict[str, Any]]:
    """Return all rows."""
    return [*chart_rows(slots), *list_rows(draws)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slots", type=int, default=64)
    parser.add_argument("--draws", type=int, default=400)
    asked = parser.parse_args()
    for one in rows(asked.slots, asked.draws):
        print("  ".join(str(value) for value in one.values()), flush=True)

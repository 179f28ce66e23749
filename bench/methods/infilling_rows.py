"""Filling without a depth bound, and list operations: times of the chart, and shares of right results.

    python bench/methods/infilling_rows.py [--slots 64] [--draws 400]

Chart: JSON as json.dumps writes it, in the embedded model's vocabulary (2,048 tokens), random logits, process
CPU milliseconds: the masks of all slots, by classes (least of 3), log Z and marginals, the best filling;
and the masks after each commit of that filling in a random order, at a quarter, a half and three quarters.
Beside it the automaton of the same grammar at depth 4, in `structgen.infilling.lattice`.

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
from methods.list_operations import OPERATIONS, closed_form, measured
from methods.token_pushdown import token_pushdown
from structgen.infilling.automata_of_grammars import language_of
from structgen.infilling.lattice import Lattice
from structgen.infilling.presets import load_masked_model


def milliseconds(run: Callable[[], object], count: int = 3) -> float:
    """Return the least process CPU time of some runs."""
    taken = []
    for _ in range(count):
        began = time.process_time()
        run()
        taken.append(1e3 * (time.process_time() - began))
    return min(taken)


def chart_rows(slots: int) -> list[dict[str, Any]]:
    """Measure the chart and the automaton of a depth."""
    model, tokenizer = load_masked_model("structgen/infill")
    left_out = {model.mask_id, *tokenizer.eos_token_ids, getattr(model, "null_id", -1)}
    tokens = [b"" if one in left_out else tokenizer.decode([one]) for one in range(tokenizer.vocab_size)]
    began = time.process_time()
    tables = token_pushdown(Rules(JSON, "value"), tokens)
    built = time.process_time() - began
    logits = 3 * np.random.default_rng(0).standard_normal((slots, len(tokens) + 1))
    fill = ContextFreeFill(tables, [OPEN] * slots, logits)
    ContextFreeFill(tables, [OPEN] * 4, logits[:4]).best()  # compiles
    row: dict[str, Any] = {
        "family": "infilling",
        "method": "context-free fill",
        "case": f"JSON, {slots} slots",
        "states": tables.states,
        "classes": tables.classes,
        "tables_s": built,
        "masks_ms": milliseconds(fill.class_masks),
        "marginals_ms": milliseconds(fill.marginals),
        "best_ms": milliseconds(fill.best),
    }
    _, best = fill.best()
    for done, slot in enumerate(np.random.default_rng(2).permutation(slots)[: slots * 3 // 4].tolist(), 1):
        fill.tokens[slot] = best[slot]
        if done * 4 % slots == 0:
            row[f"masks_ms_{100 * done // slots}_percent_filled"] = milliseconds(fill.class_masks)
    began = time.process_time()
    automaton = language_of(True, tokenizer, "JSON", depth=4).automaton
    built = time.process_time() - began

    def masks() -> None:
        Lattice(automaton, [OPEN] * slots).forced()

    lattice = Lattice(automaton, [OPEN] * slots)
    for slot in range(slots):
        lattice.set_logits(slot, logits[slot, :-1].astype(np.float32))

    def fresh(run: Callable[[], object]) -> None:
        lattice._weights.clear()
        run()

    return [
        row,
        {
            "family": "infilling",
            "method": "automaton, depth 4",
            "case": f"JSON, {slots} slots",
            "states": automaton.states,
            "classes": automaton.classes,
            "tables_s": built,
            "masks_ms": milliseconds(masks),
            "marginals_ms": milliseconds(lambda: fresh(lattice.marginals)),
            "best_ms": milliseconds(lambda: fresh(lattice.best)),
        },
    ]


def list_rows(draws: int) -> list[dict[str, Any]]:
    """Measure each operation at some rates."""
    found = []
    for operation in OPERATIONS:
        for rate in (1, 2, 3, 6):
            figures = {"closed_form": closed_form(operation, 5, rate), "draws": draws}
            figures["measured"] = measured(operation, "cadbe", rate, draws)
            if rate == 6:
                few = figures["draws_with_grammar"] = max(1, draws // 4)
                figures["with_grammar"] = measured(operation, "cadbe", rate, few, with_grammar=True)
            case = f"{operation}, {rate} a step"
            found.append({"family": "infilling", "method": "list operations", "case": case} | figures)
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
        told = "  ".join(f"{name} {value:.4g}" for name, value in one.items() if not isinstance(value, str))
        print(f"{one['method']}: {one['case']}  {told}", flush=True)

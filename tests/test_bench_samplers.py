"""The frozen tasks of bench/bench_samplers.py: they have not changed, and their exact laws are right."""

from __future__ import annotations

import json
import math
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

import structgen as sg
from structgen.decoding.samplers.methods import METHODS
from structgen.tokens.token_mask import TokenMask, allocate_mask

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))

import bench_samplers
import sampler_tasks

NAMES = list(sampler_tasks.tasks())


def test_a_frozen_task_has_not_changed() -> None:
    """Vocabulary, counts of the n-gram, schema, length and checker; of all three where the law is asked."""
    kept = json.loads(sampler_tasks.FROZEN.read_text())["unique-at-end"]
    assert sampler_tasks.tasks()["unique-at-end"].digest() == kept["digest"]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_exact_law_of_a_task_is_the_frozen_one(name: str) -> None:
    kept = json.loads(sampler_tasks.FROZEN.read_text())[name]
    found = sampler_tasks.frozen(sampler_tasks.tasks()[name])
    marginals, others = found.pop("marginals"), kept.pop("marginals")
    assert found.pop("digest") == kept.pop("digest")
    assert found == pytest.approx(kept, rel=1e-6)
    assert marginals.keys() == others.keys()
    for field in marginals:
        assert marginals[field] == pytest.approx(others[field], abs=1e-9)


def _enumerated(
    task: sampler_tasks.Task,
) -> tuple[float, dict[str, dict[str, float]], dict[tuple[int, ...], float]]:
    """Return Z, the marginals and the law by writing every text, with the masks of our own grammar."""
    compiled = sg.compile(task.grammar, task.tokenizer)
    masks = allocate_mask(1, compiled.vocab_size)
    mask = masks if isinstance(masks, TokenMask) else TokenMask(masks, compiled.vocab_size)
    law: dict[tuple[int, ...], float] = {}

    def visit(tokens: tuple[int, ...], state: int, probability: float) -> None:
        row = task.probabilities(tokens[1 - task.order :])
        compiled.fill_index(state, mask, 0)
        after = {}
        left = task.max_tokens - len(tokens)
        for token in mask.allowed(0).tolist():
            if token != task.end and row[token] > 0 and left:
                there = compiled.next_index(state, token)
                if left > 1 or compiled.may_end(there):
                    after[token] = there
        end = row[task.end] if compiled.may_end(state) else 0.0
        text = task.text(tokens)
        if not all(checker.viable(text) for checker in task.checkers if hasattr(checker, "viable")):
            return
        if end and all(checker.final(text) for checker in task.checkers):
            law[tokens] = probability * end
        for token, there in after.items():
            visit((*tokens, token), there, probability * row[token])

    visit((), compiled.start.index, 1.0)
    z = math.fsum(law.values())
    marginals: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for tokens, probability in law.items():
        for name, value in json.loads(task.text(tokens)).items():
            for field, said in _fields(task, name, value):
                marginals[field][said] += probability / z
    return z, marginals, law


def _fields(task: sampler_tasks.Task, name: str, value: Any) -> list[tuple[str, str]]:
    """Return the fields of a member as JSON has it: a value, the length and first letter of words, or the
    items that an array has in any case, and how many there are where that may differ."""
    (member,) = (one for one in task.members if one.field == name)
    if isinstance(member, sampler_tasks.Words):
        return [(f"{name}.length", str(len(value))), (f"{name}.first", value[0])]
    if isinstance(member, sampler_tasks.Pick):
        return [(name, value)]
    count = [(f"{name}.count", str(len(value)))] if member.least < member.most else []
    return [(f"{name}.{at}", value[at]) for at in range(member.least)] + count


@pytest.mark.parametrize("name", NAMES)
def test_the_dynamic_programme_is_what_enumeration_finds(name: str) -> None:
    """On a shrunken task: Z and the fields' marginals, and the exact draws."""
    task = sampler_tasks.shrunken()[name]
    z, marginals, law = _enumerated(task)
    exact = task.law
    assert exact.z == pytest.approx(z, rel=1e-9)
    assert exact.marginals.keys() == marginals.keys()
    for field in marginals:
        assert dict(marginals[field]) == pytest.approx(exact.marginals[field], rel=1e-9)
    assert set(exact.draw(50, 1)) <= law.keys()
    assert sampler_tasks.field_error(exact.marginals, marginals) < 1e-9
    read = task.marginals([task.text(tokens).decode() for tokens in law], [*law.values()])
    assert sampler_tasks.field_error(marginals, read) < 1e-9


# --- the bench itself ---------------------------------------------------------------------------------------


def _outcome(task: str, method: str, seed: int, error: float, rows: int = 100) -> dict[str, Any]:
    return {
        "task": task,
        "method": method,
        "seed": seed,
        "rows": rows,
        "error": error,
        "model_rows": rows,
        "draws": 10,
        "attempts": 12,
        "log_z": None,
        "cpu_s": 1.0,
        "wall_s": 2.0,
    }


def test_ratios_are_of_the_best_published_method_seed_by_seed() -> None:
    """A constant ratio over the seeds has no standard error, whatever the errors' own spread is."""
    errors = {"masked": (0.4, 0.8), "smc": (0.2, 0.4), "auto": (0.1, 0.2), "ideal": (0.05, 0.05)}
    outcomes = [
        _outcome("free-text", method, seed, error)
        for method, values in errors.items()
        for seed, error in enumerate(values)
    ]
    rows = {row["method"]: row for row in bench_samplers.table(outcomes)}
    assert rows["auto"]["best_published"] == "smc"
    assert rows["auto"]["ratio_to_best_published"] == pytest.approx(0.5)
    assert rows["auto"]["ratio_se"] == pytest.approx(0.0, abs=1e-12)
    assert rows["auto"]["above_best"] == pytest.approx(0.0)
    assert rows["masked"]["floor"] == pytest.approx(0.05)


@pytest.mark.parametrize("method", [*METHODS, "mcmc"])
def test_every_method_runs_on_a_task_with_a_checker(method: str) -> None:
    """Its draws have the fields of the task, and it reads no more rows than it may."""
    task = sampler_tasks.shrunken()["unique-at-end"]
    exact = {"marginals": task.law.marginals, "z": task.law.z}
    outcome = bench_samplers.attempt(task, exact, method, 1, 400)
    assert outcome["draws"] > 0 and outcome["model_rows"] <= 400
    assert 0 <= outcome["error"] < 0.6

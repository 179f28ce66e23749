"""The frozen tasks of bench/bench_samplers.py: they have not changed, and their exact laws are right."""

from __future__ import annotations

import json
import math
import sys
from collections import defaultdict
from pathlib import Path

import pytest

import structgen as sg
from structgen.masks.mask import TokenMask, allocate_mask

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))

import sampler_tasks

NAMES = list(sampler_tasks.tasks())


@pytest.mark.parametrize("name", NAMES)
def test_a_frozen_task_has_not_changed(name: str) -> None:
    """Vocabulary, counts of the n-gram, schema, length and checker are those that were frozen."""
    kept = json.loads(sampler_tasks.FROZEN.read_text())[name]
    found = sampler_tasks.frozen(sampler_tasks.tasks()[name], exact=False)
    assert {key: kept[key] for key in found} == found


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
    task: sampler_tasks.Task, *, masked: bool
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
        mass = end + sum(row[token] for token in after) if masked else 1.0
        text = b"".join(task.tokens[token] or b"" for token in tokens)
        if not all(checker.viable(text) for checker in task.checkers):
            return
        if end and all(checker.final(text) for checker in task.checkers):
            law[tokens] = probability * end / mass
        for token, there in after.items():
            visit((*tokens, token), there, probability * row[token] / mass)

    visit((), compiled.start.index, 1.0)
    z = math.fsum(law.values())
    marginals: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for tokens, probability in law.items():
        text = b"".join(task.tokens[token] or b"" for token in tokens).decode()
        for field, value in task.fields(text).items():
            marginals[field][value] += probability / z
    return z, marginals, law


@pytest.mark.parametrize("name", NAMES)
def test_the_dynamic_programme_is_what_enumeration_finds(name: str) -> None:
    """On a shrunken task: Z and the fields' marginals, of the target and of masking, and the exact draws."""
    task = sampler_tasks.shrunken()[name]
    exact = task.law
    for masked, z, marginals in (
        (False, exact.z, exact.marginals),
        (True, exact.masked_z, exact.masked_marginals),
    ):
        true_z, true_marginals, law = _enumerated(task, masked=masked)
        assert z == pytest.approx(true_z, rel=1e-9)
        assert marginals.keys() == true_marginals.keys()
        for field in marginals:
            assert dict(true_marginals[field]) == pytest.approx(marginals[field], rel=1e-9)
        if not masked:
            assert set(exact.draw(50, 1)) <= law.keys()
            assert sampler_tasks.field_error(marginals, true_marginals) < 1e-9

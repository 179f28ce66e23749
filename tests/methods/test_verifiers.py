"""Verifiers as references: each draws from the masked target's law, and accepts as often as its closed form
says; the closed form of the optimum is that of linear programming."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from methods.verifiers import optimal_transport, recursive_rejection, single_draft, spectr

import structgen as sg

DRAWS = 1_000
CHI_SQUARE = {2: 18.4, 3: 21.1, 4: 23.5, 5: 25.7}
"""By degrees of freedom: exceeded once in 10,000 times."""


def masked_laws(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a target's and a drafter's law under the mask of a grammar that allows six tokens of 256."""
    tokenizer = sg.Tokenizer.from_bytes([*(bytes((byte,)) for byte in range(256)), None], eos_token_id=256)
    matcher, mask = sg.Matcher(sg.compile(sg.regex("[b-g]x"), tokenizer)), sg.allocate_mask(1, 257)
    matcher.fill_mask(mask)
    allowed = mask.allowed()
    assert allowed.tolist() == list(b"bcdefg")
    logits = np.random.default_rng(seed).standard_normal((2, 257))[:, allowed]
    p, q = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return p, q


def drawer(name: str, p: Any, q: Any, k: int) -> tuple[Callable[[Any], tuple[int, bool]], float]:
    """Return what draws a token, and how likely it is a draft."""
    if name == "optimal":
        return optimal_transport.Transport(p, q, k).draw, optimal_transport.acceptance(p, q, k)
    if name == "optimal, without":
        made = optimal_transport.Transport(p, q, k, replacing=False)
        return made.draw, optimal_transport.acceptance(p, q, k, replacing=False)
    module: Any = {"single": single_draft, "spectr": spectr, "recursive": recursive_rejection}[name]
    return lambda random: module.draw(p, q, k, random), module.acceptance(p, q, k)


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("name", ["single", "spectr", "recursive", "optimal", "optimal, without"])
def test_each_verifier_draws_from_the_masked_target_and_accepts_as_its_closed_form_says(
    name: str, k: int
) -> None:
    p, q = masked_laws(k)
    draw, share = drawer(name, p, q, k)
    random = np.random.default_rng(7)
    found = [draw(random) for _ in range(DRAWS)]
    counts = np.bincount([token for token, _ in found], minlength=len(p))
    assert ((counts - DRAWS * p) ** 2 / (DRAWS * p)).sum() < CHI_SQUARE[len(p) - 1]
    accepted = np.mean([is_draft for _, is_draft in found])
    assert abs(accepted - share) <= 4.5 * np.sqrt(share * (1.0 - share) / DRAWS)


def by_linear_programming(p: Any, sets: dict[frozenset[int], float]) -> float:
    """Return the most that drafts of these sets can be accepted, as scipy solves it."""
    linprog = pytest.importorskip("scipy.optimize").linprog
    edges = [(at, token) for at, own in enumerate(sets) for token in own]
    lhs = np.zeros((len(sets) + len(p), len(edges)))
    for column, (at, token) in enumerate(edges):
        lhs[at, column] = lhs[len(sets) + token, column] = 1.0
    return -linprog(-np.ones(len(edges)), A_ub=lhs, b_ub=[*sets.values(), *p], method="highs").fun


@pytest.mark.parametrize("replacing", [True, False])
@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("oracle", ["largest flow", "linear program"])
def test_the_closed_form_of_the_optimum_is_that_of_the_program(k: int, replacing: bool, oracle: str) -> None:
    for seed in range(8):
        p, q = np.random.default_rng(seed).dirichlet(np.ones(5), 2)
        closed = optimal_transport.acceptance(p, q, k, replacing=replacing)
        if oracle == "largest flow":
            flow = optimal_transport.transport(p, q, k, replacing=replacing)
            best = sum(flow.values())
        else:
            best = by_linear_programming(p, optimal_transport.laws_of_sets(q, k, replacing=replacing))
        assert abs(best - closed) < 1e-12


def test_no_verifier_accepts_more_than_the_optimum_and_more_drafts_never_less() -> None:
    for seed in range(20):
        p, q = np.random.default_rng(seed).dirichlet(np.ones(5), 2)
        with_, without = (
            [optimal_transport.acceptance(p, q, k, replacing=replacing) for k in (1, 2, 3)]
            for replacing in (True, False)
        )
        assert with_ == sorted(with_) and without == sorted(without)
        assert with_[0] == pytest.approx(single_draft.acceptance(p, q)) == pytest.approx(without[0])
        for k in (2, 3):
            assert spectr.acceptance(p, q, k) <= with_[k - 1] + 1e-9
            assert recursive_rejection.acceptance(p, q, k) <= without[k - 1] + 1e-9

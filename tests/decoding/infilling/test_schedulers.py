"""What the schedulers fill, against their definitions; and the law of their draws from left to right."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from toy_models import Toy, byte_tokenizer, filled

from structgen.decoding.infilling.schedulers import ConfidentPrefix, find_scheduler


class Sure(Toy):
    """Sure of "z" in the slots behind a prompt of one token, but for two of them."""

    def forward(self, ids: np.ndarray) -> np.ndarray:
        logits = np.zeros((len(ids), self.vocab_size), np.float32)
        logits[1:, ord("z")] = 12.0
        logits[[3, 4], ord("z")] = 5.0  # 0.85 among 26 letters
        return logits


@pytest.mark.parametrize(
    ("how", "block", "steps"),
    [
        ({}, None, [[0, 1], [2], [3, 4, 5, 6, 7]]),
        ({"sure": 0.8}, None, [[0, 1, 2, 3, 4, 5, 6, 7]]),
        ({"sure": 1.0}, None, [[slot] for slot in range(8)]),
        ({"scheduler": "left-to-right"}, None, [[slot] for slot in range(8)]),
        ({}, 5, [[0, 1], [2], [3, 4], [5, 6, 7]]),
    ],
)
def test_a_confident_prefix_ends_before_a_slot_that_is_not_sure_and_with_its_block(
    how: dict[str, object], block: int | None, steps: list[list[int]]
) -> None:
    model = Sure(byte_tokenizer())
    model.block_length = block
    found = filled("{a: /[a-z]{8}/, 8}", model, length="exact", **how)
    assert [[one.position for one in step.committed] for step in found.steps[1:]] == steps
    assert found.usage.steps == len(steps)


def test_the_default_is_the_confident_prefix() -> None:
    assert find_scheduler("auto") == find_scheduler("confident-prefix") == ConfidentPrefix(0.95)


class Fixed(Toy):
    """Logits for "a", "b", "c" in three slots that do not depend on the canvas."""

    logits = np.random.default_rng(3).standard_normal((3, 3))

    def forward(self, ids: np.ndarray) -> np.ndarray:
        rows = np.full((len(ids), self.vocab_size), -40.0, np.float32)
        rows[1:4, [97, 98, 99]] = self.logits
        return rows


def product(texts: list[str]) -> dict[str, float]:
    """Return the joint law of texts of three letters."""
    tables = np.exp(Fixed.logits)
    weights = {one: math.prod(tables[at][ord(c) - 97] for at, c in enumerate(one)) for one in texts}
    return {one: weight / sum(weights.values()) for one, weight in weights.items()}


def one_by_one(texts: list[str]) -> dict[str, float]:
    """Return the law in which each letter has its own probability among those that may stand there."""
    found = {}
    tables = np.exp(Fixed.logits)
    for text in texts:
        chance = 1.0
        for at, letter in enumerate(text):
            may = {other[at] for other in texts if other[:at] == text[:at]}
            chance *= tables[at][ord(letter) - 97] / sum(tables[at][ord(one) - 97] for one in may)
        found[text] = chance
    return found


def far(one: dict[str, float], other: dict[str, float]) -> float:
    return 0.5 * sum(abs(one.get(text, 0.0) - other.get(text, 0.0)) for text in {*one, *other})


HOW = ({"scheduler": "left-to-right"}, {}, {"sure": 0.4}, {"sure": 0.0})


@pytest.mark.parametrize(
    ("how", "draws"),
    [
        *((one, 250) for one in (HOW[0], HOW[2])),
        *(pytest.param(one, 6_000, marks=pytest.mark.slow) for one in HOW),
    ],
    ids=str,
)
def test_from_the_left_a_language_has_the_law_of_masking(how: dict[str, object], draws: int) -> None:
    texts = ["abc", "acb", "baa", "bab", "bac", "bba", "bbb", "caa"]
    template, options = "{a: /abc|acb|ba[abc]|bb[ab]|caa/, 3}", {"length": "exact", "temperature": 1.0}
    counted = Counter(
        filled(template, Fixed(byte_tokenizer()), seed=seed, **options, **how).text for seed in range(draws)
    )
    found = {text: count / draws for text, count in counted.items()}
    assert far(found, one_by_one(texts)) < 0.08 < 0.1 < far(found, product(texts))
    # of a language of independent slots that is the joint law
    texts = ["".join(one) for one in itertools.product("ab", "bc", "abc")]
    assert far(one_by_one(texts), product(texts)) < 1e-12

"""Momentum decoding leaves loops in free text, and nothing else."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from methods.momentum import Momentum, MomentumState
from strategy_models import Table

import structgen as sg
from structgen.decoding.engine import Engine, Request, Sampling

LETTERS = [bytes([97 + at]) for at in range(12)]
WORDS = sg.Tokenizer.from_bytes([*LETTERS, b"<end>"], eos_token_id=12)
GREEDY = Sampling(temperature=0.0)
MOMENTUM = Sampling(temperature=0.0, strategy=Momentum())


def _twin(history: list[int], token: int) -> float:
    """Return the resistance in quadratic time: the longest run that ends with the token and was there."""
    length = 0
    for n in range(1, len(history) + 2):
        run = [*history[len(history) - n + 1 :], token]
        if not any(history[at : at + n] == run for at in range(len(history) - n + 1)):
            break
        length = n
    return [0.0, 1.0, 3.0, 4.0, 5.0, 6.0][length] if length <= 5 else 1e9


def test_the_resistance_is_that_of_a_quadratic_twin() -> None:
    numbers = random.Random(3)
    for _ in range(60):
        size = numbers.randint(1, 4)
        history = [numbers.randrange(size) for _ in range(numbers.randint(0, 40))]
        state = MomentumState(Momentum(), history)
        for token in range(size + 1):
            assert state.resistance(token) == _twin(history, token)


def test_the_score_is_probability_minus_resistance() -> None:
    state = MomentumState(Momentum(alpha=0.1, k=2), [0, 1, 0])
    logits = np.log(np.array([0.2, 0.5, 0.3]))
    found = state.kept(np.arange(3), logits, 0.0, 3)
    assert found is not None
    assert found.tolist() == pytest.approx([-math.inf, 0.5 - 0.1 * 3.0, 0.3])


def _looping(period: int) -> Table:
    """Return a model that prefers a loop of letters."""

    def law(tokens: tuple[int, ...]) -> list[float]:
        after = (tokens[-1] + 1) % period
        return [3.0 if token == after else 0.1 * token for token in range(12)] + [-20.0]

    return Table(law, 13, 1)


@pytest.mark.parametrize("period", [1, 2, 3, 4, 5])
def test_a_planted_loop_is_left_within_six_tokens(period: int) -> None:
    prompt = [at % period for at in range(4 * period)]
    plain, left = (
        Engine(_looping(period), WORDS).generate(Request(prompt, None, how, max_tokens=12))[0]
        for how in (GREEDY, MOMENTUM)
    )
    loop = [(len(prompt) + at) % period for at in range(12)]
    assert plain.tokens == loop
    assert left.tokens[:6] != loop[:6]


def _json_model(spell: str) -> tuple[Table, sg.Tokenizer]:
    """Return a model that writes a text over and over, and its tokenizer of single bytes."""
    tokenizer = sg.Tokenizer.from_bytes([*(bytes([at]) for at in range(256)), b"<end>"], eos_token_id=256)

    def law(tokens: tuple[int, ...]) -> list[float]:
        written = bytes(tokens[1:]).decode("latin-1")
        after = (spell + " " * 200)[len(written)] if spell.startswith(written) else "!"
        return [6.0 if chr(at) == after else 0.0 for at in range(256)] + [-3.0]

    return Table(law, 257, 400), tokenizer


def _document(spell: str, schema: object, how: Sampling) -> str:
    model, tokenizer = _json_model(spell)
    grammar = sg.json_schema(schema, whitespace="compact")
    (result,) = Engine(model, tokenizer).generate(Request([0], grammar, how, max_tokens=200))
    assert result.error is None
    return result.text


def test_equal_objects_of_an_array_are_not_disturbed() -> None:
    items = {
        "type": "object",
        "properties": {"size": {"enum": ["small", "sound"]}, "count": {"type": "integer"}},
        "required": ["size", "count"],
        "additionalProperties": False,
    }
    schema = {"type": "array", "items": items, "minItems": 4, "maxItems": 4}
    spell = "[" + ",".join(['{"size":"small","count":1111}'] * 4) + "]"
    assert _document(spell, schema, GREEDY) == spell
    assert _document(spell, schema, MOMENTUM) == spell


def test_keys_of_an_open_object_are_not_disturbed_and_strings_are() -> None:
    schema = {
        "type": "array",
        "items": {"type": "object", "additionalProperties": {"type": "integer"}},
        "maxItems": 3,
    }
    spell = '[{"kilogram":1},{"kilogram":1},{"kilogram":1}]'
    assert _document(spell, schema, MOMENTUM) == spell
    words = '["kilogram","kilogram","kilogram"]'
    strings = {"type": "array", "items": {"type": "string", "maxLength": 9}, "minItems": 3, "maxItems": 3}
    assert _document(words, strings, GREEDY) == words
    assert _document(words, strings, MOMENTUM) != words

"""`sg.sample`: what it takes, what it refuses, and what ends a run."""

from __future__ import annotations

import json
import math
import time

import numpy as np
import pytest
from exact import Bigram, tokenizer

import structgen as sg

ALIVE = (b"a", b"b", b"c", b"ab", b"ba")
TOKENIZER = tokenizer()
WORDS = sg.regex("[abc]{1,6}")


def draw(n=10, model=None, **options):
    options = {"tokenizer": TOKENIZER, "name": "bigram", "max_tokens": 8} | options
    return sg.sample(model or Bigram(1, ALIVE), "a", WORDS, n, **options)


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"top_p": 0.9}, "top_p"),
        ({"top_k": 5}, "top_k"),
        ({"min_p": 0.1}, "min_p"),
        ({"presence_penalty": 1.0}, "presence_penalty"),
        ({"temperature": 0}, "temperature"),
        ({"temperature": math.nan}, "temperature"),
        ({"temperature": -1.0}, "temperature"),
        ({"method": "cras"}, "method"),
        ({"budget": 0}, "budget"),
        ({"budget": 1.5}, "budget"),
        ({"seconds": 0}, "seconds"),
        ({"standard_error": math.inf}, "standard_error"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"n": 0}, "n"),
        ({"n": True}, "n"),
        ({"seed": -1}, "seed"),
        ({"name": ""}, "model"),
        ({"tokenizer": None}, "model"),
    ],
)
def test_an_option_without_a_meaning_is_refused_by_name(options, where):
    with pytest.raises(sg.StructgenError) as caught:
        draw(**options)
    assert caught.value.where == where


@pytest.mark.parametrize("prompt", [[1.5], ["a"], "\ud800", [10**9], [-1], [True]])
def test_a_prompt_that_is_none_is_refused(prompt):
    with pytest.raises(sg.OptionError, match="prompt"):
        sg.sample(Bigram(1, ALIVE), prompt, WORDS, 1, tokenizer=TOKENIZER, name="bigram")


def test_a_keyword_that_does_not_exist_is_a_type_error():
    with pytest.raises(TypeError, match="metod"):
        draw(metod="cars")


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_logits_that_are_no_numbers_are_an_error(bad):
    with pytest.raises(sg.StructgenError, match="logits"):
        draw(model=lambda ids: np.full(TOKENIZER.vocab_size, bad))


def test_a_row_of_the_wrong_length_is_an_error():
    with pytest.raises(sg.OptionError, match="shape"):
        draw(model=lambda ids: np.zeros(3))


@pytest.mark.parametrize("method", ["auto", "cars", "importance", "smc", "asap", "rejection", "masked"])
def test_a_budget_ends_a_run_with_what_is_known(method):
    model = Bigram(1, ALIVE)
    found = draw(100_000, model, method=method, budget=40)
    assert found.statistics.stopped in ("budget", "exhausted")
    assert model.asked == found.statistics.model_rows <= 40
    low, high = found.bracket
    assert 0 <= low <= high <= 1


def test_seconds_end_a_run():
    def slow(ids):
        time.sleep(0.01)
        return Bigram(1, ALIVE)(ids)

    found = draw(100_000, slow, method="rejection", seconds=0.2)
    assert found.statistics.stopped == "seconds"


def test_an_interrupt_returns_what_is_known():
    told = []

    def model(ids):
        told.append(ids)
        if len(told) == 200:
            raise KeyboardInterrupt
        return Bigram(1, ALIVE)(ids)

    found = draw(100_000, model, method="rejection")
    assert found.statistics.stopped == "interrupted"


def test_a_run_ends_once_log_z_is_known_well_enough():
    found = draw(100_000, method="importance", standard_error=0.05)
    assert found.statistics.stopped == "standard_error"


def test_equal_seeds_give_equal_draws_and_others_do_not():
    first, second, third = (draw(30, method="cars", seed=seed).token_ids for seed in (4, 4, 5))
    assert first == second != third


def test_progress_is_told():
    seen = []
    draw(50, method="cars", progress=seen.append)
    assert seen[0].wanted == 50


def test_draws_are_written_as_lines_of_json(tmp_path):
    found = draw(20, method="importance")
    found.to_jsonl(tmp_path / "draws.jsonl")
    _, *lines = [json.loads(line) for line in (tmp_path / "draws.jsonl").read_text().splitlines()]
    assert [line["text"] for line in lines] == found.texts
    assert sum(line["weight"] for line in lines) == pytest.approx(1)


def test_resampling_follows_the_weights():
    found = draw(40, method="importance")
    texts = found.resample(4000, seed=1)
    for text in set(found.texts):
        share = sum(w for w, one in zip(found.weights, found.texts, strict=True) if one == text)
        assert abs(texts.count(text) / 4000 - share) < 5 * math.sqrt(share / 4000)

"""Several prompts in one call of `sg.sample`."""

from __future__ import annotations

import math
import signal

import numpy as np
import pytest
from exact import Bigram
from test_laws import ALIVE, TOKENIZER

import structgen as sg

WORDS = sg.regex("[abc]{1,3}")
PROMPTS = [[97], [98], [97]]


def draw(prompt, n=20, model=None, **options):
    options = {"tokenizer": TOKENIZER, "name": "bigram", "max_tokens": 4, "method": "cars"} | options
    return sg.sample(model or Bigram(1, ALIVE), prompt, WORDS, n, **options)


@pytest.mark.parametrize(
    ("prompts", "one"),
    [
        (["a", "b"], "a"),
        ([[97], [98]], [97]),
        (([97], [98]), (97,)),
        (["a", [98]], "a"),
        (np.array([[97], [98]]), np.array([97])),
    ],
)
def test_a_list_of_prompts_gives_a_list_and_one_prompt_does_not(prompts, one):
    found = draw(prompts)
    assert isinstance(found, list)
    assert [len(samples) for samples in found] == [20, 20]
    assert isinstance(draw(one), sg.Samples)


def test_no_number_at_all_is_one_empty_prompt():
    assert isinstance(draw([]), sg.Samples)
    assert [type(one) for one in draw([[]])] == [sg.Samples]


def test_each_prompt_has_the_law_of_its_own():
    found = draw([[97], [98]], 10_000, method="beams")
    for prompt, samples in zip(([97], [98]), found, strict=True):
        alone = draw(prompt, 10_000, method="beams")
        assert samples.statistics.stopped == alone.statistics.stopped == "exhausted"
        assert samples.log_z == pytest.approx(alone.log_z)
        assert dict(zip(samples.token_ids, samples.weights, strict=True)) == pytest.approx(
            dict(zip(alone.token_ids, alone.weights, strict=True))
        )
    assert found[0].log_z != pytest.approx(found[1].log_z)


def test_equal_prompts_have_draws_of_their_own_and_equal_calls_equal_draws():
    first, again = (draw(PROMPTS, seed=5) for _ in range(2))
    assert [one.token_ids for one in first] == [one.token_ids for one in again]
    assert first[0].token_ids != first[2].token_ids
    assert first[0].token_ids != draw(PROMPTS, seed=6)[0].token_ids


def test_a_budget_is_for_each_prompt():
    for samples in draw(PROMPTS, 10_000, method="rejection", budget=30):
        assert samples.statistics.stopped == "budget"
        assert 20 <= samples.statistics.model_rows <= 30


def test_seconds_are_for_all_prompts_together(monkeypatch):
    ticks = iter(range(10**9))

    def clock():
        return float(next(ticks))

    monkeypatch.setattr("structgen.samplers.run_limits.time.monotonic", clock)  # the module time: for all
    found = draw(PROMPTS, 10**9, method="rejection", seconds=600)
    assert [one.statistics.stopped for one in found] == ["seconds"] * 3
    assert next(ticks) < 700
    rows = [one.statistics.model_rows for one in found]
    assert max(rows) < 2 * min(rows)


@pytest.mark.parametrize("press", [False, True])
def test_an_interrupt_returns_what_is_known_for_all(press):
    asked = []
    own = Bigram(1, ALIVE)

    def model(ids):
        asked.append(ids)
        if ids[0] == 98 and len(asked) > 40:
            if press:
                signal.raise_signal(signal.SIGINT)
            else:
                raise KeyboardInterrupt
        return own(ids)

    found = draw(PROMPTS, 25, model)
    assert [one.statistics.stopped for one in found] == ["n", "interrupted", "interrupted"]
    assert (len(found[0]), found[2].values, found[2].bracket) == (25, [], (0.0, 1.0))
    assert math.isnan(found[2].log_z)
    assert found[2].statistics.model_rows == 0


def test_an_impossible_prompt_does_not_spoil_the_others():
    class NoneBehindB:
        def __call__(self, ids):
            row = Bigram(1, ALIVE)(ids)
            if ids[0] == 98:
                row[[97, 98, 99]] = -np.inf
                row[[TOKENIZER.token_bytes.index(text) for text in (b"ab", b"ba")]] = -np.inf
            return row

    found = draw([[97], [98]], 10, NoneBehindB())
    assert len(found[0]) == 10
    assert (found[1].values, found[1].bracket) == ([], (0.0, 0.0))


def test_each_prompt_may_have_a_tree():
    trees = [sg.samplers.PrefixTree(), sg.samplers.PrefixTree()]
    draw([[97], [98]], 10_000, tree=trees, method="beams")
    again = draw([[97], [98]], 10_000, tree=trees, method="beams")
    assert [one.statistics.model_rows for one in again] == [0, 0]


@pytest.mark.parametrize("tree", ["one", "short", "twice", "other"])
def test_trees_that_do_not_fit_the_prompts_are_refused(tree):
    own = sg.samplers.PrefixTree()
    given = {"one": own, "short": [own], "twice": [own, own], "other": [own, 5]}[tree]
    with pytest.raises(sg.errors.OptionError) as caught:
        draw([[97], [98]], tree=given)
    assert caught.value.where == "tree"


def test_a_list_of_trees_for_one_prompt_is_refused():
    with pytest.raises(sg.errors.OptionError, match="PrefixTree of its own"):
        draw([97], tree=[sg.samplers.PrefixTree()])


def test_a_wrong_prompt_among_several_is_named():
    with pytest.raises(sg.errors.OptionError) as caught:
        draw([[97], [10**9]])
    assert caught.value.where == "prompt[1][0]"


def test_progress_tells_the_prompt():
    seen = []
    draw(PROMPTS, progress=seen.append)
    assert [one.prompt for one in seen if one.accepted == 20] == [0, 1, 2]
    assert {one.prompts for one in seen} == {3}


@pytest.mark.parametrize("method", ["cars", "smc", pytest.param("mcmc", marks=pytest.mark.slow)])
def test_equal_seeds_give_equal_draws_for_each_max_rows(method):
    pytest.importorskip("torch")
    engines = [sg.Engine("structgen/extract-draft", max_rows=rows) for rows in (2, 9)]
    options = {"method": method, "max_tokens": 6}
    runs = [sg.sample(engine, "Zorvik", sg.regex("[a-z]{1,3}"), 12, **options) for engine in engines]
    assert runs[0].token_ids == runs[1].token_ids
    assert runs[0].log_weights.tolist() == runs[1].log_weights.tolist()


def test_prompts_that_begin_alike_are_read_in_one_pass():
    pytest.importorskip("torch")

    engine = sg.Engine("structgen/extract-draft", max_rows=4)
    read = []
    model = engine.model

    class Noting:
        vocab_size, context = model.vocab_size, model.context

        def prefill(self, tokens):
            read.append([list(tokens)])
            return model.prefill(tokens)

        def prefill_many(self, prompts):
            read.append([list(prompt) for prompt in prompts])
            return model.prefill_many(prompts)

        def decode(self, tokens, caches):
            return model.decode(tokens, caches)

    other = sg.Engine(Noting(), engine.tokenizer, max_rows=4)
    prompts = [f"Zorvik has paid {number} times: " for number in range(6)]
    found = sg.sample(other, prompts, sg.choice(["yes", "no"]), 5, max_tokens=8, name="noting")
    assert [len(one) for one in read] == [4, 2]
    assert all(set(samples.texts) <= {"yes", "no"} for samples in found)
    whole = {"method": "beams", "max_tokens": 8, "name": "noting"}  # they list both texts: log Z is exact
    alone = sg.sample(engine, prompts[5], sg.choice(["yes", "no"]), 10_000, **whole)
    together = sg.sample(other, prompts, sg.choice(["yes", "no"]), 10_000, **whole)
    assert alone.log_z == pytest.approx(together[5].log_z)

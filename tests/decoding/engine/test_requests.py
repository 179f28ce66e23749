"""What is asked of the engine is checked when it is asked: wrong values are refused with their cure, numpy's
numbers are numbers, and every value that is taken means what it says."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from for_each import for_each
from small_models import Function, tokenizer

import structgen as sg
from structgen.decoding.engine import Engine, FinishReason, Request, Sampling
from structgen.decoding.engine.choice import ChoiceRow, choose_anywhere, choose_tokens

TOKENIZER = tokenizer()
WORDS = sg.json_schema({"enum": ["alpha", "beta"]}, whitespace="compact")
NAN, INF = math.nan, math.inf
NO_NUMBER = ("1", None, True, np.True_, NAN, -NAN, INF, -INF, 10**400, [1.0], 1j, np.float32("nan"))
NO_WHOLE = ("1", None, True, False, np.True_, 1.0, 1.5, NAN, Fraction(1), np.float64(2.0), [1])
NO_TEXT = ("", "\ud800", "ok\udfff", "a\ud83d.", None, 7, b"bytes")

WRONG: list[tuple[str, tuple[Any, ...]]] = [
    ("temperature", (*NO_NUMBER, -0.1, 1e-320, 1e-31, 1e31)),
    ("top_p", (*NO_NUMBER, 0, 0.0, -0.5, 1.0001)),
    ("top_k", (*NO_WHOLE, -1, -(10**20))),
    ("min_p", (*NO_NUMBER, -1e-9, 1.01)),
    ("repetition_penalty", (*NO_NUMBER, 0, 0.0, -1.0, 1e-7, 1e300)),
    ("presence_penalty", (*NO_NUMBER, 1e7, -1e300)),
    ("frequency_penalty", (*NO_NUMBER, 1e7, -1e300)),
    ("seed", NO_WHOLE),
    ("strategy", (7, "mirostat", True, None, ["mirostat"], (sg.strategies.Mirostat(),
    sg.strategies.Mirostat()))),
    ("repetition", (7, True, "off", {"length": 256}, sg.strategies.Repetitions)),
    ("banned", (True, None, 1.5, -1, "", [""], [1.5], [True], b"a", {1})),
    ("prompt", ("", "\ud800", "a\udc00", [], (), np.array([], int), None, 7, True, b"ab", bytearray(b"a"))),
    ("prompt", ([1.5], ["a"], [True], [None], [-1], [3, -(10**20)], [[1]], {1: 2}, {1}, np.ones(2))),
    ("prompt", (np.array(3), np.array([[1, 2]]), torch.tensor(3), torch.ones(2), torch.tensor([True]))),
    ("grammar", ([{"type": "string"}], '{"type": "string"}', "a+", 7, b"a", (str,), {"no": 1}, sg, len)),
    ("logit_bias", (7, "a", {"x": 1}, {-1: 0.0}, {1.5: 0.0}, {3: NAN}, {3: 1e7}, {3: "x"}, [3], [(1, 2, 3)])),
    ("min_tokens", (*NO_WHOLE, -1)),
    ("sampling", ({"temperature": 0.0}, 0.7)),
    ("max_tokens", (*(one for one in NO_WHOLE if one is not None), 0, -5)),
    ("outline", (1, "yes", 0.0)),
    ("chat", (1, "yes", 0.0)),
    ("canonical", (1, "yes", 0.0)),
    ("healing", (1, "yes", 0.0)),
    ("continue_final_message", (1, "yes", 0.0)),
    ("begun", ("\ud800", 7, b"bytes", True)),
    ("special_texts", (1, "yes", 0.0)),
    ("refused", ("ab", ("a",), ("a", 7), ("a", "\ud800"))),
    ("end_margin", (*NO_WHOLE, -1)),
    ("stop", (*NO_TEXT[:4], 7, None, b"a", ["a", ""], ["a", 7], [b"a"], {"a": 1}, ["\ud800"])),
    ("n", (*NO_WHOLE, 0, -1, 10**9)),
    ("timeout", ("1", True, NAN, INF, -1, -0.5, [1])),
    ("logprobs", (*NO_WHOLE, -1)),
    ("thinking", (True, "</think>", 100, {"until": "x"})),
    ("choices", (1, True, "best", "", ["whole"])),
    ("shortened", ("\ud800", 7, b"bytes", True)),
    ("cache_salt", ("\ud800", 7, b"bytes", True)),
    ("stop_tokens", ("a", 7, [1.5], [True], [-1], [3, "a"])),
    ("speculation", ("on", "", None, True, 5, {"nodes": 4}, ["forced"])),
]  # fmt: skip
SAMPLING = frozenset(Sampling.__dataclass_fields__)


@for_each(("name", "values"), WRONG)
def test_wrong_values_are_refused_by_name_and_with_a_cure(name: str, values: tuple[Any, ...]) -> None:
    for value in values:
        with pytest.raises(sg.errors.OptionError) as caught:
            if name in SAMPLING:
                Sampling(**{name: value})
            else:
                Request(**{"prompt": "x", name: value})
        assert caught.value.where.partition("[")[0] == name, value
        assert caught.value.cure.endswith((".", ")")) or "must be " in caught.value.what
        assert str(caught.value).endswith(caught.value.cure)
        assert len(str(caught.value)) < 300


def test_every_option_is_in_the_table() -> None:
    assert {name for name, _ in WRONG} == SAMPLING | set(Request.__dataclass_fields__)


@pytest.mark.parametrize(
    "wrong",
    [{"until": ""}, {"until": True}, {"until": "\ud800"}, {"until": -1}, {"until": 1.0}, {"until": None},
     {"max_tokens": True}, {"max_tokens": -1}, {"max_tokens": 1.5}, {"max_tokens": NAN}],
    ids=str,
)  # fmt: skip
def test_wrong_values_of_thinking_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(sg.errors.OptionError) as caught:
        sg.Thinking(**wrong)
    assert caught.value.where in wrong
    assert caught.value.cure or "must be " in caught.value.what


def test_numbers_of_numpy_are_numbers_and_kept_as_pythons() -> None:
    how = Sampling(np.float32(0.5), np.float64(0.75), np.int64(3), np.float16(0.0), seed=np.uint64(1 << 63))
    assert how == Sampling(0.5, 0.75, 3, 0.0, seed=1 << 63)
    numbers = SAMPLING - {"logit_bias", "strategy", "banned", "repetition"}
    assert all(type(getattr(how, name)) in (int, float) for name in numbers)
    for prompt in (np.array([5, 6]), torch.tensor([5, 6]), [np.int32(5), 6], range(5, 7), (5, 6)):
        request = Request(prompt, max_tokens=np.int16(7), n=np.int8(2), logprobs=np.uint8(1))
        assert request == Request([5, 6], max_tokens=7, n=2, logprobs=1)
        assert all(type(token) is int for token in request.prompt)


def test_ids_that_the_model_does_not_have_are_refused() -> None:
    engine = Engine(Function(TOKENIZER.vocab_size), TOKENIZER)
    for wrong in (TOKENIZER.vocab_size, 10**20):
        with pytest.raises(sg.errors.OptionError, match=r"^prompt\[1\]: .* Pass ids from 0 to"):
            engine.submit(Request([1, wrong]))


@pytest.mark.parametrize("rows", [0, -1, 2.0, True, None, "3", 10.5])
def test_an_engine_without_rows_is_refused(rows: Any) -> None:
    with pytest.raises(sg.errors.OptionError, match="max_rows"):
        Engine(Function(TOKENIZER.vocab_size), TOKENIZER, max_rows=rows)


# --- values at the ends of their ranges ---------------------------------------------------------------------

LOGITS = torch.linspace(-6.0, 7.0, 64)[torch.randperm(64, generator=torch.Generator().manual_seed(1))]
Chooser = Callable[..., Any]


def _drawn(choose: Chooser, how: Sampling, scale: float = 1.0, count: int = 40) -> list[int]:
    rows = [ChoiceRow(how, sample, 3, (1, 2), (5, 5, 6)) for sample in range(count)]
    logits, mask, each = (scale * LOGITS).expand(count, 64), np.full((count, 2), -1, np.int32), range(count)
    found = choose(logits, mask, rows, each, each)
    assert not any(one.faulty for one in found)
    return [one.token for one in found]


@pytest.mark.parametrize("choose", [choose_tokens, choose_anywhere], ids=["compiled", "torch"])
class TestEnds:
    """Of each option the values next to where it is refused do what it says."""

    @pytest.mark.parametrize("temperature", [1e-30, 1e-20, 1e-6])
    @pytest.mark.parametrize("scale", [1.0, 1e30])
    def test_a_small_temperature_is_none(self, choose: Chooser, temperature: float, scale: float) -> None:
        for filters in ({}, {"top_k": 5}, {"top_p": 0.9}, {"min_p": 0.1}):
            how = Sampling(temperature=temperature, **filters)  # type: ignore[arg-type]
            assert set(_drawn(choose, how, scale)) == {int(LOGITS.argmax())}

    def test_a_great_temperature_is_a_draw_among_all(self, choose: Chooser) -> None:
        assert len(set(_drawn(choose, Sampling(temperature=1e30), count=600))) == 64

    @pytest.mark.parametrize("top_k", [64, 10**6, 2**63 - 1, 2**63, 10**20, 10**400])
    def test_a_top_k_of_all_keeps_all(self, choose: Chooser, top_k: int) -> None:
        assert _drawn(choose, Sampling(top_k=top_k)) == _drawn(choose, Sampling())

    @pytest.mark.parametrize("how", [{"top_p": 5e-324}, {"min_p": 1.0}, {"top_k": 1}], ids=str)
    def test_the_likeliest_is_always_kept(self, choose: Chooser, how: dict[str, Any]) -> None:
        assert set(_drawn(choose, Sampling(**how))) == {int(LOGITS.argmax())}

    @pytest.mark.parametrize("name", ["presence_penalty", "frequency_penalty"])
    def test_a_great_penalty_is_met_and_a_great_bonus_wins(self, choose: Chooser, name: str) -> None:
        assert not {5, 6} & set(_drawn(choose, Sampling(**{name: 1e6})))  # type: ignore[arg-type]
        assert {5, 6} >= set(_drawn(choose, Sampling(**{name: -1e6})))  # type: ignore[arg-type]

    @pytest.mark.parametrize("penalty", [1e-6, 1e6])
    def test_a_repetition_penalty_gives_numbers(self, choose: Chooser, penalty: float) -> None:
        positive = [token for token in (1, 2, 5, 6) if LOGITS[token] > 0]
        drawn = set(_drawn(choose, Sampling(repetition_penalty=penalty)))
        assert (drawn <= set(positive)) == (penalty < 1)


# --- stop strings -------------------------------------------------------------------------------------------


def _free(stop: Any, thinking: sg.Thinking | None = None) -> Any:
    request = Request("free", None, Sampling(seed=2), max_tokens=60, stop=stop, thinking=thinking)
    return Engine(Function(TOKENIZER.vocab_size), TOKENIZER).generate(request)[0]


def test_a_stop_that_is_a_string_is_one_stop_string() -> None:
    whole = _free(()).text
    stop = whole[20:24]
    assert min(map(whole.index, stop)) < whole.index(stop)
    for given in (stop, (stop,), [stop, "\0 never"]):
        found = _free(given)
        assert found.finish_reason is FinishReason.STOP
        assert found.text == whole[: whole.index(stop)]
        request = Request("free", None, Sampling(seed=2), max_tokens=60, stop=given)
        engine = Engine(Function(TOKENIZER.vocab_size), TOKENIZER)
        assert "".join(engine.stream(request)) == found.text


def test_a_stop_string_is_not_looked_for_in_thoughts_and_found_right_behind_them() -> None:
    whole = _free((), sg.Thinking(until="e", max_tokens=12))
    assert whole.thoughts and whole.text
    first = whole.text[0]
    found = _free(whole.thoughts[0], sg.Thinking(until="e", max_tokens=12))
    assert found.thoughts == whole.thoughts
    assert _free(first, sg.Thinking(until="e", max_tokens=12)).text == ""

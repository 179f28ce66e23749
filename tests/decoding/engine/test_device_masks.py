"""Tokens that are chosen on the device of the logits are those that are chosen in main memory.

The CPU is the device here: the same code as on a GPU, with `structgen_kernels`' twins in torch.
"""

from __future__ import annotations

import dataclasses
import warnings
from functools import partial
from typing import Any

import pytest
import torch
from request_kinds import TOKENIZER, Wide, requests
from scripted_drafts import Scripted
from structgen_kernels import masked_sample

import structgen as sg
from structgen.decoding.engine import choice, loop, text
from structgen.decoding.engine.choice import ChoiceRow, choose_anywhere
from structgen.decoding.speculation.speculation_options import Speculation


def _written(count: int = 24, **options: Any) -> list[sg.Result]:
    return sg.Engine(Wide(), TOKENIZER, **options).generate(requests(count))


@pytest.fixture(scope="module")
def expected() -> list[sg.Result]:
    """What is written by the draw that is compiled for the CPU."""
    return _written(max_rows=5)


@pytest.fixture
def on_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have engines choose as they do where logits are not in main memory."""
    monkeypatch.setattr(loop, "choose_tokens", choose_anywhere)
    monkeypatch.setattr(text, "choose_tokens", lambda *given: choose_anywhere(*given, [0], [0]))


@pytest.mark.parametrize(
    "max_rows", [pytest.param(1, marks=pytest.mark.slow), 3, pytest.param(8, marks=pytest.mark.slow), 32]
)
@pytest.mark.usefixtures("on_device")
def test_tokens_are_those_of_main_memory(expected: list[sg.Result], max_rows: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = _written(max_rows=max_rows)
    for one, other in zip(found, expected, strict=True):
        assert one.error is None and other.error is None
        assert (one.tokens, one.thoughts, one.finish_reason) == (
            other.tokens,
            other.thoughts,
            other.finish_reason,
        )
        for step, wanted in zip(one.steps, other.steps, strict=True):
            assert (step.allowed, step.wanted, step.steered) == (
                wanted.allowed,
                wanted.wanted,
                wanted.steered,
            )
            listed = [token for token, _ in wanted.likeliest_allowed]
            assert [token for token, _ in step.likeliest_allowed] == listed
            figures = wanted.logprob, wanted.constrained, wanted.removed
            assert (step.logprob, step.constrained, step.removed) == pytest.approx(figures, abs=1e-4)


def test_the_requests_are_of_all_kinds(expected: list[sg.Result]) -> None:
    assert {result.finish_reason.name for result in expected} >= {"STOP", "STEERED", "MAX_TOKENS"}
    assert any(result.thoughts for result in expected)


@pytest.mark.usefixtures("on_device", "keen")
def test_drafts_change_no_token(expected: list[sg.Result]) -> None:
    """The masks of nodes are whole masks of the step; each accepted guess is drawn at its own place."""
    model = Wide()
    wanted = [
        dataclasses.replace(
            request, speculation=Speculation(drafters=(partial(Scripted, result.tokens),), nodes=8)
        )
        for request, result in zip(requests(10), expected, strict=False)
        if request.thinking is None
    ]
    found = sg.Engine(model, TOKENIZER, max_rows=4).generate(wanted)
    plain = [
        result.tokens for request, result in zip(requests(10), expected, strict=False) if not request.thinking
    ]
    assert [result.tokens for result in found] == plain
    assert sum(sum(result.usage.accepted.values()) for result in found) > 20
    assert model.trees


def test_a_choice_waits_for_the_device_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of these calls brings numbers to main memory, which waits for all that the device has to do."""
    waits: list[list[str]] = []

    def counted(name: str) -> Any:
        plain = getattr(torch.Tensor, name)

        def call(self: torch.Tensor, *given: Any) -> Any:
            waits[-1].append(name)
            return plain(self, *given)

        return call

    def kernel(*given: Any, **options: Any) -> Any:
        # on a GPU kernels that wait for nothing, on a CPU operations of torch that may
        begun = len(waits[-1])
        drawn = masked_sample(*given, **options)
        del waits[-1][begun:]
        return drawn

    def watched(*given: Any) -> Any:
        waits.append([])
        with monkeypatch.context() as patch:
            patch.setattr(choice, "masked_sample", kernel)
            for name in ("cpu", "item", "tolist", "__bool__", "__int__", "__float__"):
                patch.setattr(torch.Tensor, name, counted(name))
            return choose_anywhere(*given)

    monkeypatch.setattr(loop, "choose_tokens", watched)
    plain = [one for one in requests(24) if not ChoiceRow(one.sampling, 0, 0, (), ()).is_penalised]
    found = sg.Engine(Wide(), TOKENIZER, max_rows=5).generate([one for one in plain if not one.strategy])
    assert len(waits) > 20 and all(one == ["cpu"] for one in waits)
    assert all(result.error is None for result in found)

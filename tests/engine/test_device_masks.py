"""Tokens that are chosen on the device of the logits are those that are chosen in main memory.

The CPU is the device here: the same code as on a GPU, with `structgen_kernels`' twins in torch.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from request_kinds import TOKENIZER, Wide, requests  # noqa: E402

import structgen as sg  # noqa: E402
from structgen.engine import loop  # noqa: E402
from structgen.engine.choice import choose_anywhere  # noqa: E402
from structgen.speculation.drafts.draft import NO_DRAFT, Draft, DraftTree  # noqa: E402
from structgen.speculation.drafts.drafter import DraftContext, RequestFacts  # noqa: E402
from structgen.speculation.planning.speculator import Speculator  # noqa: E402
from structgen.speculation.speculation_options import Speculation  # noqa: E402


def _written(count: int = 24, **options: Any) -> list[sg.Result]:
    return sg.Engine(Wide(), TOKENIZER, **options).generate(requests(count))


@pytest.fixture(scope="module")
def expected() -> list[sg.Result]:
    """What is written by the draw that is compiled for the CPU."""
    return _written(max_rows=5)


@pytest.fixture
def on_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have engines choose as they do where logits are not in main memory."""
    monkeypatch.setattr(loop, "choose", choose_anywhere)


@pytest.mark.parametrize(
    "max_rows", [pytest.param(1, marks=pytest.mark.slow), 3, pytest.param(8, marks=pytest.mark.slow), 32]
)
@pytest.mark.usefixtures("on_device")
def test_tokens_are_those_of_main_memory(expected: list[sg.Result], max_rows: int) -> None:
    for one, other in zip(_written(max_rows=max_rows), expected, strict=True):
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


@pytest.mark.usefixtures("on_device")
def test_logits_that_are_no_numbers_end_the_text_with_an_error() -> None:
    class Faulty(Wide):
        def logits(self, tokens: Any) -> Any:
            found = super().logits(tokens)
            return found * float("nan") if len(tokens) > 12 else found

    (result,) = sg.Engine(Faulty(), TOKENIZER).generate(sg.Request("a text", None, max_tokens=40))
    assert result.error is not None and "not numbers" in str(result.error)


@pytest.mark.usefixtures("on_device")
def test_an_interrupt_before_a_choice_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = requests(8)
    whole = [result.tokens for result in sg.Engine(Wide(), TOKENIZER).generate(wanted)]
    engine, calls = sg.Engine(Wide(), TOKENIZER), 0

    def interrupted(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls % 9 == 5:
            raise KeyboardInterrupt
        return choose_anywhere(*arguments)

    monkeypatch.setattr(loop, "choose", interrupted)
    handles = [handle for request in wanted for handle in engine.submit(request)]
    while not all(handle.is_done for handle in handles):
        try:
            engine.drive(handles)
        except KeyboardInterrupt:
            continue
    assert [handle.result.tokens for handle in handles if handle.result] == whole


@pytest.mark.usefixtures("on_device")
def test_nothing_is_said_where_all_goes_well() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _written(6)


@pytest.mark.usefixtures("on_device")
def test_drafts_change_no_token(expected: list[sg.Result], monkeypatch: pytest.MonkeyPatch) -> None:
    """The masks of nodes are whole masks of the step; each accepted guess is drawn at its own place."""
    monkeypatch.setattr(Speculator, "wants_drafts", lambda *_: True)
    monkeypatch.setattr(Speculator, "propose", _all_proposed)
    model = Wide()
    wanted = [
        dataclasses.replace(
            request, speculation=Speculation(drafters=(partial(Scripted, result.tokens, deep=3),), nodes=8)
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


def _all_proposed(
    self: Speculator, draftings: Sequence[Any], views: Sequence[DraftContext], mosts: Sequence[int]
) -> list[Draft]:
    return [
        NO_DRAFT if drafting is None else drafting.candidates(view, most)
        for drafting, view, most in zip(draftings, views, mosts, strict=True)
    ]


class Scripted:
    """Guesses the tokens that are to come, and a wrong one beside each."""

    name = "script"

    def __init__(self, tokens: Sequence[int], deep: int) -> None:
        self._tokens, self._deep, self._at = list(tokens), deep, 0

    def begin(self, facts: RequestFacts) -> None:
        self._at = 0

    def propose(self, view: DraftContext, most: int) -> Draft:
        tree, node = DraftTree(), -1
        for token in self._tokens[self._at : self._at + self._deep]:
            tree.add(node, (token + 7) % TOKENIZER.vocab_size, 0.1)
            node = tree.add(node, token, 0.8)
        return tree.draft() if len(tree) else NO_DRAFT

    def observe(self, taken: Sequence[int], accepted: int) -> None:
        self._at += len(taken)

    def end(self) -> None:
        self._at = 0

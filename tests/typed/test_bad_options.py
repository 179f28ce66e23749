"""What `sg.run` and typed functions hand to the engine is checked as the engine's own requests are."""

from __future__ import annotations

import math
from typing import Any

import pytest

torch = pytest.importorskip("torch")

import structgen as sg  # noqa: E402

LOCAL, SERVER = "structgen/extract", "openai:http://127.0.0.1:9/v1#none"


@pytest.mark.parametrize("model", [LOCAL, SERVER])
@pytest.mark.parametrize("prompt", ["\ud800", "a\udfff", [{"role": "user", "content": "\ud800"}]], ids=ascii)
def test_half_of_a_surrogate_pair_in_a_prompt_is_refused(model: str, prompt: Any) -> None:
    with pytest.raises(sg.errors.OptionError, match=r"^prompt: .*surrogate"):
        sg.run(model, prompt, {"type": "string"})


def test_half_of_a_surrogate_pair_in_an_argument_is_refused() -> None:
    @sg.generate(model=LOCAL)
    def size(text: str) -> int:
        """{text}"""
        return sg.filled()

    with pytest.raises(sg.errors.OptionError, match=r"^prompt: .*surrogate"):
        size("\ud800")


@pytest.mark.parametrize(
    "wrong",
    [
        {"timeout": math.nan},
        {"timeout": -1},
        {"timeout": "1"},
        {"thinking": 5},
        {"max_tokens": 1.5},
        {"max_tokens": True},
        {"attempts": 0},
    ],
    ids=str,
)
def test_wrong_options_are_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(sg.errors.OptionError) as caught:
        sg.run(LOCAL, "x", {"type": "boolean"}, **wrong)
    assert caught.value.where in wrong and caught.value.cure

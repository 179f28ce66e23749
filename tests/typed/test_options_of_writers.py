"""Every option of a typed function, alone and beside every other, is one of its model or is refused with the
place and the cure."""

from __future__ import annotations

from typing import Any, Final

import pytest
from for_each import for_each

pytest.importorskip("torch")

import structgen as sg
from structgen.typed.options import CallOptions, TypedOptions
from structgen.typed.writers import writer_of

GIVEN: Final[dict[str, Any]] = {
    "sampling": sg.Sampling(temperature=0.5, seed=3),
    "strategy": sg.strategies.Cautious(),
    "max_tokens": 9,
    "attempts": 2,
    "outline": False,
    "chat": False,
    "timeout": 5.0,
    "policies": {"max_string": 8},
    "thinking": sg.Thinking(),
    "speculation": sg.Speculation(nodes=3),
    "canonical": True,
    "healing": True,
    "stop": "b",
    "wrap": True,
    "choices": "tokens",
}
MISSING: Final = {
    "server": {
        "strategy": "sampling",
        **{name: name for name in ("chat", "policies", "thinking", "speculation", "canonical", "healing")},
    },
    "infilling": {
        "strategy": "sampling",
        **{name: name for name in ("thinking", "speculation", "canonical", "healing", "stop")},
    },
    "engine": {},
}
"""The options that a model does not have, and where their errors are."""
MODELS: Final = {
    "engine": "structgen/extract",
    "infilling": "structgen/infill",
    "server": "openai:http://127.0.0.1:9/v1#none",
}


def _read(model: str, options: dict[str, Any]) -> None:
    if model == "server":
        pytest.importorskip("openai")
    writer_of(MODELS[model], TypedOptions.read(options))


def test_every_option_is_walked() -> None:
    assert set(CallOptions.__annotations__) - set(GIVEN) == {"tool_choice", "parallel", "tool_format"}
    assert set(GIVEN) <= set(CallOptions.__annotations__)


@for_each("model", MODELS)
@for_each("first", GIVEN)
def test_options_are_taken_or_refused(model: str, first: str) -> None:
    names = [*GIVEN]
    for second in names[names.index(first) :]:  # itself too: the option alone
        _hold(model, {first, second})


def _hold(model: str, pair: set[str]) -> None:
    missing = MISSING[model]
    options = {name: GIVEN[name] for name in pair}
    if not missing.keys() & pair:
        _read(model, options)
        return
    with pytest.raises(sg.errors.OptionError) as refused:
        _read(model, options)
    assert refused.value.where in {missing[name] for name in pair if name in missing}
    assert refused.value.cure.startswith("Leave it out")


def test_a_signature_shows_every_option_with_its_default() -> None:
    import inspect

    for call in (sg.run, sg.generate):
        shown = inspect.signature(call).parameters
        assert set(CallOptions.__annotations__) <= set(shown)
        assert shown["attempts"].default == 3 and shown["strategy"].default == ()
        assert shown["max_tokens"].annotation == "int | None"

"""Calls that Python itself would refuse with a TypeError are refused with the cure."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import pytest
from asked import asked, awaited
from for_each import for_each

import structgen as sg
from structgen.doors.typed.options import TypedOptions
from structgen.doors.typed.signatures.call_options import CallOptions
from structgen.doors.typed.writers import writer_of

DOORS: dict[str, Callable[..., Any]] = {
    "run": partial(sg.run, "structgen/extract", "x", bool),
    "generate": partial(sg.generate, model="structgen/extract"),
}


def test_the_decorator_without_parentheses_says_how_to_write_it() -> None:
    wrong: Any = sg.generate
    with pytest.raises(sg.errors.OptionError, match=r'Write @sg\.generate\(model="structgen/extract"\)'):

        @wrong
        def age(text: str) -> int:
            """The age in: {text}"""


def test_the_decorator_without_a_model_says_that_one_is_missing() -> None:
    wrong: Any = sg.generate
    with pytest.raises(sg.errors.OptionError, match="'model'"):
        wrong()


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("Sampling", r"Did you mean sampling\?"),
        ("max_token", r"Did you mean max_tokens\?"),
        ("temprature", r"Write sampling=sg\.Sampling\(temperature=\.\.\.\)"),
        ("zzz", "The options are"),
        ("max_retries", r"Write attempts=\."),
        ("max_string", r"Write policies=\{'max_string': \.\.\.\}\."),
        ("n", r"For many.*sg\.sample\."),
        ("device", r"Load.*sg\.Engine\(name, device=\.\.\.\)\."),
        ("backend", r"Leave it out"),
        ("tokens", r"Did you mean max_tokens\?"),
    ],
)
def test_an_option_that_is_not_there_names_the_one_that_was_meant(name: str, cure: str) -> None:
    for called, call in DOORS.items():
        with pytest.raises(sg.errors.OptionError, match=f"sg.{called} has no option '{name}'. {cure}"):
            call(**{name: None})


def test_a_schema_is_the_target_or_the_return_type() -> None:
    for called, cure in (
        ("run", r"Pass it as the third argument, target\."),
        ("generate", "Annotate the return"),
    ):
        with pytest.raises(sg.errors.OptionError, match=cure):
            DOORS[called](schema={})


@pytest.mark.parametrize(
    "wrong",
    [
        *({"timeout": wrong} for wrong in (math.nan, -1, "1")),
        *({"max_tokens": wrong} for wrong in (0, 1.5, True)),
        *({"speculation": wrong} for wrong in ("on", None, {"nodes": 4})),
        {"thinking": 5},
        {"thinking": True},
        {"attempts": 0},
        {"sampling": 0.5},
        {"wrap": "yes"},
    ],
    ids=str,
)
def test_an_option_of_a_wrong_value_is_refused_by_name(wrong: dict[str, Any]) -> None:
    for call in DOORS.values():
        with pytest.raises(sg.errors.OptionError) as caught:
            call(**wrong)
        assert caught.value.where in wrong
        assert caught.value.cure or "must be " in caught.value.what


@pytest.mark.parametrize("calls", ["Ada", b"Ada", {"text": ["Ada"]}, 5])
def test_a_batch_refuses_one_call_in_place_of_a_list(calls: Any) -> None:
    with pytest.raises(sg.errors.OptionError, match=r"Write batch\(\[call\]\)"):
        asked(int, model="structgen/extract").batch(calls)
    with pytest.raises(sg.errors.OptionError, match=r"Write batch\(\[call\]\)"):
        asyncio.run(awaited(int, model="structgen/extract").batch(calls))


class Causal:
    """As much of a model of transformers as is looked at."""

    config = None

    def forward(self) -> None: ...


class Pipeline:
    """As much of a pipeline of transformers as is looked at."""

    model, tokenizer = Causal(), None


@pytest.mark.parametrize(
    ("model", "cure"),
    [
        (Causal(), r"Write sg\.Engine\(model, tokenizer\)"),
        (Pipeline(), r"sg\.Engine\(pipe\.model, pipe\.tokenizer\)"),
        (5, "Pass a name"),
        ("gpt-4o", r"openai:https://api\.openai\.com/v1#gpt-4o;"),
        ("openai/gpt-4o", r"openai:https://api\.openai\.com/v1#gpt-4o;"),
        ("claude-3-5-sonnet", "openai:URL#claude-3-5-sonnet"),
        ("extrakt", r"named models are structgen/extract, "),
        ("vllm:http://localhost:8000/v1", r'sg\.run\("openai:http://localhost:8000/v1#NAME"'),
        ("openai/gpt-oss-20b", "hf download openai/gpt-oss-20b"),
    ],
)
def test_what_is_no_model_here_says_how_to_name_one(model: Any, cure: str) -> None:
    with pytest.raises(sg.StructgenError, match=cure):
        sg.run(model, "x", bool)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: sg.Sampling(temp=1), "no option 'temp'. Write temperature="),  # type: ignore[call-arg]
        (lambda: sg.Request(temperature=1), r"Write sampling=sg\.Sampling\(temp"),  # type: ignore[call-arg]
        (lambda: sg.Engine("structgen/extract", max_batch=4), "Write max_rows="),  # type: ignore[call-arg]
        (
            lambda: sg.Engine.generate(None, "x", sg.regex("a")),  # type: ignore[arg-type,call-arg]
            r"Write engine\.generate\(sg\.Request\(prompt, grammar\)\)",
        ),
        (
            lambda: sg.run("structgen/extract", "x", bool, policies={"whitespce": 1}),
            r"Did you mean whitespace\?",
        ),
    ],
)
def test_a_wrong_option_of_a_class_or_a_policy_names_the_right_one(
    call: Callable[[], Any], said: str
) -> None:
    with pytest.raises(sg.errors.OptionError, match=said):
        call()


def test_a_return_type_that_is_never_defined() -> None:
    @sg.generate(model="structgen/extract")
    def quest(text: str) -> Quest:  # type: ignore[name-defined]  # noqa: F821
        """The quest in: {text}"""
        return sg.filled()

    with pytest.raises(sg.errors.UnsupportedError, match=r"uses 'Quest', which is not defined\. Define it"):
        quest("x")


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ([{"rol": "user", "content": "x"}], r"Message 0 has no 'role' \(it has 'rol', 'content'\)"),
        ([{"role": "user", "content": "x"}, 5], "Message 1 must be a dict, got int"),
        (["one", "two"], r"more than one prompt.*\.batch"),
        ({"role": "user", "content": "x"}, r"Put the message into a list"),
        ([], "is empty"),
        (None, "None is not a prompt"),
        (b"x", r"Decode it"),
        (5, "A prompt must be .*, got int"),
        ([{"text": "x"}], "Message 0 has no"),
        ("\ud800", "surrogate"),
        ("a\udfff", "surrogate"),
        ([{"role": "user", "content": "\ud800"}], "surrogate"),
    ],
    ids=ascii,
)
def test_what_is_no_prompt_is_told_with_its_fault(prompt: Any, said: str) -> None:
    for model in ("structgen/extract", "openai:http://127.0.0.1:9/v1#none"):
        with pytest.raises(sg.errors.OptionError, match=rf"^prompt.*{said}"):
            sg.run(model, prompt, bool)


def test_no_sampling_is_the_default() -> None:
    request = sg.Request("x", sg.json_schema({"type": "boolean"}), None)  # type: ignore[arg-type]
    assert request.sampling == sg.Request("x", sg.json_schema({"type": "boolean"})).sampling


# --- every option, alone and beside every other -------------------------------------------------------------


GIVEN: Final[dict[str, Any]] = {
    "sampling": sg.Sampling(temperature=0.5, seed=3),
    "strategy": sg.strategies.Mirostat(),
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
    "continue_final_message": True,
    "stop": "b",
    "stop_tokens": [3],
    "wrap": True,
    "choices": "tokens",
    "examples": [("x", "y")],
    "grounded": "It is 3.",
    "quotes": True,
    "missing": "free",
}
MISSING: Final[dict[str, set[str]]] = {
    "server": {"strategy", "chat", "speculation", "canonical", "healing", "stop_tokens"},
    "infilling": {
        *("strategy", "thinking", "speculation", "canonical", "healing", "stop", "continue_final_message"),
        *("examples", "stop_tokens"),
    },
    "engine": set(),
}
"""The options that a model does not have, whatever server it is on."""
MODELS: Final = {
    "engine": "structgen/extract",
    "infilling": "structgen/infill",
    "server": "openai:http://127.0.0.1:9/v1#none",
}


def _read(model: str, options: dict[str, Any]) -> None:
    writer_of(MODELS[model], TypedOptions(**options))


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
    if not missing & pair:
        _read(model, options)
        return
    with pytest.raises(sg.errors.OptionError) as refused:
        _read(model, options)
    assert refused.value.where in missing & pair
    assert refused.value.cure.startswith("Remove it")


def test_a_signature_shows_every_option_with_its_default() -> None:
    import inspect

    for call in (sg.run, sg.generate):
        shown = inspect.signature(call).parameters
        assert set(CallOptions.__annotations__) <= set(shown)
        assert shown["attempts"].default == 3 and shown["strategy"].default == ()
        assert shown["max_tokens"].annotation == "int | None"

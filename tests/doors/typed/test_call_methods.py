"""`run.detailed` and `run.stream`, and those of `arun`, do what the options `detailed` and `stream` do."""

from __future__ import annotations

import asyncio
import copy
import functools
import inspect
import pickle
import pydoc
import random
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from for_each import for_each
from told_models import Even, told

import structgen as sg
from structgen.doors.typed.signatures.call_options import CallOptions


@dataclass
class Person:
    name: str
    age: int


ADA = '{"name": "Ada", "age": 36}'
TOOL = {"name": "read", "parameters": {"type": "object", "properties": {"age": {"type": "integer"}}}}
CALL = '<tool_call>\n{"name": "read", "arguments": {"age": 36}}\n</tool_call>'
TARGETS: dict[str, tuple[Any, list[str]]] = {
    "a class": (Person, [ADA]),
    "a class whose validator refuses": (Even, ['{"number": 3}', '{"number": 5}', '{"number": 4}']),
    "a list": (list[Person], [f"[{ADA}]", f'{{"value": [{ADA}]}}']),
    "a union": (int | None, ["36", '{"value": 36}']),
    "listed values": (Literal["S", "L"], ['"L"']),
    "a schema": ({"type": "object", "properties": {"age": {"type": "integer"}}}, ['{"age": 36}']),
    "a pattern": (re.compile("[a-z]{2,9}"), ["letters"]),
    "a grammar": (sg.choice(["red", "blue"]), ["blue"]),
    "free text": (None, ["Ada is 36."]),
    "items": (Any, ["1"]),
    "no target": (3, ["1"]),
}
OPTIONS: dict[str, list[Any]] = {
    "sampling": [sg.Sampling(temperature=0.7, seed=3), 3],
    "strategy": [sg.strategies.Mirostat(), 3],
    "max_tokens": [4, 64, 0],
    "attempts": [1, 2, 3, 0],
    "outline": [True, False, "yes"],
    "chat": [False, True],
    "timeout": [60.0, 0.0, -1],
    "policies": [{"whitespace": "compact"}, {"white": 1}],
    "speculation": ["auto", "off", "on"],
    "canonical": [True, 3],
    "healing": [True, 3],
    "wrap": [True, False, 3],
    "choices": ["whole", "calibrated", "tokens", "none"],
    "thinking": [sg.Thinking(max_tokens=8), True],
    "stop": ["is", ["."], 3],
    "stop_tokens": [[3], "x"],
    "continue_final_message": [False, True],
    "grounded": [True, "36", {"a": "Ada is 36."}, 3],
    "quotes": [True, 3],
    "missing": ["free", "error", "none"],
    "examples": [[("Bo is 4", Person("Bo", 4))], [("x", "red")], 3],
    "tool_choice": ["required", "none", "one"],
    "parallel": [True, 2, -1],
    "tool_format": ["hermes", "none"],
    "tools": [[TOOL], None, 3],
}
"""Values of each option; the last one is wrong, or less common."""
BOTH = [sg.run, sg.arun]


def test_each_option_is_tried() -> None:
    assert OPTIONS.keys() == CallOptions.__annotations__.keys() | {"tools"}


def outcome_facts(outcome: sg.Outcome[Any]) -> Any:
    """Return what an outcome says, without the times that it took."""
    counts = outcome.usage.prompt_tokens, outcome.usage.tokens, outcome.usage.closed, outcome.usage.strategy
    facts = (outcome.text, outcome.finish_reason, outcome.attempts, outcome.prompt, outcome.evidence, counts)
    sure = outcome.probabilities, outcome.confidences, len(outcome.usages)
    return facts, sure, repr(outcome.error), outcome.error is None and repr(outcome.value)


def stream_facts(stream: Any) -> Any:
    """Return the texts of a stream and its outcome. An asynchronous one joins pieces as time goes: its last
    text alone."""

    async def collect() -> list[Any]:
        return [partial async for partial in stream]

    partials = asyncio.run(collect())[-1:] if hasattr(stream, "__aiter__") else [*stream]
    return [partial.text for partial in partials], outcome_facts(partials[-1].outcome)


def facts_of(call: Callable[..., Any], target: Any, texts: list[str], options: dict[str, Any]) -> Any:
    """Return what a call gives, or its error, and what it warns of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        # a socket that another test left may be collected here
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            answer = call(told(*texts)[0], "Ada is 36. Which?", target, **options)
            if inspect.iscoroutine(answer):
                answer = asyncio.run(_await(answer))
            facts = outcome_facts(answer) if isinstance(answer, sg.Outcome) else stream_facts(answer)
        except sg.StructgenError as error:
            facts = type(error), str(error)
    told_of = [str(one.message) for one in caught]
    return facts, [message for message in told_of if not message.startswith("The options detailed")]


async def _await(coroutine: Any) -> Any:
    return await coroutine


def check_call(draw: random.Random) -> None:
    """Check one call of each method with options of chance."""
    target, texts = TARGETS[draw.choice([*TARGETS])]
    names = draw.sample([*OPTIONS], draw.choice([0, 1, 1, 1, 2, 3]))
    options = {name: draw.choice(OPTIONS[name][: -1 if draw.random() < 0.8 else None]) for name in names}
    if "tools" in options and draw.random() < 0.7:
        options["tool_format"], texts = "hermes", [CALL]
    for door in BOTH:
        pairs = [
            (door.detailed, functools.partial(door, detailed=True)),
            (door.stream, functools.partial(door, stream=True)),
            (
                functools.partial(door.stream, detailed=True),
                functools.partial(door, stream=True, detailed=True),
            ),
        ]
        method, option = draw.choice(pairs)
        assert facts_of(method, target, texts, options) == facts_of(option, target, texts, options), options


def test_a_method_gives_what_its_option_gives() -> None:
    for seed in range(60):
        check_call(random.Random(seed))


@pytest.mark.slow
def test_a_method_gives_what_its_option_gives_in_many_calls() -> None:
    for seed in range(2000):
        check_call(random.Random(1000 + seed))


METHODS = [sg.run.detailed, sg.run.stream, sg.arun.detailed, sg.arun.stream]


@for_each("method", METHODS)
def test_a_method_is_a_function_as_run_is(method: Any) -> None:
    assert pickle.loads(pickle.dumps(method)) is method is copy.deepcopy(method)
    assert inspect.isfunction(method) and functools.wraps(method)(lambda: None).__doc__ == method.__doc__
    assert pydoc.plain(pydoc.render_doc(method)).splitlines()[2].startswith(f"{method.__name__}(model")
    assert method.__qualname__ in ("run.detailed", "run.stream", "arun.detailed", "arun.stream")


@for_each("method", METHODS)
def test_a_method_has_the_options_of_run(method: Any) -> None:
    names = inspect.signature(method).parameters.keys() | {"detailed", "stream"}
    assert names == inspect.signature(sg.run).parameters.keys()


@for_each(("method", "option"), [(method, option) for method in METHODS for option in ("detailed", "stream")])
def test_an_option_that_the_method_says_is_refused(method: Any, option: str) -> None:
    if (method.__name__, option) == ("stream", "detailed"):
        return
    name = f"sg.{method.__qualname__}"
    with pytest.raises(sg.errors.OptionError, match=f"^{name} has no option '{option}'. Leave it out"):
        method(told("x")[0], "x", **{option: True})


@for_each("method", METHODS)
def test_a_wrong_call_of_a_method_is_told_by_its_name(method: Any) -> None:
    name = f"sg.{method.__qualname__}"
    with pytest.raises(sg.errors.OptionError, match=f"Wrong arguments of {name}: .*'prompt'.*{name}\\("):
        method("structgen/extract")
    with pytest.raises(sg.errors.OptionError, match=f"^{name} has no option .* max_tokens"):
        method("structgen/extract", "x", max_tokns=3)


@for_each(
    ("options", "cure"),
    [
        ({"detailed": True}, r"Call sg\.run\.detailed\("),
        ({"stream": True}, r"Call sg\.run\.stream\("),
        ({"stream": True, "detailed": True}, r"Call sg\.run\.stream\("),
        ({"detailed": False}, r"Remove them\."),
        ({"stream": False, "detailed": True}, r"Call sg\.run\.detailed\("),
    ],
)
def test_the_old_options_warn_the_line_of_the_caller(options: dict[str, bool], cure: str) -> None:
    with pytest.warns(FutureWarning, match=cure) as caught:
        sg.run(told("x")[0], "x", max_tokens=2, **options)
    assert [warning.filename for warning in caught if warning.category is FutureWarning] == [__file__]


@for_each("name", ["detailed", "stream"])
def test_an_old_option_takes_true_and_false_alone(name: str) -> None:
    with pytest.raises(sg.errors.OptionError, match=f"^{name} must be True or False, got 'yes'"):
        sg.run(told("x")[0], "x", **{name: "yes"})


def test_a_call_without_the_old_options_warns_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)
        sg.run(told("x")[0], "x", max_tokens=2)
        sg.run.detailed(told("x")[0], "x", max_tokens=2)
        asyncio.run(_await(sg.arun.detailed(told("x")[0], "x", max_tokens=2)))


def test_an_asynchronous_stream_may_be_awaited() -> None:
    async def collect() -> list[str]:
        return [partial.text async for partial in await sg.arun.stream(told("Hi")[0], "x", max_tokens=9)]

    assert asyncio.run(collect())[-1] == "Hi"

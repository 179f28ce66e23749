"""`function.using(...)`: the same function under other options: a type, or tools, that exist only now."""

from __future__ import annotations

import asyncio
import inspect
import random
from typing import Any, Literal

import pytest
from asked import ADA, Person, asked, awaited, listed
from for_each import for_each
from told_models import told

import structgen as sg


def pick(*texts: str, make: Any = asked, **options: Any) -> Any:
    return make(str, "Which? {text}", model=told(*texts)[0], **options)


def test_ids_that_exist_now_are_all_that_is_written() -> None:
    """Law: of random lists of ids, each that the model wants is returned if it is listed, else a listed one;
    the function itself goes on as it was."""
    source, function = random.Random(17), pick("zz-0")
    for _ in range(12):
        ids = [f"{source.choice('abc')}-{source.randrange(99)}" for _ in range(source.randrange(1, 9))]
        wanted = source.choice(ids)
        using = pick(f'"{wanted}"').using(target=Literal[tuple(ids)])
        assert using("x") == wanted and using.schema.get("enum", [using.schema.get("const")])[0] in ids
        assert function.using(target=Literal[tuple(ids)])("x") in ids
    assert function("x") == "zz-0"


def get_weather(city: str) -> None:
    raise AssertionError("tools are never called")


def test_tools_may_differ_by_call() -> None:
    call = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Oslo"}}\n</tool_call>'
    function = asked(Person | sg.Call, model=told(call)[0], tools=[get_weather], tool_format="hermes")
    assert function("x").arguments == {"city": "Oslo"}
    city = sg.Tool(
        "get_weather", "", {"properties": {"city": {"enum": ["Rome", "Bern"]}}, "required": ["city"]}
    )
    assert function.using(tools=[city])("x").arguments["city"] in ("Rome", "Bern")
    assert function.using(tools=[city]).using(tools=[get_weather])("x").arguments == {"city": "Oslo"}
    plain = pick(ADA)
    both = plain.using(tools=[get_weather], tool_format="hermes", target=Person)
    assert both("x") == Person(name="Ada", age=36) and plain("x") == ADA
    assert function.using(target=str | sg.Call).detailed("x").calls[0].name == "get_weather"


def test_every_way_to_call_has_the_options() -> None:
    function = pick("36").using(target=int)
    assert function("x") == function.detailed("x").value == function.batch(["x"])[0] == 36
    assert [one.value for one in function.stream("x")][-1] == 36
    assert function.prompt("x") == "Which? x\n" and function.schema == {"type": "integer"}
    assert function.sample(2)("x").values
    assert function.using(target=None)("x") == "36"  # the annotation
    assert function.using(max_tokens=1).detailed("x").finish_reason is sg.FinishReason.STEERED
    assert inspect.signature(function) == inspect.signature(pick("36"))

    async def later() -> Any:
        found = pick("36", make=awaited).using(target=int)
        return await found("x"), (await listed(found.stream("x")))[-1].result, await found.batch(["x"])

    assert asyncio.run(later()) == (36, 36, [36])


def test_methods_and_local_types_keep_their_names() -> None:
    class Reader:
        unit = "m"

        class Local(Person):
            pass

        @sg.generate(model=told(ADA)[0])
        def read(self, text: str) -> Local:
            """In {self.unit}: {text}"""
            return sg.filled()

    found = Reader().read.using(max_tokens=60)
    assert isinstance(found("x"), Reader.Local) and found.prompt("x") == "In m: x\n"
    assert isinstance(Reader.read.using(max_tokens=60)(Reader(), "x"), Reader.Local)


@for_each(
    ("changes", "kind", "said"),
    [
        ({"targt": int}, sg.errors.OptionError, "using has no option 'targt'.*target"),
        ({"temperature": 1}, sg.errors.OptionError, "Sampling"),
        ({"schema": {}}, sg.errors.OptionError, "schema"),
        ({"target": 3}, sg.errors.OptionError, "is not a valid target"),
        ({"target": sg.Call}, sg.errors.UnsupportedError, "no tools are given"),
        ({"tools": [3], "target": int}, sg.errors.OptionError, "is not a tool"),
        ({"model": "structgen/nothing"}, sg.errors.StructgenError, "structgen/nothing"),
        ({"max_tokens": 0}, sg.errors.OptionError, "max_tokens"),
    ],
)
def test_bad_options_are_told_before_the_call(changes: dict[str, Any], kind: Any, said: str) -> None:
    with pytest.raises(kind, match=said):
        pick("x").using(**changes)

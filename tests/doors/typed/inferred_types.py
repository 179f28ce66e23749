"""Typed functions as people write them; the comments say what mypy and pyright must infer. Never run."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, reveal_type

import structgen as sg


@dataclass
class Person:
    name: str
    age: int


@dataclass
class Query:
    sql: Annotated[str, sg.lark('start: "SELECT 1"')]


@sg.generate(model="structgen/extract", tools=[Person])
def called(text: str) -> str | sg.Call:
    """Read: {text}"""
    return sg.filled()


@sg.generate(model="structgen/extract")
def person(text: str, *, year: int = 1843) -> Person:
    """Extract the person from: {text}"""
    return sg.filled()


@sg.generate(model="structgen/extract", max_tokens=64, sampling=sg.Sampling(temperature=0.5))
async def size(text: str) -> Literal["S", "L"] | None:
    """The size: {text}"""
    return sg.filled()


@sg.generate(model="structgen/extract")
def people(text: str) -> Iterator[Person]:
    """Extract everybody from: {text}"""
    return sg.filled()


@sg.generate(model="structgen/extract")
def crowd(text: str) -> AsyncIterator[Person]:
    """Extract everybody from: {text}"""
    return sg.filled()


@sg.generate(model="structgen/extract")
def anybody() -> Person:
    """Extract the person from: Ada, 36"""
    return sg.filled()


@sg.generate(model="structgen/extract")
async def later() -> Person:
    """Extract the person from: Ada, 36"""
    return sg.filled()


class Reader:
    unit = "m"

    @sg.generate(model="structgen/extract")
    def length(self, text: str) -> float:
        """The length in {self.unit}: {text}"""
        return sg.filled(f"Length: {text}")


@sg.generate(model="structgen/extract", tools=[Person])
def found(text: str) -> Person | list[sg.Call]:
    """Read: {text}"""
    return sg.filled()


async def both(engine: sg.Engine, schema: dict[str, object]) -> None:
    """What tools give beside each kind of target."""
    reveal_type(found("Ada"))  # Person | list[Call]
    reveal_type(found.using(tools=[], max_tokens=3)("Ada"))  # Person | list[Call]
    reveal_type(await size.using(target=Literal["S"])("Ada"))  # Literal['S', 'L'] | None
    found.using(max_token=3)  # error: [call-arg]
    reveal_type(found.detailed("Ada"))  # Outcome[Person | list[Call]]
    reveal_type(sg.run(engine, "Ada", Person, tools=[Person]))  # Person | Call
    reveal_type(sg.run(engine, "Ada", list[int], tools=[Person]))  # list[int] | Call
    reveal_type(sg.run(engine, "Ada", str, tools=[Person]))  # str | Call
    reveal_type(sg.run(engine, "Ada", sg.Reply, tools=[Person]))  # Reply
    reveal_type(sg.run(engine, "Ada", list[sg.Call], tools=[Person]))  # list[Call]
    reveal_type(sg.run(engine, "Ada", Person | sg.Call, tools=[Person]))  # Person | Call
    reveal_type(sg.run(engine, "Ada", Person | list[sg.Call], tools=[Person]))  # Person | list[Call]
    reveal_type(sg.run(engine, "Ada", Person, tools=[Person], detailed=True))  # Outcome[Person | Call]
    stream = sg.run(engine, "Ada", Person, tools=[Person], stream=True)
    reveal_type(stream)  # Iterator[Partial[Person | Call]]
    reveal_type(sg.run(engine, "Ada", schema, tools=[Person]))  # Any
    reveal_type(sg.run(engine, "Ada", re.compile("a"), tools=[Person]))  # Any
    reveal_type(await sg.arun(engine, "Ada", Person, tools=[Person]))  # Person | Call
    reveal_type(await sg.arun(engine, "Ada", Person | list[sg.Call], tools=[Person]))  # Person | list[Call]
    reveal_type(await sg.arun(engine, "Ada", tools=[Person]))  # Reply


async def asked() -> None:
    reveal_type(Query("SELECT 1").sql)  # str
    reveal_type(person("Ada", year=1))  # Person
    reveal_type(person.detailed("Ada").value)  # Person
    reveal_type(person.batch(["Ada"]))  # list[Person]
    reveal_type(person.batch(["Ada"], errors="return")[0])  # Person | GenerationError
    reveal_type(person.prompt("Ada"))  # str
    for partial in person.stream("Ada"):
        reveal_type(partial)  # Partial[Person]
        reveal_type(partial.result)  # Person
    reveal_type(await size("Ada"))  # Literal['S', 'L'] | None
    async for one in size.stream("Ada"):
        reveal_type(one)  # Partial[Literal['S', 'L'] | None]
    reveal_type(people("Ada"))  # Iterator[Person]
    async for each in crowd("Ada"):
        reveal_type(each)  # Person
    reveal_type(Reader().length("Ada"))  # float
    reveal_type(sg.outcome_of("x", Person).value)  # Person
    reveal_type(sg.outcome_of(["x"], Person))  # Iterator[Partial[Person]]
    reveal_type(sg.outcome_of("x", sg.regex("a")).value)  # str
    reveal_type(sg.outcome_of("x", {"type": "integer"}).value)  # Any
    reveal_type(Reader().length.detailed("Ada").value)  # float
    reveal_type(sg.run("structgen/extract", "Ada", Person))  # Person
    reveal_type(sg.run("structgen/extract", "Ada", list[int]))  # list[int]
    reveal_type(sg.extract("structgen/extract", "Ada", Person))  # Extraction[Person]
    reveal_type(sg.extract("structgen/extract", Path("a.txt"), list[Person], page=40).value)  # list[Person]
    reveal_type(sg.extract("structgen/extract", {"a": "Ada"}, Iterator[Person]).value)  # list[Person]
    reveal_type(sg.extract("structgen/extract", ["Ada"], {"type": "array"}).values)  # dict[str, Any]
    sg.extract("structgen/extract", "Ada", Person, page="40")  # error: [call-overload]
    reveal_type(sg.run("structgen/extract", "Ada", Person, detailed=True))  # Outcome[Person]
    reveal_type(called("Ada"))  # str | Call
    reveal_type(called.detailed("Ada").calls)  # list[Call]
    reveal_type(sg.run("structgen/extract", "Ada", tools=[Person]))  # Reply
    reveal_type(sg.run("structgen/extract", "Ada", sg.Call, tools=[Person]))  # Call
    reveal_type(sg.run("structgen/extract", "Ada", str | sg.Call, tools=[Person]))  # str | Call
    reveal_type(anybody.sample(100, method="cars"))  # Samples[Person]
    reveal_type(anybody.sample(100).values)  # list[Person]
    reveal_type(person.sample(100, budget=10)("Ada", year=1))  # Samples[Person]
    ages = person.sample(100)("Ada").expectation(lambda one: one.age)
    reveal_type(ages)  # tuple[float, tuple[float, float, fallback=Interval] | None]
    reveal_type(Reader().length.sample(100)("Ada"))  # Samples[float]
    reveal_type(await later.sample(100))  # Samples[Person]
    reveal_type(await size.sample(100)("Ada"))  # Samples[Literal['S', 'L'] | None]
    person.sample(100)(3)  # error: [arg-type]
    print(person.sample(100).values)  # error: [attr-defined]
    person(3)  # error: [arg-type]
    person("Ada", month=2)  # error: [call-arg]
    Reader().length()  # error: [call-arg]
    print(person("Ada").nmae)  # error: [attr-defined]


@sg.generate(model="structgen/extract", target=sg.choice(["S", "L"]))
def letter(text: str) -> str:
    """The size: {text}"""
    return sg.filled()


async def targets(engine: sg.Engine, schema: dict[str, object]) -> None:
    """What each kind of target gives, whole, detailed and as a stream."""
    reveal_type(sg.run(engine, "Ada"))  # str
    reveal_type(sg.run(engine, "Ada", None))  # str
    reveal_type(sg.run(engine, "Ada", Literal["S", "L"]))  # Literal['S', 'L']
    reveal_type(sg.run(engine, "Ada", Person | None))  # Person | None
    reveal_type(sg.run(engine, "Ada", int | str))  # int | str
    reveal_type(sg.run(engine, "Ada", Annotated[int, "years"]))  # int
    reveal_type(sg.run(engine, "Ada", list[Person | None]))  # list[Person | None]
    reveal_type(sg.run(engine, "Ada", re.compile("a+")))  # str
    reveal_type(sg.run(engine, "Ada", sg.regex("a+")))  # str
    reveal_type(sg.run(engine, "Ada", sg.lark('start: "a"')))  # str
    reveal_type(sg.run(engine, "Ada", sg.regex("a+") | "b"))  # str
    reveal_type(sg.run(engine, "Ada", sg.json_schema({"type": "object"})))  # Any
    reveal_type(sg.run(engine, "Ada", schema))  # Any
    reveal_type(sg.run(engine, "Ada", {"type": "object"}))  # Any
    reveal_type(sg.run(engine, "Ada", Literal["S", "L"], detailed=True).value)  # Literal['S', 'L']
    reveal_type(sg.run(engine, "Ada", re.compile("a+"), detailed=True))  # Outcome[str]
    reveal_type(sg.run(engine, "Ada", detailed=True))  # Outcome[str]
    reveal_type(sg.run(engine, "Ada", schema, detailed=True))  # Outcome[Any]
    reveal_type(sg.run(engine, "Ada", tools=[Person], detailed=True))  # Outcome[Reply]
    reveal_type(sg.run(engine, "Ada", Person, stream=True))  # Iterator[Partial[Person]]
    for partial in sg.run(engine, "Ada", int | None, stream=True, max_tokens=9):
        reveal_type(partial.result)  # int | None
        reveal_type(partial.outcome)  # Outcome[int | None]
    reveal_type(sg.run(engine, "Ada", stream=True))  # Iterator[Partial[str]]
    reveal_type(sg.run(engine, "Ada", tools=[Person], stream=True))  # Iterator[Partial[Reply]]
    reveal_type(await sg.arun(engine, "Ada", Person))  # Person
    reveal_type(await sg.arun(engine, "Ada", Literal["S", "L"]))  # Literal['S', 'L']
    reveal_type(await sg.arun(engine, "Ada", re.compile("a+")))  # str
    reveal_type(await sg.arun(engine, "Ada", schema, detailed=True))  # Outcome[Any]
    reveal_type(await sg.arun(engine, "Ada", tools=[Person]))  # Reply
    async for piece in sg.arun(engine, "Ada", Person | None, stream=True):
        reveal_type(piece.result)  # Person | None
    async for awaited in await sg.arun(engine, "Ada", stream=True):
        reveal_type(awaited.result)  # str
    reveal_type(letter("Ada"))  # str
    sg.run(engine, "Ada", 3)  # error: [call-overload]
    sg.run(engine, "Ada", Person, max_tokenz=3)  # error: [call-overload]


def drawn(engine: sg.Engine) -> None:
    """What samplers return."""
    word, schema = sg.regex("[a-z]+"), sg.json_schema({"type": "object"})
    reveal_type(sg.sample(engine, "Ada", word, 3))  # Samples[str]
    reveal_type(sg.sample(engine, [1, 2], schema, 3, method="cars"))  # Samples[Any]
    reveal_type(sg.sample(engine, ["Ada", "Bo"], word, 3))  # list[Samples[str]]
    reveal_type(sg.sample(engine, [[1], [2]], schema, 3))  # list[Samples[Any]]
    reveal_type(sg.sample(engine, "Ada", Person, 3))  # Samples[Person]
    reveal_type(sg.sample(engine, ["Ada"], Person, 3))  # list[Samples[Person]]
    reveal_type(sg.sample(engine, "Ada", Literal["S", "L"], 3))  # Samples[Literal['S', 'L']]
    reveal_type(sg.sample(engine, "Ada", Person | None, 3).values)  # list[Person | None]
    reveal_type(sg.sample(engine, "Ada", re.compile("a+"), 3))  # Samples[str]
    reveal_type(sg.sample(engine, "Ada", sg.lark('start: "a"'), 3))  # Samples[str]
    reveal_type(sg.sample(engine, "Ada", {"type": "object"}, 3))  # Samples[Any]
    reveal_type(sg.score(engine, "Ada", word, ["one"]))  # list[Score]

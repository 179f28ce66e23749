"""Typed functions as people write them; the comments say what mypy and pyright must infer. Never run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Literal, reveal_type

import structgen as sg


@dataclass
class Person:
    name: str
    age: int


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


async def asked() -> None:
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
    reveal_type(Reader().length.detailed("Ada").value)  # float
    reveal_type(sg.run("structgen/extract", "Ada", Person))  # Person
    reveal_type(sg.run("structgen/extract", "Ada", list[int]))  # list[int]
    reveal_type(sg.run("structgen/extract", "Ada", Person, detailed=True))  # Outcome[Person]
    reveal_type(called("Ada"))  # str | Call
    reveal_type(called.detailed("Ada").calls)  # list[Call]
    reveal_type(sg.run("structgen/extract", "Ada", tools=[Person]))  # Reply
    reveal_type(sg.run("structgen/extract", "Ada", sg.Call, tools=[Person]))  # Any
    reveal_type(anybody.sample(100, method="cars"))  # Samples[Person]
    reveal_type(anybody.sample(100).values)  # list[Person]
    reveal_type(person.sample(100, budget=10)("Ada", year=1))  # Samples[Person]
    reveal_type(person.sample(100)("Ada").expectation(lambda one: one.age))  # tuple[float, float | None]
    reveal_type(Reader().length.sample(100)("Ada"))  # Samples[float]
    reveal_type(await later.sample(100))  # Samples[Person]
    reveal_type(await size.sample(100)("Ada"))  # Samples[Literal['S', 'L'] | None]
    person.sample(100)(3)  # error: [arg-type]
    print(person.sample(100).values)  # error: [attr-defined]
    person(3)  # error: [arg-type]
    person("Ada", month=2)  # error: [call-arg]
    Reader().length()  # error: [call-arg]
    print(person("Ada").nmae)  # error: [attr-defined]


def drawn(engine: sg.Engine) -> None:
    """What samplers return."""
    word, schema = sg.regex("[a-z]+"), sg.json_schema({"type": "object"})
    reveal_type(sg.sample(engine, "Ada", word, 3))  # Samples[str]
    reveal_type(sg.sample(engine, [1, 2], schema, 3, method="cars"))  # Samples[Any]
    reveal_type(sg.sample(engine, ["Ada", "Bo"], word, 3))  # list[Samples[str]]
    reveal_type(sg.sample(engine, [[1], [2]], schema, 3))  # list[Samples[Any]]
    reveal_type(sg.sample(engine, "Ada", Person, 3))  # Samples[Person]
    reveal_type(sg.sample(engine, ["Ada"], Person, 3))  # list[Samples[Person]]
    reveal_type(sg.score(engine, "Ada", word, ["one"]))  # list[Score]

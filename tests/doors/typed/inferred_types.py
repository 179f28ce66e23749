"""Typed functions and calls as people write them, for type checkers. Never run.

`assert_type` says what mypy and pyright must infer. A wrong call has a comment with what the message must
name: the argument, by its number and its name, or by its name alone.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, assert_type

import structgen as sg
from structgen import testing
from structgen.decoding.samplers.intervals.figures import Interval
from structgen.doors.extraction.extraction import Extraction


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
    assert_type(found("Ada"), Person | list[sg.Call])
    assert_type(found.using(tools=[], max_tokens=3)("Ada"), Person | list[sg.Call])
    assert_type(await size.using(target=Literal["S"])("Ada"), Literal["S", "L"] | None)
    found.using(max_token=3)  # wrong: max_token
    assert_type(found.detailed("Ada"), sg.Outcome[Person | list[sg.Call]])
    assert_type(sg.run(engine, "Ada", Person, tools=[Person]), Person | sg.Call)
    assert_type(sg.run(engine, "Ada", list[int], tools=[Person]), list[int] | sg.Call)
    assert_type(sg.run(engine, "Ada", str, tools=[Person]), str | sg.Call)
    assert_type(sg.run(engine, "Ada", sg.Reply, tools=[Person]), sg.Reply)
    assert_type(sg.run(engine, "Ada", list[sg.Call], tools=[Person]), list[sg.Call])
    assert_type(sg.run(engine, "Ada", Person | sg.Call, tools=[Person]), Person | sg.Call)
    assert_type(sg.run(engine, "Ada", Person | list[sg.Call], tools=[Person]), Person | list[sg.Call])
    assert_type(sg.run(engine, "Ada", Person, tools=[Person], detailed=True), sg.Outcome[Person | sg.Call])
    stream = sg.run(engine, "Ada", Person, tools=[Person], stream=True)
    assert_type(stream, Iterator[sg.Partial[Person | sg.Call]])
    assert_type(sg.run(engine, "Ada", schema, tools=[Person]), Any)
    assert_type(sg.run(engine, "Ada", re.compile("a"), tools=[Person]), str | sg.Call)
    assert_type(await sg.arun(engine, "Ada", Person, tools=[Person]), Person | sg.Call)
    assert_type(await sg.arun(engine, "Ada", Person | list[sg.Call], tools=[Person]), Person | list[sg.Call])
    assert_type(await sg.arun(engine, "Ada", tools=[Person]), sg.Reply)


async def asked() -> None:
    assert_type(Query("SELECT 1").sql, str)
    assert_type(person("Ada", year=1), Person)
    assert_type(person.detailed("Ada").value, Person)
    assert_type(person.batch(["Ada"]), list[Person])
    assert_type(person.batch(["Ada"], errors="return")[0], Person | sg.errors.GenerationError)
    assert_type(person.prompt("Ada"), str)
    for partial in person.stream("Ada"):
        assert_type(partial, sg.Partial[Person])
        assert_type(partial.result, Person)
    assert_type(await size("Ada"), Literal["S", "L"] | None)
    async for one in size.stream("Ada"):
        assert_type(one, sg.Partial[Literal["S", "L"] | None])
    assert_type(people("Ada"), Iterator[Person])
    async for each in crowd("Ada"):
        assert_type(each, Person)
    assert_type(Reader().length("Ada"), float)
    assert_type(sg.outcome_of("x", Person).value, Person)
    assert_type(sg.outcome_of(["x"], Person), Iterator[sg.Partial[Person]])
    assert_type(sg.outcome_of("x", sg.regex("a")).value, str)
    assert_type(sg.outcome_of("x", {"type": "integer"}).value, Any)
    assert_type(Reader().length.detailed("Ada").value, float)
    assert_type(sg.run("structgen/extract", "Ada", Person), Person)
    assert_type(sg.run("structgen/extract", "Ada", list[int]), list[int])
    assert_type(sg.extract("structgen/extract", "Ada", Person), Extraction[Person])
    assert_type(sg.extract("structgen/extract", Path("a.txt"), list[Person], page=40).value, list[Person])
    assert_type(sg.extract("structgen/extract", {"a": "Ada"}, Iterator[Person]).value, list[Person])
    assert_type(sg.extract("structgen/extract", ["Ada"], {"type": "array"}).values, dict[str, Any])
    sg.extract("structgen/extract", "Ada", Person, page="40")  # wrong: page
    assert_type(sg.run("structgen/extract", "Ada", Person, detailed=True), sg.Outcome[Person])
    assert_type(called("Ada"), str | sg.Call)
    assert_type(called.detailed("Ada").calls, list[sg.Call])
    assert_type(sg.run("structgen/extract", "Ada", tools=[Person]), sg.Reply)
    assert_type(sg.run("structgen/extract", "Ada", sg.Call, tools=[Person]), sg.Call)
    assert_type(sg.run("structgen/extract", "Ada", str | sg.Call, tools=[Person]), str | sg.Call)
    assert_type(anybody.sample(100, method="cars"), sg.Samples[Person])
    assert_type(anybody.sample(100).values, list[Person])
    assert_type(person.sample(100, budget=10)("Ada", year=1), sg.Samples[Person])
    ages = person.sample(100)("Ada").expectation(lambda one: one.age)
    assert_type(ages, tuple[float, Interval | None])
    assert_type(Reader().length.sample(100)("Ada"), sg.Samples[float])
    assert_type(await later.sample(100), sg.Samples[Person])
    assert_type(await size.sample(100)("Ada"), sg.Samples[Literal["S", "L"] | None])
    person.sample(100)(3)  # wrong: 1 text
    print(person.sample(100).values)  # wrong: values
    person(3)  # wrong: 1 text
    person("Ada", month=2)  # wrong: month
    Reader().length()  # wrong: text
    print(person("Ada").nmae)  # wrong: nmae


@sg.generate(model="structgen/extract", target=sg.choice(["S", "L"]))
def letter(text: str) -> str:
    """The size: {text}"""
    return sg.filled()


async def targets(engine: sg.Engine, schema: dict[str, object]) -> None:
    """What each kind of target gives, whole, detailed and as a stream."""
    assert_type(sg.run(engine, "Ada"), str)
    assert_type(sg.run(engine, "Ada", None), str)
    assert_type(sg.run(engine, "Ada", Literal["S", "L"]), Literal["S", "L"])
    assert_type(sg.run(engine, "Ada", Person | None), Person | None)
    assert_type(sg.run(engine, "Ada", int | str), int | str)
    assert_type(sg.run(engine, "Ada", Annotated[int, "years"]), int)
    assert_type(sg.run(engine, "Ada", list[Person | None]), list[Person | None])
    assert_type(sg.run(engine, "Ada", re.compile("a+")), str)
    assert_type(sg.run(engine, "Ada", sg.regex("a+")), str)
    assert_type(sg.run(engine, "Ada", sg.lark('start: "a"')), str)
    assert_type(sg.run(engine, "Ada", sg.regex("a+") | "b"), str)
    assert_type(sg.run(engine, "Ada", sg.json_schema({"type": "object"})), Any)
    assert_type(sg.run(engine, "Ada", schema), Any)
    assert_type(sg.run(engine, "Ada", {"type": "object"}), Any)
    assert_type(sg.run(engine, "Ada", Literal["S", "L"], detailed=True).value, Literal["S", "L"])
    assert_type(sg.run(engine, "Ada", re.compile("a+"), detailed=True), sg.Outcome[str])
    assert_type(sg.run(engine, "Ada", detailed=True), sg.Outcome[str])
    assert_type(sg.run(engine, "Ada", schema, detailed=True), sg.Outcome[Any])
    assert_type(sg.run(engine, "Ada", tools=[Person], detailed=True), sg.Outcome[sg.Reply])
    assert_type(sg.run(engine, "Ada", Person, stream=True), Iterator[sg.Partial[Person]])
    for partial in sg.run(engine, "Ada", int | None, stream=True, max_tokens=9):
        assert_type(partial.result, int | None)
        assert_type(partial.outcome, sg.Outcome[int | None])
    assert_type(sg.run(engine, "Ada", stream=True), Iterator[sg.Partial[str]])
    assert_type(sg.run(engine, "Ada", tools=[Person], stream=True), Iterator[sg.Partial[sg.Reply]])
    assert_type(await sg.arun(engine, "Ada", Person), Person)
    assert_type(await sg.arun(engine, "Ada", Literal["S", "L"]), Literal["S", "L"])
    assert_type(await sg.arun(engine, "Ada", re.compile("a+")), str)
    assert_type(await sg.arun(engine, "Ada", schema, detailed=True), sg.Outcome[Any])
    assert_type(await sg.arun(engine, "Ada", tools=[Person]), sg.Reply)
    async for piece in sg.arun(engine, "Ada", Person | None, stream=True):
        assert_type(piece.result, Person | None)
    async for awaited in await sg.arun(engine, "Ada", stream=True):
        assert_type(awaited.result, str)
    assert_type(letter("Ada"), str)


def drawn(engine: sg.Engine) -> None:
    """What samplers return."""
    word, schema = sg.regex("[a-z]+"), sg.json_schema({"type": "object"})
    assert_type(sg.sample(engine, "Ada", word, 3), sg.Samples[str])
    assert_type(sg.sample(engine, [1, 2], schema, 3, method="cars"), sg.Samples[Any])
    assert_type(sg.sample(engine, ["Ada", "Bo"], word, 3), list[sg.Samples[str]])
    assert_type(sg.sample(engine, [[1], [2]], schema, 3), list[sg.Samples[Any]])
    assert_type(sg.sample(engine, "Ada", Person, 3), sg.Samples[Person])
    assert_type(sg.sample(engine, ["Ada"], Person, 3), list[sg.Samples[Person]])
    assert_type(sg.sample(engine, "Ada", Literal["S", "L"], 3), sg.Samples[Literal["S", "L"]])
    assert_type(sg.sample(engine, "Ada", Person | None, 3).values, list[Person | None])
    assert_type(sg.sample(engine, "Ada", re.compile("a+"), 3), sg.Samples[str])
    assert_type(sg.sample(engine, "Ada", sg.lark('start: "a"'), 3), sg.Samples[str])
    assert_type(sg.sample(engine, "Ada", {"type": "object"}, 3), sg.Samples[Any])
    assert_type(sg.score(engine, "Ada", word, ["one"]), list[sg.samplers.Score])


# --- grammars -----------------------------------------------------------------------------------------------


WORD = sg.regex("[a-z]+")
AGE = sg.json_schema({"type": "integer"})


@dataclass
class Row:
    code: Annotated[str, WORD]
    rest: str | None = None


@sg.generate(model="structgen/extract")
def code(text: str) -> Annotated[str, WORD]:
    """The code in: {text}"""
    return sg.filled()


@sg.generate(model="structgen/extract", target=AGE)
def age(text: str) -> int:
    """The age in: {text}"""
    return sg.filled()


@sg.generate(model="structgen/extract", target=re.compile("[SL]"), examples=[("big", "L")])
async def letter_later(text: str) -> str:
    """The size: {text}"""
    return sg.filled()


async def grammars(engine: sg.Engine, any_grammar: sg.Grammar, compiled: sg.CompiledGrammar) -> None:
    """Targets that are grammars: their texts are str, and of any other grammar no type is known."""
    assert_type(sg.run(engine, "Ada", any_grammar), Any)
    assert_type(sg.run(engine, "Ada", any_grammar, detailed=True), sg.Outcome[Any])
    assert_type(sg.run(engine, "Ada", any_grammar, stream=True), Iterator[sg.Partial[Any]])
    assert_type(await sg.arun(engine, "Ada", any_grammar), Any)
    assert_type(sg.run(engine, "Ada", compiled), Any)
    assert_type(sg.run(engine, "Ada", AGE, max_tokens=8), Any)
    assert_type(sg.run(engine, "Ada", AGE | "none"), Any)
    assert_type(sg.run(engine, "Ada", sg.choice(["S", "L"])), str)
    assert_type(sg.run(engine, "Ada", sg.literal("S"), detailed=True).value, str)
    assert_type(sg.run(engine, "Ada", sg.ebnf('root ::= "S"')), str)
    assert_type(sg.run(engine, "Ada", sg.text(until="."), stream=True), Iterator[sg.Partial[str]])
    assert_type(sg.run(engine, "Ada", sg.substring_of("Ada is 36.")), str)
    assert_type(sg.run(engine, "Ada", sg.sequence("a", WORD)), str)
    assert_type(sg.run(engine, "Ada", sg.either(WORD, AGE)), str)
    assert_type(sg.run(engine, "Ada", WORD + "." | WORD.optional()), str)
    assert_type(sg.run(engine, "Ada", (WORD & ~sg.literal("no") - "x").repeat(2)), str)
    assert_type(sg.run(engine, "Ada", sg.lark("start: X", bind={"X": WORD})), str)
    assert_type(sg.run(engine, "Ada", sg.structural_tag({"type": "any_text"})), str)
    assert_type(sg.run(engine, "Ada", sg.tools([Person], format="hermes")), str)
    assert_type(sg.run(engine, "Ada", WORD, tools=[Person]), str | sg.Call)
    assert_type(sg.run(engine, "Ada", AGE, tools=[Person]), Any)
    assert_type(sg.run(engine, "Ada", Annotated[str, WORD]), str)
    assert_type(sg.run(engine, "Ada", list[Annotated[str, WORD]]), list[str])
    assert_type(sg.run(engine, "Ada", Row).code, str)
    assert_type(code("Ada"), str)
    assert_type(code.detailed("Ada"), sg.Outcome[str])
    assert_type(age("Ada"), int)
    assert_type(await letter_later("Ada"), str)


# --- what is known only at run time -------------------------------------------------------------------------

T = TypeVar("T")


def asked_of(kind: type[T], engine: sg.Engine) -> T:
    return sg.run(engine, "Ada", kind)


def known_later(
    engine: sg.Engine, messages: list[dict[str, Any]], schema: dict[str, Any], more: dict[str, Any]
) -> None:
    """Calls with arguments that say Any: no other type of the result is lost."""
    assert_type(asked_of(Person, engine), Person)


# --- tools, examples, prompts -------------------------------------------------------------------------------


def weather(city: str) -> str:
    return city


async def tools(engine: sg.Engine, server: sg.Server, given: list[dict[str, Any]], path: Path) -> None:
    """What may be given as tools, as examples, as a model and as a prompt."""
    assert_type(sg.run(server, "Ada", tools=weather), sg.Reply)
    assert_type(sg.run(path, "Ada", tools=given, tool_choice="required"), sg.Reply)
    assert_type(sg.run("structgen/extract", "Ada", tools={"name": "f"}, parallel=2), sg.Reply)
    assert_type(sg.run(engine, "Ada", tools=[weather, sg.Tool("f")], thinking="auto"), sg.Reply)
    assert_type(sg.run(engine, "Ada", tools=[Person], stream=True), Iterator[sg.Partial[sg.Reply]])
    assert_type(
        sg.run(engine, "Ada", list[sg.Call], tools=(weather,), detailed=True), sg.Outcome[list[sg.Call]]
    )
    assert_type(sg.run(engine, "Ada", str | list[sg.Call], tools=[Person]), str | list[sg.Call])
    assert_type(sg.run(engine, "Ada", tools=None), str)
    assert_type(
        await sg.arun(engine, "Ada", Person, tools=[Person], detailed=True), sg.Outcome[Person | sg.Call]
    )
    async for partial in sg.arun(engine, "Ada", Person, tools=[Person], stream=True):
        assert_type(partial.result, Person | sg.Call)
    assert_type(sg.run(engine, "Ada", Person, examples=[("Bo, 3", Person("Bo", 3))]), Person)
    assert_type(sg.run(engine, "Ada", {"type": "object"}, examples=path), Any)
    assert_type(sg.run(engine, [{"role": "user", "content": "Ada"}], Person), Person)
    assert_type(sg.run(engine, "Ada", Person, sampling=sg.Sampling(temperature=0.5)), Person)
    assert_type(
        sg.run(engine, "Ada", list[Person], stream=True, detailed=True), Iterator[sg.Partial[list[Person]]]
    )


async def other_calls(engine: sg.Engine, pieces: Iterator[str]) -> None:
    """Extraction, texts of other programs, filled templates, functions with other options."""
    assert_type(await sg.aextract(engine, "Ada", list[Person]), Extraction[list[Person]])
    assert_type(await sg.aextract(engine, "Ada", Iterator[Person], page=64), Extraction[list[Person]])
    assert_type(await sg.aextract(engine, "Ada", {"type": "object"}), Extraction[Any])
    assert_type(sg.extract(engine, "Ada", Person | None).value, Person | None)
    assert_type(sg.outcome_of("S", Literal["S", "L"]).value, Literal["S", "L"])
    assert_type(sg.outcome_of(pieces, re.compile("a")), Iterator[sg.Partial[str]])
    assert_type(sg.outcome_of(pieces, {"type": "integer"}), Iterator[sg.Partial[Any]])
    assert_type(sg.run(testing.Scripted(["S"]), "Ada", Literal["S", "L"]), Literal["S", "L"])
    assert_type(sg.extract(testing.Scripted([]), "Ada", list[Person]).value, list[Person])
    assert_type(sg.infill("structgen/infill", "It is {a: /yes|no/}.").text, str)
    assert_type(sg.infill("structgen/infill", grammar=Person).values, dict[str, Any])
    assert_type(person.using(max_tokens=9).stream("Ada"), Iterator[sg.Partial[Person]])
    assert_type(person.score([("Ada", Person("Ada", 36))]).right, int)
    assert_type(await size.detailed("Ada"), sg.Outcome[Literal["S", "L"] | None])
    assert_type(await size.batch(["Ada"]), list[Literal["S", "L"] | None])
    assert_type(sg.most_probable(engine, "Ada", WORD), sg.samplers.MostProbable)


# --- wrong calls --------------------------------------------------------------------------------------------


async def wrong_calls(engine: sg.Engine) -> None:
    """Calls with one fault each."""
    sg.run(engine, "Ada", Person, max_tokns=5)  # wrong: max_tokns
    sg.run(engine, "Ada", Person, max_tokens=5, temperature="hot")  # wrong: temperature
    sg.run(engine, "Ada", Person, max_tokens="5")  # wrong: max_tokens
    sg.run(engine, "Ada", Person, sampling="hot", attempts=2)  # wrong: sampling
    sg.run(engine, "Ada", Person, tools=3)  # wrong: tools
    sg.run(engine, "Ada", tools=3, stream=True)  # wrong: tools
    sg.run(engine, "Ada", Person, tool=[Person])  # wrong: tool
    sg.run(engine, "Ada", Person, detailed="yes")  # wrong: detailed
    sg.run(engine, "Ada", Person, stream=True, timeout="9 s")  # wrong: timeout
    sg.run(engine, "Ada", Person | None, stop=3)  # wrong: stop
    sg.run(engine, "Ada", {"type": "object"}, attempts="2")  # wrong: attempts
    sg.run(engine, "Ada", WORD, detailed=True, policies=3)  # wrong: policies
    sg.run(engine, "Ada", Person, examples=3)  # wrong: examples
    sg.run(engine, "Ada", response_model=Person)  # wrong: response_model
    sg.run(engine, "Ada", 3)  # wrong: 3 target
    sg.run(engine, "Ada", [Person])  # wrong: 3 target
    sg.run(engine, 3, Person)  # wrong: 2 prompt
    sg.run(3, "Ada", Person)  # wrong: 1 model
    sg.run(engine)  # wrong: 1 model
    await sg.arun(engine, "Ada", Person, max_tokns=5)  # wrong: max_tokns
    await sg.arun(engine, "Ada", Person | sg.Call, tools=[Person], parallel="2")  # wrong: parallel
    await sg.arun(engine, "Ada", 3)  # wrong: 3 target
    sg.extract(engine, "Ada", Person, pge=40)  # wrong: pge
    sg.extract(engine, 3, Person)  # wrong: 2 document
    sg.extract(engine, "Ada")  # wrong: 1 model
    await sg.aextract(engine, "Ada", Person, least_confidence="high")  # wrong: least_confidence
    sg.sample(engine, "Ada", WORD, 3, method=3)  # wrong: method
    sg.sample(engine, "Ada", WORD, 3, metod="cars")  # wrong: metod
    sg.sample(engine, "Ada", WORD, "3")  # wrong: 4 n
    sg.sample(engine, "Ada", 3, 3)  # wrong: 3 grammar
    sg.outcome_of("x", 3)  # wrong: 2 target
    sg.outcome_of("x", Person, cut="no")  # wrong: cut
    sg.generate(model="structgen/extract", max_tokns=5)  # wrong: max_tokns
    sg.generate(model="structgen/extract", sampling="hot")  # wrong: sampling
    sg.generate(model=3)  # wrong: model
    sg.generate(model="structgen/extract", tools=3)  # wrong: tools
    sg.infill("structgen/infill", "It is {a}.", stepps=3)  # wrong: stepps
    sg.regex(3)  # wrong: 1 pattern
    sg.json_schema(Person)  # wrong: 1 schema
    sg.json_schema({"type": "object"}, max_strings=3)  # wrong: max_strings
    sg.choice(3)  # wrong: 1 texts
    person.batch(["Ada"], errors="none")  # wrong: errors
    person.using(temperature=1)  # wrong: temperature
    print(sg.run(engine, "Ada", WORD).name)  # wrong: name
    print(sg.run(engine, "Ada", Person, detailed=True).name)  # wrong: name
    print(sg.run(engine, "Ada", Person, tools=[Person]).age)  # wrong: age


# --- methods of a call --------------------------------------------------------------------------------------


async def methods(engine: sg.Engine, schema: dict[str, object], untyped: list[dict[str, Any]]) -> None:
    """`detailed` and `stream` of `run` and `arun` infer what a call infers, inside of their own type."""
    assert_type(sg.run.detailed(engine, "Ada"), sg.Outcome[str])
    assert_type(sg.run.detailed(engine, "Ada", Person, max_tokens=9), sg.Outcome[Person])
    assert_type(sg.run.detailed(engine, "Ada", int | None), sg.Outcome[int | None])
    assert_type(sg.run.detailed(engine, "Ada", Literal["S", "L"]).value, Literal["S", "L"])
    assert_type(sg.run.detailed(engine, "Ada", re.compile("a+")), sg.Outcome[str])
    assert_type(sg.run.detailed(engine, "Ada", schema), sg.Outcome[Any])
    assert_type(sg.run.detailed(engine, untyped, Person), sg.Outcome[Person])
    assert_type(sg.run.detailed(engine, "Ada", tools=[Person]), sg.Outcome[sg.Reply])
    assert_type(sg.run.detailed(engine, "Ada", list[sg.Call], tools=[Person]), sg.Outcome[list[sg.Call]])
    assert_type(sg.run.detailed(engine, "Ada", Person, tools=[Person]), sg.Outcome[Person | sg.Call])
    assert_type(sg.run.detailed(engine, "Ada", WORD, tools=[Person]), sg.Outcome[str | sg.Call])
    for partial in sg.run.stream(engine, "Ada", int | None, max_tokens=9):
        assert_type(partial.result, int | None)
        assert_type(partial.outcome, sg.Outcome[int | None])
    assert_type(sg.run.stream(engine, "Ada", Person, detailed=True), Iterator[sg.Partial[Person]])
    assert_type(sg.run.stream(engine, "Ada", tools=[Person]), Iterator[sg.Partial[sg.Reply]])
    assert_type(await sg.arun.detailed(engine, "Ada", list[Person]), sg.Outcome[list[Person]])
    assert_type(await sg.arun.detailed(engine, "Ada", Person, tools=[Person]), sg.Outcome[Person | sg.Call])
    async for piece in sg.arun.stream(engine, "Ada", Person | None):
        assert_type(piece.result, Person | None)
    async for awaited in await sg.arun.stream(engine, "Ada"):
        assert_type(awaited.result, str)


async def wrong_methods(engine: sg.Engine) -> None:
    """Calls of methods with one fault each."""
    sg.run.detailed(engine, "Ada", Person, max_tokns=5)  # wrong: max_tokns
    sg.run.detailed(engine, "Ada", Person, max_tokens="5")  # wrong: max_tokens
    sg.run.detailed(engine, "Ada", Person, detailed=True)  # wrong: detailed
    sg.run.detailed(engine, "Ada", Person, stream=True)  # wrong: stream
    sg.run.detailed(engine, "Ada", 3)  # wrong: 3 target
    sg.run.detailed(engine)  # wrong: 1 model
    sg.run.stream(engine, 3, Person)  # wrong: 2 prompt
    sg.run.stream(engine, "Ada", Person, stream=True)  # wrong: stream
    sg.run.stream(engine, "Ada", Person, detailed="yes")  # wrong: detailed
    sg.run.stream(engine, "Ada", tools=3)  # wrong: tools
    await sg.arun.detailed(engine, "Ada", Person, sampling="hot")  # wrong: sampling
    sg.arun.stream(engine, "Ada", Person, timeout="9 s")  # wrong: timeout
    print(sg.run.detailed(engine, "Ada", Person).name)  # wrong: name

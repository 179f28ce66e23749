"""What does the decorator cost over the engine, and streaming over not streaming?

    python bench/bench_decorator.py [--calls 200] [--repeats 7] [--only calls]

A call is measured with a model that costs nothing (it answers by heart), against the same request handed to
`Engine.generate` and the same text handed to pydantic: the difference is the decorator's. Streams are
measured with the embedded model, whose tokens take time: seconds of `person.stream(...)`, each partial
looked at by its text or by its value, against those of `person(...)`, per token: call by call in turns, and
what a stream adds is the median of its differences to the call of the same round, so that what else the
machine does weighs on both. Other figures are medians over the rounds. Goals: 1 ms a call, 2 % a token.
Prints a table and writes bench/results/decorator-DATE.csv.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, TypeAdapter
from records import arguments, in_turns, load, middle, write

import structgen as sg
from structgen.python_types.type_hints import read_type

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "typed"))
from told import told

TEXT = "Ada Lovelace, 36, lives in London."
DOCUMENT = '{"name": "Ada Lovelace", "age": 36, "city": "London"}'


class Person(BaseModel):
    name: str
    age: int
    city: str


def of_calls(calls: int, repeats: int) -> list[tuple[str, float, str]]:
    """Return what a call costs."""
    engine, _ = told(DOCUMENT)

    @sg.generate(model=engine)
    def person(text: str) -> Person:
        """Extract the person from: {text}"""
        return sg.filled()

    reader = read_type(Person)
    grammar, adapter = sg.json_schema(reader.schema, **reader.policies), TypeAdapter(Person)
    how = sg.Sampling(temperature=0.0)

    def by_hand() -> Person:
        request = sg.Request(f"Extract the person from: {TEXT}\n", grammar, how, max_tokens=512)
        (result,) = engine.generate(request)
        return adapter.validate_json(result.text)

    def many(work: Callable[[], Any]) -> Callable[[], Any]:
        return lambda: [work() for _ in range(calls)]

    taken = in_turns({"engine": many(by_hand), "decorator": many(lambda: person(TEXT))}, repeats)
    found = {name: middle(times) / calls for name, times in taken.items()}
    over = found["decorator"] - found["engine"]
    return [
        ("engine, a call", 1e3 * found["engine"], "ms"),
        ("decorator, a call", 1e3 * found["decorator"], "ms"),
        ("decorator over engine, a call", 1e3 * over, "ms"),
    ]


def of_streams(calls: int, repeats: int) -> list[tuple[str, float, str]]:
    """Return what streaming costs."""

    @sg.generate(model="structgen/extract")
    def person(text: str) -> Person:
        """Extract the person from: {text}"""
        return sg.filled()

    def texts() -> None:
        for partial in person.stream(TEXT):
            len(partial.text)

    def values() -> None:
        for partial in person.stream(TEXT):
            partial.value  # noqa: B018

    tokens = len(person.detailed(TEXT).result.tokens)
    ways = {"call": lambda: person(TEXT), "texts": texts, "values": values}
    taken = in_turns(ways, calls * repeats)
    call = middle(taken["call"])
    rows = [(f"{name}, a token", 1e3 * middle(of) / tokens, "ms") for name, of in taken.items()]
    for name in ("texts", "values"):
        added = statistics.median(a - b for (a, _), (b, _) in zip(taken[name], taken["call"], strict=True))
        rows.append((f"stream of {name} over call, a token", 100 * added / call, "%"))
    return rows


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--only", choices=("calls", "streams"))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    parts: dict[str, Callable[[], list[tuple[str, float, str]]]] = {
        "calls": lambda: of_calls(asked.calls, asked.repeats),
        "streams": lambda: of_streams(max(asked.calls // 10, 1), asked.repeats),
    }
    rows = [row for name, part in parts.items() if asked.only in (None, name) for row in part()]
    for name, value, unit in rows:
        print(f"{name:45} {value:8.3f} {unit}")
    about = {
        "load": load(),
        "versions": f"structgen {sg.__version__} torch {version('torch')} pydantic {version('pydantic')}",
        "calls": asked.calls,
        "repeats": asked.repeats,
    }
    figures = [(name, f"{value:.4f}", unit) for name, value, unit in rows]
    write(asked.results, "decorator", about, ("measure", "value", "unit"), figures)


if __name__ == "__main__":
    main()

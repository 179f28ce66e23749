"""What does the decorator cost over the engine, and streaming over not streaming?

    python bench/bench_decorator.py [--calls 200] [--repeats 7] [--only types]

A call is measured with a model that costs nothing (it answers by heart), against the same request handed to
`Engine.generate` and the same text handed to pydantic: the difference is the decorator's. Streams are
measured with the embedded model, whose tokens take time: seconds of `person.stream(...)`, each partial
looked at by its text or by its value, against those of `person(...)`, per token: call by call in turns, and
what a stream adds is the median of its differences to the call of the same round, so that what else the
machine does weighs on both. Other figures are medians over the rounds. Goals: 1 ms a call, 2 % a token.
Bare types: fifteen sentences, written by hand and in no training data, and return types that are no objects;
right answers of the embedded model, and processor seconds of all calls together, asked for an object
(`wrap=True`) and without (`wrap=False`).
Prints a table and writes bench/results/decorator-DATE.csv.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, TypeAdapter
from records import arguments, load, write

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


class Guest(BaseModel):
    name: str
    age: int


BARE: list[tuple[Any, str, Any]] = [
    (int, "The ferry carries 48 cars.", 48),
    (int, "Grandmother Ilse turned 91 last Tuesday.", 91),
    (int, "We need seven chairs for the terrace.", 7),
    (float, "The parcel weighs 2.75 kg.", 2.75),
    (float, "A litre of milk costs 1.19 euros.", 1.19),
    (bool, "The invoice has been paid.", True),
    (bool, "The museum is not open on Mondays.", False),
    (list[str], "Priya, Jonas and Mei are coming to dinner.", ["Priya", "Jonas", "Mei"]),
    (list[str], "Please buy flour, eggs and butter.", ["flour", "eggs", "butter"]),
    (list[str], "The tour stops in Ghent, Lille and Reims.", ["Ghent", "Lille", "Reims"]),
    (Literal["positive", "negative"], "The hotel was dirty and the staff were rude.", "negative"),
    (Literal["low", "medium", "high"], "This ticket has high priority.", "high"),
    (Literal["tea", "coffee"], "He asked for a pot of green tea.", "tea"),
    (list[Guest], "Otto is 61 and Ruth is 58.", [Guest(name="Otto", age=61), Guest(name="Ruth", age=58)]),
    (
        list[Guest],
        "Lea (9), Tim (12) and Noor (7) join the trip.",
        [Guest(name="Lea", age=9), Guest(name="Tim", age=12), Guest(name="Noor", age=7)],
    ),
]
"""Return types, sentences, and the right answers."""


def of_bare_types() -> list[tuple[str, float, str]]:
    """Return what the embedded model makes of types whose documents are no objects."""
    rows: list[tuple[str, float, str]] = []
    for wrap in (True, False):

        def answers(wrap: bool = wrap) -> list[Any]:
            how: dict[str, Any] = {"detailed": True, "wrap": wrap}
            return [sg.run("structgen/extract", text, hint, **how).value for hint, text, _ in BARE]

        answers()  # the grammars are compiled
        begun = time.process_time()
        found = answers()
        taken = time.process_time() - begun
        named = "bare types asked for in an object" if wrap else "bare types asked for bare"
        right = sum(one == wanted for one, (*_, wanted) in zip(found, BARE, strict=True))
        rows += [(f"{named}, right", right, f"of {len(BARE)}"), (named, taken, "processor s")]
    return rows


def seconds(work: Callable[[], Any], calls: int) -> float:
    """Return seconds a call."""
    begun = time.perf_counter()
    for _ in range(calls):
        work()
    return (time.perf_counter() - begun) / calls


def rounds(sides: dict[str, Callable[[], Any]], calls: int, repeats: int) -> dict[str, list[float]]:
    """Return seconds a call of each side, by round; sides take turns, in another order each round."""
    found: dict[str, list[float]] = {name: [] for name in sides}
    for work in sides.values():
        work()
    names = list(sides)
    for round_ in range(repeats):
        for name in names[round_ % len(names) :] + names[: round_ % len(names)]:
            found[name].append(seconds(sides[name], calls))
    return found


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

    taken = rounds({"engine": by_hand, "decorator": lambda: person(TEXT)}, calls, repeats)
    found = {name: statistics.median(times) for name, times in taken.items()}
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
    taken = rounds({"call": lambda: person(TEXT), "texts": texts, "values": values}, 1, calls * repeats)
    call = statistics.median(taken["call"])
    rows = [(f"{name}, a token", 1e3 * statistics.median(of) / tokens, "ms") for name, of in taken.items()]
    for name in ("texts", "values"):
        added = statistics.median(a - b for a, b in zip(taken[name], taken["call"], strict=True))
        rows.append((f"stream of {name} over call, a token", 100 * added / call, "%"))
    return rows


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--only", choices=("types", "calls", "streams"))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    parts: dict[str, Callable[[], list[tuple[str, float, str]]]] = {
        "types": of_bare_types,
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

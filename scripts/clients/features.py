"""What the clients' files share: what is asked for, and what runs the features of a client.

    python openai_client.py ADDRESS MODEL [--only FEATURE ...]

A file has a function for each feature, marked by `feature`, and calls `run` at its end. `run` writes a line
of JSON to stdout for each feature: its name, the seconds that it took, its error ("" where it did as it
should), `fault`, and the `line` that a first page needs. What the client itself prints goes to stderr. The
models are tiny, so a feature is judged by protocol: the client gets a reply that it can read, the object has
its type, the tool was called with valid arguments, the loop ended. `structgen/extract` also finds what the
text states: see `is_ada`.
"""

from __future__ import annotations

import argparse
import asyncio
import inspect
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field

_parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
_parser.add_argument("address", help="of a server, without /v1")
_parser.add_argument("model")
_parser.add_argument("--only", nargs="+", metavar="FEATURE")
_parser.add_argument("--seconds", type=float, default=240, help="the most that one feature takes")
OPTIONS = _parser.parse_args()
HOST: str = OPTIONS.address
V1 = f"{HOST}/v1"
MODEL: str = OPTIONS.model
KEY = "any"
EXTRACTS = MODEL == "extract"
"""The model writes documents and calls alone, and its free text has no meaning."""

TEXT = "Ada Lovelace, 36, lives in London."
ASK = "What is the weather in London?"
BOTH = ("smollm2", "extract")
CHATS = ("smollm2",)
EXTRACT = ("extract",)
SCRIPTED = ("scripted",)
"""For agents, whose model says what a script has: see coding_agents.py."""


class Person(BaseModel):
    """A person."""

    name: str = Field(description="The full name")
    age: int
    city: str | None


class City(BaseModel):
    """A city."""

    city: str


ADA = {"name": "Ada Lovelace", "age": 36, "city": "London"}
WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string", "description": "The name of the city"}},
    "required": ["city"],
    "additionalProperties": False,
}
"""The arguments of the tool `weather`."""
TOLD = list[str]()
"""The cities of which `weather` was asked in the feature that runs."""


def weather(city: str) -> str:
    """Return the weather of a city.

    Args:
        city: The name of the city.
    """
    assert isinstance(city, str), city
    TOLD.append(city)
    return "Sunny, 21 degrees."


def is_ada(found: Any) -> None:
    """Raise AssertionError where an object, its dictionary or its JSON is no Person, or, of `extract`, not
    Ada."""
    made = json.loads(found) if isinstance(found, str) else found
    made = made.model_dump() if isinstance(made, BaseModel) else made
    person = Person.model_validate(made, strict=True).model_dump()
    assert not EXTRACTS or person == ADA, found


def is_weather(name: str, arguments: Any) -> None:
    """Raise AssertionError where a call is not one of the tool `weather`."""
    made = json.loads(arguments) if isinstance(arguments, str) else arguments
    assert name == "weather" and list(made) == ["city"] and isinstance(made["city"], str), (name, arguments)


def was_asked(most: int = 1) -> None:
    """Raise AssertionError where the tool `weather` ran never, or more often than `most`."""
    assert 1 <= len(TOLD) <= most, TOLD


@contextmanager
def raises(kind: type[BaseException], *words: str) -> Iterator[None]:
    """Raise AssertionError where the block raises no error of a kind that has one of the words."""
    try:
        yield
    except kind as error:
        assert any(word in str(error) for word in words), error
        return
    raise AssertionError(f"no {kind.__name__}")


@dataclass
class Feature:
    """A function that raises where the feature fails. `fault` says whose fault it is that it does."""

    name: str
    function: Callable[[], Any]
    models: tuple[str, ...]
    fault: str
    line: str = ""
    """The line that a first page needs."""


_features = list[Feature]()


def feature(name: str, models: tuple[str, ...] = BOTH, *, fault: str = "") -> Callable[[Any], Any]:
    """Mark a function, plain or async, as the feature `name`, which is asked of some of the models."""

    def mark(function: Callable[[], Any]) -> Callable[[], Any]:
        _features.append(Feature(name, function, models, fault))
        return function

    return mark


def first_page(
    line: str, *, name: str = "first page", models: tuple[str, ...] = CHATS, mend: str = "", fault: str = ""
) -> Callable[[Any], Any]:
    """Mark a function as the program of the client's own first page, with its model's name, where nothing but
    the address and the key of the server is set, by `line`.

    Where that fails, `fault` says whose fault it is, and `mend` is the line that mends it. The function takes
    whether that line is set then, and is asked both ways.
    """

    def mark(function: Callable[..., Any]) -> Callable[..., Any]:
        if mend:
            _features.append(Feature(name, lambda: function(False), models, fault, line))
            _features.append(Feature(f"{name}, mended", lambda: function(True), models, "", mend))
        else:
            _features.append(Feature(name, function, models, fault, line))
        return function

    return mark


def _too_late(*_: object) -> None:
    raise TimeoutError(f"no end after {OPTIONS.seconds:.0f} s")


def run() -> None:
    """Run the features, and end the process, also where the client has left threads behind."""
    # what a client or a program of it prints is no row
    lines, sys.stdout = os.fdopen(os.dup(1), "w"), sys.stderr
    os.dup2(2, 1)
    signal.signal(signal.SIGALRM, _too_late)
    for one in _features:
        if MODEL not in one.models or (OPTIONS.only and one.name not in OPTIONS.only):
            continue
        TOLD.clear()
        before, said = time.monotonic(), ""
        signal.setitimer(signal.ITIMER_REAL, OPTIONS.seconds)
        try:
            found = one.function()
            if inspect.isawaitable(found):
                asyncio.run(found)  # type: ignore[arg-type]
        except (Exception, SystemExit) as error:
            traceback.print_exc()
            said = f"{type(error).__name__}: {error}"
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        row = {
            "name": one.name,
            "seconds": time.monotonic() - before,
            "error": said,
            "fault": one.fault,
            "line": one.line,
        }
        print(json.dumps(row), file=lines, flush=True)
    lines.flush()
    sys.stderr.flush()
    os._exit(0)

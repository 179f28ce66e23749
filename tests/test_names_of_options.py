"""A wrong value of an option gets an error that names the option as the caller wrote it."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import structgen as sg
from structgen.decoding.samplers.sample import SampleOptions
from structgen.doors.typed.signatures.call_options import CallOptions

sys.path[:0] = [str(Path(__file__).parents[1] / "scripts")]
import call_options  # noqa: E402

MODEL = "structgen/extract"
SCHEMA = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
DIGIT = sg.regex("[0-9]")
TOKENIZER = sg.Tokenizer.from_bytes([bytes([value]) for value in range(256)] + [None], eos_token_id=256)


class Odd:
    """An object that no option takes."""

    def __repr__(self) -> str:
        return "ODD"


def _tools(**options: Any) -> Any:
    return sg.tools([{"name": "f", "parameters": {"type": "object"}}], **{"format": "hermes"} | options)


CALLS: dict[str, Callable[..., Any]] = {
    "run": lambda **options: sg.run(MODEL, "Ada", SCHEMA, **{"max_tokens": 40} | options),
    "sample": lambda **options: sg.sample(MODEL, "x", DIGIT, 1, **{"budget": 50} | options),
    "score": lambda **options: sg.score(MODEL, "x", DIGIT, ["1"], **options),
    "most_probable": lambda **options: sg.most_probable(MODEL, "x", DIGIT, **options),
    "cite": lambda **options: sg.cite(MODEL, "It is so. I know.", "Is it so?", **options),
    "infill": lambda **options: sg.infill("structgen/infill", "It is {a: /yes|no/, 4}.", **options),
    "tools": _tools,
    "json_schema": lambda **options: sg.json_schema(SCHEMA, **options),
    "regex": lambda **options: sg.regex("a", **options),
    "lark": lambda **options: sg.lark('start: "a"', **options),
    "compile": lambda **options: sg.compile(DIGIT, TOKENIZER, **options),
    "Engine": lambda **options: sg.Engine(MODEL, **options),
    "Speculation": lambda **options: sg.Speculation(**options),
    "Request": lambda **options: sg.Request("x", **options),
}
KEYWORDS = {"run": CallOptions, "sample": SampleOptions}
"""The keywords of functions whose signature does not list them."""
TARGETS = {("infill", "grammar"), ("Request", "grammar")}
"""Objects of any class are targets: what is wrong with one is said of its class."""


def _keywords(name: str) -> list[str]:
    if name in KEYWORDS:
        return list(KEYWORDS[name].__annotations__)
    listed = inspect.signature(getattr(sg, name)).parameters.values()
    return [one.name for one in listed if one.default is not one.empty]


@pytest.mark.parametrize(
    ("name", "keyword"),
    [(name, keyword) for name in CALLS for keyword in _keywords(name) if (name, keyword) not in TARGETS],
)
def test_a_wrong_value_is_refused_by_the_name_of_its_option(name: str, keyword: str) -> None:
    with pytest.raises(sg.StructgenError) as caught:
        CALLS[name](**{keyword: Odd()})
    said = f"{caught.value.where}: {caught.value.what}"
    assert keyword in re.split(r"\W+", said), said
    assert caught.value.cure or "must be " in caught.value.what


def test_the_keywords_of_type_checkers_are_those_that_the_dataclasses_check() -> None:
    changed = [path for path, text in call_options.made().items() if path.read_text(encoding="utf-8") != text]
    assert not changed, "python scripts/call_options.py --write"

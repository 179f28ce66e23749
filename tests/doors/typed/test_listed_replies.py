"""Replies that are a listed value by itself: each is read as what its text says, and as no other value."""

from __future__ import annotations

import enum
import json
import random
from collections.abc import Callable
from typing import Any, Literal, Optional

import pytest
from for_each import for_each

import structgen as sg
from structgen.doors.typed.model_servers.server_replies import read_document
from structgen.doors.typed.target_forms import form_of

WORDS = (
    *("positive", "negative", "1", "2", "true", "null", "a b", "don't", "x.", "é", "漢", "[1]", "{a}", "a`b"),
    *('"', "'a'", "a", "\\", "line\nbreak", "1.0", "-0", "Positive", "`a`"),
)
OTHERS = (1, 2, -3, True, False, None)
AROUND: dict[str, Callable[[str], str]] = {
    "bare": str,
    "blanks": " {}\n".format,
    "mark": "\ufeff{}".format,
    "fence": "```\n{}\n```".format,
    "named fence": "```text\n{}\n```\n".format,
    "thoughts": "<think>one of 1, 2, positive</think>\n{}".format,
    "closed thoughts": "It is a. </think>{}".format,
}
QUOTED = ('"{}"', "'{}'", "`{}`", "\u201c{}\u201d")


def is_same(value: Any, other: Any) -> bool:
    """Return whether two scalars are the same value of JSON, of which true is not 1."""
    return bool(value == other) and isinstance(value, bool) == isinstance(other, bool)


def said_values(text: str, values: list[Any]) -> list[Any]:
    """Return the values that a text by itself says: one of its JSON, else one of its name. By brute force."""
    try:
        read = json.loads(text)
    except ValueError:
        read = object()
    of_json = [value for value in values if is_same(value, read)]
    return of_json or [value for value in values if value == text and isinstance(value, str)]


def reading(reply: str, target: Any, wrap: Literal["never", "always"]) -> tuple[bool, Any]:
    """Return whether a reply is read, and the value that it says."""
    form = form_of(target, wrap=wrap)
    document = read_document(reply, form.server_schema).document
    if document is None:
        return False, None
    value = json.loads(document)
    return True, value["value"] if wrap == "always" else value


def targets_of(values: list[Any], source: random.Random) -> Any:
    """Return a target that lists some values: a type, a schema, or alternatives of both."""
    half = len(values) // 2
    return source.choice(
        [
            Literal[tuple(values)],
            {"enum": values},
            {"oneOf": [{"const": value} for value in values]},
            {"anyOf": [{"enum": values[:half]}, {"enum": values[half:]}]} if half else {"const": values[0]},
            {"$ref": "#/$defs/V", "$defs": {"V": {"enum": values}}},
            {"anyOf": [{"enum": values}, {"type": "array", "items": {"type": "integer"}, "minItems": 2}]},
        ]
    )


@pytest.mark.parametrize("seeds", [range(100), pytest.param(range(100, 20_000), marks=pytest.mark.slow)])
def test_a_reply_that_is_one_listed_value_is_this_value(seeds: range) -> None:
    for seed in seeds:
        source = random.Random(seed)
        values: list[Any] = source.sample(WORDS, source.randrange(1, 6)) + source.sample(OTHERS, 2)
        values = list({json.dumps(value): value for value in values[source.randrange(3) :]}.values())
        target, wrap = targets_of(values, source), source.choice(["never", "always"])
        for text in [*source.sample(WORDS, 4), *map(json.dumps, values), *map(str, values)]:
            name = source.choice([*AROUND])
            if name != "bare" and ("`" in text or text in ("[1]", "{a}")):
                name = "bare"  # these may be read as what stands around a value
            reply = AROUND[name](text)
            said = said_values(text, values)
            is_read, value = reading(reply, target, wrap)  # type: ignore[arg-type]
            if said:
                assert is_read and is_same(value, said[0]), (target, wrap, reply)
            elif text.strip("`'\"") == text:
                assert not is_read, (target, wrap, reply, value)


@pytest.mark.parametrize("seeds", [range(100), pytest.param(range(100, 20_000), marks=pytest.mark.slow)])
def test_a_listed_value_may_stand_in_marks_of_quotation(seeds: range) -> None:
    for seed in seeds:
        source = random.Random(seed)
        values: list[Any] = source.sample(("positive", "negative", "1", "null", "a b", "é"), 3)
        values += source.sample(OTHERS, source.randrange(2))
        target, wrap = targets_of(values, source), source.choice(["never", "always"])
        for value in values:
            text = value if isinstance(value, str) else json.dumps(value)
            reply = source.choice(QUOTED).format(text)
            is_read, found = reading(reply, target, wrap)  # type: ignore[arg-type]
            assert is_read and found in [other for other in values if text in (other, json.dumps(other))]


@for_each(
    ("target", "reply", "value"),
    [
        (Literal["yes", "no"], "yes", "yes"),
        (Literal["yes", "no"], "```yes```", "yes"),
        (Optional[Literal["yes"]], "null", None),  # noqa: UP045
        (Literal["a"] | int, "a", "a"),
        (Literal["a"] | list[int], "[1, 2]", [1, 2]),
        (enum.Enum("Size", {"SMALL": "S", "LARGE": 2}), "2", 2),
        (Literal["a"] | str, "a", "a"),
        ({"choice": ["a", "b"]}, "b", "b"),
        (sg.choice(["a", "b"]), "'b'", "b"),
    ],
)
def test_what_is_read_by_name(target: Any, reply: str, value: Any) -> None:
    outcome = sg.outcome_of(reply, target)
    got = outcome.value
    assert getattr(got, "value", got) == value


@for_each(
    ("target", "reply"),
    [
        (Literal["yes", "no"], "yes."),
        (Literal["yes", "no"], "Yes"),
        (Literal["yes", "no"], "yes no"),
        (Literal["yes", "no"], "The answer is yes"),
        (Literal["yes", "no"], "YES"),
        (Literal["yes", "no"], ""),
        (Literal["", "no"], "'"),
        (str | int, "free"),
        (Literal["a"] | str, "free"),
        (list[Literal["a"]], "a"),
    ],
)
def test_what_is_no_listed_value_is_not_read(target: Any, reply: str) -> None:
    assert sg.outcome_of(reply, target).error is not None

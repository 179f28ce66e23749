"""`sg.outcome_of`: texts of models that somebody else calls are read as those of typed functions."""

from __future__ import annotations

import json
import random
from typing import Any, Literal

import pytest
from asked import ADA, Person
from openai_server import serving
from pydantic import TypeAdapter, create_model

import structgen as sg

WORDS = ("", "a", 'say "{x}"', "```", "[1]", "é\n", "\\", "}", "3", "null")


def drawn(source: random.Random, depth: int = 3) -> tuple[Any, Any]:
    """Return a type, and a value that `json.dumps` writes as one of its documents."""
    match source.randrange(10 if depth else 6):
        case 0:
            return int, source.randrange(-99, 99)
        case 1:
            return bool, source.random() < 0.5
        case 2 | 3:
            return str if depth < 3 else Literal["a", "b"], source.choice(WORDS if depth < 3 else "ab")
        case 4:
            return float, source.choice([0.5, -1e-9, 3.0, 1e30])
        case 5:
            return (int | None), source.choice([None, 7])
        case 6 | 7:
            parts = [drawn(source, depth - 1) for _ in range(source.randrange(1, 4))]
            model: Any = create_model("Drawn", **{f"f{at}": hint for at, (hint, _) in enumerate(parts)})
            return model, {f"f{at}": value for at, (_, value) in enumerate(parts)}
        case 8:
            item, value = drawn(source, depth - 1)
            return list[item], [value] * source.randrange(3)  # type: ignore[valid-type]
        case _:
            item, value = drawn(source, depth - 1)
            return dict[str, item], {source.choice(WORDS): value}  # type: ignore[valid-type]


def around(source: random.Random, text: str) -> str:
    """Return a document as models send it: by itself, in a fence, behind thoughts, in a sentence."""
    if text[0] == "{" or (text[0] == "[" and "{" in text):
        text = source.choice([text, f"Sure! Here it is [1]: {text} Hope it helps.", f"As asked\n{text}\n:)"])
    text = source.choice([text, f"\ufeff {text}\n", f"```{source.choice(['', 'json', 'txt'])}\n{text}\n```"])
    thoughts = f"Hm, {{}} or {source.choice(WORDS)}?"
    return source.choice([text, f"<think>{thoughts}</think>\n{text}", f"{thoughts}</think>{text}"])


def test_a_listed_string_may_stand_without_its_quotes_and_no_other_text_is_one() -> None:
    source = random.Random(5)
    for _ in range(60):
        words = ["".join(source.choices("ab 1é", k=source.randrange(1, 6))).strip() or "a" for _ in range(3)]
        hint: Any = Literal[tuple(dict.fromkeys((*words, 1, None)))]  # type: ignore[valid-type]
        word = source.choice(words)
        text = source.choice([word, f" {word}\n", f"```\n{word}\n```", f"<think>{words[0]}</think>{word}"])
        assert sg.outcome_of(text, hint).value == (1 if word == "1" else word)
        assert sg.outcome_of(f"{word}x", hint).error is not None


def hold_that_values_come_back(seed: int, count: int) -> None:
    source = random.Random(seed)
    for _ in range(count):
        hint, value = drawn(source)
        written = json.dumps(value, indent=source.choice([None, 2]), ensure_ascii=source.random() < 0.5)
        text = around(source, written)
        wanted = TypeAdapter(hint).validate_python(value)
        outcome = sg.outcome_of(text, hint)
        assert outcome.error is None and outcome.value == wanted, (text, outcome)
        size = source.randrange(1, 9)
        *_, last = sg.outcome_of((text[at : at + size] for at in range(0, len(text), size)), hint)
        assert last.result == wanted


def test_a_value_in_a_fence_or_in_prose_comes_back() -> None:
    hold_that_values_come_back(seed=4, count=200)


@pytest.mark.slow
def test_a_value_in_a_fence_or_in_prose_comes_back_whole() -> None:
    hold_that_values_come_back(seed=5, count=1500)


@pytest.mark.parametrize("seed", range(12))
def test_the_error_of_a_text_is_that_of_a_typed_function(seed: int) -> None:
    """A document that is cut, or loses a character, or is none at all; the typed function asks a server."""
    source = random.Random(seed)
    text, at, is_cut = around(source, ADA), source.randrange(len(ADA)), seed % 3 == 0
    text = source.choice([text.replace(ADA, ADA[:at] + ADA[at + 1 :]), text[: text.find(ADA) + at], "No."])
    with serving({"content": text, "finish_reason": "length" if is_cut else "stop"}) as server:
        called = sg.run.detailed(server.model, "Who?", Person, attempts=1)
    read = sg.outcome_of(text, Person, cut=is_cut)
    assert (read.text, read.finish_reason) == (called.text, called.finish_reason)
    assert (read.error is None) == (called.error is None)
    if read.error is not None and called.error is not None:
        assert (read.error.what, read.error.cure) == (called.error.what, called.error.cure)
        assert read.error.text == called.error.text


def test_a_stream_tells_parts_as_objects_and_then_the_error_of_the_type() -> None:
    pieces = ["Here:\n[", ADA, ', {"name": "B', 'o", "age": "x"}]']
    seen = []
    with pytest.raises(sg.errors.GenerationError, match="/1/age"):
        for partial in sg.outcome_of(pieces, list[Person]):
            seen.append(partial.value)
    assert seen[1:] == [[Person(name="Ada", age=36)], [Person(name="Ada", age=36), {"name": "B"}]]


@pytest.mark.parametrize(
    ("target", "value"), [({"choice": ["red", "blue"]}, "red"), ({"enum": ["red"]}, "red"), (str, '"red"')]
)
def test_any_target_that_a_schema_says_is_read(target: Any, value: str) -> None:
    assert sg.outcome_of('"red"', target).value == value


@pytest.mark.parametrize("text", [None, b"{}", 5])
def test_what_is_no_text_is_refused(text: Any) -> None:
    with pytest.raises(
        sg.errors.OptionError, match=r"^text must be .*content is None where the model refuses"
    ):
        sg.outcome_of(text, Person)

"""Calls that Python itself would refuse with a TypeError are refused with the cure."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("pydantic")

import structgen as sg


def test_the_decorator_without_parentheses_says_how_to_write_it() -> None:
    wrong: Any = sg.generate
    with pytest.raises(sg.OptionError, match=r'Write @sg\.generate\(model="structgen/extract"\)'):

        @wrong
        def age(text: str) -> int:
            """The age in: {text}"""


def test_the_decorator_without_a_model_says_that_one_is_missing() -> None:
    wrong: Any = sg.generate
    with pytest.raises(sg.OptionError, match="'model'"):
        wrong()


@pytest.mark.parametrize(
    ("name", "cure"), [("Sampling", "Write sampling="), ("max_token", "Write max_tokens="), ("zzz", "Choose")]
)
def test_an_option_that_is_not_there_names_the_one_that_was_meant(name: str, cure: str) -> None:
    wrong: Any = sg.generate
    with pytest.raises(sg.OptionError, match=f"sg.generate has no option '{name}'. {cure}"):
        wrong(model="structgen/extract", **{name: None})
    wrong = sg.run
    with pytest.raises(sg.OptionError, match=f"sg.run has no option '{name}'. {cure}"):
        wrong("structgen/extract", "x", bool, **{name: None})


def test_thinking_is_no_flag() -> None:
    wrong: Any = sg.generate
    with pytest.raises(sg.OptionError, match=r"Pass sg\.Thinking\(until=\.\.\., max_tokens=\.\.\.\)"):
        wrong(model="structgen/extract", thinking=True)


def test_no_sampling_is_the_default() -> None:
    pytest.importorskip("torch")
    request = sg.Request("x", sg.json_schema({"type": "boolean"}), None)  # type: ignore[arg-type]
    assert request.sampling == sg.Request("x", sg.json_schema({"type": "boolean"})).sampling

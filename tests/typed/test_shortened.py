"""A call that returns a value alone warns once if a budget shortened its text."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("pydantic")

from asked import asked, awaited  # noqa: E402
from told import told  # noqa: E402

import structgen as sg  # noqa: E402

LONG = '["a", "b", "c", "d", "e", "f", "g", "h"]'


def warned(call: Any) -> list[str]:
    """Return what a call warns of."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        call()
    assert all(one.category is sg.errors.ShortenedWarning and one.filename == __file__ for one in seen)
    return [str(one.message) for one in seen]


def test_a_function_warns_at_its_first_call_that_is_shortened() -> None:
    few = letters()
    (told_once,) = warned(lambda: (few(), few(), few.batch([()])))
    assert "closed early, so that it ends within max_tokens. Raise max_tokens=" in told_once
    assert warned(few) == []


def letters(hint: Any = list[str], make: Any = asked, **options: Any) -> Any:
    """Return a typed function whose model wants to write more than fits."""
    return make(hint, model=told(LONG)[0], **{"max_tokens": 8, **options})


@pytest.mark.parametrize(
    "call",
    [
        lambda: letters().batch([()]),
        lambda: list(letters().stream()),
        lambda: list(letters(Iterator[str])()),
        lambda: sg.run(told(LONG)[0], "Which?", list[str], max_tokens=8),
    ],
)
def test_each_way_to_a_value_warns(call: Any) -> None:
    assert len(warned(call)) == 1


def test_a_coroutine_warns() -> None:
    async def call() -> None:
        await letters(make=awaited)()

    assert len(warned(lambda: asyncio.run(call()))) == 1


def test_a_free_text_that_is_cut_off_warns() -> None:
    (said,) = warned(letters(str))
    assert "cut off at max_tokens" in said


def test_what_says_its_finish_reason_or_is_whole_does_not_warn() -> None:
    assert warned(lambda: letters().detailed()) == []
    assert warned(lambda: sg.run(told(LONG)[0], "x", list[str], max_tokens=8, detailed=True)) == []
    assert warned(letters(max_tokens=200)) == []


def test_a_filling_that_its_deadline_ended_names_the_timeout() -> None:
    (said,) = warned(lambda: sg.run("structgen/infill", "Ada, Bo and Cy are here.", list[str], timeout=1e-9))
    assert "ends within timeout. Raise timeout=" in said

"""The decorator: functions, methods, coroutines, prompts, attempts, errors where they can be known."""

from __future__ import annotations

import asyncio
import collections.abc
import inspect
import typing
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any, Literal

import pytest
from asked import asked, awaited, listed
from pydantic import BaseModel, field_validator
from told_models import TOKENIZER, Told, told

import structgen as sg
from structgen.doors.typed.local import local_model
from structgen.grammars.json_grammars.prompting import extraction_prompt


class Person(BaseModel):
    name: str
    age: int
    city: str


class Even(BaseModel):
    a: int
    b: int

    @field_validator("a", "b")
    @classmethod
    def _even(cls, value: int) -> int:
        if value % 2:
            raise ValueError("is odd")
        return value


ADA = '{"name": "Ada", "age": 36, "city": "London"}'


def test_the_embedded_model_fills_a_person() -> None:
    @sg.generate(model="structgen/extract")
    def person(text: str) -> Person:
        """Extract the person from: {text}"""
        return sg.filled()

    text = "Ada Lovelace, 36, lives in London."
    assert person(text) == Person(name="Ada Lovelace", age=36, city="London")
    # what it was trained on, whatever the docstring says around the text
    assert person.prompt(text) == extraction_prompt(person.schema, text)
    assert local_model("structgen/extract") is local_model("structgen/extract")


def test_the_function_stays_recognisable() -> None:
    def person(text: str, *, year: int = 1843) -> Person:
        """Extract {text} in {year}"""
        return sg.filled()

    engine, model = told(ADA)
    made = sg.generate(model=engine)(person)
    assert made.__wrapped__ is person  # type: ignore[attr-defined]
    assert (made.__name__, made.__doc__) == ("person", person.__doc__)  # type: ignore[attr-defined]
    assert made.__annotations__ == person.__annotations__
    assert inspect.signature(made) == inspect.signature(person)
    assert "person(text: 'str'" in repr(made)
    made("Ada")
    made("Ada", year=1)
    assert model.prompts == ["Extract Ada in 1843\n", "Extract Ada in 1\n"]
    with pytest.raises(TypeError, match="unexpected"):
        made("Ada", month=2)  # type: ignore[call-arg]


def test_a_docstring_alone_is_enough() -> None:
    engine, _ = told('"b"')

    @sg.generate(model=engine)
    def letter() -> Literal["a", "b"]:  # type: ignore[empty-body]
        """Name a letter."""

    assert letter() == "b"


def test_a_body_may_return_the_prompt() -> None:
    engine, model = told(ADA)

    @sg.generate(model=engine, outline=True)
    def person(text: str) -> Person:
        return sg.filled(f"Who? {text.upper()}")

    person("ada")
    outline = "{name: string, age: integer, city: string}"
    assert model.prompts == [f"Who? ADA\n\nAnswer in JSON: {outline}\n"]


def test_a_method_and_a_static_function() -> None:
    engine, model = told("3")

    class Counter:
        unit = "letters"

        @sg.generate(model=engine)
        def count(self, text: str) -> int:
            """Count the {self.unit} of {text}"""
            return sg.filled()

        @staticmethod
        @sg.generate(model=engine)
        def other(text: str) -> int:
            """Count {text}"""
            return sg.filled()

    assert Counter().count("abc") == 3
    assert Counter().count.detailed("abc").value == 3
    assert Counter.other("x") == 3
    assert model.prompts[0] == "Count the letters of abc\n"
    assert list(inspect.signature(Counter().count).parameters) == ["text"]


def test_items_come_as_they_close() -> None:
    engine, model = told('[{"name": "A", "age": 1, "city": "X"}, {"name": "B", "age": 2, "city": "Y"}]')
    people = asked(Iterator[Person], model=engine)
    found = people("x")
    assert next(found) == Person(name="A", age=1, city="X")
    early = model.steps
    assert next(found) == Person(name="B", age=2, city="Y")
    assert early < model.steps
    assert list(found) == []
    assert people.detailed("x").value[1].name == "B"


@pytest.mark.parametrize("bare", [typing.Iterator, collections.abc.Iterator, typing.Generator])
def test_items_of_no_named_type_are_any_values(bare: object) -> None:
    assert list(asked(bare, model=told('[1, "a", {}]')[0])("x")) == [1, "a", {}]


def test_items_of_an_asynchronous_iterator() -> None:
    engine, _ = told("[1, 2, 3]")
    numbers, later = (make(AsyncIterator[int], model=engine) for make in (asked, awaited))

    async def collected() -> list[list[int]]:
        return [await listed(numbers()), await listed(await later())]

    assert asyncio.run(collected()) == [[1, 2, 3], [1, 2, 3]]


def test_a_batch_is_written_together() -> None:
    engine, model = told("1", "2", "3")

    @sg.generate(model=engine)
    def number(text: str, unit: str = "m") -> int:
        """How many {unit} in {text}"""
        return sg.filled()

    assert number.batch(["a", ("b", "km"), {"text": "c"}]) == [1, 2, 3]
    assert model.prompts == ["How many m in a\n", "How many km in b\n", "How many m in c\n"]
    assert model.steps == 1
    assert number.batch([]) == []


def test_a_refused_object_is_asked_for_again() -> None:
    engine, model = told('{"a": 1, "b": 2}', '{"a": 2, "b": 4}')
    outcome = asked(Even, model=engine).detailed()
    assert outcome.value == Even(a=2, b=4)
    assert (outcome.attempts, len(model.prompts)) == (2, 2)
    first, last = outcome.usages
    assert last == outcome.result.usage and first.tokens > 0
    assert outcome.usage.tokens == first.tokens + last.tokens
    assert outcome.usage.prompt_tokens == first.prompt_tokens + last.prompt_tokens


def test_attempts_are_bounded_and_the_best_is_kept() -> None:
    engine, model = told('{"a": 1, "b": 3}', '{"a": 1, "b": 2}', '{"a": 5, "b": 7}')
    even = asked(Even, model=engine, attempts=3)
    with pytest.raises(sg.errors.GenerationError, match="is odd") as caught:
        even()
    assert len(model.prompts) == 3
    assert (caught.value.attempts, caught.value.text) == (3, '{"a": 1, "b": 2}')
    assert "after 3 attempts" in str(caught.value)
    assert isinstance(caught.value.__cause__, sg.errors.ValidatorError)
    (error,) = even.batch([()], errors="return")
    assert isinstance(error, sg.errors.GenerationError)


class Breaking(Told):
    """Fails at its fourth step."""

    def decode(self, tokens: Sequence[int], caches: Sequence[Any]) -> Any:
        if self.steps == 3:
            raise RuntimeError("out of memory")
        return super().decode(tokens, caches)


def test_a_failure_of_the_engine_keeps_the_text() -> None:
    outcome = asked(Person, model=sg.Engine(Breaking(ADA), TOKENIZER)).detailed()
    assert outcome.error is not None and outcome.error.text.startswith("{")
    assert outcome.attempts == 1
    with pytest.raises(sg.errors.GenerationError, match="out of memory"):
        outcome.value  # noqa: B018


def test_a_prompt_longer_than_the_context_is_the_prompts_fault() -> None:
    with pytest.raises(sg.errors.OptionError, match=r"^prompt: The prompt has [\d,]+ tokens") as caught:
        sg.run(told("1")[0], "x" * 5000, int)
    assert "max_tokens" not in str(caught.value)


def test_a_prompt_refuses_none_in_place_of_a_text() -> None:
    age, spelled = (asked(int, prompt, model=told("1")[0]) for prompt in ("Of {text}", "Of {text!r}"))
    with pytest.raises(sg.errors.OptionError, match=r"^text: The value of \{text\} is None"):
        age.batch(["Ada", None], errors="return")
    assert spelled.prompt(None).startswith("Of None")


def test_the_default_of_max_tokens_leaves_room_for_the_prompt() -> None:
    assert asked(int, model=told("1", context=60)[0])("a b c") == 1


def test_a_type_that_is_defined_later() -> None:
    engine, _ = told('{"x": 1}')

    @sg.generate(model=engine)
    def later() -> Later:
        """One."""
        return sg.filled()

    assert later() == Later(x=1)


class Later(BaseModel):
    x: int


def _no_type(text: str):  # type: ignore[no-untyped-def]
    """{text}"""


@pytest.mark.parametrize(
    ("make", "hint", "prompt", "error"),
    [
        (asked, Callable[[], int], "{text}", "CallableSchema"),
        (asked, None, "{text}", "no values to generate"),
        (awaited, Iterator[int], "{text}", "AsyncIterator"),
        (asked, int, "{txt}", "{txt} is not a parameter"),
        (asked, int, "{}", "is not a parameter"),
        (asked, int, "{text", "not a template"),
    ],
)
def test_what_can_be_known_is_an_error_at_decoration(make: Any, hint: Any, prompt: str, error: str) -> None:
    with pytest.raises(sg.StructgenError, match=error):
        make(hint, prompt, model="structgen/extract")


def test_a_function_without_a_return_type_is_an_error_at_decoration() -> None:
    with pytest.raises(sg.StructgenError, match="no return type"):
        sg.generate(model="structgen/extract")(_no_type)


@pytest.mark.parametrize(
    ("prompt", "error"), [("{text:.2f}", r"\{text\} cannot be printed"), ("", "no docstring")]
)
def test_a_prompt_that_cannot_be_made_is_an_error_at_the_call(prompt: str, error: str) -> None:
    with pytest.raises(sg.errors.OptionError, match=error):
        asked(int, prompt, model=told("1")[0])(["x"])


def test_an_undecorated_function_says_what_filled_is_for() -> None:
    with pytest.raises(Exception, match=r"sg\.generate"):
        sg.filled()

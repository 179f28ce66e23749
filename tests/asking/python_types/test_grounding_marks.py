"""`sg.Quote`, `sg.Inferred`, `sg.Key`: what they write into schemas, what they leave as it is, what they
refuse."""

from __future__ import annotations

import copy
import dataclasses
import enum
import json
import pickle
from collections.abc import Callable
from datetime import date
from typing import Annotated, Any, Literal, NamedTuple

import attrs
import pydantic
import pytest
from compiled_texts import takes
from for_each import for_each
from typing_extensions import TypedDict

import structgen as sg
from structgen.asking.python_types.type_hints import read_type
from structgen.doors.typed.target_forms import form_of
from structgen.grammars.json_grammars.prompting import schema_outline
from structgen.schema.reading.quote_keyword import read_quote
from structgen.tokens.tokenizer import byte_tokenizer

Said = Annotated[str, sg.Quote(words=6)]
Guess = Annotated[int, sg.Inferred]
MARKS = ("x-quote", "x-inferred", "x-key")


class Letter(enum.Enum):
    A = "a"
    B = "b"


class Model(pydantic.BaseModel):
    """With members of all kinds."""

    said: Said
    maybe: Said | None = None
    listed: list[Said]
    by_name: dict[str, Said]
    either: int | Said
    guess: Guess


@dataclasses.dataclass
class Data:
    said: Said
    guess: Guess


@attrs.define
class Attrs:
    said: Said
    guess: Guess


class Named(NamedTuple):
    said: Said
    guess: Guess


class Typed(TypedDict):
    said: Said
    guess: Guess


def found(schema: Any, keyword: str) -> list[Any]:
    """Return the values of a keyword anywhere in a schema."""
    if isinstance(schema, list):
        return [one for part in schema for one in found(part, keyword)]
    if not isinstance(schema, dict):
        return []
    below = [one for name, part in schema.items() if name != keyword for one in found(part, keyword)]
    return [*([schema[keyword]] if keyword in schema else []), *below]


def without_marks(schema: Any) -> Any:
    """Return a schema without the three keywords."""
    if isinstance(schema, list):
        return [without_marks(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: without_marks(one) for key, one in schema.items() if key not in MARKS}


@for_each(
    ("mark", "value"),
    [
        (sg.Quote, {}),
        (sg.Quote(), {}),
        (sg.Quote(of="words"), {}),
        (sg.Quote(words=6), {"words": 6}),
        (sg.Quote(of="sentences"), {"of": "sentences"}),
        (sg.Quote(of="lines", words=None), {"of": "lines"}),
    ],
)
def test_a_quote_is_the_keyword_without_its_defaults(mark: Any, value: dict[str, Any]) -> None:
    assert read_type(Annotated[str, mark]).schema == {"type": "string", "x-quote": value}


@for_each("mark", [sg.Inferred, sg.Inferred()])
def test_an_inferred_value_has_the_keyword(mark: Any) -> None:
    assert read_type(Annotated[int, mark]).schema == {"type": "integer", "x-inferred": True}


@for_each("mark", [sg.Key, sg.Key()])
@for_each("hint", [str, int, date, list[int]])
def test_a_key_has_the_keyword(hint: Any, mark: Any) -> None:
    assert read_type(Annotated[hint, mark]).schema == {**read_type(hint).schema, "x-key": True}


def test_a_key_may_be_a_quote_too() -> None:
    both = read_type(Annotated[str, sg.Key, sg.Quote(words=2)]).schema
    assert (found(both, "x-key"), found(both, "x-quote")) == ([True], [{"words": 2}])


@for_each("hint", [Data, Attrs, Named, Typed, list[Data], Attrs | None, dict[str, Typed]])
def test_both_stand_in_classes_of_every_kind(hint: Any) -> None:
    schema = read_type(hint).schema
    assert (found(schema, "x-quote"), found(schema, "x-inferred")) == ([{"words": 6}], [True])


def test_a_quote_stands_at_each_place_of_a_model() -> None:
    of = read_type(Model).schema["properties"]
    places = of["said"], of["maybe"]["anyOf"][0], of["listed"]["items"], of["by_name"]["additionalProperties"]
    assert [one["x-quote"] for one in (*places, of["either"]["anyOf"][1])] == [{"words": 6}] * 5


class Plain(pydantic.BaseModel):
    number: int


PLAIN: list[Any] = [
    *(str, str | None, int | str, Letter, date, Any, Literal["a", "b"], Annotated[str, sg.Regex("a+")])
]


@for_each("hint", PLAIN)
def test_a_quote_leaves_the_outline_as_it_is(hint: Any) -> None:
    marked = read_type(Annotated[hint, sg.Quote(words=2)]).schema
    assert found(marked, "x-quote") == [{"words": 2}]
    assert schema_outline(marked) == schema_outline(read_type(hint).schema)


@for_each("hint", [*PLAIN, int, bool, Plain, list[Plain], Plain | None, Data, dict[str, int]])
@for_each(("mark", "keyword"), [(sg.Inferred, "x-inferred"), (sg.Key, "x-key")])
def test_other_marks_leave_the_outline_as_it_is(hint: Any, mark: Any, keyword: str) -> None:
    marked = read_type(Annotated[hint, mark]).schema
    assert True in found(marked, keyword)
    assert schema_outline(marked) == schema_outline(read_type(hint).schema)


@for_each("hint", [Model, Data, Attrs, Typed])
def test_marks_in_a_class_leave_its_outline_and_its_texts_as_they_are(hint: Any) -> None:
    schema = read_type(hint).schema
    plain = without_marks(schema)
    assert schema_outline(schema) == schema_outline(plain)
    compiled = [sg.compile(sg.json_schema(one), byte_tokenizer()) for one in (schema, plain)]
    for text in (
        '{"said": "a b c d e f g", "guess": 1}',
        '{"said": "", "guess": -1}',
        '{"said": 1, "guess": 1}',
    ):
        assert takes(compiled[0], text) == takes(compiled[1], text)


def test_a_class_behind_a_reference_is_held_to_as_before() -> None:
    hint = Annotated[Plain, sg.Inferred, sg.Key]
    compiled = sg.compile(sg.json_schema(read_type(hint).schema), byte_tokenizer())
    assert takes(compiled, '{"number": 1}') and not takes(compiled, '{"number": "1"}')


@for_each(
    ("call", "told"),
    [
        (lambda: sg.Quote(words=0), "at least 1"),
        (lambda: sg.Quote(words=True), "at least 1"),
        (lambda: sg.Quote(words="6"), "at least 1"),  # type: ignore[arg-type]
        (lambda: sg.Quote(of="word"), "words, sentences, lines"),
        (lambda: sg.Quote(of="sentences", words=3), "Remove one of them"),
        (lambda: sg.Quote(6), "sg.Quote"),  # type: ignore[misc]
        (lambda: sg.Quote(word=6), r"Did you mean words\?"),  # type: ignore[call-arg]
        (lambda: sg.Inferred(3), "sg.Inferred"),  # type: ignore[call-arg]
        (lambda: sg.Key("id"), "sg.Key"),  # type: ignore[call-arg]
    ],
)
def test_bad_members_are_refused(call: Callable[[], Any], told: str) -> None:
    with pytest.raises(sg.errors.OptionError, match=told):
        call()


@for_each(
    ("value", "read"),
    [
        ({}, {"of": "words", "words": None}),
        ({"words": 2}, {"of": "words", "words": 2}),
        ({"of": "lines"}, {"of": "lines", "words": None}),
    ],
)
def test_the_keyword_is_read(value: Any, read: dict[str, Any]) -> None:
    assert read_quote(value, "#/x-quote") == read


@for_each(
    ("value", "where"),
    [
        *((value, "#/a/x-quote") for value in (True, None, "words", 6, ["words"])),
        ({"words": 0}, "#/a/x-quote/words"),
        ({"words": 1.5}, "#/a/x-quote/words"),
        ({"of": None}, "#/a/x-quote/of"),
        ({"of": "sentences", "words": 1}, "#/a/x-quote/words"),
        ({"a/b": 1}, "#/a/x-quote/a~1b"),
        ({"word": 1}, "#/a/x-quote/word"),
    ],
)
def test_a_keyword_that_says_nothing_is_refused_with_its_place(value: Any, where: str) -> None:
    with pytest.raises(sg.errors.SchemaError) as caught:
        read_quote(value, "#/a/x-quote")
    assert caught.value.where == where


def test_the_report_says_who_reads_the_keywords() -> None:
    schema = {"type": "string", "x-quote": {}, "x-inferred": True, "x-key": True, "x-other": 1}
    report = sg.json_schema(schema).report
    said = {one.keyword: one.why for one in report.annotations}
    assert said["x-quote"] == said["x-inferred"] == "for grounded= alone"
    assert said["x-key"] == "for sg.extract alone"
    assert said["x-other"] == "unknown in draft 2020-12"


def test_types_with_other_marks_are_other_types() -> None:
    hints = [
        str,
        *(
            Annotated[str, mark]
            for mark in (sg.Quote, sg.Quote(words=2), sg.Quote(of="lines"), sg.Inferred, sg.Key)
        ),
    ]
    forms = [json.dumps(form_of(hint).schema) for hint in hints]
    assert len(set(forms)) == len(hints)
    assert [json.dumps(form_of(hint).schema) for hint in hints] == forms


@for_each("mark", [sg.Quote, sg.Quote(words=6), sg.Inferred, sg.Key])
def test_a_mark_is_a_value(mark: Any) -> None:
    assert pickle.loads(pickle.dumps(mark)) == copy.deepcopy(mark) == mark
    assert hash(copy.copy(mark)) == hash(mark)

"""Partial objects: closed parts are validated, the open string is there, and what was there stays."""

from __future__ import annotations

import copy
import datetime as dt
import itertools
from typing import Annotated, Any, Literal, NamedTuple

import pydantic
import pytest
from asked import asked
from pydantic import BaseModel, Field, RootModel, field_validator
from told_models import told
from typing_extensions import TypedDict

import structgen as sg
from structgen.asking.python_types.type_hints import read_type
from structgen.asking.python_types.type_places import TypeParts
from structgen.doors.typed.partial import Progress


class Stop(NamedTuple):
    place: str
    on: dt.date


class Trip(BaseModel):
    title: str
    begin: dt.date
    stops: list[Stop]
    notes: dict[str, int] | None = None
    cost: float = Field(alias="price")


TEXT = (
    '{"title": "Nord \\"kap\\" \\ud83d\\ude00 \\\\", "begin": "2026-06-01", "stops": [{"place": "Oslo", '
    '"on": "2026-06-02"}, {"place": "Bodø", "on": "2026-06-04"}], "notes": {"boats": 2}, "price": 12.5}'
)


def parts(hint: Any) -> TypeParts:
    return TypeParts(read_type(hint).core_schema)


def grows(before: Any, after: Any) -> bool:
    """Tell whether what is there later has all that was there before."""
    if before is None:
        return True
    if isinstance(before, dict):
        if isinstance(after, BaseModel | tuple):  # it has closed
            return True
        return all(key in after and grows(value, after[key]) for key, value in before.items())
    if isinstance(before, list):
        return len(before) <= len(after) and all(map(grows, before, after))
    if isinstance(before, str) and isinstance(after, str):
        return after.startswith(before)
    return bool(before == after) or isinstance(after, dt.date)


@pytest.mark.parametrize("step", [1, 3, 7])
def test_partials_only_grow(step: int) -> None:
    progress = Progress(parts(Trip))
    partials = [progress.add(TEXT[at : at + step]) for at in range(0, len(TEXT), step)]
    values = [one.value for one in partials]
    assert all(grows(before, after) for before, after in itertools.pairwise(values))
    # looking at one later shows what was shown at once
    assert [one.value for one in partials] == values
    assert [one.text for one in partials] == [TEXT[: at + step] for at in range(0, len(TEXT), step)]
    assert values[-1]["stops"] == [Stop("Oslo", dt.date(2026, 6, 2)), Stop("Bodø", dt.date(2026, 6, 4))]


def test_a_member_is_no_attribute_of_a_partial() -> None:
    partial: Any = Progress(parts(Trip)).add(TEXT)
    with pytest.raises(AttributeError, match=r"Write partial\['title'\] or partial\.get\('title'\)"):
        _ = partial.title
    assert copy.copy(partial)["title"] == partial["title"]


def test_an_open_string_is_there_as_far_as_it_goes() -> None:
    progress = Progress(parts(Trip))
    seen = [progress.add(char).get("title") for char in TEXT[: TEXT.index(', "begin"')]]
    whole = 'Nord "kap" \U0001f600 \\'
    assert seen[-1] == whole
    assert {text for text in seen if text is not None} == {whole[:end] for end in range(len(whole) + 1)}


def test_closed_parts_are_objects_and_open_ones_are_not() -> None:
    progress = Progress(parts(Trip))
    cut = TEXT.index('"2026-06-04"') + 5
    partial = progress.add(TEXT[:cut])
    assert partial["begin"] == dt.date(2026, 6, 1)
    assert partial["stops"][0] == Stop("Oslo", dt.date(2026, 6, 2))
    assert partial["stops"][1] == {"place": "Bodø", "on": "2026"}
    assert {"/begin", "/stops/0", "/stops/1/place"} <= partial.closed
    assert "/stops/1" not in partial.closed
    assert "price" not in partial
    with pytest.raises(sg.errors.OptionError):
        partial.result  # noqa: B018


class Old(BaseModel):
    age: int
    name: str

    @field_validator("age")
    @classmethod
    def _old(cls, value: int) -> int:
        if value < 90:
            raise ValueError("is young")
        return value


def test_a_part_that_is_refused_ends_the_stream_with_the_text_so_far() -> None:
    engine, model = told('[{"age": 95, "name": "Bo"}, {"age": 20, "name": "Al"}, {"age": 99, "name": "Cy"}]')
    people = asked(list[Old], model=engine)
    seen = []
    with pytest.raises(sg.errors.GenerationError, match="is young") as caught:
        for partial in people.stream():
            seen.append(partial.value)
    assert '"Al"}' in caught.value.text
    assert "Cy" not in caught.value.text
    assert seen[-1][0] == Old(age=95, name="Bo")
    assert len(model.prompts) == 1


class Configured(BaseModel):
    model_config = pydantic.ConfigDict(val_json_bytes="base64")
    data: bytes
    many: list[bytes]


def test_parts_are_read_under_the_config_of_their_model() -> None:
    partial = Progress(parts(Configured)).add('{"data": "QQ==", "many": ["Qg==", "Qw=="')
    assert partial["data"] == b"A"
    assert partial["many"] == [b"B", b"C"]


class Opaque:
    """Known to pydantic only through the model that holds it."""


class Hidden(BaseModel):
    model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)
    inner: Annotated[
        Opaque, pydantic.BeforeValidator(lambda _: Opaque()), pydantic.WithJsonSchema({"type": "integer"})
    ]


def test_a_part_that_cannot_be_read_alone_is_shown_as_json() -> None:
    hidden = asked(Hidden, model=told('{"inner": 5}')[0])
    values = [one.value for one in hidden.stream()]
    assert isinstance(values[-1], Hidden)
    assert isinstance(values[-1].inner, Opaque)


def test_parts_of_types() -> None:
    def read(hint: Any, path: tuple[str | int, ...], document: str) -> Any:
        part = parts(hint).at(path)
        return None if part is None else part.read(document)

    assert read(Trip, ("stops", 7, "on"), '"2026-06-01"') == dt.date(2026, 6, 1)
    assert read(Trip, ("price",), "1") == 1.0 and isinstance(read(Trip, ("price",), "1"), float)
    assert read(Trip, ("notes", "any"), "2") == 2
    assert read(tuple[int, str], (1,), '"x"') == "x"
    with pytest.raises(sg.errors.ValidatorError):
        read(tuple[int, str], (1,), "2")
    assert parts(Trip).at(("none",)) is None
    assert read(Trip | Stop, ("title",), '"x"') == "x"
    assert parts(Trip | Stop).at(("none",)) is None


class Days(RootModel[list[dt.date]]):
    pass


class Plan(TypedDict):
    first: dt.date
    rest: Days


@pytest.mark.parametrize("hint", [Plan, list[Plan], dict[str, Plan]])
def test_parts_of_typed_dicts_and_root_models_are_objects(hint: Any) -> None:
    around = {Plan: "", list[Plan]: "[", dict[str, Plan]: '{"a": '}[hint]
    progress = Progress(parts(hint))
    value = progress.add(f'{around}{{"first": "2026-06-01", "rest": ["2026-06-02", "2026').value
    plan = value[0] if around == "[" else value["a"] if around else value
    assert plan == {"first": dt.date(2026, 6, 1), "rest": [dt.date(2026, 6, 2), "2026"]}
    progress.add('-06-03"]')
    assert progress.add(", ").closed >= {f"/{key}" for key in ("first", "rest") if not around}


class Flight(BaseModel):
    kind: Literal["flight"]
    on: dt.date
    seats: list[int]


class Train(BaseModel):
    kind: Literal["train"]
    on: str
    seats: list[int]
    coach: dt.date | None = None


@pytest.mark.parametrize(
    ("document", "closed"),
    [
        ('{"kind": "flight", "on": "2026-06-01", ', {"kind": "flight", "on": dt.date(2026, 6, 1)}),
        ('{"kind": "train", "on": "2026-06-01", ', {"kind": "train", "on": "2026-06-01"}),
        ('{"on": "2026-06-01", ', {"on": "2026-06-01"}),
        ('{"coach": "2026-06-01", "on": "2026-06-01", ', {"coach": dt.date(2026, 6, 1), "on": "2026-06-01"}),
        ('{"seats": [1, 2], ', {"seats": [1, 2]}),
    ],
)
def test_members_of_a_union_are_read_once_it_is_told_which_it_is(document: str, closed: Any) -> None:
    for hint in (Flight | Train, Annotated[Flight | Train | None, Field(discriminator="kind")]):
        assert Progress(parts(hint)).add(document).value == closed
        listed = Progress(parts(list[hint])).add('[{"kind": "train", "on": "", "seats": []}, ' + document)  # type: ignore[valid-type]
        assert listed.value[1] == closed

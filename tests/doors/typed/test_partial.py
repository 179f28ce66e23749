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


def partials_of(hint: Any, *pieces: str) -> list[Any]:
    """Return what there is of a text after each of its pieces."""
    return list(itertools.islice(sg.outcome_of(pieces, hint), len(pieces)))


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
    partials = partials_of(Trip, *(TEXT[at : at + step] for at in range(0, len(TEXT), step)))
    values = [one.value for one in partials]
    assert all(grows(before, after) for before, after in itertools.pairwise(values))
    # looking at one later shows what was shown at once
    assert [one.value for one in partials] == values
    assert [one.text for one in partials] == [TEXT[: at + step] for at in range(0, len(TEXT), step)]
    assert values[-1]["stops"] == [Stop("Oslo", dt.date(2026, 6, 2)), Stop("Bodø", dt.date(2026, 6, 4))]


def test_a_member_is_no_attribute_of_a_partial() -> None:
    (partial,) = partials_of(Trip, TEXT)
    with pytest.raises(AttributeError, match=r"Write partial\['title'\] or partial\.get\('title'\)"):
        _ = partial.title
    assert copy.copy(partial)["title"] == partial["title"]


def test_an_open_string_is_there_as_far_as_it_goes() -> None:
    partials = partials_of(Trip, *TEXT[: TEXT.index(', "begin"')])
    seen = [partial.get("title") for partial in partials]
    whole = 'Nord "kap" \U0001f600 \\'
    assert seen[-1] == whole
    assert {text for text in seen if text is not None} == {whole[:end] for end in range(len(whole) + 1)}


def test_closed_parts_are_objects_and_open_ones_are_not() -> None:
    (partial,) = partials_of(Trip, TEXT[: TEXT.index('"2026-06-04"') + 5])
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
    (partial,) = partials_of(Configured, '{"data": "QQ==", "many": ["Qg==", "Qw=="')
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


def test_parts_of_tuples_and_of_unions_are_those_of_their_types() -> None:
    (partial,) = partials_of(list[tuple[int, str]], '[[1, "x"], [2, ')
    assert partial.value == [(1, "x"), [2]]
    (partial,) = partials_of(list[Trip | Old], '[{"price": 1, "notes": {"any": 2}, "none": 3, ')
    assert repr(partial.value) == "[{'price': 1.0, 'notes': {'any': 2}, 'none': 3}]"
    with pytest.raises(sg.errors.GenerationError):
        partials_of(list[tuple[int, str]], "[[1, 2], ")


class Days(RootModel[list[dt.date]]):
    pass


class Plan(TypedDict):
    first: dt.date
    rest: Days


@pytest.mark.parametrize("hint", [Plan, list[Plan], dict[str, Plan]])
def test_parts_of_typed_dicts_and_root_models_are_objects(hint: Any) -> None:
    around = {Plan: "", list[Plan]: "[", dict[str, Plan]: '{"a": '}[hint]
    begun = f'{around}{{"first": "2026-06-01", "rest": ["2026-06-02", "2026'
    first, *_, last = partials_of(hint, begun, '-06-03"]', ", ")
    value = first.value
    plan = value[0] if around == "[" else value["a"] if around else value
    assert plan == {"first": dt.date(2026, 6, 1), "rest": [dt.date(2026, 6, 2), "2026"]}
    assert last.closed >= {f"/{key}" for key in ("first", "rest") if not around}


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
        (partial,) = partials_of(dict[str, hint], '{"a": ' + document)  # type: ignore[valid-type]
        assert partial["a"] == closed
        (partial,) = partials_of(list[hint], '[{"kind": "train", "on": "", "seats": []}, ' + document)  # type: ignore[valid-type]
        assert partial[1] == closed

"""Twenty types that people return, for comparing what libraries make of them."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
from typing import Annotated, Any, Literal, NamedTuple, Optional

import attrs
from pydantic import BaseModel, Field
from typing_extensions import TypedDict


class Person(BaseModel):
    name: str = Field(min_length=1, max_length=12)
    age: int = Field(ge=0, le=150)


@dataclasses.dataclass
class Order:
    item: Literal["lamp", "chair"]
    quantity: int
    paid: bool = False


class Trip(TypedDict):
    day: dt.date
    nights: int


class Point(NamedTuple):
    x: int
    y: int


@attrs.define
class Booking:
    table: int
    outside: bool


class Size(enum.Enum):
    SMALL = "S"
    LARGE = "L"


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    lives: int = Field(ge=1, le=9)


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"
    good: bool


class Pet(BaseModel):
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]


class Node(BaseModel):
    value: Literal[0, 1]
    next: Optional[Node] = None  # noqa: UP045


class Bill(BaseModel):
    price: decimal.Decimal = Field(max_digits=5, decimal_places=2, ge=0)


class Part(BaseModel):
    code: str = Field(pattern=r"^[A-Z]{3}-\d{2}$")


class Share(BaseModel):
    share: float = Field(gt=0, lt=1)


CASES: dict[str, Any] = {
    "pydantic model with bounds": Person,
    "dataclass with a default": Order,
    "TypedDict with a date": Trip,
    "NamedTuple": Point,
    "attrs class": Booking,
    "Enum": Size,
    "Literal of strings and a number": Literal["a", "b", 3],
    "int or null": Optional[int],  # noqa: UP045
    "union with a word": int | Literal["unknown"],
    "list of 1 to 3 ints": Annotated[list[int], Field(min_length=1, max_length=3)],
    "set of at least 2": Annotated[set[Literal["a", "b", "c"]], Field(min_length=2)],
    "tuple[int, str]": tuple[int, Annotated[str, Field(max_length=5)]],
    "dict of dates": dict[dt.date, bool],
    "datetime": dt.datetime,
    "timedelta": dt.timedelta,
    "tagged union with defaults": Pet,
    "recursive model": Node,
    "Decimal of 5 digits, 2 places": Bill,
    "pattern": Part,
    "float between 0 and 1, both open": Share,
}
"""The types by what they are called in the table."""

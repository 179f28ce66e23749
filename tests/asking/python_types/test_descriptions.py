"""What is written beside a type becomes a description of its schema, whatever kind of class it is."""

from __future__ import annotations

import dataclasses
import enum
import math
import random
from typing import Annotated, Any, Generic, NamedTuple, NotRequired, TypeVar

import attrs
import pytest
from called import bytes_made
from for_each import for_each
from typing_extensions import TypedDict

pydantic = pytest.importorskip("pydantic")

from pydantic import BaseModel, ConfigDict, Field, RootModel  # noqa: E402
from pydantic.dataclasses import dataclass as pydantic_dataclass  # noqa: E402

from structgen.asking.python_types import descriptions  # noqa: E402
from structgen.asking.python_types.type_hints import read_type  # noqa: E402
from structgen.asking.tool_calls.tool_definitions import read_tools  # noqa: E402
from structgen.decoding.engine.searches.listed_values import listed_values  # noqa: E402

T = TypeVar("T")


class Model(BaseModel):
    """The class."""

    behind: str
    """Behind it."""
    field: str = Field(description="Of Field.")
    """Not told, since Field says it."""
    plain: Annotated[str, "Plain."]


class Documented(BaseModel):
    """The class."""

    model_config = ConfigDict(use_attribute_docstrings=True)
    behind: str
    """Behind it."""
    plain: Annotated[str, "Plain."]


@dataclasses.dataclass(slots=True)
class Data:
    """The class."""

    behind: str
    """Behind it."""
    plain: Annotated[str, "Plain."]


@pydantic_dataclass
class PydanticData:
    """The class."""

    behind: str
    """Behind it."""
    plain: Annotated[str, "Plain."]


class Typed(TypedDict):
    """The class."""

    behind: str
    """Behind it."""
    plain: NotRequired[Annotated[str, "Plain."]]


class Named(NamedTuple):
    """The class."""

    behind: str
    """Behind it."""
    plain: Annotated[str, "Plain."]


@attrs.define
class Attrs:
    """The class."""

    behind: str
    """Behind it."""
    plain: Annotated[str, "Plain."]


@for_each("kind", [Model, Documented, Data, PydanticData, Typed, Named, Attrs])
def test_a_class_and_its_fields_are_described(kind: Any) -> None:
    schema = read_type(kind).schema
    assert schema["description"] == "The class."
    assert schema["properties"]["behind"]["description"] == "Behind it."
    assert schema["properties"]["plain"]["description"] == "Plain."
    if kind is Model:
        assert schema["properties"]["field"]["description"] == "Of Field."


class Silent(NamedTuple):
    one: str


@dataclasses.dataclass
class SilentData:
    one: str


class SilentModel(BaseModel):
    one: str


@for_each("kind", [Silent, SilentData, SilentModel, Typed])
def test_a_docstring_that_is_made_by_itself_is_none(kind: Any) -> None:
    tool, schema = read_tools([kind])[0], read_type(kind).schema
    if kind is not Typed:
        assert "description" not in schema and not tool.description
    assert "description" not in tool.schema  # the tool says it


class Colour(enum.Enum):
    """A colour."""

    RED = "r"
    """Like blood."""
    BLUE = "b"

    def said(self) -> str:
        """No member."""
        return self.value


class Plain(enum.Enum):
    RED = "r"
    BLUE = "b"


def test_members_of_an_enum_are_described_and_stay_listed_values() -> None:
    schema = read_type(Colour).schema
    assert schema["description"] == "A colour."
    assert schema["anyOf"] == [{"const": "r", "description": "Like blood."}, {"const": "b"}]
    assert listed_values(schema) == ["r", "b"]
    assert read_type(Plain).schema["enum"] == ["r", "b"]
    assert read_type(dict[Colour, int]).read_document('{"r": 1}') == {Colour.RED: 1}


class Base(BaseModel):
    one: str
    """Of the base."""
    two: str
    """Of the base, replaced."""


class Derived(Base):
    two: str
    """Of the derived one."""


class TypedBase(TypedDict):
    one: str
    """Of the base."""


class TypedDerived(TypedBase):
    two: str
    """Of the derived one."""


class Box(BaseModel, Generic[T]):
    one: T
    """Of the box."""
    two: Annotated[T, "Of the derived one."]


@for_each(
    ("kind", "one", "two"),
    [
        (Derived, "Of the base.", "Of the derived one."),
        (TypedDerived, "Of the base.", "Of the derived one."),
        (Box[int], "Of the box.", "Of the derived one."),
    ],
)
def test_fields_of_bases_are_described(kind: Any, one: str, two: str) -> None:
    properties = read_type(kind).schema["properties"]
    assert (properties["one"]["description"], properties["two"]["description"]) == (one, two)


WHAT: Any = Annotated[str, "What."]


@for_each(
    ("hint", "where"),
    [
        (WHAT, ""),
        (list[WHAT], "items"),
        (tuple[WHAT, ...], "items"),
        (tuple[int, WHAT], "prefixItems 1"),
        (dict[str, WHAT], "additionalProperties"),
        (WHAT | None, "anyOf 0"),
        (list[WHAT | None] | None, "anyOf 0 items anyOf 0"),
        (set[WHAT], "items"),
        (RootModel[list[WHAT]], "items"),
    ],
)
def test_a_plain_text_describes_the_part_that_it_stands_at(hint: Any, where: str) -> None:
    part: Any = read_type(hint).schema
    for step in where.split():
        part = part[int(step) if step.isdigit() else step]
    assert part["description"] == "What."


def test_a_class_inside_a_function_is_read_too() -> None:
    class Inner(BaseModel):
        class Own(BaseModel):
            a: int
            """Of the inner class."""

        own: Own
        """Of the outer class."""
        a: int

    schema = read_type(Inner).schema
    assert schema["properties"]["own"]["description"] == "Of the outer class."
    assert schema["$defs"]["Own"]["properties"]["a"]["description"] == "Of the inner class."
    assert "description" not in schema["properties"]["a"]


def test_a_class_without_source_has_the_descriptions_of_its_schema_alone() -> None:
    names: dict[str, Any] = {"BaseModel": BaseModel, "__name__": "no_such_module"}
    exec('class Made(BaseModel):\n    a: int\n    """Behind it."""\n', names)
    assert "description" not in read_type(names["Made"]).schema["properties"]["a"]


def test_the_source_of_a_large_module_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descriptions, "MOST_SOURCE", 100)
    descriptions._texts_of.cache_clear()
    assert descriptions.texts_behind(Model) == {}
    descriptions._texts_of.cache_clear()


def test_a_tool_of_a_model_has_the_docstring_of_its_class_and_of_no_base() -> None:
    tool, silent = read_tools([Model, SilentModel])
    assert tool.description == "The class." and silent.description == ""
    assert "description" not in tool.schema
    assert tool.schema["properties"]["plain"]["description"] == "Plain."


class Node(BaseModel):
    """A node."""

    name: str
    inner: Node | None = None
    """The one inside."""


def test_a_tool_that_holds_itself_is_described_once() -> None:
    (tool,) = read_tools([Node])
    assert tool.description == "A node." and "A node." not in str(tool.schema)


def test_parameters_of_a_function_are_described_by_texts_and_by_its_docstring() -> None:
    def book(city: Annotated[str, "the town"], day: Annotated[list[str], "days"], note: str = "") -> None:
        """Book a room.

        Args:
            day: as in 2026-01-31
            note: for the host
        """

    (tool,) = read_tools([book])
    told = {name: one.get("description") for name, one in tool.schema["properties"].items()}
    assert told == {"city": "the town", "day": "days", "note": "for the host"}


WORDS = "the town, in capitals: a name (or two) of it -> x; see :ref: 3.5 https://a/b".split()


def test_a_long_docstring_of_a_parameter_is_read_in_its_own_length() -> None:
    def made(lines: int) -> int:
        def book(a: str) -> None: ...

        book.__doc__ = "Book it.\n\nArgs:\n    a: x\n" + "        more of it\n" * lines
        return bytes_made(lambda: read_tools([book]))

    made(1)  # what is loaded once
    assert made(4_000) - made(2_000) < 2.2 * (made(2_000) - made(1_000))


@for_each("seed", range(30))
def test_all_that_a_docstring_says_of_a_parameter_describes_it(seed: int) -> None:
    draw = random.Random(seed)
    said = {
        name: [draw.choices(WORDS, k=draw.randint(1, 4)) for _ in range(draw.randint(1, 3))] for name in "ab"
    }
    is_sphinx = draw.random() < 0.5
    head, indent = ("", "") if is_sphinx else ("Args:\n", "    ")
    begin = ":param {}: " if is_sphinx else draw.choice(["{}: ", "{} (str): "])
    gap = draw.choice(["\n", "\n\n"])
    parts = [
        indent + begin.format(name) + f"\n{indent}    ".join(" ".join(one) for one in lines)
        for name, lines in said.items()
    ]
    more = ":returns: nothing" if is_sphinx else "Returns:\n    nothing"

    class Book:
        def __call__(self, a: str, b: int = 3, c: float = math.inf) -> None: ...

    Book.__call__.__doc__ = f"Book it.\n\n{head}" + gap.join(parts) + f"\n\n{more}"
    (tool,) = read_tools([Book()])
    told = tool.schema["properties"]
    assert tool.description == "Book it."
    assert {name: told[name]["description"].split() for name in "ab"} == {
        name: [word for line in lines for word in line] for name, lines in said.items()
    }
    assert [told[name].get("default") for name in "abc"] == [None, 3, None]

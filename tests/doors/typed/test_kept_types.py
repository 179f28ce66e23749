"""What is kept of a type that was read: a type that comes again is not read again, and one that has changed
in whatever way is. The oracle is the reading without what was kept."""

from __future__ import annotations

import dataclasses
import enum
import random
import sys
import types
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest

pydantic = pytest.importorskip("pydantic")
attr = pytest.importorskip("attr")
annotated_types = pytest.importorskip("annotated_types")

from typing_extensions import TypedDict  # noqa: E402

import structgen as sg  # noqa: E402
from structgen.doors.typed import target_forms  # noqa: E402
from structgen.doors.typed.target_forms import TargetForm, form_of  # noqa: E402


def told(form: TargetForm) -> tuple[Any, ...]:
    """What a call takes of a form."""
    return form.schema, form.outline, None if form.grammar is None else form.grammar.canonical, form.items


def anew(hint: Any, **how: Any) -> TargetForm:
    """The form of a type of which nothing is kept."""
    target_forms._cached_form.cache_clear()
    return form_of(hint, **how)


def same_as_anew(hint: Any, **how: Any) -> None:
    assert told(form_of(hint, **how)) == told(anew(hint, **how))


class Inner(pydantic.BaseModel):
    """A part."""

    size: int = pydantic.Field(ge=0, description="in pieces")


class Outer(pydantic.BaseModel):
    name: str
    parts: list[Inner]


@dataclass
class Record:
    name: str
    kind: Literal["a", "b"]
    count: Annotated[int, pydantic.Field(ge=1)] = 1


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Pair(TypedDict):
    left: int
    right: Inner


class Named(typing.NamedTuple):
    name: str
    at: int


@attr.define
class Made:
    name: str
    size: int


TYPES = [
    *(Outer, Inner, Record, Colour, Pair, Named, Made, list[Outer], dict[str, Inner], tuple[int, str]),
    *(int | str, str | int, typing.Union[int, None], Literal["a", "b"], Literal["b", "a"], Literal[1, True]),
    *(Literal[True, 1], Literal[1], Literal[True], list[Literal[1]], list[Literal[True]], set[int], str, int),
    *(Annotated[int, pydantic.Field(ge=1)], Annotated[int, pydantic.Field(ge=2)], Annotated[str, "a name"]),
    *(Annotated[str, sg.Regex("a+")], Annotated[str, sg.Regex("b+")], list[Annotated[str, "each"]]),
    *(Annotated[str, sg.substring_of("ab")], Annotated[str, sg.substring_of("ac")]),
    *(Annotated[str, sg.lark('start: "a"')], Annotated[str, sg.lark('start: "b"')]),
    *(typing.Iterator[Inner], typing.AsyncIterator[Inner], list[int | str], list[str | int]),
]


def test_types_in_any_order_are_read_as_they_are_read_alone() -> None:
    alone = [told(anew(one)) for one in TYPES]
    target_forms._cached_form.cache_clear()
    for at in random.Random(3).choices(range(len(TYPES)), k=4 * len(TYPES)):
        assert told(form_of(TYPES[at])) == alone[at], TYPES[at]


@pytest.mark.parametrize(
    "hint",
    [
        *(Outer, Colour, Pair, Named, Made, lambda: list[Outer], lambda: dict[str, Inner], lambda: int | str),
        lambda: list[Annotated[str, sg.substring_of("ab")]],
    ],
)
def test_a_type_that_comes_again_is_not_read_again(hint: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made = hint if isinstance(hint, types.FunctionType) else lambda: hint
    first = form_of(made())
    monkeypatch.setattr(target_forms, "read_type", None)
    assert form_of(made()) is first


def test_a_call_again_reads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = sg.Engine("structgen/extract")
    found = sg.run(engine, "Ada has 3.", Inner)
    monkeypatch.setattr(target_forms, "read_type", None)
    assert sg.run(engine, "Ada has 3.", Inner) == found


def test_what_is_kept_is_bounded() -> None:
    for number in range(200):
        form_of(dataclasses.make_dataclass("Many", [(f"a{number}", int)]))
    assert target_forms._cached_form.cache_info().currsize <= 64


@pytest.mark.parametrize("policies", [{"whitespace": 1}, {"whitespace": "compact"}, {"escapes": "ascii"}])
def test_policies_and_wrapping_are_told_apart(policies: dict[str, Any]) -> None:
    form_of(Inner)
    same_as_anew(Inner, policies=policies)
    same_as_anew(list[int], wrap="always")
    same_as_anew(list[int], wrap="never")


def test_a_flag_is_no_number_among_policies() -> None:
    form_of(Inner, {"whitespace": 1})
    with pytest.raises(sg.errors.OptionError, match="whitespace"):
        form_of(Inner, {"whitespace": True})


def test_formats_that_are_changed_in_place_are_read_anew() -> None:
    formats = {"code": "^[a-z]$"}
    code = Annotated[str, pydantic.Field(json_schema_extra={"format": "code"})]
    form_of(code, {"custom_formats": formats})
    formats["code"] = "^[0-9]$"
    same_as_anew(code, policies={"custom_formats": formats})


# --- definitions that change


def module(text: str, name: str = "kept_types_module") -> Any:
    """A module whose source a notebook runs part by part."""
    made = sys.modules.setdefault(name, types.ModuleType(name))
    exec(compile(text, name, "exec", dont_inherit=True), vars(made))
    return made


@pytest.fixture(autouse=True)
def without_modules() -> Iterator[None]:
    yield
    sys.modules.pop("kept_types_module", None)


def _redefined_model() -> Iterator[Any]:
    for kind in ("int", "str"):
        yield module(f"from pydantic import BaseModel\nclass A(BaseModel):\n    a: {kind}").A


def _redefined_below() -> Iterator[Any]:
    head = "from __future__ import annotations\nfrom dataclasses import dataclass\n"
    module(head + "@dataclass\nclass A:\n    b: list[B]")
    for kind in ("int", "str"):
        yield module(head + f"@dataclass\nclass B:\n    c: {kind}").A


def _redefined_behind_a_dot() -> Iterator[Any]:
    head = "from __future__ import annotations\nimport types\nfrom dataclasses import dataclass\n"
    module(head + "space = types.SimpleNamespace()\n@dataclass\nclass A:\n    b: space.B")
    for kind in ("int", "str"):
        yield module(head + f"@dataclass\nclass B:\n    c: {kind}\nspace.B = B").A


def _redefined_in_typed_dict() -> Iterator[Any]:
    head = "from typing_extensions import TypedDict\n"
    module(head + "class A(TypedDict):\n    b: 'B'")
    for kind in ("int", "str"):
        yield module(head + f"class B(TypedDict):\n    c: {kind}").A


def _redefined_name_of_a_hint() -> Iterator[Any]:
    for kind in ("int", "str"):
        yield list[module(f"from typing import NewType\nA = NewType('A', {kind})").A]


def _rebuilt() -> Iterator[Any]:
    found = module(
        "from pydantic import BaseModel\nclass A(BaseModel):\n    a: 'B'\nB = int\nA.model_rebuild()"
    )
    yield found.A
    found.A.__pydantic_fields__["a"].annotation = str
    found.A.model_rebuild(force=True)
    yield found.A


def _rebuilt_inside() -> Iterator[Any]:
    found = module(
        "from dataclasses import dataclass\nfrom pydantic import BaseModel\nclass B(BaseModel):\n    a: int\n"
        "@dataclass\nclass A:\n    b: list[B]"
    )
    yield found.A
    found.B.__pydantic_fields__["a"].annotation = str
    found.B.model_rebuild(force=True)
    yield found.A


def _rebuilt_inside_a_list() -> Iterator[Any]:
    for one in _rebuilt():
        yield dict[str, list[one]]  # type: ignore[valid-type]


def _documented() -> Iterator[Any]:
    found = module("from pydantic import BaseModel\nclass A(BaseModel):\n    'One.'\n    a: int")
    yield found.A
    found.A.__doc__ = "Two."
    yield found.A


def _configured() -> Iterator[Any]:
    found = module("from pydantic import BaseModel\nclass A(BaseModel):\n    a: int")
    yield found.A
    found.A.model_config["json_schema_extra"] = {"description": "more"}
    yield found.A
    found.A.model_config["json_schema_extra"]["description"] = "still more"
    yield found.A


def _annotated_anew() -> Iterator[Any]:
    found = module("from typing_extensions import TypedDict\nclass A(TypedDict):\n    a: int")
    yield found.A
    found.A.__annotations__["a"] = str
    yield found.A


def _field_of_a_dataclass() -> Iterator[Any]:
    found = module("import dataclasses\n@dataclasses.dataclass\nclass A:\n    a: int")
    yield found.A
    found.A.__annotations__["b"] = str
    dataclasses.dataclass(found.A)
    yield found.A


def _schema_of_its_own() -> Iterator[Any]:
    found = module(
        "from pydantic_core import core_schema\nchoices = ['a', 'b']\nclass A:\n    @classmethod\n"
        "    def __get_pydantic_core_schema__(cls, *asked):\n"
        "        return core_schema.literal_schema(choices)\n"
        "from dataclasses import dataclass\n@dataclass\nclass C:\n    a: A"
    )
    yield found.C
    found.choices.append("c")
    yield found.C


def _extra_of_a_field() -> Iterator[Any]:
    extra: dict[str, Any] = {"description": "one"}
    made = pydantic.create_model("A", a=(int, pydantic.Field(json_schema_extra=extra)))
    yield made
    extra["description"] = "two"
    yield made


def _metadata() -> Iterator[Any]:
    said = pydantic.Field(description="one")
    hint = Annotated[int, said]
    yield hint
    said.description = "two"
    yield hint


def _members() -> Iterator[Any]:
    for names in ("a", "a b"):
        yield list[module(f"import enum\nA = enum.Enum('A', '{names}')").A]


def _attrs() -> Iterator[Any]:
    head = "import attr\n"
    module(head + "@attr.define\nclass A:\n    b: 'B'")
    for kind in ("int", "str"):
        yield module(head + f"@attr.define\nclass B:\n    c: {kind}").A


def _default_of_a_field() -> Iterator[Any]:
    found = module("import dataclasses\n@dataclasses.dataclass\nclass A:\n    a: int = 1")
    yield found.A
    found.A.__dataclass_fields__["a"].default = 2
    yield found.A


def _metadata_of_a_field() -> Iterator[Any]:
    said = {"description": "one"}
    made = dataclasses.make_dataclass("A", [("a", int, dataclasses.field(metadata=said))])
    yield made
    said["description"] = "two"
    yield made


def _default_that_bounds() -> Iterator[Any]:
    said = pydantic.Field(default=9, ge=1)
    made = dataclasses.make_dataclass("A", [("a", int, said)])
    yield made
    said.metadata.append(annotated_types.Le(9))
    yield made


def _text_of_a_member() -> Iterator[Any]:
    found = module("import enum\nclass A(enum.Enum):\n    X = 'x'")
    yield found.A
    found.A.X.__doc__ = "The first."
    yield found.A


def _value_of_a_member() -> Iterator[Any]:
    found = module("import enum\nclass A(enum.Enum):\n    X = 'x'\n    Y = 'y'")
    yield list[found.A]
    found.A.X._value_ = "z"
    yield list[found.A]


def _function_beside(place: Callable[[Any], Any]) -> Callable[[], Iterator[Any]]:
    """A hint with a function that writes of what is outside of it."""

    def change() -> Iterator[Any]:
        texts = ["one"]
        hint = place(lambda schema: schema.update(description=texts[-1]))
        yield hint
        texts.append("two")
        yield hint

    change.__name__ = "_function_beside"
    return change


def _writes_of_itself() -> Iterator[Any]:
    names = ["a"]
    own = pydantic.GetPydanticSchema(
        lambda *_: __import__("pydantic_core").core_schema.literal_schema([*names])
    )
    yield Annotated[Any, own]
    names.append("b")
    yield Annotated[Any, own]


def _group_of_metadata() -> Iterator[Any]:
    class Group(annotated_types.GroupedMetadata):
        least = 1

        def __iter__(self) -> Iterator[Any]:
            yield annotated_types.Ge(self.least)

        def __repr__(self) -> str:
            return "a group"

    group = Group()
    yield Annotated[int, group]
    group.least = 5
    yield Annotated[int, group]


def _titled_by_a_function() -> Iterator[Any]:
    names = ["one"]
    made = pydantic.create_model("A", __config__={"model_title_generator": lambda _: names[-1]}, a=(int, ...))
    yield made
    names.append("two")
    yield made


CHANGES: list[Callable[[], Iterator[Any]]] = [
    *(_redefined_model, _redefined_below, _redefined_behind_a_dot, _redefined_in_typed_dict, _rebuilt),
    *(_redefined_name_of_a_hint, _rebuilt_inside, _rebuilt_inside_a_list, _documented, _configured, _attrs),
    *(_annotated_anew, _field_of_a_dataclass, _schema_of_its_own, _extra_of_a_field, _metadata, _members),
    *(_default_of_a_field, _metadata_of_a_field, _default_that_bounds, _text_of_a_member),
    *(_value_of_a_member, _writes_of_itself, _group_of_metadata, _titled_by_a_function),
    _function_beside(lambda write: Annotated[int, pydantic.Field(json_schema_extra=write)]),
    _function_beside(
        lambda write: dataclasses.make_dataclass(
            "A", [("a", int, pydantic.Field(1, json_schema_extra=write))]
        )
    ),
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_definition_that_changed_is_read_anew(change: Callable[[], Iterator[Any]]) -> None:
    kept, alone = [], []
    target_forms._cached_form.cache_clear()
    for hint in change():
        form_of(hint)
        kept.append(told(form_of(hint)))
    sys.modules.pop("kept_types_module", None)
    for hint in change():
        alone.append(told(anew(hint)))
    assert kept == alone
    assert kept[0] != kept[-1], "the change is one that readings tell"


def test_a_name_that_is_defined_later_is_read_then() -> None:
    head = "from __future__ import annotations\nfrom pydantic import BaseModel\n"
    hint = module(head + "class A(BaseModel):\n    b: B | None = None").A
    with pytest.raises(sg.errors.UnsupportedError, match="'B', which is not defined"):
        form_of(hint)
    module(head + "class B(BaseModel):\n    c: int")
    assert "integer" in form_of(hint).outline


def test_a_dict_that_is_changed_in_place_is_read_anew() -> None:
    schema: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "integer"}}}
    first = told(form_of(schema))
    schema["properties"]["a"]["type"] = "string"
    assert told(form_of(schema)) != first
    same_as_anew(schema)

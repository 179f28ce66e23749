"""What of structgen stands in `Annotated` beside a type is enforced, or refused by name and place."""

from __future__ import annotations

import dataclasses
import enum
import json
import types
from collections import Counter
from collections.abc import Callable
from datetime import date
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, TypeVar

import attrs
import pydantic
import pytest
import typing_extensions
from compiled_texts import takes
from for_each import for_each
from typing_extensions import TypeAliasType

import structgen as sg
from structgen.asking.python_types.type_hints import read_type
from structgen.tokens.tokenizer import byte_tokenizer

SCHEMA = sg.json_schema({"type": "string"})
COMPILED = sg.compile(sg.regex("a"), byte_tokenizer())
MADE: dict[str, Callable[[], Any]] = {
    "Call": lambda: sg.Call("f", {}, "1"),
    "CompiledGrammar": lambda: COMPILED,
    "CopiedSpan": lambda: sg.CopiedSpan(0, 1, 0),
    "Explanation": lambda: sg.explain(SCHEMA),
    "FinishReason": lambda: next(iter(sg.FinishReason)),
    "Grammar": lambda: sg.lark('start: "a"'),
    "GrammarExplanation": lambda: sg.explain(sg.regex("a")),
    "Infilling": lambda: sg.Infilling("structgen/infill"),
    "Limits": sg.Limits,
    "MaskStore": sg.MaskStore,
    "Matcher": lambda: sg.Matcher(COMPILED),
    "Partial": lambda: sg.Partial[str],
    "Regex": lambda: sg.Regex("x+"),
    "Request": lambda: sg.Request("a"),
    "Sampling": sg.Sampling,
    "Server": lambda: sg.Server("http://localhost:1", "m"),
    "Speculation": sg.Speculation,
    "StructgenError": lambda: sg.StructgenError("x"),
    "Thinking": sg.Thinking,
    "Tokenizer": byte_tokenizer,
    "choice": lambda: sg.choice(["xx", "yy"]),
    "ebnf": lambda: sg.ebnf('root ::= "x"'),
    "either": lambda: sg.either("x", SCHEMA),
    "in_json_string": lambda: sg.in_json_string("x"),
    "json_schema": lambda: SCHEMA,
    "lark": lambda: sg.lark('start: "x"'),
    "literal": lambda: sg.literal("x"),
    "regex": lambda: sg.regex("x+y"),
    "sequence": lambda: sg.sequence("x", SCHEMA),
    "special": lambda: sg.special(1),
    "structural_tag": lambda: sg.structural_tag({"type": "structural_tag", "format": {"type": "any_text"}}),
    "substring_of": lambda: sg.substring_of("abc"),
    "text": sg.text,
    "without": lambda: sg.without(sg.regex(".*"), ["x"]),
}
"""What a name makes, or is, beside itself: an instance of a class, the grammar of a function."""


def compiled_of(hint: Any) -> sg.CompiledGrammar:
    reader = read_type(hint)
    return sg.compile(sg.json_schema(reader.schema, **reader.policies), byte_tokenizer())


@for_each("name", sorted(name for name in dir(sg) if not name.startswith("_")))
def test_each_public_name_beside_a_type_is_enforced_or_refused(name: str) -> None:
    public = getattr(sg, name)
    for said in (public, *(make() for make in (MADE.get(name),) if make)):
        try:
            compiled = compiled_of(Annotated[str, said])
        except sg.errors.UnsupportedError as error:
            is_grammar = isinstance(said, sg.Grammar)  # it has special tokens
            assert error.cure and error.keyword == ("x-grammar" if is_grammar else "Annotated")
            assert is_grammar or ("Annotated" in str(error) and error.where == "type")
        else:
            if said in (sg.Quote, sg.Inferred, sg.Key):  # `grounded=` and `sg.extract` alone read them
                said = sg.regex(r"[\s\S]*")
            grammar = sg.regex(said.pattern) if isinstance(said, sg.Regex) else said
            alone = sg.compile(grammar, byte_tokenizer())
            for text in ("Maria", "xx", "yy", "x", "xy", "ab", "a", '"x"', '"', '""', 'x""', ""):
                assert takes(compiled, json.dumps(text)) is takes(alone, text), text


def test_every_public_class_that_can_be_made_was_made() -> None:
    classes = {name for name in dir(sg) if isinstance(getattr(sg, name), type)}
    # results of a model, and what only a file or a model makes
    results = {
        "Engine",
        "Infilled",
        "LarkGrammar",
        "Outcome",
        "Reply",
        "Result",
        "Samples",
        "Tool",
        "ToolFormat",
    }
    assert classes - MADE.keys() == results


class OfAModule(pydantic.BaseModel):
    name: Annotated[str, sg.choice]


CHOICE = sg.choice  # which nobody has called
Said = Annotated[str, CHOICE]
T = TypeVar("T")
B = TypeVar("B", bound=Annotated[str, CHOICE])


class Model(pydantic.BaseModel):
    name: Annotated[str, pydantic.Field(max_length=3), CHOICE] = "xx"


class GenericModel(pydantic.BaseModel, Generic[T]):
    name: T


class Bound(pydantic.BaseModel, Generic[B]):
    name: B


class Later(pydantic.BaseModel):
    inner: list[Behind]


class Behind(pydantic.BaseModel):
    name: Annotated[str, CHOICE]


@dataclasses.dataclass
class Data:
    name: Annotated[str, CHOICE]


@dataclasses.dataclass
class GenericData(Generic[T]):
    name: T


@attrs.define
class Attrs:
    name: Annotated[str, CHOICE]


class Named(NamedTuple):
    name: Annotated[str, CHOICE]


class Typed(typing_extensions.TypedDict):
    name: typing_extensions.NotRequired[Annotated[str, CHOICE]]


class Root(pydantic.RootModel[Annotated[str, CHOICE]]):
    pass


PLACES: dict[str, tuple[Any, str]] = {
    "the type itself": (Said, "the type"),
    "nested": (Annotated[Annotated[str, CHOICE], "the name"], "the type"),
    "an item": (list[Said], "the type"),
    "a tuple": (tuple[int, Said], "the type"),
    "a value": (dict[str, Said], "the type"),
    "a key": (dict[Said, int], "the type"),
    "a branch": (int | Said, "the type"),
    "an optional": (Said | None, "the type"),
    "a listed value": (Annotated[Literal["xx", "zz"], CHOICE], "the type"),
    "a new type": (NewType("New", Said), "the type"),
    "an alias": (TypeAliasType("Alias", list[Said]), "the type"),
    "a model": (Model, "Model.name"),
    "a model in a list": (list[Model], "Model.name"),
    "a root model": (Root, "Root.root"),
    "a model that is complete later": (Later, "Behind.name"),
    "a generic model": (GenericModel[Said], ".name"),
    "a bound": (Bound, "Bound.name"),
    "a dataclass": (Data, "Data.name"),
    "a generic dataclass": (GenericData[Said], "the type"),
    "an attrs class": (Attrs, "Attrs.name"),
    "an attrs class in a union": (int | Attrs, "Attrs.name"),
    "a NamedTuple": (Named, "Named.name"),
    "a TypedDict": (Typed, "Typed.name"),
}


@for_each("place", list(PLACES))
def test_what_is_not_read_is_refused_at_each_place_of_a_type(place: str) -> None:
    hint, named = PLACES[place]
    with pytest.raises(sg.errors.UnsupportedError, match="choice in Annotated") as caught:
        read_type(hint)
    assert named in str(caught.value)


def of_a_tool(city: Said, days: int = 3) -> None:
    """Tell the weather."""


DOORS: dict[str, Callable[[], Any]] = {
    "run": lambda: sg.run("structgen/extract", "Maria is here.", OfAModule),
    "arun": lambda: sg.generate(model="structgen/extract")(written)("a"),
    "a tool": lambda: sg.tools([of_a_tool], format="hermes"),
    "a tool of a type": lambda: sg.tools([OfAModule], format="hermes"),
    "a request": lambda: sg.Engine("structgen/extract").generate([sg.Request("a", OfAModule)]),
    "a text": lambda: sg.outcome_of('{"name": "Maria"}', OfAModule),
}


def written(text: str) -> OfAModule:
    return sg.filled(text)


@for_each("door", list(DOORS))
def test_what_is_not_read_is_refused_at_each_door(door: str) -> None:
    with pytest.raises(sg.StructgenError, match="Annotated"):
        DOORS[door]()


class Letter(enum.Enum):
    A = "a"
    B = "b"


@for_each(
    ("hint", "good", "bad"),
    [
        (Annotated[str | None, sg.Regex("x+")], '"xx"', '"xy"'),
        (Annotated[int | str, sg.Regex("x+")], '"xx"', '"xy"'),
        (Annotated[Any, sg.Regex("x+")], '"xx"', '"xy"'),
        (Annotated[Letter, sg.Regex("[a-a]")], '"a"', '"b"'),
        (Annotated[date, sg.Regex("2.*")], '"2024-01-02"', '"1999-01-02"'),
        (Annotated[str, sg.Regex("x+"), sg.Regex("..")], '"xx"', '"x"'),
        (dict[Annotated[str, sg.Regex("x+")], int], '{"xx": 1}', '{"xy": 1}'),
        (dict[Annotated[Any, sg.Regex("x+")], int], '{"xx": 1}', '{"xy": 1}'),
        (list[Annotated[str, sg.Regex("x+")]], '["xx"]', '["xy"]'),
    ],
)  # fmt: skip
def test_a_regex_beside_a_type_with_strings_is_enforced(hint: Any, good: str, bad: str) -> None:
    compiled = compiled_of(hint)
    assert takes(compiled, good) and not takes(compiled, bad)


SIZED = dataclasses.make_dataclass("Sized", [("size", int)])


@for_each("hint", [int, list[str], SIZED, dict[str, str], Literal[1, 2], int | None, Counter[str]])
@for_each("said", [sg.Regex("1+"), sg.Quote, sg.regex("1+"), sg.ebnf('root ::= "1"'), sg.choice(["1", "2"])])
def test_what_holds_strings_is_refused_beside_a_type_without_any(hint: Any, said: Any) -> None:
    for whole in (Annotated[hint, said], dict[str, Annotated[hint, said]], dict[Annotated[int, said], int]):
        with pytest.raises(sg.errors.UnsupportedError, match=r"Annotated.*list\[Annotated\[str") as caught:
            read_type(whole)
        assert caught.value.keyword == "Annotated"


def test_a_class_that_holds_itself_is_no_string() -> None:
    class Node(pydantic.BaseModel):
        after: Annotated[Node, sg.Regex("x")] | None = None

    with pytest.raises(sg.errors.UnsupportedError, match="Regex"):
        read_type(Node)


def test_metadata_of_others_stays_as_it_is() -> None:
    others = ("the surname", 7, len, int, {"x": 1}, types.MappingProxyType({}), dataclasses, print, object())
    compiled = compiled_of(Annotated[(str, *others, sg.Regex("x+"), pydantic.Field(max_length=2))])
    assert takes(compiled, '"xx"') and not takes(compiled, '"xxx"')

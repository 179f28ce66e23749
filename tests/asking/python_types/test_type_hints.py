"""A type as a language: whatever its grammar lets through validates, for every kind of type."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import ipaddress
import json
import math
import pathlib
import re
import sys
import typing
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, Generic, Literal, NamedTuple, Optional, TypeVar

import annotated_types as at
import attrs
import pytest
from for_each import for_each
from type_walks import accepts, documents
from typing_extensions import TypedDict

pydantic = pytest.importorskip("pydantic")

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints  # noqa: E402

import structgen as sg  # noqa: E402
from structgen.asking.python_types import pydantic_formats  # noqa: E402
from structgen.asking.python_types.type_hints import read_type  # noqa: E402
from structgen.asking.python_types.type_places import PlaceValidators, is_refused  # noqa: E402
from structgen.automata.formats.named_formats import KNOWN, meaning_of  # noqa: E402
from structgen.base.language.ir import TRUE  # noqa: E402


class Size(enum.Enum):
    SMALL = "S"
    LARGE = "L"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 3


class Address(BaseModel):
    street: str = Field(min_length=1, max_length=8)
    zip_code: str = Field(alias="zip", pattern=r"^\d{5}$")


class Person(BaseModel):
    name: str = Field(max_length=6)
    age: Annotated[int, at.Ge(0), at.Le(150)]
    home: Address | None = None
    size: Size = Size.SMALL

    @pydantic.computed_field  # type: ignore[prop-decorator]
    @property
    def initial(self) -> str:
        return self.name[:1]


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    lives: int = Field(ge=1, le=9)


class Dog(BaseModel):
    kind: Literal["dog"]
    name: Optional[str] = Field(None, max_length=4)  # noqa: UP045


class Node(BaseModel):
    value: Literal[0, 1]
    next: Node | None = None


T = TypeVar("T")


class Box(BaseModel, Generic[T]):
    content: T


class Money(BaseModel):
    amount: decimal.Decimal = Field(max_digits=6, decimal_places=2, ge=0)
    rate: Annotated[float, at.Gt(0), at.Lt(1)]


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    a: bool


class Raw(BaseModel):
    model_config = ConfigDict(val_json_bytes="base64")
    data: bytes


@dataclasses.dataclass
class Point:
    x: float
    y: float = 0.0
    norm: float = dataclasses.field(init=False, default=1.0)


@attrs.define
class Star:
    name: str = attrs.field(validator=attrs.validators.instance_of(str))
    _magnitude: float = 0.0
    companions: list[Star] = attrs.Factory(list)


@dataclasses.dataclass
class Sky:
    brightest: Star
    others: dict[str, Star] = dataclasses.field(default_factory=dict)


class Atlas(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    sky: Sky
    pole: Star | None = None


class Signs(TypedDict):
    rising: Star


class Sun(NamedTuple):
    star: Star


@attrs.define
class Observatory:
    skies: list[Sky]


class Best(BaseModel):
    highest: float = math.inf
    lowest: float | None = Field(math.nan, le=3)
    listed: list[float] = [-math.inf]


class Pair(NamedTuple):
    left: int
    right: str = ""


class Movie(TypedDict, total=False):
    title: typing.Required[Annotated[str, Field(max_length=5)]]
    year: int


TYPES: dict[str, Any] = {
    "model": Person,
    "tagged union": Annotated[Cat | Dog, Field(discriminator="kind")],
    "recursive model": Node,
    "generic model": Box[list[bool]],
    "decimals and open bounds": Money,
    "extra keys": Open,
    "bytes in base64": Raw,
    "dataclass": Point,
    "attrs": Star,
    "list of attrs": list[Star] | None,
    "attrs in a dataclass": Sky,
    "attrs in a TypedDict": Signs,
    "attrs in a NamedTuple": list[Sun],
    "attrs in a dataclass in attrs": Observatory,
    "TypedDict": Movie,
    "NamedTuple": Pair,
    "Enum": Size,
    "IntEnum": Level,
    "Literal": Literal[1, "a", True, None],
    "Optional": Optional[int],  # noqa: UP045
    "union": int | str | list[int],
    "list": list[int],
    "tuple": tuple[int, str],
    "tuple of any length": tuple[bool, ...],
    "set": set[int],
    "set of anything": set,
    "bounds without an end": Annotated[float, Field(ge=-math.inf, le=math.inf, lt=9)],
    "numbers that are finite": Annotated[float, Field(gt=-math.inf, lt=math.inf)],
    "Decimal with a bound without an end": Annotated[decimal.Decimal, Field(ge=0, le=math.inf)],
    "defaults that JSON lacks": Best,
    "set that is not empty": Annotated[set[Literal["a", "b", "c"]], Field(min_length=2)],
    "frozenset": frozenset[str],
    "dict": dict[str, int],
    "dict of dates": dict[dt.date, bool],
    "dict of ints": dict[int, bool],
    "dict of an Enum": dict[Size, int],
    "dict of floats": dict[float, bool],
    "dict of patterns": dict[Annotated[str, Field(pattern="^[ab]+$")], bool],
    "Counter": collections.Counter[str],
    "Mapping": Mapping[str, bool],
    "Sequence": Sequence[bool],
    "Iterable": Iterable[bool],
    "datetime": dt.datetime,
    "naive datetime": pydantic.NaiveDatetime,
    "aware datetime": pydantic.AwareDatetime,
    "date": dt.date,
    "time": dt.time,
    "timedelta": dt.timedelta,
    "UUID": uuid.UUID,
    "UUID of a version": pydantic.UUID4,
    "Decimal": decimal.Decimal,
    "Decimal of so many digits": Annotated[decimal.Decimal, Field(max_digits=3, gt=-5)],
    "Decimal of so many places": Annotated[
        decimal.Decimal, Field(decimal_places=1, lt=decimal.Decimal("9.3"))
    ],
    "bytes": bytes,
    "few bytes": Annotated[bytes, Field(max_length=3)],
    "Base64Bytes": pydantic.Base64Bytes,
    "Base64Str": pydantic.Base64Str,
    "Base64UrlBytes": pydantic.Base64UrlBytes,
    "Base64UrlStr": pydantic.Base64UrlStr,
    "ByteSize": pydantic.ByteSize,
    "IP address of any version": pydantic.IPvAnyAddress,
    "address of a database": pydantic.MySQLDsn,
    "URL of a file": pydantic.FileUrl,
    "Path": pathlib.Path,
    "Pattern": re.Pattern,
    "complex": complex,
    "Fraction": fractions.Fraction,
    "IPv4": ipaddress.IPv4Address,
    "IPv6": ipaddress.IPv6Address,
    "URL": pydantic.HttpUrl,
    "int": Annotated[int, Field(gt=-7, lt=99, multiple_of=3)],
    "float": float,
    "finite float": pydantic.FiniteFloat,
    "bool": bool,
    "None": None,
    "Any": dict[str, Any],
    "stripped": Annotated[str, StringConstraints(strip_whitespace=True, min_length=2)],
    "Rust's pattern": Annotated[str, Field(pattern=r"^\w+\W\S[^\s\d]\D\x{41}$")],
    "Python's pattern": Annotated[str, Field(pattern=re.compile(r"^(?P<a>\w)[\W_]\Z"))],
    "negative look": Annotated[str, Field(pattern=re.compile(r"^(?!\w\d)[ab1٣é]{2}$"))],
    "Regex": Annotated[str, sg.Regex("[A-Z]{3}-[0-9]+")],
    "secret": pydantic.SecretStr,
}


@for_each("hint", TYPES.values())
def test_what_the_grammar_lets_through_validates(hint: Any) -> None:
    reader = read_type(hint)
    for document in documents(hint, 12):
        reader.read_document(document)


TAKEN: list[tuple[str, str]] = [
    ("model", '{"name": "Ada", "age": 36, "home": {"street": "x", "zip": "12345"}, "size": "L"}'),
    ("model", '{"name": "Ada", "age": 36}'),
    ("tagged union", '{"kind": "cat", "lives": 9}'),
    ("recursive model", '{"value": 1, "next": {"value": 0, "next": null}}'),
    ("decimals and open bounds", '{"amount": 9999.99, "rate": 0.5}'),
    ("extra keys", '{"a": true, "b": [1]}'),
    ("dataclass", '{"x": 1.5, "y": 2}'),
    ("attrs", '{"name": "Sirius", "magnitude": -1.46, "companions": [{"name": "B"}]}'),
    ("NamedTuple", '{"left": 1, "right": "b"}'),
    ("dict of ints", '{"1": true, "-20": false}'),
    ("datetime", '"2024-02-29T12:30:00.5+01:00"'),
    ("datetime", '"2024-02-29T12:30:00"'),
    ("datetime", '"2024-02-29T12:30"'),
    ("time", '"14:30"'),
    ("time", '"14:30Z"'),
    ("time", '"14:30:14"'),
    ("timedelta", '"P1DT2H3M4.5S"'),
    ("Decimal of so many digits", "12.3"),
    ("Decimal of so many digits", "999"),
    ("Pattern", r'"^(a|b)*\\d{3}[a-z]+$"'),
    ("complex", '"1.5-2j"'),
    ("URL", '"https://example.org/a?b=c"'),
    ("Regex", '"ABC-17"'),
    ("Base64Str", '"aGVsbG8="'),
    ("Base64UrlBytes", '"_-8="'),
    ("ByteSize", '"3.5 GiB"'),
    ("IP address of any version", '"::1"'),
    ("IP address of any version", '"127.0.0.1"'),
    ("address of a database", '"mysql+aiomysql://localhost:3306/db"'),
    ("stripped", '"a b"'),
]


LOOKED_UP = frozenset(("path", "file-path", "directory-path"))
"""Formats of any string: the type's own validators ask the file system."""
COMPOSED = frozenset(("ipvanyaddress", "uri"))
"""Formats in whose place the schema says more."""


def test_each_format_that_pydantic_writes_is_enforced_or_refused() -> None:
    folder = pathlib.Path(pydantic.__file__).parent
    files = [path for path in folder.rglob("*.py") if "v1" not in path.parts]
    text = "".join(path.read_text("utf-8") for path in files)
    written = set(re.findall(r"""['"]?format['"]?[=:] ?f?['"]([a-z0-9{}._-]+)['"]""", text))
    written |= set(re.findall(r"""_temporal_schema\(['"]([a-z-]+)['"]""", text))
    written |= set(re.findall(r"""IPv[46][A-Za-z]+: ['"]([a-z0-9]+)['"]""", text))
    written |= set(re.findall(r"""return ['"](base64[a-z]*)['"]""", text))
    written |= {"file-path", "directory-path", "uuid8"}
    own, refused = pydantic_formats.FORMATS, pydantic_formats.REFUSED
    assert len(written) > 25
    assert written - {"uuid{self.uuid_version}"} <= {*own, *refused, *KNOWN, *LOOKED_UP, *COMPOSED}
    by_default = {name for name in written & KNOWN if name not in own}
    assert all(meaning_of(name, is_denied=False, alone=True) != TRUE for name in by_default)


def test_a_path_that_the_file_system_refuses_is_refused_by_the_type() -> None:
    long = json.dumps("a" * 5000)
    for hint in (pydantic.DirectoryPath, pydantic.FilePath, pydantic.NewPath, pydantic.types.SocketPath):
        with pytest.raises(sg.errors.ValidatorError, match="path"):
            read_type(hint).read_document(long)
        validator = PlaceValidators(read_type(hint).core_schema).reader_at(())
        assert validator is not None and is_refused(validator, long.encode())


def test_another_error_of_the_system_is_no_refusal() -> None:
    def broken(text: str) -> str:
        raise ConnectionError("the line is down")

    reader = read_type(Annotated[str, pydantic.AfterValidator(broken)])
    with pytest.raises(ConnectionError):
        reader.read_document('"a"')


def test_addresses_of_people_validate() -> None:
    pytest.importorskip("email_validator")
    for hint in (pydantic.EmailStr, pydantic.NameEmail):
        for document in documents(hint, 12):
            read_type(hint).read_document(document)
        assert accepts(hint, '"Ada.Lovelace@mail.example.org"')
        assert not accepts(hint, '"ada@host.localhost"')
    assert accepts(pydantic.NameEmail, '"Ada Lovelace <ada@example.org>"')


@for_each(("name", "document"), TAKEN)
def test_what_people_would_write_is_in_the_grammar(name: str, document: str) -> None:
    assert accepts(TYPES[name], document)
    read_type(TYPES[name]).read_document(document)


LEFT_OUT: list[tuple[str, str]] = [
    ("model", '{"name": "Ada", "age": 36, "other": 1}'),
    ("tagged union", '{"lives": 9}'),
    ("dataclass", '{"x": 1, "norm": 2}'),
    ("decimals and open bounds", '{"amount": 1, "rate": 0.99999999999999999999}'),
    ("dict of ints", '{"one": true}'),
    ("dict of patterns", '{"c": true}'),
    ("date", '"0000-01-01"'),
    ("date", '"2023-02-29"'),
    ("naive datetime", '"2024-02-29T12:30:00Z"'),
    ("time", '"24:00"'),
    ("time", '"4:30"'),
    ("time", '"14:30:60"'),
    ("few bytes", '"éé"'),
    ("Decimal of so many digits", "12.34"),
    ("Pattern", '"(a"'),
    ("Regex", '"ABC-17 "'),
    ("set", "[1, 1]"),
]


@for_each(("name", "document"), LEFT_OUT)
def test_what_the_type_refuses_is_not_in_the_grammar(name: str, document: str) -> None:
    assert not accepts(TYPES[name], document)


def test_objects_come_back() -> None:
    found = read_type(TYPES["attrs"]).read_document(
        '{"name": "Sirius", "magnitude": -1.46, "companions": [{"name": "B"}]}'
    )
    assert found == Star("Sirius", -1.46, [Star("B")])
    star = '{"name": "B", "companions": [{"name": "C"}]}'
    twin = Star("B", 0.0, [Star("C")])
    assert read_type(Sky).read_document(f'{{"brightest": {star}}}') == Sky(twin)
    assert read_type(Sky).read_document(f'{{"brightest": {star}, "others": {{"x": {star}}}}}') == Sky(
        twin, {"x": twin}
    )
    assert read_type(Signs).read_document(f'{{"rising": {star}}}') == {"rising": twin}
    assert read_type(list[Sun]).read_document(f'[{{"star": {star}}}]') == [Sun(twin)]
    assert read_type(Observatory).read_document(f'{{"skies": [{{"brightest": {star}}}]}}') == Observatory(
        [Sky(twin)]
    )
    assert read_type(Pair).read_document('{"left": 1}') == Pair(1)
    assert (
        read_type(Person)
        .read_document('{"name": "Ada", "age": 36, "home": {"street": "x", "zip": "12345"}}')
        .initial
        == "A"
    )


def test_reading_a_type_leaves_its_classes_as_they_were() -> None:
    read_type(Sky)
    assert not hasattr(Star, "__get_pydantic_core_schema__")


def test_a_pydantic_model_that_holds_an_attrs_class_is_refused() -> None:
    with pytest.raises(sg.errors.UnsupportedError, match=r"not a pydantic model\.$"):
        read_type(Atlas)


class _Tag(enum.Enum):
    PAIR = (1, 2)


class _Nested(BaseModel):
    inner: int = Field(validation_alias=pydantic.AliasPath("a", "b"))


REFUSED: dict[str, Any] = {
    "a function": Callable[[], int],
    "a class": type[int],
    "a plain class": object.__class__,
    "JSON in a string": pydantic.Json[int],
    "a network": ipaddress.IPv4Network,
    "an Enum of tuples": _Tag,
    "a Literal of bytes": Literal[b"x"],
    "keys that are tuples": dict[tuple[int, int], int],
    "keys with bounds": dict[Annotated[int, Field(ge=0)], int],
    "an alias path": _Nested,
    "a member of a union": int | Callable[[], int],
    "a word boundary": Annotated[str, Field(pattern=r"\bword\b")],
    "a pattern with flags": Annotated[str, Field(pattern=re.compile("a", re.IGNORECASE))],
    "flags inside": Annotated[str, Field(pattern="(?i)a")],
    "class arithmetic": Annotated[str, Field(pattern="[a-z&&[^b]]")],
    "type is missing": T,
    "a listed value that JSON lacks": enum.Enum("Bound", {"NONE": math.inf}),
}


def test_the_schema_of_an_attrs_class_has_its_fields_and_no_default() -> None:
    found = read_type(Sky).schema["$defs"]["Star"]
    assert (found["title"], found["required"], found["additionalProperties"]) == ("Star", ["name"], False)
    assert list(found["properties"]) == ["name", "magnitude", "companions"]
    assert all("default" not in one for one in found["properties"].values())


@for_each("hint", REFUSED.values())
def test_a_type_without_a_schema_is_refused(hint: Any) -> None:
    with pytest.raises(sg.errors.UnsupportedError) as caught:
        read_type(hint)
    assert caught.value.cure


@dataclasses.dataclass
class Twin:
    name: str


class Plain:
    """A class without known fields."""


class Unfinished(BaseModel):
    part: Missing  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize(
    ("hint", "said"),
    [
        (Twin("a"), "is an object, not a type. Pass its class, Twin"),
        (Plain, "If the class is yours, write @dataclass above it"),
        (Unfinished, "refers to 'Missing', which is not defined. Define 'Missing'"),
        (list["Missing"], "refers to 'Missing'"),  # type: ignore[name-defined]  # noqa: F821
        (enum.Enum("Held", {"A": object()}), "one of its values cannot be written as JSON"),
    ],
)
def test_a_type_without_a_schema_has_a_cure_that_holds_here(hint: Any, said: str) -> None:
    with pytest.raises(sg.errors.UnsupportedError, match=said) as caught:
        read_type(hint)
    assert "arbitrary_types_allowed" not in str(caught.value) and "rebuild" not in str(caught.value)


@dataclasses.dataclass(frozen=True)
class Spot:
    name: str


@pytest.mark.parametrize(
    ("item", "name"),
    [
        (list[int], "list"),
        (int | list[int], "list"),
        (tuple[dict[str, int], ...], "dict"),
        (frozenset[set[int]], "set"),
        (tuple[Twin, Twin], "Twin"),
        (Twin | None, "Twin"),
    ],
)
def test_a_set_of_items_that_python_cannot_hash_is_refused_by_their_name(item: Any, name: str) -> None:
    with pytest.raises(sg.errors.UnsupportedError, match=f"a {name} is not hashable") as caught:
        read_type(tuple[set[item], set[item]])
    assert caught.value.keyword == "set" and caught.value.cure


def test_a_set_of_items_that_python_hashes_is_read() -> None:
    made = set[Spot | tuple[int, ...] | frozenset[int] | None]
    assert read_type(made).read_document('[{"name": "a"}, null]') == {Spot("a"), None}
    listed = Annotated[list[int], AfterValidator(tuple)]
    assert read_type(set[listed]).read_document("[[1]]") == {(1,)}  # type: ignore[valid-type]


class Kind(enum.Enum):
    SMALL = "S"
    FIRST = 1


def test_members_of_a_plain_enum_in_a_literal_are_told_its_other_base() -> None:
    for member, base in ((Kind.SMALL, "str"), (Kind.FIRST, "int")):
        with pytest.raises(sg.errors.UnsupportedError, match=rf"Write class Kind\({base}, Enum\)"):
            read_type(Literal[member])
    mixed = enum.Enum("mixed", {"A": "a"}, type=str)
    assert read_type(Literal[mixed.A]).read_document('"a"') is mixed.A


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="pydantic reads it from 3.12 on")
@pytest.mark.parametrize("holds", [False, True])
def test_a_typed_dict_of_typing_names_the_one_to_import(holds: bool) -> None:
    class Trip(typing.TypedDict):
        city: str

    with pytest.raises(sg.errors.UnsupportedError) as caught:
        read_type(list[Trip] if holds else Trip)
    assert "contains a TypedDict of typing" in str(caught.value)
    assert str(caught.value).endswith(
        "Write `from typing_extensions import TypedDict`; it is otherwise the same."
    )


def test_a_validator_is_the_last_check() -> None:
    class Even(BaseModel):
        number: int

        @pydantic.field_validator("number")
        @classmethod
        def _even(cls, value: int) -> int:
            if value % 2:
                raise ValueError("is odd")
            return value

    reader = read_type(Even)
    assert reader.read_document('{"number": 2}').number == 2
    with pytest.raises(sg.errors.ValidatorError, match="is odd") as caught:
        reader.read_document('{"number": 3}')
    assert caught.value.where == "/number"
    assert caught.value.count == 1

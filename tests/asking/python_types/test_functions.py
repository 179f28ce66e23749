"""A function given as a type is refused by name, and nothing calls it; a class of one's own stays one."""

from __future__ import annotations

import dataclasses
import functools
from typing import Annotated, Any, NamedTuple, NewType, Optional

import attrs
import pytest
from for_each import for_each

pydantic = pytest.importorskip("pydantic")

from pydantic import BaseModel, ImportString, TypeAdapter, validate_call  # noqa: E402
from typing_extensions import TypedDict  # noqa: E402

import structgen as sg  # noqa: E402
from structgen.asking.python_types.type_hints import read_type  # noqa: E402

CALLS: list[Any] = []


def delete_account(name: str = "", force: bool = False) -> int:
    CALLS.append(name)
    return 1


async def delete_later(name: str) -> None:
    CALLS.append(name)


class Accounts:
    def delete(self, name: str) -> None:
        CALLS.append(name)

    @classmethod
    def delete_all(cls, name: str) -> None:
        CALLS.append(name)

    @staticmethod
    def delete_one(name: str) -> None:
        CALLS.append(name)

    def __call__(self, name: str) -> None:
        CALLS.append(name)


class Model(BaseModel):
    account: delete_account  # type: ignore[valid-type]


@dataclasses.dataclass
class Data:
    account: list[delete_account]  # type: ignore[valid-type]


class Dict(TypedDict):
    account: delete_account  # type: ignore[valid-type]


class Tuple(NamedTuple):
    account: delete_account  # type: ignore[valid-type]


@attrs.define
class Attrs:
    account: delete_account  # type: ignore[valid-type]


class Holder(BaseModel):
    inside: list[Model] | None = None


HINTS: dict[str, Any] = {
    "function": delete_account,
    "coroutine": delete_later,
    "lambda": lambda name: CALLS.append(name),
    "partial": functools.partial(delete_account, "ada"),
    "wrapped": functools.wraps(delete_account)(lambda *names: CALLS.append(names)),
    "validated": validate_call(delete_account),
    "bound": Accounts().delete,
    "unbound": Accounts.delete,
    "classmethod": Accounts.delete_all,
    "staticmethod": Accounts.delete_one,
    "list": list[delete_account],  # type: ignore[valid-type]
    "dict": dict[str, delete_account],  # type: ignore[valid-type]
    "union": Optional[delete_account],  # type: ignore[valid-type]  # noqa: UP045
    "model": Model,
    "dataclass": Data,
    "TypedDict": Dict,
    "NamedTuple": Tuple,
    "attrs": Attrs,
    "nested": Holder,
}


@for_each("name", HINTS)
def test_a_function_in_a_type_is_refused_by_name(name: str) -> None:
    CALLS.clear()
    with pytest.raises(sg.errors.UnsupportedError, match="is a function, not a type") as caught:
        read_type(HINTS[name])
    known = "A lambda" if name == "lambda" else "delete"
    assert known in str(caught.value) and "call it yourself" in str(caught.value)
    assert CALLS == []


@pytest.mark.parametrize(
    "hint",
    [print, len, Accounts(), functools.cache(delete_account)],
    ids=["print", "len", "an instance", "a cached function"],
)
def test_other_things_that_can_be_called_are_refused_too(hint: Any) -> None:
    CALLS.clear()
    with pytest.raises(sg.errors.UnsupportedError):
        read_type(hint)
    assert CALLS == []


@pytest.mark.parametrize("hint", [ImportString, ImportString[int], list[ImportString]], ids=str)
def test_a_model_names_no_module_to_import(hint: Any) -> None:
    with pytest.raises(sg.errors.UnsupportedError, match="ImportString imports"):
        read_type(hint)


def test_an_adapter_of_a_function_is_no_checker() -> None:
    with pytest.raises(sg.errors.UnsupportedError, match="delete_account is a function"):
        sg.samplers.TypeChecker(TypeAdapter(delete_account))


UserId = NewType("UserId", int)


@dataclasses.dataclass
class Checked:
    n: int

    def __post_init__(self) -> None:
        self.n += 1


class Pair(NamedTuple):
    x: int
    y: int = 2


def import_string(text: str) -> str:
    return text.upper()


@pytest.mark.parametrize(
    ("hint", "text", "value"),
    [
        (UserId, "3", 3),
        (Checked, '{"n": 3}', Checked(3)),
        (Pair, '{"x": 1, "y": 3}', Pair(1, 3)),
        (Annotated[str, pydantic.AfterValidator(import_string)], '"a"', "A"),
        (Annotated[str, pydantic.AfterValidator(functools.partial(str.replace, "aXb", "X"))], '"-"', "a-b"),
    ],
)
def test_types_with_functions_of_their_own_stay_types(hint: Any, text: str, value: Any) -> None:
    assert read_type(hint).read_document(text) == value

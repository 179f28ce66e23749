"""Types of the last overloads of a function, which make the messages about wrong calls short.

Where no overload takes a call, mypy prints all of them. But where one overload takes the arguments apart from
type arguments (`int` in `list[int]`), mypy prints what is wrong about this one. So a last overload has types
that every object fits apart from type arguments. It takes no call, and so changes no type of a right one
(decision 111).
"""

from __future__ import annotations

from typing import Never, Protocol, TypeAlias, TypeVar

T_co = TypeVar("T_co", covariant=True)
U_co = TypeVar("U_co", covariant=True)


class FineIf(Protocol[T_co, U_co]):
    """`FineIf[int, Never]` is the type of the argument by which an overload takes no call. The argument is no
    fault if it is an int. No object is of this type: of each, the method returns None."""

    def __delattr__(self, name: str, /) -> T_co | U_co: ...  # type: ignore[override]


class Otherwise(Protocol[T_co]):
    """`Otherwise[Never]` stands beside the types that an argument may have."""

    def __delattr__(self, name: str, /) -> T_co: ...  # type: ignore[override]


class NoSuchOption(Otherwise[T_co], Protocol[T_co]):
    """`NoSuchOption[Never]` is the type of options that a function does not have."""


class MissingArgument(Otherwise[T_co], Protocol[T_co]):
    """`MissingArgument[Never]` is the type of the first argument where a later one is missing."""


Wrong: TypeAlias = Otherwise[Never]
NotAnOption: TypeAlias = NoSuchOption[Never]
ArgumentMissing: TypeAlias = MissingArgument[Never]

"""Types of the last overloads of a function, which make the messages about wrong calls short.

Where no overload takes a call, mypy prints all of them, unless the arguments of one are right but for type
arguments: the message is then about the argument of this overload that is wrong (decision 111). So the last
overload takes each argument also as `Wrong`, a protocol that every object has but for its type argument.
For type checkers alone.
"""

from __future__ import annotations

from typing import Never, Protocol, TypeAlias, TypeVar

T_co = TypeVar("T_co", covariant=True)


class Otherwise(Protocol[T_co]):
    """`Otherwise[Never]` stands beside the types that an argument may have. No object is of this type."""

    def __repr__(self) -> T_co: ...  # type: ignore[override]


class NoSuchOption(Protocol[T_co]):
    """`NoSuchOption[Never]` is the type of the options that a function does not have."""

    def __repr__(self) -> T_co: ...  # type: ignore[override]


class MissingArgument(Protocol[T_co]):
    """`MissingArgument[Never]` is the type of the first argument where the second one is missing."""

    def __repr__(self) -> T_co: ...  # type: ignore[override]


Wrong: TypeAlias = Otherwise[Never]
NotAnOption: TypeAlias = NoSuchOption[Never]
ArgumentMissing: TypeAlias = MissingArgument[Never]

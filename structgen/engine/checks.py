"""Checks of options. Each returns the normalised value, or raises OptionError with a cure.

Numbers may be Python's or numpy's. Bools, NaN and infinity are not numbers here.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from numbers import Integral, Real
from types import MappingProxyType
from typing import Any, ParamSpec, TypeVar

from structgen.errors import OptionError

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

_GREATEST = 1.7e308
_CLOSE = 0.8
"""The least similarity (difflib's ratio) at which a name counts as a misspelling of another."""
_TARGETS = ("schema", "response_model", "response_format", "output_type")
_OF_CALLS = {
    **dict.fromkeys(("max_retries", "retries"), "Write attempts="),
    **{
        policy: f"Write policies={{{policy!r}: ...}}"
        for policy in ("max_string", "max_items", "whitespace", "numbers", "escapes", "property_order")
    },
    **dict.fromkeys(("n", "num_samples"), "For many samples of one prompt, call sg.sample"),
    "device": "Load the model first: model=sg.Engine(name, device=...)",
    "dtype": "Load the model first: model=sg.Engine(name, dtype=...)",
    "backend": "Leave it out; the model decides how texts are made",
}
_OTHER_NAMES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "sg.run": {**_OF_CALLS, **dict.fromkeys(_TARGETS, "Pass it as the third argument, target")},
        "sg.generate": {
            **_OF_CALLS,
            **dict.fromkeys(_TARGETS, "Annotate the return type instead: `-> Person`; sg.run takes schemas"),
        },
        "sg.Engine": dict.fromkeys(("max_batch", "max_batch_size", "batch_size"), "Write max_rows="),
        "sg.Sampling": {
            "temp": "Write temperature=",
            "max_tokens": "It is an option of sg.run, sg.generate and sg.Request",
        },
        "sg.Request": dict.fromkeys(("schema", "response_format"), "Write grammar=sg.json_schema(schema)"),
    }
)
"""Names that other libraries, or other functions of this one, give to options; and what to write here."""
_SHOWN = 60
"""The most characters of a wrong value in a message."""


def options_named(
    example: str, sampling: Sequence[str] = (), name: str = ""
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator for a public function or method. Unknown options, missing options and surplus
    positional arguments then raise OptionError, not TypeError. `example`: a correct call; `sampling`: the
    options of sg.Sampling; `name`: as people write it, by default `sg.` and the function's."""

    def decorated(function: Callable[P, R]) -> Callable[P, R]:
        signature, shown = inspect.signature(function), name or f"sg.{function.__name__}"

        @functools.wraps(function)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return function(*args, **kwargs)
            except TypeError:
                try:
                    signature.bind(*args, **kwargs)
                except TypeError as error:
                    known = [one for one in signature.parameters if one != "self"]
                    raise _call_error(shown, known, kwargs, str(error), example, sampling) from None
                raise

        return checked

    return decorated


def fields_named(example: str, sampling: Sequence[str] = ()) -> Callable[[type[T]], type[T]]:
    """Return a decorator for a public dataclass, whose wrong fields then raise OptionError as with
    `options_named`."""

    def decorated(kind: type[T]) -> type[T]:
        check = options_named(example, sampling, f"sg.{kind.__name__}")
        setattr(kind, "__init__", check(kind.__init__))  # noqa: B010 (mypy refuses the assignment)
        return kind

    return decorated


def _call_error(
    name: str, known: list[str], named: Any, told: str, example: str, sampling: Sequence[str]
) -> OptionError:
    wrong = next((one for one in named if one not in known), None)
    if wrong is not None:
        near = [*get_close_matches(wrong.lower(), [*known, *sampling], 1, _CLOSE), ""][0]
        meant = f"Choose from {', '.join(known)}"
        if wrong in _OTHER_NAMES.get(name, ()):
            meant = _OTHER_NAMES[name][wrong]
        elif near:
            meant = f"Write {near}=" if near in known else f"Write sampling=sg.Sampling({near}=...)"
        return OptionError(f"{name} has no option {wrong!r}.", where=wrong, cure=f"{meant}.")
    told = (
        f"needs parentheses and a model ({told})" if name == "sg.generate" else f"cannot be called so: {told}"
    )
    return OptionError(f"{name} {told}.", where=name.removeprefix("sg."), cure=f"Write {example}.")


def whole(name: str, value: Any, least: int | None = None, most: int | None = None) -> int:
    """Return a whole number between two inclusive bounds."""
    takes = "a whole number"
    if least is not None:
        takes += f", at least {least:,}" if most is None else f" from {least:,} to {most:,}"
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise _wrong(name, value, takes)
    found = int(value)
    if (least is not None and found < least) or (most is not None and found > most):
        raise _wrong(name, value, takes)
    return found


def number(
    name: str, value: Any, least: float, most: float, takes: str, besides: float | None = None
) -> float:
    """Return a number between two inclusive bounds, or the value `besides`. `takes` describes the allowed
    values for the message."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise _wrong(name, value, takes)
    try:
        found = float(value)
    except OverflowError:
        found = math.inf
    if not (found == besides or least <= found <= most):
        raise _wrong(name, value, takes)
    return found


def flag(name: str, value: Any) -> bool | None:
    """Return True or False, or None if it is not given."""
    if value is not None and not isinstance(value, bool):
        raise _wrong(name, value, "True or False, or leave it out")
    return value


def seconds(name: str, value: Any) -> float | None:
    """Return seconds, or None for no limit."""
    takes = "seconds, at least 0, or None for no limit"
    return None if value is None else number(name, value, 0.0, _GREATEST, takes)


def text(name: str, value: Any) -> str:
    """Return a non-empty text that UTF-8 can encode."""
    if not isinstance(value, str) or not value:
        raise _wrong(name, value, "a text that is not empty")
    return encodable(name, value)


def encodable(name: str, value: str) -> str:
    """Return a text that UTF-8 can encode."""
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise OptionError(
            f"Character {error.start}, {value[error.start]!r}, is half of a surrogate pair: no text.",
            where=name,
            cure="Take it out, or write the character whole.",
        ) from error
    return value


def texts(name: str, value: Any) -> tuple[str, ...]:
    """Return a tuple of texts, from one text or a sequence."""
    if isinstance(value, str):
        value = (value,)
    if not isinstance(value, Sequence) or isinstance(value, bytes | bytearray):
        raise _wrong(name, value, "a text, or a sequence of texts")
    return tuple(text(name, one) for one in value)


def refusal(name: str, value: Any) -> tuple[str, str] | None:
    """Return an answer and the reason of its refusal, or None."""
    if value is None:
        return None
    if not isinstance(value, tuple) or len(value) != 2 or not all(isinstance(one, str) for one in value):
        raise _wrong(name, value, "a pair of texts, the answer and why it was refused")
    return encodable(name, value[0]), encodable(name, value[1])


def tokens(name: str, value: Any) -> tuple[int, ...]:
    """Return token ids, at least one, from a sequence or an array."""
    takes = "a text, or a sequence of token ids (whole numbers), at least one"
    listed = value.tolist() if hasattr(value, "tolist") else value
    if not isinstance(listed, Sequence) or isinstance(listed, bytes | bytearray | memoryview) or not listed:
        raise _wrong(name, value, takes)
    if not all(type(token) is int and token >= 0 for token in listed):
        for at, token in enumerate(listed):
            whole(f"{name}[{at}]", token, 0)
    return tuple(map(int, listed))


def biases(name: str, value: Any) -> tuple[tuple[int, float], ...]:
    """Return pairs (token id, bias), sorted by id, from a mapping or from pairs. An id may be a decimal
    string, as in JSON."""
    takes = "a dict of token ids to numbers from -1,000,000 to 1,000,000, as {50256: -100}"
    try:
        pairs = list((value.items() if isinstance(value, Mapping) else value) or ())
        found = {int(token) if isinstance(token, str) else token: bias for token, bias in pairs}
    except (TypeError, ValueError):
        raise _wrong(name, value, takes) from None
    return tuple(
        sorted(
            (whole(f"{name}[{token!r}]", token, 0), number(f"{name}[{token!r}]", bias, -1e6, 1e6, takes))
            for token, bias in found.items()
        )
    )


def _wrong(name: str, value: Any, takes: str) -> OptionError:
    shown = repr(value)
    if len(shown) > _SHOWN:
        shown = f"{shown[:_SHOWN]}..."
    return OptionError(f"{shown} is not allowed.", where=name, cure=f"Give {takes}.")

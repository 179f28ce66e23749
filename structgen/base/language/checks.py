"""Checks of options. Each returns the normalised value, or raises OptionError with a cure.

A dataclass says its checks in its annotations: `k: Annotated[int, Whole(1)] = 3`, and with `| None` behind it
where None is kept as it is. Its `__post_init__` calls `check_fields`.
Numbers may be Python's or numpy's. Bools, NaN and infinity are not numbers here.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import cache
from numbers import Integral, Real
from types import MappingProxyType, UnionType
from typing import Annotated, Any, Final, TypeAlias, get_args, get_origin, get_type_hints

from structgen.base.errors import OptionError
from structgen.base.limits import DEFAULT, Limits

Check: TypeAlias = Callable[[str, Any], Any]
"""From an option's name and its value to the value that is kept. Raises OptionError."""

MOST_SHOWN = 60
"""The most characters of a value in a message."""
_MESSAGES: Final = 'Give messages such as [{"role": "user", "content": "..."}].'
_ROLES: Final = MappingProxyType({"developer": "system", "function": "tool"})
"""Roles under which templates know others."""
_TEXTS: Final = ("text", "input_text", "output_text", "refusal")
"""Kinds of parts that are text."""
_OF_TEXTS: Final = (
    "type",
    "text",
    "refusal",
    "cache_control",
    "annotations",
    "citations",
    "logprobs",
    "id",
)
"""Members of a part that is a text: the text, and those that say nothing to a model."""


def check_fields(instance: object) -> None:
    """Check the fields of a new dataclass, in their order, and keep the normalised values. Raises OptionError
    for the first that is wrong. A default is kept as it is. Cost: some 200 ns beside each check."""
    kind: Any = type(instance)
    for name, check, keeps_none, default in _checks_of(kind):
        value = getattr(instance, name)
        is_free = value is default or (value is None and keeps_none)
        if not is_free:
            # the dataclass is frozen: only `object` may set its fields
            object.__setattr__(instance, name, check(name, value))


@cache
def _checks_of(kind: Any) -> tuple[tuple[str, Check, bool, Any], ...]:
    """Return the fields of a class that have a check, the check, whether None passes by it, and the
    default."""
    defaults = {field.name: field.default for field in fields(kind)}
    checks: list[tuple[str, Check, bool, Any]] = []
    for name, hint in get_type_hints(kind, include_extras=True).items():
        # `Annotated[int, check]`, or that as a part of `Annotated[int, check] | None`
        for part in (hint, *get_args(hint)):
            if get_origin(part) is Annotated:
                keeps_none = part is not hint
                checks.append((name, part.__metadata__[0], keeps_none, defaults[name]))
    return tuple(checks)


def WholeCheck(minimum: int | None = None, maximum: int | None = None) -> Check:
    """Return the check of whole numbers between two inclusive bounds."""
    return lambda name, value: check_whole(name, value, minimum, maximum)


def NumberCheck(
    minimum: float,
    maximum: float,
    takes: str,
    besides: float | None = None,
) -> Check:
    """Return the check of numbers as `check_number` has them."""
    return lambda name, value: check_number(name, value, minimum, maximum, takes, besides)


def InstanceCheck(kind: type | UnionType, cure: str) -> Check:
    """Return the check of objects of a class, or of one of several. None is one of them where `kind` has
    it."""

    def check(name: str, value: Any) -> Any:
        if isinstance(value, kind):
            return value
        raise OptionError(f"{name} is a {type(value).__name__}.", where=name, cure=cure)

    return check


def ChoiceCheck(values: Sequence[str]) -> Check:
    """Return the check of texts that are one of a few."""

    def check(name: str, value: Any) -> str:
        if isinstance(value, str) and value in values:
            return value
        raise OptionError(f"{name}={value!r}.", where=name, cure=f"Choose from {', '.join(values)}.")

    return check


def NamedCheck(check: Callable[[Any], Any]) -> Check:
    """Return the check of a function that knows the option's name."""
    return lambda name, value: check(value)


def check_whole(
    name: str,
    value: Any,
    minimum: int | None = None,
    maximum: int | None = None,
) -> int:
    """Return a whole number between two inclusive bounds, `check_whole("k", 3, 1)` for example. None stands
    for no bound. Errors: OptionError."""
    takes = "a whole number"
    if minimum is not None:
        takes += f", at least {minimum:,}" if maximum is None else f" from {minimum:,} to {maximum:,}"
    # Python counts a bool among the ints, and people do not.
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise option_error(name, value, f"Give {takes}.")
    number = int(value)
    is_too_small = minimum is not None and number < minimum
    is_too_large = maximum is not None and number > maximum
    if is_too_small or is_too_large:
        raise option_error(name, value, f"Give {takes}.")
    return number


def check_number(
    name: str,
    value: Any,
    minimum: float,
    maximum: float,
    takes: str,
    besides: float | None = None,
) -> float:
    """Return a number between two inclusive bounds, or the value `besides`.

    `takes` describes the allowed values for the message: `check_number("p", 0.5, 0.0, 1.0, "a number from 0
    to 1")` is 0.5. Errors: OptionError.
    """
    number = math.nan  # no comparison with it is true, so it stands for all that is no number
    if not isinstance(value, bool) and isinstance(value, Real):
        try:
            number = float(value)
        except OverflowError:  # an int beyond all floats
            number = math.inf
    if not (number == besides or minimum <= number <= maximum):
        raise option_error(name, value, f"Give {takes}.")
    return number


def check_flag(name: str, value: Any) -> bool | None:
    """Return True or False, or None if it is not given."""
    if value is not None and not isinstance(value, bool):
        raise option_error(name, value, "Give True or False, or leave it out.")
    return value


def check_switch(name: str, value: Any) -> bool:
    """Return True or False; False if it is not given."""
    return check_flag(name, value) or False


def check_seconds(name: str, value: Any) -> float | None:
    """Return seconds, or None for no limit."""
    takes = "seconds, at least 0, or None for no limit"
    if value is None:
        return None
    return check_number(name, value, 0.0, sys.float_info.max, takes)


def check_text(name: str, value: Any) -> str:
    """Return a non-empty text that UTF-8 can encode."""
    if not isinstance(value, str) or not value:
        raise option_error(name, value, "Give a text that is not empty.")
    return check_encodable(name, value)


def check_encodable(name: str, value: Any) -> str:
    """Return a text that UTF-8 can encode; it may be empty."""
    if not isinstance(value, str):
        raise option_error(name, value, "Give a text.")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise OptionError(
            f"Character {error.start}, {value[error.start]!r}, is half of a surrogate pair: no text.",
            where=name,
            cure="Take it out, or write the character whole.",
        ) from error
    return value


def check_texts(name: str, value: Any) -> tuple[str, ...]:
    """Return a tuple of texts, from one text or a sequence."""
    if isinstance(value, str):
        value = (value,)
    if not isinstance(value, Sequence) or isinstance(value, bytes | bytearray):
        raise option_error(name, value, "Give a text, or a sequence of texts.")
    return tuple(check_text(name, item) for item in value)


def check_limits(value: Any) -> Limits:
    """Return the limits that are given, or those where none are."""
    if value is None:
        return DEFAULT
    if not isinstance(value, Limits):
        raise option_error("limits", value, "Pass sg.Limits(...), or leave it out.")
    return value


def check_refusal(name: str, value: Any) -> tuple[str, str] | None:
    """Return an answer and the reason of its refusal, or None."""
    if value is None:
        return None
    is_pair = isinstance(value, tuple) and len(value) == 2
    if not is_pair or not all(isinstance(part, str) for part in value):
        raise option_error(name, value, "Give a pair of texts, the answer and why it was refused.")
    answer, reason = value
    return check_encodable(name, answer), check_encodable(name, reason)


def check_prompt(name: str, value: Any) -> str | tuple[int, ...] | tuple[Mapping[str, Any], ...]:
    """Return a prompt: a text that is not empty, token ids, or chat messages."""
    # A first item that is a dict tells messages from token ids.
    if isinstance(value, Sequence) and value and isinstance(value[0], Mapping):
        return check_messages(name, value)
    if isinstance(value, str):
        return check_text(name, value)
    return check_tokens(name, value)


def check_messages(name: str, value: Any) -> tuple[Mapping[str, Any], ...]:
    """Return chat messages, at least one. Parts of their contents may be of any type: servers read images."""
    if not isinstance(value, Sequence) or isinstance(value, str | bytes) or not value:
        raise option_error(name, value, _MESSAGES)
    for at, message in enumerate(value):
        fault = message_fault(at, message)
        if fault:
            raise OptionError(fault, where=name, cure=_MESSAGES)
    return tuple(value)


def read_messages(
    value: Any,
    name: str = "messages",
    item: str = "[{}]",
    member: str = ".",
) -> list[dict[str, Any]]:
    """Return chat messages as models of this process read them: with a text as content, under the roles that
    chat templates know, and with the older `function_call` among the `tool_calls`. Other members stay.

    `name`, `item`, `member`: how places are written in errors, `messages[0].content` by default. Errors:
    OptionError, with the place. Cost: linear.
    """
    result = []
    originals = check_messages(name, value)
    for at, message in enumerate(originals):
        where = f"{name}{item.format(at)}{member}content"
        # the answer may go on inside a last turn of the assistant: nothing is put between its parts
        role = message["role"]
        is_open_turn = at == len(originals) - 1 and role == "assistant"
        joint = "" if is_open_turn else "\n"
        content = content_text(message.get("content"), where, item, joint=joint)
        template_message = {**message, "role": _ROLES.get(role, role), "content": content}
        function_call = template_message.pop("function_call", None)
        if function_call and not template_message.get("tool_calls"):
            template_message["tool_calls"] = [{"type": "function", "function": function_call}]
        result.append(template_message)
    return result


def content_text(
    content: Any,
    where: str,
    item: str = "[{}]",
    first: int = 0,
    joint: str = "\n",
) -> str:
    """Return the text of a message's content: a text, None, or a list of parts that are texts.

    `where`: the place of the content; a part stands at `where` and its number in the form `item`, counted
    from `first` on. `joint`: comes between two parts. Errors: OptionError for a part that is no text, or has
    something else beside it, with its place. Example: `content_text([{"type": "text", "text": "a"}],
    "content")` is "a".
    """
    if content is None or isinstance(content, str):
        return content or ""
    texts = []
    for at, part in enumerate(content, first):
        # A member that says something to a model beside the text would be lost: the part is refused.
        other_members = (key for key in part.keys() - _OF_TEXTS if part[key])
        other_member = next(other_members, None)
        kind = part["type"] if other_member is None else other_member
        if kind not in _TEXTS:
            cure = "Describe it in words."
            raise OptionError(
                f"It is {show_value(kind)}: text alone is read.",
                where=where + item.format(at),
                cure=cure,
            )
        member = "refusal" if kind == "refusal" else "text"
        texts.append(part[member])
    return joint.join(texts)


def message_fault(at: int, message: object) -> str:
    """Return why an item of a prompt is not a chat message, in words; "" if it is one. Its parts may be of
    any type."""
    if not isinstance(message, Mapping):
        return f"Message {at} is of the type {type(message).__name__}, not a dict."
    calls = message.get("tool_calls") or message.get("function_call")
    for key in ("role", "content"):
        # a message that calls tools needs no content
        if key not in message and not (key == "content" and calls):
            return f"Message {at} has no {key!r} (it has {', '.join(map(repr, message)) or 'nothing'})."
    if not isinstance(message["role"], str):
        return f"The role of message {at} is no text."
    content = message.get("content")
    if isinstance(content, str) or (content is None and calls):
        return ""
    if not isinstance(content, list | tuple):
        return f"The content of message {at} is a {type(content).__name__}: no text, and no list of parts."
    for number, part in enumerate(content):
        kind = part.get("type") if isinstance(part, Mapping) else None
        text: Any = ""  # of a part that is no text, nothing more is asked
        if kind in _TEXTS:
            text = part.get("refusal" if kind == "refusal" else "text")
        if not isinstance(kind, str) or not isinstance(text, str):
            return f"Part {number} of message {at} is {show_value(part)}: it says no type, or no text."
    return ""


def check_hashable(name: str, value: Any) -> Any:
    """Return a grammar. Raises OptionError for one without a hash, as that of a plain `@dataclass` is."""
    kind: type = type(value)
    if kind.__hash__ is None:
        raise OptionError(
            f"{kind.__name__} has no hash, and a grammar is a frozen value.",
            where=name,
            cure="Write @dataclass(frozen=True), or give the class a `__hash__` beside its `__eq__`.",
        )
    return value


def check_tokens(name: str, value: Any) -> tuple[int, ...]:
    """Return token ids, at least one, from a sequence or an array."""
    takes = "a text, or a sequence of token ids (whole numbers), at least one"
    items = value.tolist() if hasattr(value, "tolist") else value  # an array of numpy or torch
    is_bytes = isinstance(items, bytes | bytearray | memoryview)
    if is_bytes or not isinstance(items, Sequence) or not items:
        raise option_error(name, value, f"Give {takes}.")
    # Prompts are long: the check of each item, with its place, runs only where the quick one fails.
    if not all(type(token) is int and token >= 0 for token in items):
        for at, token in enumerate(items):
            check_whole(f"{name}[{at}]", token, 0)
    return tuple(map(int, items))


def check_biases(name: str, value: Any) -> tuple[tuple[int, float], ...]:
    """Return pairs (token id, bias), sorted by id, from a mapping or from pairs. An id may be a decimal
    string, as in JSON."""
    takes = 'a dict of token ids to numbers from -1,000,000 to 1,000,000, as {50256: -100} (in JSON "50256")'
    try:
        pairs = value.items() if isinstance(value, Mapping) else value or ()
        by_token = {int(token) if isinstance(token, str) else token: bias for token, bias in pairs}
    except (TypeError, ValueError):
        raise option_error(name, value, f"Give {takes}.") from None
    biases: list[tuple[int, float]] = []
    for token, bias in by_token.items():
        place = f"{name}[{token!r}]"
        checked_token = check_whole(place, token, 0)
        checked_bias = check_number(place, bias, -1e6, 1e6, takes)
        biases.append((checked_token, checked_bias))
    return tuple(sorted(biases))


def show_value(value: Any) -> str:
    """Return a value for a message: the beginning of its `repr`; its type, where that fails."""
    try:
        return shorten_text(repr(value))
    except Exception:  # of a stranger's class, or too deep
        return f"A value of the type {type(value).__name__}"


def shorten_text(text: str) -> str:
    """Return the beginning of a text for a message."""
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}..."


def option_error(name: str, value: Any, cure: str) -> OptionError:
    """Return the error for a value that an option does not take."""
    return OptionError(f"{show_value(value)} is not allowed.", where=name, cure=cure)

"""Checks of the values of options. Each returns the normalised value, or raises OptionError with a cure.

A *check* is a function of the name of an option and its value: `check_whole("k", 3, 1)` returns 3, and
`check_whole("k", 0, 1)` raises. A dataclass names its checks in its annotations, and its `__post_init__`
calls `check_fields`:

    k: Annotated[int, WholeCheck(3)] = 3
    seed: Annotated[int, WholeCheck(2)] | None = None       # None passes without a check
    is_sorted: Switch = False                               # a name of such a type, below

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
from typing import Annotated, Any, Final, Literal, TypeAlias, get_args, get_origin, get_type_hints

from structgen.base.errors import OptionError
from structgen.base.limits import DEFAULT, Limits

Check: TypeAlias = Callable[[str, Any], Any]
"""A function: (name of the option, its value) -> the value that is kept. Raises OptionError."""

MOST_SHOWN = 60
"""The most characters of a value in a message."""
_MESSAGES: Final = 'Pass messages such as [{"role": "user", "content": "..."}].'
_ROLES: Final = MappingProxyType({"developer": "system", "function": "tool"})
"""The roles of messages that have another name in chat templates, with that name."""
_TEXTS: Final = ("text", "input_text", "output_text", "refusal")
"""The types of parts of a message that are texts."""
_CONTENTS: Final = ("image", "video", "file", "document")
"""Words in the types of parts that are not texts, such as "image_url"."""
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
"""The members that a part of text may have: the text itself, and members that have no meaning for a model."""


def check_fields(instance: object) -> None:
    """Check the fields of a new dataclass, in their order, and set them to the normalised values.

    `instance`: the dataclass. A default is kept without a check. Raises OptionError for the first field that
    is wrong. Cost: some 200 ns for each field, besides the check itself.
    """
    kind: Any = type(instance)
    for name, check, keeps_none, default in _checks_of(kind):
        value = getattr(instance, name)
        is_free = value is default or (value is None and keeps_none)
        if not is_free:
            # the dataclass is frozen: only `object` may set its fields
            object.__setattr__(instance, name, check(name, value))


@cache
def _checks_of(kind: Any) -> tuple[tuple[str, Check, bool, Any], ...]:
    """Return (name, check, does None pass without the check, default) for each field with a check."""
    defaults = {field.name: field.default for field in fields(kind)}
    checks: list[tuple[str, Check, bool, Any]] = []
    for name, hint in get_type_hints(kind, include_extras=True).items():
        # The hint is `Annotated[int, check]`, or `Annotated[int, check] | None`, of which it is one part.
        for part in (hint, *get_args(hint)):
            if get_origin(part) is Annotated:
                keeps_none = part is not hint
                checks.append((name, part.__metadata__[0], keeps_none, defaults[name]))
    return tuple(checks)


def WholeCheck(minimum: int | None = None, maximum: int | None = None) -> Check:
    """Return a check of whole numbers between two inclusive bounds; None: no bound."""
    return lambda name, value: check_whole(name, value, minimum, maximum)


def NumberCheck(
    minimum: float,
    maximum: float,
    takes: str,
    besides: float | None = None,
) -> Check:
    """Return a check of numbers; the parameters are those of `check_number`."""
    return lambda name, value: check_number(name, value, minimum, maximum, takes, besides)


def InstanceCheck(kind: type | UnionType, cure: str) -> Check:
    """Return a check of objects of a class.

    `kind`: the class, or a union of classes such as `Limits | None`. `cure`: the last sentence of the error.
    """

    def check(name: str, value: Any) -> Any:
        if isinstance(value, kind):
            return value
        kinds = " or ".join(part.__name__ for part in get_args(kind) or (kind,)).replace("NoneType", "None")
        raise OptionError(f"must be {kinds}, got {type(value).__name__}.", where=name, cure=cure)

    return check


def ChoiceCheck(values: Sequence[str]) -> Check:
    """Return a check of texts that must be one of `values`."""

    def check(name: str, value: Any) -> str:
        if isinstance(value, str) and value in values:
            return value
        from difflib import get_close_matches  # start-up: a call with a fault

        near = get_close_matches(str(value).lower(), values, 1)
        cure = f"Did you mean {near[0]!r}?" if near else ""
        raise option_error(name, value, f"one of {', '.join(values)}", cure)

    return check


def NamedCheck(check: Callable[[Any], Any]) -> Check:
    """Return a check made of a function that takes the value alone, because it knows the name of the
    option."""
    return lambda name, value: check(value)


def check_whole(
    name: str,
    value: Any,
    minimum: int | None = None,
    maximum: int | None = None,
) -> int:
    """Return a value that is a whole number between two inclusive bounds: `check_whole("k", 3, 1)` is 3. A
    bound of None is no bound. Raises OptionError for other values."""
    takes = "a whole number"
    if minimum is not None:
        takes += f", at least {minimum:,}" if maximum is None else f" from {minimum:,} to {maximum:,}"
    # In Python a bool is an int; here it is not a number.
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise option_error(name, value, takes)
    number = int(value)
    is_too_small = minimum is not None and number < minimum
    is_too_large = maximum is not None and number > maximum
    if is_too_small or is_too_large:
        raise option_error(name, value, takes)
    return number


def check_number(
    name: str,
    value: Any,
    minimum: float,
    maximum: float,
    takes: str,
    besides: float | None = None,
) -> float:
    """Return a value that is a number between two inclusive bounds.

    `takes`: the allowed values in words, for the message. `besides`: one more value that is allowed, outside
    the bounds. Example: `check_number("p", 0.5, 0.0, 1.0, "a number from 0 to 1")` is 0.5. Raises OptionError
    for other values.
    """
    number = math.nan  # stands for values that are not numbers: every comparison with NaN is false
    if not isinstance(value, bool) and isinstance(value, Real):
        try:
            number = float(value)
        except OverflowError:  # an int beyond all floats
            number = math.inf
    if not (number == besides or minimum <= number <= maximum):
        raise option_error(name, value, takes)
    return number


def check_flag(name: str, value: Any) -> bool | None:
    """Return a value that is True, False, or None (not given). Raises OptionError for other values."""
    if value is not None and not isinstance(value, bool):
        raise option_error(name, value, "True or False")
    return value


def check_switch(name: str, value: Any) -> bool:
    """Return a value that is True or False; False for None (not given). Raises OptionError for others."""
    return check_flag(name, value) or False


def check_quotes(name: str, value: Any) -> bool | Literal["exact"]:
    """Return a value that is True, False or "exact"; False for None (not given). Raises OptionError for
    others."""
    if value is not None and value != "exact" and not isinstance(value, bool):
        raise option_error(name, value, 'True, False or "exact"')
    return value or False


def check_seconds(name: str, value: Any) -> float | None:
    """Return a number of seconds, at least 0; None (no limit) stays None. Raises OptionError for others."""
    takes = "seconds, at least 0, or None for no limit"
    if value is None:
        return None
    return check_number(name, value, 0.0, sys.float_info.max, takes)


def check_text(name: str, value: Any) -> str:
    """Return a value that is a non-empty text which UTF-8 can encode. Raises OptionError for others."""
    if not isinstance(value, str) or not value:
        raise option_error(name, value, "a text that is not empty")
    return check_encodable(name, value)


def check_encodable(name: str, value: Any) -> str:
    """Return a value that is a text, perhaps empty, which UTF-8 can encode. Raises OptionError for others."""
    if not isinstance(value, str):
        raise option_error(name, value, "a text")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise OptionError(
            f"Character {error.start}, {value[error.start]!r}, is half of a surrogate pair, not a character.",
            where=name,
            cure="Remove it, or write both halves.",
        ) from error
    return value


def check_texts(name: str, value: Any) -> tuple[str, ...]:
    """Return a text, or a sequence of texts, as a tuple of texts. Raises OptionError for others."""
    if isinstance(value, str):
        value = (value,)
    if not isinstance(value, Sequence) or isinstance(value, bytes | bytearray):
        raise option_error(name, value, "a text, or a sequence of texts")
    return tuple(check_text(name, item) for item in value)


def check_limits(value: Any) -> Limits:
    """Return limits; the default ones for None (not given). Raises OptionError for other values."""
    if value is None:
        return DEFAULT
    if not isinstance(value, Limits):
        raise option_error("limits", value, "an sg.Limits(...)")
    return value


def check_refusal(name: str, value: Any) -> tuple[str, str] | None:
    """Return a pair (refused answer, reason of the refusal), or None. Raises OptionError for others."""
    if value is None:
        return None
    is_pair = isinstance(value, tuple) and len(value) == 2
    if not is_pair or not all(isinstance(part, str) for part in value):
        raise option_error(name, value, "a pair of texts: the answer, and why it was refused")
    answer, reason = value
    return check_encodable(name, answer), check_encodable(name, reason)


def check_prompt(name: str, value: Any) -> str | tuple[int, ...] | tuple[Mapping[str, Any], ...]:
    """Return a prompt: a text that is not empty, token ids, or chat messages."""
    # Messages are dicts and token ids are numbers: the first item tells which they are.
    if isinstance(value, Sequence) and value and isinstance(value[0], Mapping):
        return check_messages(name, value)
    if isinstance(value, str):
        return check_text(name, value)
    return check_tokens(name, value)


def check_messages(name: str, value: Any) -> tuple[Mapping[str, Any], ...]:
    """Return chat messages, at least one. The parts of a content may be of any type, since a server may read
    images."""
    if not isinstance(value, Sequence) or isinstance(value, str | bytes) or not value:
        raise option_error(name, value, "a list of chat messages, at least one", _MESSAGES)
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
    """Return chat messages in the form that chat templates read. Other members of a message stay.

    The content becomes one text. Roles become those that templates know. An older `function_call` becomes one
    of the `tool_calls`. `name`, `item`, `member`: how a place is written in errors; by default it is like
    `messages[0].content`. Raises OptionError, with the place. Cost: linear.
    """
    result = []
    originals = check_messages(name, value)
    for at, message in enumerate(originals):
        where = f"{name}{item.format(at)}{member}content"
        # The model may go on with a last message of the assistant, so its parts are joined without a line
        # feed.
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
    item: str,
    first: int = 0,
    joint: str = "\n",
) -> str:
    """Return the text of a message's content: a text, None, or a list of parts that are texts.

    `where`: the place of the content, for errors. The place of a part is `where` and the number of the part,
    counted from `first` on and written as `item`. `joint`: the text between two parts. Raises OptionError,
    with the place, for a part that is not a text or that has other members with a meaning. Example:
    `content_text([{"type": "text", "text": "a"}], "content")` is "a".
    """
    if content is None or isinstance(content, str):
        return content or ""
    texts = []
    for at, part in enumerate(content, first):
        kind = part["type"]
        if kind not in _TEXTS:
            contents = next((f"{word.capitalize()}s" for word in _CONTENTS if word in kind), "Such parts")
            fault = f"{contents} are not supported, got {show_value(kind)}."
            cure = "Describe the content in words."
            raise OptionError(fault, where=where + item.format(at), cure=cure)
        # A member that has a meaning besides the text would be lost, so such a part is refused.
        if other_members := [key for key in part if part[key] and key not in _OF_TEXTS]:
            fault = f"The member {show_value(other_members[0])} of a text is not supported."
            raise OptionError(fault, where=where + item.format(at), cure="Describe it in words.")
        member = "refusal" if kind == "refusal" else "text"
        texts.append(part[member])
    return joint.join(texts)


def message_fault(at: int, message: object) -> str:
    """Return in words why item number `at` of a prompt is not a chat message; "" if it is one. The parts of
    its content may be of any type."""
    if not isinstance(message, Mapping):
        return f"Message {at} must be a dict, got {type(message).__name__}."
    calls = message.get("tool_calls") or message.get("function_call")
    for key in ("role", "content"):
        # a message that calls tools needs no content
        if key not in message and not (key == "content" and calls):
            return f"Message {at} has no {key!r} (it has {', '.join(map(repr, message)) or 'nothing'})."
    if not isinstance(message["role"], str):
        return f"The role of message {at} must be a text, got {show_value(message['role'])}."
    content = message.get("content")
    if isinstance(content, str) or (content is None and calls):
        return ""
    if not isinstance(content, list | tuple):
        return f"The content of message {at} must be a text or a list of parts, got {type(content).__name__}."
    for number, part in enumerate(content):
        kind = part.get("type") if isinstance(part, Mapping) else None
        text: Any = ""  # a part that is not a text is not checked further
        if kind in _TEXTS:
            text = part.get("refusal" if kind == "refusal" else "text")
        if not isinstance(kind, str) or not isinstance(text, str):
            return f"Part {number} of message {at} has no type or no text: {show_value(part)}."
    return ""


def check_hashable(name: str, value: Any) -> Any:
    """Return a grammar that can be hashed. Raises OptionError for others, such as a plain `@dataclass`."""
    kind: type = type(value)
    if kind.__hash__ is None:
        raise OptionError(
            f"{kind.__name__} has no hash; a grammar must be hashable.",
            where=name,
            cure="Write @dataclass(frozen=True), or give the class a `__hash__` in addition to its `__eq__`.",
        )
    return value


def check_tokens(name: str, value: Any) -> tuple[int, ...]:
    """Return token ids, at least one, from a sequence or an array."""
    takes = "a text, or a sequence of token ids (whole numbers), at least one"
    items = value.tolist() if hasattr(value, "tolist") else value  # an array of numpy or torch
    is_bytes = isinstance(items, bytes | bytearray | memoryview)
    if is_bytes or not isinstance(items, Sequence) or not items:
        raise option_error(name, value, takes)
    # Prompts are long, so items are checked quickly first. The slow check, which finds the place of the
    # fault, runs only where the quick one fails.
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
        raise option_error(name, value, takes) from None
    biases: list[tuple[int, float]] = []
    for token, bias in by_token.items():
        place = f"{name}[{token!r}]"
        checked_token = check_whole(place, token, 0)
        checked_bias = check_number(place, bias, -1e6, 1e6, takes)
        biases.append((checked_token, checked_bias))
    return tuple(sorted(biases))


def show_value(value: Any) -> str:
    """Return a value as a message shows it: the beginning of its `repr`, or its type where `repr` fails."""
    try:
        return shorten_text(repr(value))
    except Exception:  # `repr` of a class that is not ours may raise anything, or be too deep
        return f"a value of the type {type(value).__name__}"


def shorten_text(text: str) -> str:
    """Return a text as a message shows it: at most MOST_SHOWN characters, then "..."."""
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}..."


def option_error(name: str, value: Any, takes: str, cure: str = "") -> OptionError:
    """Return the error for a value that an option does not take: `k must be a whole number, got 'x'.`

    `takes`: the allowed values in words, such as `a whole number`. `cure`: a sentence that ends the message.
    """
    return OptionError(f"must be {takes}, got {show_value(value)}.", where=name, cure=cure)


Switch: TypeAlias = Annotated[bool, check_switch]
Quotes: TypeAlias = Annotated[bool | Literal["exact"], check_quotes]
Count: TypeAlias = Annotated[int, WholeCheck(0)]
PositiveCount: TypeAlias = Annotated[int, WholeCheck(1)]
Share: TypeAlias = Annotated[float, NumberCheck(0.0, 1.0, "a number from 0 to 1")]
UnicodeText: TypeAlias = Annotated[str, check_encodable]
NonemptyText: TypeAlias = Annotated[str, check_text]
"""Types of options whose check many classes have; `Switch | None` takes None too."""

"""JSON text and Python values read as exact JSON, and exact JSON written in its one canonical form.

Nothing here recurses: 100,000 nested brackets are read, copied and written like any other document.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from functools import cache
from math import isfinite
from typing import Any

from structgen.errors import LimitError, SchemaError
from structgen.schema.reading.model import Json

# RFC 8259, sections 2 (white space), 6 (numbers), 7 (strings); the groups tell what was met.
_BLANK = re.compile(r"[ \t\n\r]*")
_SCALAR = re.compile(
    r'(?P<string>"[^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*)*")'
    r"|(?P<number>-?(?:0|[1-9][0-9]*)(?P<real>(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?))"
    r"|(?P<word>true|false|null)"
)
_WORDS: dict[str, Json] = {"true": True, "false": False, "null": None}

_ATOMS = frozenset({str, bool, type(None)})  # copied as they are

# CPython refuses to convert longer numerals to int (CVE-2020-10735); Decimal holds them just as exactly.
_INT_DIGITS = sys.int_info.default_max_str_digits
_INT_BITS = 3 * _INT_DIGITS  # a digit has more than three bits


@cache
def _reader() -> json.JSONDecoder:
    return json.JSONDecoder(parse_float=Decimal, parse_constant=_no_constant)


def read(text: str) -> Json:
    """Return the value of a JSON text (RFC 8259), numbers exact: int, or Decimal with a fraction or exponent.

    A member named twice has its last value (`repeated` lists such names); integers of more than 4,000 digits
    are Decimals too. Errors: `SchemaError` with line and column. Cost: the C reader of the standard library;
    texts that it cannot take (very deep ones) are read by the loop below, some 30 times slower.
    """
    try:
        value: Json = _reader().decode(text)
        return value
    except (ValueError, RecursionError, InvalidOperation):
        # Either not JSON, and then the slow reader says where, or beyond what the C reader can hold.
        return _read_slowly(text, None)


def repeated(text: str) -> tuple[str, ...]:
    """Return the places (`#/...`) of the members that a JSON text names more than once, in text order."""
    found: dict[str, None] = {}
    _read_slowly(text, lambda place: found.setdefault(place))
    return tuple(found)


def exact(value: object, most: int = 4_000_000) -> Json:
    """Return a deep copy of a Python value as exact JSON; a float stands for its shortest repr.

    Only dict, list, str, int, float, bool, None and Decimal are taken, with str keys; anything else, NaN and
    the infinities are a `SchemaError` that names the place. At most `most` values, where a dict or list
    counts as four (`LimitError`); a value that holds itself is refused where it does.
    """
    out: list[Json] = []
    # (value, container that receives the copy, its key, the path link for messages)
    todo: list[tuple[object, Any, Any, Any]] = [(value, out, None, None)]
    around: set[int] = set()  # the containers that hold the present value
    count = 0
    while todo:
        node, into, key, path = todo.pop()
        if into is None:
            around.discard(key)
            continue
        kind = node.__class__
        copy: Any
        if kind in _ATOMS:
            copy = node
        elif isinstance(node, dict):
            count += len(node) + 3
            _enter(node, around, todo, path)
            copy = {}
            for name, member in node.items():
                if name.__class__ is not str:
                    name = _name(name, path)
                copy[name] = member  # holds the member's place in the text order
                if member.__class__ not in _ATOMS:
                    todo.append((member, copy, name, (path, name)))
        elif isinstance(node, list):
            count += len(node) + 3
            _enter(node, around, todo, path)
            copy = list(node)
            for index, member in enumerate(copy):
                if member.__class__ in _ATOMS or (type(member) is int and member.bit_length() <= _INT_BITS):
                    continue
                if type(member) is float and isfinite(member):
                    copy[index] = Decimal(repr(member))
                    continue
                todo.append((member, copy, index, (path, index)))
        else:
            copy = _exact_scalar(node, path)
        if key is None:
            into.append(copy)
        else:
            into[key] = copy
        if count > most:
            raise LimitError(
                f"The schema holds more than {most:,} values.",
                limit="schema_places",
                cure="Write a part that repeats once, under $defs, and refer to it by $ref.",
            )
    return out[0]


def _enter(node: object, around: set[int], todo: list[tuple[object, Any, Any, Any]], path: Any) -> None:
    """Add a container to those around the values that come next, and its end to what is to be done."""
    if id(node) in around:
        raise LimitError(
            f"This {node.__class__.__name__} holds itself: as JSON it has no end.",
            limit="schema_places",
            where=_place(path),
            cure="Write a part that repeats once, under $defs, and refer to it by $ref.",
        )
    around.add(id(node))
    todo.append((None, None, id(node), None))


def write(value: Json) -> str:
    """Return the canonical JSON text of a value: ASCII, no blanks, members in order, equal numbers alike.

    `read(write(v))` is equal to v. Iterative; some 1 us a value.
    """
    parts: list[str] = []
    # Either a value to write, or (a str in a 1-tuple) text that is ready.
    todo: list[Any] = [value]
    while todo:
        node = todo.pop()
        kind = node.__class__
        if kind is tuple:
            parts.append(node[0])
        elif kind is str:
            parts.append(json.dumps(node))
        elif node is None:
            parts.append("null")
        elif kind is bool:
            parts.append("true" if node else "false")
        elif kind is int:
            parts.append(str(node))
        elif kind is Decimal:
            parts.append(_numeral(node))
        elif kind is list:
            todo.append(("]",))
            for index in range(len(node) - 1, -1, -1):
                todo.append(node[index])
                if index:
                    todo.append((",",))
            parts.append("[")
        else:
            todo.append(("}",))
            for left, (name, member) in zip(
                range(len(node) - 1, -1, -1), reversed(node.items()), strict=True
            ):
                todo.append(member)
                todo.append((("," if left else "") + json.dumps(name) + ":",))
            parts.append("{")
    return "".join(parts)


def escape(segment: str | int) -> str:
    """Return one reference token of a JSON pointer (RFC 6901, section 3), with "~" and "/" escaped."""
    text = str(segment)
    if "~" in text or "/" in text:
        return text.replace("~", "~0").replace("/", "~1")
    return text


def unescape(token: str) -> str:
    """Return the key of a reference token of a JSON pointer: the inverse of `escape`."""
    return token.replace("~1", "/").replace("~0", "~") if "~" in token else token


def kind_name(value: object) -> str:
    """Return the name of a value's kind for messages: its JSON type, or its Python type where JSON has
    none."""
    if value is None:
        return "null"
    for kind, name in (
        (bool, "boolean"),
        (int, "integer"),
        (Decimal, "number"),
        (float, "number"),
        (str, "string"),
        (list, "array"),
        (dict, "object"),
    ):
        if isinstance(value, kind):
            return name
    return type(value).__name__


def _no_constant(name: str) -> Json:
    raise ValueError(name)


def _name(name: object, path: Any) -> str:
    """Return a key that is a subclass of str (a string enum) as a plain str."""
    if isinstance(name, str):
        return str.__str__(name)
    raise SchemaError(
        f"{name!r} is a key of type {type(name).__name__}; JSON's keys are strings.",
        where=_place(path),
        cure="Write the keys as strings.",
    )


def _exact_scalar(node: object, path: Any) -> Json:
    if isinstance(node, int):
        plain = int(node)
        return plain if plain.bit_length() <= _INT_BITS else Decimal(plain)
    if isinstance(node, (float, Decimal)):
        number = node if isinstance(node, Decimal) else Decimal(float.__repr__(node))
        if number.is_finite():
            return Decimal(number)
        raise SchemaError(
            f"{node} is not a JSON number.",
            where=_place(path),
            cure="Leave the bound out, or write a finite one.",
        )
    if isinstance(node, str):
        return str.__str__(node)
    raise SchemaError(
        f"A Python {type(node).__name__} is not a JSON value.",
        where=_place(path),
        cure="Write arrays as list and objects as dict."
        if isinstance(node, tuple)
        else "Use plain JSON values.",
    )


def _place(path: Any) -> str:
    """Return `#/a/0` for a chain of (up, segment) links."""
    segments: list[str] = []
    while path is not None:
        path, segment = path
        segments.append("/" + escape(segment))
    return "#" + "".join(reversed(segments))


def _numeral(number: Decimal) -> str:
    """Return the one text of a number's value: integers of up to 20 digits plainly, others by exponent."""
    sign, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    text = "".join(map(str, digits)).lstrip("0")
    if not text:
        return "0"
    short = text.rstrip("0")
    exponent += len(text) - len(short)
    if exponent >= 0 and len(short) + exponent <= 20:
        short, exponent = short + "0" * exponent, 0
    return ("-" if sign else "") + short + (f"e{exponent}" if exponent else "")


def _read_slowly(text: str, note: Callable[[str], object] | None) -> Json:
    """Return the value, by an explicit stack; `note` hears the place of each member that is named again."""
    result: list[Json] = []
    containers: list[Any] = [result]
    names: list[str] = [""]  # the member being read in each open object; unused for arrays
    at = _skip(text, 0)
    while True:
        # A value begins at `at`.
        here = text[at : at + 1]
        value: Any
        if here == "{":
            value = {}
        elif here == "[":
            value = []
        else:
            value, at = _scalar(text, at)
        into = containers[-1]
        if into.__class__ is dict:
            into[names[-1]] = value
        else:
            into.append(value)
        if here in ("{", "["):
            at = _skip(text, at + 1)
            if text[at : at + 1] == ("}" if here == "{" else "]"):
                at += 1
            else:
                containers.append(value)
                names.append("")
                if here == "{":
                    at = _member(text, at, containers, names, note)
                continue
        # A value has ended: close what closes, up to the next comma.
        while True:
            at = _skip(text, at)
            into = containers[-1]
            if into is result:
                if at != len(text):
                    raise _not_json(text, at, "something follows the end of the value")
                whole: Json = result[0]
                return whole
            mark = text[at : at + 1]
            if mark == ",":
                at = _skip(text, at + 1)
                if into.__class__ is dict:
                    at = _member(text, at, containers, names, note)
                break
            if mark != ("}" if into.__class__ is dict else "]"):
                raise _not_json(text, at, f"expected ',' or '{'}' if into.__class__ is dict else ']'}'")
            at += 1
            containers.pop()
            names.pop()


def _member(
    text: str, at: int, containers: list[Any], names: list[str], note: Callable[[str], object] | None
) -> int:
    """Read a member's name and colon into `names`, and return where its value begins."""
    if text[at : at + 1] != '"':
        raise _not_json(text, at, "expected a member's name in double quotes")
    name, at = _scalar(text, at)
    assert isinstance(name, str)
    names[-1] = name
    if note is not None and name in containers[-1]:
        path = (
            names[i] if containers[i].__class__ is dict else len(containers[i]) - 1
            for i in range(1, len(containers))
        )
        note("#" + "".join("/" + escape(segment) for segment in path))
    at = _skip(text, at)
    if text[at : at + 1] != ":":
        raise _not_json(text, at, "expected ':' after a member's name")
    return _skip(text, at + 1)


def _scalar(text: str, at: int) -> tuple[Json, int]:
    found = _SCALAR.match(text, at)
    if found is None:
        raise _not_json(text, at, _mistake(text, at))
    end = found.end()
    token = found.group()
    if found.lastgroup == "string":
        string: str = json.loads(token)
        return string, end
    if found.lastgroup == "word":
        return _WORDS[token], end
    if not found.group("real") and len(token) <= _INT_DIGITS:
        return int(token), end
    try:
        return Decimal(token), end
    except InvalidOperation:
        if not token.lower().partition("e")[0].strip("-.0"):
            return Decimal(0), end
        raise _not_json(text, at, "a number's exponent is beyond 10^18") from None


def _mistake(text: str, at: int) -> str:
    here = text[at : at + 1]
    if not here:
        return "the text ends where a value must begin"
    if here == '"':
        return "a string that has no end, a raw control character, or a bad escape"
    if here == "'":
        return "strings are written in double quotes"
    if text.startswith(("NaN", "Infinity", "-Infinity"), at):
        return "NaN and Infinity are not JSON numbers"
    return f"no value begins with {here!r}"


def _skip(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    assert found is not None
    return found.end()


def _not_json(text: str, at: int, what: str) -> SchemaError:
    line = text.count("\n", 0, at) + 1
    column = at - text.rfind("\n", 0, at)
    return SchemaError(
        f"This is not JSON: {what}.",
        where=f"line {line}, column {column}",
        cure="Mend the JSON text (to read a file, pass a pathlib.Path).",
    )

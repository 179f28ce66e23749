"""JSON text and Python values read as exact JSON, and exact JSON written in its one canonical form.

Nothing here recurses: 100,000 nested brackets are read, copied and written like any other document.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from functools import cache
from math import isinf
from typing import Any, TypeAlias, Union

from structgen.base.errors import LimitError, SchemaError
from structgen.base.json_text.events import (
    KEY_END,
    OBJECT_BEGIN,
    OBJECT_END,
    EventLog,
    JsonError,
    spell_pointer,
)
from structgen.base.json_text.events import escape as escape
from structgen.base.json_text.growing_json import value_of
from structgen.base.json_text.raw_json import write_json

Json: TypeAlias = Union[bool, int, Decimal, str, list["Json"], dict[str, "Json"], None]
"""A JSON value with exact numbers (int, or Decimal where the text has a fraction or an exponent)."""

_STR = frozenset({str})
_ATOMS = frozenset({str, bool, type(None)})  # copied as they are

# CPython refuses to convert longer numerals to int (CVE-2020-10735); Decimal holds them just as exactly.
_INT_DIGITS = sys.int_info.default_max_str_digits
_INT_BITS = 3 * _INT_DIGITS  # a digit has more than three bits


@cache
def _make_decoder(of_point: Callable[[str], Json]) -> json.JSONDecoder:
    return json.JSONDecoder(parse_float=of_point, parse_constant=_no_constant)


def read_exact(text: str, of_point: Callable[[str], Json] = Decimal) -> Json:
    """Return the value of a JSON text (RFC 8259), numbers exact: int, or Decimal with a fraction or exponent.

    A member named twice has its last value (`repeated_members` lists such names); integers of more than 4,000
    digits are Decimals too. Errors: `SchemaError` with line and column. Cost: the C reader of the standard
    library; texts that it cannot take (very deep ones) are read by `value_of`, some 50 times slower.
    `of_point` reads numerals with a fraction or exponent, where the C reader does.
    """
    try:
        value: Json = _make_decoder(of_point).decode(text)
        return value
    except (ValueError, RecursionError, InvalidOperation):
        # Either not JSON, and then the slow reader says where, or beyond what the C reader can hold.
        return read_any_depth(text)


def read_any_depth(text: str) -> Json:
    """Return the answer of `read_exact`, without the C reader. Errors: as there."""
    try:
        value: Json = value_of(text, _read_number)
        return value
    except JsonError as error:
        line = text.count("\n", 0, error.at) + 1
        column = error.at - text.rfind("\n", 0, error.at)
        raise SchemaError(
            f"This is not JSON: {error.fault[0].lower()}{error.fault[1:].rstrip(',')}.",
            where=f"line {line}, column {column}",
            cure="Mend the JSON text (to read a file, pass a pathlib.Path).",
        ) from None


def _read_number(numeral: str) -> Json:
    """Return the exact value of a numeral. Errors: ValueError for an exponent that Decimal cannot hold."""
    is_integer = numeral.lstrip("-").isdecimal()
    if is_integer and len(numeral) <= _INT_DIGITS:
        return int(numeral)
    try:
        return Decimal(numeral)
    except InvalidOperation:
        # Decimal has exponents up to 10^18; zero is zero with any exponent.
        if not numeral.lower().partition("e")[0].strip("-.0"):
            return Decimal(0)
        raise ValueError("its exponent is beyond 10^18") from None


def nearest_double(numeral: str) -> Json:
    """Return the value of the double next to a number, as its shortest decimal, but of an integer exactly; of
    one beyond all doubles its own."""
    value = float(numeral)
    if value.is_integer():
        return int(value)
    if isinf(value):
        return _read_number(numeral)
    return Decimal(repr(value))


def repeated_members(text: str) -> tuple[str, ...]:
    """Return the places (`#/...`) of the members that a JSON text names more than once, in text order. Cost:
    the C reader of the standard library; 1 s a MB where there are such members, or where it cannot read."""
    counts: list[int] = []

    def count_repeats(pairs: list[tuple[str, object]]) -> None:
        counts.append(len(pairs) - len(dict(pairs)))

    # The C reader takes no very deep text, and no very long integer.
    with suppress(ValueError, RecursionError):
        json.loads(text, object_pairs_hook=count_repeats)
        if not any(counts):
            return ()
    places: dict[str, None] = {}
    names: list[set[object]] = []
    """The names that each open object has so far, the outermost object first."""
    for kind, place, *_ in EventLog().feed_text(text.encode("utf-8", "surrogatepass") + b"\n"):
        if kind is OBJECT_BEGIN:
            names.append(set())
        elif kind is OBJECT_END:
            names.pop()
        elif kind is KEY_END:
            if place.part in names[-1]:
                places["#" + place.pointer] = None
            names[-1].add(place.part)
    return tuple(places)


def exact_copy(value: object, most: int = 4_000_000, of_point: Callable[[str], Json] = Decimal) -> Json:
    """Return a deep copy of a Python value as exact JSON; a float stands for its shortest repr. `of_point`
    reads the text of each float and Decimal.

    Only dict, list, str, int, float, bool, None and Decimal are taken, with str keys; anything else, NaN and
    the infinities are a `SchemaError` that names the place. At most `most` values, where a dict or list
    counts as four (`LimitError`); a value that holds itself is refused where it does.
    """
    out: list[Json] = []
    # (value, container that receives the copy, its key, the way to it for messages: `spell_pointer`)
    todo: list[tuple[object, Any, Any, Any]] = [(value, out, None, "#")]
    around: set[int] = set()  # the containers that hold the present value
    count = 0
    while todo:
        node, into, key, path = todo.pop()
        if into is None:
            # All members of a container were copied: it is no longer around what comes next.
            around.discard(key)
            continue
        kind = node.__class__
        copy: Any
        if kind in _ATOMS:
            copy = node
        elif isinstance(node, (dict, list)):
            # its members, and four for itself but for the one that its own container has counted
            count += len(node) + 3
            _enter_container(node, around, todo, path)
            members: Any
            if isinstance(node, dict):
                is_plain = {*map(type, node)} <= _STR
                copy = dict(node) if is_plain else {_plain_key(key, path): node[key] for key in node}
                members = copy.items()
            else:
                copy = list(node)
                members = enumerate(copy)
            # the copy holds the members' places in the text order
            for name, member in members:
                kind = member.__class__
                if kind not in _ATOMS and (kind is not int or member.bit_length() > _INT_BITS):
                    todo.append((member, copy, name, (path, name)))
        else:
            copy = _exact_scalar(node, path, of_point)
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


def _enter_container(
    node: object,
    around: set[int],
    todo: list[tuple[object, Any, Any, Any]],
    path: Any,
) -> None:
    """Add a container to those around the values that come next, and its end to what is to be done.

    `around`: the ids of the containers that are open. `todo`: the entries of `exact_copy`; one whose second
    part is None closes a container. `path`: the way to it, for `spell_pointer`. Errors: `LimitError` for a
    container inside itself.
    """
    if id(node) in around:
        raise LimitError(
            f"This {node.__class__.__name__} holds itself: as JSON it has no end.",
            limit="schema_places",
            where=spell_pointer(path),
            cure="Write a part that repeats once, under $defs, and refer to it by $ref.",
        )
    around.add(id(node))
    todo.append((None, None, id(node), None))


def write_canonical(value: Json) -> str:
    """Return the canonical JSON text of a value: ASCII, no blanks, members in order, equal numbers alike.

    `read_exact(write(v))` is equal to v. Iterative; some 1 us a value.
    """
    return write_json(value, _write_atom)


def _write_atom(value: Any) -> str:
    if value.__class__ is Decimal:
        return write_numeral(value)
    return json.dumps(value)


def unescape_segment(token: str) -> str:
    """Return the key of a reference token of a JSON pointer: the inverse of `escape`."""
    if "~" in token:
        return token.replace("~1", "/").replace("~0", "~")
    return token


_KINDS = {dict: "object", list: "array", str: "string", int: "integer", bool: "boolean"}
_KINDS |= dict.fromkeys((Decimal, float), "number")


def target_of(root: Any, pointer: str) -> Any:
    """Return the value to which a JSON Pointer, perhaps behind `#`, leads through objects; None where it
    leads to none."""
    for key in map(unescape_segment, pointer.split("/")[1:]):
        root = root.get(key) if isinstance(root, Mapping) else None
    return root


def values_in(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the values inside of a JSON value, itself first, in its order, each with its JSON Pointer. Cost:
    linear in the pointers."""
    todo = [("", value)]
    while todo:
        path, node = todo.pop()
        yield path, node
        if isinstance(node, (Mapping, list)):
            pairs: Any = node.items() if isinstance(node, Mapping) else enumerate(node)
            members = list(pairs)
            # in reverse, since the last entry comes next
            todo += [(f"{path}/{escape(key)}", member) for key, member in reversed(members)]


def kind_name(value: Json) -> str:
    """Return the name of the type of a JSON value."""
    return _KINDS.get(value.__class__, "null")


def _no_constant(name: str) -> Json:
    raise ValueError(name)


def _plain_key(name: object, path: Any) -> str:
    """Return a key that is a subclass of str (a string enum) as a plain str."""
    if isinstance(name, str):
        return str.__str__(name)
    raise SchemaError(
        f"{name!r} is a key of type {type(name).__name__}; JSON's keys are strings.",
        where=spell_pointer(path),
        cure="Write the keys as strings.",
    )


def _exact_scalar(node: object, path: Any, of_point: Callable[[str], Json]) -> Json:
    """Return a value that is no container as exact JSON. Errors: `SchemaError` with the place."""
    if isinstance(node, int):
        plain = int(node)  # an enum's member is an int of a class of its own
        if plain.bit_length() <= _INT_BITS:
            return plain
        return Decimal(plain)
    if isinstance(node, (float, Decimal)):
        number = node if isinstance(node, Decimal) else Decimal(float.__repr__(node))
        if number.is_finite():
            return of_point(str(number))
        raise SchemaError(
            f"{node} is not a JSON number.",
            where=spell_pointer(path),
            cure="Leave the bound out, or write a finite one.",
        )
    if isinstance(node, str):
        return str.__str__(node)
    cure = "Use plain JSON values."
    if isinstance(node, tuple):
        cure = "Write arrays as list and objects as dict."
    raise SchemaError(
        f"A Python {type(node).__name__} is not a JSON value.",
        where=spell_pointer(path),
        cure=cure,
    )


def write_numeral(number: Decimal) -> str:
    """Return the one text of a number's value: integers of up to 20 digits plainly, others by exponent."""
    sign, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    text = "".join(map(str, digits)).lstrip("0")
    if not text:
        return "0"  # also -0, which is equal
    # Zeros at the end become a part of the exponent, so that 10, 10.0 and 1e1 have one text.
    short = text.rstrip("0")
    exponent += len(text) - len(short)
    if exponent >= 0 and len(short) + exponent <= 20:
        short += "0" * exponent
        exponent = 0
    minus = "-" if sign else ""
    power = f"e{exponent}" if exponent else ""
    return f"{minus}{short}{power}"

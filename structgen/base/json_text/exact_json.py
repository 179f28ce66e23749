"""Read JSON text and Python values as exact JSON, and write exact JSON in its canonical form.

*Exact JSON* is a JSON value whose numbers keep their decimal value: 0.1 is Decimal("0.1") and not a float.
Its *canonical form* is one text for all equal values: ASCII, no blanks, 10, 10.0 and 1e1 all as 10.
A *place* is where a value stands in a document, such as `#/items/0`. Nothing here recurses: 100,000 nested
brackets are read, copied and written like any other document.
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
JsonObject: TypeAlias = dict[str, Any]
"""A JSON object in Python's values."""
JsonMapping: TypeAlias = Mapping[str, Any]
"""A JSON object in Python's values that is only read."""

_STR = frozenset({str})
_ATOMS = frozenset({str, bool, type(None)})  # types of values that are copied unchanged

# CPython refuses to convert longer numerals to int (CVE-2020-10735); Decimal holds them just as exactly.
_INT_DIGITS = sys.int_info.default_max_str_digits
_INT_BITS = 3 * _INT_DIGITS  # a digit has more than three bits, so such an int is short enough


@cache
def _make_decoder(of_point: Callable[[str], Json]) -> json.JSONDecoder:
    """Return a decoder that reads numerals with a fraction or an exponent by `of_point`, and refuses NaN."""
    return json.JSONDecoder(parse_float=of_point, parse_constant=_no_constant)


def read_exact(text: str, of_point: Callable[[str], Json] = Decimal) -> Json:
    """Return the value of a JSON text (RFC 8259) as exact JSON.

    A number is an int; with a fraction or an exponent, or with more than 4,000 digits, it is a Decimal. Where
    a member is named twice, its last value counts (`repeated_members` lists such names). `of_point`: reads
    numerals with a fraction or an exponent, in texts that the C reader can read. Raises `SchemaError`, with
    line and column. Cost: that of the C reader of the standard library. Texts that it cannot read, such as
    very deep ones, are read by `value_of`, some 50 times slower.
    """
    try:
        value: Json = _make_decoder(of_point).decode(text)
        return value
    except (ValueError, RecursionError, InvalidOperation):
        # Either the text is not JSON, and the slow reader finds the place; or the C reader cannot hold it.
        return read_any_depth(text)


def read_any_depth(text: str) -> Json:
    """Return the answer of `read_exact`, without the C reader. Raises the same errors."""
    try:
        value: Json = value_of(text, _read_number)
        return value
    except JsonError as error:
        line = text.count("\n", 0, error.at) + 1
        column = error.at - text.rfind("\n", 0, error.at)
        raise SchemaError(
            f"This is not JSON: {error.fault[0].lower()}{error.fault[1:].rstrip(',')}.",
            where=f"line {line}, column {column}",
            cure="Correct the JSON text (to read a file, pass a pathlib.Path).",
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
    """Return the value of the double that is nearest to a number, as exact JSON.

    A double that is an integer is returned exactly; others as the shortest decimal that reads as the double.
    A number beyond all doubles is returned as it is.
    """
    value = float(numeral)
    if value.is_integer():
        return int(value)
    if isinf(value):
        return _read_number(numeral)
    return Decimal(repr(value))


def repeated_members(text: str) -> tuple[str, ...]:
    """Return the places (`#/...`) of the members that a JSON text names more than once, in text order.

    Cost: that of the C reader of the standard library. Where there are such members, or where the C reader
    cannot read the text, it is 1 s for each MB.
    """
    counts: list[int] = []

    def count_repeats(pairs: list[tuple[str, object]]) -> None:
        counts.append(len(pairs) - len(dict(pairs)))

    # The C reader cannot read very deep texts and very long integers.
    with suppress(ValueError, RecursionError):
        json.loads(text, object_pairs_hook=count_repeats)
        if not any(counts):
            return ()
    places: dict[str, None] = {}
    names: list[set[object]] = []
    """The names so far in each open object, the outermost object first."""
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
    """Return a deep copy of a Python value as exact JSON. A float becomes the decimal of its shortest repr.

    `most`: the most values, where a dict or a list counts as four. `of_point`: reads the text of each float
    and Decimal. Allowed are dict with str keys, list, str, int, float, bool, None and Decimal. Raises
    `SchemaError`, with the place, for anything else, for NaN and for the infinities. Raises `LimitError` for
    too many values, and for a container that contains itself.
    """
    out: list[Json] = []
    # (value, container that receives the copy, its key there, its location for messages: `spell_pointer`);
    # an entry with None as the container ends a container
    todo: list[tuple[object, Any, Any, Any]] = [(value, out, None, "#")]
    around: set[int] = set()  # the containers that hold the present value
    count = 0
    while todo:
        node, into, key, path = todo.pop()
        if into is None:
            # All members of a container were copied: it is not around the next values any more.
            around.discard(key)
            continue
        kind = node.__class__
        copy: Any
        if kind in _ATOMS:
            copy = node
        elif isinstance(node, (dict, list)):
            # Its members, and four for itself. One of the four was counted as a member of its container.
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
            # The copy has the members in order already; those that need copying are replaced later.
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
                f"The schema contains more than {most:,} values.",
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
    """Open a container: add it to `around`, and add an entry to `todo` that closes it later.

    `node`: the container. `around`: the ids of the open containers. `todo`: the entries of `exact_copy`.
    `path`: the location of the container, for `spell_pointer`. Raises `LimitError` for a container inside
    itself.
    """
    if id(node) in around:
        raise LimitError(
            f"This {node.__class__.__name__} contains itself: as JSON it would be infinite.",
            limit="schema_places",
            where=spell_pointer(path),
            cure="Write a part that repeats once, under $defs, and refer to it by $ref.",
        )
    around.add(id(node))
    todo.append((None, None, id(node), None))


def write_canonical(value: Json) -> str:
    """Return the canonical JSON text of a value: ASCII, no blanks, members in their order, one text for equal
    numbers.

    `read_exact(write_canonical(v))` is equal to v. Cost: some 1 us for each value.
    """
    return write_json(value, _write_atom)


def _write_atom(value: Any) -> str:
    """Return the canonical text of a value that is not a container."""
    if value.__class__ is Decimal:
        return write_numeral(value)
    return json.dumps(value)


def unescape_segment(token: str) -> str:
    """Return the key of a segment of a JSON pointer (the inverse of `escape`): "a~1b" -> "a/b"."""
    if "~" in token:
        return token.replace("~1", "/").replace("~0", "~")
    return token


_KINDS = {dict: "object", list: "array", str: "string", int: "integer", bool: "boolean"}
_KINDS |= dict.fromkeys((Decimal, float), "number")


def target_of(root: Any, pointer: str) -> Any:
    """Return the value to which a JSON Pointer leads through objects; None where there is none. The pointer
    may begin with `#`."""
    for key in map(unescape_segment, pointer.split("/")[1:]):
        root = root.get(key) if isinstance(root, Mapping) else None
    return root


def values_in(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield (JSON Pointer, value) for a JSON value and all values inside it, in order. Cost: linear in the
    length of the pointers."""
    todo = [("", value)]
    while todo:
        path, node = todo.pop()
        yield path, node
        if isinstance(node, (Mapping, list)):
            pairs: Any = node.items() if isinstance(node, Mapping) else enumerate(node)
            members = list(pairs)
            # in reverse, because the last entry is taken first
            todo += [(f"{path}/{escape(key)}", member) for key, member in reversed(members)]


def kind_name(value: Json) -> str:
    """Return the name of the type of a JSON value, such as "object"."""
    return _KINDS.get(value.__class__, "null")


def _no_constant(name: str) -> Json:
    """Refuse NaN and the infinities, which the C reader would accept."""
    raise ValueError(name)


def _plain_key(name: object, path: Any) -> str:
    """Return a key as a plain str; it may be a subclass such as a string enum. Raises `SchemaError` for other
    keys. `path`: the location of the object."""
    if isinstance(name, str):
        return str.__str__(name)
    raise SchemaError(
        f"{name!r} is a key of type {type(name).__name__}; keys of JSON must be strings.",
        where=spell_pointer(path),
        cure="Write the keys as strings.",
    )


def _exact_scalar(node: object, path: Any, of_point: Callable[[str], Json]) -> Json:
    """Return a value that is not a container as exact JSON. Raises `SchemaError`, with the place. `path`: its
    location. `of_point`: as in `exact_copy`."""
    if isinstance(node, int):
        plain = int(node)  # a member of an int enum becomes a plain int
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
            cure="Remove the bound, or use a finite one.",
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
    """Return the canonical text of a number: integers of up to 20 digits as digits, others with an exponent.
    For example, 1.50 -> "15e-1"."""
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

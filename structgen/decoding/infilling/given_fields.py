"""A template made of a JSON Schema and some known fields: known fields are fixed text, the others are
holes.

A *template* is a list of fixed texts and holes; a *path* names a field by the properties that lead to it,
joined by dots. With the field {"name": "Ada"} of a schema with the properties `name` and `age`, the template
is `{"name": "Ada", "age": {age}}`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import groupby
from typing import Any

from structgen.base.errors import NoFillingError, OptionError
from structgen.base.json_text.exact_json import kind_name, read_exact
from structgen.decoding.infilling.template import FixedText, Hole, Parts
from structgen.grammars.text_grammars.composition.argument_roots import root_of
from structgen.schema.reading.model import TYPES


def parts_of_given(schema: Any, fields: Mapping[str, Any]) -> Parts:
    """Return the template of an object's schema in which some fields are known.

    Properties are in the order of the schema, with json.dumps' layout. A given field is fixed text. A
    required field that is not given is a hole, named by its path ("address.city"). Other fields are left out.
    If a given value and its property are both objects, the same applies inside them. This function does not
    check that the text satisfies the schema: the schema's automaton does. Blanks before a hole and the
    punctuation after it are part of the hole, because the model's tokenizer may join them with the value's
    first and last characters.

    Raises OptionError if the schema's root names no properties, or does not name a given field.
    Raises NoFillingError if a value is not of its schema's `type`.
    """
    texts: list[str | Hole] = []
    _append_object(root_of(schema)[1], schema, fields, (), texts)
    # Neighbouring texts become one run. Runs of texts and runs of holes take turns.
    runs = [list(run) for _, run in groupby(texts, type)]
    parts: Parts = []
    for at, run in enumerate(runs):
        parts += (part for part in run if isinstance(part, Hole))
        text = "".join(part for part in run if isinstance(part, str))
        # The punctuation after a hole, and the blanks before one, are left out of the fixed text: they are a
        # part of the hole.
        if at:
            text = text.lstrip(",}")
        if at + 1 < len(runs):
            text = text.rstrip(" ")
        if text:
            parts.append(FixedText(text))
    return parts


def value_at(document: Any, path: str) -> Any:
    """Return the value in a document at a hole's path."""
    for name in _names_of_path(document, path):
        document = document[name]
    return document


def _names_of_path(document: Any, path: str) -> list[str]:
    """Return the property names of a path in a document. A name may itself contain dots, so the document
    decides where to split."""
    if path in document:
        return [path]
    for name, inner in document.items():
        if path.startswith(f"{name}.") and isinstance(inner, Mapping):
            return [name, *_names_of_path(inner, path[len(name) + 1 :])]
    raise KeyError(path)


def _append_object(
    shape: Any, root: Any, fields: Mapping[str, Any], path: Sequence[str], texts: list[str | Hole]
) -> None:
    """Append an object to `texts`: its given fields as JSON text, its other required fields as holes.

    `shape`: the schema of the object; `root`: the whole schema, for references; `fields`: the given fields;
    `path`: the names that lead to the object, for example ("address",), () for the root. Raises OptionError
    for a schema without properties, and for a field that it does not have.
    """
    properties = shape.get("properties") if isinstance(shape, Mapping) else None
    where = "given" + "".join(f"[{name!r}]" for name in path)
    if not isinstance(properties, Mapping) or not properties:
        raise OptionError(
            "The schema declares no properties there.",
            where=where,
            cure="Use a template instead: sg.infill(model, '{...}', grammar=schema).",
        )
    unknown = [name for name in fields if name not in properties]
    if unknown:
        raise OptionError(
            f"{unknown[0]!r} is not a property of the schema.",
            where=where,
            cure=f"Use some of {', '.join(map(repr, properties))}.",
        )
    required_names = shape.get("required", ())
    separator = "{"
    for name, inner in properties.items():
        if name not in fields and name not in required_names:
            continue
        texts.append(f"{separator}{json.dumps(name, ensure_ascii=False)}: ")
        separator = ", "
        if name not in fields:
            texts.append(Hole(".".join((*path, name))))
            continue
        _, inner_shape = root_of(root, inner)
        value = fields[name]
        has_properties = isinstance(inner_shape, Mapping) and inner_shape.get("properties")
        if isinstance(value, Mapping) and has_properties:
            _append_object(inner_shape, root, value, (*path, name), texts)
        else:
            text = _json_text(value, (*path, name))
            _check_type(text, inner_shape, f"{where}[{name!r}]")
            texts.append(text)
    texts.append("{}" if separator == "{" else "}")


def _check_type(text: str, shape: Any, where: str) -> None:
    """Raise NoFillingError for a value whose type is not its schema's `type`. As in JSON Schema, 2.0 is an
    integer, and each integer is a number. `text`: the value as JSON; `shape`: its schema; `where`: its
    path."""
    type_keyword = shape.get("type") if isinstance(shape, Mapping) else None
    names: list[Any] = type_keyword if isinstance(type_keyword, list) else [type_keyword]
    if not names or not all(isinstance(name, str) and name in TYPES for name in names):
        return  # an unknown type is an error of the schema, which its reader reports
    value = read_exact(text)
    kind = kind_name(value)
    # An integer is a number as well, and a number such as 2.0 an integer.
    is_whole = isinstance(value, Decimal) and value == value.to_integral_value()
    second_kinds = {"integer": "number", "number": "integer" if is_whole else ""}
    if kind in names or second_kinds.get(kind) in names:
        return
    kinds = " or ".join(names)
    short_text = text if len(text) <= 40 else f"{text[:37]}..."
    raise NoFillingError(
        f"{short_text} has the type {kind}, and the schema requires {kinds}.",
        fixed=text,
        where=where,
        cure=f"Pass a value of the type {kinds}, or remove the field.",
    )


def _json_text(value: Any, path: Sequence[str]) -> str:
    """Return a given value as JSON text. Raises OptionError, which names its path, for a value that JSON
    cannot express."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise OptionError(
            f"The value is not JSON: {error}.", where=f"given {'.'.join(path)}", cure="Pass a JSON value."
        ) from error

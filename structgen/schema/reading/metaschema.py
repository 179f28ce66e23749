"""The meta-schemas' own verdict on a schema, asked only when something has already failed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from structgen.json_text.exact_json import Json, escape

_MOST_VALUES = 20_000
"""Values of a schema beyond which the meta-schema is not run: it costs some 50 us a value."""


def faults(schema: Json, draft: str, most: int = 10) -> tuple[str, ...]:
    """Return the places (`#/...`) to which the meta-schema of `draft` objects, at most `most`.

    Empty too for v1, which has no meta-schema here, and where the schema is too large or too deep for the
    validator (package jsonschema recurses).
    """
    # start-up: jsonschema is loaded for a schema that is refused
    import jsonschema

    classes: dict[str, Any] = {
        "3": jsonschema.Draft3Validator,
        "4": jsonschema.Draft4Validator,
        "6": jsonschema.Draft6Validator,
        "7": jsonschema.Draft7Validator,
        "2019-09": jsonschema.Draft201909Validator,
        "2020-12": jsonschema.Draft202012Validator,
    }
    plain = _plain(schema)
    if plain is None or draft not in classes:
        return ()
    validator = classes[draft](classes[draft].META_SCHEMA)
    found: dict[str, None] = {}
    try:
        for error in validator.iter_errors(plain[0]):
            found.setdefault("#" + "".join("/" + escape(segment) for segment in error.absolute_path))
            if len(found) == most:
                break
    except RecursionError:
        return ()
    return tuple(found)


def _plain(schema: Json) -> list[Any] | None:
    """Return [schema] with binary numbers for Decimals, or None where it has too many values."""
    out: list[Any] = []
    todo: list[tuple[Json, Any, Any]] = [(schema, out, None)]
    count = 0
    while todo:
        value, into, key = todo.pop()
        count += 1
        if count > _MOST_VALUES:
            return None
        copy: Any = value
        if isinstance(value, Decimal):
            # The meta-schemas ask for kinds and signs only, so that a saturated value serves as well.
            copy = int(value) if value.adjusted() < 15 and value == int(value) else float(value)
        elif isinstance(value, dict):
            copy = dict.fromkeys(value)
            todo.extend((member, copy, name) for name, member in value.items())
        elif isinstance(value, list):
            copy = list(value)
            todo.extend((member, copy, index) for index, member in enumerate(value))
        if key is None:
            into.append(copy)
        else:
            into[key] = copy
    return out

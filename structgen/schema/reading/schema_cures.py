"""Cures for wrong values of keywords: what the author of the schema probably meant, as the last sentence of
an error."""

from __future__ import annotations

from difflib import get_close_matches
from types import MappingProxyType

from structgen.base.json_text.exact_json import escape
from structgen.schema.reading.model import TYPES

_ELSEWHERE = MappingProxyType(
    {
        **dict.fromkeys(("str", "text", "varchar", "char", "date", "datetime", "uuid", "bytes"), "string"),
        **dict.fromkeys(("int", "long", "int32", "int64", "bigint"), "integer"),
        **dict.fromkeys(("float", "double", "decimal", "numeric", "real"), "number"),
        **dict.fromkeys(("dict", "map", "record", "struct", "hash", "model"), "object"),
        **dict.fromkeys(("list", "tuple", "set", "sequence", "vector"), "array"),
        **dict.fromkeys(("bool", "flag"), "boolean"),
        **dict.fromkeys(("none", "nil", "undefined", "void"), "null"),
    }
)
"""Names of types in other languages."""
_BESIDE = ("required", "minProperties", "maxProperties", "enum", "allOf", "anyOf", "oneOf")
"""Keywords that do not take a schema, and are written among the keys of `properties` by mistake."""


def type_cure(value: object) -> str:
    """Return how to mend a value of `type` that names no type; empty where nothing is likely."""
    if value is None:
        return 'Write "null", in quotes.'
    if value == "any":
        return "Remove type where any type is allowed."
    if value == "function":
        return (
            'This looks like a tool around a schema. Pass the schema alone: tool["function"]["parameters"].'
        )
    names = value if isinstance(value, list) else [value]
    # `[*TYPES]`, a list: a name may be an object, which has no hash.
    wrong = next((name for name in names if name not in [*TYPES]), None)
    meant = _likely_type(wrong)
    return f'Did you mean "{meant}"?' if meant else ""


def schema_cure(raw: object, at: tuple[str | int, ...]) -> str:
    """Return how to mend a value that stands where a schema is expected; empty where nothing is likely.

    `at` is the way to it from the schema around: a keyword, and often a key.
    """
    is_property = at[:1] == ("properties",)
    if is_property and isinstance(raw, (list, int)) and at[1] in _BESIDE:
        return f"Move {at[1]} out of properties."
    if isinstance(raw, str):
        if raw.lower() in ("true", "false"):
            return f"Write {raw.lower()}, without quotes."
        meant = _likely_type(raw)
        return f'Write {{"type": "{meant}"}}.' if meant else ""
    return 'Write null as a schema: {"type": "null"}.' if raw is None else ""


def number_cure(value: object) -> str:
    """Return how to mend a value that is no number; empty where nothing is likely."""
    text = value.strip() if isinstance(value, str) else ""
    # Digits with at most one point: a number in quotes.
    if text.removeprefix("-").replace(".", "", 1).isdigit():
        return f"Write {text}, without quotes."
    return ""


def reference_cure(root: object, reference: str) -> str:
    """Return how to mend a reference that leads nowhere: the definition of that name, or of one like it."""
    usual = "Correct the reference, or define its target under $defs."
    name = reference.rpartition("/")[2].lstrip("#")
    if not isinstance(root, dict):
        return usual
    for keyword in ("$defs", "definitions"):
        members = root.get(keyword)
        if isinstance(members, dict):
            # The definition exists and the pointer to it is wrong, or one of the first 1,000 is alike.
            close = [name] if name in members else get_close_matches(name, list(members)[:1000], 1)
            if close:
                return f'Write "#/{keyword}/{escape(close[0])}".'
    return usual


def _likely_type(name: object) -> str:
    if not isinstance(name, str) or len(name) > 40:
        return ""
    lower = name.lower()
    meant = _ELSEWHERE.get(lower)
    if meant:
        return meant
    return next(iter(get_close_matches(lower, TYPES, 1)), "")

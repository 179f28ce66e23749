"""`x-grammar`: the keyword that holds a string's value to a grammar of texts.

Its value is an object: `syntax` ("lark", "ebnf" or "regex"), `definition` (the text of the grammar) and, for
Lark and EBNF, `start`. A grammar that was made by this process's own code, and has no such text, is
`{"syntax": "object", "definition": its fingerprint}`: it is known while somebody holds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, Protocol
from weakref import WeakValueDictionary

from structgen.base.errors import SchemaError, StructgenError
from structgen.base.limits import Limits
from structgen.base.system.lazy_names import public_name
from structgen.schema.reading.model import shown

GRAMMAR: Final = "x-grammar"
OBJECT: Final = "object"
_SYNTAXES: Final = ("lark", "ebnf", "regex")
_MEMBERS: Final = ("syntax", "definition", "start")


class _Grammar(Protocol):
    """What is asked of a grammar here."""

    @property
    def fingerprint(self) -> str: ...


_HELD: Final[WeakValueDictionary[tuple[str, int], _Grammar]] = WeakValueDictionary()
"""Of equal grammars each by itself: a schema that has their name is read while one of them is held."""


def object_keyword(grammar: _Grammar) -> dict[str, Any]:
    """Return the value of `x-grammar` for a grammar object, which this process knows while it is held."""
    name = grammar.fingerprint
    _HELD[name, id(grammar)] = grammar
    return {"syntax": OBJECT, "definition": name}


def grammar_of(value: Any, where: str, limits: Limits) -> Any:
    """Return the grammar that the value of `x-grammar` describes. Raises `SchemaError` for a value that is
    none, and the errors of the grammar's own reader, each with the place."""
    cure = 'Write {"syntax": "lark", "definition": "start: ..."}; the syntaxes are lark, ebnf and regex.'
    if not isinstance(value, Mapping):
        raise SchemaError(f"x-grammar takes an object, not {shown(value)}.", where=where, cure=cure)
    unknown = [name for name in value if name not in _MEMBERS]
    if unknown:
        raise SchemaError(f"x-grammar has no member {unknown[0]!r}.", where=where, cure=cure)
    syntax, definition = value.get("syntax"), value.get("definition")
    start = value.get("start")
    if syntax not in (*_SYNTAXES, OBJECT):
        raise SchemaError(f"x-grammar has no syntax {shown(syntax)}.", where=f"{where}/syntax", cure=cure)
    if not isinstance(definition, str):
        raise SchemaError(
            f"The definition of a grammar is a text, not {shown(definition)}.",
            where=f"{where}/definition",
            cure=cure,
        )
    if syntax == OBJECT:
        held = (ref() for ref in _HELD.valuerefs() if ref.key[0] == definition)
        found = next((one for one in held if one is not None), None)
        if found is None:
            raise SchemaError(
                "The schema names a grammar object that this process does not hold.",
                where=f"{where}/definition",
                cure="Hand the grammar in with sg.json_schema(schema, grammars={pointer: grammar}).",
            )
        return found
    if start is not None and (syntax == "regex" or not isinstance(start, str)):
        raise SchemaError(
            f"start is {shown(start)}.", where=f"{where}/start", cure="Name a rule of a Lark or EBNF grammar."
        )
    try:
        return _read(syntax, definition, start, limits)
    except StructgenError as error:
        error.name_owner(where)
        raise


@lru_cache(maxsize=32)
def _read(syntax: str, definition: str, start: str | None, limits: Limits) -> Any:
    """Return the grammar of a text. No file is opened."""
    options: dict[str, Any] = {} if start is None else {"start": start}
    if syntax == "lark":
        options["text_only"] = True
    return public_name(syntax)(definition, limits=limits, **options)

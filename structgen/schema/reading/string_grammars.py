"""`x-grammar`: the keyword that holds a string's value to a grammar of texts.

Its value is an object: `syntax` ("lark", "ebnf" or "regex"), `definition` (the text of the grammar) and, for
Lark and EBNF, `start`. A grammar that was made by this process's own code, and has no such text, is
`{"syntax": "object", "definition": its fingerprint}`: it is known while somebody holds it. A schema of a
stranger may name none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol, TypeAlias
from weakref import WeakValueDictionary

from structgen.base.errors import SchemaError, prefix_place
from structgen.base.json_text.exact_json import escape
from structgen.base.language.shapes import suggest_name
from structgen.base.limits import DEFAULT, Limits
from structgen.base.system.lazy_names import public_name
from structgen.base.system.public_calls import billed_cache
from structgen.schema.reading.model import show_value

GRAMMAR: Final = "x-grammar"
OBJECT: Final = "object"
_SYNTAXES: Final = ("lark", "ebnf", "regex")
_MEMBERS: Final = ("syntax", "definition", "start")


class NamedGrammar(Protocol):
    """The part of a grammar that this module needs."""

    @property
    def fingerprint(self) -> str: ...

    @property
    def keyword(self) -> dict[str, Any]: ...


HeldGrammars: TypeAlias = "dict[Any, Any] | None"
"""The grammar objects of a schema, by the members of `x-grammar`; None: it is a stranger's, and has none."""
_ALIVE: Final[WeakValueDictionary[tuple[Any, int], NamedGrammar]] = WeakValueDictionary()
"""The grammar objects that somebody holds, by the members of their keywords and their ids. Equal grammars
stand here side by side: while one of them is held, it is found."""


def object_keyword(grammar: NamedGrammar, keyword_value: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the value of `x-grammar` for a grammar object, which this process knows while somebody holds it.

    `keyword_value` is that of a grammar with a text; without one the value has the fingerprint.
    """
    keyword_value = keyword_value or {"syntax": OBJECT, "definition": grammar.fingerprint}
    _ALIVE[_name_of(keyword_value), id(grammar)] = grammar
    return keyword_value


def _name_of(value: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(value.get(member) for member in _MEMBERS)


def _find_grammar(value: Mapping[str, Any], held_grammars: dict[Any, Any]) -> Any:
    """Return the grammar object of a value of `x-grammar`, and note that a schema holds it; None where nobody
    holds such an object."""
    name = _name_of(value)
    # `valuerefs` is a list: another thread may add or drop a grammar meanwhile.
    alive_grammars = (alive() for alive in _ALIVE.valuerefs() if alive.key[0] == name)
    grammar = held_grammars.get(name) or next(filter(None, alive_grammars), None)
    if grammar is not None:
        held_grammars[name] = grammar
    return grammar


def grammar_of(
    value: Any,
    where: str,
    limits: Limits,
    held_grammars: HeldGrammars,
) -> Any:
    """Return the grammar that a value of `x-grammar` describes; a grammar object is then in `held_grammars`.

    For example `{"syntax": "regex", "definition": "a+"}`. `where` is the pointer of the keyword, for errors;
    `limits` bound the grammar; `held_grammars` are the objects that the schema may name, None for none.
    Raises `SchemaError` for another value, and the errors of the grammar's own reader, each with the place.
    Cost: that of reading the text, the first time.
    """
    cure = 'Write {"syntax": "lark", "definition": "start: ..."}; the syntaxes are lark, ebnf and regex.'
    if not isinstance(value, Mapping):
        raise SchemaError(f"x-grammar must be an object, got {show_value(value)}.", where=where, cure=cure)
    unknown = [name for name in value if name not in _MEMBERS]
    if unknown:
        raise SchemaError(
            f"x-grammar has no member {show_value(unknown[0])}.",
            where=f"{where}/{escape(unknown[0])}",
            cure=f"{suggest_name(unknown[0], _MEMBERS)}{cure}",
        )
    syntax = value.get("syntax")
    definition = value.get("definition")
    start = value.get("start")
    if syntax not in (*_SYNTAXES, OBJECT):
        raise SchemaError(
            f"The syntax of a grammar must be lark, ebnf or regex, got {show_value(syntax)}.",
            where=f"{where}/syntax",
            cure=cure,
        )
    if not isinstance(definition, str):
        raise SchemaError(
            f"The definition of a grammar must be a text, got {show_value(definition)}.",
            where=f"{where}/definition",
            cure=cure,
        )
    if start is not None and (syntax in ("regex", OBJECT) or not isinstance(start, str)):
        raise SchemaError(
            f"start must be the name of a rule, got {show_value(start)}.",
            where=f"{where}/start",
            cure="Name a rule of a Lark or EBNF grammar.",
        )
    if held_grammars is None and syntax == OBJECT:
        raise SchemaError(
            "A schema of a request cannot refer to a grammar object of this process.",
            where=f"{where}/syntax",
            cure='Write the text of the grammar, with the syntax "lark", "ebnf" or "regex".',
        )
    grammar = None
    # Under limits of its own a text is read anew: an object may have been made under others.
    if held_grammars is not None and (syntax == OBJECT or limits == DEFAULT):
        grammar = _find_grammar(value, held_grammars)
    if grammar is None and syntax == OBJECT:
        raise SchemaError(
            "The schema refers to a grammar object that this process does not have.",
            where=f"{where}/definition",
            cure="Pass the grammar with sg.json_schema(schema, grammars={pointer: grammar}).",
        )
    with prefix_place(where):
        return grammar or _read_grammar(syntax, definition, start, limits)


@billed_cache(32)
def _read_grammar(
    syntax: str,
    definition: str,
    start: str | None,
    limits: Limits,
) -> Any:
    """Return the grammar of a text. No file is opened.

    For example `("regex", "a+", None, DEFAULT)`. `start` is the first rule of a Lark or EBNF grammar, None
    for the usual one. Raises the errors of the reader.
    """
    options: dict[str, Any] = {} if start is None else {"start": start}
    if syntax == "lark":
        # Lark's %import reads files; a schema may come from a stranger.
        options["text_only"] = True
    return public_name(syntax)(definition, limits=limits, **options)

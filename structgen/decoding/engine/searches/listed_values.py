"""Finds the values that a grammar lists: those of `enum`, `const`, `boolean`, and of choices of texts.

A *listed value* is one of a few values that a grammar allows and names one by one. Its *text* is what the
model writes for it. Its *name* is what a user sees: a string without quotes, another value as JSON. An
*alternative* is one part of a schema with several, such as a branch of `anyOf`; it is *open* if it does not
list its values.

For example the schema `{"enum": ["yes", "no"]}` lists the values "yes" and "no"; its texts are `"yes"` and
`"no"`, with quotes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from structgen.base.language.ir import Words
from structgen.grammars.json_grammars.outline_writer import json_literal
from structgen.grammars.text_grammars.composition.argument_roots import root_of
from structgen.grammars.text_grammars.regular import RegularGrammar
from structgen.machines.core.grammar import Grammar

MOST_VALUES: Final = 64
"""The most listed values that are compared, since each token of each of them is a row of the model."""
_VALUES_BY_TYPE: Final = {"boolean": (True, False), "null": (None,)}
_BRANCHES: Final = ("anyOf", "oneOf", "allOf")
_OPEN: Final = object()
"""A mark for an alternative of a schema that lists no values, or not all of its values."""


@dataclass(frozen=True, slots=True)
class ListedValues:
    """The values that a grammar lists, and the text before and after each value in the grammar's texts.

    For an object whose only member is `mood`, for example, the prefix is `{"mood": ` and the suffix is `}`.
    """

    values: tuple[Any, ...] = ()
    """The values; (): the grammar lists none."""
    prefix: str = ""
    suffix: str = ""
    is_json: bool = False
    """Whether the values are those of a schema. The values of other grammars are their own texts."""

    @property
    def are_many(self) -> bool:
        """Whether there are too many values to compare."""
        return len(self.values) > MOST_VALUES

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts of the values, if there are 2 to 64; else (). Each value of a schema is written as
        `json.dumps` writes it."""
        return tuple(f"{self.prefix}{value}{self.suffix}" for value in self.written)

    @property
    def written(self) -> tuple[str, ...]:
        """The values as they are written in `texts`, for example `'"positive"'`."""
        return tuple(self._by_text)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the values of `texts`. The name of a string is the string without quotes, unless
        another value is written so. The name of any other value is its JSON."""
        values = self._by_text
        names = []
        for text, value in values.items():
            # if the boolean true is listed as well, the string "true" keeps its quotes
            is_unambiguous = isinstance(value, str) and (value == text or value not in values)
            names.append(value if is_unambiguous else text)
        return tuple(names)

    @property
    def _by_text(self) -> dict[str, Any]:
        """The values by their texts; {}: there is nothing to compare."""
        if self.are_many or len(self.values) < 2:
            return {}
        return {_value_text(value) if self.is_json else value: value for value in self.values}


def find_listed_values(grammar: Grammar | None, *, first: bool = False) -> ListedValues:
    """Return the listed values of a grammar: the words of a choice, the listed values of a schema, or the
    values of an object's only member. No values are returned for any other grammar, and for None.

    With `first` they may also be the values of the first of several members, with which the texts begin.
    """
    if grammar is None:
        return ListedValues()
    # a grammar that was narrowed for one text has the original grammar in its attribute `told`
    grammar = getattr(grammar.innermost, "told", None) or grammar
    policies = grammar.policies
    schema = grammar.schema
    if policies is not None and isinstance(schema, dict):
        if values := listed_values(schema):
            return ListedValues(tuple(values), is_json=True)
        # a blank after the colon, as `json.dumps` writes it, unless the policies allow none
        blank = "" if policies.whitespace in ("compact", "any:0") else " "
        key, values, is_only = _of_first_member(schema)
        if is_only or first:
            prefix = f"{{{_value_text(key)}:{blank}"
            suffix = "}" if is_only else ","
            return ListedValues(tuple(values), prefix, suffix, is_json=True)
    match grammar.innermost:
        case RegularGrammar(formula=Words(of=words)):
            # sorted, because a set has another order in each process
            return ListedValues(tuple(sorted(words)))
    return ListedValues()


def _of_first_member(schema: dict[str, Any]) -> tuple[str, list[Any], bool]:
    """Return three things about the first member of a schema's objects: its key, its listed values, and
    whether it is the only member. The values are [] if some member may be left out or added."""
    definitions = schema.get("$defs", {})
    _, schema = root_of(schema)
    if schema.get("additionalProperties") is not False:
        return "", [], False
    members = schema.get("properties", {})
    if schema.get("type") != "object" or not members or schema.get("required") != [*members]:
        return "", [], False
    key, member = next(iter(members.items()))
    return key, _values_of_all(member, definitions), len(members) == 1


def listed_values(schema: dict[str, Any]) -> list[Any]:
    """Return the values that a schema lists, with `enum`, `const`, `boolean` or `null`, perhaps in a
    reference or in alternatives. Return [] for any other schema. Arrays and objects do not count."""
    return _values_of_all(schema, schema.get("$defs"))


def named_values(schema: dict[str, Any], definitions: Any) -> dict[str, str]:
    """Return the JSON of each value that a schema lists, by the value's name (`ListedValues.names`). Other
    alternatives may list no values. It is not checked whether the schema allows the value. `definitions` are
    the schema's `$defs`."""
    alternatives = _alternative_values(schema, definitions)
    values = {_value_text(value): value for value in alternatives if value is not _OPEN}
    names: dict[str, str] = {}
    for text, value in values.items():
        is_unambiguous = isinstance(value, str) and value not in values
        names[value if is_unambiguous else text] = text
    return names


def _values_of_all(schema: Any, definitions: Any) -> list[Any]:
    """Return the values that the alternatives of a schema list together; [] if one of them is open.
    `definitions` are the schema's `$defs`."""
    # by their texts: 1 and true are equal in Python, but they are two values in JSON
    values: dict[Any, Any] = {}
    for value in _alternative_values(schema, definitions):
        if value is _OPEN:
            return []
        values[_value_text(value)] = value
    return list(values.values())


def _alternative_values(schema: Any, definitions: Any) -> Iterator[Any]:
    """Yield the values that the alternatives of a schema list, in order, and `_OPEN` for an alternative
    without listed values. `schema` may be any JSON: it is checked elsewhere. Cost: linear, since each
    reference is followed once."""
    parts = [schema]
    visited_names = set[str]()
    while parts:
        part = parts.pop()
        if not isinstance(part, dict):
            yield _OPEN
            continue
        kind_or_kinds = part.get("type")
        kinds: list[Any] = kind_or_kinds if isinstance(kind_or_kinds, list) else [kind_or_kinds]
        if "enum" in part or "const" in part:
            # Arrays and objects are not compared, so they make the alternative open. An `enum` that is
            # wrongly not a list is treated as the array [].
            values = part.get("enum", [part.get("const")])
            for value in values if isinstance(values, list) else [[]]:
                yield _OPEN if isinstance(value, list | dict) else value
        # a list and not the dict: an unhashable kind can be looked for in a list
        elif all(kind in [*_VALUES_BY_TYPE] for kind in kinds):
            yield from (value for kind in kinds for value in _VALUES_BY_TYPE[kind])
        elif (name := str(part.get("$ref", ""))).startswith("#/$defs/") and isinstance(definitions, dict):
            if name not in visited_names:
                parts.append(definitions.get(name.removeprefix("#/$defs/")))
            visited_names.add(name)
        else:
            branch_lists = [part[key] for key in _BRANCHES if isinstance(part.get(key), list)]
            # reversed, because the stack returns the last part first
            for branches in reversed(branch_lists):
                parts += reversed(branches)
            if branch_lists != [part.get("anyOf")] or branch_lists == [[]]:
                yield _OPEN  # a value of a branch of oneOf or allOf may be refused by the branches beside it


def _value_text(value: Any) -> str:
    """Return the JSON text of a listed value. In a schema that was read, fractions are exact (Decimal)."""
    return json_literal(value) if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False)

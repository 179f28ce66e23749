"""Grammars of a few listed values: `enum`, `const`, `boolean`, and choices of texts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from structgen.base.language.ir import Words
from structgen.grammars.json_grammars.outline_writer import json_literal
from structgen.grammars.text_grammars.regular import RegularGrammar
from structgen.machines.core.grammar import Grammar

MOST_VALUES: Final = 64
"""More values are not compared: each token of each of them is a row of the model."""
_VALUES_BY_TYPE: Final = {"boolean": (True, False), "null": (None,)}
_BRANCHES: Final = ("anyOf", "oneOf", "allOf")
_OPEN: Final = object()
"""Stands for an alternative of a schema that lists no values, or not all of its own."""


@dataclass(frozen=True, slots=True)
class ListedValues:
    """The values that a grammar lists, and what stands around each in its texts."""

    values: tuple[Any, ...] = ()
    prefix: str = ""
    suffix: str = ""
    is_json: bool = False

    @property
    def are_many(self) -> bool:
        """Whether they are too many to be compared."""
        return len(self.values) > MOST_VALUES

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts, where there are 2 to 64; else (). Each value of a schema is written in one way, that of
        `json.dumps`."""
        return tuple(f"{self.prefix}{value}{self.suffix}" for value in self.written)

    @property
    def written(self) -> tuple[str, ...]:
        """The values of `texts`, as these have them: `'"positive"'`."""
        return tuple(self._by_text)

    @property
    def names(self) -> tuple[str, ...]:
        """The values of `texts` as people name them: a string without quotes, unless another value is written
        so; any other value as JSON."""
        values = self._by_text
        names = []
        for text, value in values.items():
            # the string "true" beside the boolean true keeps its quotes
            is_unambiguous = isinstance(value, str) and (value == text or value not in values)
            names.append(value if is_unambiguous else text)
        return tuple(names)

    @property
    def _by_text(self) -> dict[str, Any]:
        """The values by their texts; {} where there is nothing to compare."""
        if self.are_many or len(self.values) < 2:
            return {}
        return {_value_text(value) if self.is_json else value: value for value in self.values}


def find_listed_values(grammar: Grammar | None, *, first: bool = False) -> ListedValues:
    """Return the values that are the texts of a grammar: the words of a choice, the listed values of a
    schema, and the values of a member that is all of an object; with `first` also the values of the first of
    several members, with which the texts begin."""
    if grammar is None:
        return ListedValues()
    # the statements of a text about a type are no list of the values of the type
    grammar = getattr(grammar.innermost, "told", None) or grammar
    policies = grammar.policies
    schema = grammar.schema
    if policies is not None and isinstance(schema, dict):
        if values := listed_values(schema):
            return ListedValues(tuple(values), is_json=True)
        # as `json.dumps` writes it, unless the policies allow no blank behind the colon
        blank = "" if policies.whitespace in ("compact", "any:0") else " "
        key, values, is_only = _of_first_member(schema)
        if is_only or first:
            prefix = f"{{{_value_text(key)}:{blank}"
            suffix = "}" if is_only else ","
            return ListedValues(tuple(values), prefix, suffix, is_json=True)
    match grammar.innermost:
        case RegularGrammar(formula=Words(of=words)):
            # a set: sorted, so that every process has the same order
            return ListedValues(tuple(sorted(words)))
    return ListedValues()


def _of_first_member(schema: dict[str, Any]) -> tuple[str, list[Any], bool]:
    """Return the key of the first member that objects of a schema have, the values that are listed for it,
    and whether it is the only one; [] where some member may be left out or added."""
    definitions = schema.get("$defs", {})
    if (name := str(schema.get("$ref", ""))).startswith("#/$defs/"):
        schema = definitions.get(name.removeprefix("#/$defs/"))
    if not isinstance(schema, dict) or schema.get("additionalProperties") is not False:
        return "", [], False
    members = schema.get("properties", {})
    if schema.get("type") != "object" or not members or schema.get("required") != [*members]:
        return "", [], False
    key, member = next(iter(members.items()))
    return key, _values_of_all(member, definitions), len(members) == 1


def listed_values(schema: dict[str, Any]) -> list[Any]:
    """Return the values of a schema that lists them, in `enum`, `const` or as `boolean` or `null`, perhaps in
    a reference or in alternatives; [] for any other. Lists and objects are none."""
    return _values_of_all(schema, schema.get("$defs"))


def named_values(schema: dict[str, Any], definitions: Any) -> dict[str, str]:
    """Return the JSON of each value that a schema lists, also beside alternatives that list none, by its name
    (`ListedValues.names`). Whether the schema allows it is not looked at. `definitions`: the schema's
    `$defs`."""
    alternatives = _alternative_values(schema, definitions)
    values = {_value_text(value): value for value in alternatives if value is not _OPEN}
    names: dict[str, str] = {}
    for text, value in values.items():
        is_unambiguous = isinstance(value, str) and value not in values
        names[value if is_unambiguous else text] = text
    return names


def _values_of_all(schema: Any, definitions: Any) -> list[Any]:
    """Return the values that all alternatives of a schema list; [] where one lists none."""
    # by their texts: 1 and true are equal in Python, and two values of JSON
    values: dict[Any, Any] = {}
    for value in _alternative_values(schema, definitions):
        if value is _OPEN:
            return []
        values[_value_text(value)] = value
    return list(values.values())


def _alternative_values(schema: Any, definitions: Any) -> Iterator[Any]:
    """Yield the values that the alternatives of a schema list, in its order, and `_OPEN` for what lists none.
    The schema may be any JSON: whether it is a schema at all is found elsewhere. Cost: linear, for each
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
            # a list or an object, and an enum that is no list, is none of the values that are compared
            values = part.get("enum", [part.get("const")])
            for value in values if isinstance(values, list) else [[]]:
                yield _OPEN if isinstance(value, list | dict) else value
        elif all(kind in [*_VALUES_BY_TYPE] for kind in kinds):  # a list: any JSON can be looked for in it
            yield from (value for kind in kinds for value in _VALUES_BY_TYPE[kind])
        elif (name := str(part.get("$ref", ""))).startswith("#/$defs/") and isinstance(definitions, dict):
            if name not in visited_names:
                parts.append(definitions.get(name.removeprefix("#/$defs/")))
            visited_names.add(name)
        else:
            branch_lists = [part[key] for key in _BRANCHES if isinstance(part.get(key), list)]
            # reversed: the stack gives the last part first
            for branches in reversed(branch_lists):
                parts += reversed(branches)
            if branch_lists != [part.get("anyOf")] or branch_lists == [[]]:
                yield _OPEN  # a value of a branch of oneOf or allOf may be refused by the branches beside it


def _value_text(value: Any) -> str:
    """Return the text of a listed value. A schema that was read has its fractions exact, as Decimal."""
    return json_literal(value) if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False)

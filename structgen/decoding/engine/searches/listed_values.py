"""Grammars of a few listed values: `enum`, `const`, `boolean`, and choices of texts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from structgen.base.language.ir import Words
from structgen.grammars.json_grammars.outline_writer import literal
from structgen.grammars.text_grammars.regular import RegularGrammar
from structgen.machines.core.grammar import Grammar

MOST_VALUES: Final = 64
"""More values are not compared: each token of each of them is a row of the model."""
_FEW: Final = {"boolean": (True, False), "null": (None,)}
_DEEPEST: Final = 32
"""References and alternatives inside one another that are followed."""


@dataclass(frozen=True, slots=True)
class Listed:
    """The values that a grammar lists, and what stands around each in its texts."""

    values: tuple[Any, ...] = ()
    before: str = ""
    behind: str = ""
    is_json: bool = False

    @property
    def are_many(self) -> bool:
        """Whether they are too many to be compared."""
        return len(self.values) > MOST_VALUES

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts, where there are 2 to 64; else (). Each value of a schema is written in one way, that of
        `json.dumps`."""
        return tuple(f"{self.before}{value}{self.behind}" for value in self.written)

    @property
    def written(self) -> tuple[str, ...]:
        """The values of `texts`, as these have them: `'"positive"'`."""
        return tuple(self._by_text)

    @property
    def names(self) -> tuple[str, ...]:
        """The values of `texts` as people name them: a string without quotes, unless another value is written
        so; any other value as JSON."""
        values = self._by_text
        return tuple(
            value if isinstance(value, str) and (value == text or value not in values) else text
            for text, value in values.items()
        )

    @property
    def _by_text(self) -> dict[str, Any]:
        if self.are_many or len(self.values) < 2:
            return {}
        return {_written(value) if self.is_json else value: value for value in self.values}


def listed(grammar: Grammar | None, *, first: bool = False) -> Listed:
    """Return the values that are the texts of a grammar: the words of a choice, the listed values of a
    schema, and those of a member that is all of an object; with `first` also those of the first of several
    members, with which the texts begin."""
    if grammar is None:
        return Listed()
    # what a text states of a type is no list of values that the type has
    grammar = getattr(grammar.innermost, "told", None) or grammar
    policies, schema = grammar.policies, grammar.schema
    if policies is not None and isinstance(schema, dict):
        if values := listed_values(schema):
            return Listed(tuple(values), is_json=True)
        blank = "" if policies.whitespace in ("compact", "any:0") else " "
        key, values, is_only = _of_first_member(schema)
        if is_only or first:
            behind = "}" if is_only else ","
            return Listed(tuple(values), f"{{{_written(key)}:{blank}", behind, is_json=True)
    match grammar.innermost:
        case RegularGrammar(formula=Words(of=words)):
            return Listed(tuple(sorted(words)))
    return Listed()


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
    return key, _listed(member, definitions, 0) or [], len(members) == 1


def listed_values(schema: dict[str, Any]) -> list[Any]:
    """Return the values of a schema that lists them, in `enum`, `const` or as `boolean` or `null`, perhaps in
    a reference or in alternatives; [] for any other. Lists and objects are none."""
    return [] if (values := _listed(schema, schema.get("$defs"), 0)) is None else values


def _listed(schema: Any, definitions: Any, depth: int) -> list[Any] | None:
    """The schema may be any JSON: whether it is a schema at all is found elsewhere."""
    if not isinstance(schema, dict) or depth > _DEEPEST:
        return None
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        is_plain = isinstance(values, list) and not any(isinstance(value, list | dict) for value in values)
        return list(values) if is_plain else None
    kinds: list[Any] = schema["type"] if isinstance(schema.get("type"), list) else [schema.get("type")]
    if all(kind in [*_FEW] for kind in kinds):  # a list: any JSON can be looked for in it
        return [value for kind in kinds for value in _FEW[kind]]
    if (name := str(schema.get("$ref", ""))).startswith("#/$defs/") and isinstance(definitions, dict):
        return _listed(definitions.get(name.removeprefix("#/$defs/")), definitions, depth + 1)
    choices = schema["anyOf"] if isinstance(schema.get("anyOf"), list) else []
    parts = [_listed(choice, definitions, depth + 1) for choice in choices]
    if not parts or any(part is None for part in parts):
        return None
    return list({_written(value): value for part in parts for value in part or ()}.values())


def _written(value: Any) -> str:
    """Return the text of a listed value. A schema that was read has its fractions exact, as Decimal."""
    return literal(value) if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False)

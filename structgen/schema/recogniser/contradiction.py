"""Why no value meets a conjunction of schemas, in the words of the keywords that exclude each other, where a
short way of saying it is known; `smallest_contradiction` names the keywords of every other one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from decimal import Decimal
from itertools import combinations

from structgen.errors import LimitError, StructgenError
from structgen.language.ir import FALSE, Formula
from structgen.schema.meaning import wording
from structgen.schema.meaning.place import ALWAYS, ARRAY, EVERY, NEVER, NUMBER, OBJECT, STRING
from structgen.schema.meaning.wording import joined
from structgen.schema.reading.model import Schema
from structgen.schema.recogniser.schema_liveness import Oracle
from structgen.schema.recogniser.smallest_contradiction import signed, smallest

RELAX = "Relax one of them."
_REQUIRED = "the required key "
_DEEPEST = 6
"""Steps into a value that a reason spells out; a contradiction farther down is named by its pointers."""
_MOST_PAIRED = 12
"""Keywords of one value that are tried in pairs."""
_SCALARS = {
    STRING: ("min_length", "max_length", "pattern", "format", "enum"),
    NUMBER: ("types", "minimum", "maximum", "exclusive_minimum", "exclusive_maximum", "multiple_of", "enum"),
}
"""Fields of `Schema` that speak of strings, and of numbers."""
_MOST_BRANCHES = 50
"""Branches of a oneOf that are tried one by one."""


@dataclass(frozen=True, slots=True)
class _Said:
    """One keyword, in words, with its place."""

    what: str
    pointer: str
    formula: Formula


class _Unexplained(Exception):
    """No short reason is known."""


def reason(oracle: Oracle, literals: Iterable[int], inside: str = "", told: str = "") -> tuple[str, str]:
    """Return in words why no value meets all literals (integers of `Tables`), and how to mend it.

    Where no short reason is known, it is `told`, or else a smallest set of keywords that no value meets.

    Pairs of keywords are tried first, then the values of required keys and items. Tens of questions to the
    oracle. `inside`: the step into a value (`item 1`) that the caller has named already.
    """
    reasons = _Reasons(oracle, inside)
    way: list[str] = []
    asked = literals = tuple(literals)
    seen = set()
    for _ in range(_DEEPEST):
        if asked in seen:
            endless = "it asks for another such value inside itself, without end"
            return ": ".join((*way, endless)), _endless_cure(way[-1] if way else inside)
        seen.add(asked)
        try:
            answer = reasons.step(asked)
        except (_Unexplained, LimitError):
            break
        if isinstance(answer, str):
            return ": ".join((*way, answer)), RELAX
        where, asked = answer
        if way or where != inside:
            way.append(where)
    return told or smallest(oracle, signed(oracle, literals)).told, RELAX


def empty_schema(schema: Schema) -> tuple[str, str]:
    """Return why a schema that allows nothing on its face does so, and how to mend it."""
    at = schema.pointer or "#"
    if schema.enum == ():
        return f"enum is empty ({at})", "Give enum a value."
    if schema.enum is not None and schema.types is not None:
        types = f"type {joined(sorted(schema.types), ' or ')}"
        values = wording.listing(map(wording.value, schema.enum), ", ")
        if len(schema.enum) == 1:
            return f"const {values} is not of {types} ({at})", "Change one of them."
        return f"no value of enum ({values}) is of {types} ({at})", "Change one of them."
    if schema.not_ is not None:
        return f"not excludes every value ({at})", "Relax not."
    return "false allows nothing", "Write true, or the schema that is meant."


def required_key(key: str) -> str:
    """Return how a reason names a required key."""
    return f"{_REQUIRED}{wording.quoted(key)}"


def item(index: int) -> str:
    """Return how a reason names an item."""
    return f"item {index + 1}"


def _endless_cure(step: str) -> str:
    """Return how to end a recursion that comes back to itself through a required key or an item."""
    key = step.removeprefix(_REQUIRED)
    how = f"Take {key} out of required" if key != step else "Lower minItems to 0"
    return f"{how}, or allow null there."


class _Reasons:
    def __init__(self, oracle: Oracle, inside: str) -> None:
        self.oracle, self.scalars, self.shapes = oracle, oracle.scalars, oracle.shapes
        self.inside = inside
        self.tables = oracle.tables

    def _where(self, literal: int) -> str:
        pointer = self.tables.about(literal).schema.pointer or "#"
        return f"not {pointer}" if literal & 1 else pointer

    def step(self, literals: tuple[int, ...]) -> str | tuple[str, tuple[int, ...]]:
        """Return the reason, or the inner value that has no value: where it is, and its literals."""
        tables = self.tables
        literals = tuple(literal for literal in dict.fromkeys(literals) if literal != ALWAYS)
        for literal in literals:
            if literal == NEVER:
                return "false allows nothing"
            if literal >= 0 and literal ^ 1 in literals:
                return f"{tables.about(literal).schema.pointer} must hold, and must not"
        together = [
            schema
            for literal in literals
            if literal >= 0 and not literal & 1
            for schema in self.shapes.overlaps.conjuncts(literal)
        ]
        mask = EVERY
        for literal in literals:
            mask &= tables.mask(literal)
        if not mask:
            return self._types(literals, together)
        overlap = self._overlap(literals)
        if overlap:
            return overlap
        parts: list[str] = []
        for kind, some in ((STRING, "string"), (NUMBER, "number")):
            if mask & kind and any(tables.mask(literal) != EVERY for literal in literals):
                parts.append(self._scalar(literals, together, kind, some))
        if mask & OBJECT:
            answer = self._object(literals, together)
            if not isinstance(answer, str) and not parts and not mask & ARRAY:
                return answer
            parts.append(answer if isinstance(answer, str) else f"in an object, {answer[0]} has no value")
        if mask & ARRAY:
            answer = self._array(literals, together)
            if not isinstance(answer, str) and not parts:
                return answer
            parts.append(answer if isinstance(answer, str) else f"in an array, {answer[0]} has no value")
        if not parts:
            raise _Unexplained
        return "; ".join(parts)

    def _types(self, literals: tuple[int, ...], together: list[Schema]) -> str:
        said = []
        for schema in together:
            info = self.tables.info(schema)
            if schema.types is not None and info.types != EVERY:
                said.append((info.types, f"type {joined(sorted(schema.types), ' or ')} ({schema.pointer})"))
            elif schema.enum is not None:
                keyword = "const" if len(schema.enum) == 1 else "enum"
                said.append((info.types, f"{keyword} ({schema.pointer})"))
        for literal in literals:
            said.append((self.tables.mask(literal), self._where(literal)))
        for (one, first), (other, second) in combinations(said, 2):
            if not one & other:
                return f"{first} excludes {second}"
        raise _Unexplained

    # --- strings and numbers ---

    def _scalar(self, literals: tuple[int, ...], together: list[Schema], kind: int, some: str) -> str:
        scalars = self.scalars
        said: list[_Said] = []
        combined: list[_Said] = []
        for schema in together:
            said += self._keywords(schema, kind)
            if self.tables.info(schema).combined and not schema.all_of:
                own = scalars.literal(self.tables.literal(schema), kind)
                combined.append(_Said("what is combined", schema.pointer, own))
        for literal in literals:
            if literal >= 0 and literal & 1:
                combined.append(_Said(self._where(literal), "", scalars.literal(literal, kind)))
        said = list(dict.fromkeys(said))[:_MOST_PAIRED]
        combined = [one for one in dict.fromkeys(combined) if not self._excluded([one.formula], kind)]
        for size, tried in ((1, said), (2, said), (2, [*said, *combined][:_MOST_PAIRED])):
            for some_of in combinations(tried, size):
                if self._excluded([one.formula for one in some_of], kind):
                    return f"no {some} meets {_and(some_of)}"
        every = (*said, *combined)
        jointly = " together" if len(every) > 1 else ""
        if not every:
            raise _Unexplained
        return f"no {some} meets {_and(every)}{jointly}"

    def _keywords(self, schema: Schema, kind: int) -> list[_Said]:
        """Return the keywords of a schema about strings, or about numbers."""
        found = []
        for field in _SCALARS[kind]:
            value = getattr(schema, field)
            is_integer = field == "types" and value and "integer" in value and "number" not in value
            if (
                value is None
                or (field == "min_length" and not value)
                or (field == "types" and not is_integer)
            ):
                continue
            what = (
                "type integer" if is_integer else _enum(schema) if field == "enum" else _worded(field, value)
            )
            own = self.tables.literal(self.tables.schema(schema.pointer, **{field: value}))
            found.append(_Said(what, schema.pointer, self.scalars.literal(own, kind)))
        return found

    def _excluded(self, formulas: list[Formula], kind: int) -> bool:
        try:
            formula = self.scalars.narrowed(formulas, kind)
            return formula == FALSE or not self.scalars.satisfiable(formula, kind)
        except StructgenError:
            return False

    # --- objects and arrays ---

    def _object(self, literals: tuple[int, ...], together: list[Schema]) -> str | tuple[str, tuple[int, ...]]:
        least = max((schema.min_properties for schema in together), default=0)
        counts = [schema.max_properties for schema in together if schema.max_properties is not None]
        keys = {key: schema for schema in together for key in schema.required}
        for key, by in keys.items():
            asked = tuple(self.shapes.obligations.value_literals(together, key))
            if NEVER in asked:
                ruled = self._ruled_out(together, key)
                if not ruled:
                    raise _Unexplained
                if required_key(key) == self.inside:
                    return f"it is ruled out{ruled}"
                return f"{wording.quoted(key)} is required ({by.pointer}) and ruled out{ruled}"
            if not self._lives(asked):
                return required_key(key), asked
        if counts and max(least, len(keys)) > min(counts):
            owed = f"minProperties {least}" if least >= len(keys) else f"{len(keys)} required keys"
            return f"no object has {owed} and maxProperties {min(counts)}"
        raise _Unexplained

    def _ruled_out(self, together: list[Schema], key: str) -> str:
        for schema in together:
            own = schema.properties.get(key)
            if own is not None and self.tables.literal(own) == NEVER:
                said = self.tables.info(own).schema
                return f" ({own.pointer})" if said.verdict is False else f": {empty_schema(said)[0]}"
            rest = schema.additional if own is None else None
            if rest is not None and self.tables.literal(rest) == NEVER:
                return f" by additionalProperties ({schema.pointer})"
        return ""

    def _array(self, literals: tuple[int, ...], together: list[Schema]) -> str | tuple[str, tuple[int, ...]]:
        least = max((schema.min_items for schema in together), default=0)
        most = [schema.max_items for schema in together if schema.max_items is not None]
        if most and least > min(most):
            return f"no array has minItems {least} and maxItems {min(most)}"
        facets = [((), schema) for schema in together]
        settled = max((len(schema.prefix) for schema in together), default=0)
        for index in range(min(least, settled + 1)):
            asked = tuple(self.shapes.obligations.item_literals(facets, {}, index))
            if NEVER in asked:
                return f"{item(index)} is owed (minItems {least}) and ruled out"
            if not self._lives(asked):
                return item(index), asked
        if any(schema.unique_items for schema in together):
            alike = tuple(self._alone(schema, {"unique_items"}) for schema in together)
            if self._lives(alike):
                return f"there are no {least} different items for it"
        raise _Unexplained

    def _overlap(self, literals: tuple[int, ...]) -> str:
        """Return which branches of a oneOf hold together whatever comes, if that is the reason."""
        held = set(literals)
        for literal in literals:
            if literal < 0 or literal & 1:
                continue
            conjuncts = self.shapes.overlaps.conjuncts(literal)
            for schema in conjuncts:
                if not 1 < len(schema.one_of) <= _MOST_BRANCHES:
                    continue
                rest = held - {literal}
                rest.update(self._alone(one, {"one_of"} if one is schema else set()) for one in conjuncts)
                if not self._lives(tuple(rest)):
                    continue
                always = []
                for branch in schema.one_of:
                    met = self.tables.literal(branch)
                    if met in held or not self._lives((*rest, self.tables.negate(met))):
                        always.append(branch.pointer)
                if len(always) > 1:
                    return f"{joined(always)} hold together"
        return ""

    def _alone(self, schema: Schema, without: set[str]) -> int:
        """Return the literal of a schema's own keywords, without `allOf`, `$ref` and these fields."""
        left_out = {"id", "pointer", "all_of", "ref", *without}
        own = {one.name: getattr(schema, one.name) for one in fields(Schema) if one.name not in left_out}
        return self.tables.literal(self.tables.schema(schema.pointer, **own))

    def _lives(self, literals: tuple[int, ...]) -> bool:
        try:
            demand = self.tables.demand(literals)
            return demand != NEVER and self.oracle.alive(demand)
        except StructgenError:
            return True


def _worded(field: str, value: object) -> str:
    """Return a keyword with its value."""
    first, *rest = field.split("_")
    keyword = first + "".join(map(str.capitalize, rest))
    if isinstance(value, Decimal):
        return f"{keyword} {wording.decimal(value)}"
    return f"{keyword} {wording.quoted(value) if field == 'pattern' else value}"  # type: ignore[arg-type]


def _enum(schema: Schema) -> str:
    return "const" if schema.enum is not None and len(schema.enum) == 1 else "enum"


def _and(said: Iterable[_Said]) -> str:
    listed = list(said)
    if len({one.pointer for one in listed}) == 1 and listed[0].pointer:
        return f"{joined([one.what for one in listed])} ({listed[0].pointer})"
    return joined([f"{one.what} ({one.pointer})" if one.pointer else one.what for one in listed])

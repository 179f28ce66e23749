"""A JSON Schema narrowed to what texts state: its documents are documents of the schema whose numbers, dates,
addresses and strings of a pattern or a format stand in the texts.

1. A *place* is a schema that takes numbers, or strings with a `pattern` or a `format`. Its values become an
   `enum`: what the texts state there, as far as the place's own keywords allow it. Listed values (`enum`,
   `const`), booleans and free strings stay as they are.
2. A string with `x-quote`, and every free string where `quotes` is said, is a run of a text (`word_runs`).
   Names of members are held where they have a format (`dict[date, int]`), and are free with a pattern.
3. `x-inferred` leaves a schema, and all inside of it, as it is.
4. A place at which nothing is stated takes no value: optional members are null or left out, and lists are
   empty. Where a value is required, `NotStatedError` names it; or it is free, where `free` is said.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache, lru_cache, partial
from typing import Any, Final, NamedTuple

from structgen.asking.grounding.readings import Reading
from structgen.asking.grounding.stated_text import KIND_OF_FORMAT, StatedText
from structgen.asking.grounding.text_runs import runs_meeting
from structgen.base.errors import GrammarError, NotStatedError, OptionError, UnsatisfiableSchema
from structgen.base.json_text.events import pointer_of
from structgen.base.json_text.exact_json import escape, read, target_of, write
from structgen.base.language.ir import All, Format, Formula, Pattern
from structgen.grammars.json_grammars.schema_grammar import JsonSchemaGrammar
from structgen.grammars.text_grammars.word_runs import WordRuns, runs_of
from structgen.machines.core.string_values import accepts, over_bytes
from structgen.schema.reading.keywords import FORMATS
from structgen.schema.reading.quote_keyword import INFERRED, KEY, QUOTE, read_quote
from structgen.schema.reading.string_grammars import GRAMMAR

_BOUNDS: Final = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "divisibleBy")
_OF_STRINGS: Final = ("pattern", "format", "minLength", "maxLength", GRAMMAR)
_TOLD: Final = ("title", "description", "default", "examples", "deprecated", "readOnly", "$comment", QUOTE)
_TYPES: Final = ("null", "boolean", "object", "array", "string", "number")
_MAPS: Final = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_LISTS: Final = ("allOf", "anyOf", "oneOf", "prefixItems", "items")
_ONES: Final = ("items", "additionalItems", "additionalProperties", "then", "else", "unevaluatedItems")
_CONDITIONS: Final = ("allOf", "anyOf", "oneOf", "then", "else")
"""What else a number or string has to meet that is held to the texts."""
_DEFINITIONS: Final = ("$defs", "definitions")
KEPT: Final = "x-inferred-definitions"
_MORE: Final = ("unevaluatedProperties", "extends")


_runs_of: Final = lru_cache(maxsize=32)(runs_of)
"""Equal quotes of a text are one grammar, whose masks are made once."""


MOST_SCHEMAS: Final = 32
"""Schemas that are kept for the same texts."""
MOST_VALUES: Final = 10_000
"""Stated values that are listed at one place."""


class _Lack(NamedTuple):
    """A place at which nothing is stated."""

    schema: dict[str, Any]
    """The schema of no value that stands there; found by its identity."""
    pointer: str
    kind: str


class Narrowed(NamedTuple):
    """A grammar narrowed to what texts state. Made by `narrowed`."""

    grammar: JsonSchemaGrammar
    places: int
    """At how many places of the schema values are held to the texts, or would be if some were stated."""


def narrowed(
    grammar: JsonSchemaGrammar,
    stated: StatedText,
    *,
    values: bool = True,
    quotes: bool = False,
    free: bool = False,
) -> Narrowed:
    """Return the grammar of those documents that texts state. `values`: whether numbers, dates and the like
    are held to them, or quotes alone; `quotes`: whether all free strings are runs of them.

    Raises NotStatedError where nothing is stated at a required place, or too little for all keywords together
    (two different items, where one number is stated); `free`: such a place is free, or else all of the
    schema. Cost: that of reading the texts, linear in them, and of compiling the places and the schema.
    """
    key = grammar.spelling, grammar.reader, values, quotes, free
    if key not in stated.narrowed:
        if len(stated.narrowed) >= MOST_SCHEMAS:
            stated.narrowed.clear()
        freed: set[str] = set()
        while True:
            walk = _Walk(grammar, stated, values, quotes, freed)
            schema = walk.of(grammar.schema, ())
            if walk.kept:
                schema = {**schema, KEPT: walk.kept}
            missing = walk.missing(schema, schema, "", frozenset())
            if missing is None:
                break
            if not free or not missing:
                path, place = missing[0]
                raise _not_stated(f"no {place.kind} for {path or 'the value'}.", path, place.pointer, stated)
            freed |= {lack.pointer for _, lack in missing}
        made = grammar.in_place_of(schema)
        try:
            over_bytes(made)
        except UnsatisfiableSchema as error:
            over_bytes(grammar)  # a contradiction of its own is told as such
            if not free:
                what = f"too few values for {' and '.join(error.keywords)} together."
                raise _not_stated(what, "", error.where[1:], stated) from error
            made = grammar
        stated.narrowed[key] = Narrowed(made, walk.places + len(freed))
    known: Narrowed = stated.narrowed[key]
    return known


class _Walk:
    """One walk over a schema. `freed`: the JSON Pointers of places that stay as they are."""

    def __init__(
        self, grammar: JsonSchemaGrammar, stated: StatedText, values: bool, quotes: bool, freed: set[str]
    ) -> None:
        self._grammar, self._stated = grammar, stated
        self._values, self._quotes, self._freed = values, quotes, freed
        self.places = 0
        self.kept: dict[str, Any] = {}
        """The definitions that inferred values need as they are."""
        self._lacks: dict[int, _Lack] = {}
        self.runs: list[WordRuns] = []
        """The grammars of quotes, which the schema names: it holds them as soon as it is read."""

    def of(self, schema: Any, way: tuple[str, ...]) -> Any:
        """Return the narrowed form of the schema at a place, whose keys are the `way` to it."""
        if not isinstance(schema, dict):
            return schema
        if "$ref" in schema or schema.get(INFERRED) is True:
            inside = {
                key: self._inside(key, schema[key], (*way, key)) for key in _DEFINITIONS if key in schema
            }
            return {**(self._unchanged(schema) if schema.get(INFERRED) is True else schema), **inside}
        made = {key: self._inside(key, value, (*way, key)) for key, value in schema.items()}
        if "enum" in schema or "const" in schema or pointer_of(way) in self._freed:
            return made
        said = schema.get("type", [*_TYPES])
        names = [said] if isinstance(said, str) else said
        types = {"number" if name == "integer" else name for name in names}
        parts = dict(self._parts(schema, types, way))
        if not parts:
            return made
        self.places += 1
        rest = sorted(types - parts.keys())
        if {*rest} <= {"boolean", "null"}:  # of two patterns, each as it is: no run of a text is written so
            made |= {key: schema[key] for key in _CONDITIONS if key in schema}
        schemas = [schema for schema in parts.values() if schema is not None]
        if rest:
            kept = "type" in schema and "integer" in said and "number" in rest
            names = ["integer" if kept and name == "number" else name for name in rest]
            schemas.append({**made, "type": names})
        if not schemas:
            pattern = "text of its pattern" if "pattern" in schema else "words"
            kinds = {"number": "number", "string": str(schema.get("format", pattern))}
            kind = " or ".join(kinds[name] for name in sorted(parts))
            # it may be referred to
            named = {key: said for key, said in made.items() if key.startswith("$")}
            lack = _Lack({**named, "type": "null", "enum": [0]}, pointer_of(way), kind)
            self._lacks[id(lack.schema)] = lack
            return lack.schema
        only = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
        simple = {"type", KEY, *_BOUNDS, *_OF_STRINGS, *_TOLD}
        return only if schema.keys() <= simple else {**made, "allOf": [*made.get("allOf", []), only]}

    def missing(
        self, root: Any, schema: Any, path: str, open_: frozenset[str]
    ) -> list[tuple[str, _Lack]] | None:
        """Return the places, each with its path in the document, for whose lack a schema has no value; None
        where it may have one. `open_`: the references that are being followed."""
        if (lack := self._lacks.get(id(schema))) is not None:
            return [(path, lack)]
        if not isinstance(schema, dict):
            return None
        if isinstance(name := schema.get("$ref"), str) and name.startswith("#/") and name not in open_:
            return self.missing(root, target_of(root, name), path, open_ | {name})
        for key in ("anyOf", "oneOf"):
            branches = [self.missing(root, branch, path, open_) for branch in schema.get(key, ())]
            if branches and all(branch is not None for branch in branches):
                return [place for branch in branches for place in branch or ()]
        required: list[tuple[str, Any]] = [(path, part) for part in schema.get("allOf", ())]
        if schema.get("type") == "object":
            members = schema.get("properties", {})
            names = schema.get("required", ())
            required += [(f"{path}/{escape(name)}", members[name]) for name in names if name in members]
        elif schema.get("type") == "array" and schema.get("minItems", 0):
            items = schema.get("prefixItems") or [schema.get("items")]
            required += [(f"{path}/{at}", item) for at, item in enumerate(items)]
        return next(filter(None, (self.missing(root, part, at, open_) for at, part in required)), None)

    def _unchanged(self, schema: Any) -> Any:
        """Return a schema as it is, whose references lead to definitions as they are."""
        if isinstance(schema, list):
            return [self._unchanged(item) for item in schema]
        if not isinstance(schema, dict):
            return schema
        made = {key: self._unchanged(value) for key, value in schema.items()}
        if isinstance(name := schema.get("$ref"), str) and name.startswith("#/"):
            kept = name[2:].replace("/", ".")
            if kept not in self.kept:
                self.kept[kept] = None  # a definition may lead to itself
                self.kept[kept] = self._unchanged(target_of(self._grammar.schema, name))
            made["$ref"] = f"#/{KEPT}/{kept}"
        return made

    def _inside(self, key: str, value: Any, way: tuple[str, ...]) -> Any:
        if key in _MAPS and isinstance(value, dict):
            return {name: self.of(part, (*way, name)) for name, part in value.items()}
        if key in _LISTS and isinstance(value, list):
            return [self.of(item, (*way, str(at))) for at, item in enumerate(value)]
        is_name = key == "propertyNames" and isinstance(value, dict) and "format" in value
        return self.of(value, way) if is_name or key in (*_ONES, *_MORE) else value

    def _parts(
        self, schema: Mapping[str, Any], types: set[str], way: tuple[str, ...]
    ) -> Iterator[tuple[str, Any]]:
        """Yield the types whose values are held to the texts here, each with the schema of these values; None
        where nothing is stated."""
        is_typed = "type" in schema
        if self._values and "number" in types and (is_typed or not schema.keys().isdisjoint(_BOUNDS)):
            meets = self._judge(schema, "number", _BOUNDS)
            yield "number", _enum(_first_accepted(self._stated.written("number"), meets))
        if "string" not in types or GRAMMAR in schema:
            return
        quote = schema.get(QUOTE)
        held = self._formula(schema)
        if quote is not None or (self._quotes and held is None and is_typed):
            yield (
                "string",
                self._quoted(
                    schema, read_quote({} if quote is None else quote, f"#{pointer_of(way)}/{QUOTE}")
                ),
            )
        elif self._values and held is not None:
            yield "string", self._strings(schema, held)

    def _formula(self, schema: Mapping[str, Any]) -> Formula | None:
        """Return the formula of the strings that `pattern` and `format` allow; None without both."""
        formulas: list[Formula] = []
        if isinstance(pattern := schema.get("pattern"), str):
            formulas.append(Pattern(pattern))
        policies = self._grammar.policies
        if isinstance(name := schema.get("format"), str) and policies.formats == "assert":
            own = dict(policies.custom_formats).get(name)
            if isinstance(own, str):
                formulas.append(Pattern(own))
            elif own is None and name in FORMATS:
                formulas.append(Format(name))
        return All(tuple(formulas)) if formulas else None

    def _judge(
        self, schema: Mapping[str, Any], kind: str, keywords: tuple[str, ...]
    ) -> Callable[[str], bool]:
        """Return what tells whether a text of JSON meets the keywords of a place."""
        types = schema.get("type", kind)
        is_integer = kind == "number" and "number" not in types and "integer" in types
        keywords += () if "$ref" in write({**schema}) else _CONDITIONS
        leaf = {key: value for key, value in schema.items() if key in keywords}
        compiled = over_bytes(self._grammar.in_place_of({**leaf, "type": "integer" if is_integer else kind}))
        return cache(partial(accepts, compiled))  # a text may say one value many times

    def _strings(self, schema: Mapping[str, Any], held: Formula) -> Any:
        """Return the schema of the strings of a pattern or a format that are stated: those of the format's
        kind of readings; else the runs of the texts that meet both."""
        meets = self._judge(schema, "string", _OF_STRINGS)
        kind = KIND_OF_FORMAT.get(str(schema.get("format")))
        if kind is not None:
            written = (
                (reading, [json.dumps(text) for text in texts])
                for reading, texts in self._stated.written(kind)
            )
            return _enum(_first_accepted(written, meets))
        runs: list[str] | None = []
        for text in self._stated.texts.values():
            more = runs_meeting(text, held)
            runs = None if more is None or runs is None else [*runs, *more]
        if runs is None:  # too many to be listed
            return self._quoted(schema, {})
        # the beginning of an address is none where the whole of it is one
        said = {reading.value for _, reading in self._stated.readings if isinstance(reading.value, str)}
        whole = {text for text in said if meets(json.dumps(text))}
        runs = [run for run in dict.fromkeys(runs) if run in whole or not any(run in text for text in whole)]
        return _enum([run for run in runs if meets(json.dumps(run))])

    def _quoted(self, schema: Mapping[str, Any], how: Mapping[str, Any]) -> Any:
        """Return the schema of the strings that are runs of a text; None where no text has any."""
        kept = {key: value for key, value in schema.items() if key in _OF_STRINGS}
        schemas: list[dict[str, Any]] = []
        for text in self._stated.texts.values():
            with suppress(GrammarError):  # it has no words
                runs = _runs_of(text, **how)
                self.runs.append(runs)
                schemas.append({**kept, "type": "string", GRAMMAR: runs.keyword})
        return None if not schemas else schemas[0] if len(schemas) == 1 else {"anyOf": schemas}


def _first_accepted(readings: Iterable[tuple[Reading, list[str]]], meets: Callable[[str], bool]) -> list[Any]:
    """Return the values of some readings that a place takes, each in the first spelling that it takes.
    Numbers that are part of something else count where there is no other."""
    whole, parts = dict[str, None](), dict[str, None]()
    for reading, texts in readings:
        if (text := next(filter(meets, texts), None)) is not None:
            (parts if reading.is_part else whole)[text] = None
        if len(whole) > MOST_VALUES:
            what = f"The text states more than {MOST_VALUES:,} different values for one place."
            raise OptionError(what, where="grounded", cure="Ask about one part at a time.")
    return [read(text) for text in (whole or parts)]


def _enum(values: list[Any]) -> dict[str, Any] | None:
    return {"enum": values} if values else None


def _not_stated(what: str, path: str, pointer: str, stated: StatedText) -> NotStatedError:
    text = " ".join(" ".join(stated.texts.values()).split())
    short = f"{text[:57]}..." if len(text) > 60 else text
    said = f"The text {short!r} states" if text else "The text is empty, and states"
    return NotStatedError(
        f"{said} {what}",
        path=path,
        texts=stated.texts,
        where=f"#{pointer}",
        cure="Make the field optional (`| None`), or mark a conclusion with sg.Inferred. The model writes "
        'what it likes there with missing="free".',
    )

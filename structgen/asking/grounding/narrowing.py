"""Narrows a JSON Schema to what texts state: numbers, dates, addresses and the like must stand in the texts.

For example, with the text "Paid 12 euros on 3 May 2024", `{"type": "integer"}` becomes an `enum` of the
integers in it. Each document of the narrowed schema is also a document of the given schema. The words:

- A *place* is a schema that takes numbers, or strings with a `pattern` or a `format`.
- A place is *held* where its values become an `enum` of what the texts state there, as far as the place's own
  keywords allow it. Listed values (`enum`, `const`), booleans and free strings stay as they are.
- A *run* is a part of a text, from one word to another (`word_runs`). A *quote* is a string that must be a
  run.
- A *lack* is a place at which the texts state nothing.

The rules:

1. A string with `x-quote` is a run of a text. With the option `quotes` every free string is one. Names of
   members are held where they have a format (`dict[date, int]`), and are free with a pattern.
2. A place is held where fewer values of it mean fewer documents (`_POSITIVE`). Schemas below `not`, `if` and
   `contains` stay as they are. So does `oneOf`, and an `anyOf` of its held branches is added beside it.
   `anyOf` stays, too, where `unevaluated*` may ask which branches fail and strings are runs. There the held
   branches are denied twice, so that the keyword does not see them.
3. `x-inferred` leaves a schema, and everything inside it, as it is.
4. A place at which nothing is stated, or that contradicts itself, takes no value. Optional members are then
   null or left out, and lists are empty. Where a value is required, `NotStatedError` names the place. With
   the option `free` such a place stays free.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache, lru_cache, partial, reduce
from itertools import islice
from operator import or_
from typing import Any, Final, NamedTuple

from structgen.asking.grounding.readings import Reading
from structgen.asking.grounding.stated_text import KIND_OF_FORMAT, StatedText
from structgen.asking.grounding.text_runs import runs_meeting
from structgen.base.errors import GrammarError, NotStatedError, OptionError, UnsatisfiableSchema
from structgen.base.json_text.exact_json import JsonMapping, JsonObject, escape, read_exact, write_canonical
from structgen.base.language.ir import All, Format, Formula, Pattern
from structgen.grammars.json_grammars.schema_grammar import JsonSchemaGrammar
from structgen.grammars.text_grammars.text_grammar import TextGrammar
from structgen.grammars.text_grammars.word_runs import runs_of
from structgen.machines.core.string_values import grammar_accepts, over_bytes
from structgen.schema.reading.draft_names import URI_OF_DRAFT
from structgen.schema.reading.model import Schema, parts_of
from structgen.schema.reading.quote_keyword import INFERRED, KEY, QUOTE, read_quote
from structgen.schema.reading.string_grammars import GRAMMAR

_BOUNDS: Final = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "divisibleBy")
_OF_STRINGS: Final = ("pattern", "format", "minLength", "maxLength", GRAMMAR)
_ANNOTATIONS: Final = ("title", "description", "default", "examples", "deprecated", "readOnly", "$comment")
_SIMPLE: Final = frozenset(("type", *_BOUNDS, *_OF_STRINGS, *_ANNOTATIONS, QUOTE, KEY))
"""The keywords that need not be repeated beside an `enum` of stated values, which were chosen by them."""
_TYPES: Final = ("null", "boolean", "object", "array", "string", "number")
_CONDITIONS: Final = ("allOf", "anyOf", "oneOf", "then", "else")
"""The keywords whose schemas a held number or string must meet, too."""
_POSITIVE: Final = frozenset(
    (
        *("properties", "patternProperties", "additionalProperties", "unevaluatedProperties"),
        *("items", "prefixItems", "additionalItems", "unevaluatedItems", "allOf", "anyOf", "then", "else"),
        *("dependentSchemas", "dependencies", "propertyDependencies", "propertyNames"),
    )
)
"""Keywords whose subschemas are held, as the targets of references are: with fewer values there a schema has
fewer documents, and never others. With fewer values below `not`, `if`, `contains` or `oneOf` it may have
more."""
_REFERENCES: Final = frozenset(("$ref", "$dynamicRef", "$recursiveRef"))
_IDENTIFIERS: Final = frozenset(
    ("$id", "id", "$anchor", "$dynamicAnchor", "$recursiveAnchor", "$schema", "$vocabulary")
)
_BASE: Final = "urn:structgen:narrowed"
"""The URI of a narrowed schema whose parts are of several drafts."""


@lru_cache(maxsize=32)
def _runs_of(texts: tuple[str, ...], **options: Any) -> TextGrammar | None:
    """Return one grammar of the runs of all texts, None where no text has any. A string can be held to only
    one grammar. For equal texts it is the same object, so that its masks are made once."""
    runs: list[TextGrammar] = []
    for text in texts:
        with suppress(GrammarError):  # it has no words
            runs.append(runs_of(text, **options))
    return reduce(or_, runs) if runs else None


_NO_MONTHS: Final = ('"1985"', '"85-04"', '"1985-0"', '"1-4"', '"1985--4"')
"""JSON texts that a pattern of a year with its month does not take."""
MOST_SCHEMAS: Final = 32
"""The most narrowed schemas that are kept for the same texts."""
MOST_VALUES: Final = 20_000
"""The most stated values that are listed at one place."""


class _Lack(NamedTuple):
    """A place at which nothing is stated."""

    pointer: str
    kinds: tuple[str, ...]


class NarrowedGrammar(NamedTuple):
    """A grammar narrowed to what texts state. Made by `narrow_grammar`."""

    grammar: JsonSchemaGrammar
    places: int
    """The number of places whose values are held to the texts, or would be if the texts stated some."""


def narrow_grammar(
    grammar: JsonSchemaGrammar,
    stated_text: StatedText,
    *,
    values: bool = True,
    quotes: bool = False,
    free: bool = False,
) -> NarrowedGrammar:
    """Return the grammar of those documents of a grammar that the texts state.

    `values`: numbers, dates and the like are held to the texts, not only quotes. `quotes`: all free strings
    are runs of the texts. `free`: a place at which nothing is stated stays free, or if need be the whole
    schema.

    Without `free` it raises NotStatedError where nothing is stated at a required place. It does so, too,
    where too little is stated for all keywords together: two different items, and one stated number. Cost:
    that of reading the texts, linear in them, and of compiling the places and the schema.
    """
    key = grammar.spelling, grammar.reader, values, quotes, free
    if key not in stated_text.narrowed_grammars:
        if len(stated_text.narrowed_grammars) >= MOST_SCHEMAS:
            stated_text.narrowed_grammars.clear()
        free_pointers: set[str] = set()
        while True:
            narrowing = SchemaNarrowing(grammar, stated_text, values, quotes, free_pointers)
            schema = narrowing.narrowed_schema()
            lacks = narrowing.lacks_of(schema)
            if not lacks:
                break
            over_bytes(grammar)  # a contradiction of its own is told as such
            if not free:
                lack, path = next(iter(lacks.items()))
                missing = f"no {' or '.join(lack.kinds)} for {path or 'the value'}"
                raise _not_stated(missing, path, lack.pointer, stated_text, lack.kinds)
            free_pointers |= {lack.pointer for lack in lacks}
        result = grammar.in_place_of(schema)
        try:
            over_bytes(result)
        except UnsatisfiableSchema as error:
            over_bytes(grammar)
            if not free:
                missing = f"too few values for {' and '.join(error.keywords)} together"
                raise _not_stated(missing, "", error.where, stated_text) from error
            result = grammar
        stated_text.narrowed_grammars[key] = NarrowedGrammar(result, narrowing.places + len(free_pointers))
    entry: NarrowedGrammar = stated_text.narrowed_grammars[key]
    return entry


class SchemaNarrowing:
    """Narrows one schema once. `free_pointers` are the JSON Pointers of places that stay as they are.

    Each subschema that the root reaches is copied, either *held* or unchanged. A held copy has held copies at
    the keywords of `_POSITIVE`, and unchanged copies at all other keywords. So each document of a held copy
    is a document of its schema, by induction. References lead to copies in `$defs`, as the document has
    resolved them, so that the copies need no identifiers.
    """

    def __init__(
        self,
        grammar: JsonSchemaGrammar,
        stated_text: StatedText,
        values: bool,
        quotes: bool,
        free_pointers: set[str],
    ) -> None:
        self._grammar = grammar
        self._stated = stated_text
        self._values = values
        self._quotes = quotes
        self._free_pointers = free_pointers
        self._document = grammar.document()
        self._dialect = self._document.top.dialect
        schemas = self._document.schemas
        is_mixed = any(schema.scope.dialect is not self._dialect for schema in schemas)
        self._base = _BASE if is_mixed else ""
        self._is_evaluated = (
            quotes or any(isinstance(schema.raw, dict) and QUOTE in schema.raw for schema in schemas)
        ) and any(schema.unevaluated_items or schema.unevaluated_properties for schema in schemas)
        """Whether `unevaluated*` may ask which branches fail: runs of a text cannot be denied."""
        self.places = 0
        """The number of copies of places that are held, or would be if something were stated."""
        self._definitions: JsonObject = {}
        self._references = {(self._document.text_root.id, True): f"{self._base}#"}
        """The references to the copies. The key is the id of a schema, and whether the copy is held."""
        self._empty: dict[int, tuple[Any, _Lack]] = {}
        """The schemas without values that stand for places at which nothing is stated, with their lacks. The
        key is the identity of the schema."""
        self._lacks: dict[str, dict[_Lack, str]] = {}
        """The lacks of the target of each reference."""
        self.runs: list[TextGrammar] = []
        """The grammars of quotes, which the schema names: it holds them as soon as it is read."""

    def narrowed_schema(self) -> Any:
        """Return the narrowed schema. Errors: those of compiling the given schema, except contradictions."""
        self._grammar.in_place_of({})  # refuses draft 3
        self._document.require_handled()
        schema = self._copy_schema(self._document.text_root, is_held=True)
        if isinstance(schema, dict) and self._definitions:
            schema = {**schema, "$defs": self._definitions}
        return {self._dialect.id_key: self._base, **schema} if self._base else schema

    def lacks_of(self, schema: Any) -> dict[_Lack, str]:
        """Return the lacks that leave a part of the narrowed schema without a value, each with its path from
        there in the document. Empty where the part may have a value."""
        if id(schema) in self._empty:
            return {self._empty[id(schema)][1]: ""}
        if not isinstance(schema, dict):
            return {}
        branches = [self.lacks_of(branch) for branch in schema.get("anyOf", ())]
        if branches and all(branches):
            return {lack: path for branch in branches for lack, path in branch.items()}
        requirements = [("", self.lacks_of(part)) for part in schema.get("allOf", ())]
        if (reference := schema.get("$ref")) is not None:
            if reference not in self._lacks:
                self._lacks[reference] = {}  # a definition may lead to itself
                definition = self._definitions.get(reference.rpartition("/")[2])
                self._lacks[reference] = self.lacks_of(definition)
            requirements.append(("", self._lacks[reference]))
        if isinstance(denied_schema := schema.get("not"), dict):
            requirements.append(("", self.lacks_of(denied_schema.get("not"))))
        if schema.get("type") == "object":
            members = schema.get("properties", {})
            names = schema.get("required", ())
            requirements += [(f"/{escape(name)}", self.lacks_of(members.get(name))) for name in names]
        elif schema.get("type") == "array" and (min_items := schema.get("minItems", 0)):
            items = schema.get("prefixItems") or [schema.get("items")]
            requirements += [
                (f"/{step}", self.lacks_of(item)) for step, item in enumerate(items) if step < min_items
            ]
        return next(
            ({lack: step + path for lack, path in each.items()} for step, each in requirements if each), {}
        )

    def _reference_to(self, schema: Schema, is_held: bool) -> dict[str, str]:
        """Return a reference to a copy of a schema. The first call makes the copy."""
        key = schema.id, is_held
        if key not in self._references:
            name = re.sub("[^A-Za-z0-9_.-]", "_", schema.pointer.rpartition("/")[2])
            while name in self._definitions:
                name += "_"
            self._references[key] = f"{self._base}#/$defs/{name}"
            self._definitions[name] = None  # a definition may lead to itself
            copy = self._copy_schema(schema, is_held)
            if (draft := self._draft_of(schema)) and isinstance(copy, dict):
                copy = {self._dialect.id_key: f"{self._base}:{name}", **draft, **copy}
            self._definitions[name] = copy
        return {"$ref": self._references[key]}

    def _draft_of(self, schema: Schema) -> dict[str, str]:
        """Return the keyword that names the draft of a schema, where it is not that of the root."""
        scope = schema.scope
        uri: str = scope.root.get("$schema", URI_OF_DRAFT[scope.dialect.draft])
        return {} if scope.dialect is self._dialect else {"$schema": uri}

    def _copy_schema(self, schema: Schema, is_held: bool) -> Any:
        """Return a copy of a schema, held or unchanged."""
        raw = schema.raw
        dialect = schema.scope.dialect
        if not isinstance(raw, dict):
            return raw
        is_held = is_held and raw.get(INFERRED) is not True
        if dialect.hides_siblings and "$ref" in raw:
            raw = {"$ref": raw["$ref"]}
        parts = dict(self._held_kinds(schema, raw)) if is_held else {}
        rest = [name for name in _types_of(raw) if _kind_of(name) not in parts]
        values = [values for values in parts.values() if values is not None]
        self.places += bool(parts)
        if not (rest or values):
            return self._no_value(schema, [*parts])
        # of two patterns, each as it is: no run of a text is written so
        is_whole = bool(parts) and {*rest} <= {"boolean", "null"}
        copy: JsonObject = {}
        conjuncts: list[Any] = []
        reference_and_conjuncts = self._document.loops.get(schema.id, (schema.ref, schema.all_of))
        children = _children_of(schema, *reference_and_conjuncts)
        targets = _targets_of(schema, *reference_and_conjuncts)
        for keyword, value in raw.items():
            is_below = is_held and not (is_whole and keyword in _CONDITIONS)
            if keyword in _REFERENCES and keyword in dialect.keywords:
                for target in islice(targets, 1):
                    reference = self._reference_to(target, is_below)
                    if "$ref" in copy:
                        conjuncts.append(reference)
                    else:
                        copy |= reference
            elif keyword not in dialect.locations:
                if keyword not in _IDENTIFIERS:
                    copy[keyword] = value
            elif keyword in dialect.keywords:
                if keyword == "propertyNames":
                    is_below = is_below and isinstance(value, dict) and "format" in value
                stays = keyword == "oneOf" or (keyword == "anyOf" and self._is_evaluated)
                copy[keyword] = self._copy_keyword(
                    value, children, is_below and keyword in _POSITIVE and not stays
                )
                if (
                    stays
                    and is_below
                    and (held_branches := self._copy_keyword(value, children, True)) != copy[keyword]
                ):
                    only = {"anyOf": held_branches}
                    conjuncts.append({"not": {"not": only}} if self._is_evaluated else only)
        if parts:
            is_simple = raw.keys() <= _SIMPLE and not dialect.plain_integers
            if rest:
                values.append({**copy, "type": rest} if is_simple else {"type": rest})
            only = values[0] if len(values) == 1 else {"anyOf": values}
            if is_simple:
                return only
            conjuncts.append(only)
        if not conjuncts:
            return copy
        # keys are written in the order in which the schema names them first: the copy comes first
        return {"allOf": [copy, *conjuncts]} if "allOf" in copy else {**copy, "allOf": conjuncts}

    def _copy_keyword(
        self,
        value: Any,
        children: Mapping[int, Schema],
        is_held: bool,
    ) -> Any:
        """Return the value of a keyword with copies of the schemas in it."""
        if isinstance(value, list):
            return [self._copy_keyword(item, children, is_held) for item in value]
        if not isinstance(value, dict):
            return value
        child = children.get(id(value))
        if child is None:
            return {name: self._copy_keyword(member, children, is_held) for name, member in value.items()}
        is_foreign = self._base and child.raw is child.scope.root
        return self._reference_to(child, is_held) if is_foreign else self._copy_schema(child, is_held)

    def _no_value(self, schema: Schema, kinds: list[str]) -> JsonObject:
        """Return a schema without values. It stands for a place at which nothing is stated, of the given
        kinds."""
        pattern = "text of its pattern" if "pattern" in schema.raw else "words"
        names = {"number": "number", "string": str(schema.raw.get("format", pattern))}
        kind_names = [names[kind] for kind in sorted(kinds)]
        lack = _Lack(schema.pointer, tuple(kind_names))
        empty = {"type": "null", "enum": [0]}
        self._empty[id(empty)] = empty, lack
        return empty

    def _held_kinds(self, schema: Schema, raw: JsonMapping) -> Iterator[tuple[str, Any]]:
        """Yield the kinds of values that a schema holds to the texts, each with a schema of the stated
        values. The schema is None where nothing is stated. `raw` has the keywords of the schema that
        count."""
        if "enum" in raw or "const" in raw or schema.pointer in self._free_pointers:
            return
        kinds = {*map(_kind_of, _types_of(raw))}
        is_typed = "type" in raw
        if self._values and "number" in kinds and (is_typed or not raw.keys().isdisjoint(_BOUNDS)):
            meets = self._acceptance_test(schema, "number", ("format", *_BOUNDS))
            yield (
                "number",
                meets and _enum_schema(_first_accepted(self._stated.spelled_readings("number"), meets)),
            )
        if "string" not in kinds or GRAMMAR in raw:
            return
        quote = raw.get(QUOTE)
        formula = _formula_of(schema)
        if quote is not None or (self._quotes and formula is None and is_typed):
            quote_options = read_quote({} if quote is None else quote, f"{schema.pointer}/{QUOTE}")
            yield "string", self._quote_schema(raw, quote_options)
        elif self._values and formula is not None:
            yield "string", self._string_schema(schema, formula)

    def _acceptance_test(
        self,
        schema: Schema,
        kind: str,
        keywords: tuple[str, ...],
    ) -> Callable[[str], bool] | None:
        """Return a function that tells whether a JSON text meets the keywords of a place. None where the
        keywords contradict each other."""
        raw = schema.raw
        types = raw.get("type", kind)
        is_integer = kind == "number" and "number" not in types and "integer" in types
        keywords += () if 'ref"' in write_canonical({**raw}).lower() else _CONDITIONS
        leaf = {key: value for key, value in raw.items() if key in keywords}
        leaf = {**self._draft_of(schema), **leaf, "type": "integer" if is_integer else kind}
        try:
            compiled = over_bytes(self._grammar.in_place_of(leaf))
        except UnsatisfiableSchema:
            return None
        return cache(partial(grammar_accepts, compiled))  # a text may say one value many times

    def _string_schema(self, schema: Schema, formula: Formula) -> Any:
        """Return the schema of the strings of a pattern or a format that are stated: those of the format's
        kind of readings; else the runs of the texts that meet both, and for a pattern of a year with a month
        (`1985-04`) the months that are stated. None where there are none."""
        meets = self._acceptance_test(schema, "string", _OF_STRINGS)
        if meets is None:
            return None
        kind = KIND_OF_FORMAT.get(str(schema.raw.get("format")))
        if kind is not None:
            spelled_readings = (
                (reading, [json.dumps(text) for text in texts])
                for reading, texts in self._stated.spelled_readings(kind)
            )
            return _enum_schema(_first_accepted(spelled_readings, meets))
        runs: list[str] | None = []
        for text in self._stated.texts.values():
            runs_of_text = runs_meeting(text, formula)
            runs = None if runs_of_text is None or runs is None else [*runs, *runs_of_text]
        if runs is None:  # too many to be listed
            return self._quote_schema(schema.raw, {})
        # the beginning of an address is none where the whole of it is one
        stated_strings = {
            reading.value
            for _, reading in self._stated.readings
            if isinstance(reading.value, str) and reading.kind != "month"
        }
        whole_strings = {text for text in stated_strings if meets(json.dumps(text))}
        runs = [
            run
            for run in dict.fromkeys(runs)
            if run in whole_strings or not any(run in text for text in whole_strings)
        ]
        if meets('"1985-04"') and not any(map(meets, _NO_MONTHS)):
            runs = [*self._stated.months(), *runs]
        return _enum_schema([run for run in dict.fromkeys(runs) if meets(json.dumps(run))])

    def _quote_schema(self, raw: JsonMapping, options: Mapping[str, Any]) -> Any:
        """Return the schema of the strings that are runs of a text; None where no text has any."""
        runs = _runs_of((*self._stated.texts.values(),), **options)
        if runs is None:
            return None
        self.runs.append(runs)
        string_keywords = {key: value for key, value in raw.items() if key in _OF_STRINGS}
        return {**string_keywords, "type": "string", GRAMMAR: runs.keyword}


def _types_of(raw: JsonMapping) -> list[str]:
    """Return the types that a schema names; all where it names none."""
    types = raw.get("type", [*_TYPES])
    return [types] if isinstance(types, str) else types


def _kind_of(name: str) -> str:
    return "number" if name == "integer" else name


def _children_of(
    schema: Schema,
    ref: Schema | None,
    all_of: tuple[Schema, ...],
) -> dict[int, Schema]:
    """Return the schemas that stand in the keywords of one, by the identity of their JSON values. `ref`,
    `all_of`: as they are written."""
    children: dict[int, Schema] = {}
    parts = [*parts_of((*vars(schema).values(), ref, all_of))]
    while parts:
        part = parts.pop()
        if part.raw is None:  # a keyword is read as others, whose schemas hold those of the text
            parts += parts_of(vars(part).values())
        else:
            children[id(part.raw)] = part
    return children


def _targets_of(
    schema: Schema,
    ref: Schema | None,
    all_of: tuple[Schema, ...],
) -> Iterator[Schema]:
    """Yield the targets of the references of a schema, in the order of their keywords. `ref`, `all_of`: as
    they are written."""
    if ref is not None:
        yield ref
        members = {*map(id, schema.raw.get("allOf", ()))}
        for part in all_of:
            if part.raw is not None and id(part.raw) not in members:
                yield part


def _formula_of(schema: Schema) -> Formula | None:
    """Return the formula of the strings that `pattern` and an asserted `format` allow; None without both."""
    derived_schemas = (part for part in schema.all_of if part.raw is None)  # a format that the caller defined
    formulas: list[Formula] = [
        Pattern(part.pattern) for part in (schema, *derived_schemas) if part.pattern is not None
    ]
    if schema.format is not None:
        formulas.append(Format(schema.format))
    return All(tuple(formulas)) if formulas else None


def _first_accepted(
    readings: Iterable[tuple[Reading, list[str]]],
    meets: Callable[[str], bool],
) -> list[Any]:
    """Return the values of some readings that a place takes, each in the first spelling that it takes.
    Numbers that are part of something else count where there is no other."""
    whole = dict[str, None]()
    parts = dict[str, None]()
    for reading, texts in readings:
        if (text := next(filter(meets, texts), None)) is not None:
            (parts if reading.is_part else whole)[text] = None
        if len(whole) > MOST_VALUES:
            fault = f"The text states more than {MOST_VALUES:,} different values for one place."
            raise OptionError(fault, where="grounded", cure="Ask about one part at a time.")
    return [read_exact(text) for text in (whole or parts)]


def _enum_schema(values: list[Any]) -> JsonObject | None:
    return {"enum": values} if values else None


def _not_stated(
    missing: str,
    path: str,
    pointer: str,
    stated_text: StatedText,
    kinds: tuple[str, ...] = (),
) -> NotStatedError:
    text = " ".join(" ".join(stated_text.texts.values()).split())
    short = f"{text[:57]}..." if len(text) > 60 else text
    subject = f"The text {short!r} states" if text else "The text is empty, and states"
    return NotStatedError(
        f"{subject} {missing}.",
        path=path,
        texts=stated_text.texts,
        missing=missing,
        kinds=kinds,
        where=pointer,
        cure="Make the field optional (`| None`), or mark a conclusion with sg.Inferred. With "
        'missing="free" the model is not restricted to the text there.',
    )

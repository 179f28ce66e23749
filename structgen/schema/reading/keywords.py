"""Reads the keywords of JSON Schema: one function turns the value of a keyword into fields of a `Schema`.

A *reader* is such a function, for example `read_pattern`. All readers take the same four arguments.
`document` is the document that is being read. `schema` is the `Schema` whose fields are set. `keyword` is the
name of the keyword, and `value` its value in the text of the schema (`schema.raw` is the whole text). A
reader raises `SchemaError` for a value of a wrong kind. `dialects` lists which drafts have which keyword.

A *field* is an attribute of `Schema`: `{"minLength": 2}` sets the field `min_length` to 2. A *child* is a
schema inside a schema; `add_child` makes it now and has it read later. A *derived* schema has no text of its
own: a reader makes it to express a keyword. An *applicator* is a keyword that applies schemas inside it to
the same value, such as `allOf`; `schema.applicators` records those in the order in which they were read.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from types import MappingProxyType
from typing import Any

from structgen.base.json_text.exact_json import escape, exact_copy
from structgen.schema.reading.model import TYPES, OpenDocument, Schema, Schemas
from structgen.schema.reading.schema_cures import number_cure, type_cure
from structgen.schema.reading.string_grammars import GRAMMAR, grammar_of

FORMATS = frozenset(
    (
        *("date-time", "date", "time", "duration"),
        *("email", "idn-email", "hostname", "idn-hostname", "ipv4", "ipv6"),
        *("uri", "uri-reference", "uri-template", "iri", "iri-reference", "uuid"),
        *("json-pointer", "relative-json-pointer", "regex"),
    )
)
"""The formats that are asserted: those of 2020-12 (Validation section 7.3), in every draft.

Three reasons: a draft lets an implementation add formats (draft 6 Validation section 8.1). The name `uuid` is
clear in a schema of draft 4, too. And the validators that label MaskBench assert all formats in all drafts.
"""

# --- Kinds of values ----------------------------------------------------------------------------------------

_COUNT_CAP = 10**18
"""The largest count. Larger ones are lowered to it: no document is so long, and 1e999999999 must not become
an int of a billion digits."""


_KEYWORDS_OF = MappingProxyType(
    {
        "ref": ("$ref", "$dynamicRef", "$recursiveRef"),
        "types": ("type",),
        "enum": ("enum", "const"),
        "multiple_of": ("multipleOf", "divisibleBy"),
        "exclusive_minimum": ("exclusiveMinimum", "minimum"),
        "exclusive_maximum": ("exclusiveMaximum", "maximum"),
        "additional": ("additionalProperties",),
        "dependent_required": ("dependentRequired", "dependencies"),
        "dependent_schemas": ("dependentSchemas", "dependencies", "propertyDependencies"),
        "prefix": ("prefixItems", "items"),
        "items": ("additionalItems", "items"),
        "all_of": ("allOf", "extends"),
        "not_": ("not", "disallow"),
        "if_": ("if",),
        "else_": ("else",),
        "verdict": ("false",),
        "grammar": (GRAMMAR,),
    }
)
"""The keywords that set a field of `Schema`. A field that is not listed is set by one keyword: the name of
the field in camel case, so `minLength` sets `min_length`."""
SPEAKS_OF: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("pattern", "format", "min_length", "max_length", "grammar"), "string"),
        **dict.fromkeys(("minimum", "maximum", "multiple_of"), "number"),
        **dict.fromkeys(("exclusive_minimum", "exclusive_maximum"), "number"),
        **dict.fromkeys(("properties", "pattern_properties", "additional", "property_names"), "object"),
        **dict.fromkeys(("required", "min_properties", "max_properties"), "object"),
        **dict.fromkeys(("dependent_required", "dependent_schemas", "unevaluated_properties"), "object"),
        **dict.fromkeys(("items", "prefix", "min_items", "max_items", "unique_items"), "array"),
        **dict.fromkeys(("unevaluated_items", "contains", "min_contains", "max_contains"), "array"),
    }
)
"""The fields of `Schema` that restrict values of one type alone, each with that type."""


def idle_keywords(schema: Schema) -> list[str]:
    """Return the keywords of a schema that have no effect, because its own `type` excludes their type.

    For example `minLength` in `{"type": "integer", "minLength": 2}`. Keywords that ask for nothing are left
    out: generators write them. So are `format` and `additionalProperties`, which are notes for other tools
    there. A derived schema has no keywords.
    """
    types = schema.types
    idle = list[str]()
    if schema.raw is None or types is None:
        return idle
    for field, value in vars(schema).items():
        kind = SPEAKS_OF.get(field)
        if kind is None or kind in types or (kind == "number" and "integer" in types):
            continue
        # A value that is the default, or the schema `true`, asks for nothing.
        is_empty = value == getattr(Schema, field) or getattr(value, "verdict", None) is True
        if not is_empty and field not in ("format", "additional"):
            idle += filter(schema.raw.__contains__, keywords_of(field))
    return idle


def keywords_of(field: str) -> tuple[str, ...]:
    """Return the keywords that set a field of `Schema`: `"min_length"` -> `("minLength",)`."""
    keywords = _KEYWORDS_OF.get(field)
    if keywords:
        return keywords
    first, *rest = field.split("_")
    camel_case = first + "".join(map(str.capitalize, rest))
    return (camel_case,)


@cache
def field_of(keyword: str) -> str:
    """Return the field of `Schema` that a keyword sets: `"not"` -> `"not_"`."""
    # `minLength` becomes `min_length`.
    plain = "".join(f"_{char.lower()}" if char.isupper() else char for char in keyword)
    fields = (field for field, keywords in _KEYWORDS_OF.items() if keyword in keywords)
    if hasattr(Schema, plain):
        return plain
    return next(fields, plain)


def number_of(value: object) -> Decimal | None:
    """Return a JSON number as a Decimal, or None for anything else."""
    kind = value.__class__
    if kind is int:
        return Decimal(value)  # type: ignore[arg-type]
    return value if kind is Decimal else None  # type: ignore[return-value]


def count_of(value: object) -> int | None:
    """Return a JSON number that is an integer >= 0 (3, 3.0) as an int, or None for anything else. Numbers
    above `_COUNT_CAP` become `_COUNT_CAP`."""
    if value.__class__ is int:
        if value >= 0:
            return min(value, _COUNT_CAP)
        return None
    if not isinstance(value, Decimal) or value < 0:
        return None
    if value > _COUNT_CAP:
        return _COUNT_CAP
    if value == int(value):
        return int(value)
    return None


def _is_text_list(value: object) -> bool:
    return value.__class__ is list and all(item.__class__ is str for item in value)


# --- Keywords for values of any type ------------------------------------------------------------------------


def read_type(document: OpenDocument, schema: Schema, keyword: str, value: Any) -> None:
    """Read `type`, as from draft 4 on: one name, or a list of names."""
    if value.__class__ is str and value in TYPES:
        schema.types = TYPES[value]
    elif _is_text_list(value) and value and all(name in TYPES for name in value):
        schema.types = frozenset(value)
    else:
        raise document.keyword_error(
            schema,
            "type",
            "object, array, string, number, integer, boolean, null, or a list of these",
            type_cure(value),
        )
    if "integer" in schema.types and schema.scope.dialect.plain_integers:
        schema.plain_integers = True


def read_enum(document: OpenDocument, schema: Schema, keyword: str, value: Any) -> None:
    """Read `enum` or `const`. Where the schema has both, the second one becomes a derived schema in `all_of`:
    both must hold."""
    if keyword == "enum" and value.__class__ is not list:
        raise document.keyword_error(
            schema, "enum", "a list of values", "For one value, use const or a list of one."
        )
    # `const` is an `enum` of one value.
    listed_values = [value] if keyword == "const" else value
    exact_values: Any = exact_copy(listed_values, of_point=document.policies.of_point)
    values = tuple(exact_values)
    if schema.enum is None:
        schema.enum = values
    else:
        schema.all_of += (document.derive_schema(f"{schema.pointer}/{keyword}", enum=values),)


# --- Numbers ------------------------------------------------------------------------------------------------


_FLAGS = MappingProxyType({"minimum": "exclusiveMinimum", "maximum": "exclusiveMaximum"})
"""The boolean keywords of draft 4 that make a bound exclusive."""


def read_bound(document: OpenDocument, schema: Schema, keyword: str, value: Any) -> None:
    """Read a bound of numbers, such as `minimum`. In draft 4 a boolean keyword beside it makes it exclusive:
    `{"minimum": 0, "exclusiveMinimum": true}`."""
    bound = number_of(exact_copy(value, of_point=document.policies.of_point))
    if bound is None:
        old = (
            "In draft 4 only, it is true or false and modifies the bound." if value.__class__ is bool else ""
        )
        raise document.keyword_error(schema, keyword, "a number", old or number_cure(value))
    flag = _FLAGS.get(keyword)
    if flag is not None and schema.raw.get(flag) is True:
        # Draft 4's boolean. From draft 6 on a keyword of that name is a number and never true.
        keyword = flag
    setattr(schema, field_of(keyword), bound)


def read_exclusive_flag(document: OpenDocument, schema: Schema, keyword: str, value: Any) -> None:
    """Check draft 4's boolean keyword, which `read_bound` takes into account."""
    if value.__class__ is not bool:
        raise document.keyword_error(
            schema,
            keyword,
            "true or false in draft 4",
            "Set $schema to the draft the schema is written in; from draft 6 on it is a number.",
        )


def read_multiple_of(document: OpenDocument, schema: Schema, keyword: str, value: Any) -> None:
    """Read `multipleOf`, and draft 3's `divisibleBy`, which may be negative."""
    divisor = number_of(value)
    must_be_positive = keyword == "multipleOf"
    if not divisor or (must_be_positive and divisor < 0):
        takes = "a number " + ("greater than 0" if must_be_positive else "other than 0")
        raise document.keyword_error(schema, keyword, takes)
    schema.multiple_of = abs(divisor)


# --- Counts, strings ----------------------------------------------------------------------------------------


def read_count(document: OpenDocument, schema: Schema, keyword: str, value: Any) -> None:
    """Read a bound of lengths or counts, such as `minLength` or `maxContains`."""
    bound = count_of(value)
    if bound is None:
        raise document.keyword_error(schema, keyword, "an integer of at least 0", number_cure(value))
    # `minContains` and `maxContains` have no effect without `contains` beside them.
    if not keyword.endswith("Contains") or "contains" in schema.raw:
        setattr(schema, field_of(keyword), bound)


def read_pattern(document: OpenDocument, schema: Schema, keyword: str, value: Any) -> None:
    """Read `pattern`. Its syntax is checked later (`Document.require_handled`), once for equal patterns."""
    if value.__class__ is not str:
        raise document.keyword_error(schema, "pattern", "a regular expression in a string")
    schema.pattern = value
    document.patterns.setdefault(value, schema)


def read_format(document: OpenDocument, schema: Schema, keyword: str, value: Any) -> None:
    """Read `format` where the policy or the dialect asserts formats. Elsewhere it is a note and sets nothing.

    A custom format is a pattern, or pairs of a keyword and a number; it becomes a derived schema.
    """
    if value.__class__ is not str:
        raise document.keyword_error(schema, "format", "a string")
    if document.policies.formats != "assert" and not schema.scope.dialect.asserts_formats:
        return
    # The caller's own formats come first: they may give a name of the standard another meaning.
    custom_format = dict(document.policies.custom_formats).get(value)
    if isinstance(custom_format, str):
        schema.all_of += (document.derive_schema(f"{schema.pointer}/format", pattern=custom_format),)
        document.patterns.setdefault(custom_format, schema)
    elif custom_format is not None:
        fields = {field_of(name): Decimal(number) for name, number in custom_format}
        schema.all_of += (document.derive_schema(f"{schema.pointer}/format", **fields),)
    elif value in FORMATS:
        schema.format = value
        document.formats.setdefault(value, schema)
    else:
        document.unknown_formats.append((schema, value))


def read_grammar(document: OpenDocument, schema: Schema, keyword: str, value: Any) -> None:
    """Read `x-grammar`: the value of a string is a text of the grammar."""
    schema.grammar = grammar_of(value, f"{schema.pointer}/{keyword}", document.limits, document.grammars)
    document.has_grammars = True


# --- Objects ------------------------------------------------------------------------------------------------


def read_properties(document: OpenDocument, schema: Schema, keyword: str, value: Any) -> None:
    """Read `properties`: `{"a": {"type": "null"}}` has one child, under the path `("properties", "a")`."""
    if value.__class__ is not dict:
        raise document.keyword_error(schema, "properties", "an object of schemas")
    schema.properties = {
        name: document.add_child(schema, member, ("properties", name)) for name, member in value.items()
    }
    schema.applicators += ("properties",)


def read_pattern_properties(document: OpenDocument, schema: Schema, keyword: str, value: Any) -> None:
    """Read `patternProperties`: regular expressions of keys, each with a schema."""
    if value.__class__ is not dict:
        raise document.keyword_error(schema, "patternProperties", "an object of schemas")
    schema.pattern_properties = tuple(
        (source, document.add_child(schema, member, ("patternProperties", source)))
        for source, member in value.items()
    )
    for source in value:
        document.patterns.setdefault(source, schema)


def read_required(document: OpenDocument, schema: Schema, keyword: str, value: Any) -> None:
    """Read `required`, as from draft 4 on: a list of names."""
    if not _is_text_list(value):
        cure = ""
        if value.__class__ is bool:  # draft 3 has a boolean in the schema of each property
            cure = "Name the property in `required` of the object around it."
        raise document.keyword_error(schema, "required", "a list of names", cure)
    if value:
        schema.required = tuple(dict.fromkeys(value))
        properties = schema.raw.get("properties")
        # A key that `properties` does not declare may be misspelt (`suspect_keywords.misspelt_keys`).
        if properties.__class__ is dict and not properties.keys() >= set(value):
            document.undeclared_schemas.append(schema)


def read_dependencies(document: OpenDocument, schema: Schema, keyword: str, value: Any) -> None:
    """Read `dependencies`, `dependentRequired` or `dependentSchemas`, which may stand side by side.

    2019-09 split `dependencies` into the two others and kept it in the meta-schema as deprecated. It is still
    enforced there, as in the test suite's optional/dependencies-compatibility.json: schemas without $schema
    rely on it.
    """
    takes = _DEPENDENT[keyword]
    if value.__class__ is not dict:
        raise document.keyword_error(schema, keyword, f"an object of {takes}")
    # `dependencies` maps a key to a list of names or to a schema. `names` has the lists; schemas come below.
    names = {
        key: listed
        for key, listed in value.items()
        if keyword != "dependentSchemas" and _is_text_list(listed)
    }
    if keyword == "dependentRequired" and len(names) < len(value):
        raise document.keyword_error(schema, keyword, f"an object of {takes}")
    if any(names.values()):
        required_by_key = dict(schema.dependent_required)
        for key, dependents in names.items():
            earlier_names = required_by_key.get(key, ())
            required_by_key[key] = tuple(dict.fromkeys((*earlier_names, *dependents)))
        schema.dependent_required = required_by_key
    if len(names) < len(value):
        children: dict[str, Schema] = dict(schema.dependent_schemas)
        schema_keys = [key for key in value if key not in names]
        for key in schema_keys:
            child: Schema = document.add_child(schema, value[key], (keyword, key))
            if key in children:
                # `dependencies` and `dependentSchemas` have the same key: both schemas hold.
                both_schemas = (children[key], child)
                child = document.derive_schema(
                    f"{schema.pointer}/{keyword}", all_of=both_schemas, applicators=("allOf",)
                )
            children[key] = child
        schema.dependent_schemas = children
        if "dependentSchemas" not in schema.applicators:
            schema.applicators += ("dependentSchemas",)


_DEPENDENT = MappingProxyType(
    {
        "dependencies": "schemas and lists of names",
        "dependentRequired": "lists of names",
        "dependentSchemas": "schemas",
    }
)
"""What each keyword maps its keys to, in words for errors."""


# --- Arrays -------------------------------------------------------------------------------------------------


def read_prefix(document: OpenDocument, schema: Schema, keyword: str, value: Any) -> None:
    """Read `prefixItems`, or a list in `items` of earlier drafts: a schema for each of the first items."""
    schema.prefix = read_children(document, schema, keyword, value)


def read_items(document: OpenDocument, schema: Schema, keyword: str, value: Any) -> None:
    """Read `items`: one schema, or up to 2019-09 a list of them."""
    if value.__class__ is not list:
        read_schema(document, schema, keyword, value)
    elif "prefixItems" in schema.scope.dialect.keywords:
        raise document.keyword_error(
            schema,
            "items",
            "one schema in draft 2020-12",
            "Name the list prefixItems, or set $schema (or draft=) to the draft the schema is written in.",
        )
    else:
        read_prefix(document, schema, keyword, value)


def read_additional_items(document: OpenDocument, schema: Schema, keyword: str, value: Any) -> None:
    """Read `additionalItems`: the schema of the items for which the list in `items` has none."""
    if schema.raw.get("items").__class__ is list:  # without a list it has no effect
        read_schema(document, schema, keyword, value)


def read_unique_items(document: OpenDocument, schema: Schema, keyword: str, value: Any) -> None:
    """Read `uniqueItems`; false is the default and sets nothing."""
    if value.__class__ is not bool:
        raise document.keyword_error(schema, "uniqueItems", "true or false")
    if value:
        schema.unique_items = True


def read_contains(document: OpenDocument, schema: Schema, keyword: str, value: Any) -> None:
    """Read `contains` as from 2020-12 on: items that meet it count as evaluated (`unevaluatedItems`)."""
    read_schema(document, schema, keyword, value)
    schema.contains_evaluates = True


# --- Combinations -------------------------------------------------------------------------------------------


def read_schema(document: OpenDocument, schema: Schema, keyword: str, value: Any) -> None:
    """Read a keyword that holds one schema, such as `not` or `propertyNames`."""
    setattr(schema, field_of(keyword), document.add_child(schema, value, (keyword,)))


def read_schemas(document: OpenDocument, schema: Schema, keyword: str, value: Any) -> None:
    """Read a keyword that holds a list of schemas, such as `allOf`."""
    field = field_of(keyword)
    # Another keyword may have set the field before (a `format` adds to `all_of`): both hold.
    earlier_schemas = getattr(schema, field)
    setattr(schema, field, earlier_schemas + read_children(document, schema, keyword, value))
    schema.applicators += (keyword,)


def read_children(document: OpenDocument, schema: Schema, keyword: str, value: Any) -> Schemas:
    """Return the children for a list of schemas, in its order. They are read later.

    `keyword` is the keyword whose value is the list, for example `anyOf`. Raises `SchemaError` for anything
    else than a list, and for an empty list outside draft 3.
    """
    # draft 3 alone lets the list be empty
    may_be_empty = schema.scope.dialect.draft == "3"
    if value.__class__ is not list or not (value or may_be_empty):
        raise document.keyword_error(schema, keyword, "a list of at least one schema")
    return tuple([document.add_child(schema, member, (keyword, index)) for index, member in enumerate(value)])


def read_if(document: OpenDocument, schema: Schema, keyword: str, value: Any) -> None:
    """Read `if`, `then` or `else`. Without its partner `then` or `else` has no effect."""
    others = ("then", "else") if keyword == "if" else ("if",)
    if not schema.raw.keys().isdisjoint(others):
        read_schema(document, schema, keyword, value)
        schema.applicators += (keyword,)
    elif keyword == "if":
        # `if` alone asserts nothing. But the members that it evaluates matter for `unevaluated*`.
        document.tests.append((schema, value))


def read_reference(document: OpenDocument, schema: Schema, keyword: str, value: Any) -> None:
    """Read `$ref`, `$dynamicRef` or `$recursiveRef`."""
    if keyword == "$recursiveRef" and value != "#":
        raise document.keyword_error(schema, keyword, '"#"')
    if value.__class__ is not str:
        raise document.keyword_error(schema, keyword, "a URI reference in a string")
    document.follow_reference(schema, keyword, value)


def read_property_dependencies(document: OpenDocument, schema: Schema, keyword: str, value: Any) -> None:
    """Read `propertyDependencies`, a proposal of v1: where a property equals a listed string, the schema
    under that string must hold, too. For example `{"kind": {"cat": {"required": ["claws"]}}}`."""
    if value.__class__ is not dict or not all(member.__class__ is dict for member in value.values()):
        raise document.keyword_error(schema, "propertyDependencies", "an object of objects of schemas")
    for name, members in value.items():
        for word, member in members.items():
            pointer = f"{schema.pointer}/propertyDependencies/{escape(name)}/{escape(word)}"
            word_schema = document.derive_schema(pointer, enum=(word,))
            with_word = document.derive_schema(
                pointer, types=TYPES["object"], required=(name,), properties={name: word_schema}
            )
            # A plain `if` would count the property as evaluated. Two negations around it mean the same, and
            # leave the property unevaluated.
            inverse = document.derive_schema(pointer, not_=with_word)
            test = document.derive_schema(pointer, not_=inverse)
            then = document.add_child(schema, member, ("propertyDependencies", name, word))
            schema.all_of += (
                document.derive_schema(pointer, if_=test, then=then, applicators=("if", "then")),
            )
            if "allOf" not in schema.applicators:
                schema.applicators += ("allOf",)


def read_unevaluated(document: OpenDocument, schema: Schema, keyword: str, value: Any) -> None:
    """Read `unevaluatedProperties` or `unevaluatedItems`: the schema of members that no other keyword
    evaluates."""
    read_schema(document, schema, keyword, value)
    document.has_unevaluated = True

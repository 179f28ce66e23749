"""Writes the JSON Schema of a Python type with pydantic, corrected so that pydantic accepts every document of
it.

A *core schema* is pydantic's own description of a type, a dict such as `{"type": "int", "ge": 0}`. pydantic
turns it into a JSON Schema that describes its input. Here the schema prescribes output, and so it differs:

- Where pydantic's validation is stricter than its schema, the schema is made as strict. Examples are the tag
  of a union, digits of a Decimal, keys of a dict, bytes of a string, and the year 0.
- Where pydantic takes several spellings, one is prescribed: a Decimal is a number, a NamedTuple an object.
- Keys that a class would drop are not written at all.
"""

from __future__ import annotations

import inspect
import json
import math
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from enum import Enum
from functools import partial
from types import MappingProxyType
from typing import Annotated, Any, get_origin

from pydantic import ByteSize, TypeAdapter
from pydantic.errors import PydanticUserError
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import CoreSchema, PydanticSerializationError, SchemaValidator

from structgen.asking.python_types.descriptions import (
    add_descriptions,
    class_text,
    field_hints,
    hints_inside,
    member_texts,
    texts_behind,
)
from structgen.asking.python_types.pattern_dialects import ecma_pattern
from structgen.asking.python_types.pydantic_formats import AWARE, NAIVE, REFUSED, make_refusal
from structgen.asking.python_types.temporal_bounds import add_bounds
from structgen.base.errors import UnsupportedError
from structgen.machines.core.string_values import judges_texts

JsonSchema = dict[str, Any]

ATTRS_CLASS = "structgen_attrs_class"
"""The key in the metadata of a core schema whose value is the attrs class that it describes."""
_LABEL = "[a-z][a-z0-9]*(?:-[a-z0-9]+)*"
_PORT = "(?::[1-9][0-9]{0,3})?"
_REST = r"(?:/[A-Za-z0-9._~+=,@-]*)*(?:\?[A-Za-z0-9._~+=,@&/-]*)?"
_BYTE_SIZE = r"^[0-9]{1,15}(?:\.[0-9]{1,3})? ?(?:B|[KMGTPE]i?B)?$"
_KEYS = {
    "int": "^(?:0|-?[1-9][0-9]{0,17})$",
    "float": r"^-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,17})?$",
    "decimal": r"^-?(?:0|[1-9][0-9]{0,8})(?:\.[0-9]{1,6})?$",
    "bool": "^(?:true|false)$",
}
"""The schemas of keys of these types, which are strings in JSON."""
_BOUNDS = ("le", "ge", "lt", "gt", "multiple_of", "max_digits", "decimal_places")
"""The members of a core schema that bound numbers."""
_UNHASHED = MappingProxyType({"list": "list", "dict": "dict", "typed-dict": "dict", "set": "set"})
"""The names of types that Python cannot hash, by the kinds of their core schemas."""
_REFUSED_FUNCTIONS = MappingProxyType(
    {
        ("pydantic._internal._validators", "import_string"): (
            "An ImportString imports the module that a document names.",
            "ImportString",
            "Annotate str, or a Literal of the allowed names, and import in your own code.",
        ),
        ("pydantic.types", "PaymentCardNumber.validate"): (
            "A PaymentCardNumber has a check digit.",
            "PaymentCardNumber",
            "Annotate str with a pattern of digits, and check it in a validator.",
        ),
    }
)
"""The functions of pydantic's types that have no schema here, each with the fault, the kind and the cure."""


def _module_and_name(function: Any) -> tuple[str, str]:
    """Return a function's module and name."""
    name = getattr(function, "__qualname__", repr(function)).rpartition("<locals>.")[2]
    return getattr(function, "__module__", ""), name


def _no_function(function: Any) -> UnsupportedError:
    name = _module_and_name(inspect.unwrap(function.func if isinstance(function, partial) else function))[1]
    return make_refusal(
        f"{'A lambda' if name == '<lambda>' else name} is a function, not a type: it would be called with "
        "what the model writes.",
        "function",
        "Annotate the type of its arguments, such as a dataclass, and call it yourself with the result.",
    )


class TypeSchema(GenerateJsonSchema):
    """Writes the JSON Schema of a type; the value of `schema_generator` of pydantic's
    `TypeAdapter.json_schema`.

    Each method `*_schema` gets a core schema of one kind and returns its JSON Schema.
    """

    _field_class: Any = None
    """The class whose fields are being described; None: no class."""
    _definitions: Mapping[str, Any] = MappingProxyType({})
    """The core schemas to which other core schemas refer, by name."""

    def emit_warning(self, kind: Any, detail: str) -> None:
        """Refuse a union of which pydantic would skip a member with a warning. Other warnings are ignored:
        they are about defaults that JSON cannot express."""
        if kind == "skipped-choice":
            raise make_refusal(detail, "Union", "Remove the member from the union.")

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> JsonSchema:
        """Refuse a type that JSON cannot express."""
        cure = "Annotate a type whose values JSON can write, or give the field a default and exclude it."
        if "__attrs_attrs__" in vars(schema.get("cls", object)):
            cure = "Make the class that contains it a dataclass or an attrs class, not a pydantic model."
        raise make_refusal(
            f"JSON has no values for {error_info.removeprefix('core_schema.')}.", schema["type"], cure
        )

    def is_subclass_schema(self, schema: Any) -> JsonSchema:
        """Refuse `type[X]`, for which pydantic writes a schema of anything."""
        return self.handle_invalid_for_json_schema(schema, "a class as a value")

    def generate_inner(self, schema: Any) -> JsonSchema:
        """Return the JSON Schema of a core schema. Formats that cannot be written here are refused. Functions
        in place of a type are refused, too: pydantic would call them with the values of a document."""
        function = schema.get("function")
        # a class may be called to make its object; a function would run unknown code
        if schema["type"] == "call" and not isinstance(function, type):
            raise _no_function(function)
        function_key = _module_and_name(function["function"]) if isinstance(function, dict) else ("", "")
        if function_key in _REFUSED_FUNCTIONS:
            raise make_refusal(*_REFUSED_FUNCTIONS[function_key])
        json_schema = super().generate_inner(schema)
        text_format = str(json_schema.get("format")) if json_schema.get("type") == "string" else ""
        if text_format in REFUSED:
            raise make_refusal(
                f"{REFUSED[text_format]} ({text_format}).",
                text_format,
                "Use str, and convert it in a validator.",
            )
        if text_format == "ipvanyaddress":
            return {"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]}
        if text_format in ("base64", "base64url") and schema.get("schema", {}).get("type") == "str":
            json_schema["format"] = f"{text_format}-text"
        return json_schema

    def encode_default(self, dft: Any) -> Any:
        """Return the JSON value of a default. Raises PydanticSerializationError for a value that JSON lacks,
        such as infinity; pydantic then leaves the default out."""
        default = super().encode_default(dft)
        try:
            json.dumps(default, allow_nan=False)
        except ValueError as error:
            raise PydanticSerializationError(str(error)) from error
        return default

    # --- numbers --------------------------------------------------------------------------------------------

    def float_schema(self, schema: Any) -> JsonSchema:
        """Return the schema of floats. Its numbers are within the bounds after they are rounded to
        binary64."""
        json_schema = super().float_schema(schema)
        for keyword in ("exclusiveMaximum", "exclusiveMinimum"):
            json_schema.pop(keyword, None)
        return {**json_schema, **_inclusive_bounds(schema)}

    def decimal_schema(self, schema: Any) -> JsonSchema:
        """Return the schema of Decimals, as numbers."""
        json_schema: JsonSchema = {"type": "number", **_inclusive_bounds(schema)}
        if schema.get("multiple_of") is not None:
            json_schema["multipleOf"] = _plain_number(float(schema["multiple_of"]))
        places = schema.get("decimal_places")
        digits = schema.get("max_digits")
        if places is None and digits is None:
            return json_schema
        if digits is None:
            return _combine_schemas(json_schema, _with_places(places, None))
        # pydantic reads numerals as binary64 numbers, which keep 15 digits for certain
        max_places = min(digits, sys.float_info.dig, digits if places is None else places)
        if places is not None:
            # the digits before the point have a bound of their own, and 0 has one digit
            plain = _with_places(max_places, max(digits - places, 0))
            return _combine_schemas(json_schema, plain if digits > places else {**plain, "not": {"const": 0}})
        return _combine_schemas(
            json_schema, {"anyOf": [_with_places(count, digits - count) for count in range(max_places + 1)]}
        )

    def chain_schema(self, schema: Any) -> JsonSchema:
        """Return the schema of a chain of validators. pydantic writes the schema of the first one alone.
        After a grammar, which changes no string, what later ones require of strings is added."""
        json_schema = super().chain_schema(schema)
        if judges_texts(schema["steps"][0]):
            later = map(self.generate_inner, schema["steps"][1:])
            json_schema = {"allOf": [json_schema, *(step for step in later if step.get("type") == "string")]}
        return json_schema

    # --- strings --------------------------------------------------------------------------------------------

    def str_schema(self, schema: Any) -> JsonSchema:
        """Return the schema of strings; the pattern as JSON Schema reads it."""
        json_schema = super().str_schema(schema)
        patterns = []
        pattern = schema.get("pattern")
        if pattern == ByteSize.byte_string_pattern:
            patterns.append(_BYTE_SIZE)
        elif pattern is not None:
            engine = schema.get("regex_engine") or self._config.regex_engine
            rust = isinstance(pattern, str) and engine != "python-re"
            if isinstance(pattern, re.Pattern):
                if pattern.flags & ~(re.UNICODE | re.ASCII | re.DEBUG):
                    raise make_refusal(
                        f"The pattern {pattern.pattern!r} has flags.", "pattern", "Write it without flags."
                    )
                pattern = pattern.pattern
            patterns.append(ecma_pattern(pattern, rust=rust))
        strip = schema.get("strip_whitespace", self._config.str_strip_whitespace)
        if strip and (patterns or json_schema.get("minLength")):
            patterns.append(r"^[^\s\x1c-\x1f\x85](?:[^]*[^\s\x1c-\x1f\x85])?$")
        if schema.get("ascii_only"):
            patterns.append(r"^[\x00-\x7f]*$")
        json_schema.pop("pattern", None)
        if len(patterns) == 1:
            json_schema["pattern"] = patterns[0]
        elif patterns:
            json_schema["allOf"] = [{"pattern": pattern} for pattern in patterns]
        return json_schema

    def bytes_schema(self, schema: Any) -> JsonSchema:
        """Return the schema of bytes: the UTF-8 of a string, or base64 where the model's config says so."""
        spelling = self._config.val_json_bytes
        if spelling == "utf8":
            json_schema = {"type": "string", "format": "binary"}
            self.update_with_validations(json_schema, schema, self.ValidationsMapping.bytes)
            if "maxLength" in json_schema:
                json_schema["pattern"] = r"^[\x00-\x7f]*$"  # one byte for each character
            return json_schema
        if spelling != "base64" or schema.get("min_length") or schema.get("max_length"):
            raise make_refusal(
                "bytes with a length in base64, or in hexadecimal.",
                "bytes",
                "Check the length in a validator.",
            )
        return {"type": "string", "format": "base64"}

    def _temporal_schema(self, schema: Any) -> JsonSchema:
        """Return the schema of dates, times of the day, points in time, or durations."""
        json_schema = getattr(super(), f"{schema['type']}_schema")(schema)
        return add_bounds(_with_zone(json_schema, schema.get("tz_constraint")), schema)

    date_schema = time_schema = datetime_schema = timedelta_schema = _temporal_schema

    def url_schema(self, schema: Any) -> JsonSchema:
        """Return the schema of URLs: names of letters, digits and hyphens, no user, no fragment."""
        schemes = "|".join(map(re.escape, schema.get("allowed_schemes") or ("https", "http")))
        port = "" if schemes == "file" else _PORT
        json_schema: JsonSchema = {
            "type": "string",
            "pattern": rf"^(?:{schemes})://{_LABEL}(?:\.{_LABEL})*{port}{_REST}$",
        }
        if schema.get("max_length") is not None:
            # pydantic measures the URL before it adds the slash after a bare host
            json_schema["maxLength"] = schema["max_length"]
        return json_schema

    def complex_schema(self, schema: Any) -> JsonSchema:
        """Return the schema of complex numbers, as Python writes them."""
        numeral = r"[0-9]{1,9}(?:\.[0-9]{1,9})?"
        return {"type": "string", "pattern": f"^-?{numeral}[+-]{numeral}j$"}

    def fraction_schema(self, schema: Any) -> JsonSchema:
        """Return the schema of fractions: texts such as 3/4, or numbers where there are bounds."""
        if any(schema.get(name) is not None for name in ("le", "ge", "lt", "gt")):
            return self.decimal_schema(schema)
        return {"type": "string", "format": "fraction"}

    def json_schema(self, schema: Any) -> JsonSchema:
        """Refuse JSON inside a string, whose inside the grammar would not see."""
        raise make_refusal("JSON inside a string (Json).", "Json", "Use the type itself, without Json.")

    # --- listed values --------------------------------------------------------------------------------------

    def literal_schema(self, schema: Any) -> JsonSchema:
        """Return the schema of a Literal. Each value must be read back as itself."""
        json_schema = super().literal_schema(schema)
        _require_return(
            schema, json_schema["enum"] if "enum" in json_schema else [json_schema["const"]], "Literal"
        )
        return json_schema

    def enum_schema(self, schema: Any) -> JsonSchema:
        """Return the schema of an Enum. Each value must be read back as itself."""
        json_schema = super().enum_schema(schema)
        _require_return(schema, json_schema["enum"], schema["cls"].__name__)
        if texts := member_texts(schema["cls"]):
            pairs = zip(json_schema.pop("enum"), schema["members"], strict=True)
            json_schema.pop("type", None)
            json_schema["anyOf"] = [
                {"const": value, **({"description": texts[member.name]} if member.name in texts else {})}
                for value, member in pairs
            ]
        return json_schema

    # --- objects and arrays ---------------------------------------------------------------------------------

    def tuple_schema(self, schema: Any) -> JsonSchema:
        """Return the schema of tuples; no items after the unbounded part."""
        index = schema.get("variadic_item_index")
        if index is not None and index + 1 < len(schema["items_schema"]):
            raise make_refusal(
                "a tuple with items after its `...`.", "tuple", "Put the part of any length at the end."
            )
        return super().tuple_schema(schema)

    def definitions_schema(self, schema: Any) -> JsonSchema:
        """Return the schema of a type with definitions, which other methods see while it is made."""
        self._definitions = {definition["ref"]: definition for definition in schema["definitions"]}
        return super().definitions_schema(schema)

    def _common_set_schema(self, schema: Any) -> JsonSchema:
        if name := self._unhashable_name(schema.get("items_schema")):
            raise make_refusal(
                f"A {schema['type']} needs hashable items, and a {name} is not hashable.",
                "set",
                "Annotate a list instead of the set, or items such as tuple[...] and frozen classes.",
            )
        json_schema = super()._common_set_schema(schema)
        if not json_schema["items"]:  # Python hashes no lists and no dicts
            json_schema["items"] = {"type": ["string", "number", "boolean", "null"]}
        return json_schema

    def _unhashable_name(self, schema: Any) -> str:
        """Return the name of a type without a hash that a value of a core schema may be of, or "". Classes,
        and functions around a type, answer for what is inside them."""
        waiting: list[Any] = [schema]
        visited: set[str] = set()
        while waiting:
            match waiting.pop():
                case {"type": kind} if kind in _UNHASHED:
                    return _UNHASHED[kind]
                case {"cls": cls} if cls.__hash__ is None:
                    return str(cls.__name__)
                case {"type": "definition-ref", "schema_ref": ref} if ref not in visited:
                    visited.add(ref)
                    waiting.append(self._definitions[ref])
                case {"type": "nullable" | "default", "schema": inner}:
                    waiting.append(inner)
                case {"type": "tuple", "items_schema": inside}:
                    waiting += inside
                case {"type": "union" | "tagged-union", "choices": choices}:
                    branches = choices.values() if isinstance(choices, dict) else choices
                    waiting += [choice[0] if isinstance(choice, tuple) else choice for choice in branches]
        return ""

    def _common_dict_schema(self, schema: Any) -> JsonSchema:
        json_schema: JsonSchema = {"type": "object"}
        values = schema.get("values_schema")
        inner = self.generate_inner(values) if values is not None else {}
        json_schema["additionalProperties"] = inner if inner else True
        # the core schema of a Counter does not describe its values
        if schema["type"] == "counter":
            json_schema["additionalProperties"] = {"type": "integer"}
        keys = self._key_schema(schema["keys_schema"]) if "keys_schema" in schema else {}
        if keys not in ({}, {"type": "string"}):
            json_schema["propertyNames"] = keys
        self.update_with_validations(json_schema, schema, self.ValidationsMapping.object)
        return json_schema

    def _key_schema(self, schema: Any) -> JsonSchema:
        """Return the schema of the keys of a dict, which are strings in JSON: of any key, any string."""
        kind = schema["type"]
        json_schema = self.generate_inner(schema)
        if kind == "any":
            return json_schema
        if kind in _KEYS:
            bounds = {name for name in _BOUNDS if schema.get(name) is not None}
            if bounds:
                raise make_refusal(
                    f"keys of a dict that are numbers with bounds ({', '.join(sorted(bounds))}).",
                    "dict",
                    "Check the bounds in a validator.",
                )
            return {"pattern": _KEYS[kind]}
        target = self.resolve_ref_schema(json_schema)
        while "allOf" in target:  # the schema of the type stands beside that of annotations
            target = self.resolve_ref_schema(target["allOf"][0])
        values = target.get("enum", [target["const"]] if "const" in target else None)
        if kind == "enum":
            values = [member.value for member in schema["members"]]
        if values is not None:
            if not all(isinstance(value, str) for value in values):
                raise make_refusal("listed keys of a dict that are not strings.", "dict", "List strings.")
        elif target.get("type") != "string":
            raise make_refusal(
                f"keys of a dict of the kind {kind!r}.", "dict", "Use str, int, an Enum, a date."
            )
        return json_schema

    def named_tuple_schema(self, schema: Any) -> JsonSchema:
        """Return the schema of a NamedTuple: an object, whose names tell a model what the values are."""
        properties = dict[str, JsonSchema]()
        required = list[str]()
        hints = field_hints(schema["cls"])
        texts = texts_behind(schema["cls"])
        for field in schema["fields"]:
            alias = field.get("validation_alias")
            field_name = field["name"]
            name = alias if isinstance(alias, str) else field_name
            json_schema = self.generate_inner(field["schema"])
            properties[name] = add_descriptions(json_schema, hints.get(field_name), texts.get(field_name, ""))
            if field["schema"]["type"] != "default":
                required.append(name)
        json_schema = {
            "type": "object",
            "properties": properties,
            **({"required": required} if required else {}),
        }
        return _add_docstring(_close_object(json_schema), schema["cls"])

    def model_schema(self, schema: Any) -> JsonSchema:
        """Return the schema of a model. Keys that the model would ignore are not allowed."""
        cls = schema["cls"]
        with self._fields_of(cls):
            json_schema = _close_object(super().model_schema(schema))
        return (
            add_descriptions(json_schema, field_hints(cls).get("root"))
            if cls.__pydantic_root_model__
            else json_schema
        )

    def dataclass_schema(self, schema: Any) -> JsonSchema:
        """Return the schema of a dataclass. Keys that it would ignore are not allowed."""
        with self._fields_of(schema["cls"]):
            return _close_object(super().dataclass_schema(schema))

    def typed_dict_schema(self, schema: Any) -> JsonSchema:
        """Return the schema of a TypedDict, or of an attrs class; keys that it would ignore are not
        written."""
        cls = schema.get("metadata", {}).get(ATTRS_CLASS)
        with self._fields_of(cls or schema.get("cls")):
            json_schema = _close_object(super().typed_dict_schema(schema))
        title = schema.get("config", {}).get("title")
        json_schema = json_schema if title is None else {"title": title, **json_schema}
        return json_schema if cls is None else _add_docstring(json_schema, cls)

    @contextmanager
    def _fields_of(self, cls: Any) -> Iterator[None]:
        """Set the class whose fields are being described, for the time of a `with` block. None: no class."""
        around = self._field_class
        self._field_class = cls
        try:
            yield
        finally:
            self._field_class = around

    def dataclass_args_schema(self, schema: Any) -> JsonSchema:
        """Return the schema of the fields that a dataclass is made with."""
        fields = [field for field in schema["fields"] if field.get("init", True)]
        init_schema: Any = {**schema, "fields": fields}
        return super().dataclass_args_schema(init_schema)

    def _named_required_fields_schema(self, named_required_fields: Any) -> JsonSchema:
        for name, _, field in named_required_fields:
            alias = field.get("validation_alias")
            if isinstance(alias, list) and self._get_alias_name(field, name) == name and [name] not in alias:
                raise make_refusal(
                    f"The field {name!r} is read from inside another (AliasPath).",
                    "AliasPath",
                    "Add a plain alias: AliasChoices('name', AliasPath(...)).",
                )
        cls = self._field_class
        json_schema = super()._named_required_fields_schema(named_required_fields)
        if cls is not None:
            hints = field_hints(cls)
            texts = texts_behind(cls)
            properties = json_schema["properties"]
            for name, _, field in named_required_fields:
                key = self._get_alias_name(field, name)
                if key in properties:
                    properties[key] = add_descriptions(properties[key], hints.get(name), texts.get(name, ""))
        return json_schema

    def tagged_union_schema(self, schema: Any) -> JsonSchema:
        """Return the schema of a union with a discriminator, whose tag has to be there."""
        json_schema = super().tagged_union_schema(schema)
        discriminator = json_schema.pop("discriminator", None)
        json_schema["anyOf"] = json_schema.pop("oneOf")
        if discriminator is not None:
            # pydantic needs the tag even where the class has a default for it
            json_schema["required"] = [discriminator["propertyName"]]
        return json_schema


def refused_field(hint: Any) -> str:
    """Return the first field whose type is annotated, and refused by itself; "" where none is."""
    for inner, field_name in hints_inside(hint):
        if field_name and get_origin(inner) is Annotated:
            try:
                TypeAdapter(inner).json_schema(schema_generator=TypeSchema)
            except UnsupportedError:
                return field_name
            except PydanticUserError:  # the class can only be read as part of another one
                continue
    return ""


def _add_docstring(json_schema: JsonSchema, cls: Any) -> JsonSchema:
    """Return the schema of a class with its docstring."""
    text = class_text(cls)
    return {"description": text, **json_schema} if text else json_schema


def _close_object(json_schema: JsonSchema) -> JsonSchema:
    if json_schema.get("type") == "object" and "properties" in json_schema:
        json_schema.setdefault("additionalProperties", False)
    return json_schema


def _plain_number(value: float) -> int | float:
    return int(value) if value.is_integer() and abs(value) < 1e15 else value


def _inclusive_bounds(schema: Any) -> JsonSchema:
    """Return the bounds of a number as inclusive ones, since a numeral just below an exclusive bound may
    round to the bound."""
    json_schema: JsonSchema = {}
    for bound, strict, keyword, towards in (
        ("le", "lt", "maximum", -math.inf),
        ("ge", "gt", "minimum", math.inf),
    ):
        limits = [
            _nearest_inside(Decimal(str(schema[name])), towards, name == strict)
            for name in (bound, strict)
            if schema.get(name) is not None and (name == strict or schema[name] != -towards)
        ]
        if limits:
            json_schema[keyword] = _plain_number(min(limits) if towards < 0 else max(limits))
    return json_schema


def _nearest_inside(bound: Decimal, towards: float, strict: bool) -> float:
    """Return the binary64 number nearest to a bound whose shortest text is within the bound.

    `towards` is the infinity on the side of the valid numbers. `strict`: the bound itself is not valid.
    """
    value = float(bound)
    sign = -1 if towards < 0 else 1
    if not bound.is_finite():
        return math.nextafter(value, towards)
    while (inside := (Decimal(repr(value)) - bound) * sign) < 0 or (strict and not inside):
        value = math.nextafter(value, towards)
    return value


def _with_places(places: int, whole_digits: int | None) -> JsonSchema:
    """Return the schema of numbers with at most `places` decimal places and `whole_digits` before the
    point."""
    json_schema: JsonSchema = {"type": "number", "multipleOf": 1 if places == 0 else float(f"1e-{places}")}
    if whole_digits is not None:
        limit = (
            _plain_number(math.nextafter(10.0**whole_digits, 0)) if whole_digits else math.nextafter(1.0, 0)
        )
        json_schema["maximum"], json_schema["minimum"] = limit, -limit
    return json_schema


def _combine_schemas(first: JsonSchema, second: JsonSchema) -> JsonSchema:
    """Return the schema of the values that both schemas accept."""
    if first.keys() & second.keys() <= {"type"}:
        return {**first, **second}
    return {"type": "number", "allOf": [first, second]}


def _with_zone(json_schema: JsonSchema, zone: Any) -> JsonSchema:
    if isinstance(zone, int):
        raise make_refusal("a fixed offset of the time zone.", "tz_constraint", "Check it in a validator.")
    return json_schema if zone is None else {**json_schema, "pattern": NAIVE if zone == "naive" else AWARE}


def _require_return(schema: CoreSchema, values: list[Any], name: str) -> None:
    """Raise unless each listed value, written as JSON, is one of the type's."""
    reader = SchemaValidator(schema)
    for value in values:
        try:
            reader.validate_json(json.dumps(value, allow_nan=False))
        except ValueError:
            cure = "List strings, numbers, booleans or None."
            members = (type(member) for member in schema.get("expected", ()) if isinstance(member, Enum))
            for cls in members:
                cure = f"Write class {cls.__name__}({type(value).__name__}, Enum), or annotate it whole."
            raise make_refusal(
                f"The value {value!r} of {name} cannot be written as JSON.", name, cure
            ) from None

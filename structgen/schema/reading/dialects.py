"""The dialects: the keywords of each draft of JSON Schema, with their readers.

A draft is a `Dialect`: a table from keyword to the function that reads it, so that a keyword that a draft
does not know is simply not in its table. Sources: the JSON Schema drafts 3, 4, 6, 7, 2019-09 and 2020-12
(Core and Validation) and their meta-schemas.
"""

from __future__ import annotations

from functools import lru_cache

from structgen.schema.reading import draft3, keywords
from structgen.schema.reading.draft_names import DRAFTS
from structgen.schema.reading.schema_place import Dialect, Reader

_ANNOTATIONS = frozenset(("$schema", "title", "description", "default", "definitions", "$defs"))


@lru_cache(maxsize=len(DRAFTS))
def dialect(draft: str) -> Dialect:
    """Return the dialect of one of DRAFTS; made once for each."""
    since = DRAFTS.index(draft)
    six, seven, y2019, y2020, v1 = since >= 2, since >= 3, since >= 4, since >= 5, since >= 6
    readers: dict[str, Reader] = {
        "$ref": keywords.read_ref,
        "type": keywords.read_type,
        "enum": keywords.read_enum,
        "minimum": keywords.bound("minimum", "minimum", None if six else "exclusiveMinimum"),
        "maximum": keywords.bound("maximum", "maximum", None if six else "exclusiveMaximum"),
        "exclusiveMinimum": (
            keywords.bound("exclusiveMinimum", "exclusive_minimum", None)
            if six
            else keywords.exclusive_flag("exclusiveMinimum")
        ),
        "exclusiveMaximum": (
            keywords.bound("exclusiveMaximum", "exclusive_maximum", None)
            if six
            else keywords.exclusive_flag("exclusiveMaximum")
        ),
        "multipleOf": keywords.read_multiple_of,
        "minLength": keywords.counter("minLength", "min_length"),
        "maxLength": keywords.counter("maxLength", "max_length"),
        "pattern": keywords.read_pattern,
        "format": keywords.read_format,
        "properties": keywords.read_properties,
        "patternProperties": keywords.read_pattern_properties,
        "additionalProperties": keywords.one_schema("additionalProperties", "additional"),
        "required": keywords.read_required,
        "minProperties": keywords.counter("minProperties", "min_properties"),
        "maxProperties": keywords.counter("maxProperties", "max_properties"),
        "dependencies": keywords.read_dependencies,
        "items": keywords.read_items if y2020 else keywords.read_items_any,
        "minItems": keywords.counter("minItems", "min_items"),
        "maxItems": keywords.counter("maxItems", "max_items"),
        "uniqueItems": keywords.read_unique_items,
        "allOf": keywords.list_of_schemas("allOf", "all_of"),
        "anyOf": keywords.list_of_schemas("anyOf", "any_of"),
        "oneOf": keywords.list_of_schemas("oneOf", "one_of"),
        "not": keywords.one_schema("not", "not_"),
    }
    locations = {
        "definitions": "map",
        "$defs": "map",
        "properties": "map",
        "patternProperties": "map",
        "dependencies": "map",
        "additionalProperties": "one",
        "items": "any",
        "not": "one",
        "allOf": "list",
        "anyOf": "list",
        "oneOf": "list",
    }
    annotations = set(_ANNOTATIONS)
    if not y2020:
        readers["additionalItems"] = keywords.read_additional_items
        locations["additionalItems"] = "one"
    if six:
        readers.update(
            {
                "const": keywords.read_const,
                "contains": keywords.contains(evaluates=y2020),
                "propertyNames": keywords.one_schema("propertyNames", "property_names"),
            }
        )
        locations.update({"contains": "one", "propertyNames": "one"})
        annotations.update(("$id", "examples"))
    else:
        annotations.add("id")
    if seven:
        readers.update(
            {
                "if": keywords.read_if,
                "then": keywords.branch("then", "then"),
                "else": keywords.branch("else", "else_"),
            }
        )
        locations.update({"if": "one", "then": "one", "else": "one"})
        annotations.update(("$comment", "contentEncoding", "contentMediaType", "readOnly", "writeOnly"))
    if y2019:
        readers.update(
            {
                "dependentRequired": keywords.read_dependent_required,
                "dependentSchemas": keywords.read_dependent_schemas,
                "minContains": keywords.counter("minContains", "min_contains", beside="contains"),
                "maxContains": keywords.counter("maxContains", "max_contains", beside="contains"),
                "unevaluatedItems": keywords.unevaluated("unevaluatedItems", "unevaluated_items"),
                "unevaluatedProperties": keywords.unevaluated(
                    "unevaluatedProperties", "unevaluated_properties"
                ),
                "$recursiveRef": keywords.read_recursive_ref,
            }
        )
        locations.update(
            {
                "dependentSchemas": "map",
                "unevaluatedItems": "one",
                "unevaluatedProperties": "one",
                "contentSchema": "one",
            }
        )
        annotations.update(("$anchor", "$recursiveAnchor", "$vocabulary", "deprecated", "contentSchema"))
    if y2020:
        del readers["$recursiveRef"]
        annotations.remove("$recursiveAnchor")
        readers.update({"prefixItems": keywords.read_prefix_items, "$dynamicRef": keywords.read_dynamic_ref})
        locations["prefixItems"] = "list"
        annotations.add("$dynamicAnchor")
    if v1:
        readers["propertyDependencies"] = keywords.read_property_dependencies
        locations["propertyDependencies"] = "maps"
    if draft == "3":
        draft3.replace(readers, locations)
    return Dialect(
        draft=draft,
        keywords=readers,
        locations=locations,
        annotations=frozenset(annotations),
        id_key="$id" if six else "id",
        anchors=("$anchor", "$dynamicAnchor") if y2020 else ("$anchor",) if y2019 else (),
        hides_siblings=not y2019,
        booleans=six,
        plain_integers=not six,
        dynamic_anchor="$dynamicAnchor" if y2020 else "$recursiveAnchor" if y2019 else "",
    )

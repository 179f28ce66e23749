"""The keywords of a draft that a meta-schema's `$vocabulary` keeps.

Source: JSON Schema Core 2019-09 and 2020-12, section 8.1.2 (vocabularies), and their vocabulary meta-schemas.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from structgen.schema.reading.schema_place import Dialect

_APPLICATORS = (
    "additionalItems additionalProperties allOf anyOf contains dependencies dependentSchemas else if items "
    "not oneOf patternProperties prefixItems properties propertyNames then"
)
_UNEVALUATED = "unevaluatedItems unevaluatedProperties"
_VALIDATION = (
    "const dependentRequired enum exclusiveMaximum exclusiveMinimum maxContains maxItems maxLength "
    "maxProperties maximum minContains minItems minLength minProperties minimum multipleOf pattern required "
    "type uniqueItems"
)
_KEYWORDS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "2019-09": {
            "core": "$ref $recursiveRef",
            "applicator": f"{_APPLICATORS} {_UNEVALUATED}",
            "validation": _VALIDATION,
            "meta-data": "",
            "format": "format",
            "content": "contentEncoding contentMediaType contentSchema",
        },
        "2020-12": {
            "core": "$ref $dynamicRef",
            "applicator": _APPLICATORS,
            "unevaluated": _UNEVALUATED,
            "validation": _VALIDATION,
            "meta-data": "",
            "format-annotation": "format",
            "format-assertion": "format",
            "content": "contentEncoding contentMediaType contentSchema",
        },
    }
)


def with_vocabularies(known: Dialect, meta: Mapping[str, Any]) -> Dialect:
    """Return a draft's dialect with the vocabularies alone that a meta-schema names in `$vocabulary`.

    Without that member it is the whole draft, as in drafts that know no vocabularies. A vocabulary that is
    required and not known is in `unknown_vocabularies` of the dialect: its schemas must be refused.
    """
    named = meta.get("$vocabulary")
    groups = _KEYWORDS.get(known.draft)
    if groups is None or not isinstance(named, dict):
        return known
    kept = set(groups["core"].split())
    unknown = []
    asserted = False
    for uri, required in named.items():
        draft, _, name = uri.rpartition("/vocab/")
        if draft == f"https://json-schema.org/draft/{known.draft}" and name in groups:
            kept.update(groups[name].split())
            # 2020-12 Validation, section 7.2.2: true or false, whoever knows the vocabulary asserts.
            asserted = asserted or name == "format-assertion"
        elif required:
            unknown.append(uri)
    return replace(
        known,
        keywords={name: reader for name, reader in known.keywords.items() if name in kept},
        asserts_formats=asserted,
        unknown_vocabularies=tuple(unknown),
    )

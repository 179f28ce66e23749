"""The sample schemas: what they claim is what an independent validator says, and they show every keyword."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
from for_each import for_each
from nonempty import nonempty

from structgen.decoding.runs import resources

SAMPLES = sorted(nonempty(resources.schemas_folder().glob("*.json")))

KEYWORDS = set(
    "$ref $defs $id $anchor definitions id type enum const properties required additionalProperties"
    " patternProperties items prefixItems additionalItems minItems maxItems minProperties maxProperties"
    " minLength maxLength pattern format minimum maximum exclusiveMinimum exclusiveMaximum multipleOf"
    " allOf anyOf oneOf not dependencies".split()
)

FORMATS = set(
    "date-time date time duration email hostname ipv4 ipv6 uri uri-reference iri iri-reference uuid"
    " uri-template json-pointer relative-json-pointer".split()
)
"""The standard formats that are asserted; idn-email, idn-hostname and regex are refused by name."""


def load(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


@for_each("path", SAMPLES)
def test_labels_are_those_of_an_independent_validator(path: Path) -> None:
    sample = load(path)
    validator = jsonschema_rs.validator_for(sample["schema"], validate_formats=True)
    assert [test["valid"] for test in sample["tests"]] == [
        validator.is_valid(test["data"]) for test in sample["tests"]
    ]


@for_each("path", SAMPLES)
def test_sample_has_valid_and_invalid_instances(path: Path) -> None:
    assert {test["valid"] for test in load(path)["tests"]} == {True, False}


def test_samples_show_every_keyword_and_format() -> None:
    seen: set[str] = set()
    formats: set[str] = set()
    heap: list[Any] = [load(path)["schema"] for path in SAMPLES]
    while heap:
        part = heap.pop()
        if isinstance(part, dict):
            seen |= part.keys()
            if isinstance(part.get("format"), str):
                formats.add(part["format"])
            heap.extend(part.values())
        elif isinstance(part, list):
            heap.extend(part)
    assert seen >= KEYWORDS
    assert formats >= FORMATS


def test_samples_cover_the_drafts_from_4_to_2020_12() -> None:
    drafts = {
        load(path)["schema"]["$schema"].partition("json-schema.org/")[2].rstrip("#") for path in SAMPLES
    }
    assert drafts == {
        "draft-04/schema",
        "draft-06/schema",
        "draft-07/schema",
        "draft/2019-09/schema",
        "draft/2020-12/schema",
    }

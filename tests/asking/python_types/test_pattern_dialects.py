"""Patterns of Rust and Python: whatever the translation matches, the original matches."""

from __future__ import annotations

import json
import re
import warnings
from typing import Annotated

import pytest
from for_each import for_each

pytest.importorskip("pydantic")

from pydantic import Field, TypeAdapter
from type_walks import documents

import structgen as sg
from structgen.asking.python_types.pattern_dialects import ecma_pattern

BOTH = [
    r"^\d+\D\w\W\s\S$",
    r"^[\d_]+[^\d][\D][\W\S]$",
    r"^[^\W\s]{2,}?[\s\S]$",
    r"^[]a][^]a][a\-z][-a][a-]$",
    r"^a{2}b{1,}c{0,3}$",
    r"^(?:a|(b))(?P<name>c)$",
    r"^\x41\u00e9\t\.\-\"\/\]\}$",
    r"\Aab\.c",
    r"^}$",
]
RUST = [r"^\pL\p{Nd}[\p{Lu}x]\P{L}$", r"^\x{1F600}\u{e9}$", r"\Ab\z"]
PYTHON = [r"^[[a]{$", r"^(?=a)[ab](?!\W)[b-]$", r"^(?<!a)b[^\D]\Z", r"^[\b]$", r"^a{,2}$"]


@for_each("pattern", BOTH + RUST)
def test_rust_matches_what_the_translation_matches(pattern: str) -> None:
    hint = Annotated[str, Field(pattern=pattern)]
    for document in documents(hint, 40, length=12):
        TypeAdapter(hint).validate_json(document)


@for_each("pattern", BOTH + PYTHON)
def test_python_matches_what_the_translation_matches(pattern: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of `[[`, which may be a set one day
        original = re.compile(pattern)
    for document in documents(Annotated[str, Field(pattern=original)], 40, length=12):
        assert original.search(json.loads(document))


@pytest.mark.parametrize(
    "pattern", [r"\bx", r"(?i)x", r"(?x: a)", r"[a[b]]", r"[a--b]", r"\<", r"\1", r"a**"]
)
def test_what_differs_is_refused_by_name(pattern: str) -> None:
    with pytest.raises(sg.errors.UnsupportedError, match="interpret it differently") as caught:
        ecma_pattern(pattern, rust=True)
    assert caught.value.keyword == "pattern"

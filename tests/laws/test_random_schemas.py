"""Random schemas of rare keywords: no walk is stuck, and documents are taken exactly where two validators and
the policies say so. `make walks WALK="--random 5000 --seed N"` tries thousands."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from structgen.doors.maskbench.vocabularies import load_tokenizer
from structgen.schema.reading import dialects

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))

import attacks
from judging import Outcome
from two_judges import has_lone
from walks import BAD, Subject, Vocabulary

SEED, SIZE, PARTS = 2026, 36, 4


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return Vocabulary(load_tokenizer("small"))


def faults(vocabulary: Vocabulary, subject: Subject) -> list[tuple[str, str, str]]:
    """Return what must not be: kind, label and text."""
    outcome = Outcome(subject.name)
    attacks.attack(subject, outcome, vocabulary, walks=3, tokens=20, seconds=1.0, seed=SEED)
    return [(one["row"], one["label"], one["text"]) for one in outcome.faults if one["label"] in BAD]


def subjects(*, lone: bool) -> list[Subject]:
    """Return the schemas of the seed that name a lone surrogate, or those that do not."""
    made = attacks.random_subjects(SEED, SIZE)
    return [subject for subject in made if has_lone(json.loads(subject.schema)) is lone]


@pytest.mark.parametrize("part", range(PARTS))
def test_masks_take_what_two_validators_take(vocabulary: Vocabulary, part: int) -> None:
    for subject in subjects(lone=False)[part::PARTS]:
        assert not faults(vocabulary, subject), (subject.schema, subject.options)


def test_masks_of_schemas_with_lone_surrogates(vocabulary: Vocabulary) -> None:
    for subject in subjects(lone=True):
        assert not faults(vocabulary, subject), (subject.schema, subject.options)


@pytest.mark.parametrize(
    ("keyword", "schema", "label"),
    [
        (
            "dependentRequired",
            {"dependentRequired": {key: ["zz"] for key in ("a", "b", "c", "é")}},
            "invalid",
        ),
        (
            "unevaluatedProperties",
            {"anyOf": [{"properties": {"a": True}}], "unevaluatedProperties": False},
            "invalid",
        ),
        ("propertyNames", {"type": "object", "propertyNames": {"pattern": "é"}}, "invalid"),
        (
            "$dynamicRef",
            {"$dynamicAnchor": "n", "type": "array", "items": {"$dynamicRef": "#n"}},
            "invalid",
        ),
        ("anyOf", {"not": {"anyOf": [{"type": "object"}, {"type": "string"}]}}, "lost"),
    ],
)
def test_a_keyword_that_is_not_read_is_found(
    vocabulary: Vocabulary, monkeypatch: pytest.MonkeyPatch, keyword: str, schema: Any, label: str
) -> None:
    monkeypatch.setitem(dialects.dialect_of("2020-12").keywords, keyword, lambda *_: None)
    found = Counter(one for _, one, _ in faults(vocabulary, attacks.subject_of("one", schema)))
    assert set(found) == {label}


def test_a_spelling_that_a_policy_lacks_is_found(
    vocabulary: Vocabulary, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = attacks.subject_of("one", {}, attacks.ESCAPES[2])
    assert not faults(vocabulary, subject)
    read = attacks.sg.json_schema
    monkeypatch.setattr(
        attacks.sg, "json_schema", lambda schema, **given: read(schema, **{**given, "escapes": "utf8"})
    )
    assert {label for _, label, _ in faults(vocabulary, subject)} == {"invalid", "lost"}

"""Random schemas of rare keywords: no walk is stuck, and documents are taken exactly where two validators and
the policies say so. `make walks WALK="--random 5000 --seed N"` tries thousands."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from structgen.maskbench.vocabularies import load
from structgen.schema.reading import dialects

BENCH = Path(__file__).parent.parent.parent / "bench"
SEED, SIZE, PARTS = 2026, 48, 4


@pytest.fixture(scope="module")
def attacks() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCH))
        import attacks

        yield attacks
        for name in ("attacks", "walks", "suite", "violators"):
            sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def vocabulary(attacks: Any) -> Any:
    from walks import Vocabulary

    return Vocabulary(load("small"))


def faults(attacks: Any, vocabulary: Any, subject: Any) -> list[tuple[str, str, str]]:
    """Return what must not be: kind, label and text."""
    from walks import BAD

    outcome = attacks.attack(subject, vocabulary, walks=3, tokens=20, seconds=1.0, seed=SEED)
    told = (
        (fault["kind"], fault["why"].partition(":")[0], fault.get("text", "")) for fault in outcome.faults
    )
    return [one for one in told if one[1] in BAD]


def subjects(attacks: Any, *, lone: bool) -> list[Any]:
    """Return the schemas of the seed that name a lone surrogate, or those that do not."""
    from two_judges import has_lone

    made = (attacks.subject(SEED, number) for number in range(SIZE))
    return [subject for subject in made if has_lone(json.loads(subject.schema)) is lone]


@pytest.mark.parametrize("part", range(PARTS))
def test_masks_take_what_two_validators_take(attacks: Any, vocabulary: Any, part: int) -> None:
    for subject in subjects(attacks, lone=False)[part::PARTS]:
        assert not faults(attacks, vocabulary, subject), (subject.schema, subject.options)


def test_masks_of_schemas_with_lone_surrogates(attacks: Any, vocabulary: Any) -> None:
    for subject in subjects(attacks, lone=True):
        assert not faults(attacks, vocabulary, subject), (subject.schema, subject.options)


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
    attacks: Any, vocabulary: Any, monkeypatch: pytest.MonkeyPatch, keyword: str, schema: Any, label: str
) -> None:
    monkeypatch.setitem(dialects.dialect("2020-12").keywords, keyword, lambda *_: None)
    found = Counter(one for _, one, _ in faults(attacks, vocabulary, attacks.subject_of("one", schema)))
    assert set(found) == {label}


def test_a_spelling_that_a_policy_lacks_is_found(
    attacks: Any, vocabulary: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = attacks.subject_of("one", {}, attacks.ESCAPES[2])
    assert not faults(attacks, vocabulary, subject)
    read = attacks.sg.json_schema
    monkeypatch.setattr(
        attacks.sg, "json_schema", lambda schema, **given: read(schema, **{**given, "escapes": "utf8"})
    )
    assert {label for _, label, _ in faults(attacks, vocabulary, subject)} == {"invalid", "lost"}

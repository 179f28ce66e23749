"""Schemas narrowed to what a text states: held to a plain reading of the rule over random schemas, texts and
documents, judged by `jsonschema` and by the pieces that a text was made of."""

from __future__ import annotations

import itertools
import json
import random
import re
from typing import Any

import pytest
from for_each import for_each

pytest.importorskip("babel")
pytest.importorskip("text_to_num")

import structgen as sg
from structgen.asking.grounding.grounded_grammar import checked_texts, grounded_grammar
from structgen.asking.grounding.narrowing import narrow_grammar
from structgen.asking.grounding.stated_text import StatedText
from structgen.base.errors import GroundedWarning, NotStatedError, OptionError
from structgen.machines.core.string_values import grammar_accepts as takes
from structgen.machines.core.string_values import over_bytes

jsonschema = pytest.importorskip("jsonschema")

CODE = "^[A-Z]{2}-[0-9]{3}$"
LEAVES: dict[str, dict[str, Any]] = {
    "integer": {"type": "integer"},
    "small": {"type": "integer", "maximum": 40},
    "number": {"type": "number"},
    "date": {"type": "string", "format": "date"},
    "code": {"type": "string", "pattern": CODE},
    "free": {"type": "string", "maxLength": 3},
    "label": {"enum": ["a", "b", 7]},
    "flag": {"type": "boolean"},
    "inferred": {"type": "integer", "x-inferred": True},
}
PIECES = ["12", "35", "61.5", "2026-10-09", "2025-01-31", "AB-123", "QX-907", "words", "and more"]
VALUES = [12, 35, 77, 61.5, 8.25, "2026-10-09", "2024-02-02", "AB-123", "ZZ-000", "abc", "a", 7, True, None]


def states(text: str, kind: str, value: Any) -> bool:
    """Return whether a text states a value at a leaf, by the pieces that it was made of."""
    pieces = text.split(" | ")
    if kind in ("free", "label", "flag", "inferred"):
        return True
    return (str(value) if not isinstance(value, str) else value) in pieces


def random_schema(rng: random.Random, depth: int) -> dict[str, Any]:
    pick = rng.random()
    if depth == 0 or pick < 0.35:
        return {"leaf": rng.choice([*LEAVES])}
    if pick < 0.7:
        names = "pqr"[: rng.randint(1, 2)]
        members = {name: random_schema(rng, depth - 1) for name in names}
        return {"object": members, "required": [name for name in names if rng.random() < 0.6]}
    if pick < 0.85:
        return {"list": random_schema(rng, 0), "least": rng.choice([0, 0, 1])}
    return {"optional": random_schema(rng, depth - 1)}


def json_schema_of(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    match node:
        case {"leaf": kind}:
            return dict(LEAVES[kind])
        case {"object": members, "required": required}:
            made = {
                "type": "object",
                "properties": {name: json_schema_of(one, definitions) for name, one in members.items()},
                "required": required,
                "additionalProperties": False,
            }
            name = f"d{len(definitions)}"
            definitions[name] = made
            return {"$ref": f"#/$defs/{name}"}
        case {"list": item, "least": least}:
            return {
                "type": "array",
                "items": json_schema_of(item, definitions),
                "minItems": least,
                "maxItems": 2,
            }
        case {"optional": one}:
            return {"anyOf": [json_schema_of(one, definitions), {"type": "null"}]}
    raise AssertionError(node)


def accepts(node: dict[str, Any], value: Any, text: str) -> bool:
    """Return whether a document is one of the schema that the text states: the rule, read plainly."""
    match node:
        case {"leaf": kind}:
            valid = jsonschema.Draft202012Validator(
                LEAVES[kind], format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
            ).is_valid(value)
            return valid and states(text, kind, value)
        case {"object": members, "required": required}:
            return (
                isinstance(value, dict)
                and value.keys() <= members.keys()
                and all(name in value for name in required)
                and all(accepts(members[name], one, text) for name, one in value.items())
            )
        case {"list": item, "least": least}:
            return (
                isinstance(value, list)
                and least <= len(value) <= 2
                and all(accepts(item, one, text) for one in value)
            )
        case {"optional": one}:
            return value is None or accepts(one, value, text)
    raise AssertionError(node)


def documents(node: dict[str, Any], rng: random.Random) -> list[Any]:
    """Return documents of the shape of a schema, valid and not."""
    match node:
        case {"leaf": _}:
            return rng.sample(VALUES, 8)
        case {"object": members}:
            found = []
            for one in itertools.islice(
                itertools.product(*(documents(part, rng) for part in members.values())), 40
            ):
                found.append(
                    {name: value for name, value in zip(members, one, strict=True) if rng.random() < 0.85}
                )
            return found
        case {"list": item}:
            inside = documents(item, rng)
            return [[], *([one] for one in inside), *(rng.sample(inside, 2) for _ in range(4))]
        case {"optional": one}:
            return [None, *documents(one, rng)]
    raise AssertionError(node)


def written(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


@for_each("seed", range(60))
def test_a_document_is_one_of_the_narrowed_schema_if_the_text_states_it(seed: int) -> None:
    rng = random.Random(seed)
    node = random_schema(rng, 2)
    definitions: dict[str, Any] = {}
    schema = json_schema_of(node, definitions)
    text = " | ".join(rng.sample(PIECES, rng.randint(1, len(PIECES))))
    grammar = sg.json_schema({**schema, "$defs": definitions}, whitespace="compact", property_order="any")
    tried = [one for one in documents(node, rng) if json.dumps(one)]
    wanted = [accepts(node, one, text) for one in tried]
    try:
        held = over_bytes(grounded_grammar(grammar, StatedText({"text": text})))
    except NotStatedError:
        assert not any(wanted)
        return
    found = [held.step_bytes(held.start, written(one).encode()) for one in tried]
    assert [state is not None and held.accepts_end(state) for state in found] == wanted


pytestmark = pytest.mark.filterwarnings("ignore::structgen.errors.GroundedWarning")


def narrowed_texts(schema: Any, text: str, candidates: list[Any], **how: Any) -> list[Any]:
    """Return which of some values are documents of a schema that a text states."""
    held = over_bytes(grounded_grammar(sg.json_schema(schema), StatedText({"text": text}), **how))
    ended = {written(one): held.step_bytes(held.start, written(one).encode()) for one in candidates}
    return [
        one for one in candidates if (state := ended[written(one)]) is not None and held.accepts_end(state)
    ]


def test_an_error_names_the_field_and_the_text() -> None:
    schema = {
        "type": "object",
        "properties": {"bill": {"$ref": "#/$defs/Bill"}},
        "required": ["bill"],
        "$defs": {
            "Bill": {"type": "object", "properties": {"total": {"type": "number"}}, "required": ["total"]}
        },
    }
    with pytest.raises(NotStatedError, match="states no number for /bill/total") as caught:
        grounded_grammar(sg.json_schema(schema), StatedText({"mail": "no figures here"}))
    assert (caught.value.path, caught.value.texts) == ("/bill/total", {"mail": "no figures here"})
    assert caught.value.where == "#/$defs/Bill/properties/total"


def test_only_required_places_are_free() -> None:
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer"}, "m": {"anyOf": [{"type": "integer"}, {"type": "null"}]}},
        "required": ["n", "m"],
    }
    candidates = [{"n": 5, "m": None}, {"n": 5, "m": 6}]
    assert narrowed_texts(schema, "nothing", candidates, free=True) == candidates[:1]


def test_listed_values_and_what_is_inferred_stay() -> None:
    place = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    schema = {
        "type": "object",
        "properties": {"seen": {"$ref": "#/$defs/p"}, "thought": {"x-inferred": True, "$ref": "#/$defs/p"}},
        "required": ["seen", "thought"],
        "$defs": {"p": place},
    }
    candidates = [{"seen": {"n": 4}, "thought": {"n": 9}}, {"seen": {"n": 9}, "thought": {"n": 4}}]
    assert narrowed_texts(schema, "4 apples", candidates) == candidates[:1]


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        ({"type": "string", "pattern": CODE}, "order ab-123", "AB-123"),
        ({"type": "string", "pattern": "^[A-Z]{2}[0-9]{4}$"}, "IBAN DE12-34", "DE1234"),
        ({"type": "string", "format": "email"}, "write to tom@lind.example.", "tom@lind.example"),
        (
            {"type": "string", "format": "uuid"},
            "id 123e4567-e89b-12d3-a456-426614174000!",
            "123e4567-e89b-12d3-a456-426614174000",
        ),
        ({"type": ["integer", "null"], "minimum": 10}, "9 or 12", 12),
        ({"anyOf": [{"type": "integer"}, {"type": "boolean"}]}, "there are 12", 12),
        ({"allOf": [{"type": "integer"}, {"minimum": 10}]}, "9 or 12", 12),
        ({"type": "string", "pattern": CODE}, "注文AB-123は東京", "AB-123"),
        (
            {"type": "string", "format": "date", "allOf": [{"pattern": "^2026"}, {"pattern": "-1.$"}]},
            "from 8 October 2026 to 12 October 2026",
            "2026-10-12",
        ),
        (
            {"type": "string", "format": "date", "anyOf": [{"pattern": "^2027"}, {"pattern": "-1.$"}]},
            "from 8 October 2026 to 12 October 2026",
            "2026-10-12",
        ),
        ({"type": "number", "allOf": [{"multipleOf": 1}]}, "61.40 on 9 May 2026", 9),
    ],
)
def test_a_value_that_stands_there_is_allowed_and_another_is_not(schema: Any, text: str, value: Any) -> None:
    other = value + 1 if isinstance(value, int) else value.replace("1", "7").replace("tom", "tim")
    assert narrowed_texts(schema, text, [value, other]) == [value]


def test_names_of_members_are_stated_ones_where_they_have_a_format() -> None:
    dates, words = (
        {"type": "object", "propertyNames": one} for one in ({"format": "date"}, {"pattern": "^x"})
    )
    candidates: list[dict[str, Any]] = [{}, {"2026-10-09": True}, {"2025-10-09": True}]
    assert narrowed_texts(dates, "on 9 October 2026", candidates) == candidates[:2]
    assert narrowed_texts(words, "nothing", [{"xy": True}]) == [{"xy": True}]


def test_a_pattern_of_many_runs_is_not_listed_and_holds_all_the_same() -> None:
    text = " ".join(f"x{at}" for at in range(400))
    schema = {"type": "string", "pattern": "^x[0-9]+$"}
    assert narrowed_texts(schema, text, ["x7", "x399", "x400", "y7"]) == ["x7", "x399"]


def test_free_strings_are_runs_of_the_text_where_quotes_is_said() -> None:
    candidates = ["Harbour Books", "arbour Books", "Harbour", "books", "Books asks"]
    held = narrowed_texts({"type": "string"}, "Harbour\n  Books asks", candidates, quotes=True)
    assert held == ["Harbour Books", "Harbour", "Books asks"]
    assert narrowed_texts({"type": "string"}, "Harbour Books", candidates) == candidates


def test_a_type_that_nothing_is_stated_of_is_told() -> None:
    with pytest.warns(GroundedWarning, match="no value that a text could state"):
        grounded_grammar(sg.json_schema({"type": "boolean"}), StatedText({"text": "yes"}))


@pytest.mark.parametrize("given", [3, [], {}, {"a": 1}, [("a", "x"), ("a", "y")], {"a": "\ud800"}])
def test_texts_that_are_none_are_refused(given: Any) -> None:
    with pytest.raises(OptionError, match="grounded"):
        checked_texts(given)


@pytest.mark.parametrize("text", ["", "漢字だけ", "\u202e12\u202c", "9" * 400, "1 " * 20_000, "-" * 50_000])
def test_odd_texts_are_read(text: str) -> None:
    schema = {"type": "object", "properties": {"n": {"type": ["integer", "null"]}, "s": {"type": "string"}}}
    grammar = grounded_grammar(sg.json_schema(schema), StatedText({"text": text}), quotes=True)
    assert over_bytes(grammar).step_bytes(over_bytes(grammar).start, b"{") is not None


def test_the_outline_is_that_of_the_schema() -> None:
    grammar = sg.json_schema({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]})
    held = grounded_grammar(grammar, StatedText({"text": "3 or 4"}))
    assert held != grammar
    assert held.outline is not None
    assert held.outline() == grammar.outline()
    assert re.search("3|4", held.outline()) is None


def test_more_different_values_than_can_be_listed_are_told() -> None:
    grammar = sg.json_schema({"type": "integer"})
    with pytest.raises(OptionError, match="more than 20,000 different values"):
        grounded_grammar(grammar, StatedText({"text": "; ".join(map(str, range(20_002)))}))


def test_draft_3_is_refused_and_draft_4_is_held() -> None:
    for draft in ("4", "7", "2019-09"):
        grammar = sg.json_schema({"type": ["integer", "null"]}, draft=draft)
        held = over_bytes(grounded_grammar(grammar, StatedText({"text": "3 or 4"})))
        found = {text: held.step_bytes(held.start, text.encode()) is not None for text in ("3", "5", "null")}
        assert found == {"3": True, "5": False, "null": True}
    with pytest.raises(sg.errors.UnsupportedError, match="draft 3"):
        grounded_grammar(sg.json_schema({"type": "integer"}, draft="3"), StatedText({"text": "3"}))


@pytest.mark.parametrize("kind", ["integer", "small", "number", "date", "code"])
def test_a_key_leaves_the_stated_values_as_they_are(kind: str) -> None:
    texts = StatedText({"text": " | ".join(PIECES)})
    plain, marked = (
        narrow_grammar(sg.json_schema({**LEAVES[kind], **mark}), texts).grammar.schema
        for mark in ({}, {"x-key": True})
    )
    assert plain == marked


NUMBER: dict[str, Any] = {"type": "integer"}
TAGGED: dict[str, Any] = {"properties": {"t": {"const": "x"}}, "required": ["t"]}


@for_each(
    ("schema", "stated", "other"),
    [
        ({"properties": {"n": NUMBER}}, {"n": 5}, {"n": 6}),
        ({"patternProperties": {"^n": NUMBER}}, {"n": 5}, {"n": 6}),
        ({"additionalProperties": NUMBER}, {"n": 5}, {"n": 6}),
        ({"items": NUMBER}, [5], [6]),
        ({"prefixItems": [NUMBER]}, [5], [6]),
        ({"prefixItems": [True], "items": NUMBER}, [6, 5], [6, 6]),
        ({"prefixItems": [True], "unevaluatedItems": NUMBER}, [6, 5], [6, 6]),
        ({"properties": {"a": True}, "unevaluatedProperties": NUMBER}, {"a": 6, "n": 5}, {"n": 6}),
        ({"propertyNames": {"format": "date"}}, {"2026-10-09": 6}, {"2026-10-08": 6}),
        ({"if": TAGGED, "then": {"properties": {"n": NUMBER}}}, {"t": "x", "n": 5}, {"t": "x", "n": 6}),
        ({"if": TAGGED, "else": {"properties": {"n": NUMBER}}}, {"n": 5}, {"n": 6}),
        ({"dependentSchemas": {"a": {"properties": {"n": NUMBER}}}}, {"a": 1, "n": 5}, {"a": 1, "n": 6}),
        ({"anyOf": [NUMBER, {"type": "string"}]}, 5, 6),
        ({"oneOf": [NUMBER, {"type": "string"}]}, 5, 6),
        ({"allOf": [NUMBER]}, 5, 6),
        ({"$ref": "#/$defs/n"}, 5, 6),
        ({"$ref": "#n"}, 5, 6),
        ({"$dynamicRef": "#n"}, 5, 6),
        ({"$ref": "#/$defs/n", "$comment": "x"}, 5, 6),
        ({"properties": {"o": {"$ref": "#"}, "n": NUMBER}}, {"o": {"n": 5}}, {"o": {"n": 6}}),
        ({"allOf": [{"$ref": "#/$defs/n"}], "maximum": 5}, 5, 6),
        ({"type": ["object", "integer"], "properties": {"n": NUMBER}}, {"n": 5}, {"n": 6}),
    ],
)
def test_each_kind_of_place_is_held(schema: Any, stated: Any, other: Any) -> None:
    whole = {**schema, "$defs": {"n": {**NUMBER, "$dynamicAnchor": "n"}}}
    grammar = sg.json_schema(whole, whitespace="compact", property_order="any")
    assert [takes(over_bytes(grammar), written(one)) for one in (stated, other)].count(True) >= 1
    held = over_bytes(grounded_grammar(grammar, StatedText({"text": "5 on 9 October 2026"})))
    assert [takes(held, written(one)) for one in (stated, other)] == [True, False]


@pytest.mark.parametrize(
    ("schema", "text", "documents"),
    [
        ({"oneOf": [NUMBER, {"const": 7}]}, "5 or 7", [5]),
        ({"not": {"$ref": "#/$defs/n"}, "enum": [5, "x"]}, "Ada", ["x"]),
        ({"not": {"$ref": "#n"}, "enum": [5, "x"]}, "Ada", ["x"]),
        ({"if": {"$ref": "#/$defs/n"}, "then": {"const": 7}, "else": {"const": "x"}}, "Ada", [7, "x"]),
        ({"type": "array", "contains": {"$ref": "#/$defs/n"}}, "Ada", [[6]]),
        ({"not": {"items": NUMBER, "type": "array"}}, "Ada", [5, 6, 7, "x"]),
        ({"anyOf": [NUMBER, {"const": 7}]}, "Ada", [7]),
        ({"anyOf": [NUMBER, {"enum": [6, 7]}]}, "5", [5, 6, 7]),
        ({"anyOf": [{**NUMBER, "minimum": 10, "maximum": 7}, {"type": "string"}]}, "5", ["x"]),
        ({"type": ["string", "integer"], "minimum": 10, "maximum": 7}, "5", ["x"]),
        ({"type": "array", "items": {**NUMBER, "minimum": 10, "maximum": 7}}, "5", []),
        ({"type": "array", "prefixItems": [True, NUMBER], "minItems": 1}, "Ada", [[6]]),
        ({"type": ["integer", "array"], "format": "small"}, "5 and 6", [5, [6]]),
    ],
)
def test_what_is_denied_or_counted_is_as_the_schema_says(schema: Any, text: str, documents: Any) -> None:
    whole = {**schema, "$defs": {"n": {**NUMBER, "$anchor": "n"}}}
    grammar = sg.json_schema(whole, custom_formats={"small": {"maximum": 5}})
    held = over_bytes(grounded_grammar(grammar, StatedText({"text": text}), report=None))
    assert [one for one in (5, 6, 7, "x", [6]) if takes(held, written(one))] == documents


@pytest.mark.parametrize(
    ("definitions", "documents"),
    [
        ({"a": {"allOf": [{"type": "number"}, {"$ref": "#/$defs/a"}]}}, [{"p": 12}, {"q": "x"}]),
        ({"a": {"$ref": "#/$defs/a", "type": "number"}}, [{"p": 12}, {"q": "x"}]),
        (
            {"a": {"$ref": "#/$defs/b", "minimum": 3}, "b": {"$ref": "#/$defs/a", **NUMBER, "maximum": 9}},
            [{"q": 12}, {"q": "x"}],
        ),
        (
            {
                "a": {
                    "allOf": [{"$ref": "#/$defs/a/properties/c"}],
                    "properties": {"c": {"$ref": "#/$defs/a"}},
                }
            },
            [{"p": 7}, {"p": 12}, {"p": "x"}],
        ),
    ],
)
def test_references_that_come_back_to_themselves_say_what_stands_beside_them(
    definitions: Any, documents: Any
) -> None:
    members = {"p": {"$ref": "#/$defs/a"}, "q": {"not": {"$ref": "#/$defs/a"}}}
    candidates = [{name: value} for name in "pq" for value in (7, 12, "x")]
    schema = {"properties": members, "$defs": definitions}
    assert narrowed_texts(schema, "12", candidates) == documents


def test_members_keep_the_order_in_which_the_schema_names_them() -> None:
    branches = [{"properties": {"c": NUMBER}}, {"required": ["d"]}]
    schema = {"allOf": [{"properties": {"b": True}}], "properties": {"a": True}, "oneOf": branches}
    held = over_bytes(grounded_grammar(sg.json_schema(schema), StatedText({"text": "5"})))
    found = {text: takes(held, text) for text in ('{"b": 1, "a": 2, "c": 5}', '{"b": 1, "c": 5, "a": 2}')}
    plain = over_bytes(sg.json_schema(schema))
    assert found == {text: takes(plain, text) for text in found} and [*found.values()] == [True, False]


def test_quotes_are_held_beside_branches_that_overlap() -> None:
    members = [
        {"type": "object", "properties": {name: {"type": "string"}}, "required": [name]} for name in "nm"
    ]
    candidates = [{"n": "Ada"}, {"m": "Lind"}, {"n": "Bob"}, {"n": "Ada", "m": "Lind"}]
    found = narrowed_texts({"oneOf": members}, "Ada Lind", candidates, quotes=True)
    assert found == candidates[:2]


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"n": {**NUMBER, "minimum": 10, "maximum": 7}}},
        {"$defs": {"n": {**NUMBER, "minimum": 10, "maximum": 7}}},
        {"not": {"properties": {"n": NUMBER}, "required": ["n"]}},
        {"not": {"not": {"properties": {"n": NUMBER}}}},
    ],
)
@pytest.mark.parametrize("text", ["", "(((", "()[]", "; ".join(map(str, range(10_000)))])
def test_contradictions_denials_and_odd_texts_leave_documents(schema: Any, text: str) -> None:
    held = over_bytes(grounded_grammar(sg.json_schema(schema), StatedText({"text": text}), report=None))
    assert takes(held, "{}")


def test_a_schema_of_other_drafts_and_scopes_is_held_as_its_references_lead() -> None:
    resources: dict[str, Any] = {
        "http://e.org/old": {
            "$schema": "http://json-schema.org/draft-04/schema#",
            "definitions": {"pair": {"items": [{"$ref": "#/definitions/n"}], "additionalItems": False}},
            "id": "http://e.org/old",
        },
        "http://e.org/list": {
            "type": "array",
            "items": {"$dynamicRef": "#T"},
            "$defs": {"T": {"$dynamicAnchor": "T", "type": "string"}},
        },
    }
    resources["http://e.org/old"]["definitions"]["n"] = {**NUMBER, "minimum": 3, "exclusiveMinimum": True}
    schema = {
        "$id": "http://e.org/root",
        "properties": {"old": {"$ref": "old#/definitions/pair"}, "list": {"$ref": "list"}},
        "$defs": {"T": {"$dynamicAnchor": "T", **NUMBER}},
    }
    grammar = sg.json_schema(schema, resources=resources)
    held = over_bytes(grounded_grammar(grammar, StatedText({"text": "3 or 5"})))
    found = {text: takes(held, text) for text in ("[5]", "[3]", "[6]", "[5, 5]", '["x"]')}
    olds = {text: takes(held, f'{{"old": {text}}}') for text in found}
    lists = {text: takes(held, f'{{"list": {text}}}') for text in found}
    assert [text for text in found if olds[text]] == ["[5]"]
    assert [text for text in found if lists[text]] == ["[5]", "[3]", "[5, 5]"]


def test_integers_of_draft_4_are_written_without_a_fraction() -> None:
    grammar = sg.json_schema({"type": "integer"}, draft="4", numbers="any")
    held = over_bytes(grounded_grammar(grammar, StatedText({"text": "36"})))
    assert [takes(held, text) for text in ("36", "36.0")] == [True, False]


def test_definitions_that_share_definitions_are_read_once() -> None:
    layers: dict[str, Any] = {
        f"d{at}": {"anyOf": [{"$ref": f"#/$defs/d{at + 1}"}, {"allOf": [{"$ref": f"#/$defs/d{at + 1}"}]}]}
        for at in range(40)
    }
    schema = {"$ref": "#/$defs/d0", "$defs": {**layers, "d40": NUMBER}}
    with pytest.raises(NotStatedError, match="states no number for the value"):
        grounded_grammar(sg.json_schema(schema), StatedText({"text": "none"}))


def test_a_pattern_of_a_month_takes_the_months_that_are_stated() -> None:
    def values(pattern: str, text: str) -> list[str]:
        grammar = sg.json_schema({"type": "string", "pattern": pattern})
        schema: Any = narrow_grammar(grammar, StatedText({"text": text})).grammar.schema
        return schema["enum"]

    assert values(r"^\d{4}-\d{2}$", "Born in April 1985, hired on 3 May 2024.") == ["1985-04", "2024-05"]
    assert values(r"^\d{4}-\d{2}$", "Filed 2024-06.") == ["2024-06"]
    assert values("^[0-9-]+$", "April 1985") == ["1985"]

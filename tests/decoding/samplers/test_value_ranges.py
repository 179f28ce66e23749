"""The ranges of numbers in valid texts: against jsonschema, against the shortest texts, and against schemas
whose ranges are plain to see."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import jsonschema
import pytest
from for_each import for_each
from pydantic import BaseModel, Field

import structgen as sg
from structgen.base.limits import Limits
from structgen.decoding.samplers.intervals.value_ranges import ITEM, LENGTH, ValueRanges, find_value_ranges
from structgen.decoding.samplers.problem import read_grammar
from structgen.errors import UnsatisfiableSchema
from structgen.machines.core.grammar import Grammar

BYTES = sg.Tokenizer.from_bytes([bytes((byte,)) for byte in range(256)] + [None], 256)
GRID = [at / 4 for at in range(-12, 13)]
"""Numbers of documents: whole ones, and some between them. The bounds of random schemas are among them."""


def ranges_of(schema: Any, max_tokens: int = 100, tokenizer: sg.Tokenizer = BYTES) -> ValueRanges:
    grammar = schema if isinstance(schema, Grammar) else sg.json_schema(schema)
    return find_value_ranges(sg.compile(grammar, tokenizer), max_tokens)


def of_object(**members: Any) -> dict[str, Any]:
    return {"type": "object", "properties": members}


def number(low: float, high: float) -> dict[str, Any]:
    return {"type": "number", "minimum": low, "maximum": high}


DRAFT_4 = "http://json-schema.org/draft-04/schema#"
A_TREE = of_object(of=number(1, 2), inside={"$ref": "#/$defs/tree"})
LONG_X = {"type": "string", "minLength": 3, "pattern": "^x$"}
"""No string is one."""
PLAIN = [
    # bounds of numbers, and of integers
    ({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, (), (0, 1)),
    ({"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 5}, (), (1, 4)),
    ({"type": "integer", "minimum": -0.5, "maximum": 4.5}, (), (0, 4)),
    ({"type": "integer", "exclusiveMinimum": -1.5, "exclusiveMaximum": 1.5}, (), (-1, 1)),
    (
        {
            "$schema": DRAFT_4,
            "type": "integer",
            "minimum": 0,
            "exclusiveMinimum": True,
            "maximum": 5,
            "exclusiveMaximum": False,
        },
        (),
        (1, 5),
    ),
    ({"enum": [7, -2.5, 3]}, (), (-2.5, 7)),
    ({"const": 7}, (), (7, 7)),
    ({"enum": [1, 2, 9], "maximum": 5}, (), (1, 2)),
    ({"type": "boolean"}, (), (0, 1)),
    ({"const": True}, (), (1, 1)),
    # what has no bounds
    ({"type": "number"}, (), None),
    ({"type": "number", "minimum": 0}, (), None),
    ({"type": "integer", "minimum": 0, "maximum": 10**400}, (), None),
    ({"type": ["integer", "null"], "minimum": 0, "maximum": 5}, (), None),
    ({"minimum": 0, "maximum": 5}, (), None),
    (True, (), None),
    # several schemas at one place
    ({"allOf": [number(0, 5), number(3, 9)]}, (), (3, 5)),
    ({"anyOf": [number(0, 5), number(7, 9)]}, (), (0, 9)),
    ({"oneOf": [{"type": "integer", "minimum": 0, "maximum": 5}, {"enum": [8.5]}]}, (), (0, 8.5)),
    ({**number(0, 9), "oneOf": [{"maximum": 5}, {"maximum": 7}]}, (), (5, 7)),
    ({**number(0, 9), "if": {"minimum": 5}, "then": {"maximum": 6}, "else": {"maximum": 1}}, (), (0, 6)),
    ({**number(0, 9), "not": {"minimum": 5}}, (), (0, 5)),
    ({"type": "integer", "minimum": 0, "maximum": 9, "not": {"enum": [9, 8]}}, (), (0, 7)),
    ({"$ref": "#/$defs/one", "$defs": {"one": number(2, 3)}}, (), (2, 3)),
    # members
    (of_object(a=number(0, 1)), ("a",), (0, 1)),
    (of_object(a=number(0, 1)), ("b",), None),
    ({**of_object(a=number(0, 1)), "additionalProperties": False}, ("b",), None),
    ({**of_object(a=number(0, 1)), "additionalProperties": number(5, 6)}, ("b",), (5, 6)),
    ({**of_object(), "patternProperties": {"^x": number(0, 1), "y$": number(0.5, 3)}}, ("xy",), (0.5, 1)),
    ({"anyOf": [of_object(a=number(0, 1)), of_object(a=number(5, 6))]}, ("a",), (0, 6)),
    ({"allOf": [of_object(a=number(0, 6)), of_object(a=number(5, 9))]}, ("a",), (5, 6)),
    ({**A_TREE, "$defs": {"tree": A_TREE}}, ("inside", "inside", "of"), (1, 2)),
    (of_object(a=number(0, 1)), (), None),
    (of_object(a={**of_object(b=number(0, 1), c=LONG_X), "required": ["c"]}), ("a", "b"), None),
    # items and lengths
    ({"type": "array", "items": number(0, 1)}, (ITEM,), (0, 1)),
    ({"type": "array", "prefixItems": [number(0, 1)], "items": number(5, 6)}, (ITEM,), (0, 6)),
    ({"type": "array", "prefixItems": [number(0, 1)], "items": False}, (ITEM,), (0, 1)),
    ({"type": "array", "prefixItems": [number(0, 1), False], "items": number(5, 6)}, (ITEM,), (0, 1)),
    ({"type": "array", "items": of_object(a=number(0, 1))}, (ITEM, "a"), (0, 1)),
    ({"type": "array", "minItems": 2, "maxItems": 5}, (LENGTH,), (2, 5)),
    ({"type": "array", "prefixItems": [number(0, 1)] * 3, "items": False}, (LENGTH,), (0, 3)),
    ({"type": "array", "maxItems": 0}, (LENGTH,), (0, 0)),
    ({"anyOf": [{"type": "array", "maxItems": 2}, {"type": "string"}]}, (LENGTH,), (0, 2)),
    (of_object(a={"type": "array", "items": {"type": "array", "maxItems": 3}}), ("a", ITEM, LENGTH), (0, 3)),
    (of_object(length=number(4, 5)), (LENGTH,), (4, 5)),
    ({"type": "array", "maxItems": 2}, (LENGTH, "a"), None),
]


@for_each("schema, path, expected", PLAIN)
def test_the_range_at_a_path_is_what_the_schema_says(schema, path, expected):
    assert ranges_of(schema).range_at(path) == expected


# Random schemas: a range holds all numbers of the documents that jsonschema accepts.


def random_schema(draw: random.Random, depth: int) -> Any:
    """Return a schema of numbers, objects and lists; it may refer to `#/$defs/d`."""
    kind = draw.random()
    if kind < 0.1:
        return {"$ref": "#/$defs/d"}
    if depth == 0 or kind < 0.3:
        found: dict[str, Any] = {"type": draw.choice(["integer", "number", "number"])}
        for keyword in draw.sample(["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"], 2):
            found[keyword] = draw.choice(GRID[:12] if "Min" in keyword or keyword == "minimum" else GRID[12:])
        listed = {"enum": draw.sample(GRID, 4)}
        return draw.choice([found, found, found, listed, {"maximum": 1}, {"type": ["integer", "null"]}])

    def inner() -> Any:
        return random_schema(draw, depth - 1)

    if kind < 0.55:
        match draw.choice(["allOf", "anyOf", "oneOf", "not", "if"]):
            case "not":
                return {"allOf": [inner(), {"not": inner()}]}
            case "if":
                return {"if": inner(), "then": inner(), "else": inner()}
            case keyword:
                return {keyword: [inner(), inner()]}
    found = {"type": "object"} if kind < 0.8 else {"type": "array"}
    if kind < 0.8:
        beside = {
            "properties": lambda: {"a": inner(), draw.choice("bc"): inner()},
            "patternProperties": lambda: {"^[bx]": inner()},
            "additionalProperties": inner,
            "required": lambda: ["a"],
            "dependentSchemas": lambda: {"a": of_object(b=inner())},
        }
    else:
        beside = {
            "prefixItems": lambda: [inner(), inner()],
            "items": inner,
            "minItems": lambda: draw.randint(0, 2),
            "maxItems": lambda: draw.randint(1, 3),
            "contains": inner,
        }
    found |= {keyword: make() for keyword, make in beside.items() if draw.random() < 0.6}
    return found


def random_document(draw: random.Random, depth: int) -> Any:
    kind = draw.random()
    if depth == 0 or kind < 0.4:
        return draw.choice([*GRID, *map(int, GRID), 100, None, True, "x"])
    if kind < 0.75:
        return {key: random_document(draw, depth - 1) for key in "abcx" if draw.random() < 0.5}
    return [random_document(draw, depth - 1) for _ in range(draw.randint(0, 3))]


def found_at(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every value in a document with its path."""
    yield path, value
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from found_at(inner, (*path, key))
    elif isinstance(value, list):
        yield (*path, LENGTH), len(value)
        for inner in value:
            yield from found_at(inner, (*path, ITEM))


@pytest.mark.parametrize("count", [100, pytest.param(2_000, marks=pytest.mark.slow)])
def test_no_number_of_a_valid_document_leaves_its_range(count):
    draw, asked = random.Random(95), 0
    for _ in range(count):
        schema = {"allOf": [random_schema(draw, 2)], "$defs": {"d": random_schema(draw, 0)}}
        if "#/$defs/d" in str(schema["$defs"]):
            continue  # it would be its own definition
        valid = jsonschema.Draft202012Validator(schema).is_valid
        documents = [one for one in (random_document(draw, 2) for _ in range(150)) if valid(one)]
        try:
            known = ranges_of(schema, 1000)
        except UnsatisfiableSchema:
            assert not documents, schema
            continue
        places = [place for document in documents for place in found_at(document)]
        within = {path: known.range_at(path) for path, _ in places}
        for path, value in places:
            if (found := within[path]) is not None:
                assert isinstance(value, int | float), (schema, path, value)
                assert found[0] <= value <= found[1], (schema, path, value, found)
                asked += 1
    assert asked > 4 * count


def test_the_range_of_an_integer_is_that_of_the_valid_integers():
    """Of all that bounds and lists say, joined by `allOf` and `anyOf`: the integers are tried one by one."""

    def bounds(depth: int) -> Any:
        if depth and draw.random() < 0.7:
            return {draw.choice(["allOf", "anyOf"]): [bounds(depth - 1) for _ in range(2)]}
        keyword = draw.choice(["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "enum"])
        return {keyword: draw.sample(GRID, 5) if keyword == "enum" else draw.choice(GRID)}

    draw, kinds = random.Random(96), set()
    for _ in range(300):
        schema = {"type": "integer", **bounds(3)}
        judge = jsonschema.Draft202012Validator(schema)
        valid = [value for value in range(-5, 6) if judge.is_valid(value)]
        if not valid:
            continue
        is_bounded = not {-5, 5} & {*valid}
        expected = (valid[0], valid[-1]) if is_bounded else None
        assert ranges_of(schema).range_at(()) == expected, schema
        kinds.add(is_bounded)
    assert kinds == {True, False}


# The length of lists: how many items the tokens can write.


def longest_list(tokens: list[bytes], most: int) -> int:
    """Return the most items of a list of 1 that so many tokens write, by trying all ways to write one."""
    steps = {
        ("", "["): "open",
        ("open", "1"): "item",
        ("item", ","): "comma",
        ("comma", "1"): "item",
        ("item", "]"): "",
        ("open", "]"): "",
    }
    reached, best = {("", 0, True)}, -1
    for _ in range(most):
        after = set()
        for state, count, is_new in reached:
            for token in tokens:
                now, items, fresh = state, count, is_new
                for char in token.decode():
                    if char == " " and (now or fresh):
                        continue
                    step = steps.get((now, char)) if now or fresh else None
                    if step is None:
                        break
                    now, items, fresh = step, items + (char == "1"), False
                else:
                    after.add((now, items, fresh))
        reached = after
        best = max([best, *(count for state, count, is_new in reached if not state and not is_new)])
    return best


def test_no_list_is_longer_than_its_range_whatever_the_tokens():
    draw, singles = random.Random(97), [b"[", b"]", b"1", b",", b" "]
    for _ in range(40):
        pieces = ["".join(draw.choices("1, []", (4, 4, 1, 1, 1), k=draw.randint(2, 6))) for _ in range(12)]
        tokens = [*singles, *(piece.encode() for piece in pieces)]
        tokenizer = sg.Tokenizer.from_bytes([*tokens, None], len(tokens))
        for most in (2, 5, 9):
            found = ranges_of({"type": "array", "items": {"const": 1}}, most, tokenizer).range_at((LENGTH,))
            assert found is not None
            assert longest_list(tokens, most) <= found[1]


@for_each("max_tokens, most", [(2, 0), (3, 1), (4, 1), (5, 2), (101, 50)])
def test_of_bytes_a_list_has_as_many_items_as_fit(max_tokens, most):
    assert ranges_of({"type": "array"}, max_tokens).range_at((LENGTH,)) == (0, most)


def test_where_no_list_fits_there_is_no_range():
    assert ranges_of({"type": "array", "minItems": 60}, 100).range_at((LENGTH,)) is None


def test_commas_in_a_row_are_no_items():
    tokens = [*map(bytes, zip(range(256))), b"," * 30, b", , , ,", None]
    known = ranges_of({"type": "array"}, 10, sg.Tokenizer.from_bytes(tokens, 258))
    assert known.range_at((LENGTH,)) == (0, 11)


def test_a_text_has_at_most_the_characters_of_the_longest_tokens():
    tokenizer = sg.Tokenizer.from_bytes([b"a", b"bcd", None], 2)
    assert ranges_of(sg.regex("[abcd]*"), 5, tokenizer).text_length == (0, 15)


# What stands around a schema.


class Sender(BaseModel):
    age: Annotated[int, Field(ge=18, lt=150)]
    tags: Annotated[list[str], Field(max_length=4)] = []
    level: Literal[1, 3] = 1
    weight: float | None = None


class Letter(BaseModel):
    sender: Sender
    copies: list[Sender]


@for_each(
    "path, expected",
    [
        (("sender", "age"), (18, 149)),
        (("sender", "tags", LENGTH), (0, 4)),
        (("copies", ITEM, "age"), (18, 149)),
        (("copies", ITEM, "level"), (1, 3)),
        (("sender", "weight"), None),
        (("sender",), None),
    ],
)
def test_a_type_has_the_ranges_of_its_schema(path, expected):
    assert ranges_of(read_grammar(Letter)[0]).range_at(path) == expected


class Narrower(Grammar):
    """A schema's texts, perhaps not all of them."""

    def __init__(self, around: Grammar) -> None:
        self.around = around

    def compiled(self, tokenizer, limits, store):
        made = self.around.compiled(tokenizer, limits, store)
        made.grammar = self
        return made


def test_a_grammar_around_a_schema_has_its_ranges():
    compiled = sg.compile(Narrower(sg.json_schema(number(1, 2))), BYTES, store=False)
    assert find_value_ranges(compiled, 10).range_at(()) == (1, 2)


class WithoutDocuments(Narrower):
    """One whose texts are no documents of the schema."""

    policies = None


def test_texts_that_are_no_documents_have_no_ranges():
    compiled = sg.compile(WithoutDocuments(sg.json_schema(number(1, 2))), BYTES, store=False)
    assert find_value_ranges(compiled, 10).range_at(()) is None


def test_numbers_in_texts_of_a_pattern_have_no_ranges():
    assert ranges_of(sg.regex("[0-9]")).range_at(()) is None


def test_where_a_limit_ends_the_search_there_is_no_range():
    either = {"anyOf": [of_object(**{key: number(1, 2), "a": number(1, 2)}) for key in "pqrs"]}
    schema = of_object(far={"allOf": [either, either, either]}, near=number(3, 4))
    compiled = sg.compile(sg.json_schema(schema), BYTES, limits=Limits(alternatives=3))
    known = find_value_ranges(compiled, 100)
    assert known.range_at(("far", "a")) is None
    assert known.range_at(("near",)) == (3, 4)


def test_asking_changes_nothing_of_the_compiled_grammar():
    compiled = sg.compile(sg.json_schema(of_object(a=number(1, 2))), BYTES, store=False)
    before = compiled.sizes
    find_value_ranges(compiled, 10).range_at(("a",))
    assert compiled.sizes == before

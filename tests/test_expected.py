"""What may come next, in words: held to the bytes that may come, and to what a person should read."""

from __future__ import annotations

import json
import random
import re
from functools import cache
from typing import Any

import pytest
from compiled_texts import reached
from for_each import for_each

import structgen as sg
from structgen.base.language.expectation import Expected
from structgen.machines.json_machine.expected import MOST
from structgen.tokens.tokenizer import byte_tokenizer

ORDER = {
    "type": "object",
    "properties": {
        "id": {"type": "integer", "minimum": 1, "maximum": 99},
        "half": {"type": "number", "exclusiveMinimum": 0, "multipleOf": 0.5},
        "code": {"type": "string", "minLength": 2, "maxLength": 4},
        "tag": {"type": "string", "pattern": "^[a-c]x"},
        "mode": {"enum": ["on", "off", "on/é", 'o"\n😀', 3, 4.5, None, True]},
        "list": {"type": "array", "items": {"type": ["boolean", "object"]}, "minItems": 1, "maxItems": 2},
        "free": True,
        'na"me\t': {"not": {"enum": ["a", "b"]}},
    },
    "required": ["id", "code"],
    "additionalProperties": False,
}
OPEN = {
    "properties": {"ab": {"type": "null"}, "aé": {"const": 1}},
    "patternProperties": {"^x-": {"type": "string"}},
    "additionalProperties": {"type": "boolean"},
}
FLAT = {
    "type": "object",
    "properties": {
        key: {"type": ["null", "integer"]} for key in ("a", "ab", 'a"b', "a\\", "é", "a\tc", "😀", "id")
    },
    "required": ["ab", "id"],
    "additionalProperties": False,
}
TREE = {
    "anyOf": [
        {"type": "object", "properties": {"a": {"$ref": "#"}, "b": {"const": "leaf"}}, "required": ["a"]},
        {"type": "array", "items": {"$ref": "#"}},
        {"type": "integer"},
    ]
}
SCHEMAS: dict[str, Any] = {"order": ORDER, "open": OPEN, "flat": FLAT, "tree": TREE, "any": True}
POLICIES: dict[str, dict[str, Any]] = {
    "default": {},
    "widest": dict(sg.WIDEST),
    "oneline": {"whitespace": "oneline", "numbers": "plain"},
    "indent": {"whitespace": 2, "property_order": "any"},
}


@cache
def compiled(name: str, policy: str) -> sg.CompiledGrammar:
    return sg.compile(sg.json_schema(SCHEMAS[name], **POLICIES[policy]), byte_tokenizer(), store=False)


def at(text: str | bytes, name: str = "order", policy: str = "widest") -> list[Expected]:
    grammar = compiled(name, policy)
    state = reached(grammar, text.encode() if isinstance(text, str) else text)
    return grammar.expected(state)


def whats(text: str | bytes, name: str = "order", policy: str = "widest") -> list[str]:
    return [item.what for item in at(text, name, policy)]


def texts_of(grammar: sg.CompiledGrammar, chance: random.Random, text: bytes = b"") -> list[bytes]:
    """Return prefixes of a random text of the language: random bytes for a while, then the shortest end."""
    begun, found = grammar.step_bytes(grammar.start, text), [text]
    assert begun is not None
    state = begun
    for _ in range(chance.randint(0, 60)):
        following = grammar.next_bytes(state)
        if not following:
            break
        # plain characters and escapes more often than the many bytes of UTF-8
        liked = [byte for byte in following if byte in b'"\\u0e{}[]:,abxcodn/'] or list(following)
        byte = bytes((chance.choice(liked if chance.random() < 0.9 else list(following)),))
        after = reached(grammar, byte, state)
        state, text = after, text + byte
        found.append(text)
    end = grammar.completion(state)
    return found + [text + end[:length] for length in range(1, len(end) + 1)]


UNNAMED = 'a key that the schema does not name that does not match "^x-"'
CASES = [(name, policy) for name in SCHEMAS for policy in POLICIES]


@for_each(("name", "policy"), CASES)
def test_every_item_has_an_allowed_byte_and_every_allowed_byte_an_item(name: str, policy: str) -> None:
    grammar, chance = compiled(name, policy), random.Random(f"{name} {policy}")
    for _ in range(3):
        for text in texts_of(grammar, chance):
            state = reached(grammar, text)
            items, allowed = grammar.expected(state), set(grammar.next_bytes(state))
            ends = [item for item in items if not item.first]
            assert set().union(*(item.first for item in items)) == allowed, text
            assert [item.what for item in ends] == ["the end of the document"] * state.is_complete, text
            assert all(list(item.first) == sorted(set(item.first)) for item in items), text


@for_each(("name", "policy"), CASES)
def test_items_differ_and_their_sources_are_places_of_the_schema(name: str, policy: str) -> None:
    grammar, chance = compiled(name, policy), random.Random(f"{name} {policy}")
    for text in texts_of(grammar, chance):
        state = reached(grammar, text)
        items = grammar.expected(state)
        assert len({item.what for item in items}) == len(items)
        for source in {source for item in items for source in item.sources}:
            place = SCHEMAS[name]
            for part in source.split("/")[1:]:
                place = place[int(part)] if isinstance(place, list) else place[part.replace("%22", '"')]
            assert place is not None


def keys_in(items: list[Expected]) -> set[str]:
    found = (re.fullmatch(r"the key (\".*\")(?: \(required\))?", item.what) for item in items)
    return {json.loads(match[1]) for match in found if match}


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", ["flat", "open"])
def test_a_key_is_named_exactly_where_it_can_be_written_out(name: str, policy: str) -> None:
    grammar, chance = compiled(name, policy), random.Random(policy)
    seen = 0
    for _ in range(12):
        for text in texts_of(grammar, chance, b"{"):
            state = reached(grammar, text)
            items, opened = grammar.expected(state), grammar.step_bytes(state, b'"')
            if opened is None or not any(item.what.startswith(("the key", "a key")) for item in items):
                continue
            keys = [(key, json.dumps(key, ensure_ascii=False)) for key in SCHEMAS[name]["properties"]]
            can = {key for key, text in keys if grammar.step_bytes(opened, (text[1:] + ":").encode())}
            assert keys_in(items) == can, text
            seen += len(can)
    assert seen


def spelled(word: str) -> list[bytes]:
    """Return a word as json.dumps writes it, and all in escapes, in either case."""
    units = word.encode("utf-16-be", "surrogatepass").hex()
    lower = "".join("\\u" + units[i : i + 4] for i in range(0, len(units), 4))
    return [
        json.dumps(word, ensure_ascii=False).encode()[1:-1],
        lower.encode(),
        lower.replace("d", "D").encode(),
    ]


@pytest.mark.parametrize("word", ["on", "off", "on/é", 'o"\n😀'])
def test_a_listed_string_is_named_all_along_its_spellings(word: str) -> None:
    said = json.dumps(word, ensure_ascii=False)
    for text in spelled(word):
        for length in range(len(text)):
            items = at(b'{"mode":"' + text[:length])
            assert any(said in item.what and text[length] in item.first for item in items), text[:length]


@pytest.mark.parametrize("word", ["off", 'o"\n😀'])
def test_a_listed_string_is_not_named_off_its_spellings(word: str) -> None:
    said = json.dumps(word, ensure_ascii=False)
    for text in (b"on", b"\\u006f\\u006e", b"on\\u"):
        assert not any(said in what for what in whats(b'{"mode":"' + text))


@for_each(
    ("text", "expected"),
    [
        ("", ["an object", "white space"]),
        ("{", ['the key "code" (required)', 'the key "id" (required)']),
        ('{"', ['more of the key "code"', 'more of the key "id"']),
        ('{"id"', ['":"', "white space"]),
        ('{"id":', ["an integer from 1 to 99", "white space"]),
        ('{"id":5', ['"," (the key "code" must still come)']),
        ('{"half":1', ['"," (the keys "id" and "code" must still come)']),
        ('{"half":', ["a multiple of 0.5, greater than 0", "white space"]),
        ('{"code":', ["a string of 2 to 4 characters", "white space"]),
        ('{"code":"a', ["1 to 3 more characters"]),
        ('{"code":"ab', ["at most 2 more characters", "the closing quote"]),
        ('{"code":"\\', ["an escape sequence"]),
        (b'{"code":"\xc3', ["the next byte of a character in UTF-8"]),
        ('{"tag":"', ['"\\\\" or "a" to "c" (a string that matches "^[a-c]x")']),
        ('{"mode":', ["null", "one of 3, 4.5", "true"]),
        ('{"mode":"o', ['one of "o\\"\\n😀", "off", "on", "on/é"']),
        ('{"mode":"off', ["the closing quote"]),
        ('{"mode":t', ["true"]),
        ('{"list":[', ["an object", "false", "true", "white space"]),
        ('{"list":[true', ['","', '"]"', "white space"]),
        ('{"list":[true,true', ['"]"', "white space"]),
        ('{"id":1,"code":"ab"}', ["white space", "the end of the document"]),
    ],
)
def test_the_words(text: str | bytes, expected: list[str]) -> None:
    found = whats(text)
    assert [what for what in found if what in expected] == expected


@pytest.mark.parametrize(
    ("name", "policy", "text", "expected"),
    [
        ("open", "widest", "{", ['a key that matches "^x-"', UNNAMED, 'the key "ab"']),
        ("open", "widest", '{"q', ["more of a key that the schema does not name", "the closing quote"]),
        ("order", "oneline", '{"id":', ["a blank"]),
        ("order", "indent", "{", ["a line break"]),
    ],
)
def test_the_words_for_keys_without_a_name_and_for_obligatory_white_space(
    name: str, policy: str, text: str, expected: list[str]
) -> None:
    found = whats(text, name, policy)
    assert [what for what in found if what in expected or policy != "widest"] == expected


def test_sources_say_who_asks() -> None:
    by_what = {item.what: item.sources for item in at('{"code":"ab","id":')}
    assert by_what["an integer from 1 to 99"] == ("#/properties/id",)
    assert by_what["white space"] == ()
    assert at("{")[0].sources == ("#", "#/properties/code")


def test_many_keys_are_counted() -> None:
    schema = {
        "properties": {f"k{n}": {} for n in range(100)},
        "required": ["k99"],
        "additionalProperties": False,
    }
    tokenizer = compiled("any", "default").tokenizer
    grammar = sg.compile(
        sg.json_schema({"type": "object", **schema}, property_order="any"), tokenizer, store=False
    )
    state = reached(grammar, b"{")
    found = [item.what for item in grammar.expected(state)]
    assert found[0] == 'the key "k99" (required)'
    assert found[MOST] == f"one of {100 - MOST} others"
    assert len(found) == MOST + 2


def test_nothing_is_expected_after_the_end() -> None:
    matcher = sg.Matcher(compiled("any", "default"))
    matcher.advance(ord("1"))
    assert matcher.expected()[-1].what == "the end of the document"
    matcher.advance(256)
    assert matcher.expected() == []


@pytest.mark.parametrize(
    ("schema", "text", "first"),
    [
        ({"type": "object", "minProperties": 3}, '{"a":[]', '"," (at least 2 more members must come)'),
        ({"type": "array", "minItems": 2}, "[[]", '"," (at least 1 more item must come)'),
        (
            {"type": "array", "contains": {"const": 5}, "minContains": 2},
            "[5",
            '"," (at least 1 more item must come)',
        ),
        ({"dependentRequired": {"a": ["b", "c"]}}, '{"a":[]', '"," (the keys "b" and "c" must still come)'),
        (
            {"required": ["a"], "propertyNames": {"minLength": 1}},
            '{"b":[]',
            '"," (the key "a" must still come)',
        ),
        ({"type": "array", "items": {"enum": ["a", "b"]}, "uniqueItems": True}, '["a","', '"b"'),
        ({"type": "string", "maxLength": 1}, '"a', "the closing quote of a string of at most 1 character"),
        ({"type": "number", "not": {"enum": [1, 2]}}, "1", '"." or a digit (a number other than 1 and 2)'),
    ],
)
def test_what_is_owed_is_said(schema: Any, text: str, first: str) -> None:
    grammar = sg.compile(sg.json_schema(schema, **sg.WIDEST), byte_tokenizer(), store=False)
    state = reached(grammar, text)
    assert grammar.expected(state)[0].what == first


def test_a_key_without_a_schema_of_its_own_is_asked_by_its_object() -> None:
    grammar = compiled("open", "widest")
    schema = {"properties": {"a": True}, "additionalProperties": False}
    grammar = sg.compile(sg.json_schema(schema), grammar.tokenizer, store=False)
    state = reached(grammar, b"{")
    assert [one.sources for one in grammar.expected(state) if one.what == 'the key "a"'] == [("#",)]

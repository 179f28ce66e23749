"""Items that must differ, and keys that run out: masks are exact, token by token, against every document of
small languages."""

from __future__ import annotations

import functools
import itertools
import json
import random
import re
from collections.abc import Sequence
from typing import Any

import jsonschema_rs
import pytest
from dialects import arrays, objects, texts
from for_each import for_each

import structgen as sg

PIECES = (
    *('","', '"]', 'a","', 'a","a', '"a","b"', "1,", ",1", "1,1", "0,1]", "2,12", ",-", ",-1", "-"),
    *("},{", '},{"', '{"a":0}', '"a":1', '1},{"a":1', "true,", "e,n", "],[", "[0],", "]]", "[["),
    *('","ab', "null", "1},{", '1},{"', "0],["),
)
WORDS = ("", "a", "b", "ab", "aa")
NUMBERS = (0, 1, 2, 12)
LITERALS = (True, False, None)


@functools.cache
def tokenizer() -> sg.Tokenizer:
    """Return a vocabulary of all bytes, and of some longer tokens that span items."""
    return sg.Tokenizer.from_bytes(
        [bytes((byte,)) for byte in range(256)] + [piece.encode() for piece in PIECES] + [None],
        eos_token_id=256 + len(PIECES),
    )


def closed(properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False, **more}


STRINGS = {"type": "string", "pattern": "^(a|b|ab|aa)?$"}
BIT = {"enum": [0, 1]}
OF_BITS = objects(dict.fromkeys("ab", (0, 1)))
# the schema of the root, the values that its items may have, and the most items
CASES: dict[str, tuple[dict[str, Any], list[Any], int]] = {
    "strings": ({"items": STRINGS, "maxItems": 3}, list(WORDS), 3),
    "enum": ({"items": {"enum": ["a", "ab", 1, None]}, "minItems": 2}, ["a", "ab", 1, None], 4),
    "numbers": ({"items": {"enum": [0, 1, 2, 12]}}, list(NUMBERS), 4),
    "integers": (
        {"items": {"type": "integer", "minimum": -2, "maximum": 12}, "maxItems": 2},
        list(range(-2, 13)),
        2,
    ),
    "negative integers": (
        {"items": {"type": "integer", "minimum": -31, "maximum": -10}, "maxItems": 2},
        list(range(-31, -9)),
        2,
    ),
    "integers but for some": (
        {
            "items": {"type": "integer", "minimum": 5, "maximum": 99, "not": {"enum": list(range(10, 90))}},
            "maxItems": 2,
        },
        [*range(5, 10), *range(90, 100)],
        2,
    ),
    "literals": ({"items": {"type": ["boolean", "null"]}, "minItems": 1}, list(LITERALS), 3),
    "kinds": (
        {"items": {"enum": [0, "a", True, None, [], {}]}, "minItems": 2, "maxItems": 3},
        [0, "a", True, None, [], {}],
        3,
    ),
    "matching": (
        {
            "prefixItems": [{"enum": ["a", "b"]}, {"enum": ["a"]}, {"enum": ["b", "ab", "aa"]}],
            "minItems": 3,
            "items": False,
        },
        list(WORDS),
        3,
    ),
    "matching with repetition": (
        {
            "prefixItems": [{"enum": ["a", "b"]}, {"enum": ["a", "b"]}],
            "items": {"enum": ["a", "ab"]},
            "minItems": 2,
        },
        list(WORDS),
        4,
    ),
    "objects": (
        {"items": closed({"a": BIT, "b": BIT}), "maxItems": 2},
        OF_BITS,
        2,
    ),
    "objects, all needed": (
        {"items": closed({"a": BIT}), "minItems": 3},
        objects(dict.fromkeys("a", (0, 1))),
        3,
    ),
    "objects with a required key": (
        {"items": closed({"a": BIT, "b": {"const": 1}}, required=["a"]), "minItems": 2, "maxItems": 3},
        OF_BITS,
        3,
    ),
    "arrays": ({"items": {"items": BIT, "type": "array", "maxItems": 1}}, arrays((0, 1), 1), 3),
    "unique arrays in unique arrays": (
        {"items": {"items": BIT, "type": "array", "uniqueItems": True}, "maxItems": 2, "minItems": 1},
        arrays((0, 1), 2),
        2,
    ),
    "words and one object": (
        {
            "items": {"anyOf": [closed({"a": {"const": 1}}, required=["a"]), {"enum": list(WORDS)}]},
            "maxItems": 2,
        },
        [*WORDS, {"a": 1}],
        2,
    ),
    "words and objects of one key": (
        {"items": {"anyOf": [closed({"a": {"const": 1}, "b": BIT}), {"enum": list(WORDS)}]}, "maxItems": 2},
        [*WORDS, *OF_BITS],
        2,
    ),
    "words and one array": (
        {"items": {"enum": [*WORDS, [0]]}, "maxItems": 2},
        [*WORDS, [0]],
        2,
    ),
    "contains": (
        {"items": {"enum": [0, 1, 2]}, "contains": {"enum": [0, 1]}, "minContains": 2},
        [0, 1, 2],
        3,
    ),
    "contains at most": (
        {"items": {"enum": [0, 1, 2]}, "contains": {"enum": [0, 1]}, "maxContains": 1, "minItems": 2},
        [0, 1, 2],
        3,
    ),
}
NOT_UNIQUE: dict[str, tuple[dict[str, Any], list[Any], int]] = {
    "repeated": ({"items": {"enum": ["a", "ab", 1]}, "maxItems": 3}, ["a", "ab", 1], 3),
    "repeated at the end": (
        {"prefixItems": [{"enum": ["a", "b", 1]}, {"enum": ["a", 2]}, {"enum": ["b", 2]}], "items": False},
        ["a", "b", 1, 2],
        3,
    ),
    "repeated objects": (
        {"items": closed({"a": BIT, "b": BIT}), "maxItems": 2},
        OF_BITS,
        2,
    ),
}


def check(schema: dict[str, Any], values: list[Any], names: Sequence[str] | None = None) -> None:
    """Compare all masks of a schema with the prefixes of its documents, which are among the values. `names`:
    the keys that come in the declared order, if any does."""
    valid = jsonschema_rs.validator_for(schema).is_valid
    words = {text for value in values if valid(value) for text in texts(value)}
    if names is not None:
        words = {text for text in words if in_order(list(json.loads(text)), names)}
    live = {text[:end] for text in words for end in range(len(text) + 1)}
    tokens = tokenizer()
    options = {"whitespace": "compact", "numbers": "plain"}
    order = "any" if names is None else "declared"
    compiled = sg.compile(sg.json_schema(schema, **options, property_order=order), tokens)
    for prefix in sorted(live):
        state = compiled.step_bytes(compiled.start, prefix.encode())
        assert state is not None, prefix
        assert state.is_complete == (prefix in words), prefix
        allowed = set(compiled.allowed(state)) - {256 + len(PIECES), 92}  # no escapes
        wanted = {byte for byte in range(128) if prefix + chr(byte) in live}
        wanted |= {256 + at for at, piece in enumerate(PIECES) if prefix + piece in live}
        assert allowed == wanted, (prefix, [tokens.token_bytes[token] for token in allowed ^ wanted])
        rest = compiled.completion(state).decode()
        assert prefix + rest in words, (prefix, rest)
        shortest = min(len(word) for word in words if word.startswith(prefix))
        assert len(prefix + rest) == shortest, (prefix, rest)


@for_each("name", CASES)
def test_an_item_goes_on_exactly_where_it_can_differ(name: str) -> None:
    schema, values, most = CASES[name]
    check({"type": "array", "uniqueItems": True, **schema}, arrays(values, most))


@pytest.mark.parametrize("name", NOT_UNIQUE)
def test_an_array_goes_on_exactly_where_an_item_can_be_repeated(name: str) -> None:
    schema, values, most = NOT_UNIQUE[name]
    check({"type": "array", "not": {"uniqueItems": True}, **schema}, arrays(values, most))


FEW_KEYS: list[tuple[str, list[str], int, int]] = [
    ("^[ab]$", [], 0, 9),
    ("^x[ab]$", [], 0, 9),
    ("^x[ab]$", ["xa"], 0, 9),
    ("^[xy]?[ab]$", ["a", "yb"], 0, 3),
    ("^x[ab]$", ["x", "xa", "xb"], 1, 9),
    ("^(a|ab|abx)$", [], 2, 9),
    ("^(a|ab|abx)$", ["ab"], 3, 9),
    ("^[xy][xy]$", [], 3, 4),
]
"""A pattern of keys, names of others, the least and the most members."""


@for_each(("pattern", "names", "least", "most"), FEW_KEYS)
@pytest.mark.parametrize("order", ["any", "declared"])
def test_a_key_goes_on_exactly_where_one_is_left(
    pattern: str, names: list[str], least: int, most: int, order: str
) -> None:
    schema = closed(
        {name: {"const": 1} for name in names},
        patternProperties={pattern: {"const": 1}},
        minProperties=least,
        maxProperties=most,
    )
    words = map("".join, itertools.chain(*(itertools.product("abxy", repeat=size) for size in range(4))))
    keys = [word for word in words if word in names or re.search(pattern, word)]
    held = itertools.chain(*(itertools.combinations(keys, size) for size in range(most + 1)))
    check(schema, [dict.fromkeys(some, 1) for some in held], names if order == "declared" else None)


def in_order(keys: list[str], names: Sequence[str]) -> bool:
    """Return whether the declared names come first, in their order."""
    ranks = [names.index(key) if key in names else len(names) for key in keys]
    return ranks == sorted(ranks)


def viable(text: str, least: int, most: int) -> bool:
    """Return whether a text begins an array of different strings, of `least` to `most` characters each.

    Of characters there is no end: a string that may still grow can differ from any others.
    """
    seen: set[str] = set()
    at = 0
    for opening in itertools.chain("[", itertools.repeat(",")):
        if at == len(text):
            return True
        if opening == "," and text[at] == "]":
            return at + 1 == len(text)
        if text[at] != opening:
            return False
        at += 1
        if at == len(text):
            return True
        if opening == "[" and text[at] == "]":
            return at + 1 == len(text)
        if text[at] != '"':
            return False
        end = text.find('"', at + 1)
        word = text[at + 1 : end if end >= 0 else len(text)]
        if len(word) > most or any(char < " " for char in word):
            return False
        if end < 0:
            return len(word) < most or word not in seen
        if len(word) < least or word in seen:
            return False
        seen.add(word)
        at = end + 1
    raise AssertionError("an endless array")


@for_each(("least", "most"), [(0, 99), (1, 2), (2, 2), (0, 1)])
@for_each("pattern", [None, "", "^.*$"])
def test_a_free_string_may_be_any_but_those_written(least: int, most: int, pattern: str | None) -> None:
    items: dict[str, Any] = {"type": "string", "minLength": least}
    if most < 99:
        items["maxLength"] = most
    if pattern is not None:
        items["pattern"] = pattern
    tokens = tokenizer()
    options = {"whitespace": "compact", "property_order": "any"}
    schema = {"type": "array", "uniqueItems": True, "items": items}
    compiled = sg.compile(sg.json_schema(schema, **options), tokens)
    width = 257 + len(PIECES)
    mask = sg.allocate_mask(1, width)
    bodies = [
        '["ab","aa"',
        '["aa","ab","a"',
        '["b","a"',
        '["a","b"',
        '["a","","b"',
        '["ab","b","a',
        '["aa","bb"]',
    ]
    prefixes = {body[:end] for body in bodies for end in range(len(body) + 1)}
    plain = [(byte, chr(byte)) for byte in range(127) if byte != 92]
    plain += [(256 + at, piece) for at, piece in enumerate(PIECES)]
    for prefix in sorted(prefixes):
        if not viable(prefix, least, most):
            continue
        matcher = sg.Matcher(compiled)
        for byte in prefix.encode():
            matcher.advance(byte)
        matcher.fill_mask(mask)
        allowed = set(mask.allowed(0).tolist())
        for token, piece in plain:
            assert (token in allowed) == viable(prefix + piece, least, most), (prefix, piece)
        rest = compiled.completion(matcher.state).decode()
        value = json.loads(prefix + rest)
        assert jsonschema_rs.validator_for(schema).is_valid(value), (prefix, rest)


EQUAL = [
    ("1", "1.0"),
    ("1", "1.00"),
    ("0", "-0"),
    ("100.0", "100"),
    ('"a"', '"\\u0061"'),
    ('"\\ud83d\\ude00"', '"\U0001f600"'),
    ('"/"', '"\\/"'),
    ('{"a":1,"b":[]}', '{"b":[],"a":1.0}'),
    ('{"\\u0061":1}', '{"a" : 1}'),
    ("[1,[2]]", "[ 1.0, [2 ] ]"),
    ("[]", "[ ]"),
    ("{}", "{ }"),
    ("null", "null"),
    ('[{"x":[1]}]', '[{"x":[1e0]}]'),
]
DIFFERENT = [
    ("1", "true"),
    ("0", "false"),
    ("0", "null"),
    ('"1"', "1"),
    ("[]", "{}"),
    ('{"a":1}', '{"a":1,"b":1}'),
    ('{"a":1,"b":1}', '{"a":1}'),
    ("[1]", "[1,1]"),
    ("[1,2]", "[2,1]"),
    ('"A"', '"a"'),
    ('{"a":{}}', '{"a":[]}'),
    ("1", "1.0000000000000000001"),
]


@functools.cache
def widest(schema: str) -> sg.CompiledGrammar:
    return sg.compile(sg.json_schema(schema, **sg.WIDEST), tokenizer())


def taken(schema: Any, text: str) -> bool:
    compiled = widest(json.dumps(schema))
    state = compiled.step_bytes(compiled.start, text.encode())
    return state is not None and state.is_complete


@for_each(("one", "other"), EQUAL)
def test_items_of_one_value_are_equal_however_they_are_written(one: str, other: str) -> None:
    assert taken({"type": "array"}, f"[{one},{other}]")
    assert not taken({"uniqueItems": True}, f"[{one},{other}]")
    assert not taken({"uniqueItems": True}, f"[{other}, 7,{one}]")
    assert taken({"type": "array", "not": {"uniqueItems": True}}, f"[7,{other},{one}]")
    assert not taken({"items": {"uniqueItems": True}}, f"[[7],[{other},[],{one}]]") or one == "[]"


@for_each(("one", "other"), DIFFERENT)
def test_items_of_different_values_may_stand_together(one: str, other: str) -> None:
    assert taken({"uniqueItems": True}, f"[{one},{other}]")
    assert not taken({"type": "array", "not": {"uniqueItems": True}}, f"[{one},{other}]")


@pytest.mark.parametrize("escapes", ["ascii", "utf8", "any", "canonical"])
def test_a_string_that_must_differ_is_completed_however_it_is_escaped(escapes: str) -> None:
    items = {"type": "string", "pattern": "^[\u00e9\u00ea]+$"}
    schema = {"type": "array", "uniqueItems": True, "minItems": 2, "items": items}
    compiled = sg.compile(sg.json_schema(schema, escapes=escapes, whitespace="compact"), tokenizer())
    one = '"\\u00e9"' if escapes == "ascii" else '"\u00e9"'
    for begun in (f"[{one},", f'[{one},"', f"[{one},{one[:-1]}", f"[{one}"):
        state = compiled.step_bytes(compiled.start, begun.encode())
        assert state is not None
        text = begun + compiled.completion(state).decode()
        assert jsonschema_rs.validator_for(schema).is_valid(json.loads(text)), text


JOINED = (
    *(b'",', b'"]', b'["', b'a"', b'","', b'":', b'"}', b"aa", b"],[", b"],", b'a","a', b"1,", b'",1'),
    b'b","',
)


def remembered(chance: random.Random, depth: int = 2) -> Any:
    """Return a schema of which completions remember what arrays and objects hold."""
    if not depth or chance.random() < 0.2:
        short = [{"type": "string"}, {"type": "string", "maxLength": 2}, {"enum": ["a", "ab", "b", 1]}]
        return chance.choice([*short, {"type": "integer", "minimum": 0, "maximum": 12}, {"type": "boolean"}])
    kind, least = chance.randrange(4), chance.randint(0, 2)
    if kind < 2:  # distinct values that are no arrays
        items = remembered(chance, 0 if kind else depth - 1)
        return {"type": "array", "items": items, "minItems": least, "maxItems": 3, "uniqueItems": kind == 1}
    if kind == 2:
        some = {"minProperties": least, "maxProperties": 3}
        return {"type": "object", "additionalProperties": remembered(chance, depth - 1), **some}
    named = {"a": remembered(chance, depth - 1), "b": remembered(chance, depth - 1)}
    return {"type": "object", "properties": named, "additionalProperties": False}


def answers(compiled: sg.CompiledGrammar, text: bytes, more: int) -> tuple[int, bytes, list[int]]:
    state = compiled.step_bytes(compiled.start, text)
    assert state is not None
    need, mask = compiled.tokens_to_finish(state), sg.allocate_mask(1, compiled.vocab_size)
    sg.Matcher(compiled, state).fill_mask(mask, budget=need + more)
    return need, compiled.completion(state), mask.allowed().tolist()


def forgets(seed: int) -> None:
    chance = random.Random(f"history {seed}")
    schema, options = remembered(chance), chance.choice([{"whitespace": "compact"}, {}, {"escapes": "any"}])
    tokens = [*(bytes((byte,)) for byte in range(256)), *chance.sample(JOINED, 8)]
    tokenizer = sg.Tokenizer.from_bytes([*tokens, None], eos_token_id=len(tokens))

    def fresh() -> sg.CompiledGrammar:
        return sg.compile(sg.json_schema(schema, strict=None, **options), tokenizer, store=False)

    with_history, texts = fresh(), [b""]
    for _ in range(3):
        state, text = with_history.start, b""
        for _ in range(chance.randint(1, 14)):
            some = [one for one in with_history.allowed(state)[:-1] if tokens[one][0] in b'ab01"[]{},:']
            if not some:
                break
            token = chance.choice(some)
            after = with_history.step(state, token)
            assert after is not None
            state, text = after, text + tokens[token]
            texts.append(text)
    for _ in range(8):
        text, more = chance.choice(texts), chance.randint(0, 3)
        assert answers(with_history, text, more) == answers(fresh(), text, more), (schema, text, more)


def test_answers_do_not_depend_on_what_was_asked_before() -> None:
    for seed in range(15):
        forgets(seed)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(15, 515, 50))
def test_answers_do_not_depend_on_what_was_asked_before_whole(first: int) -> None:
    for seed in range(first, first + 50):
        forgets(seed)


def test_an_escape_in_a_key_goes_on_only_to_a_key_that_is_left() -> None:
    schema = {"patternProperties": {"^x[ab]$": True}, "additionalProperties": False, "type": "object"}
    options = {"whitespace": "compact", "escapes": "any"}
    compiled = sg.compile(sg.json_schema(schema, **options), tokenizer())
    matcher = sg.Matcher(compiled)
    begun = b'{"xa":1,"x\\u006'
    assert matcher.accepts(list(begun)) == len(begun)
    assert matcher.accepts([*begun, ord("1")]) == len(begun)
    assert matcher.accepts([*begun, ord("2")]) == len(begun) + 1
    held = b'{"xa":1,"xb":1'
    assert matcher.accepts([*held, ord(",")]) == len(held)


@pytest.mark.parametrize("key", ["b", "é", "š", "\U0001f600", "\ud83d"])
def test_an_escape_that_only_a_named_key_completes_is_in_the_mask(key: str) -> None:
    schema = {"properties": {key: True}, "patternProperties": {"^a": True}, "additionalProperties": False}
    options = {"whitespace": "compact", "escapes": "any"}
    compiled = sg.compile(sg.json_schema({"type": "object", **schema}, **options), tokenizer())
    units = key.encode("utf-16-be", "surrogatepass").hex()
    state = compiled.step_bytes(compiled.start, b'{"')
    for byte in "".join("\\u" + units[at : at + 4] for at in range(0, len(units), 4)).encode():
        assert state is not None and byte in compiled.allowed(state)
        state = compiled.step(state, byte)


def test_a_key_of_any_length_may_be_written() -> None:
    compiled = sg.compile(sg.json_schema({"type": "object"}, whitespace="compact"), tokenizer())
    key = b"a" * 70_000  # more than 2**16
    text = b'{"' + key + b'":1,"' + key + b"b" + b'":1}'
    matcher = sg.Matcher(compiled)
    assert matcher.accepts(list(text)) == len(text)
    twice = b'{"' + key + b'":1,"' + key + b'"'
    assert matcher.accepts(list(twice)) == len(twice) - 1

r"""A lone surrogate is written as its escape (`\ud83d`), wherever a string or a key may hold one.

The oracles: `json.loads` says which value a text is, `jsonschema` whether the value is valid.
"""

from __future__ import annotations

import itertools
import json
import random
from typing import Any

import jsonschema
import pytest
from for_each import for_each

import structgen as sg
from structgen.schema.recogniser.schema_liveness import Oracle

Json = Any
HIGH, OTHER_HIGH, LOW, OTHER_LOW = "\ud83d", "\ud800", "\ude00", "\udfff"
HALVES = HIGH + OTHER_HIGH, LOW + OTHER_LOW
PIECES = [
    *(bytes((byte,)) for byte in range(256)),
    *(
        b"\\u",
        b"\\ud8",
        b"\\ud83d",
        b"\\uD83D",
        b"\\ude00",
        b"3d",
        b"d83",
        b'\\"',
        b'":',
        b'","',
        b'{"',
        b'["',
    ),
    *(b"\xed\xa0", b"\xed\xa0\xbd", b"\xf8\xa0\xbd", b"\xed\x9f\xbf", "\U0001f600".encode(), "é".encode()),
    *(b'\\ud83d"', b'a"', b"\\ud83d\\ud83d", b"\\ud83d\\ude00", b"\\ud83da"),
]
END = len(PIECES)
TOKENIZER = sg.Tokenizer.from_bytes([*PIECES, None], eos_token_id=END)


def compiled(schema: Json, **options: Any) -> sg.CompiledGrammar:
    return sg.compile(sg.json_schema(schema, **options), TOKENIZER, store=False)


def accepts(grammar: sg.CompiledGrammar, text: bytes) -> bool:
    state = grammar.step_bytes(grammar.start, text)
    return state is not None and END in grammar.allowed(state)


def check_state(grammar: sg.CompiledGrammar, state: sg.core.State, written: bytes, schema: Json) -> None:
    """Check that a state has a completion that is a valid document, and masks that lead to one."""
    completion = grammar.completion(state)
    value = json.loads((written + completion).decode())
    assert jsonschema.Draft202012Validator(schema).is_valid(value), written + completion
    assert accepts(grammar, written + completion)
    matcher, mask = sg.Matcher(grammar), sg.allocate_mask(1, grammar.vocab_size)
    for byte in written:
        matcher.advance(byte)
    need = matcher.tokens_to_finish()
    assert need is not None
    matcher.fill_mask(mask, budget=need + 1)
    assert mask.array.any(), written


NAMED = {"properties": {HIGH: {"const": 1}, "a": True}, "additionalProperties": False, "required": ["a"]}
BEGINNINGS: list[tuple[Json, bytes]] = [
    ({"enum": [HIGH, "a"]}, b'"'),
    ({"enum": [HIGH, "a"]}, b'"\\ud83d'),
    ({"type": "object", **NAMED}, b'{"'),
    ({"type": "object", **NAMED}, b'{"\\ud83d":1,"'),
    ({"type": "string", "not": {"const": HIGH}}, b'"\\ud83d'),
    ({"type": "string", "pattern": "^.?$", "not": {"enum": [HIGH, OTHER_LOW]}}, b'"\\ud83d'),
    ({"type": "object", "propertyNames": {"not": {"const": HIGH}}}, b'{"\\ud83d'),
    ({"type": "object", "propertyNames": {"enum": [HIGH, LOW]}, "minProperties": 2}, b'{"\\ude00":1,"'),
    ({"type": "string", "pattern": "^[\\ud800-\\udfff]{2}$"}, b'"\\ud83d\\ud'),
    ({"uniqueItems": True, "type": "array"}, b'["\\ud800",'),
    ({"uniqueItems": True, "items": {"enum": [HIGH, LOW]}, "minItems": 2}, b'["\\ude00","'),
    ({"const": [HIGH]}, b"["),
    ({"const": {HIGH: LOW}}, b'{"\\ud83d":"'),
    ({"anyOf": [{"const": HIGH}, {"type": "string", "pattern": "^a"}]}, b'"\\uD83D'),
    ({"type": "object", "properties": {LOW: True}, "minProperties": 3}, b'{"\\ud83d":1,'),
    ({"required": [HIGH], "type": "object", "dependentRequired": {HIGH: [LOW]}}, b"{"),
]


@for_each(("schema", "written"), BEGINNINGS)
def test_what_was_begun_has_an_end(schema: Json, written: bytes) -> None:
    grammar = compiled(schema, **sg.WIDEST)
    state = grammar.step_bytes(grammar.start, written)
    assert state is not None
    check_state(grammar, state, written, schema)


@pytest.mark.parametrize("text", [b'"\xed', b'"\xf8', b'{"\xed', b'{"\xf8'])
def test_no_listed_word_goes_on_with_a_raw_byte_of_a_surrogate(text: bytes) -> None:
    listed = {"enum": [HIGH]} if text[:1] == b'"' else {"type": "object", **NAMED}
    grammar = compiled(listed, **sg.WIDEST)
    assert grammar.step_bytes(grammar.start, text) is None


@for_each("escapes", ["canonical", "utf8", "ascii"])
@for_each(
    "schema", [{"const": HIGH}, {"const": [HIGH]}, {"const": {HIGH: 1}}, {"enum": [{"a": [LOW]}, [[HIGH]]]}]
)
def test_where_none_can_be_written_a_constant_with_one_is_refused(schema: Json, escapes: str) -> None:
    with pytest.raises(sg.errors.UnsatisfiableUnderPolicy, match="escapes"):
        compiled(schema, escapes=escapes)
    compiled(schema, escapes="any")


@pytest.mark.parametrize("last", [b"8", b"C", b"e", b"f"])
def test_half_of_a_pair_that_no_pattern_takes_cannot_be_begun(last: bytes) -> None:
    grammar = compiled({"type": "string", "pattern": "^[\\ud800-\\udfff]{2}$"}, **sg.WIDEST)
    state = grammar.step_bytes(grammar.start, b'"\\ud83d\\ud')
    assert state is not None
    assert (grammar.step_bytes(state, last) is not None) == (last == b"8")


def test_two_halves_of_a_pair_are_no_lone_surrogates() -> None:
    with pytest.raises(sg.errors.UnsatisfiableSchema):
        compiled({"const": HIGH + LOW}, **sg.WIDEST)  # no text has this value
    one = compiled({"type": "string", "maxLength": 1, "not": {"const": HIGH}}, **sg.WIDEST)
    assert accepts(one, b'"\\ud83d\\ude00"') and accepts(one, b'"\\ude00"')
    assert not accepts(one, b'"\\ud83d"') and not accepts(one, b'"\\ude00\\ud83d"')
    two = compiled({"enum": [HIGH + "\U0001f600"]}, **sg.WIDEST)
    assert accepts(two, b'"\\ud83d\\ud83d\\ude00"') and accepts(two, '"\\ud83d\U0001f600"'.encode())
    assert not accepts(two, b'"\\ud83d\\ude00"')


SHORT: list[Json] = [
    {"enum": [HIGH, "a" + LOW, "\U0001f600"]},
    {"type": "string", "not": {"enum": [HIGH, LOW + HIGH, "a"]}},
    {"type": "string", "pattern": "^.$"},
    {"type": "string", "pattern": "^[\\ud800-\\udfff]{2}$"},
    {"type": "string", "pattern": "^[\\ud800-\\udbff]a?[\\ud800-\\udfff]?$"},
    {"type": "string", "pattern": "^a|^[^a]*$", "not": {"const": HIGH + "a"}},
    {"type": "string", "minLength": 2, "maxLength": 2},
    {"anyOf": [{"const": OTHER_HIGH}, {"type": "string", "pattern": "^a"}, {"enum": [LOW + "a"]}]},
    {"oneOf": [{"enum": [HIGH, LOW]}, {"enum": [LOW, "a"]}, {"type": "string", "minLength": 3}]},
]
PARTS = [b"a", b"\\ud83d", b"\\uD800", b"\\ude00", b"\\udfff", b"\\u0061", b"\xed", b"\xa0\xbd", b"\xf8"]
PARTS += ["\U0001f600".encode(), "\ud7ff".encode()]


@pytest.mark.parametrize("schema", SHORT)
def test_every_short_text_is_accepted_as_the_validator_says(schema: Json) -> None:
    grammar, validator = compiled(schema, **sg.WIDEST), jsonschema.Draft202012Validator(schema)
    valid = 0
    for size in range(4):
        for parts in itertools.product(PARTS, repeat=size):
            text = b'"' + b"".join(parts) + b'"'
            try:
                truth = validator.is_valid(json.loads(text.decode()))
            except UnicodeDecodeError:
                truth = False
            assert accepts(grammar, text) == truth, text
            valid += truth
    assert valid


# --- random schemas ---


def word(chance: random.Random) -> str:
    """Return a short string that a JSON text can have."""
    while True:
        size = chance.choice((0, 1, 1, 1, 2, 2, 3))
        found = "".join(
            chance.choice(("a", "b", "é", "\ue000", "\U0001f600", *HALVES[0], *HALVES[1]))
            for _ in range(size)
        )
        if not any(a in HALVES[0] and b in HALVES[1] for a, b in itertools.pairwise(found)):
            return found


def value(chance: random.Random, depth: int = 2) -> Json:
    kind = chance.random()
    if depth == 0 or kind < 0.55:
        return word(chance) if chance.random() < 0.85 else chance.choice((0, 1, True, None))
    if kind < 0.78:
        return [value(chance, depth - 1) for _ in range(chance.randint(0, 3))]
    return {word(chance): value(chance, depth - 1) for _ in range(chance.randint(0, 2))}


PATTERNS = ["^a", "a", "^[^a]*$", "b$", "^é?$", "^(?:a|b)+$", "^[^é]{0,2}$"]
PATTERNS += ["^\\ud83d", "[\\udc00-\\udfff]", "^[^\\ude00]*$"]


def string_schema(chance: random.Random) -> dict[str, Json]:
    kind = chance.random()
    if kind < 0.4:
        return {"enum": [word(chance) for _ in range(chance.randint(1, 4))]}
    found: dict[str, Json] = {"type": "string"}
    if kind < 0.8:
        found["not"] = {"enum": [word(chance) for _ in range(chance.randint(1, 3))]}
    if chance.random() < 0.4:
        found["pattern"] = chance.choice(PATTERNS)
    if chance.random() < 0.3:
        found["minLength"] = chance.randint(0, 2)
    if chance.random() < 0.3:
        found["maxLength"] = chance.randint(1, 3)
    return found


def object_schema(chance: random.Random, depth: int) -> dict[str, Json]:
    made: dict[str, Json] = {
        "properties": {word(chance): random_schema(chance, depth - 1) for _ in range(chance.randint(1, 3))},
        "required": [word(chance) for _ in range(chance.randint(1, 2))],
        "propertyNames": string_schema(chance),
        "additionalProperties": chance.choice((False, string_schema(chance))),
        "patternProperties": {chance.choice(PATTERNS): string_schema(chance)},
        "minProperties": chance.randint(1, 2),
        "maxProperties": chance.randint(1, 2),
        "dependentRequired": {word(chance): [word(chance)]},
        "unevaluatedProperties": False,
    }
    return {"type": "object", **{name: said for name, said in made.items() if chance.random() < 0.3}}


def random_schema(chance: random.Random, depth: int = 2) -> dict[str, Json]:
    kind = chance.random()
    if depth == 0 or kind < 0.3:
        return string_schema(chance)
    if kind < 0.46:
        return {"enum": [value(chance) for _ in range(chance.randint(1, 3))]}
    if kind < 0.64:
        many = [random_schema(chance, depth - 1) for _ in range(2)]
        return chance.choice(({"anyOf": many}, {"oneOf": many}, {"allOf": many}, {"not": many[0]}))
    if kind < 0.76:
        first = [string_schema(chance) for _ in range(chance.randint(0, 2))]
        items = {"prefixItems": first} if first else {}
        return {
            "type": "array",
            "uniqueItems": True,
            **items,
            "items": random_schema(chance, depth - 1),
            "maxItems": 3,
        }
    return object_schema(chance, depth)


def constants(schema: Json) -> list[Json]:
    """Return the values that a schema names."""
    if isinstance(schema, list):
        return [found for part in schema for found in constants(part)]
    if not isinstance(schema, dict):
        return []
    return [*schema.get("enum", ()), *(found for part in schema.values() for found in constants(part))]


def for_python(schema: Json) -> Json:
    """Return a schema whose patterns mean under Python's `re` what they mean under ECMA-262."""
    if isinstance(schema, list):
        return [for_python(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: part if name == "enum" else for_python(part) for name, part in schema.items()}
    if isinstance(schema.get("pattern"), str):
        found["pattern"] = schema["pattern"].replace("$", r"\Z")
    if "patternProperties" in schema:
        found["patternProperties"] = {
            source.replace("$", r"\Z"): part for source, part in found["patternProperties"].items()
        }
    return found


def spelled(chance: random.Random, string: str) -> str:
    parts = []
    for char in string:
        escape = json.dumps(char)[1:-1] if ord(char) > 0x7F else f"\\u{ord(char):04x}"
        upper = escape.upper().replace("\\U", "\\u") if chance.random() < 0.3 else escape
        parts.append(upper if char in HALVES[0] + HALVES[1] or chance.random() < 0.4 else char)
    return f'"{"".join(parts)}"'


def text_of(chance: random.Random, value: Json) -> str:
    """Return a compact text of a value, some of its characters as escapes."""
    if isinstance(value, str):
        return spelled(chance, value)
    if isinstance(value, list):
        return f"[{','.join(text_of(chance, item) for item in value)}]"
    if isinstance(value, dict):
        members = (f"{spelled(chance, key)}:{text_of(chance, item)}" for key, item in value.items())
        return f"{{{','.join(members)}}}"
    return json.dumps(value)


def dumped(value: Json, ascii: bool) -> str:
    return json.dumps(value, ensure_ascii=ascii, separators=(",", ":"))


@for_each("seed", range(60))
def test_values_are_judged_as_the_validator_does_and_no_walk_is_dead(seed: int) -> None:
    chance = random.Random(f"lone {seed}")
    schema = random_schema(chance)
    escapes = chance.choice(("any", "any", "canonical", "utf8", "ascii"))
    options = {**sg.WIDEST, "escapes": escapes}
    validator = jsonschema.Draft202012Validator(for_python(schema))
    named = constants(schema)
    values = [*named, *([one] for one in named), *({one: 1} for one in named if isinstance(one, str))]
    values += [value(chance) for _ in range(20)]

    def can_be_written(value: Json) -> bool:
        return escapes == "any" or not any("\ud800" <= char < "\ue000" for char in dumped(value, False))

    def written(value: Json) -> str:
        if escapes == "any":
            return text_of(chance, value)
        return dumped(value, escapes == "ascii" or not can_be_written(value))

    try:
        grammar = compiled(schema, **options)
    except sg.errors.UnsatisfiableSchema:
        assert not any(validator.is_valid(one) and can_be_written(one) for one in values)
        return
    for one in values:
        text = written(one)
        assert accepts(grammar, text.encode()) == (validator.is_valid(one) and can_be_written(one)), text
    for _ in range(2):
        state, text = grammar.start, b""
        for _ in range(chance.randint(1, 20)):
            allowed = [token for token in grammar.allowed(state) if token != END]
            assert allowed == [token for token in range(END) if grammar.step(state, token) is not None]
            check_state(grammar, state, text, for_python(schema))
            lively = [token for token in allowed if token > 255 or PIECES[token] in b'\\ud83dea",:[{']
            if not allowed:
                break
            token = chance.choice(lively or allowed)
            after = grammar.step(state, token)
            assert after is not None
            state, text = after, text + PIECES[token]


# --- other views ---


def test_what_is_expected_names_the_escape() -> None:
    grammar = compiled({"enum": [HIGH, "a"]}, **sg.WIDEST)
    state = grammar.step_bytes(grammar.start, b'"\\ud83')
    assert state is not None
    assert [(item.what, item.first) for item in grammar.expected(state)] == [('the rest of "\\ud83d"', b"Dd")]


def test_constants_that_can_be_written_are_alive_without_a_search(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    searched = Oracle._search_alive
    monkeypatch.setattr(
        Oracle, "_search_alive", lambda self, root: asked.append(root) or searched(self, root)
    )
    tokenizer = sg.Tokenizer.from_bytes([bytes((byte,)) for byte in range(256)] + [None], 256)
    sg.compile(sg.json_schema({"const": [{"a": at} for at in range(50)]}), tokenizer, store=False)
    assert asked == []
    with pytest.raises(sg.errors.UnsatisfiableUnderPolicy):
        sg.compile(sg.json_schema({"const": [{"a": 0}, {"\ud83d": 1}]}), tokenizer, store=False)
    assert asked

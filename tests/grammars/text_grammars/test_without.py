"""`sg.without`: which texts are left, and that every mask leads to one of them."""

from __future__ import annotations

import itertools
import json
import pickle
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from typing import Any

import compiled_texts
import jsonschema
import pytest
from compiled_texts import reached, written
from for_each import for_each
from language_words import words_of

import structgen as sg
from structgen.automata.strings.banned_patterns import pattern_of
from structgen.automata.strings.string_pool import StringPool
from structgen.base.language.ir import All, Formula, Not, Pattern, Spec
from structgen.base.limits import Limits
from structgen.grammars.text_grammars.text_grammar import TextGrammar

BYTES = [bytes((byte,)) for byte in range(256)]
CROSSING = r""" "a a" b"} ab ba aba bab \u \u00 \u006 \u0061 \u0061b a\u0062 \ud83d \ude00 \ud83d\ude00
\" \"a \/ \/a \n {" ": ":" "," "] ["a true 11 1,"""
PIECES = [*CROSSING.encode().split(), "é".encode(), b"\xa9a", b"a\xc3", b"\xf0\x9f", b"\x98\x80"]
TOKENIZER = sg.Tokenizer.from_bytes([*BYTES, *PIECES, None], eos_token_id=256 + len(PIECES))
TOKENS = [*BYTES, *PIECES]
END = len(TOKENS)


def compiled(grammar: sg.Grammar) -> sg.CompiledGrammar:
    return sg.compile(grammar, TOKENIZER, store=False)


def takes(grammar: sg.Grammar, text: str) -> bool:
    return compiled_texts.takes(compiled(grammar), text)


def strings_of(value: Any) -> Iterator[str]:
    """Yield the strings and the keys of a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value
        for one in value.values():
            yield from strings_of(one)
    elif isinstance(value, list):
        for one in value:
            yield from strings_of(one)


def is_free(value: Any, texts: list[str]) -> bool:
    """Return whether no string and no key of a value holds one of the texts."""
    return not any(text in string for string in strings_of(value) for text in texts)


# --- what is left of JSON texts ---------------------------------------------------------------------------


@for_each(
    ("text", "taken"),
    [
        ('{"a":"fo"}', True),
        ('{"a":"f","b":"oo"}', True),
        ('{"a":"xfoox"}', False),
        (r'{"a":"\u0066oo"}', False),
        (r'{"a":"fo\u006F"}', False),
        (r'{"a":["\u0066\u006f\u006f"]}', False),
        ('{"foo":1}', False),
        (r'{"fo\u006f":1}', False),
        ('{"a":{"b":{"foo":1}}}', False),
        (r'{"a":"x\/y"}', False),
        (r'{"a":"x/y"}', False),
        (r'{"a":"x\\/y"}', True),
        (r'{"a":"q\"r"}', False),
        ('{"a":"😀"}', False),
        (r'{"a":"\ud83d\ude00"}', False),
        (r'{"a":"\ud83d\ude01"}', True),
        ('{"a":101}', True),
        (r'{"a":"101"}', False),
        (r'{"a":"line\nbreak"}', False),
        (r'{"a":"linenbreak"}', True),
    ],
)
def test_strings_and_keys_are_read_as_json_reads_them(text: str, taken: bool) -> None:
    grammar = sg.without(
        sg.json_schema({"type": "object"}, escapes="any"),
        ["foo", "x/y", 'q"r', "😀", "101", "line\nbreak"],
    )
    assert takes(grammar, text) is taken


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ('{"a":"fo"}', True),
        ('{"a":"foo"}', False),
        (r'{"a":"\u0066oo"}', True),
        ('{"a":1}', False),
        ('{"a": 1}', True),
    ],
)
def test_bytes_are_banned_as_they_are_spelled_where_nothing_is_decoded(text: str, taken: bool) -> None:
    grammar = sg.without(sg.json_schema({"type": "object"}), ["foo", '":1'], decoded=False)
    assert takes(grammar, text) is taken


SCHEMAS: dict[str, dict[str, Any]] = {
    "enum": {"enum": ["ab", "ba", "b", "", 1, True, ["a", "ab"], {"ab": 1}, {"b": "a"}]},
    "string": {"type": "string", "pattern": '^[ab"]{0,2}$'},
    "letters": {"type": "string", "pattern": "^[é😀b]{0,2}$"},
    "array": {"type": "array", "items": {"enum": ["a", "b", "ab"]}, "minItems": 1, "maxItems": 2},
    "object": {
        "type": "object",
        "properties": {"a": {"enum": ["b", "ab"]}, "ab": {"const": 1}, "b": {"enum": ["a", "ba"]}},
        "required": ["a"],
        "additionalProperties": False,
    },
    "names": {
        "type": "object",
        "propertyNames": {"pattern": "^[ab]{1,2}$"},
        "additionalProperties": {"const": 1},
        "maxProperties": 1,
        "minProperties": 1,
    },
    "not": {"not": {"not": {"enum": ["ab", "b"]}}},
    "branches": {"oneOf": [{"const": "ab"}, {"enum": ["a", "ab"]}, {"enum": ["b", 1]}]},
}
BANS = [["ab"], ["a"], ["b", "aa"], ["ba", "ab"], ['"'], ["é"], ["😀", "bb"], ["a", "b"], ["ab", "abab"]]
VALUES: list[Any] = [
    *("".join(word) for size in range(3) for word in itertools.product('ab"', repeat=size)),
    *("".join(word) for size in range(3) for word in itertools.product("é😀b", repeat=size)),
    *SCHEMAS["enum"]["enum"],
    *(list(word) for size in (1, 2) for word in itertools.product(["a", "b", "ab"], repeat=size)),
    *({key: 1} for key in ("a", "b", "aa", "ab", "ba", "bb")),
    *(
        {"a": one, **({"ab": 1} if two else {}), **({"b": three} if three else {})}
        for one in ("b", "ab")
        for two in (True, False)
        for three in (None, "a", "ba")
    ),
]


def spelled_char(char: str, every: bool) -> list[str]:
    """Return the ways in which a character may be written."""
    plain = json.dumps(char, ensure_ascii=False)[1:-1]
    if not every:
        return [plain]
    units = char.encode("utf-16-be").hex()
    halves = [units[at : at + 4] for at in range(0, len(units), 4)]
    cased = [
        ["".join(one) for one in itertools.product(*({digit, digit.upper()} for digit in half))]
        for half in halves
    ]
    return [plain, *("".join("\\u" + half for half in one) for one in itertools.product(*cased))]


def spelled(value: Any, every: bool) -> Iterator[str]:
    """Yield the compact JSON texts of a value; strings and keys with `every` escape."""
    if isinstance(value, str):
        for chars in itertools.product(*(spelled_char(char, every) for char in value)):
            yield f'"{"".join(chars)}"'
    elif isinstance(value, list):
        for parts in itertools.product(*(list(spelled(one, every)) for one in value)):
            yield f"[{','.join(parts)}]"
    elif isinstance(value, dict):
        members = [
            [f"{key}:{one}" for key in spelled(name, every) for one in spelled(below, every)]
            for name, below in value.items()
        ]
        for parts in itertools.product(*members):
            yield "{" + ",".join(parts) + "}"
    else:
        yield json.dumps(value)


def is_valid(value: Any, schema: dict[str, Any]) -> bool:
    valid: bool = jsonschema.Draft202012Validator(schema).is_valid(value)
    return valid


def masks_are_exact(
    grammar: sg.Grammar, documents: set[bytes], chance: random.Random, most: int = 60
) -> None:
    """Assert that before each beginning of the documents, or some, those tokens are allowed that a document
    goes on with, and no others; and that what is completed is one of them."""
    beginnings = {document[:at] for document in documents for at in range(len(document) + 1)}
    if not documents:
        with pytest.raises(
            sg.errors.GrammarError if isinstance(grammar, TextGrammar) else sg.errors.UnsatisfiableSchema
        ):
            compiled(grammar)
        return
    of = compiled(grammar)
    places = sorted(beginnings)
    for beginning in places if len(places) <= most else chance.sample(places, most):
        state = reached(of, beginning)
        expected = {number for number, token in enumerate(TOKENS) if beginning + token in beginnings}
        if beginning in documents:
            expected.add(END)
        assert set(of.allowed(state)) == expected, beginning
        assert beginning + of.completion(state) in documents


@for_each("escapes", ["canonical", "any"])
@for_each("name", SCHEMAS)
def test_masks_of_schemas_are_exact(name: str, escapes: str) -> None:
    # seen red with the ban left out of keys, and of members of enum
    chance = random.Random(name)
    schema = SCHEMAS[name]
    of = sg.json_schema(schema, whitespace="compact", escapes=escapes, numbers="plain")
    # a string under a pattern may be spelled with any escapes; names and constants only where the policy says
    every = escapes == "any" or name in ("string", "letters")
    valid = [value for value in VALUES if is_valid(value, schema)]
    for texts in BANS:
        free = [value for value in valid if is_free(value, texts)]
        documents = {text.encode() for value in free for text in spelled(value, every)}
        masks_are_exact(sg.without(of, texts), documents, chance, 12)


def decoded_prefix(text: bytes) -> tuple[str, list[list[int]]] | None:
    """Read what may begin a JSON string behind its quote: the characters that are whole, and for a character
    that is cut off the code points that it may become (in a list, none where it is whole). None where the
    text begins no string; the quote ends it."""
    found: list[str] = []
    at = 0
    while at < len(text):
        byte = text[at]
        if byte == 0x22:
            return None if at + 1 < len(text) else ("".join(found), [])
        if byte < 0x20:
            return None
        if byte != 0x5C:
            size = 1 if byte < 0x80 else 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            piece = text[at : at + size]
            if len(piece) < size:
                points = going_on(piece)
                return ("".join(found), [points]) if points else None
            try:
                found.append(piece.decode())
            except UnicodeDecodeError:
                return None
            at += size
            continue
        escape = text[at : at + 6].decode("latin-1")
        if len(escape) == 1:
            return "".join(found), [[*range(0x10000)]]
        if escape[1] != "u":
            if escape[1] not in '"\\/bfnrt':
                return None
            found.append(json.loads(f'"{escape[:2]}"'))
            at += 2
            continue
        digits = escape[2:]
        if any(digit not in "0123456789abcdefABCDEF" for digit in digits):
            return None
        if len(digits) < 4:
            low = int(digits.ljust(4, "0"), 16)
            units = range(low, low + 16 ** (4 - len(digits)))
            points = [unit for unit in units if not 0xD800 <= unit < 0xE000]
            highs = [unit for unit in units if 0xD800 <= unit < 0xDC00]
            points += [0x10000 + (unit - 0xD800 << 10) + low for unit in highs for low in range(0, 0x400, 7)]
            return ("".join(found), [points]) if points else None
        unit = int(digits, 16)
        at += 6
        if 0xDC00 <= unit < 0xE000:
            return None
        if 0xD800 <= unit < 0xDC00:
            base = 0x10000 + (unit - 0xD800 << 10)
            rest = text[at : at + 6].decode("latin-1")
            if "\\u"[: len(rest)] != rest[:2]:
                return None
            digits = rest[2:]
            if any(digit not in "0123456789abcdefABCDEF" for digit in digits):
                return None
            low = int(digits.ljust(4, "0"), 16)
            lows = range(max(low, 0xDC00), min(low + 16 ** (4 - len(digits)), 0xE000))
            if not lows:
                return None
            if len(digits) < 4:
                return "".join(found), [[base + one - 0xDC00 for one in lows]]
            unit = base + low - 0xDC00
            at += 6
        found.append(chr(unit))
    return "".join(found), []


@cache
def going_on(piece: bytes) -> list[int]:
    """Return code points whose UTF-8 begins with some bytes: all, or one of each 64."""
    size = 2 if piece[0] < 0xE0 else 3 if piece[0] < 0xF0 else 4
    if not 0xC2 <= piece[0] < 0xF5:
        return []
    left, found = size - len(piece), []
    for rest in itertools.product(range(0x80, 0xC0), repeat=min(left, 2)):
        with suppress(UnicodeDecodeError):
            found.append(ord((piece + bytes(rest) + b"\x80" * (left - len(rest))).decode()))
    return found


def string_goes_on(text: bytes, texts: list[str], least: int, most: int | None) -> bool:
    """Return whether a JSON string without some texts, of `least` to `most` characters, begins so."""
    read = decoded_prefix(text)
    if read is None:
        return False
    head, cut = read
    if any(one in head for one in texts):
        return False
    size = len(head) + len(cut)
    if most is not None and size > most:
        return False
    if text.endswith(b'"') and not cut and closes(text):
        return size >= least
    return not cut or any(not any((head + chr(point)).endswith(one) for one in texts) for point in cut[0])


def closes(text: bytes) -> bool:
    """Return whether the last byte is a quote that is not escaped."""
    body = text[:-1]
    return (len(body) - len(body.rstrip(b"\\"))) % 2 == 0


STRINGS = [
    (["ab"], 0, None),
    (["aba", "bb"], 0, None),
    (["a", "é", "\\"], 0, None),
    (["😀", '"', "/a"], 0, None),
    ([chr(code) for code in range(0x60, 0x70)], 0, None),
    ([chr(code) for code in range(0xC0, 0x100)], 0, None),
    (["ab", "ba"], 0, 4),
    (["ab", "é"], 2, 3),
    (["aa", "b"], 1, None),
    (["aba", "\n"], 3, 40),
]


@pytest.mark.parametrize(("texts", "least", "most"), STRINGS)
def test_masks_inside_free_strings_are_exact(texts: list[str], least: int, most: int | None) -> None:
    # a token is allowed if and only if some string goes on with it, as a reader of its own tells
    chance = random.Random(str(texts))
    schema: dict[str, Any] = {"type": "string", "minLength": least}
    if most is not None:
        schema["maxLength"] = most
    of = compiled(sg.without(sg.json_schema(schema, whitespace="compact"), texts))
    for _ in range(2):
        state, text = of.step_bytes(of.start, b'"'), b""
        for _ in range(6):
            assert state is not None
            expected = {
                number
                for number, token in enumerate(TOKENS)
                if string_goes_on(text + token, texts, least, most)
            }
            allowed = set(of.allowed(state))
            assert allowed == expected, (text, [TOKENS[one] for one in allowed ^ expected])
            last = of.completion(state)
            assert is_free(json.loads(b'"' + text + last), texts)
            choices = [number for number in sorted(expected) if b'"' not in TOKENS[number]]
            pieces = [number for number in choices if number >= len(BYTES)]
            pool = pieces if pieces and chance.random() < 0.8 else choices
            if not pool:
                break
            token = chance.choice(pool)
            text += TOKENS[token]
            state = of.step(state, token)


def test_a_key_is_banned_at_every_byte() -> None:
    schema = sg.json_schema({"type": "object"}, whitespace="compact", escapes="any")
    of = compiled(sg.without(schema, ["aba", "é"]))
    for text in (rb'{"ab', rb'{"\u0061\u0062', rb'{"x":1,"ab', rb'{"a\u006'):
        for at in range(2, len(text) + 1):
            state = reached(of, text[:at])
    state = reached(of, b'{"ab')
    allowed = {TOKENS[token] for token in of.allowed(state) if token != END}
    assert not {b"a", b"ab", b"aba", b"\\u0061", b'a"', b"\xc3\xa9"} & allowed
    assert {b"b", b"ba", b"\\u", b"\\u006", b'":', b"\xc3"} <= allowed


# --- dead ends and what is left over ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "schema",
    [
        {"const": "foo"},
        {"type": "object", "properties": {"a": {"const": "foo"}}, "required": ["a"]},
        {"type": "object", "required": ["xfoox"]},
        {"type": "array", "items": {"enum": ["foo", "barfoo"]}, "minItems": 1},
        {"enum": [{"a": ["foo"]}]},
        {"type": "string", "pattern": "^.*foo$"},
    ],
)
def test_a_schema_that_needs_a_banned_text_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(sg.errors.UnsatisfiableSchema, match="or ban fewer texts"):
        compiled(sg.without(sg.json_schema(schema), ["foo"]))


def test_what_leads_to_a_banned_text_alone_is_not_offered() -> None:
    schema = {
        "type": "object",
        "properties": {"kind": {"enum": ["a", "b"]}, "value": {"enum": ["foo", "bar"]}},
        "required": ["kind", "value"],
        "additionalProperties": False,
        "if": {"properties": {"kind": {"const": "a"}}},
        "then": {"properties": {"value": {"const": "foo"}}},
    }
    of = compiled(sg.without(sg.json_schema(schema, whitespace="compact"), ["foo"]))
    state = reached(of, b'{"kind":"')
    assert {TOKENS[token] for token in of.allowed(state) if len(TOKENS[token]) == 1} == {b"b"}


def test_references_patterns_and_nested_schemas_are_all_under_the_ban() -> None:
    schema = {
        "$defs": {
            "node": {
                "type": "object",
                "properties": {"n": {"type": "string"}, "next": {"$ref": "#/$defs/node"}},
            }
        },
        "$ref": "#/$defs/node",
        "unevaluatedProperties": {"type": "array", "prefixItems": [{"type": "string"}]},
    }
    grammar = sg.without(sg.json_schema(schema), ["ab"])
    assert takes(grammar, '{"n":"a","next":{"next":{"n":"b"}},"x":["a","b"]}')
    for text in (
        '{"n":"ab"}',
        '{"next":{"next":{"n":"aab"}}}',
        '{"x":["ab"]}',
        '{"x":["a",{"ab":1}]}',
        '{"next":{"ab":1}}',
    ):
        assert not takes(grammar, text)


def test_policies_hold_beside_a_ban() -> None:
    scalar = sg.without(sg.json_schema({}, any_value="scalar"), ["ab"])
    assert takes(scalar, '"a"') and not takes(scalar, '["a"]') and not takes(scalar, '"ab"')
    short = sg.without(sg.json_schema({"type": "string"}, max_string=3), ["ab"])
    assert takes(short, '"aaa"') and not takes(short, '"aaaa"') and not takes(short, '"aab"')


# --- grammars of other texts ------------------------------------------------------------------------------

TAG = {"type": "tag", "begin": "a", "content": {"type": "regex", "pattern": "[ab]*"}, "end": "c"}
OTHERS: dict[str, Callable[[], TextGrammar]] = {
    "regex": lambda: sg.regex("[ab]*c?"),
    "choice": lambda: sg.choice(["ab", "aab", "b", "ba"]),
    "rules": lambda: sg.ebnf('root ::= "a" root "b" | "ba" | ""'),
    "lark": lambda: sg.lark('start: (A | B)*\nA: "a"\nB: /b+/'),
    "characters": lambda: sg.lark('start: "a" start "b" | "c"', lexer="characters"),
    "span": lambda: sg.substring_of("abcabba"),
    "text": lambda: sg.text(until="c"),
    "sum": lambda: sg.choice(["a", "ab"]) + sg.substring_of("bca"),
    "tag": lambda: sg.structural_tag({"format": TAG}),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_grammars_lose_the_texts_that_hold_a_banned_one(name: str) -> None:
    every = words_of(OTHERS[name](), "abc", 5)
    for texts in (["ab"], ["ba", "bb"], ["a", "b"], ["abab"], ["b", "abb"]):
        left = {word for word in every if not any(text in word for text in texts)}
        grammar = sg.without(OTHERS[name](), texts)
        assert isinstance(grammar, TextGrammar)
        try:
            found = words_of(grammar, "abc", 5)
        except sg.errors.GrammarError:
            found = set()
        assert found == left, texts


def test_a_special_token_has_no_text_and_may_come() -> None:
    tokenizer = sg.Tokenizer.from_bytes([*BYTES, None, None], eos_token_id=256)
    grammar = sg.without("a" + sg.special(257) + sg.choice(["b", "ab"]), ["ab"])
    of = sg.compile(grammar, tokenizer, store=False)
    state = of.step(of.start, 97)
    assert state is not None and list(of.allowed(state)) == [257]
    state = of.step(state, 257)
    assert state is not None and list(of.allowed(state)) == [98]


# --- the rest of the package ------------------------------------------------------------------------------


def test_budgets_and_counts_hold_under_a_ban() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "minLength": 3}}, "required": ["a"]}
    grammar = sg.without(sg.json_schema(schema), ["  ", " !", "! "])
    made, chance = compiled(grammar), random.Random(9)
    for _ in range(20):
        matcher = sg.Matcher(made)
        tokens = written(matcher, chance, matcher.tokens_to_finish() + 3)
        value = json.loads(b"".join(TOKENS[token] for token in tokens))
        assert is_valid(value, schema) and is_free(value, ["  ", " !", "! "])


def test_events_and_explanations_are_there() -> None:
    grammar = sg.without(sg.json_schema({"type": "object", "properties": {"a": {"type": "string"}}}), ["ab"])
    matcher = sg.Matcher(compiled(grammar))
    for byte in b'{"a":"b"}':
        matcher.advance(byte)
    assert matcher.is_complete
    assert "1 text is banned from strings and keys." in str(grammar.report)
    many = sg.explain(sg.without(grammar, [f"{number:03}-{number}" for number in range(99)]))
    assert isinstance(many, sg.Explanation)
    assert 'a string without "000-0", "001-1", ' in str(many)
    assert "(and 92 more)" in str(many)


def test_a_ban_is_a_value() -> None:
    of = sg.json_schema({"type": "object"})
    grammar = sg.without(of, ["b", "ab", "a"])
    assert grammar == sg.without(of, ["a", "b"]) == sg.without(sg.without(of, ["a"]), ["b"])
    assert grammar != of and grammar.fingerprint != of.fingerprint
    assert pickle.loads(pickle.dumps(grammar)) == grammar
    assert not takes(pickle.loads(pickle.dumps(grammar)), '{"a":1}')
    assert sg.without(of, []) is of
    words = sg.without(sg.lark('start: "a"+'), ["aa"])
    assert pickle.loads(pickle.dumps(words)) == words


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ([""], "texts must be .*, got ''"),
        ("foo", "must be a list"),
        ([1], "texts must be .*, got 1"),
        (["\ud800"], "surrogate pair"),
        (3, "texts must be .*, got 3"),
    ],
)
def test_what_cannot_be_banned_is_refused(texts: Any, said: str) -> None:
    with pytest.raises(sg.errors.OptionError, match=said):
        sg.without(sg.json_schema({}), texts)


def test_a_flag_that_is_none_is_refused() -> None:
    with pytest.raises(sg.errors.OptionError, match="decoded"):
        sg.without(sg.json_schema({}), ["a"], decoded=1)  # type: ignore[arg-type]


def test_how_many_texts_are_banned_is_bounded() -> None:
    grammar = sg.json_schema({}, limits=sg.Limits(banned_texts=2))
    assert sg.without(grammar, ["a", "b"]) != grammar
    with pytest.raises(sg.errors.LimitError) as caught:
        sg.without(grammar, ["a", "b", "c"])
    assert caught.value.limit == "banned_texts"


def test_a_ban_that_a_pattern_rules_out_adds_no_states() -> None:
    def key(*formulas: Formula) -> bytes:
        pool = StringPool(Limits())
        return pool.language_key(pool.start(Spec((All(formulas),)), lambda met: 0))

    date, hexes = Pattern("^[0-9]{4}-[0-9]{2}$"), Pattern("^[0-9a-f]{6}$")
    ban = Not(Pattern(pattern_of(("2-0x", "dead", "xyz"))))
    assert key(date, ban) == key(date)
    assert key(hexes, ban) == key(hexes, Not(Pattern("dead"))) != key(hexes)

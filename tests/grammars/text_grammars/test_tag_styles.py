"""Schemas in structural tags: styles, any order, white space counted, excluded texts; beside XGrammar."""

from __future__ import annotations

import itertools
import json
import random
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from compiled_texts import takes
from for_each import for_each

import structgen as sg
from structgen.grammars.text_grammars.composition.argument_styles import ARGUMENT_STYLES

BENCH = str(Path(__file__).parents[3] / "bench")
sys.path.insert(0, BENCH)
try:
    import bench_tool_formats as bench
finally:
    sys.path.remove(BENCH)

BYTES = sg.Tokenizer.from_bytes([*(bytes((byte,)) for byte in range(256)), None], eos_token_id=256)
M3 = "]<]minimax[>["
WRITTEN = {
    "qwen_xml": (
        "<parameter=q>x</parameter>",
        "<parameter=n>1</parameter>",
        '<parameter=l>["y"]</parameter>',
    ),
    "minimax_xml": (
        '<parameter name="q">x</parameter>',
        '<parameter name="n">1</parameter>',
        '<parameter name="l">["y"]</parameter>',
    ),
    "minimax_m3_xml": (
        f"{M3}<q>x{M3}</q>",
        f"{M3}<n>1{M3}</n>",
        f"{M3}<l>{M3}<item>y{M3}</item>{M3}</l>",
    ),
    "deepseek_xml": (
        '<｜DSML｜parameter name="q" string="true">x</｜DSML｜parameter>',
        '<｜DSML｜parameter name="n" string="false">1</｜DSML｜parameter>',
        '<｜DSML｜parameter name="l" string="false">["y"]</｜DSML｜parameter>',
    ),
    "deepseek_v4_1_xml": (
        '<｜DSML｜ parameter name="q" string="true">x</｜DSML｜ parameter>',
        '<｜DSML｜ parameter name="n" string="false">1</｜DSML｜ parameter>',
        '<｜DSML｜ parameter name="l" string="false">["y"]</｜DSML｜ parameter>',
    ),
    "glm_xml": (
        "<arg_key>q</arg_key><arg_value>x</arg_value>",
        "<arg_key>n</arg_key><arg_value>1</arg_value>",
        '<arg_key>l</arg_key><arg_value>["y"]</arg_value>',
    ),
    "cohere_xml": (
        '<cofl:value name="q" type="raw">x</cofl:value>',
        '<cofl:value name="n" type="json">1</cofl:value>',
        '<cofl:value name="l" type="list"><cofl:value type="raw">y</cofl:value></cofl:value>',
    ),
    "kimi_k3_xml": (
        '<|open|>argument key="q" type="string"<|sep|>x<|close|>argument<|sep|>',
        '<|open|>argument key="n" type="number"<|sep|>1<|close|>argument<|sep|>',
        '<|open|>argument key="l" type="array"<|sep|>["y"]<|close|>argument<|sep|>',
    ),
}
"""By style: {"q": "x", "n": 1, "l": ["y"]}, argument by argument. What stands around those of `gemma` is
tested apart."""
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "q": {"type": "string"},
        "n": {"type": "integer"},
        "l": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["q", "n"],
    "additionalProperties": False,
}


def tag(schema: Any, style: str = "json", **options: Any) -> dict[str, Any]:
    form = {"type": "json_schema", "json_schema": schema, "style": style, **options}
    return {"type": "structural_tag", "format": form}


def taken(value: dict[str, Any], texts: list[str], **policies: Any) -> list[str]:
    grammar = sg.compile(sg.structural_tag(value, **policies), BYTES, store=False)
    return [text for text in texts if takes(grammar, text)]


@pytest.mark.parametrize("style", WRITTEN)
def test_arguments_of_a_style(style: str) -> None:
    q, n, many = WRITTEN[style]
    good = [
        q + n + many,
        f"\n{q} {n}\n\n{many}\n",
        q + n,
        q.replace(">x", ">") + n,
        q.replace(">x", ">1 <a>") + n,
    ]
    bad = [
        "",
        q,
        q + n.replace("1", "x"),
        q + n.replace("1", '"1"'),
        q + n + n,
        q + n + many + "x",
        q + n + many[:-1],
    ]
    assert taken(tag(SCHEMA, style), [*good, *bad, n + q]) == good
    spaced = [q + n.replace("1", " 1\n"), q + " " * 8 + n]
    expected = spaced if style != "minimax_m3_xml" else spaced[1:]  # which has no white space in values
    assert taken(tag(SCHEMA, style), [*spaced, q + " " * 9 + n]) == expected


@pytest.mark.parametrize("style", WRITTEN)
def test_arguments_in_any_order_are_each_there_once_at_most(style: str) -> None:
    every = [some for count in range(4) for some in itertools.product(range(3), repeat=count)]
    good = [some for some in every if {0, 1} <= set(some) and len(set(some)) == len(some)]
    texts = {some: "".join(WRITTEN[style][index] for index in some) for some in every}
    found = taken(tag(SCHEMA, style, any_order=True), list(texts.values()))
    assert found == [texts[some] for some in good]


def test_the_older_name_of_qwens_style() -> None:
    q, n, _ = WRITTEN["qwen_xml"]
    older = {"format": {"type": "qwen_xml_parameter", "json_schema": SCHEMA}}
    assert taken(older, [q + n, n + q, q]) == [q + n]


def test_keys_of_json_in_any_order() -> None:
    texts = ['{"q":"x","n":1}', '{"n":1,"q":"x"}', '{"n":1,"l":[],"q":""}', '{"n":1}', '{"n":1,"q":"","n":1}']
    assert taken(tag(SCHEMA, any_order=True), texts) == texts[:3]


@pytest.mark.parametrize("most", [0, 1, 2])
@pytest.mark.parametrize("policies", [{}, {"whitespace": "compact"}, {"whitespace": "oneline"}], ids=str)
def test_white_space_of_json_stands_together_as_counted(most: int, policies: dict[str, str]) -> None:
    schema = {"type": "array", "items": {"const": " "}, "maxItems": 2}
    parts = ["]", ",", '" "', " ", "\n"]
    rests = ["".join(some) for count in range(1, 6) for some in itertools.product(parts, repeat=count)]
    texts = [begin + rest for begin in ("[", " [") for rest in rests]

    def right(text: str) -> bool:
        try:
            value = json.loads(text)
        except ValueError:
            return False
        runs = re.findall(r"[ \n]+", text.replace('" "', "x"))
        return value in ([], [" "], [" ", " "]) and all(len(run) <= most for run in runs)

    allowed = [text for text in texts if right(text)]
    if policies:
        allowed = taken(tag(schema), allowed, **policies)
    assert taken(tag(schema, max_whitespace_cnt=most), texts, **policies) == allowed


SHAPES = {
    "open": {"type": "object"},
    "closed": {"type": "object", "properties": {"k": {"type": "integer"}}, "additionalProperties": False},
    "other members": {"type": "object", "properties": {"k": {}}, "required": ["k"]},
    "array": {"type": "array", "items": {"type": "object"}, "minItems": 1},
    "union": {"anyOf": [{"type": "object"}, {"type": "array"}]},
    "anything": {},
}


@for_each("whitespace", ["any", "bounded", "compact", "oneline"])
@for_each("any_order", [False, True])
@for_each("shape", SHAPES)
def test_every_schema_is_written_with_little_white_space(
    shape: str, any_order: bool, whitespace: str
) -> None:
    chance = random.Random(f"{shape} {any_order} {whitespace}")
    most = chance.choice([1, 2, 9] if whitespace == "oneline" else [0, 1, 2, 9])
    options = {"any_order": any_order, "max_whitespace_cnt": most}
    grammar = sg.structural_tag(tag(SHAPES[shape], **options), whitespace=whitespace)
    matcher, mask = sg.Matcher(sg.compile(grammar, BYTES, store=False)), sg.allocate_mask(1, 257)
    written = bytearray()
    for _ in range(20):
        matcher.fill_mask(mask)
        allowed = [token for token in mask.allowed(0).tolist() if token < 128]
        if not allowed:
            break
        likely = [token for token in allowed if token in b'{[" :,k1']
        written.append(chance.choice(likely or allowed))
        matcher.advance(written[-1])
    text = (written + matcher.compiled.completion(matcher.state)).decode()
    assert jsonschema.Draft202012Validator(SHAPES[shape]).is_valid(json.loads(text)), text
    outside = re.sub(r'"(?:[^"\\]|\\.)*"', "x", text)
    assert all(len(run) <= most for run in re.findall(r"\s+", outside)), text


@pytest.mark.parametrize("style", ["qwen_xml", "kimi_k3_xml"])
def test_white_space_between_arguments_stands_together_as_counted(style: str) -> None:
    q, n, many = WRITTEN[style]
    good = [
        q + "\n " + n,
        "  " + q + n + "  ",
        q.replace("x", "    ") + n,
        q + n + many.replace('["y"]', '[  "y   "]'),
    ]
    bad = [
        q + "\n  " + n,
        q + n + "   ",
        q + n.replace("1", "   1"),
        q + n + many.replace('["y"]', '[   "y"]'),
    ]
    bad.append(q + n + many.replace('["y"]', '   ["y"]'))
    assert taken(tag(SCHEMA, style, max_whitespace_cnt=2), [*good, *bad]) == good


@pytest.mark.parametrize("style", ["json", *WRITTEN])
def test_excluded_texts_stand_in_no_string(style: str) -> None:
    def written(q: str, item: str) -> str:
        if style == "json":
            return json.dumps({"q": q, "n": 1, "l": [item]})
        whole = "".join(WRITTEN[style])
        return re.sub(r'(?<=[">\[])y(?=["<\]])', item, re.sub(r"(?<=[>\[])x(?=[<\]])", q, whole))

    good = [written("a", "b"), written("ba", "b a")]
    assert taken(tag(SCHEMA, style, excludes=["ab"]), [*good, written("ab", ""), written("", "xab")]) == good


def test_an_excluded_text_stands_in_no_name_and_no_escape() -> None:
    schema = {"type": "object", "properties": {"ab": {"type": "string"}, "c": {"type": "string"}}}
    good = ['{"c":"ba"}', "{}"]
    bad = ['{"ab":""}', '{"c":"\\u0061b"}', '{"c":"ab"}']
    assert taken(tag(schema, excludes=["ab"]), [*good, *bad], escapes="any") == good
    good = ["<parameter=c>a</parameter>", ""]
    assert taken(tag(schema, "qwen_xml", excludes=["ab"]), [*good, "<parameter=ab>a</parameter>"]) == good


# --- gemma ---

QUOTE = '<|"|>'
GEMMA = {**SCHEMA, "properties": {**SCHEMA["properties"], "o": {"type": "object"}}}


def gemma(value: Any, blank: Callable[[], str]) -> str:
    """Write a value as Gemma 4 does, with white space where JSON has some."""
    match value:
        case str():
            return blank() + QUOTE + value + QUOTE + blank()
        case list():
            return f"{blank()}[{','.join(gemma(one, blank) for one in value) or blank()}]{blank()}"
        case dict():
            members = (f"{blank()}{key}{blank()}:{gemma(one, blank)}" for key, one in value.items())
            return f"{blank()}{{{','.join(members) or blank()}}}{blank()}"
    return blank() + json.dumps(value) + blank()


def some_value(chance: random.Random, depth: int) -> Any:
    kinds = [*[lambda: chance.choice(["x", "", "a,b", '"}', 1, -2.5, True, None])] * 3]
    if depth:
        kinds.append(lambda: [some_value(chance, depth - 1) for _ in range(chance.randrange(3))])
        kinds.append(lambda: {key: some_value(chance, depth - 1) for key in chance.sample("abc", 2)})
    return chance.choice(kinds)()


@pytest.mark.parametrize("schema", [GEMMA, {**GEMMA, "properties": {**SCHEMA["properties"], "o": {}}}, True])
def test_what_gemma_writes_is_held_to_the_schema(schema: Any) -> None:
    chance = random.Random("gemma")
    grammar = sg.compile(sg.structural_tag(tag(schema, "gemma")), BYTES, store=False)
    valid = jsonschema.Draft202012Validator(schema).is_valid
    seen = set()
    for _ in range(300):
        said = {"q": "x", "n": 1, "l": ["y", "z"], "o": some_value(chance, 2)}
        value = {key: one for key, one in said.items() if chance.random() < 0.8}
        if value and chance.random() < 0.3:
            value[chance.choice(list(value))] = some_value(chance, 1)
        right = valid(value)
        seen.add(right)
        for written in ("", " ", "\n  "):
            assert takes(grammar, gemma(value, lambda one=written: chance.choice(["", one]))) is right, value
    assert seen == ({True} if schema is True else {True, False})


def test_white_space_of_gemma_stands_together_as_counted_and_none_where_a_policy_says_so() -> None:
    texts = [
        "{}",
        "{ }",
        "{  }",
        f"{{q : {QUOTE}  {QUOTE} }}",
        f"{{q  :{QUOTE}{QUOTE}}}",
        f"{{q:{QUOTE}{QUOTE}}}",
    ]
    for schema in ({**SCHEMA, "required": []}, {**GEMMA, "required": []}):
        counted = tag(schema, "gemma", max_whitespace_cnt=1)
        assert taken(counted, texts) == [texts[0], texts[1], texts[3], texts[5]]
        assert taken(tag(schema, "gemma"), texts, whitespace="compact") == [texts[0], texts[5]]


def test_gemmas_strings_and_names_hold_no_excluded_text() -> None:
    texts = [
        "{b:1}",
        "{ab:1}",
        f"{{b:{QUOTE}ba{QUOTE}}}",
        f"{{b:{QUOTE}xab{QUOTE}}}",
        f"{{b:[{QUOTE}ab{QUOTE}]}}",
    ]
    assert taken(tag(True, "gemma", excludes=["ab"]), texts) == [texts[0], texts[2]]


# --- any arguments ---

ANY_VALUES = {"string": ["x", "", "1 <a>"], "number": ["1", "-2.5"], "boolean": ["true"], "null": ["null"]}
ANY_VALUES |= {"object": ["{}", '{"a": ["<"]}'], "array": ["[]", '[1, {"b": null}]']}


def any_argument(style: str, key: str, kind: str, value: str) -> str:
    """Return an argument of a type, objects and arrays of cohere_xml without members."""
    nested = style == "cohere_xml" and kind in ("object", "array")
    word = ARGUMENT_STYLES[style].get("types", {}).get(kind, "")
    text = ARGUMENT_STYLES[style]["member"].replace("$key", key).replace("$type", word)
    return text.replace("$gap", "").replace("$value", "" if nested else value)


@for_each("schema", [True, {"type": "object"}, {"title": "T", "additionalProperties": True}])
@for_each("style", [style for style in WRITTEN if style != "minimax_m3_xml"])
def test_a_schema_that_names_none_takes_any_arguments(style: str, schema: Any) -> None:
    chance = random.Random(style)
    drawn = [
        [
            any_argument(style, chance.choice(["a", "_b1"]), kind, chance.choice(ANY_VALUES[kind]))
            for kind in chance.choices(list(ANY_VALUES), k=count)
        ]
        for count in (0, 1, 1, 2, 3, 3)
    ]
    good = ["\n".join(some) for some in drawn] + ["".join(some) for some in drawn]
    assert taken(tag(schema, style), good) == good
    bad = [any_argument(style, "a-b", "string", "x"), good[-1][:-1]]
    if "types" in ARGUMENT_STYLES[style]:
        bad.append(any_argument(style, "a", "number", "x"))
    assert taken(tag(schema, style), bad) == []
    assert taken(tag({"type": "object", "properties": {}}, style), good) == [one for one in good if one == ""]


def test_where_a_type_is_open_kimi_k3_xml_says_integer_too_as_xgrammar() -> None:
    """A single type has XGrammar's one word; where the type is open, XGrammar says `integer` of integers."""
    integer, number, half = (
        any_argument("kimi_k3_xml", "n", "number", value).replace('"number"', f'"{word}"')
        for word, value in (("integer", "5"), ("number", "5"), ("integer", "2.5"))
    )
    texts = [integer, number, half]
    for schema in ({}, {"type": ["integer", "null"]}, {"type": ["number", "string"]}, {"enum": [5, "x", []]}):
        properties = {"type": "object", "properties": {"n": schema}, "required": ["n"]}
        assert taken(tag(properties, "kimi_k3_xml"), texts) == [integer, number], schema
    for kind in ("integer", "number"):
        properties = {"type": "object", "properties": {"n": {"type": kind}}, "required": ["n"]}
        assert taken(tag(properties, "kimi_k3_xml"), texts) == [number]
    either = {"type": "object", "properties": {"n": {"enum": [0.5, "x"]}}, "required": ["n"]}
    assert taken(tag(either, "kimi_k3_xml"), texts) == []
    for schema in (True, {"type": "object"}):
        assert taken(tag(schema, "kimi_k3_xml"), texts) == [integer, number]


LETTERS = 'ak1" {}[]:,.<>|/sep'
PIECES = [
    '"<|sep|>{',
    '{"k": 1}<',
    "}</",
    "]<|close|>",
    '">',
    '": [',
    '"}]',
    "1}",
    "</",
    "<|open|>argu",
    "><",
]
DRAWN_TEXTS = ("".join(of) for size in (2, 3) for of in itertools.product(LETTERS, repeat=size))
TEXTS = [text.encode() for text in dict.fromkeys([*DRAWN_TEXTS, *PIECES])]
MANY = sg.Tokenizer.from_bytes([*(bytes((byte,)) for byte in range(256)), None, *TEXTS], eos_token_id=256)
"""All texts of three of some letters, and pieces that come past the ends of JSON."""
FEW = sg.Limits(oracle_steps=3_000)
INSIDE = ['{"k": 1}', '{"k": [1, "<a"], "ba": {}}', '["k", {"a b": 1}, 1.5]', "[]", "{}"]


def hold_to_bytes(value: Any, text: str, chance: random.Random) -> None:
    """Hold masks along a text, of a vocabulary of many tokens, to what is read byte by byte."""
    grammar = sg.structural_tag(value)
    large, single = sg.compile(grammar, MANY, limits=FEW), sg.compile(grammar, BYTES)
    state, end = large.start, 0
    there = single.start
    while True:
        allowed = set(large.allowed(state))
        first = MANY.vocab_size - len(PIECES)
        for token in (*range(256), *chance.sample(range(257, first), 200), *range(first, MANY.vocab_size)):
            read = single.step_bytes(there, MANY.token_bytes[token] or b"")
            assert (token in allowed) == (read is not None), (text[:end], MANY.token_bytes[token])
        if end == len(text):
            break
        size = chance.randint(1, 9)
        data = text[end : end + size].encode()
        after, read = large.step_bytes(state, data), single.step_bytes(there, data)
        assert after is not None and read is not None
        state, there, end = after, read, min(end + size, len(text))


def hold_any_to_bytes(count: int) -> None:
    chance = random.Random(5)
    for _ in range(count):
        style = chance.choice([style for style in WRITTEN if style not in ("minimax_m3_xml", "gemma")])
        schema: Any = chance.choice([True, {"type": "object"}, {"properties": {"a": {}}}])
        inside = chance.choice(INSIDE)
        kind = "object" if inside[0] == "{" else "array"
        if style == "cohere_xml":
            kind, inside = "number", "-1.5"
        text = any_argument(style, "a", kind, inside)
        hold_to_bytes(tag(schema, style), text, chance)
        rules = 'start: "<" start? json ">"\njson: %json {"type": ["object", "array"]}'
        inside = chance.choice(INSIDE)
        nested = {"format": {"type": "grammar", "grammar": rules, "syntax": "lark"}}
        hold_to_bytes(nested, f"<<{inside}>{inside}", chance)


def test_masks_of_any_values_cost_no_step_for_each_token() -> None:
    """Each key of an object is another state, so that a walk byte by byte has one for each token."""
    hold_any_to_bytes(12)


@pytest.mark.slow
def test_masks_of_any_values_in_random_tags_are_those_read_byte_by_byte() -> None:
    hold_any_to_bytes(2_000)


def test_objects_and_arrays_of_any_arguments_hold_one_another_in_cohere_xml() -> None:
    items = '<cofl:value type="json">1</cofl:value> <cofl:value type="raw">x</cofl:value>'
    item = f'<cofl:value type="list">{items}</cofl:value>'
    inside = f'<cofl:value name="b" type="list">{item}</cofl:value>'
    good = [f'<cofl:value name="a" type="dict">{inside}</cofl:value>', inside]
    bad = [f'<cofl:value name="a" type="dict">{item}</cofl:value>', item, good[0].replace(">1<", ">y<")]
    assert taken(tag(True, "cohere_xml"), [*good, *bad]) == good


def test_any_arguments_hold_no_excluded_text_and_white_space_as_counted() -> None:
    good = ["<parameter=a>xa</parameter>\n<parameter=a>1</parameter>", "<parameter=a>   </parameter>"]
    bad = ["<parameter=ab>x</parameter>", "<parameter=a>xab</parameter>"]
    bad.append("<parameter=a>1</parameter>  <parameter=a>1</parameter>")
    assert taken(tag(True, "qwen_xml", excludes=["ab"], max_whitespace_cnt=1), [*good, *bad]) == good


# --- beside XGrammar ---

DRAWN = {
    **SCHEMA["properties"],
    "e": {"enum": ["to", "raw"]},
    "o": {
        "type": "object",
        "properties": {"room": {"type": "string"}, "b": {"type": "boolean"}},
        "required": ["room"],
        "additionalProperties": False,
    },
}
NUMBERS = {"n": {"type": "integer"}, "b": {"type": "boolean"}, "m": {"type": "integer"}}


def words(style: str) -> list[str]:
    fields = ARGUMENT_STYLES.get(style, {})
    texts = [
        text
        for one in ("member", "item")
        for kind, text in bench.pieces(fields.get(one, ""))
        if kind == "text"
    ]
    names = [f'"{name}"' for name in ("q", "n", "l", "e", "o", "room", "b")]
    single = [chr(code) for code in range(32, 127)]
    return list(dict.fromkeys([*single, "\n", "é", *texts, *names, "to", "raw", "true", "room", ": ", ", "]))


def mended(text: str) -> str:
    """Return a text without what is known to differ: blanks around JSON and around words of an enum, blanks
    that are all of an object or an array (minimax_m3_xml), minus zero."""
    text = re.sub(r"-0(?!\d)", "0", text.strip(" \t\n\r") if text.strip()[:1] == "{" else text)
    text = re.sub(r">\s*(to|raw)\s*(?=[<\]])", r">\1", text)
    return re.sub(r"(<\w+>)\s+(\]<\]minimax\[>\[</)", r"\1\2", text)


def drawn(value: dict[str, Any], style: str) -> tuple[list[str], list[str], bench.Walker, bench.Peer]:
    pytest.importorskip("xgrammar")
    tokens = words(style)
    ours = bench.Walker(sg.structural_tag(value), tokens)
    wide = bench.Walker(sg.structural_tag(value, whitespace="any", numbers="any"), tokens)
    peer = bench.Peer(value, tokens)
    texts = [list(itertools.islice(bench.drawn(one, random.Random(1), 60), 15)) for one in (ours, peer)]
    assert all(len(some) == 15 for some in texts)
    return texts[0], texts[1], wide, peer


OPTIONS: dict[str, dict[str, Any]] = {
    "alone": {},
    "counted": {"max_whitespace_cnt": 2},
    "excluding": {"excludes": ["ab"]},
}
QUICK = [("json", "alone"), ("qwen_xml", "alone"), ("minimax_m3_xml", "counted")]
CASES = [
    pytest.param(style, name, marks=[] if (style, name) in QUICK else pytest.mark.slow)
    for style in ["json", *WRITTEN]
    for name in OPTIONS
    if name != "excluding" or style not in ("minimax_m3_xml", "cohere_xml")  # which XGrammar does not offer
]


@pytest.mark.parametrize(("style", "option"), CASES)
def test_texts_of_xgrammar_are_ours_and_ours_are_its(style: str, option: str) -> None:
    schema = {**SCHEMA, "properties": DRAWN}
    here, there, wide, peer = drawn(tag(schema, style, **OPTIONS[option]), style)
    assert [one for one in here if not peer.takes(one) and not peer.takes(mended(one))] == []
    assert [one for one in there if not wide.takes(one) and not wide.takes(mended(one))] == []


@pytest.mark.slow
@pytest.mark.parametrize("style", ["json", *WRITTEN])
def test_in_any_order_ours_are_those_of_xgrammar_with_each_needed_key_once(style: str) -> None:
    schema = {**SCHEMA, "properties": NUMBERS, "required": ["n", "b"]}
    here, there, wide, peer = drawn(tag(schema, style, any_order=True), style)
    assert [one for one in here if not peer.takes(one) and not peer.takes(mended(one))] == []
    head = re.escape(ARGUMENT_STYLES.get(style, {"member": '"$key":'})["member"].partition("$key")[0])
    keys = [re.findall(rf"{head}([nbm])\b", one) for one in there]
    whole = [len(set(some)) == len(some) and {"n", "b"} <= set(some) for some in keys]
    assert [wide.takes(one) for one in there] == whole

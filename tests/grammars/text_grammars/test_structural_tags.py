"""Structural tags, held to an interpreter of formats that follows every way to read, and to XGrammar."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest
from compiled_texts import takes
from for_each import for_each

import structgen as sg

BYTES = sg.Tokenizer.from_bytes([*(bytes((byte,)) for byte in range(256)), None, None], eos_token_id=256)
TEXTS = ["".join(letters) for length in range(6) for letters in itertools.product("abx", repeat=length)]
TEXTS += ["bbxa", "abxbbbxb", "xabxbx", "aabxb", "xxabxbbbxaab"]
FEWER = [text for text in TEXTS if len(text) < 4 or len(text) > 5]
ANY = {"type": "any_text"}


def const(text: str) -> dict[str, Any]:
    return {"type": "const_string", "value": text}


def tag(begin: str, content: dict[str, Any], end: str | list[str]) -> dict[str, Any]:
    return {"type": "tag", "begin": begin, "content": content, "end": end}


def triggered(triggers: list[str], *tags: dict[str, Any], **options: Any) -> dict[str, Any]:
    return {"type": "triggered_tags", "triggers": triggers, "tags": list(tags), **options}


def token_tag(token: int | str) -> dict[str, Any]:
    return {"type": "tag", "begin": {"type": "token", "token": token}, "content": const("b"), "end": "a"}


def triggered_by(*tags: dict[str, Any], **options: Any) -> dict[str, Any]:
    tokens = list(dict.fromkeys(one["begin"]["token"] for one in tags))
    return {"type": "token_triggered_tags", "trigger_tokens": tokens, "tags": list(tags), **options}


def lark(text: str) -> dict[str, Any]:
    return {"format": {"type": "grammar", "syntax": "lark", "grammar": text}}


AB, BB = tag("ab", const("x"), "b"), tag("bb", const("x"), ["a", "b"])
FORMATS: dict[str, dict[str, Any]] = {
    "any": ANY,
    "any but": {**ANY, "excludes": ["ab", "bb"]},
    "any so long": {**ANY, "max_chars": 2},
    "none": {**ANY, "max_tokens": 0},
    "tag": tag("a", ANY, "bb"),
    "tag with ends": tag("a", ANY, ["ab", "b"]),
    "tag so long": tag("a", {**ANY, "max_chars": 2, "excludes": ["x"]}, "b"),
    "triggered": triggered(["ab", "bb"], AB, BB),
    "triggered by a letter": triggered(["a", "b"], AB, BB),
    "triggered, not but": triggered(["ab"], AB, excludes=["xa"]),
    "triggered at once": triggered(["a", "bb"], AB, BB, at_least_one=True),
    "triggered once": triggered(["ab", "bb"], AB, BB, stop_after_first=True),
    "exactly one": triggered(["ab", "bb"], AB, BB, at_least_one=True, stop_after_first=True),
    "trigger that overlaps itself": triggered(["aa"], tag("aab", const("x"), "")),
    "triggered in a tag": tag("x", triggered(["ab"], AB), "ax"),
    "separated": {"type": "tags_with_separator", "tags": [AB, BB], "separator": "x"},
    "separated, one": {"type": "tags_with_separator", "tags": [AB], "separator": "", "at_least_one": True},
    "separated, first": {
        "type": "tags_with_separator",
        "tags": [AB],
        "separator": "",
        "stop_after_first": True,
    },
    "dispatch": {"type": "dispatch", "rules": [["a", const("x")], ["bb", AB]]},
    "dispatch once": {"type": "dispatch", "rules": [["a", const("x")]], "loop": False, "excludes": ["bx"]},
    "sequence": {"type": "sequence", "elements": [ANY, const("b")]},
    "end of a sequence": tag("a", {"type": "sequence", "elements": [const("x"), ANY]}, "b"),
    "or": tag("a", {"type": "or", "elements": [const("bb"), ANY]}, "b"),
    "optional": tag("a", {"type": "optional", "content": ANY}, "b"),
    "plus": {"type": "plus", "content": const("ab")},
    "star": {"type": "star", "content": {"type": "regex", "pattern": "ab?"}},
    "repeat": {
        "type": "repeat",
        "min": 1,
        "max": 2,
        "content": {"type": "grammar", "grammar": 'root ::= "a"'},
    },
    "repeat without end": {"type": "repeat", "min": 2, "max": -1, "content": const("x")},
}


def compiled(value: dict[str, Any], tokenizer: sg.Tokenizer = BYTES) -> sg.CompiledGrammar:
    return sg.compile(sg.structural_tag({"type": "structural_tag", "format": value}), tokenizer)


def taken(grammar: sg.CompiledGrammar) -> list[str]:
    return [text for text in TEXTS if takes(grammar, text)]


def ends(one: Any, text: str, at: int, stops: tuple[str, ...] = ()) -> set[int]:
    """Return where the texts of a format that begin at a place of a text may end."""
    places = range(at, len(text) + 1)
    inner = one.get("content")
    match one["type"]:
        case "const_string":
            return {at + len(one["value"])} if text.startswith(one["value"], at) else set()
        case "regex":
            return {end for end in places if re.fullmatch(one["pattern"], text[at:end])}
        case "grammar":
            return {at + 1} if text.startswith("a", at) else set()
        case "any_text":
            most = 0 if one.get("max_tokens") == 0 else one.get("max_chars", len(text))
            avoided = (*one.get("excludes", ()), *stops)
            return {e for e in places if e - at <= most and not any(a in text[at:e] for a in avoided)}
        case "tag":
            start = at + len(one["begin"])
            closings = [one["end"]] if isinstance(one["end"], str) else one["end"]
            middle = ends(inner, text, start, tuple(closings)) if text.startswith(one["begin"], at) else set()
            return {e + len(c) for e in middle for c in closings if text.startswith(c, e)}
        case "or":
            return set().union(*(ends(part, text, at, stops) for part in one["elements"]))
        case "sequence":
            found = {at}
            for part in one["elements"]:
                last = stops if part is one["elements"][-1] else ()
                found = {e for begin in found for e in ends(part, text, begin, last)}
            return found
        case "optional":
            return {at} | ends(inner, text, at, stops)
        case "plus" | "star" | "repeat":
            least = {"plus": 1, "star": 0}.get(one["type"], one.get("min"))
            most = one.get("max", -1)
            found, now = set(), {at}
            for count in range(len(text) + 2 if most == -1 else most + 1):
                found |= now if count >= least else set()
                now = {e for begin in now for e in ends(inner, text, begin, stops)}
            return found
        case "tags_with_separator":
            now = {e for part in one["tags"] for e in ends(part, text, at)}
            found = now | (set() if one.get("at_least_one") else {at})
            while now and not one.get("stop_after_first"):
                begun = {e + len(one["separator"]) for e in now if text.startswith(one["separator"], e)}
                now = {e for begin in begun for part in one["tags"] for e in ends(part, text, begin)} - found
                found |= now
            return found
        case "triggered_tags" | "dispatch":
            return dispatched(one, text, at, stops)
    raise AssertionError(one["type"])


def dispatched(one: Any, text: str, at: int, stops: tuple[str, ...]) -> set[int]:
    """Read free text a character at a time: what ends with a trigger has to go on as its tag."""
    if one["type"] == "dispatch":
        tags, triggers = [tag(begin, of, "") for begin, of in one["rules"]], [r[0] for r in one["rules"]]
        once, stops = not one.get("loop", True), ()
    else:
        tags, triggers, once = one["tags"], one["triggers"], one.get("stop_after_first", False)
    avoided = (*one.get("excludes", ()), *stops)
    found: set[int] = set()
    waiting, seen = {at}, set()
    if one.get("at_least_one"):
        waiting = {e for part in tags for e in ends(part, text, at)}
        if once:
            return waiting
    while waiting:
        begin = waiting.pop()
        seen.add(begin)
        for end in range(begin, len(text) + 1):
            free = text[begin:end]
            if any(word in free for word in avoided):
                break
            fired = next((trigger for trigger in triggers if free.endswith(trigger)), None)
            if fired is not None:
                after = {
                    e
                    for part in tags
                    if part["begin"].startswith(fired)
                    for e in ends(part, text, end - len(fired))
                }
                found |= after if once else set()
                waiting |= set() if once else after - seen
                break
            found.add(end)
    return found


@for_each("name", FORMATS)
def test_a_format_takes_what_its_interpreter_takes(name: str) -> None:
    expected = [text for text in TEXTS if len(text) in ends(FORMATS[name], text, 0)]
    assert taken(compiled(FORMATS[name])) == expected


@pytest.mark.slow
def test_formats_take_what_xgrammar_takes() -> None:
    xgrammar = pytest.importorskip("xgrammar")
    from xgrammar.testing import _get_matcher_from_grammar

    for name, value in FORMATS.items():
        text = json.dumps({"type": "structural_tag", "format": value})
        matcher = _get_matcher_from_grammar(xgrammar.Grammar.from_structural_tag(text))
        found = []
        for one in FEWER:
            matcher.reset()
            if (not one or matcher.accept_string(one)) and matcher.is_completed():
                found.append(one)
        assert [one for one in taken(compiled(value)) if one in FEWER] == found, name


def test_the_older_form_is_schemas_in_free_text() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    older = {
        "structures": [{"begin": "<f>", "schema": schema, "end": "</f>"}],
        "triggers": ["<f"],
    }
    grammar = sg.compile(sg.structural_tag(json.dumps(older)), BYTES)
    called = sg.compile(sg.structural_tag(json.dumps({**older, "at_least_one": True})), BYTES)
    for text, right, calls in (
        ('Look: <f>{"n": 1}</f> and <f>{"n":2}</f>.', True, False),
        ('<f>{"n": 1}</f> and <f>{"n":2}</f>.', True, True),
        ("No call, 1 < 2.", True, False),
        ('<f>{"n": "x"}</f>', False, False),
        ("<f", False, False),
    ):
        assert (takes(grammar, text), takes(called, text)) == (right, calls), text


def test_tokens_that_are_special_open_and_close_a_tag() -> None:
    opening = {"type": "token", "token": 257}
    grammar = compiled({"type": "tag", "begin": opening, "content": const("hi"), "end": opening})
    matcher = sg.Matcher(grammar)
    for token in (257, *b"hi", 257, 256):
        matcher.advance(token)
    assert matcher.is_finished
    with pytest.raises(sg.StructgenError, match="104"):
        compiled({"type": "token", "token": 104})


TOKENS = ["a", "b", "<x>", "<y>"]
NAMED = {"<x>": 2, "<y>": 3}
X, Y = ({"type": "token", "token": name} for name in NAMED)
TOKEN_FORMATS: dict[str, dict[str, Any]] = {
    "token": X,
    "any": {"type": "any_tokens", "exclude_tokens": ["<x>", 3]},
    "any so many": {"type": "any_tokens", "exclude_tokens": ["<x>", "<y>"], "max_tokens": 2},
    "any but": {"type": "exclude_token", "exclude_tokens": ["<x>", "<y>"]},
    "tag": {"type": "tag", "begin": X, "content": const("ab"), "end": Y},
    "triggered": triggered_by(token_tag("<x>"), token_tag("<y>")),
    "triggered by one": triggered_by(token_tag("<x>"), exclude_tokens=["<y>"]),
    "two tags": triggered_by(
        token_tag("<x>"), {**token_tag("<x>"), "content": const("a")}, exclude_tokens=[3]
    ),
    "at once": triggered_by(token_tag("<x>"), exclude_tokens=["<y>"], at_least_one=True),
    "once": triggered_by(token_tag("<x>"), exclude_tokens=["<y>"], stop_after_first=True),
    "exactly one": triggered_by(token_tag("<x>"), at_least_one=True, stop_after_first=True),
    "dispatch": {"type": "token_dispatch", "rules": [["<x>", const("b")], [3, const("")]]},
    "dispatch once": {
        "type": "token_dispatch",
        "rules": [["<x>", const("b")]],
        "loop": False,
        "exclude_tokens": ["<y>"],
    },
}


@pytest.mark.parametrize("name", TOKEN_FORMATS)
def test_formats_of_tokens_take_what_xgrammar_takes(name: str) -> None:
    xgrammar = pytest.importorskip("xgrammar")
    value = {"type": "structural_tag", "format": TOKEN_FORMATS[name]}
    tokenizer = sg.Tokenizer.from_bytes([b"a", b"b", None, None, None], eos_token_id=4)
    ours = sg.compile(sg.structural_tag(value, specials=NAMED), tokenizer, store=False)
    information = xgrammar.TokenizerInfo([*TOKENS, "</s>"], stop_token_ids=[4])
    theirs = xgrammar.GrammarCompiler(information).compile_structural_tag(value)
    mask = xgrammar.allocate_token_bitmask(1, 5)
    for length in range(6):
        for tokens in itertools.product(range(4), repeat=length):
            state: Any = ours.start
            taken = all((state := ours.step(state, token)) is not None for token in tokens)
            matcher = xgrammar.GrammarMatcher(theirs)
            also = True
            for token in (*tokens, 4):  # by masks: XGrammar counts no tokens in what it merely accepts
                matcher.fill_next_token_bitmask(mask)
                also = also and bool(int(mask[0, 0]) >> token & 1) and matcher.accept_token(token)
            if name == "any but" and not tokens:
                also = False  # XGrammar 0.2.9 takes the end token for the one token
            assert (taken and ours.accepts_end(state)) is also, tokens


def test_tokens_of_free_text_are_counted_up_to_the_end_of_its_tag() -> None:
    grammar = compiled(tag("<", {**ANY, "max_tokens": 2, "excludes": ["x"]}, ">"))
    matcher = sg.Matcher(grammar)
    for byte in b"<ab":
        matcher.advance(byte)
    mask = sg.allocate_mask(1, BYTES.vocab_size)
    matcher.fill_mask(mask)
    assert mask.allowed().tolist() == list(b">")


@for_each(
    ("value", "said"),
    [
        ([], "structural_tag must be an object, got []"),
        ({"type": "structural_tag"}, "The format is missing"),
        ({"format": ANY, "x": 1}, "'x'"),
        ({"format": {"type": "all_text"}}, "structural_tag/format/type: The format 'all_text' is not"),
        ({"format": {"type": ["tag"]}}, "not supported"),
        (triggered(["ab"], AB), 'Wrap it: {"type": "structural_tag", "format": {...}}.'),
        ({"format": {"type": "trigered_tags"}}, "is not supported. Did you mean triggered_tags?"),
        (
            {"format": {**AB, "content": {"type": "object"}}},
            'Write {"type": "json_schema", "json_schema": {...}} around a schema.',
        ),
        ({"format": {**ANY, "exclude": []}}, "'exclude'"),
        ({"format": {**ANY, "max_tokens": True}}, "max_tokens must be a whole number"),
        ({"format": {**ANY, "excludes": [""]}}, "excludes/0 must be a text that is not empty"),
        (
            {"format": {"type": "json_schema", "json_schema": {}, "style": "xml"}},
            "structural_tag/format/style: style='xml' is not",
        ),
        (
            {"format": {"type": "json_schema", "json_schema": False, "style": "qwen_xml"}},
            "structural_tag/format/json_schema: #: The schema names no arguments",
        ),
        (
            {"format": {"type": "json_schema", "json_schema": True, "style": "minimax_m3_xml"}},
            "structural_tag/format/json_schema: #: The schema names no arguments",
        ),
        (
            {"format": {"type": "json_schema", "json_schema": {"type": "string"}, "style": "gemma"}},
            "structural_tag/format/json_schema: #/type: Arguments must be an object",
        ),
        ({"format": {"type": "grammar", "grammar": "", "syntax": "gbnf"}}, "format/syntax must be"),
        (lark("start: x"), "structural_tag/format/grammar: "),
        (lark('start: "a" <|tool|>'), "<|tool|> is not the name of a special token"),
        (lark('start: a\na[lazy]: "b"'), "lazy of a rule (llguidance's dialect of Lark) is not supported"),
        (lark('start: "a" @b'), "structural_tag/format/grammar: "),
        (
            {"format": {"type": "json_schema", "json_schema": {"type": "string"}, "style": "glm_xml"}},
            "structural_tag/format/json_schema: #/type: Arguments must be an object",
        ),
        (
            {
                "format": {
                    "type": "json_schema",
                    "json_schema": {"properties": {"ab": {"type": "null"}}, "required": ["ab"]},
                    "style": "qwen_xml",
                    "excludes": ["b"],
                }
            },
            "#/properties/ab: 'ab' is required, and contains 'b'",
        ),
        (
            {"format": {"type": "json_schema", "json_schema": {}, "any_order": 1}},
            "any_order must be true or false",
        ),
        (
            {"format": {"type": "json_schema", "json_schema": {}, "max_whitespace_cnt": -1}},
            "max_whitespace_cnt must be",
        ),
        (
            {"format": {"type": "any_tokens", "exclude_tokens": [7]}},
            "The token 7 is not declared as special",
        ),
        (
            {"format": {"type": "exclude_token", "exclude_tokens": ["<x>"]}},
            "exclude_tokens/0: The token '<x>'",
        ),
        (
            {"format": {"type": "token_triggered_tags", "trigger_tokens": [7, 8], "tags": [token_tag(7)]}},
            "The tags begin with the tokens [7], and the triggers are [7, 8].",
        ),
        (
            {"format": {"type": "token_triggered_tags", "trigger_tokens": [7], "tags": [AB]}},
            "tags/0/begin must be an object, got 'ab'",
        ),
        ({"format": {"type": "token_dispatch", "rules": [[7, ANY], [7, ANY]]}}, "7 has two rules"),
        (
            {"format": {"type": "json_schema", "json_schema": {"type": 3}}},
            "structural_tag/format/json_schema: ",
        ),
        ({"format": {"type": "regex", "pattern": "("}}, "structural_tag/format/pattern: "),
        ({"format": {"type": "token", "token": "<x>"}}, "Pass its id"),
        (
            {"format": {"type": "sequence", "elements": []}},
            "elements must be a list that is not empty",
        ),
        (
            {"format": {"type": "repeat", "min": 2, "max": 1, "content": ANY}},
            "format/max must be a whole number, at least 2, got 1",
        ),
        (
            {"format": {**AB, "end": []}},
            "end must be a text or a list that is not empty or an object",
        ),
        ({"format": triggered(["x"], AB)}, "begins with none of the triggers, which are 'x'."),
        ({"format": triggered(["a", "ab"], AB)}, "begins with 'a' and 'ab' of the triggers"),
        ({"format": triggered(["ab", "b"], AB, BB)}, "contains 'b'"),
        ({"format": triggered(["ab"], AB, excludes=["a"])}, "contains 'a'"),
        ({"format": triggered(["ab", "x"], AB)}, "No tag begins with the trigger 'x'"),
        ({"format": {"type": "dispatch", "rules": [["a"]]}}, "is not a rule"),
        (
            {"structures": [{"begin": "a", "schema": {}}], "triggers": ["a"]},
            "structures/0/end is missing",
        ),
    ],
)
def test_what_is_no_tag_is_refused_with_its_place(value: Any, said: str) -> None:
    with pytest.raises(sg.StructgenError) as caught:
        sg.structural_tag(json.dumps(value))
    assert said in str(caught.value)


LARK = r"""
start: <|tool|>? item ("," item)* <[258]>?
item: NAME | "(" start ")" | DIGIT~1..2 | %json {"type": "boolean"}  // of any kind
NAME: /[xy]+/
DIGIT: "0".."1"
"""


def test_a_grammar_in_lark_takes_its_texts_and_special_tokens() -> None:
    tokenizer = sg.Tokenizer.from_bytes([*(bytes((byte,)) for byte in range(256)), None, None, None], 256)
    grammar = sg.structural_tag(lark(LARK), specials={"<|tool|>": 257}, whitespace="compact")
    compiled = sg.compile(grammar, tokenizer, store=False)
    item = r"(?:[xy]+|[01]{1,2}|true|false|\(T?{0}(?:,{0})*E?\))"
    inner = item.replace("{0}", r"(?:[xy]+|[01]{1,2}|true|false)")
    right = re.compile(f"T?{inner}(?:,{inner})*E?")
    for letters in (some for count in range(5) for some in itertools.product("TExy,(01)", repeat=count)):
        text = "".join(letters)
        if text.count("(") < 2:
            expected = right.fullmatch(text) is not None
            tokens = [{"T": 257, "E": 258}.get(one, ord(one)) for one in text]
            state: Any = compiled.start
            taken = all((state := compiled.step(state, token)) is not None for token in tokens)
            assert (taken and compiled.accepts_end(state)) is expected, text
    assert takes(compiled, "true,(xy,false)")


MARKED = {
    "type": "sequence",
    "elements": [
        {
            "type": "tag",
            "begin": "",
            "content": {"type": "any_tokens", "exclude_tokens": ["<think>", "</think>"], "max_tokens": None},
            "end": {"type": "token", "token": "</think>"},
        },
        {
            "type": "token_triggered_tags",
            "trigger_tokens": ["<tool_call>"],
            "tags": [
                {
                    "type": "tag",
                    "begin": {"type": "token", "token": "<tool_call>"},
                    "content": {"type": "sequence", "elements": [const('{"name": "f"'), const("}")]},
                    "end": {"type": "token", "token": "</tool_call>"},
                }
            ],
            "exclude_tokens": ["<think>", "</think>"],
            "at_least_one": False,
            "stop_after_first": False,
        },
    ],
}
"""What XGrammar 0.2.9 makes of a tool in the format qwen_3 with `token_markers`, the arguments left out."""
MARKERS = {"<think>": 257, "</think>": 258, "<tool_call>": 259, "</tool_call>": 260}


@pytest.mark.parametrize(
    ("said", "right"),
    [
        (["so", "</think>", ""], True),
        (["", "</think>", "I look. ", "<tool_call>", '{"name": "f"}', "</tool_call>", ""], True),
        (["", "</think>", "<tool_call> is text", "<tool_call>", '{"name": "f"}', "</tool_call>", "!"], True),
        (["so", ""], False),
        (["", "<think>", "</think>", ""], False),
        (["", "</think>", "", "<tool_call>", '{"name": "g"}', "</tool_call>", ""], False),
        (["", "</think>", "", "<tool_call>", '{"name": "f"}</tool_call>', ""], False),
        (["", "</think>", "", "</tool_call>", ""], False),
    ],
)
def test_markers_that_are_tokens_are_taken_as_tokens_alone(said: list[str], right: bool) -> None:
    tokenizer = sg.Tokenizer.from_bytes([*(bytes((byte,)) for byte in range(256)), *[None] * 5], 256)
    grammar = sg.structural_tag({"format": MARKED}, specials=MARKERS)
    compiled = sg.compile(grammar, tokenizer, store=False)
    tokens = [token for one in said for token in ([MARKERS[one]] if one in MARKERS else one.encode())]
    state: Any = compiled.start
    taken = all((state := compiled.step(state, token)) is not None for token in tokens)
    assert (taken and compiled.accepts_end(state)) is right


def test_markers_that_are_no_special_tokens_are_refused() -> None:
    with pytest.raises(sg.StructgenError, match="elements/0/content/exclude_tokens/0: The token '<think>'"):
        sg.structural_tag({"format": MARKED})
    grammar = sg.structural_tag({"format": MARKED}, specials={**MARKERS, "<tool_call>": 65})
    tokenizer = sg.Tokenizer.from_bytes([*(bytes((byte,)) for byte in range(256)), *[None] * 5], 256)
    with pytest.raises(sg.StructgenError, match="65"):
        sg.compile(grammar, tokenizer)


def test_a_tag_of_values_that_json_cannot_write_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "schema.json"
    file.write_text("{}")
    for style in ("json", "qwen_xml"):
        value = {"type": "json_schema", "json_schema": file, "style": style}
        with pytest.raises(sg.errors.SchemaError, match="structural_tag/format/json_schema"):
            sg.structural_tag({"format": value})
    with pytest.raises(sg.errors.SchemaError, match="structures/0/schema"):
        sg.structural_tag(
            {"structures": [{"begin": "a", "schema": file, "end": "b"}], "triggers": ["a"]},
        )
    with pytest.raises(sg.errors.OptionError, match="structural_tag/x: 'x' is not known here"):
        sg.structural_tag({"format": ANY, "x": 0, 1: 0})


def test_formats_inside_one_another_are_bounded() -> None:
    value: dict[str, Any] = ANY
    for _ in range(1_000):
        value = {"type": "optional", "content": value}
    with pytest.raises(sg.errors.OptionError, match="More than 64 formats"):
        sg.structural_tag({"format": value})

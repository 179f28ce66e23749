"""guidance's grammars for vLLM's address, in llguidance's dialect of Lark, mean what llguidance reads."""

from __future__ import annotations

import json
import random
import re
from itertools import product
from typing import Any

import pytest
from compiled_texts import takes
from for_each import for_each
from llguidance_answers import Answers

import structgen as sg
from structgen.tokens.tokenizer import byte_tokenizer

TEXTS = ["".join(text) for length in range(6) for text in product("ab", repeat=length)]


def compiled(rules: str, **more: Any) -> sg.CompiledGrammar:
    """Return what a request of guidance's asks for, compiled."""
    grammar = "%llguidance {}\n\n" + rules
    answer = sg.read_request({"structured_outputs": {"grammar": grammar}, "messages": [], **more}).answer
    assert answer is not None
    return sg.compile(answer, byte_tokenizer())


def random_rules(source: random.Random) -> str:
    """Return rules that have captures."""
    rules, names = list[str](), list[str]()
    for index in range(source.randint(2, 4)):
        ways = list[str]()
        for _ in range(source.randint(1, 2)):
            name, pattern = f"T{index}{len(rules)}", source.choice(["a", "b+", "[ab]", "ab?", "a{2}", "b*"])
            rules.append(f"{name}: /{pattern}/")
            ways.append(
                " ".join(source.choice([name, '"ab"', *names[-2:]]) for _ in range(source.randint(1, 2)))
            )
        mark = source.choice(["", "[capture]", '[capture="x,y"]', '[capture="__LIST_APPEND:l"]'])
        rules.append(f"r{index}{mark}: " + "\n     | ".join(ways))
        names.append(f"r{index}")
    return "\n".join([f"start: {names[-1]}", *rules])


@for_each("seed", range(25))
def test_rules_with_captures_take_the_texts_that_llguidance_takes(seed: int) -> None:
    rules = random_rules(random.Random(seed))
    accepted = set(filter(Answers(rules).accepts, TEXTS))
    try:
        grammar = compiled(rules)
    except sg.errors.GrammarError:
        assert not accepted
        return
    assert {text for text in TEXTS if takes(grammar, text)} == accepted


SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
OPTIONS = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": ", "lenient": False}


def test_a_part_of_json_takes_its_documents() -> None:
    part = json.dumps({**SCHEMA, "x-guidance": OPTIONS}, indent=2)
    grammar = compiled(f'start: p\np[capture]: %json {part}\n     | "no"\n')
    texts = ['{"n": 3}', "no", '{"n": "3"}', "n"]
    assert [takes(grammar, text) for text in texts] == [True, True, False, False]


def test_a_text_that_is_all_json_is_told_to_the_model_as_a_schema_is() -> None:
    request = {
        "structured_outputs": {"grammar": f"%llguidance {{}}\nstart: p\np: %json {json.dumps(SCHEMA)}"}
    }
    answer = sg.read_request({**request, "messages": []}).answer
    assert answer is not None
    assert answer.canonical == sg.json_schema(SCHEMA, whitespace="oneline").canonical


def test_directives_in_texts_and_patterns_are_texts() -> None:
    grammar = compiled('start: "%json {" /%regex{2}/ // %lark {\n')
    assert [takes(grammar, text) for text in ("%json {%regexx", "%json {")] == [True, False]


def test_the_tokens_of_free_text_are_bound() -> None:
    grammar = compiled("start: s\ns[capture, max_tokens=2]: S\nS: /(?s:.*)/")
    state: Any = grammar.start
    for token in (97, 10):
        assert grammar.accepts_end(state)
        state = grammar.step(state, token)
    assert grammar.accepts_end(state) and grammar.step(state, 97) is None


@for_each(
    ("rules", "named"),
    [
        ('start: s\ns[capture, stop="."]: S\nS: /(?s:.*)/', "stop"),
        ("start: s\ns[stop=/[.!]/, capture]: S\nS: /a/", "stop"),
        ("start: s\ns[temperature=0.5]: S\nS: /a/", "temperature"),
        ("start: s\ns[lazy]: S\nS: /a/", "lazy"),
        ("start: s\ns[max_tokens=3]: S\nS: /a+/", "max_tokens"),
        ('start: s\ns[max_tokens="3"]: S\nS: /(?s:.*)/', "max_tokens"),
        ('start: S\nS: %regex {"substring_chunks": ["a"]}', "regex"),
        ('%llguidance {"allow_initial_skip": true}\nstart: /a/', "llguidance"),
        ("start: s\ns[max_tokens=2]: S\n | /b/\nS: /(?s:.*)/", "max_tokens"),
        ("start: s\ns: %lark {\nstart: /a/\n}", "lark"),
        ("start: s\ns: %json 3", "json"),
        ('start: s\ns: %json {"x-guidance": {"item_separator": ",", "lenient": false}}', "x-guidance"),
    ],
)
def test_what_is_not_read_is_refused_by_its_name(rules: str, named: str) -> None:
    with pytest.raises(sg.errors.UnsupportedError, match=re.escape(named)) as caught:
        compiled(rules)
    assert caught.value.keyword == named


@for_each(
    "rules",
    ['start: s\ns: %json {"a"', "start: s\ns: %json " + '{"a":' * 100_000, "start: s[capture; x]: /a/"],
)
def test_broken_texts_are_refused(rules: str) -> None:
    with pytest.raises(sg.errors.StructgenError):
        compiled(rules)


def test_the_same_grammar_for_older_and_newer_servers_is_one() -> None:
    rules = "%llguidance {}\nstart: /a/"
    grammar = compiled("start: /a/", guided_grammar=rules.replace("\n", "\n\n"))
    assert [takes(grammar, text) for text in ("a", "b")] == [True, False]
    with pytest.raises(sg.errors.OptionError, match="guided_grammar and structured_outputs"):
        compiled("start: /a/", guided_grammar="start: /b/")


LEFT_OUT = ("// %lark {", '# %json { "', "//", "# it's", "")
GAPS = (" ", "  ")


@for_each("seed", range(20))
def test_comments_and_blanks_say_nothing(seed: int) -> None:
    """Rules that name one another, with comments and blanks between them, take the texts of their ways."""
    rng = random.Random(seed)

    def gap() -> str:
        return rng.choice(GAPS) + rng.choice(LEFT_OUT) + rng.choice(("\n", "\r\n"))

    depth, ways = rng.randint(1, 3), [{"5"} for _ in range(4)]
    rules = ""
    for at in range(depth):
        mark = rng.choice(("", "[capture]", ' [ capture = "x" ]'))
        name = "start" if at == 0 else f"r{at}"
        rules += f"{name}{mark}: r{at + 1}"
        if rng.random() < 0.5:
            rules += "".join(gap() for _ in range(rng.randint(1, 3))) + f'  | "{at}{at}"'
            ways[at] = {f"{at}{at}"}
        rules += gap()
    rules += f'r{depth}: %json {{"const": 5}}' + gap()
    head = rng.choice(("", "\ufeff", "// said\n", "# said\n")) + rng.choice(
        ("%llguidance {}\n", '%llguidance {"no_forcing": true}\n', "%llguidance{\n}\n")
    )
    request = {"structured_outputs": {"grammar": head + rules}, "messages": []}
    answer = sg.read_request(request).answer
    assert answer is not None
    grammar = sg.compile(answer, byte_tokenizer())
    texts = {"5", *(f"{at}{at}" for at in range(3)), ""}
    assert {text for text in texts if takes(grammar, text)} == set().union(*ways[:depth], {"5"})


def test_an_empty_text_is_one() -> None:
    """guidance writes one for a choice that may be left out."""
    grammar = compiled('start: ("a" | "") r\nr: "b"\n | ""')
    assert [takes(grammar, text) for text in ("ab", "b", "a", "", "ba")] == [True, True, True, True, False]


def test_a_fault_behind_a_bound_part_has_its_line_and_no_fault_is_passed_over() -> None:
    for rules in ('start: %json {"const": 5}\nr: $', 'start: r\n "z"\nr: %json {"const": 5}'):
        with pytest.raises(sg.errors.GrammarError, match="line 4"):
            compiled(rules)
    for rules in ('start: %json {"const": 5}\nr: other', 'start: r\nr: %json {"const": 5}\nr: "x"'):
        with pytest.raises(sg.errors.GrammarError):
            compiled(rules)


def test_the_tokens_of_free_text_are_bound_behind_comments() -> None:
    for rules in (
        "start: s\r\ns[max_tokens=2]: S\r\nS: /(?s:.*)/\r\n",
        "start: s // a\ns [ max_tokens = 2 ]: S // b\nS: /(?s:.*)/ // c",
    ):
        grammar = compiled(rules)
        state: Any = grammar.start
        for token in (97, 10):
            state = grammar.step(state, token)
        assert grammar.step(state, 97) is None


def test_long_comments_and_many_empty_lines_are_read_at_once() -> None:
    long, empty = "#/" * 50_000, "\n" * 1_000
    rules = f'// {long}{empty}start: r{empty}  | "b"{empty}r: "a" {long}{empty}'
    grammar = compiled(rules)
    assert [takes(grammar, text) for text in ("a", "b", "c")] == [True, True, False]
    with pytest.raises(sg.errors.StructgenError):
        sg.read_request({"structured_outputs": {"grammar": long + empty + "%llg"}, "messages": []})

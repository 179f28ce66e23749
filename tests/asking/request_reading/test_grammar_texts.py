"""Lark and EBNF are told apart by how lines begin, whatever strings and comments say; `syntax` decides."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from nonempty import nonempty

import structgen as sg
from structgen.asking.tool_calls.custom_tools import grammar_of_text, syntax_of
from structgen.tokens.tokenizer import byte_tokenizer

GRAMMARS = sorted(nonempty(Path(__file__).parents[3].joinpath("grammars").glob("*.lark")))
BNF = 'rule: NAME "::=" NAME+ ";"\nstart: rule+\nNAME: /[a-z]+/\n%ignore " "\n'
LARK = {
    "bnf": BNF,
    "comment first": '// root ::= "a"\n# root ::= "b"\n\nstart: "a"\n',
    "signs": '!start: _sep{item, ","} | item\n?item.2: "x" | WORD\n_sep{x, s}: x (s x)+\n'
    "WORD.-1: /[a-z]+/i\n",
    "directives": '%import common.NUMBER\n%ignore " "\nstart : NUMBER\n',
    "SynCode's calc": "start: expr\n\n"
    'expr: term (("+" | "-") term)*\n\nterm: factor (("*" | "/") factor)*\n\n'
    'factor: INT | "(" expr ")"\n\n%import common.INT\n%import common.WS\n%ignore WS\n',
    "SynCode's json": '?start: value\n\n?value: object\n| array\n| UNESCAPED_STRING\n| "true" -> true\n\n'
    'array  : "[" [value ("," value)*] "]"\nobject : "{" [pair ("," pair)*] "}"\n'
    'pair   : UNESCAPED_STRING ":" value\n\nUNESCAPED_STRING: /\\"[^"]*\\"/\n',
    "CRLF": 'start: "a"\r\n    | "::="\r\n',
    "a string first": 'start: "::=" "b"\n',
}
EBNF = {
    "one rule": 'root ::= "a"',
    "llama.cpp's list": "# a list\nroot ::= item+\n\n# start: no rule of Lark\n"
    'item ::= "- " [^\\r\\n\\x0b]+ "\\n"\n',
    "llama.cpp's arithmetic": 'root  ::= (expr "=" ws term "\\n")+\nexpr  ::= term ([-+*/] term)*\n'
    'term  ::= num | "(" ws expr ")" ws\nnum   ::= [0-9]+ ws\nws    ::= [ \\t\\n]*\n',
    "dashes": 'root ::= the-rule\nthe-rule ::= "start: \\"a\\"" | [a-z:]+\n',
    "a break before the sign": 'root\n  ::= "a"\n    | "b"\n',
    "indented": '  root ::= "a: b"\n  other ::= "c"\n',
    "XGrammar's": 'root ::= main\nmain ::= "{" [ \\n]* "\\"x\\":" value "}"\nvalue ::= [0-9]{1,3}\n',
}
NEITHER = ["neither", "", "there/is/a/path", '{"type": "object"}', "root = 'a' ;", "# start: x\n", "<a>b</a>"]


def made_of(text: str, **more: str) -> Any:
    said = (
        {"type": "grammar", "grammar": {"definition": text, **more}}
        if more
        else {"type": "grammar", "grammar": text}
    )
    return sg.read_request({"response_format": said}).answer


@pytest.mark.parametrize("path", GRAMMARS, ids=lambda path: str(path.stem))
def test_the_repository_s_grammars_are_lark(path: Path) -> None:
    assert syntax_of(path.read_text(encoding="utf-8")) == "lark"


@pytest.mark.parametrize("text", [*LARK.values(), *EBNF.values()], ids=[*LARK, *EBNF])
def test_a_grammar_is_read_by_its_syntax_wherever_one_may_stand(text: str) -> None:
    is_lark = text in LARK.values()
    expected = (sg.lark if is_lark else sg.ebnf)(text).canonical
    for said in ({"guided_grammar": text}, {"structured_outputs": {"grammar": text}}):
        answer = sg.read_request(said).answer
        assert answer is not None and answer.canonical == expected
    for syntax in ("", "lark") if is_lark else ("", "ebnf", "gbnf"):
        more = {"syntax": syntax} if syntax else {}
        assert made_of(text, **more).canonical == expected


@pytest.mark.parametrize("text", NEITHER)
def test_a_text_of_neither_is_refused_in_words_that_name_both(text: str) -> None:
    with pytest.raises(sg.StructgenError, match=r"(?s)EBNF.*Lark") as caught:
        sg.read_request({"guided_grammar": text})
    assert caught.value.where == "guided_grammar"


@pytest.mark.parametrize(
    ("syntax", "text"), [("lark", EBNF["one rule"]), ("ebnf", BNF), ("gbnf", BNF), ("regex", "(")]
)
def test_the_syntax_that_is_given_decides(syntax: str, text: str) -> None:
    with pytest.raises(sg.StructgenError):
        made_of(text, syntax=syntax)


def test_a_pattern_is_read_by_its_syntax() -> None:
    assert made_of("start: a", syntax="regex").canonical == sg.regex("start: a", dialect="ecma").canonical


def written(seed: int) -> tuple[str, str]:
    """Return a random grammar, in Lark and in EBNF: strings hold the signs of both."""
    random_ = random.Random(seed)
    names = [f"r{at}" for at in range(random_.randint(1, 4))]
    strings = ['"a ::= b"', '"c: d"', '"# e"', '"// f"', '"::="', '":"', '"%ignore"']
    lark, ebnf = [], []
    for at, name in enumerate(names):
        ways = [
            " ".join(random_.choices(strings + names[at + 1 :], k=random_.randint(1, 3))) for _ in range(2)
        ]
        breaks = random_.choice([" ", "\n    ", "  "])
        body = f"{breaks}| ".join(ways)
        mark = random_.choice(["", "?", "!"]) if at else ""
        lark.append(random_.choice(["", "// x ::= y", "# x ::= y", "#"]))
        lark.append(f"{mark}{name if at else 'start'}: {body}")
        ebnf.append(random_.choice(["", "# x: y", "#start: y"]))
        ebnf.append(f"{name if at else 'root'} ::= {body}")
    return "\n".join(lark), "\n".join(ebnf)


@pytest.mark.parametrize("part", range(3))
def test_random_grammars_are_told_apart_in_both_syntaxes(part: int) -> None:
    for seed in range(part, 300, 3):
        lark, ebnf = written(seed)
        assert (syntax_of(lark), syntax_of(ebnf)) == ("lark", "ebnf"), (lark, ebnf)
        if seed % 30 == 0:
            sg.ebnf(ebnf)
            sg.lark(lark.replace("?r", "r").replace("!r", "r"))


def test_a_byte_order_mark_and_a_schema_in_place_of_a_grammar() -> None:
    for text, syntax in (('\ufeffroot ::= "x"\n', "ebnf"), ('\ufeffstart: "x"\n', "lark")):
        assert syntax_of(text) == syntax
        for given in ("", syntax):
            compiled = sg.compile(grammar_of_text(text, syntax=given), byte_tokenizer())
            assert compiled.completion(compiled.start) == b"x"
    with pytest.raises(sg.StructgenError, match="pass a JSON Schema as response_format"):
        grammar_of_text('{"type": "object"}')

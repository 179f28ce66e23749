"""Lark grammars: those that ship, and small ones for what their lexers and parsers do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

from lark.indenter import PythonIndenter

import structgen as sg

from ..case import Case
from ..vocabularies import ROOT

SMALL: dict[str, tuple[str, tuple[str, ...]]] = {
    "keyword": (
        'start: "if" NAME "then" NAME | NAME "=" NAME\nNAME: /[a-z]+/\n%ignore " "\n',
        ("if a then b", "iff = b", "if = b", "if if then b", "athen = b"),
    ),
    "keyword-call": (
        'start: s+\ns: NAME "(" ")" ";" | "in" NAME ";"\nNAME: /[a-z]+/\n%ignore /\\s+/\n',
        ("int(); in x;", "in(); ", "in in;"),
    ),
    "priority-terminal": ("start: (A | B)+\nA.2: /a+/\nB: /[ab]+c/\n", ("aabc", "bc", "aac")),
    "priority-string": ('start: (KW | ID)+\nKW.-1: "abc"\nID: /[a-c]{1,3}/\n%ignore " "\n', ("abc abc",)),
    "priority-rule": ('start: a "x" "p" | b "x" "q"\na.2: "n"\nb: "n"\n', ("nxp", "nxq")),
    "longest": ('start: (A | B | C)+\nA: "a"\nB: "ab"\nC: /b+/\n', ("abab", "abb", "bba")),
    "flags": ('start: A B\nA: "select"i\nB: /x.y/is\n%ignore " "\n', ("SeLecT x\ny", "select XaY", "selec")),
    "ignore-comments": (
        'start: (N ";")*\nN: /\\d+/\n%ignore /#[^\\n]*\\n/\n%ignore /\\s+/\n',
        ("1; # x\n2;", "1;#", ""),
    ),
    "ignore-string": ('start: N+\nN: /[a-z]+/\n%ignore "foo"\n%ignore " "\n', ("fox foo bar", "foofoo")),
    "look-ahead": (
        'start: (W | K)+\nK: /as(?![a-z])/\nW: /(?!as(?![a-z]))[a-z]+/\n%ignore " "\n',
        ("as asx xas", "asas"),
    ),
    "look-ahead-far": ('start: (A B)+ "c"\nA: /a(?=b)/\nB: /b+(?=[ac])/\n', ("abbabc", "abb", "aabc")),
    "look-behind": ("start: (A | B | C)+\nA: /a/\nB: /(?<=a)b/\nC: /c|(?<!a)b/\n", ("abcb", "bb", "abb")),
    "boundary": ('start: "a"+ /\\bif\\b/\n%ignore " "\n', ("a if", "aif", "a a if")),
    "boundary-word": (
        'start: (/\\bin\\b/ | ID | "-")+\nID: /[a-m]+/\n%ignore " "\n',
        ("in in-a", "ink", "-in"),
    ),
    "lazy": ('start: C+ "x"\nC: /\\/\\*.*?\\*\\//s\n', ("/* a *//**/x", "/**/ */x")),
    "optional-parts": ('start: "(" [a] [b] ")"\na: "a"\nb: "b"~1..3\n', ("(abb)", "(bbbb)", "()")),
    "template": (
        'start: list{X} ";" list{"y"}\nlist{one}: one ("," one)* -> all\nX: /[0-9]+/\n',
        ("1,2;y,y", "1;", ";y"),
    ),
    "repeat": ('start: A~3 B~2..4\nA: "a"\nB: /b/\n', ("aaabb", "aabb", "aaabbbbb")),
    "left-recursive": (
        'start: e\n?e: e "+" t | t\n?t: t "*" f | f\n?f: "(" e ")" | N\nN: /[0-9]+/\n%ignore " "\n',
        ("1+2*(3+4)", "1+", "(1", "1 2"),
    ),
    "right-recursive": ('start: N "," start | N\nN: /[0-9]/\n', ("1,2,3", "1,", "12")),
    "nullable": ('start: a b a\na: "x"?\nb: "y"*\n', ("xyyx", "xxx", "")),
    "brackets": ('start: "(" start ")" start | "[" start "]" |\n', ("([])()", "(]", "((")),
    "dangling-else": ('start: s\ns: "i" s | "i" s "e" s | "x"\n', ("iixex", "ixee")),
    "shift-reduce": ('start: x "b"\nx: "a" | "a" "b"\n', ("ab", "abb")),
    "unicode": ('start: (W | "é" | /€+/)+\nW: /[à-ÿ]{2,}/\n%ignore " "\n', ("éé é €€", "é", "à")),
    "import": (
        "start: (SIGNED_NUMBER | ESCAPED_STRING | CNAME | WS)+\n"
        "%import common (SIGNED_NUMBER, ESCAPED_STRING, CNAME, WS)\n",
        ('-1.5e3 "a\\"b" x_1', '"a', "-"),
    ),
    "extend": (
        'start: A\nA: "x"\n%extend A: "y"\n%import common.DIGIT\n%override DIGIT: "7"\n',
        ("x", "y", "z"),
    ),
    "call-conflict": (
        'start: call+\ncall: NAME "(" [x ("," x)*] ")"\n?x: NAME | call | "[" [x] "]"\n'
        '%import common.CNAME -> NAME\n%ignore " "\n',
        ("f(g(x), [y])", "f()g()", "f("),
    ),
    "alias": ('start: "a" -> one\n     | "b" start -> two\n', ("bba", "ab")),
    "end-needed": ("start: A B\nA: /a+(?=b|$)/\nB: /b+$/m\n", ("aab", "aabc", "aa")),
    "many-keywords": (
        "start: s+\ns: ("
        + " | ".join(f'"kw{n}"' for n in range(30))
        + ') N ";"\nN: /[a-z]+[0-9]*/\n%ignore " "\n',
        ("kw7 x1; kw29 kw;", "kw7 kw7;", "kw77 x;"),
    ),
    "string-escapes": (
        r"""start: S ("," S)*
S: /'(\\.|[^'\\\n])*'/ | /"(\\.|[^"\\\n])*"/
""",
        ("'a\\'b',\"c\"", "'a", "'a\n'"),
    ),
}
BLOCKS = r"""
start: line+
line: NAME _NEWLINE | NAME ":" _NEWLINE _INDENT line+ _DEDENT | "(" NAME* ")" _NEWLINE
NAME: /[a-z]+/
_NEWLINE: /(\n *)+/
%declare _INDENT _DEDENT
%ignore " "
"""
CALLS = """
start: ("call" NAME "(" ARGUMENTS ")" ";")+
NAME: /[a-z]+/
%ignore " "
%declare ARGUMENTS
"""
BOUND: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "between": ('start: "a" J "b"\n', "a*b", ("aabb", "abb", "ab")),
    "behind": ("start: A J\nA: /a+/\n", "a|b", ("aab", "aa")),
    "look-ahead": ("start: A J\nA: /a+(?=bc)/\n", "bc?a", ("abca", "aba")),
    "ignored": ('start: "a"+ "b"\n%ignore J\n', "cb?", ("acab", "acbb")),
    "keywords": ('start: "ab" NAME | J "a"\nNAME: /[ab]+/\n', "[ab]c?", ("abab", "aca", "aa")),
    "recursive": ('start: "a" start "b" | J\n', "[ab]|cc", ("aabbb", "accb")),
    "look-behind": ('start: J B | J "c"\nB: /(?<=a)b/\n', "a|b", ("ab", "bb", "bc")),
}
NAMED = {
    "arithmetic": ("1 + 2 * (3 - 4)", "1 +", "2 3"),
    "csv": ('a,"b ""c""",1\nd,e,f\n', '"a'),
    "dates": ("4 May 2026", "31 February", "2026-05-04"),
    "go": ("package main\n\nfunc f(a int) { return a }\n", "package\n", "func"),
    "goals": ("(and (on a b) (not (clear b)))", "(and)", "(on a"),
    "json": ('{"a": [1, 2.5, "x", null]}', "[1,", "{1}"),
    "markers": ("# A\n", "**b**"),
    "python": ("def f(x):\n    return x + 1\n", "if a:\nb\n", "x = (1,\n 2)\n"),
    "select": ("SELECT a, b FROM t WHERE a > 1", "SELECT FROM t"),
    "smiles": ("CC(=O)Oc1ccccc1", "C()", "[NH4+"),
    "sql": ("SELECT a, b FROM t WHERE a > 1", "SELECT FROM t", "select *"),
}


def cases() -> Iterator[Case]:
    """Return all of them."""
    for name, (text, texts) in SMALL.items():
        yield Case(f"lark/{name}", partial(sg.lark, text), texts)
    for name in (
        "keyword",
        "priority-terminal",
        "left-recursive",
        "template",
        "dangling-else",
        "nullable",
        "import",
        "unicode",
    ):
        text, texts = SMALL[name]
        yield Case(f"lark-characters/{name}", partial(sg.lark, text, lexer="characters"), texts)
    for name, (grammar, pattern, texts) in BOUND.items():
        yield Case(
            f"lark-bound/{name}", partial(_bound, grammar + "%declare J\n", J=sg.regex(pattern)), texts
        )
    yield from _composed()
    yield from _shipped()


def _bound(text: str, postlex: Any = None, **bound: Any) -> sg.Grammar:
    return sg.lark(text, postlex=postlex, bind=bound)


def _composed() -> Iterator[Case]:
    lines = ("a:\n  b\n  c\nd\n", "a:\n  b\n   c\n", "a:\n  b\n c\n", "a:\nb\n", "(a b)\nc\n")
    yield Case("lark/indenter", partial(sg.lark, BLOCKS, postlex=PythonIndenter), lines)
    schema: Any = {
        "type": "object",
        "properties": {"n": {"type": "integer"}},
        "required": ["n"],
        "additionalProperties": False,
    }
    texts = ('call f({"n": 1});', "call f({});", 'call f ( {"n":1} ) ; call')
    yield Case("lark-bound/schema", partial(_bound, CALLS, ARGUMENTS=sg.json_schema(schema)), texts)
    yield Case(
        "lark-bound/text",
        partial(_bound, CALLS, ARGUMENTS=sg.text(until="|")),
        ("call f(a b|);", "call f(a);"),
    )
    nested = sg.lark(SMALL["left-recursive"][0])
    yield Case("lark-bound/lark", partial(_bound, CALLS, ARGUMENTS=nested), ("call f(1 + (2));", "call f();"))
    bound_lines = BLOCKS.replace('"(" NAME* ")"', "J").replace("%declare", "%declare J")
    yield Case(
        "lark-bound/indenter",
        partial(_bound, bound_lines, PythonIndenter, J=sg.regex("<a|<a\n a")),
        ("b:\n <a\n", "<a\n a\n"),
    )
    yield Case(
        "lark/start", partial(sg.lark, 'one: "a" two\ntwo: "b" | "c" two\n', start="two"), ("ccb", "ab")
    )
    ahead = 'start: (A | "b")+\nA: /(a(?=b.*c))+/\n'
    yield Case("lark/look-ahead-open", partial(sg.lark, ahead), ("bab",), limits=sg.Limits(oracle_steps=2000))


def _shipped() -> Iterator[Case]:
    for name, own in NAMED.items():
        path = ROOT / "grammars" / f"{name}.lark"
        texts = json.loads(path.with_suffix(".texts.json").read_text(encoding="utf-8"))
        shown = [entry["text"] for kind in ("accepted", "rejected") for entry in texts[kind]]
        short = tuple(text for text in shown if len(text) < 200)[:4]
        postlex = PythonIndenter if name == "python" else None
        grammar = path.read_text(encoding="utf-8")
        yield Case(f"lark-shipped/{name}", partial(sg.lark, grammar, postlex=postlex), own + short)

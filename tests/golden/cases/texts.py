"""Regular expressions in both dialects, EBNF, and the other grammars of plain texts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

import structgen as sg

from ..case import Case

PYTHON: dict[str, tuple[str, int, tuple[str, ...]]] = {
    "literal": ("abc", 0, ("abc", "ab")),
    "classes": (r"[a-c\d_]+-\w{2}", re.ASCII, ("a1_-bb", "d-bb")),
    "flags": ("(?i:ab)c", 0, ("ABc", "abC")),
    "ignore-case": ("straße|\u017f", re.IGNORECASE, ("STRAßE", "s", "S")),
    "multi-line": ("^a$\n^b$", re.MULTILINE, ("a\nb",)),
    "dot-all": ("a.b", re.DOTALL, ("a\nb", "a€b")),
    "dot": ("a.b", 0, ("a\nb", "a€b")),
    "verbose": ("a b # c\n c", re.VERBOSE, ("abc",)),
    "look-ahead": (r"(?=.*\d)[a-z0-9]{2,4}", 0, ("a1", "ab")),
    "look-behind": (r"[a-c]+(?<=b)", 0, ("ab", "ba")),
    "not-behind": (r"[a-c]{2,}(?<!cc)", 0, ("ab", "acc")),
    "lazy": (r"a+?b*?c", 0, ("aabbc", "bc")),
    "boundary": (r"\bcat\b.*", 0, ("cat s", "cats")),
    "not-boundary": (r"a\Bb\B.", 0, ("abc", "ab ")),
    "end-mark": (r"a$\n?", 0, ("a", "a\n")),
    "counted": (r"(?:\d{3}-){2,3}x{0,2}", 0, ("123-456-xx", "123-x")),
    "names": (r"(?P<year>\d{4})-(?P<month>0[1-9]|1[0-2])", 0, ("2024-12", "2024-13")),
    "unicode": (r"[é-ü€😀]+", 0, ("é€😀", "e")),
    "wide": ("|".join(f"w{n:02d}x" for n in range(40)), 0, ("w07x", "w7x")),
    "empty-parts": (r"(?:|a|b?)*c", 0, ("abc", "c")),
}
ECMA: dict[str, tuple[str, tuple[str, ...]]] = {
    "classes": (r"[\w-]+\s\d", ("a-b 1", "é 1")),
    "look-around": (r"(?<![a-c])x(?!y)[a-z]", ("xa", "xy")),
    "property": (r"\p{Script=Greek}+\P{L}", ("\u03b1β1", "ab1")),
    "escapes": (r"\u{1F600}\x41\cA\0", ("😀A\x01\x00",)),
    "names": (r"(?<a>x|y)z", ("xz", "z")),
    "anchors": (r"^a$|b", ("a", "b", "ab")),
}
EBNF: dict[str, tuple[str, tuple[str, ...]]] = {
    "list": ('root ::= "[" (item ("," item)*)? "]"\nitem ::= [0-9]+ | root\n', ("[1,[2,3],[]]", "[1,]")),
    "ambiguous": ('root ::= root root | "a" | "ab" | "b"\n', ("abab", "c")),
    "left": ('root ::= root "+" n | n\nn ::= [0-9]{1,3}\n', ("1+22+333", "1+4444")),
    "right": ('root ::= "\\"" s "\\""\ns ::= "" | [^"] s\n', ('"abc"', '"abc')),
    "nullable": ('root ::= a b a\na ::= "x"? \nb ::= ("y" | "")*\n', ("xyyx", "xx", "xxx")),
    "cyclic": ('root ::= a | "x"\na ::= root | a a | "y"\n', ("xyx", "z")),
    "counts": ('root ::= "a"{2} [b-d]{1,} ("e" | "f"){0,2}\n', ("aabef", "ab", "aabeff")),
    "classes": ('root ::= [^\\n"a-c] [\\x41-\\u00e9]+ "\\t"? # comment\n', ("zAé\t", "aA")),
    "gbnf-arithmetic": (
        'root ::= (expr "=" ws term "\\n")+\n'
        "expr ::= term ([-+*/] term)*\n"
        'term ::= ident | num | "(" ws expr ")" ws\n'
        "ident ::= [a-z] [a-z0-9_]* ws\nnum ::= [0-9]+ ws\nws ::= [ \\t\\n]*\n",
        ("a + 1 = b\n", "a = (b\n"),
    ),
    "gbnf-json": (
        'root ::= value\nvalue ::= object | array | string | number | ("true" | "false" | "null") ws\n'
        'object ::= "{" ws (string ":" ws value ("," ws string ":" ws value)*)? "}" ws\n'
        'array ::= "[" ws (value ("," ws value)*)? "]" ws\n'
        'string ::= "\\"" ([^"\\\\\\x7F\\x00-\\x1F] | "\\\\" (["\\\\bfnrt] | "u" [0-9a-fA-F]{4}))* "\\"" ws\n'
        'number ::= ("-"? ([0-9] | [1-9] [0-9]{0,15})) ("." [0-9]+)? ([eE] [-+]? [0-9] [1-9]{0,15})? ws\n'
        'ws ::= | " " | "\\n" [ \\t]{0,20}\n',
        ('{"a": [1, true]}', '{"a" 1}'),
    ),
}
DOCUMENT = "The quick brown fox jumps over the lazy dog. Naïve café, 日本語."


def cases() -> Iterator[Case]:
    """Return all of them."""
    for name, (pattern, flags, texts) in PYTHON.items():
        yield Case(f"regex/{name}", partial(sg.regex, pattern, flags=flags), texts)
    for name, (pattern, texts) in ECMA.items():
        yield Case(f"regex-ecma/{name}", partial(sg.regex, pattern, dialect="ecma"), texts)
    for name, (text, texts) in EBNF.items():
        yield Case(f"ebnf/{name}", partial(sg.ebnf, text), texts)
    yield Case("ebnf/start", partial(sg.ebnf, 'root ::= "a"\nother ::= "b" root\n', start="other"), ("ba",))
    yield Case("text/literal", partial(sg.literal, 'a "b" é\n'), ('a "b" é\n', "a b"))
    yield Case(
        "text/choice",
        partial(sg.choice, ["a", "ab", "abc", "b\u20ac", "true", "tru"]),
        ("abc", "true", "trux"),
    )
    yield Case("text/free", partial(sg.text), ("anything é\n",))
    yield Case("text/until", partial(sg.text, until="</a>"), ("x </a", "<</a>", "</a></a>"))
    yield Case("text/until-overlap", partial(sg.text, until="abab"), ("aababab", "ababab"))
    yield Case("text/without", partial(sg.text, until="\n", included=False), ("abc", "ab\n"))
    yield Case("text/tokens", partial(sg.text, until=";", max_tokens=3), ("ab;", "abcdefghij;"))
    yield Case("text/span", partial(sg.substring_of, DOCUMENT), ("quick brown", "café, 日", "quick fox", "e"))
    yield Case("text/span-repeated", partial(sg.substring_of, "abcabcabd" * 3), ("cabd", "abdabd", "dd"))
    yield Case("text/special", partial(sg.special, 0), ("",))

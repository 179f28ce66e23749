r"""`sg.lark(..., regex=True)`: patterns as the `regex` module reads them, held to lark with its option."""

from __future__ import annotations

import pickle
import re
import sys

import lark
import pytest
import regex
from lark_reference import build, differences

import structgen as sg
from structgen.automata.regex.python_syntax import REGEX_MODULE, parse_python
from structgen.automata.regex.syntax_tree import (
    Alternation,
    CharacterClass,
    Concatenation,
    Node,
    Repetition,
)
from structgen.automata.unicode.charsets import LAST
from structgen.limits import Limits

POINTS = "".join(map(chr, range(LAST + 1)))
SETS = (
    r"\p{XID_Start}", r"\P{L}", r"\pN", r"[\p{Lu}_]", r"[^\p{Lu}\d]", r"[\P{Alphabetic}a]", r"\p{^L}",
    r"\p{Script=Greek}", r"\p{Block=Cyrillic}", r"[[:alpha:]]", r"[[:^digit:]x]", r"[]\p{Zs}]", r"\w", r"\W",
    r"\s", r"\d", r"[\w-]", ".", "[^a]",
)  # fmt: skip
FLAGS = (0, re.IGNORECASE, re.ASCII, re.DOTALL, re.IGNORECASE | re.ASCII)


def _members(node: Node) -> str:
    assert isinstance(node, CharacterClass)
    return "".join(POINTS[low : high + 1] for low, high in node.ranges)


@pytest.mark.parametrize("written", SETS)
def test_a_set_matches_what_the_module_says(written: str) -> None:
    flags = FLAGS[SETS.index(written) % len(FLAGS)]
    for one in (0, flags):
        expected = "".join(regex.findall(f"(?:{written})+", POINTS, one))
        assert _members(parse_python(written, one | REGEX_MODULE)) == expected


@pytest.mark.parametrize("written", ["k", "[a-z\u017f]", r"\p{Lu}", "[^s]", "ß", "[İi]"])
def test_letters_without_case_are_the_modules(written: str) -> None:
    expected = "".join(regex.findall(f"(?:{written})+", POINTS, regex.I))
    assert _members(parse_python(written, re.IGNORECASE | REGEX_MODULE)) == expected


def test_the_tree_around_a_property_is_res() -> None:
    node = parse_python(r"a\p{Lu}{2,}|(?P<x>[^\]\p{Nd}])\p{Lu}", REGEX_MODULE)
    capital = parse_python(r"\p{Lu}", REGEX_MODULE)
    first, last = node.parts if isinstance(node, Alternation) else ()
    assert first == Concatenation((CharacterClass(((97, 97),)), Repetition(capital, 2, None, True)))
    assert isinstance(last, Concatenation) and last.parts[1] == capital


NAMES = r"""
start: (NAME | "é"? NUMBER)+
NAME: /\p{XID_Start}\p{XID_Continue}*/
NUMBER: /[\p{Nd}٣]+(?!\p{L})/
%ignore /\s/
"""
CASES = {
    "names": (NAMES, "aé1٣ "),
    "a keyword that a pattern embeds": ('start: "aé" X | X "1"\nX: /\\p{L}+/\n', "aé1"),
    "a boundary": ("start: (A | B)+\nA: /\\ba/\nB: /\\p{Po}|é\\b/\n", "a!é"),
    "letters without case": ("start: A+\nA: /\\p{Lu}+1/i\n", "aÉ1"),
}


@pytest.mark.parametrize("name", CASES)
def test_texts_are_larks(name: str) -> None:
    grammar, letters = CASES[name]
    language = sg.lark(grammar, regex=True).language(Limits())
    assert differences(build(grammar, regex=True), language, letters, 4) == []


def test_without_a_lexer_too() -> None:
    grammar = "start: (NAME | N)+\nNAME: /\\p{Lu}\\p{Ll}*/\nN: /\\d+/\n"

    class Earley:
        parser = lark.Lark(grammar, parser="earley", lexer="dynamic_complete", regex=True)

        def parse(self, text: str) -> object:
            return self.parser.parse(text)

    language = sg.lark(grammar, regex=True, lexer="characters").language(Limits())
    assert differences(Earley(), language, "aÉé1", 4) == []  # type: ignore[arg-type]


def test_it_is_kept_apart_and_pickled() -> None:
    text = "start: A\nA: /\\w/\n"  # re and the module may be of different versions of Unicode
    plain, module = sg.lark(text), sg.lark(text, regex=True)
    again = sg.lark(text, regex=True)
    assert plain.canonical != module.canonical == again.canonical
    assert pickle.loads(pickle.dumps(module)).canonical == module.canonical


@pytest.mark.parametrize("lexer", ["contextual", "characters"])
def test_without_the_option_the_advice_names_it(lexer: str) -> None:
    with pytest.raises(sg.RegexError) as caught:
        sg.lark(NAMES, lexer=lexer)  # type: ignore[call-overload]
    assert "regex=True" in caught.value.cure and "--regex-module" in caught.value.cure


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        (r"a\X", "bad escape"),
        (r"(?:ab){e<=1}", "matches fuzzily"),
        (r"(?|a|b)c", "unknown extension"),
        (r"\p{NoSuchThing}", "The regex module refuses"),
        (r"(?<=a+)b", "look-behind requires fixed-width"),
        (r"(a)\1", "back-reference"),
    ],
)
def test_what_the_module_alone_has_is_refused(pattern: str, said: str) -> None:
    with pytest.raises(sg.RegexError, match=f"(?i){re.escape(said)}") as caught:
        parse_python(pattern, REGEX_MODULE, where="terminal A")
    assert caught.value.where.startswith("terminal A") and caught.value.cure


def test_a_bracket_that_is_none_of_a_count_is_a_letter() -> None:
    assert parse_python(r"a{x}\{e}", REGEX_MODULE) == parse_python(r"a\{x\}\{e\}")


def test_where_the_module_is_not_installed_the_error_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "regex", None)
    with pytest.raises(sg.OptionError, match="pip install regex"):
        sg.lark(NAMES + "// another", regex=True)


def test_what_is_no_choice() -> None:
    with pytest.raises(sg.OptionError, match="regex"):
        sg.lark(NAMES, regex="yes")  # type: ignore[call-overload]

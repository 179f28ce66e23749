"""The item completions of compiled grammars come to the end of what is around them; Python is not asked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import cached_property
from typing import Any

import pytest
from lark.indenter import PythonIndenter
from same_masks import bare

import structgen as sg
from structgen.lark_grammars.lark_grammar import LarkGrammar
from structgen.lark_grammars.lexer.contextual_lexer import Lexer
from structgen.lark_grammars.liveness.shortest_completions import RankedItems
from structgen.lark_grammars.liveness.text_search import TextSearch
from structgen.lark_grammars.parser.lalr_parser import Parser
from structgen.lark_grammars.reading.loaded_grammar import UNREACHABLE
from structgen.lark_grammars.tables.contextual_language import ContextualLanguage
from structgen.limits import Limits
from structgen.system import resources

BYTES = sg.Tokenizer.from_bytes([bytes([byte]) for byte in range(256)] + [None], eos_token_id=256)

# behind a name, `left` is as near to its end as `start` is, and leads to the next sum
BOUNCING = r"""
start: (sum | NAME) ";"
sum: left "+" NAME
left: sum | NAME
NAME: /[a-c]+/
%ignore " "
"""
# three rules go round together, one of them behind a bracket
THREE = r"""
start: value ";"
value: call | access | NAME
call: called "(" value? ")"
called: access | call | NAME
access: accessed "." NAME
accessed: call | NAME | access
NAME: /[a-c]+/
%ignore " "
"""
# a block may end on a line that has begun, but only where the text ends: not before `not`
BLOCKS = r"""
start: stmt+ _last?
stmt: _line _NEWLINE
    | "try" ":" block "not" ":" block
block: _NEWLINE _INDENT (stmt+ _last? | _last) _DEDENT
     | _line _NEWLINE
_last: _line
     | unended
unended: "try" ":" block "not" ":" _line
_line: NAME
NAME: /[a-c]+/
_NEWLINE: /(\n *)+/
%ignore " "
%declare _INDENT _DEDENT
"""


@pytest.fixture
def asked(asked_of: Callable[[str], list[Any]]) -> list[object]:
    """Return the places about which Python was asked whether a text goes on from there."""
    return asked_of("is_open")


def follow(grammar: sg.Grammar, text: str) -> None:
    """Have the mask before each byte of a text, all of which must be allowed."""
    matcher = sg.Matcher(sg.compile(grammar, BYTES, store=False))
    mask = sg.allocate_mask(1, BYTES.vocab_size)
    for byte in text.encode():
        matcher.fill_mask(mask)
        assert (int(mask.array[0][byte >> 5]) >> (byte & 31)) & 1
        matcher.advance(byte)
    assert matcher.is_complete


@pytest.mark.parametrize(
    ("make", "text"),
    [
        pytest.param(lambda: sg.lark(BOUNCING), "a+b + c;", id="two rules"),
        pytest.param(lambda: sg.lark(THREE), "a.b(c(a).b).c();", id="three rules"),
        pytest.param(
            lambda: sg.lark(BLOCKS, postlex=PythonIndenter),
            "try:\n a\n try: b\n not: c\nnot:\n a\n",
            id="lines",
        ),
    ],
)
def test_plans_prove_all_places(make: Callable[[], sg.Grammar], text: str, asked: list[object]) -> None:
    follow(bare(make()), text)
    assert asked == []


def test_plans_prove_the_places_of_python(asked: list[object]) -> None:
    """But for the margin of a text's first line, and for lines that begin two blocks at once."""
    text = (
        "# a\nimport b\n\n@c\ndef d(e, *, f=1):\n    try:\n        if not e: return [e for f in e]\n"
        "        g = {'h': e.f[0](1)} + (2, -3)  # i\n    except J as k:\n        raise\n    x = (\n\ty)\n"
    )
    follow(bare(sg.lark(resources.grammar("python"), postlex=PythonIndenter)), text)
    assert len(asked) < 5


class _Searched(RankedItems):
    """Ranked items for which each state and nonterminal is searched by itself, over all rules."""

    def _needed(self, state: int, nonterminal: int) -> tuple[int, int]:
        key = state, nonterminal
        if key not in self._around:
            self._around[key] = self._search(state, nonterminal)
        return self._around[key]

    @cached_property
    def _led(self) -> dict[int, list[tuple[int, int]]]:
        """For each nonterminal the rules that begin with it: what they make, and the bytes behind it."""
        found = defaultdict[int, list[tuple[int, int]]](list)
        for number, rule in enumerate(self._tables.rules):
            if rule.symbols and not self.texts.is_loose(number):
                found[-1 - rule.symbols[0]].append((rule.origin, self.texts.least(rule.symbols[1:])))
        return found

    def _search(self, state: int, nonterminal: int) -> tuple[int, int]:
        rules, texts = self._tables.rules, self.texts
        best = {nonterminal: (0, 0)}
        found = UNREACHABLE, 0
        pending = [nonterminal]
        for here in pending:
            cost, ended = best[here]
            for rule, dot in self._tables.kernels[state]:
                symbols = rules[rule].symbols[dot:]
                if symbols[:1] == (-1 - here,) and not texts.is_loose(rule):
                    found = min(found, (cost + texts.least(symbols[1:]), ended))
            for origin, least in self._led[here]:
                way = cost + least, ended + 1
                if way < best.get(origin, (UNREACHABLE, 0)):
                    best[origin] = way
                    pending.append(origin)
        return found


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: sg.lark(THREE), id="three rules"),
        pytest.param(lambda: sg.lark(BLOCKS, postlex=PythonIndenter), id="lines"),
        pytest.param(lambda: sg.lark(resources.grammar("python"), postlex=PythonIndenter), id="python"),
    ],
)
def test_plans_are_those_of_a_search_for_each_state(make: Callable[[], LarkGrammar]) -> None:
    tables = make().tables
    parser = Parser(tables, Lexer(tables).shortest_lengths())
    ranks, searched = RankedItems(parser, parser.texts), _Searched(parser, parser.texts)
    states = range(len(tables.kernels))
    assert [ranks.nearest(state) for state in states] == [searched.nearest(state) for state in states]
    assert ranks._around == searched._around


# the two cheapest ends are taken by BAD, which leads nowhere: "ace!" is the one text
HIDDEN = r"""
start: "a" tail "!"
tail: "b" | "c" more | dead
more: "d" | "e" | dead
dead: BAD dead
BAD.2: /[bd]!/
"""


def test_a_text_that_no_plan_has_is_found() -> None:
    language = ContextualLanguage(sg.lark(HIDDEN).tables, Limits())
    assert bytes(language.shortest(language.start())) == b"ace!"


def test_that_nothing_goes_on_behind_what_no_text_is_takes_no_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TextSearch, "text", lambda *_, **_of: pytest.fail("texts are tried byte by byte"))
    grammar = sg.lark('start: "a" | MARGIN NONE "b"\nMARGIN: / +/\nNONE: /[^\\s\\S]/\n%ignore /#+/\n')
    language = ContextualLanguage(grammar.tables, Limits())
    assert language.step(language.start(), ord(" ")) is None

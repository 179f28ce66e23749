"""EBNF as text: what is read, and where it is refused."""

from __future__ import annotations

import pytest

from structgen.errors import GrammarError, LimitError
from structgen.frontends.ebnf import parse_ebnf
from structgen.frontends.python_regex import Chars, Repeat


def test_items_become_symbols_and_patterns() -> None:
    read = parse_ebnf('root ::= "a" x? [^b-d\\n]{2,3} # said\n   | x\nx-1_y ::= .\nx ::= x-1_y', 100)
    assert read.lines == {"root": 1, "x-1_y": 3, "x": 4}
    assert (
        Chars(((97, 97),)) in read.terminals.values() and Chars(((0, 0x10FFFF),)) in read.terminals.values()
    )
    kept = Chars(((0, 9), (11, 97), (101, 0x10FFFF)))
    assert Repeat(kept, 2, 3, True) in read.terminals.values()
    assert [right for left, right in read.rules if left == "root"][1] == ("x",)


@pytest.mark.parametrize(
    ("text", "where", "said"),
    [
        ("", "line 1, column 1", "no rule"),
        ('root = "a"', "line 1, column 6", "::="),
        ('root ::= "a', "line 1, column 10", "does not end"),
        ('root ::= "a"\nroot ::= "b"', "line 2, column 1", "twice"),
        ('root ::= "a" other', "line 1, column 14", "other is not defined"),
        ("root ::= [a-", "line 1, column 10", "not closed"),
        ("root ::= [b-a]", "line 1, column 11", "range is empty"),
        ('root ::= ("a"', "line 1, column 10", "not closed"),
        ('root ::= "a")', "line 1, column 13", "no parenthesis"),
        ('root ::= "\\q"', "line 1, column 11", "no escape"),
        ('root ::= "\\ud800"', "line 1, column 11", "surrogate"),
        ('root ::= "a"{3,2}', "line 1, column 13", "never both"),
        ('root ::= "a"{x}', "line 1, column 13", "count"),
        ("root ::= $", "line 1, column 10", "begins no item"),
        ("root ::= " + "(" * 201, "line 1, column 210", "deeper than 200"),
    ],
)
def test_faults_have_their_line_and_column(text: str, where: str, said: str) -> None:
    with pytest.raises(GrammarError, match=said) as caught:
        parse_ebnf(text, 1000)
    assert caught.value.where == where


def test_rules_and_counted_copies_are_bounded_by_name() -> None:
    with pytest.raises(LimitError, match="grammar_rules"):
        parse_ebnf("root ::= x{50000}\nx ::= root", 1000)
    with pytest.raises(LimitError, match="grammar_rules"):
        parse_ebnf("\n".join(f'r{number} ::= "a"' for number in range(2000)), 1000)

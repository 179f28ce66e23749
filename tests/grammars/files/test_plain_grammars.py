"""Arithmetic, dates and comma-separated values: not only which texts, but what they come to."""

from __future__ import annotations

import ast
import datetime

from grammar_oracles import csv_module, read_csv
from lark import Token, Tree
from sentences import Sentences
from shipped import accepts, parser

NAMES = {
    ast.Add: "add",
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.Div: "divide",
    ast.FloorDiv: "floor",
    ast.Mod: "modulo",
    ast.Pow: "power",
    ast.UAdd: "positive",
    ast.USub: "negative",
}


def as_python_reads(node: ast.expr) -> object:
    match node:
        case ast.BinOp(left, op, right):
            return (NAMES[type(op)], as_python_reads(left), as_python_reads(right))
        case ast.UnaryOp(op, operand):
            return (NAMES[type(op)], as_python_reads(operand))
        case ast.Constant(value):
            return value
    raise AssertionError(ast.dump(node))


def as_lark_reads(tree: Tree[Token] | Token) -> object:
    if isinstance(tree, Token):
        return ast.literal_eval(tree)
    if tree.data == "start":
        return as_lark_reads(tree.children[0])
    return (str(tree.data), *map(as_lark_reads, tree.children))


def test_arithmetic_is_read_with_the_precedence_of_python() -> None:
    grammar = parser("arithmetic")
    sentences = Sentences(grammar, seed=2, words={"NUMBER": ("0", "1", "27", "2.5", "1e3")})
    compared = 0
    for size in range(150):
        text = " ".join(text for _, text in sentences.draw("start", 3 + size % 20))
        compared += len(text) > 10
        assert as_lark_reads(grammar.parse(text)) == as_python_reads(ast.parse(text, mode="eval").body), text
    assert compared > 100


def test_dates_are_those_of_the_calendar() -> None:
    grammar = parser("dates")
    years = (1, 4, 96, 100, 399, 400, 1600, 1900, 1996, 1999, 2000, 2004, 2023, 2024, 2100, 2400, 9996, 9999)
    for year in years:
        days = {str(datetime.date(year, 1, 1) + datetime.timedelta(one)) for one in range(365)}
        days.add(str(datetime.date(year, 12, 31)))
        tried = {f"{year:04}-{month:02}-{day:02}" for month in range(14) for day in range(33)}
        assert {text for text in tried if accepts(grammar, text)} == days


def test_leap_days_are_those_of_the_calendar() -> None:
    grammar = parser("dates")
    for year in range(10_000):
        text = f"{year:04}-02-29"
        try:
            datetime.date.fromisoformat(text)
            leap = True
        except ValueError:
            leap = False
        assert accepts(grammar, text) is leap, text


def test_times_and_offsets_have_their_bounds() -> None:
    grammar = parser("dates")
    for number in range(100):
        assert accepts(grammar, f"{number:02}:00:00") is (number < 24)
        assert accepts(grammar, f"00:{number:02}:00") is (number < 60)
        assert accepts(grammar, f"00:00:{number:02}") is (number < 60)
        assert accepts(grammar, f"00:00:00-{number:02}:00") is (number < 24)
        assert accepts(grammar, f"00:00:00+00:{number:02}") is (number < 60)


def records(tree: Tree[Token]) -> list[list[str]]:
    """Return the records of a tree, quotes taken off."""
    read = []
    for record in tree.children:
        assert isinstance(record, Tree)
        fields = ["".join(map(str, field.children)) for field in record.find_data("field")]
        read.append([one[1:-1].replace('""', '"') if one.startswith('"') else one for one in fields])
    return read


def test_csv_is_read_as_others_read_it() -> None:
    grammar = parser("csv", maybe_placeholders=False)
    sentences = Sentences(grammar, seed=3)
    longest = 0
    for size in range(500):
        text = "".join(text for _, text in sentences.draw("start", 2 + size % 8))
        if accepts(grammar, text):
            read = records(grammar.parse(text))
            longest = max(longest, len(read))
            assert read == read_csv(text)
            # Python's reader has no record where a line is empty.
            assert [one for one in read if one != [""]] == [
                one for one in csv_module(text) if one not in ([], [""])
            ]
    assert longest > 2

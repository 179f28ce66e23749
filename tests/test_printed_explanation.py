"""`print(sg.explain(grammar))` prints what `structgen explain` prints."""

from __future__ import annotations

import re

import pytest
from typer.testing import CliRunner

import structgen as sg
from structgen.cli import app

TIMES = re.compile(r"[\d.,]+ ms")
BOOK = "examples/book.schema.json"


@pytest.mark.parametrize(
    ("option", "value"), [("--schema", BOOK), ("--regex", "[a-z]{2,3}"), ("--grammar", "grammars/json.lark")]
)
def test_an_explanation_prints_as_the_command_does(option: str, value: str) -> None:
    from pathlib import Path

    grammar: sg.Grammar = sg.regex(value)
    if option == "--schema":
        grammar = sg.json_schema(Path(value), **sg.WIDEST)
    elif option == "--grammar":
        grammar = sg.lark(Path(value))
    told = CliRunner().invoke(app(), ["explain", option, value]).stdout
    printed = f"{value}: {sg.explain(grammar)}\n"  # type: ignore[call-overload]
    assert TIMES.sub("", printed) == TIMES.sub("", told)
    assert len(printed.splitlines()) > 5

"""What lark resolves and leaves out in silence: conflicts as it logs them, rules and terminals of no use."""

from __future__ import annotations

import logging
import re

import lark
import pytest

from structgen.base.language.remarks import Remarks
from structgen.base.limits import Limits
from structgen.base.system.shipped_files import GRAMMARS, grammar_path
from structgen.grammars.lark_grammars.reading.lark_loader import Import, load_tables


def remarks(text: str) -> Remarks:
    return load_tables(
        text, start="start", source=None, import_paths=(), postlex=None, limits=Limits()
    ).tables.remarks


DANGLING = """
start: stmt+
stmt: "if" E "then" stmt ["else" stmt] | E ";"
E: /e/
"""
SUMS = """
start: sum
sum: sum "+" sum | sum "*" sum | /x/
"""
NONE = "start: /x/+"


def test_a_shift_over_a_reduction_is_named_with_both_rules() -> None:
    (one,) = remarks(DANGLING).conflicts
    assert one.terminal == "ELSE"
    assert one.kept == ("stmt: IF E THEN stmt • ELSE stmt",)
    assert one.dropped == ("stmt: IF E THEN stmt •",)


@pytest.mark.parametrize("text", [DANGLING, SUMS, NONE], ids=["dangling", "sums", "none"])
def test_shifts_are_those_that_lark_logs(text: str, caplog: pytest.LogCaptureFixture) -> None:
    lark.logger.setLevel(logging.DEBUG)
    try:
        with caplog.at_level(logging.DEBUG, logger="lark"):
            lark.Lark(text, parser="lalr", lexer="contextual", debug=True)
    finally:
        lark.logger.setLevel(logging.CRITICAL)
    logged = "\n".join(record.getMessage() for record in caplog.records)
    wanted = set(re.findall(r"Shift/Reduce conflict for terminal (\w+):", logged))
    assert {one.terminal for one in remarks(text).conflicts} == wanted


def test_a_rule_of_higher_priority_is_the_one_that_is_kept() -> None:
    (one,) = remarks('start: a | b\na.2: "x"\nb: "x"\n').conflicts
    assert (one.terminal, one.kept, one.dropped) == ("$END", ("a: X •",), ("b: X •",))


def test_unused_rules_are_those_that_the_start_does_not_lead_to() -> None:
    found = remarks("""
start: used{A}
used{x}: x+
idle{x}: x
alone: A
one: other "x"
other: one | "y"
A: "a"
""")
    assert found.unused_rules == ("alone", "idle", "one", "other")


def test_unused_terminals_are_of_no_rule_and_no_other_terminal() -> None:
    found = remarks("""
start: A
A: PART+
PART: SMALL | "b"
SMALL: "a"
IDLE: PART "c"
SPACE: " "
%ignore SPACE
%declare NEVER
""")
    assert found.unused_terminals == ("IDLE", "NEVER")


@pytest.mark.parametrize("name", sorted(set(GRAMMARS) - {"go", "python", "sql"}))
def test_grammars_that_ship_have_no_idle_part(name: str) -> None:
    found = remarks(grammar_path(name).read_text(encoding="utf-8"))
    assert (found.unused_rules, found.unused_terminals) == ((), ())


def test_imports_are_told_with_where_they_are_relative_to() -> None:
    text = "%import common.INT\n%import python.NAME\nstart: INT NAME\n"
    loaded = load_tables(text, start="start", source=None, import_paths=(), postlex=None, limits=Limits())
    assert loaded.imports == (Import("common.lark", None), Import("python.lark", None))

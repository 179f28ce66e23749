"""Each seeded fault fits the sources and the tests: a script that runs for minutes must not tell it late."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "scripts")]

import mutants  # noqa: E402

PARTS = mutants.read()
SETS = {"golden", "sampling", "speculation", "methods", "strategy", "kernel"}


def test_every_seeded_fault_stands_once_in_its_source_and_changes_it() -> None:
    assert {part.set for part in PARTS if part.faults} == SETS
    for fault in (one for part in PARTS for one in part.faults):
        text = (ROOT / fault.file).read_text(encoding="utf-8")
        assert text.count(fault.old) == 1 and fault.old != fault.new, fault.name


def test_every_test_that_a_fault_must_turn_red_is_there() -> None:
    named = {test for part in PARTS if not part.is_golden for one in part.faults for test in one.tests}
    for test in named:
        file, _, function = test.partition("::")
        text = (ROOT / file).read_text(encoding="utf-8")
        assert re.search(rf"^def {function.partition('[')[0]}\b", text, re.MULTILINE), test


def test_a_fault_is_read_with_its_tests_and_changes() -> None:
    lines = (
        "# of two files",
        "[some] here there A=1",
        "@ one",
        "@ two",
        "x.py: first",
        "    a «b→»",
        "      c",
    )
    more = (
        "y.py: second",
        "    «→d» e",
        "@ three",
        "y.py: third",
        "    f«g→h»",
        "",
        "[some] here golden patience=7",
    )
    one, two = mutants.read("\n".join((*lines, *more)))
    assert (one.settings, one.patience, two.settings, two.patience) == ({"A": "1"}, 300.0, {}, 7.0)
    first, second, third = one.faults
    assert (first.file, first.tests) == ("here/x.py", ("there/one", "there/two"))
    assert (first.old, first.new) == ("a b\n  c", "a \n  c")
    assert (second.tests, second.old, second.new) == (first.tests, " e", "d e")
    assert (third.tests, third.old, third.new) == (("there/three",), "fg", "fh")


def test_a_line_that_is_no_fault_is_named() -> None:
    with pytest.raises(SystemExit, match="line 2: a fault is written"):
        mutants.read("[some] here there\nx.py: of no test")

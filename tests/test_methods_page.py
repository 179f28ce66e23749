"""docs/methods.md is true: each method that is here has its files, a law in the tests, a fault that breaks
the law, and a figure; and each method of bench/methods is in it."""

from __future__ import annotations

import ast
import re
import sys
from functools import cache
from pathlib import Path

import pytest

import structgen

ROOT = Path(structgen.__file__).parents[1]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "bench")]

import mutants  # noqa: E402
from methods import FAMILIES  # noqa: E402
from nonempty import nonempty  # noqa: E402

PAGE = (ROOT / "docs/methods.md").read_text(encoding="utf-8")
STATES = "default|option|bench|argued against|not built"
TABLES = re.findall(r"^\| paper: method \|.*\n\|[-|]+\n((?:\|.*\n)+)", PAGE, re.M)
ROWS = [[cell.strip() for cell in line[1:-1].split("|")] for table in TABLES for line in table.splitlines()]
HERE = [row for row in ROWS if re.match(r"default|option|bench", row[1])]
FILES = {
    str(path.relative_to(ROOT))
    for room in ("structgen", "bench")
    for path in nonempty((ROOT / room).rglob("*.py"))
}


def names(row: list[str]) -> str:
    """Return the name of a row in a report."""
    return row[0][:40]


def files(row: list[str]) -> list[str]:
    """Return the files of a row."""
    return re.findall(r"`((?:structgen|bench)/[\w/]+\.py)`", row[3])


def laws(row: list[str]) -> list[tuple[str, str]]:
    """Return the file and the function of each law of a row."""
    return re.findall(r"`(test_\w+\.py)::(test_\w+)`", row[4])


@cache
def functions_of(name: str) -> set[str]:
    """Return the test functions of a test file, by its name alone: no two have the same."""
    (path,) = (ROOT / "tests").rglob(name)
    return {
        one.name
        for one in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(one, ast.FunctionDef)
    }


def test_each_paper_has_six_cells_of_which_the_second_says_what_became_of_it() -> None:
    assert len(TABLES) == 5 and len(ROWS) > 85
    assert [row for row in ROWS if len(row) != 6 or not re.match(rf"({STATES})\b", row[1])] == []


@pytest.mark.parametrize("row", HERE, ids=names)
def test_a_method_that_is_here_has_a_figure_a_law_and_when_to_take_it(row: list[str]) -> None:
    _, where, figure, file, law, when = row
    assert figure and when
    assert files(row) and file == ", ".join(f"`{one}`" for one in files(row))
    assert laws(row) and law == ", ".join(f"`{a}::{b}`" for a, b in laws(row))
    assert {one.startswith("bench/methods/") for one in files(row)} == {where.startswith("bench")}


@pytest.mark.parametrize("row", [row for row in ROWS if row not in HERE], ids=names)
def test_a_method_that_is_not_here_has_a_reason_and_nothing_else(row: list[str]) -> None:
    assert row[2:5] == ["", "", ""] and row[5]


@pytest.mark.parametrize("row", HERE, ids=names)
def test_the_files_and_the_law_of_a_method_are_there(row: list[str]) -> None:
    assert [one for one in files(row) if one not in FILES] == []
    assert [law for law in laws(row) if law[1] not in functions_of(law[0])] == []


SEEDED = [one for part in mutants.read() if not part.is_golden for one in part.faults]


@pytest.mark.parametrize("row", HERE, ids=names)
def test_a_fault_that_is_seeded_into_the_file_of_a_method_is_held_against_its_law(row: list[str]) -> None:
    held = {
        (Path(test.partition("::")[0]).name, test.partition("::")[2].partition("[")[0])
        for one in SEEDED
        if one.file in files(row)
        for test in one.tests
    }
    assert [law for law in laws(row) if law not in held] == []


def test_each_method_of_the_bench_is_on_the_page_or_a_part_of_one_that_is() -> None:
    found = {
        one
        for one in FILES
        if one.startswith("bench/methods/") and not one.endswith(("_rows.py", "__init__.py"))
    }
    open_ = {one for one in found if f"`{one}`" in PAGE}
    assert len(open_) > 20
    while open_:
        found -= open_
        texts = [(ROOT / one).read_text(encoding="utf-8") for one in open_]
        parts = {
            f"bench/{name.replace('.', '/')}.py"
            for text in texts
            for name in re.findall(r"^from (methods\.[\w.]+) import", text, re.M)
        }
        open_ = parts & found
    assert found == set()


def test_what_the_package_has_by_name_is_on_the_page() -> None:
    from structgen.decoding.infilling import schedulers
    from structgen.decoding.samplers import methods

    for name in methods.METHODS:
        assert f"`{name}`" in PAGE, name
    for name in schedulers.NAMES:
        assert name == "auto" or f"`{name}`" in PAGE, name
    told = {one for row in ROWS for one in files(row)}
    for room in ("strategies", "searches"):
        for path in nonempty((ROOT / "structgen/decoding/engine" / room).glob("*.py")):
            if re.search(r"\b(et al\.|\w+, \")", path.read_text(encoding="utf-8")[:300]):
                assert str(path.relative_to(ROOT)) in told, path


def test_every_file_of_figures_and_every_decision_that_is_named_is_there() -> None:
    tables = re.findall(r"[\w-]+-20\d\d-\d\d-\d\d\.csv", PAGE)
    assert len(tables) > 10
    assert [name for name in tables if not (ROOT / "bench/results" / name).is_file()] == []
    decisions = re.findall(r"decision (\d{3})", PAGE)
    assert [one for one in decisions if not list((ROOT / "docs/decisions").glob(f"{one}-*.md"))] == []


def test_every_family_of_the_bench_is_on_the_page() -> None:
    assert [name for name in FAMILIES if f"`{name}`" not in PAGE] == []

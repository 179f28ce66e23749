"""The rules of Lark grammars without a lexer in the cache folder: the same when read, else made anew."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import structgen as sg
from structgen.lark_grammars import lark_grammar
from structgen.lark_grammars.reading.plain_rules import load_rules
from structgen.system.resources import grammar

TEXTS = {
    "templates": """start: list{X} | list{"y"}
list{one}: one ("," one)* -> all
X: /é+|[^a]/i
idle: X
%ignore " "
""",
    "cycle": 'start: a | "x"\na: start | a a |\n%import common.WS\n%ignore WS\n',
    "markers": grammar("markers").read_text(encoding="utf-8"),
}


pytestmark = pytest.mark.usefixtures("folder")


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list of texts that lark was asked to load."""
    seen: list[str] = []

    def noted(text: str, **options: Any) -> Any:
        seen.append(text)
        return load_rules(text, **options)

    monkeypatch.setattr(lark_grammar, "load_rules", noted)
    return seen


def rules(text: str | Path, **options: Any) -> Any:
    return sg.lark(text, lexer="characters", **options)


@pytest.mark.parametrize("text", TEXTS.values(), ids=list(TEXTS))
def test_what_is_read_is_what_was_made(text: str, loads: list[str]) -> None:
    made, read = rules(text), rules(text)
    assert len(loads) == 1
    for name in ("rules", "terminals", "ignored", "remarks", "start", "canonical"):
        assert getattr(made, name) == getattr(read, name)


@pytest.mark.slow
def test_another_process_reads_them_without_lark() -> None:
    code = (
        "import sys, structgen as sg;"
        "sg.lark('start: \"a\"+ INT\\n%import common.INT\\n', lexer='characters');"
        "print('lark' in sys.modules)"
    )
    said = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert said == ["True\n", "False\n"]


def test_the_lexer_is_part_of_the_name(loads: list[str]) -> None:
    text = 'start: "a" X\nX: /b/\n'
    contextual, without = sg.lark(text), rules(text)
    assert type(contextual) is not type(without)
    assert (type(sg.lark(text)), type(rules(text))) == (type(contextual), type(without))
    assert len(loads) == 1


def test_an_imported_file_that_changes_is_read_anew(tmp_path: Path, loads: list[str]) -> None:
    words, main = tmp_path / "words.lark", tmp_path / "main.lark"
    main.write_text("%import .words.WORD\nstart: WORD\n")
    shortest = []
    for letter in "abba":
        words.write_text(f"WORD: /{letter}/\n")
        shortest.append(sg.explain(rules(main)).shortest)
    assert shortest == ["a", "b", "b", "a"]
    assert len(loads) == 3


def test_what_is_bound_is_part_of_the_name(loads: list[str]) -> None:
    text = 'start: A B?\nB: "b"\n%declare A\n'
    assert rules(text, bind={"A": "x"}) == rules(text, bind={"A": "x"})
    with pytest.raises(sg.errors.GrammarError, match="A is declared"):
        rules(text)
    assert len(loads) == 2


def test_a_damaged_file_is_made_anew_with_a_warning(folder: Path, loads: list[str]) -> None:
    rules(TEXTS["cycle"])
    (path,) = folder.iterdir()
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.warns(sg.errors.StoreWarning):
        rules(TEXTS["cycle"])
    rules(TEXTS["cycle"])
    assert len(loads) == 2


def test_limits_hold_for_what_is_read() -> None:
    rules(TEXTS["cycle"])
    with pytest.raises(sg.errors.LimitError, match="grammar_rules"):
        rules(TEXTS["cycle"], limits=sg.Limits(grammar_rules=1))

"""Grammars of strangers: `text_only` opens no file, and what a text comes to is bounded before lark works."""

from __future__ import annotations

import builtins
import pickle
import sys
from pathlib import Path
from typing import Any

import pytest
from for_each import for_each
from lark import Lark

import structgen as sg
from structgen.grammars.lark_grammars.reading.written_out import check_rules

DOUBLED = "\n".join(f"T{at}: T{at + 1} T{at + 1}" for at in range(60)) + '\nT60: "a"'
TWICE = "\n".join(f"r{at}: r{at + 1} r{at + 1}" for at in range(60)) + '\nr60: "a"'


@pytest.fixture
def beside_main(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a grammar, where the main script and the current folder are."""
    (tmp_path / "secret.lark").write_text('WORD: "hidden"\n', encoding="utf-8")
    monkeypatch.setattr(sys.modules["__main__"], "__file__", str(tmp_path / "main.py"), raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("lexer", ["contextual", "characters"])
@pytest.mark.parametrize("line", ["%import .secret.WORD", "%import secret.WORD", "%import .secret (WORD)"])
def test_a_text_imports_no_file(beside_main: Path, line: str, lexer: Any) -> None:
    with pytest.raises(
        sg.errors.GrammarError, match=r"The grammar imports secret, which is not in lark's own library"
    ):
        sg.lark(f"{line}\nstart: WORD\n", text_only=True, lexer=lexer)


def test_the_same_text_imports_the_file_without_the_option(beside_main: Path) -> None:
    assert sg.lark("%import .secret.WORD\nstart: WORD\n")
    with pytest.raises(sg.errors.GrammarError, match="The grammar imports secret"):
        sg.lark("%import .secret.WORD\nstart: WORD\n", text_only=True)


def test_a_text_is_no_path(beside_main: Path) -> None:
    with pytest.raises(sg.errors.GrammarError, match="Syntax error in the grammar"):
        sg.lark("secret.lark", text_only=True)
    for path in (Path("secret.lark"), "start: A"):
        with pytest.raises(sg.errors.OptionError, match="files are not read"):
            sg.lark(path, text_only=True, import_paths=["."] if path == "start: A" else ())


def test_no_file_of_the_person_is_opened(beside_main: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    real = builtins.open

    def watched(file: Any, *args: Any, **more: Any) -> Any:
        opened.append(str(file))
        return real(file, *args, **more)

    monkeypatch.setattr(builtins, "open", watched)
    with pytest.raises(sg.errors.GrammarError):
        sg.lark("%import secret.WORD\nstart: WORD /(/\n", text_only=True)
    assert not [one for one in opened if "secret" in one]


def test_the_library_is_there_and_the_grammar_survives_a_pickle() -> None:
    text = "%import common.NUMBER\n%import python.name\nstart: NUMBER name\n"
    made = sg.lark(text, text_only=True)
    assert made.canonical == sg.lark(text).canonical == pickle.loads(pickle.dumps(made)).canonical


@for_each("lexer", ["contextual", "characters"])
@for_each(
    ("text", "limit"),
    [
        (f"start: {'(A|B) ' * 40}", "grammar_rules"),
        (f"start: {'A? ' * 40}", "grammar_rules"),
        (f"start: {'[A] ' * 40}", "grammar_rules"),
        ('start: (A|B|"c")~1..49', "grammar_rules"),
        ("start: (A|B)~1000000", "grammar_rules"),
        ("start: t{A}\nt{x}: x t{t{x}}", "grammar_rules"),
        ("start: t{A,B}\nt{x,y}: x t{t{x,y},y} | t{y,x}", "grammar_rules"),
        (f"start: T0\n{DOUBLED}", "automaton_states"),
    ],
)
def test_a_text_that_doubles_is_refused_before_lark_writes_it_out(text: str, limit: str, lexer: Any) -> None:
    with pytest.raises(sg.errors.LimitError) as caught:
        sg.lark(f'{text}\nA: "a"\nB: "b"\n', text_only=True, lexer=lexer)
    assert caught.value.limit == limit


@pytest.mark.parametrize(
    "text", [f"start: r0\n{TWICE}", "start: A~1000000000\n", "start: ((A~999)~999)~999\n"]
)
def test_a_grammar_whose_shortest_text_is_endless_is_refused(text: str) -> None:
    with pytest.raises(sg.errors.LimitError) as caught:
        sg.lark(f'{text}\nA: "a"\n')
    assert caught.value.limit == "oracle_steps"


@pytest.mark.parametrize("text", ["start: A~0..3 (B|C) [C] t{A} x*\nt{y}: y | y B\nx: A+ -> z | B"])
def test_the_count_is_lark_s_own_or_above_and_near_it(text: str) -> None:
    whole = f'{text}\nA: "a"\nB: "b"\nC: "c"\n'
    built = Lark(whole, parser="earley")
    counted = check_rules(built.grammar.rule_defs, sg.Limits(), "")
    assert len(built.rules) <= counted <= 1.5 * len(built.rules)

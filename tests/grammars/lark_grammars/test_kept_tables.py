"""Lark grammars in the cache folder, with a lexer and without: the same when read, made anew when anything
changed."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from compiled_texts import reached
from lark.indenter import PythonIndenter

import structgen as sg
from structgen.base.system.shipped_files import grammar_path
from structgen.grammars.lark_grammars import lark_grammar
from structgen.grammars.lark_grammars.kept import kept_grammars
from structgen.grammars.lark_grammars.reading.lark_loader import load_tables
from structgen.grammars.lark_grammars.reading.loaded_grammar import ParserTables
from structgen.grammars.lark_grammars.reading.plain_rules import load_rules

BLOCKS = """
%import common.CNAME -> NAME
%ignore " "
start: line+
line: "if" NAME ":" _NEWLINE _INDENT line+ _DEDENT | NAME ["=" NAME] _NEWLINE
idle: NAME
_NEWLINE: /(\\n[ \\t]*)+/
%declare _INDENT _DEDENT
"""
DANGLING = 'start: s+\ns: "if" s ["else" s] | "x"\n'
MORE_RULES_THAN_TERMINALS = 'start: a\na: b\nb: c\nc: "x"\n%ignore " "\n'


pytestmark = pytest.mark.usefixtures("folder")


TEMPLATES = """
start: list{X} | list{"y"}
list{one}: one ("," one)* -> all
X: /é+|[^a]/i
idle: X
%ignore " "
"""
CYCLE = 'start: a | "x"\na: start | a a |\n%import common.WS\n%ignore WS\n'
MARKERS = grammar_path("markers").read_text(encoding="utf-8")
Read = Callable[..., Any]


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list of texts that lark was asked to load."""
    seen: list[str] = []
    for name, plain in (("load_tables", load_tables), ("load_rules", load_rules)):

        def noted(text: str, _plain: Any = plain, **options: Any) -> Any:
            seen.append(text)
            return _plain(text, **options)

        monkeypatch.setattr(lark_grammar, name, noted)
    return seen


@pytest.fixture(params=["contextual", "characters"])
def read(request: pytest.FixtureRequest) -> Read:
    """Return a reader of grammars, with a lexer or without one."""
    return partial(sg.lark, lexer=request.param)


def is_same(one: Any, other: Any) -> bool:
    """Return whether two values are equal, and of one type."""
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    return bool(one == other) and type(one) is type(other)


@pytest.mark.filterwarnings("error::structgen.errors.StoreWarning")
@pytest.mark.parametrize(
    ("text", "postlex"),
    [(BLOCKS, PythonIndenter), (DANGLING, None), (MARKERS, None), (MORE_RULES_THAN_TERMINALS, None)],
    ids=["blocks", "dangling", "markers", "more rules than terminals"],
)
def test_tables_that_are_read_are_those_that_were_made(text: str, postlex: Any, loads: list[str]) -> None:
    made, again = (sg.lark(text, postlex=postlex) for _ in range(2))
    assert len(loads) == 1
    for field in fields(ParserTables):
        assert is_same(getattr(made.tables, field.name), getattr(again.tables, field.name)), field.name
    assert (made.digest, made.is_local) == (again.digest, again.is_local)
    assert made == again


@pytest.mark.parametrize("text", [TEMPLATES, CYCLE, MARKERS], ids=["templates", "cycle", "markers"])
def test_rules_that_are_read_are_those_that_were_made(text: str, loads: list[str]) -> None:
    made, again = (sg.lark(text, lexer="characters") for _ in range(2))
    assert len(loads) == 1
    for name in ("rules", "terminals", "ignored_terminals", "remarks", "start", "canonical"):
        assert getattr(made, name) == getattr(again, name)


def test_the_lexer_is_part_of_the_name(loads: list[str]) -> None:
    kinds = [type(sg.lark(DANGLING, lexer=lexer)) for lexer in ("contextual", "characters") * 2]
    assert kinds[0] is not kinds[1] and kinds[:2] == kinds[2:]
    assert len(loads) == 2


def test_what_is_bound_is_part_of_the_name(loads: list[str]) -> None:
    read = partial(sg.lark, 'start: A B?\nB: "b"\n%declare A\n', lexer="characters")
    assert read(bind={"A": "x"}) == read(bind={"A": "x"})
    with pytest.raises(sg.errors.GrammarError, match="A is declared"):
        read()
    assert len(loads) == 2


def test_tables_without_some_bytes_are_those_with_them_and_another_grammar(loads: list[str]) -> None:
    whole = sg.lark(DANGLING)
    found = whole.without_bytes(frozenset(b"x")).without_bytes(frozenset(b"yz"))
    assert len(loads) == 1
    assert found.tables.available == frozenset(range(256)) - {*b"xyz"}
    assert found == whole.without_bytes(frozenset(b"xyz")) == pickle.loads(pickle.dumps(found)) != whole


def test_a_grammar_of_more_rules_than_terminals_compiles_with_a_store(tmp_path: Path) -> None:
    tokenizer = sg.Tokenizer.from_bytes([*(bytes((byte,)) for byte in range(256)), None], eos_token_id=256)
    compiled = sg.compile(sg.lark(MORE_RULES_THAN_TERMINALS), tokenizer, store=tmp_path / "store")
    assert compiled.allowed(compiled.start) == [ord(" "), ord("x")]


@pytest.mark.slow
@pytest.mark.filterwarnings("error::structgen.errors.StoreWarning")
def test_a_grammar_of_more_terminals_than_moves_have_room_for_has_right_masks() -> None:
    declared = [f"A{number:04}" for number in range(4100)]
    alternatives, names = " | ".join(declared), " ".join(declared)
    text = f'start: (Y Z)+ | {alternatives}\nY: "y"\nZ: "z"\n%declare {names}\n'
    tokenizer = sg.Tokenizer.from_bytes([*(bytes((byte,)) for byte in range(256)), None], eos_token_id=256)
    for _ in range(2):  # as lark has loaded it, and as it was kept
        compiled = sg.compile(sg.lark(text), tokenizer, store=False)
        begun = reached(compiled, ord("y"))
        whole = reached(compiled, ord("z"), begun)
        masks = [compiled.allowed(state) for state in (compiled.start, begun, whole)]
        assert masks == [[ord("y")], [ord("z")], [ord("y"), 256]]


@pytest.mark.parametrize("lexer", ["contextual", pytest.param("characters", marks=pytest.mark.slow)])
def test_another_process_reads_it_without_lark(lexer: str) -> None:
    text = 'start: "a"+ INT\n%import common.INT\n'
    sg.lark(text, lexer=lexer)  # type: ignore[call-overload]
    code = f"import sys, structgen as sg; sg.lark({text!r}, lexer={lexer!r}); print('lark' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "False\n"


def test_options_are_part_of_the_name(loads: list[str]) -> None:
    text = 'start: a | "x"\na: "y"\n'
    assert sg.lark(text) != sg.lark(text, start="a")
    assert len(loads) == 2


def test_an_imported_file_that_changes_is_read_anew(tmp_path: Path, read: Read, loads: list[str]) -> None:
    words, main = tmp_path / "words.lark", tmp_path / "main.lark"
    main.write_text("%import .words.WORD\nstart: WORD\n")
    shortest = []
    for letter in "abba":
        words.write_text(f"WORD: /{letter}/\n")
        shortest.append(sg.explain(read(main)).shortest)
    assert shortest == ["a", "b", "b", "a"]
    assert len(loads) == 3


def test_a_file_that_appears_before_the_imported_one_counts(tmp_path: Path, loads: list[str]) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for path in (first, second):
        path.mkdir()
    (second / "words.lark").write_text("WORD: /b/\n")
    text = "%import words.WORD\nstart: WORD\n"

    def pattern() -> str | None:
        return sg.lark(text, import_paths=[str(first), str(second)]).tables.terminals[1].pattern

    assert (pattern(), pattern(), len(loads)) == ("b", "b", 1)
    (second / "words.lark").write_text("WORD: /c/\n")
    assert (pattern(), len(loads)) == ("c", 2)
    (first / "words.lark").write_text("WORD: /a/\n")
    assert (pattern(), len(loads)) == ("a", 3)


def test_what_an_import_imports_counts(tmp_path: Path, loads: list[str]) -> None:
    (tmp_path / "outer.lark").write_text("%import .inner.X\nY: X X\n")
    (tmp_path / "main.lark").write_text("%import .outer.Y\nstart: Y\n")
    for number, letter in enumerate("ab", 1):
        (tmp_path / "inner.lark").write_text(f'X: "{letter}"\n')
        pattern = sg.lark(tmp_path / "main.lark").tables.terminals[1].pattern
        assert pattern is not None and letter in pattern
        assert len(loads) == number


def test_loaders_of_imports_are_asked_each_time(loads: list[str]) -> None:
    def loader(_base: Any, path: str) -> tuple[str, str]:
        if path != "words.lark":
            raise FileNotFoundError
        return path, "WORD: /a/\n"

    for _ in range(2):
        sg.lark("%import words.WORD\nstart: WORD\n", import_paths=[loader])
    assert len(loads) == 2


def test_a_damaged_file_is_made_anew_with_a_warning(folder: Path, read: Read, loads: list[str]) -> None:
    read(DANGLING)
    (path,) = folder.iterdir()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.write_bytes(data)
    with pytest.warns(sg.errors.StoreWarning):
        read(DANGLING)
    read(DANGLING)
    assert len(loads) == 2


def test_limits_hold_for_what_is_read(read: Read) -> None:
    read(DANGLING)
    with pytest.raises(sg.errors.LimitError, match="grammar_rules"):
        read(DANGLING, limits=sg.Limits(grammar_rules=1))


def test_a_file_of_another_layout_is_not_read(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """It is made again, with no warning: who has an older version keeps its file."""
    with monkeypatch.context() as patch:
        patch.setattr(kept_grammars.KeptTables, "kind", "lark-5")
        sg.lark(DANGLING)
    sg.lark(DANGLING)
    assert len(list(folder.iterdir())) == 2


def test_the_folder_is_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch, loads: list[str]) -> None:
    sg.lark('start: "a"')
    (first,) = folder.iterdir()
    monkeypatch.setattr(kept_grammars, "_MOST", 2 * first.stat().st_size)
    for letter in "bcdef":
        sg.lark(f'start: "{letter}"')
    assert len(list(folder.iterdir())) <= 2
    sg.lark('start: "f"')
    assert len(loads) == 6

"""`%import`, `%override`, `%extend`: lark's library, files beside the file, import_paths; held to lark."""

from __future__ import annotations

from pathlib import Path

import pytest
from lark_reference import build, differences, language

import structgen as sg

PART = 'pair: WORD "=" WORD\nWORD: /[ab]+/\nend: "!"\n%ignore "_"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "inner").mkdir()
    (tmp_path / "part.lark").write_text(PART)
    (tmp_path / "inner" / "deep.lark").write_text("%import .more.WORD\nname: WORD | DIGIT\nDIGIT: /[1-9]/\n")
    (tmp_path / "inner" / "more.lark").write_text("WORD: /[ab]+/\n")
    return tmp_path


def _held(grammar: str | Path, alphabet: str, longest: int = 5, **options: object) -> None:
    text = grammar.read_text() if isinstance(grammar, Path) else grammar
    named = {"source_path": str(grammar)} if isinstance(grammar, Path) else {}
    reference = build(text, **named, **options)
    found = differences(reference, language(str(grammar), **options), alphabet, longest)
    assert not found, found[:5]


@pytest.mark.parametrize(
    ("grammar", "alphabet"),
    [
        ('%import common.INT\n%import common.WS\nstart: INT ("," INT)*\n%ignore WS\n', "12, \n"),
        ("%import common (CNAME, SIGNED_NUMBER)\nstart: CNAME | SIGNED_NUMBER\n", "a1.-e"),
        ("%import common.ESCAPED_STRING -> TEXT\nstart: TEXT+\n", 'a"\\\n'),
        ("%import python.LONG_STRING\nstart: LONG_STRING\n", "'a\\"),
        ("%import common.C_COMMENT\n%import common.SH_COMMENT\nstart: (C_COMMENT | SH_COMMENT)+\n", "/*#\n"),
        ('%import unicode.WS\nstart: "a" WS "a"\n', "a \u00a0\n"),
    ],
)
def test_larks_own_library(grammar: str, alphabet: str) -> None:
    _held(grammar, alphabet)


@pytest.mark.parametrize(
    ("grammar", "alphabet"),
    [
        ("%import part (pair, end)\nstart: pair end\n", "a=!_"),
        ('%import part.pair -> couple\nstart: couple ";"\n', "ab=;"),
    ],
)
def test_import_paths_are_where_a_text_imports_from(folder: Path, grammar: str, alphabet: str) -> None:
    _held(grammar, alphabet, import_paths=[str(folder)])


FILES = {
    "what is beside it": ("%import .part.pair\nstart: pair+\n", "ab=_"),
    "imports of imports": ('%import .inner.deep.name\nstart: name ("." name)*\n', "ab1."),
    "a rule that is overridden": (
        '%import .part.pair\n%import .part.WORD\n%override pair: WORD ":" WORD?\nstart: pair+\n',
        "ab:=",
    ),
    "a terminal that is overridden": (
        "%import .part (pair, WORD)\n%override WORD: /a|ab/\nstart: pair\n",
        "ab=",
    ),
    "rules and terminals that are extended": (
        '%import .part (pair, WORD)\n%extend WORD: "1"\n%extend pair: "?"\nstart: pair+\n',
        "a1=?",
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_imports(name: str, folder: Path) -> None:
    text, alphabet = FILES[name]
    main = folder / "main.lark"
    main.write_text(text)
    _held(main, alphabet)


def test_a_folder_that_is_not_given_is_not_read(folder: Path) -> None:
    with pytest.raises(sg.errors.GrammarError, match="part"):
        sg.lark("%import part.pair\nstart: pair\n", import_paths=[str(folder / "inner")])


def test_a_text_imports_nothing_from_the_working_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    with pytest.raises(sg.errors.GrammarError, match="part"):
        sg.lark("%import part.pair\nstart: pair\n")

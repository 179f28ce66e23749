"""`structgen store`: what the cache folder holds, told and cleared, and nothing else touched."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from command_line import Result, commanded

import structgen as sg
from structgen.base.system.shipped_files import grammar_path
from structgen.decoding.runs.resources import small_tokenizer
from structgen.grammars.lark_grammars import lark_grammar

FILES = {
    "vocabularies/abc-vocabulary-6.arrays": 10,
    "vocabularies/llama==1/tokenizer.model": 7,
    "masks/code/print/1.masks": 100,
    "masks/code/print/2.masks": 50,
    "masks/code/print/grammars/a.grammar": 3,
    "masks/code/a.lexer": 8,
    "masks/code/print/grammars/b.row": 4,
    "grammars/a.lark-tables": 5,
    "characters/w.ranges": 6,
}
OTHERS = ("notes.txt", "masks/code/print/lock", "grammars/mine.lark")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STRUCTGEN_CACHE", str(tmp_path))
    for number, (name, size) in enumerate({**FILES, **dict.fromkeys(OTHERS, 1)}.items()):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(size))
        os.utime(path, (1e9 + number, 1e9 + number))
    return tmp_path


def run(*arguments: str, answer: str = "") -> Result:
    return commanded("store", *arguments, input=answer)


def left(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_files_are_counted_by_kind() -> None:
    found: Any = json.loads(run("--json").stdout)["kinds"]
    assert {kind: (one["files"], one["bytes"]) for kind, one in found.items()} == {
        "vocabularies": (1, 10),
        "compiled": (1, 8),
        "grammars": (1, 5),
        "downloads": (1, 7),
        "older": (5, 163),
    }
    assert found["older"]["used"] > found["vocabularies"]["used"]


def test_a_person_sees_a_line_a_kind(folder: Path) -> None:
    lines = run().stdout.splitlines()
    assert lines[0] == str(folder)
    assert [line.split()[0] for line in lines[2:]] == [
        "vocabularies", "compiled", "grammars", "downloads", "older", "all",
    ]  # fmt: skip
    assert lines[-1].split()[1] == "9"
    assert max(map(len, lines[1:])) <= 80


def test_clear_asks_and_deletes_only_files_of_ours(folder: Path) -> None:
    refused = run("clear", answer="n\n")
    assert refused.exit_code == 1
    assert "Delete 9 files" in refused.stdout
    assert left(folder) == {*FILES, *OTHERS}
    assert run("clear", answer="y\n").exit_code == 0
    assert left(folder) == set(OTHERS)
    assert "Nothing to delete" in run("clear").stdout


def test_clear_takes_kinds(folder: Path) -> None:
    assert run("clear", "--yes", "--kind", "older", "--kind", "grammars").exit_code == 0
    gone = {
        name for name in FILES if name.endswith((".grammar", ".masks", ".row", ".lark-tables", ".ranges"))
    }
    assert left(folder) == {*FILES, *OTHERS} - gone
    refused = run("clear", "--yes", "--kind", "masks")
    assert refused.exit_code == 2 and "older" in refused.stderr


def test_an_empty_or_missing_folder_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRUCTGEN_CACHE", str(tmp_path / "nowhere"))
    assert run().exit_code == 0
    assert json.loads(run("--json").stdout)["kinds"]["compiled"]["used"] is None


def test_what_a_grammar_leaves_is_counted_and_made_again_when_cleared() -> None:
    sg.lark('start: "a"')
    assert json.loads(run("--json").stdout)["kinds"]["grammars"]["files"] == 2
    run("clear", "--yes")
    assert sg.lark('start: "a"').tables.nonterminals
    assert json.loads(run("--json").stdout)["kinds"]["grammars"]["files"] == 1


# --- structgen warmup --grammar -----------------------------------------------------------------------------


def test_the_grammar_is_loaded_and_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRUCTGEN_CACHE", str(tmp_path))
    path = str(grammar_path("markers"))
    arguments = ["warmup", "--tokenizer", str(small_tokenizer()), "--grammar", path]
    result = commanded(*arguments)
    assert result.exit_code == 0
    assert f"{path} is ready: " in result.stdout
    assert list(tmp_path.rglob("*.lexer"))
    assert list((tmp_path / "grammars").iterdir())
    # and nobody asks lark any more
    monkeypatch.setattr(lark_grammar, "load_tables", None)
    assert lark_grammar.lark(path).tables.rules

"""The grammars that ship: their texts are what their labels say, by lark and by an oracle."""

from __future__ import annotations

import json
import pickle
import random
import warnings
from pathlib import Path
from typing import Any

import pytest
from compiled_texts import written
from go_oracle import GOFMT
from grammar_oracles import ORACLES
from lark.indenter import PythonIndenter
from python_texts import changed
from sentences import Sentences, mutants
from shipped import accepts, labelled, lexemes, parser
from typer.testing import CliRunner

import structgen as sg
from structgen.base.system import shipped_files
from structgen.decoding.runs import resources
from structgen.doors.cli import app
from structgen.errors import StructgenError

PLAIN = ("arithmetic", "csv", "dates", "goals", "json", "markers", "smiles")
SLOW = ("python", "sql")
JOINTS = {"csv": "", "dates": "", "goals": "", "smiles": ""}
"""What stands between two lexemes of a random sentence: a space, where white space is ignored."""

WORDS = {"markers": {"STRING": ("''", '"3.11"', "'a b'"), "OPERATOR": ("==", "===", "~=", "<", ">=", "!=")}}


@pytest.mark.parametrize("name", shipped_files.GRAMMARS)
def test_labels_are_larks_verdicts(name: str) -> None:
    assert [text for text, label in labelled(name) if accepts(parser(name), text) is not label] == []


@pytest.mark.parametrize("name", shipped_files.GRAMMARS)
def test_labels_are_the_oracles_verdicts(name: str) -> None:
    if name == "go" and GOFMT is None:
        pytest.skip("gofmt is not installed")
    assert [text for text, label in labelled(name) if ORACLES[name](text) is not label] == []


@pytest.mark.parametrize("name", shipped_files.GRAMMARS)
def test_grammar_has_a_page_and_an_oracle(name: str) -> None:
    page = shipped_files.grammar_path(name).with_suffix(".md").read_text(encoding="utf-8")
    assert f"{name}.lark" in page
    assert name in ORACLES


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("count", [100, pytest.param(1_000, marks=pytest.mark.slow)])
def test_oracle_takes_random_sentences(name: str, count: int) -> None:
    grammar = parser(name)
    sentences = Sentences(grammar, seed=1, words=WORDS.get(name))
    taken = 0
    for size in range(count):
        words = [text for _, text in sentences.draw("start", 2 + size % 14)]
        text = JOINTS.get(name, " ").join(words)
        if accepts(grammar, text):
            taken += 1
            assert ORACLES[name](text), text
    assert taken > count // 2


@pytest.mark.parametrize("count", [6, pytest.param(1000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", [*PLAIN, *(pytest.param(one, marks=pytest.mark.slow) for one in SLOW)])
def test_walks_over_the_masks_of_a_budget_end_in_texts_that_lark_and_the_oracle_take(
    name: str, count: int
) -> None:
    tokenizer, chance = sg.Tokenizer.from_huggingface(resources.small_tokenizer()), random.Random(name)
    lines = {"postlex": PythonIndenter()} if name == "python" else {}
    compiled = sg.compile(sg.lark(shipped_files.grammar_path(name), **lines), tokenizer, store=False)
    for _ in range(count):
        matcher = sg.Matcher(compiled)
        budget = matcher.tokens_to_finish() + chance.randrange(60)
        text = tokenizer.decode(written(matcher, chance, budget)).decode()
        assert accepts(parser(name), text), text
        with warnings.catch_warnings(action="ignore"):
            assert ORACLES[name](text), text


@pytest.mark.parametrize("name", PLAIN)
def test_lark_and_the_oracle_agree_on_texts_with_a_lexeme_or_a_character_changed(name: str) -> None:
    grammar = parser(name)
    alphabet = ["", *sorted({letter for text, _ in labelled(name) for letter in text})]
    refused = 0
    for text in (text for text, label in labelled(name) if label):
        words = [word for _, word in lexemes(grammar, text)]
        joints = {"", JOINTS.get(name, " ")}
        changed = {joint.join(mutant) for mutant in mutants(words, seed=len(text)) for joint in joints}
        changed.update(text[:at] + letter + text[at + 1 :] for at in range(len(text)) for letter in alphabet)
        for mutant in changed:
            verdict = accepts(grammar, mutant)
            refused += not verdict
            assert verdict is ORACLES[name](mutant), mutant
    assert refused > 100


LARGE = {"go": (" ", 6, 50), "python": (None, 12, 300), "select": ("", 0, 3), "sql": (" ", 0, 100)}
"""Grammars of languages: what stands between lexemes of mutants (None: there are none), changes of each text,
and how many texts are taken at the least."""


@pytest.mark.parametrize("name", LARGE)
def test_the_oracle_takes_each_mutant_of_the_texts_that_lark_takes(name: str) -> None:
    """The rejected texts are changed too: what is one change away from them is where a grammar errs."""
    if name == "go" and GOFMT is None:
        pytest.skip("gofmt is not installed")
    grammar, taken = parser(name), 0
    joint, changes, least = LARGE[name]
    for number, (text, label) in enumerate(labelled(name)):
        found = [*changed(text, number, changes)] if text.strip() else []
        if label and joint is not None:
            words = [word for _, word in lexemes(grammar, text)]
            found += map(joint.join, mutants(words, number))
        for mutant in found:
            if accepts(grammar, mutant):
                taken += 1
                assert ORACLES[name](mutant), mutant
    assert taken > least


# --- names ------------------------------------------------------------------------------------------------

OTHER = 'start: "no"'


@pytest.mark.parametrize("name", shipped_files.GRAMMARS)
def test_a_grammar_that_ships_is_read_by_its_name(name: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    options = {"postlex": PythonIndenter()} if name == "python" else {}
    by_name, by_path = (
        sg.lark(one, **options) for one in (f"structgen/{name}", shipped_files.grammar_path(name))
    )
    assert by_name.fingerprint == by_path.fingerprint
    assert sg.lark(Path(f"structgen/{name}"), **options).fingerprint == by_path.fingerprint
    assert pickle.loads(pickle.dumps(by_name)).fingerprint == by_path.fingerprint


@pytest.mark.parametrize("path", ["./structgen/sql", "structgen/sql.lark"])
def test_a_path_is_a_path_and_a_name_a_name(path: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    Path(path).parent.mkdir()
    for absent in (path, Path("structgen/sql.lark")):
        with pytest.raises(StructgenError, match="cannot be read"):
            sg.lark(absent)
    Path(path).write_text(OTHER)
    assert sg.lark(path).fingerprint == sg.lark(Path(path)).fingerprint == sg.lark(OTHER).fingerprint
    assert sg.lark("structgen/sql").fingerprint == sg.lark(shipped_files.grammar_path("sql")).fingerprint
    Path("x.txt").write_text("no")
    done = CliRunner().invoke(app(), ["check", "--grammar", path, "x.txt"])
    assert (done.exit_code, done.output) == (0, "x.txt: valid\n")
    assert CliRunner().invoke(app(), ["check", "--grammar", "structgen/sql", "x.txt"]).exit_code == 1


@pytest.mark.parametrize("name", ["structgen/cobol", "structgen/", "structgen/SQL", "structgen/sql/x"])
def test_a_name_that_is_none_is_refused_with_the_names_of_those_that_ship(name: str) -> None:
    listed = ", ".join(f"structgen/{known}" for known in shipped_files.GRAMMARS)
    with pytest.raises(StructgenError) as refused:
        sg.lark(name)
    assert f"No grammar named {name!r}" in str(refused.value) and listed in str(refused.value)
    done = CliRunner().invoke(app(), ["check", "--grammar", name, "-"], input="x")
    assert done.exit_code == 2 and listed in done.output


def test_a_name_is_no_file_for_a_text_of_strangers() -> None:
    with pytest.raises(StructgenError):
        sg.lark("structgen/sql", text_only=True)


def test_the_command_lists_each_grammar_once() -> None:
    listed = json.loads(CliRunner().invoke(app(), ["grammars", "--json"]).stdout)
    assert [row["name"] for row in listed] == [f"structgen/{name}" for name in shipped_files.GRAMMARS]
    assert all(Path(row["path"]).is_file() and row["does"] for row in listed)
    rows = CliRunner().invoke(app(), ["grammars"]).stdout.splitlines()
    assert [row.split()[0] for row in rows] == [row["name"] for row in listed]


def test_the_grammars_that_ship_are_the_files_of_their_folder() -> None:
    folder = shipped_files.grammar_path("sql").parent
    assert {path.stem for path in folder.glob("*.lark")} == {*shipped_files.GRAMMARS}


def test_a_name_stands_for_a_grammar_that_is_bound(tmp_path: Path) -> None:
    (tmp_path / "outer.lark").write_text('start: "<" SUM ">"\n%declare SUM\n')
    (tmp_path / "text").write_text("<1 + 2>")
    bound = ["-o", "bind=SUM=structgen/arithmetic"]
    done = CliRunner().invoke(
        app(), ["check", "--grammar", str(tmp_path / "outer.lark"), *bound, str(tmp_path / "text")]
    )
    assert done.output.endswith("text: valid\n")

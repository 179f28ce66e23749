"""`structgen check --grammar` as a person meets it: verdicts on files, places, what may come, bad input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from structgen.cli import app
from structgen.system.resources import grammar

SUM = str(grammar("arithmetic"))


def check(text: str, *options: str) -> Result:
    return CliRunner().invoke(app(), ["check", *options], input=text)


def test_verdict_for_each_file(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.txt", tmp_path / "bad.txt"
    good.write_text("1 + 2")
    bad.write_text("(1 +\t) * 2")
    result = check("", "--grammar", SUM, str(good), str(bad))
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[0] == f"{good}: valid"
    assert lines[1:4] == [
        f'{bad}:1:6 (byte 5): ")" cannot come here',
        "  1 | (1 +\t) * 2",
        "    |     \t^",
    ]
    assert check("", "--grammar", SUM, str(good), str(good)).exit_code == 0


def test_expectation_names_terminals_with_their_patterns_and_rules() -> None:
    result = check("(2*3", "--grammar", SUM)
    assert result.exit_code == 1
    assert "1:5 (byte 4): the text ends too early" in result.stdout
    assert '")"  (from atom)' in result.stdout
    assert '"+"  (from sum)' in result.stdout


def test_a_text_that_another_terminal_took_is_told(tmp_path: Path) -> None:
    file = tmp_path / "times.lark"
    file.write_text('start: NUMBER "km" | HOUR "h"\nHOUR.2: /[0-9]{1,2}/\nNUMBER: /[0-9]+/\n')
    result = check("20km", "--grammar", str(file))
    assert result.stdout.splitlines()[-1] == "The text before was read as HOUR /[0-9]{1,2}/."
    told = json.loads(check("20km", "--grammar", str(file), "--json").stdout)["expected"]
    assert told == [{"what": '"h"', "sources": ["start"], "read_before": "HOUR /[0-9]{1,2}/"}]


def test_json_is_an_object_for_each_text(tmp_path: Path) -> None:
    one, other = tmp_path / "1", tmp_path / "2"
    one.write_text("7")
    other.write_text("7 7")
    result = check("", "--grammar", SUM, "--json", str(one), str(other))
    first, second = map(json.loads, result.stdout.splitlines())
    assert first == {"text": str(one), "valid": True}
    assert (second["text"], second["line"], second["column"], second["found"]) == (str(other), 1, 3, "7")
    assert ('"*"', ["product"]) in [(one["what"], one["sources"]) for one in second["expected"]]


def test_start_chooses_the_rule() -> None:
    assert check("1*2", "--grammar", SUM, "-o", "start=product").exit_code == 0
    assert check("1+2", "--grammar", SUM, "-o", "start=product").exit_code == 1


def test_the_lexer_may_be_left_out(tmp_path: Path) -> None:
    path = tmp_path / "swallow.lark"
    path.write_text('start: "if" N "then" N\nN: /[a-z]+/\n%ignore " "\n')
    assert check("ifathenb", "--grammar", str(path), "-o", "lexer=characters").exit_code == 0
    assert check("ifathenb", "--grammar", str(path)).exit_code == 1
    assert "is not offered" in check("x", "--grammar", str(path), "-o", "lexer=basic").stderr


def test_imports_are_looked_for_in_the_folders_given(tmp_path: Path) -> None:
    (tmp_path / "words.lark").write_text("WORD: /[a-z]+/\n")
    main = tmp_path / "sub" / "main.lark"
    main.parent.mkdir()
    main.write_text("%import words.WORD\nstart: WORD\n")
    assert check("abc", "--grammar", str(main)).exit_code == 2
    assert check("abc", "--grammar", str(main), "-o", f"import_paths={tmp_path}").exit_code == 0


def test_a_terminal_may_be_bound_to_a_file(tmp_path: Path) -> None:
    path = tmp_path / "call.lark"
    path.write_text('start: "f(" J ")"\n%declare J\n')
    (tmp_path / "schema.json").write_text('{"type": "boolean"}')
    (tmp_path / "inner.lark").write_text('start: "true"+\n')
    (tmp_path / "rules.gbnf").write_text('root ::= "true"\n')
    for name in ("schema.json", "inner.lark", "rules.gbnf"):
        bound = f"J={tmp_path / name}"
        assert check("f(true)", "--grammar", str(path), "-o", f"bind={bound}").exit_code == 0
        assert check("f(1)", "--grammar", str(path), "-o", f"bind={bound}").exit_code == 1
    assert "binds nothing" in check("", "--grammar", str(path), "-o", "bind=J=x.txt").stderr
    assert "nothing makes it" in check("", "--grammar", str(path)).stderr


def test_postlex_is_a_word_or_a_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "blocks.lark").write_text(
        "start: line+\nline: NAME _NEWLINE [_INDENT line+ _DEDENT]\n"
        "NAME: /[a-z]+/\n_NEWLINE: /(\\n *)+/\n%declare _INDENT _DEDENT\n"
    )
    (tmp_path / "my_blocks.py").write_text(
        "from lark.indenter import PythonIndenter\nclass Blocks(PythonIndenter):\n    tab_len = 4\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for option in ("python", "my_blocks:Blocks"):
        arguments = ("--grammar", "blocks.lark", "-o", f"postlex={option}")
        assert check("a\n b\n c\nd\n", *arguments).exit_code == 0
        assert check("a\n  b\n c\n", *arguments).exit_code == 1


def test_properties_of_the_regex_module_are_refused_with_sets_of_re(tmp_path: Path) -> None:
    path = tmp_path / "names.lark"
    path.write_text("start: NAME\nNAME: /\\p{Lu}\\p{L}*/\n", encoding="utf-8")
    assert r"[^\W\d_]" in check("Éa", "--grammar", str(path)).stderr

"""`structgen check` as a person meets it: exit status, place, caret, JSON, bad input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import Result, commanded

from structgen.base.system.shipped_files import grammar_path

SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "total": {"type": "integer"}},
    "required": ["name", "total"],
    "additionalProperties": False,
}


@pytest.fixture
def schema(tmp_path: Path) -> Path:
    path = tmp_path / "schema.json"
    path.write_text(json.dumps(SCHEMA))
    return path


def check(schema: Path, text: bytes, *options: str) -> Result:
    return commanded("check", "--schema", str(schema), *options, input=text)


def report(schema: Path, text: bytes, *options: str) -> Any:
    return json.loads(check(schema, text, "--json", *options).stdout)


def test_valid_text_has_status_0(schema: Path) -> None:
    result = check(schema, b'{"name": "x", "total": 3}')
    assert (result.exit_code, result.stdout) == (0, "standard input: valid\n")


def test_fault_is_named_by_line_column_and_byte_with_a_caret(schema: Path) -> None:
    result = check(schema, b'{\n  "name": "x",\n  "total": "3"\n}')
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[0] == 'standard input:3:12 (byte 28): unexpected "\\""'
    assert lines[1:3] == ['  3 |   "total": "3"', "    |            ^"]
    assert lines[3].startswith("expected ")


def test_expectation_names_the_place_of_the_schema(schema: Path) -> None:
    answer = report(schema, b'{"name": "x", "total": "3"}')
    sources = {source for item in answer["expected"] for source in item["sources"]}
    assert any(source.endswith("/properties/total") for source in sources)


def test_fault_lies_where_no_document_goes_on(schema: Path) -> None:
    assert report(schema, b'{"name": "x", "total": 15.0}') == {"valid": True}
    # 1.5e1 is an integer
    assert report(schema, b'{"name": "x", "total": 1.5}')["byte"] == 26
    assert report(schema, b'{"name": "", "total": 0} x')["byte"] == 25


def test_text_that_ends_early_is_told_so(schema: Path) -> None:
    for text, place in ((b'{"name": "x"', "1:13 (byte 12)"), (b"", "1:1 (byte 0)")):
        result = check(schema, text)
        assert (result.exit_code, f"{place}: unexpected end of text" in result.stdout) == (1, True)
        assert report(schema, text)["found"] is None


def test_byte_order_mark_is_explained(schema: Path) -> None:
    assert "byte order mark" in check(schema, b"\xef\xbb\xbf{}").stdout


def test_policies_are_the_widest_unless_told(schema: Path) -> None:
    text = b'{"total":1,' + b" " * 100 + b'"n\\u0061me":"x"}'
    assert check(schema, text).exit_code == 0
    assert check(schema, text, "-o", "whitespace=compact").exit_code == 1
    assert check(schema, text, "-o", "property_order=declared").exit_code == 1
    assert check(schema, text, "-o", "escapes=canonical").exit_code == 1


def test_deep_document_is_walked(tmp_path: Path) -> None:
    path = tmp_path / "any.json"
    path.write_text("true")
    depth = 50_000
    assert check(path, b"[" * depth + b"]" * depth).exit_code == 0
    assert report(path, b"[" * depth + b"]" * (depth + 1))["byte"] == 2 * depth


def test_a_reference_leads_to_a_file_that_an_option_names(tmp_path: Path) -> None:
    schema, other = tmp_path / "schema.json", tmp_path / "other.json"
    schema.write_text(json.dumps({"items": {"$ref": "https://example.com/other?v=2"}}))
    other.write_text('{"type": "null"}')
    option = ("-o", f"resources=https://example.com/other?v=2={other}")
    assert check(schema, b"[null]", *option).exit_code == 0
    assert check(schema, b"[1]", *option).exit_code == 1
    without = check(schema, b"[null]")
    assert (without.exit_code, "resources" in without.stderr) == (2, True)
    wrong = check(schema, b"[null]", "-o", f"resources={other}")
    assert (wrong.exit_code, "URI=FILE" in wrong.stderr) == (2, True)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b'{"name": "Ren\xe9"}', "1:14 (byte 13): byte 0xE9 is not UTF-8. Save the text as UTF-8."),
        (b'{"name": "\xfc"}', "1:11 (byte 10): byte 0xFC is not UTF-8."),
        (b'{"name": "\xc3\xa9\xe9a"}', "1:12 (byte 12): byte 0xE9 is not UTF-8."),
        (b'{"name": "\xc3\xa9", "total": "\xc3\xa9"}', '1:24 (byte 24): unexpected "\\""'),
        (b'{"name": \xc3\xa9}', '1:10 (byte 9): unexpected "\\u00e9"'),
        (b'{"name": "\xc3', "unexpected end of text"),
    ],
)
def test_a_byte_that_is_not_utf8_is_named(schema: Path, text: bytes, told: str) -> None:
    assert told in check(schema, text).stdout.splitlines()[0]


def test_a_key_too_many_is_named(schema: Path) -> None:
    told = check(schema, b'{"name": "x", "total": 3, "zip": 1}').stdout
    assert 'The object has no further keys: "zip" is not allowed.' in told
    assert "further key" not in check(schema, b'{"name": "x", "total": 3,}').stdout
    assert "further key" not in check(schema, b'{"name": "x",, "zip": 3}').stdout
    assert "further key" not in check(schema, b'{ , "zip": 3}').stdout


# --- grammars -----------------------------------------------------------------------------------------------


SUM = str(grammar_path("arithmetic"))


def check_text(text: str, *options: str) -> Result:
    return commanded("check", *options, input=text)


def test_verdict_for_each_file(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.txt", tmp_path / "bad.txt"
    good.write_text("1 + 2")
    bad.write_text("(1 +\t) * 2")
    result = check_text("", "--grammar", SUM, str(good), str(bad))
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[0] == f"{good}: valid"
    assert lines[1:4] == [
        f'{bad}:1:6 (byte 5): unexpected ")"',
        "  1 | (1 +\t) * 2",
        "    |     \t^",
    ]
    assert check_text("", "--grammar", SUM, str(good), str(good)).exit_code == 0


def test_expectation_names_terminals_with_their_patterns_and_rules() -> None:
    result = check_text("(2*3", "--grammar", SUM)
    assert result.exit_code == 1
    assert "1:5 (byte 4): unexpected end of text" in result.stdout
    assert '")"  (from atom)' in result.stdout
    assert '"+"  (from sum)' in result.stdout


def test_a_text_that_another_terminal_took_is_told(tmp_path: Path) -> None:
    file = tmp_path / "times.lark"
    file.write_text('start: NUMBER "km" | HOUR "h"\nHOUR.2: /[0-9]{1,2}/\nNUMBER: /[0-9]+/\n')
    result = check_text("20km", "--grammar", str(file))
    assert result.stdout.splitlines()[-1] == "The text before was read as HOUR /[0-9]{1,2}/."
    told = json.loads(check_text("20km", "--grammar", str(file), "--json").stdout)["expected"]
    assert told == [{"what": '"h"', "sources": ["start"], "read_before": "HOUR /[0-9]{1,2}/"}]


def test_json_is_an_object_for_each_text(tmp_path: Path) -> None:
    one, other = tmp_path / "1", tmp_path / "2"
    one.write_text("7")
    other.write_text("7 7")
    result = check_text("", "--grammar", SUM, "--json", str(one), str(other))
    first, second = map(json.loads, result.stdout.splitlines())
    assert first == {"text": str(one), "valid": True}
    assert (second["text"], second["line"], second["column"], second["found"]) == (str(other), 1, 3, "7")
    assert ('"*"', ["product"]) in [(one["what"], one["sources"]) for one in second["expected"]]


def test_start_chooses_the_rule() -> None:
    assert check_text("1*2", "--grammar", SUM, "-o", "start=product").exit_code == 0
    assert check_text("1+2", "--grammar", SUM, "-o", "start=product").exit_code == 1


def test_the_lexer_may_be_left_out(tmp_path: Path) -> None:
    path = tmp_path / "swallow.lark"
    path.write_text('start: "if" N "then" N\nN: /[a-z]+/\n%ignore " "\n')
    assert check_text("ifathenb", "--grammar", str(path), "-o", "lexer=characters").exit_code == 0
    assert check_text("ifathenb", "--grammar", str(path)).exit_code == 1
    assert (
        "must be one of contextual, characters, greedy"
        in check_text("x", "--grammar", str(path), "-o", "lexer=basic").stderr
    )


def test_imports_are_looked_for_in_the_folders_given(tmp_path: Path) -> None:
    (tmp_path / "words.lark").write_text("WORD: /[a-z]+/\n")
    main = tmp_path / "sub" / "main.lark"
    main.parent.mkdir()
    main.write_text("%import words.WORD\nstart: WORD\n")
    assert check_text("abc", "--grammar", str(main)).exit_code == 2
    assert check_text("abc", "--grammar", str(main), "-o", f"import_paths={tmp_path}").exit_code == 0


def test_a_terminal_may_be_bound_to_a_file(tmp_path: Path) -> None:
    path = tmp_path / "call.lark"
    path.write_text('start: "f(" J ")"\n%declare J\n')
    (tmp_path / "schema.json").write_text('{"type": "boolean"}')
    (tmp_path / "inner.lark").write_text('start: "true"+\n')
    (tmp_path / "rules.gbnf").write_text('root ::= "true"\n')
    for name in ("schema.json", "inner.lark", "rules.gbnf"):
        bound = f"J={tmp_path / name}"
        assert check_text("f(true)", "--grammar", str(path), "-o", f"bind={bound}").exit_code == 0
        assert check_text("f(1)", "--grammar", str(path), "-o", f"bind={bound}").exit_code == 1
    assert "does not bind a name" in check_text("", "--grammar", str(path), "-o", "bind=J=x.txt").stderr
    assert "never made" in check_text("", "--grammar", str(path)).stderr


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
        assert check_text("a\n b\n c\nd\n", *arguments).exit_code == 0
        assert check_text("a\n  b\n c\n", *arguments).exit_code == 1


def test_properties_of_the_regex_module_are_refused_with_sets_of_re(tmp_path: Path) -> None:
    path = tmp_path / "names.lark"
    path.write_text("start: NAME\nNAME: /\\p{Lu}\\p{L}*/\n", encoding="utf-8")
    assert r"[^\W\d_]" in check_text("Éa", "--grammar", str(path)).stderr


# --- regular expressions and rules --------------------------------------------------------------------------


def test_a_text_is_held_to_a_regular_expression() -> None:
    assert check_text("2024-01", "--regex", r"\d{4}-\d{2}").exit_code == 0
    result = check_text("2024/01", "--regex", r"\d{4}-\d{2}")
    assert result.exit_code == 1
    assert '1:5 (byte 4): unexpected "/"' in result.stdout
    assert "a text that /" in result.stdout


def test_a_line_feed_at_the_end_is_named() -> None:
    """The hint is there only if the line feed is the only fault; the pattern that it proposes is right."""
    told = check_text("2024\n", "--regex", "[0-9]{4}").stdout
    assert "The text ends in a line feed. Remove it" in told
    assert told.splitlines()[-1].endswith(r" (?:[0-9]{4})\n?")
    assert check_text("2024\n", "--regex", r"(?:[0-9]{4})\n?").exit_code == 0
    for other in ("2024\n2025\n", "202\n", "2024 \n"):
        assert "line feed" not in check_text(other, "--regex", "[0-9]{4}").stdout


def test_a_text_is_held_to_rules(tmp_path: Path) -> None:
    rules = tmp_path / "list.gbnf"
    rules.write_text('root ::= item ("," item)*\nitem ::= [0-9]+', "utf-8")
    assert check_text("1,23,4", "--grammar", str(rules)).exit_code == 0
    result = check_text("1,,4", "--grammar", str(rules), "--json")
    assert result.exit_code == 1
    said = json.loads(result.stdout)
    assert (said["byte"], said["expected"][0]["what"]) == (2, "/[0-9]+/")
    assert check_text("7", "--grammar", str(rules), "-o", "start=item").exit_code == 0

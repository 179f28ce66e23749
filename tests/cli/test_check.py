"""`structgen check` as a person meets it: exit status, place, caret, JSON, bad input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from structgen.cli import app

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
    return CliRunner().invoke(app(), ["check", "--schema", str(schema), *options], input=text)


def report(schema: Path, text: bytes, *options: str) -> Any:
    return json.loads(check(schema, text, "--json", *options).stdout)


def test_valid_text_has_status_0(schema: Path) -> None:
    result = check(schema, b'{"name": "x", "total": 3}')
    assert (result.exit_code, result.stdout) == (0, "standard input: valid\n")


def test_fault_is_named_by_line_column_and_byte_with_a_caret(schema: Path) -> None:
    result = check(schema, b'{\n  "name": "x",\n  "total": "3"\n}')
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[0] == 'standard input:3:12 (byte 28): "\\"" cannot come here'
    assert lines[1:3] == ['  3 |   "total": "3"', "    |            ^"]
    assert lines[3].startswith("expected ")


def test_expectation_names_the_place_of_the_schema(schema: Path) -> None:
    answer = report(schema, b'{"name": "x", "total": "3"}')
    sources = {source for item in answer["expected"] for source in item["sources"]}
    assert any(source.endswith("/properties/total") for source in sources)


def test_json_holds_the_place(schema: Path) -> None:
    answer = report(schema, b'{"name": "x",\n "total": null}')
    place = [answer[key] for key in ("valid", "line", "column", "byte", "found")]
    assert place == [False, 2, 11, 24, "n"]


def test_fault_lies_where_no_document_goes_on(schema: Path) -> None:
    assert report(schema, b'{"name": "x", "total": 15.0}') == {"valid": True}
    assert report(schema, b'{"name": "x", "total": 1.5}')["byte"] == 25
    assert report(schema, b'{"name": "", "total": 0} x')["byte"] == 25


def test_text_that_ends_early_is_told_so(schema: Path) -> None:
    for text, place in ((b'{"name": "x"', "1:13 (byte 12)"), (b"", "1:1 (byte 0)")):
        result = check(schema, text)
        assert (result.exit_code, f"{place}: the text ends too early" in result.stdout) == (1, True)
        assert report(schema, text)["found"] is None


def test_byte_order_mark_is_explained(schema: Path) -> None:
    assert "byte order mark" in check(schema, b"\xef\xbb\xbf{}").stdout


def test_policies_are_the_widest_unless_told(schema: Path) -> None:
    text = b'{"total":1,' + b" " * 100 + b'"n\\u0061me":"x"}'
    assert check(schema, text).exit_code == 0
    assert check(schema, text, "-o", "whitespace=compact").exit_code == 1
    assert check(schema, text, "-o", "property_order=declared").exit_code == 1
    assert check(schema, text, "-o", "escapes=canonical").exit_code == 1


def test_whitespace_takes_an_indent(schema: Path) -> None:
    text = json.dumps({"name": "x", "total": 1}, indent=3).encode()
    assert check(schema, text, "-o", "whitespace=3").exit_code == 0
    assert check(schema, text, "-o", "whitespace=2").exit_code == 1


def test_deep_document_is_walked(tmp_path: Path) -> None:
    path = tmp_path / "any.json"
    path.write_text("true")
    depth = 50_000
    assert check(path, b"[" * depth + b"]" * depth).exit_code == 0
    assert report(path, b"[" * depth + b"]" * (depth + 1))["byte"] == 2 * depth


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ('{"type": 5}', "SchemaError"),
        ('{"type": ', "SchemaError"),
        ('{"type": "string", "minLength": 2, "maxLength": 1}', "UnsatisfiableSchema"),
        ('{"pattern": "("}', "RegexError"),
        ('{"$ref": "#/nowhere"}', "SchemaError"),
    ],
)
def test_bad_schema_has_status_2_and_says_why(tmp_path: Path, content: str, kind: str) -> None:
    path = tmp_path / "schema.json"
    path.write_text(content)
    result = check(path, b"1", "--json")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["error"]["kind"] == kind
    assert check(path, b"1").stderr.startswith(f"{kind}: ")


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
        (b'{"name": "\xc3\xa9", "total": "\xc3\xa9"}', '1:24 (byte 24): "\\"" cannot come here'),
        (b'{"name": \xc3\xa9}', '1:10 (byte 9): "\\u00e9" cannot come here'),
        (b'{"name": "\xc3', "the text ends too early"),
    ],
)
def test_a_byte_that_is_not_utf8_is_named(schema: Path, text: bytes, told: str) -> None:
    assert told in check(schema, text).stdout.splitlines()[0]


def test_a_key_too_many_is_named(schema: Path) -> None:
    told = check(schema, b'{"name": "x", "total": 3, "zip": 1}').stdout
    assert 'The object takes no further key: "zip" is one too many.' in told
    assert "further key" not in check(schema, b'{"name": "x", "total": 3,}').stdout
    assert "further key" not in check(schema, b'{"name": "x",, "zip": 3}').stdout
    assert "further key" not in check(schema, b'{ , "zip": 3}').stdout

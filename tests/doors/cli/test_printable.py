"""What a terminal would obey does not reach it: keys, patterns, values, names of files, grammars, prompts."""

from __future__ import annotations

import json
import re
import unicodedata
import warnings
from pathlib import Path
from typing import Any

import pytest
from command_line import Result, commanded
from for_each import for_each
from hypothesis import given
from hypothesis import strategies as st

import structgen as sg
from structgen.base.printable import json_text, printable
from structgen.base.system import cache
from structgen.errors import StructgenError

EVIL = "a\x1b[2J\x07\u202e\x9b31m\u2028\x7fz"
HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029\ud800-\udfff]")
RICH = re.compile(r"\x1b\[[0-9;]*m|\x1b\[\?25[hl]|\r(?:\x1b\[1A)?\x1b\[2K")
"""What rich writes itself on a terminal: colours, and lines that are drawn anew."""


def run(*arguments: str | Path, given: str | None = None, terminal: bool = False) -> Result:
    """Return what a command prints."""
    env = {"FORCE_COLOR": "1", "COLUMNS": "200"} if terminal else {"FORCE_COLOR": None}
    return commanded(*arguments, input=given, env=env)


def nothing_hidden(result: Result, terminal: bool = False) -> str:
    """Return what was printed, and see that nothing of it is hidden."""
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    text = result.output
    shown = RICH.sub("", text) if terminal else text
    assert not HIDDEN.search(shown), repr(shown)
    return text


def named(folder: Path, name: str, content: str) -> Path:
    """Return a file with an evil name."""
    path = folder / f"{name}{EVIL.replace('/', '')}.txt"
    path.write_text(content, encoding="utf-8", errors="surrogatepass")
    return path


SCHEMA: dict[str, Any] = {
    "$comment": EVIL,
    "title": EVIL,
    "type": "object",
    "properties": {
        EVIL: {"enum": [EVIL, 1], "description": EVIL},
        "b": {"type": "string", "pattern": f"^{EVIL}$".replace("[", "\\[")},
        "never": {"allOf": [{"const": EVIL}, {"type": "integer"}]},
        "c": {"x" + EVIL: 1, "type": "integer"},
    },
    "required": [EVIL],
}
SCHEMAS = [
    SCHEMA,
    {"const": EVIL},
    {"type": EVIL},
    {"$ref": f"#/{EVIL}"},
    {"$ref": f"http://{EVIL}"},
    {"$dynamicRef": EVIL},
    {"pattern": f"({EVIL}"},
    {"patternProperties": {f"({EVIL}": {}}},
    {"properties": {EVIL: {"minimum": EVIL}}},
    {"properties": {EVIL: {"pattern": "(?<=a)(b)\\1"}}},
    {"allOf": [{"const": EVIL}, {"const": 2}]},
    {"format": EVIL, "type": "string"},
    {"$schema": EVIL},
    {EVIL: 1, "propertyNames": {"const": EVIL}},
]


@pytest.mark.parametrize("at", range(len(SCHEMAS)))
def test_schemas(tmp_path: Path, at: int) -> None:
    """By turns on a terminal and off it."""
    terminal = at % 2 == 0
    path = named(tmp_path, "schema", json.dumps(SCHEMAS[at]))
    text = named(tmp_path, "text", json.dumps({EVIL: EVIL, "b": EVIL, EVIL * 2: EVIL}, ensure_ascii=False))
    for arguments in (
        ("explain", path, "--openai"),
        ("explain", path, "--json"),
        ("check", "--schema", path, text),
        ("check", "--schema", path, "--json", text, text),
        ("check", "--schema", path, "-"),
    ):
        nothing_hidden(run(*arguments, given=f'{{"{EVIL}":', terminal=terminal), terminal)


GRAMMARS = [
    f'start: "{EVIL}"',
    f'start: A | B\nA: "{EVIL}"\nB: /{re.escape(EVIL)}/',
    f"start: {EVIL}",
    f'start: "a" {EVIL} "b"',
    f"start: /({EVIL}/",
    f"start: /(?<=a{EVIL})(b)\\1/",
    f"%import {EVIL}",
    f"%import .nothing.{EVIL}",
    f'start: "a"\n%ignore "{EVIL}"\nidle: "{EVIL}"',
    'start: stmt\nstmt: "if" E stmt ["else" stmt] | E\nE: "' + EVIL + '"',
]


@pytest.mark.parametrize("at", range(len(GRAMMARS)))
def test_grammars(tmp_path: Path, at: int) -> None:
    terminal = at % 2 == 0
    path = named(tmp_path, "grammar", GRAMMARS[at])
    text = named(tmp_path, "text", EVIL * 2)
    for arguments in (
        ("explain", "--grammar", path, "--sentences", "2"),
        ("check", "--grammar", path, text),
        ("check", "--grammar", path, "-o", f"start={EVIL}", text),
        ("check", "-o", f"ebnf={path}", text),
    ):
        nothing_hidden(run(*arguments, terminal=terminal), terminal)


@pytest.mark.parametrize("terminal", [False, True], ids=["lines", "terminal"])
def test_other_arguments(tmp_path: Path, terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    schema = named(tmp_path, "schema", '{"type": "integer"}')
    text, nothing = named(tmp_path, "text", EVIL), tmp_path / f"nothing{EVIL}"
    monkeypatch.setenv("STRUCTGEN_CACHE", str(nothing))
    for arguments in (
        ("check", "--regex", f"({EVIL}", text),
        ("check", "--regex", re.escape(EVIL), text),
        ("check", "--schema", nothing, text),
        ("check", "--schema", schema, nothing),
        ("check", "--schema", schema, "-o", f"draft={EVIL}", text),
        ("check", "--schema", schema, "-o", f"whitespace={EVIL}", text),
        ("check", "--schema", schema, "-o", f"resources={EVIL}", text),
        ("explain", nothing),
        ("explain", schema, "--lines", EVIL),
        ("explain", schema, f"--{EVIL}"),
        ("explain", "--grammar", schema, "-o", f"import_paths={nothing}"),
        (EVIL,),
        ("store",),
        ("store", EVIL),
        ("store", "clear", "--kind", EVIL),
        ("store", "clear"),
        ("warmup", EVIL),
        ("warmup", "-o", f"start={EVIL}"),
        ("maskbench", nothing),
        ("maskbench", schema, "--engine", EVIL),
        ("maskbench", schema, "--tokenizer", EVIL),
        ("generate", "--model", nothing, "--prompt", EVIL),
        ("generate", "--model", "structgen/extract", "--prompt", EVIL, "--schema", nothing),
        ("bulk", "--model", "structgen/extract", "--prompts", nothing, "--out", nothing),
        ("generate", "--model", "structgen/extract", "--type", EVIL, "--prompt", EVIL),
        ("generate", "--model", "structgen/extract", "--max-tokens", EVIL),
    ):
        nothing_hidden(run(*arguments, terminal=terminal), terminal)


@pytest.mark.parametrize(
    "option",
    [(), pytest.param(("--json",), marks=pytest.mark.slow)],
)
def test_the_bench_of_masks(tmp_path: Path, option: tuple[str, ...]) -> None:
    path = tmp_path / "split" / f"o{EVIL}.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"schema": SCHEMA, "tests": [{"data": {EVIL: 1}, "valid": True}]}))
    out = tmp_path / "failures"
    arguments = ("maskbench", tmp_path, "--engine", "structgen", "--tokenizer", "bytes", "--failures", out)
    nothing_hidden(run(*arguments, *option))


def test_what_a_document_holds_is_printed_as_it_is(tmp_path: Path) -> None:
    """The result of `generate` is for whoever reads its output; in JSON it is escaped by JSON."""
    value = "\u202e\x9b\x7f\u2028"
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps({"const": value}))
    arguments = ("generate", "--model", "structgen/extract", "--schema", str(schema), "--prompt", EVIL)
    exact = run(*arguments)
    assert exact.exit_code == 0 and exact.stdout == json.dumps(value, ensure_ascii=False) + "\n"
    told = json.loads(nothing_hidden(run(*arguments, "--json")))
    assert json.loads(told["text"]) == value


# The library


def compiled(schema: Any) -> None:
    sg.compile(sg.json_schema(schema), sg.Tokenizer.from_bytes([b"a", None], eos_token_id=1))


@for_each(
    "make",
    [
        lambda: sg.json_schema({"properties": {EVIL: {"minimum": EVIL}}}),
        lambda: compiled({"pattern": f"({EVIL}"}),
        lambda: compiled({"$ref": EVIL}),
        lambda: sg.lark(f"start: {EVIL}"),
        lambda: sg.lark(f'start: "a" | {EVIL}'),
        lambda: sg.regex(f"({EVIL}"),
        lambda: sg.ebnf(f"root ::= {EVIL}"),
        lambda: sg.Tokenizer.from_huggingface(f"/nothing{EVIL}"),
        lambda: sg.json_schema({}, whitespace=EVIL),
    ],
)
def test_messages_of_errors(make: Any) -> None:
    with pytest.raises(StructgenError) as caught:
        make()
    assert not HIDDEN.search(str(caught.value)), repr(str(caught.value))
    assert not HIDDEN.search(caught.value.what + caught.value.cure)


def test_the_place_of_an_error_stays_exact() -> None:
    error = StructgenError(EVIL, where=f"/properties/{EVIL}")
    assert error.where == f"/properties/{EVIL}"
    assert str(error).startswith(r"/properties/a\x1b[2J\x07\u202e\x9b31m\u2028\x7fz: a\x1b[2J")


def test_warnings_of_the_cache_folder() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        cache.warn_of_file(f"{EVIL} cannot be read.")
    assert not HIDDEN.search(str(caught[0].message))


@given(st.text(st.characters()))
def test_printable_texts_show_all_and_obey_nothing(text: str) -> None:
    shown = printable(text)
    assert not HIDDEN.search(shown) and printable(shown) == shown
    if not HIDDEN.search(text) and not any(unicodedata.bidirectional(one) in "LRMRLMALM" for one in text):
        assert re.sub("[\u061c\u200e\u200f]", "", shown) == shown
    assert "\n" not in printable(text, lines=False)
    said = json_text(text)
    assert json.loads(said) == text and not HIDDEN.search(said) and "\n" not in said

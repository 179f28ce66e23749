"""The table of docs/grammars.md: which characters a class of a pattern means, at every door. Masks are held
to Python's re and Node's RegExp over characters of the Basic Multilingual Plane (all of them, with `-m slow`)
and some beyond."""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final

import pytest
from for_each import for_each
from node_regexp import NODE, judged

import structgen as sg
from structgen.asking.python_types.type_hints import read_type
from structgen.decoding.infilling.automata_of_grammars import grammar_of
from structgen.doors.cli.named_options import CommandOptions
from structgen.doors.cli.target_language import TargetLanguage

PAGE = (Path(__file__).parents[3] / "docs/grammars.md").read_text(encoding="utf-8")
BEYOND = "\u1e9e\u212a\U0001d7ce\U00010400\U00010428\U0001e900\U0001e922\U0001f600\U000e0100\U0010ffff"
EVERY: Final = [chr(point) for point in range(0x10000) if not 0xD800 <= point < 0xE000] + list(BEYOND[2:])
CHARS = [char for char in EVERY if char < "\u0600" or ord(char) % 23 == 0 or char in BEYOND]
"""Those of the quick share, in which each door has half of the patterns."""


@cache
def tokenizer(count: int) -> sg.Tokenizer:
    """Return a vocabulary of so many characters, and of the bytes of others."""
    tokens = [*(char.encode() for char in CHARS[:count]), *(bytes((byte,)) for byte in range(128, 256))]
    return sg.Tokenizer.from_bytes([*tokens, None], eos_token_id=len(tokens))


TABLE = PAGE.partition("| door |")[2].partition("\n\n")[0].splitlines()[2:]
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in TABLE]
ANY = r"[\s\S]"
COLUMNS: dict[int, tuple[str, ...]] = {
    1: (r"\d", r"\w", r"\s", r"[\d_]", r"[x\s]"),
    2: (r"\D", r"\W", r"\S", r"[\Dx]", r"[^\w]"),
    3: (rf"a\b{ANY}", rf"a\B{ANY}"),
    4: ("k", "[a-z]", "é", "[^k]", r"[\wà-ö]", "\u0130", "[\u017f\u1e9e\U00010400-\U0001044f]"),
}


def asked(request: dict[str, Any]) -> sg.Grammar:
    grammar = sg.read_request(request).answer
    assert grammar is not None
    return grammar


def quiet(pattern: str) -> sg.Grammar:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sg.errors.PatternWarning)
        return sg.regex(re.compile(pattern))


def schema_of(hint: Any) -> sg.Grammar:
    return sg.json_schema(read_type(hint).schema)


def lark_of(pattern: str, rest: str = "\n", **options: Any) -> sg.Grammar:
    flag, plain = "i" * pattern.startswith("(?i)"), pattern.removeprefix("(?i)")
    return sg.lark(f"start: A{rest}A: /{plain}/{flag}\n", **options)


def with_bound(pattern: str) -> sg.Grammar:
    return lark_of(pattern, " B\n%declare B\n", bind={"B": sg.literal("bound")})


def with_field(pattern: str) -> sg.Grammar:
    pydantic = pytest.importorskip("pydantic")
    return schema_of(Annotated[str, pydantic.Field(pattern=f"^{pattern}$")])


DOORS: dict[str, Callable[[str], sg.Grammar]] = {
    "sg.regex": sg.regex,
    "--regex": lambda pattern: TargetLanguage(CommandOptions("check", (), {"regex": pattern})).grammar,  # type: ignore[dict-item,return-value]
    "guided_regex": lambda pattern: asked({"guided_regex": pattern}),
    "structured_outputs": lambda pattern: asked({"structured_outputs": {"regex": pattern}}),
    "sglang": lambda pattern: asked({"regex": pattern}),
    "structural_tag": lambda pattern: sg.structural_tag(
        {"type": "structural_tag", "format": {"type": "regex", "pattern": pattern}}
    ),
    "infill": lambda pattern: grammar_of(pattern, "pattern")[0],  # type: ignore[dict-item,return-value]
    "(?a)": lambda pattern: sg.regex(f"(?a){pattern}"),
    "re.ASCII": lambda pattern: sg.regex(pattern, flags=re.ASCII),
    "(?u)": lambda pattern: sg.regex(f"(?u){pattern}"),
    "re.UNICODE": lambda pattern: sg.regex(pattern, flags=re.UNICODE),
    "re.compile": quiet,
    "sg.lark": lark_of,
    "bind": with_bound,
    "json_schema": lambda pattern: sg.json_schema({"type": "string", "pattern": f"^(?:{pattern})$"}),
    "sg.Regex": lambda pattern: schema_of(Annotated[str, sg.Regex(pattern)]),
    "ecma": lambda pattern: sg.regex(pattern, dialect="ecma"),
    "Field(pattern=)": with_field,
    "custom_tool": lambda pattern: asked({"type": "grammar", "syntax": "regex", "definition": pattern}),
}
OF_JSON = ("json_schema", "sg.Regex", "Field(pattern=)")


def of_re(pattern: str, flags: re.RegexFlag) -> set[str]:
    """Return the characters that a pattern matches, behind the `a` that it may begin with."""
    matches = re.compile(pattern, flags).fullmatch
    before = "a" if pattern.endswith(ANY) else ""
    return {char for char in CHARS if matches(before + char)}


def of_one_kind(pattern: str) -> set[str]:
    """Return the characters whose case, changed within ASCII or beyond it, is in a class."""
    if pattern.startswith("[^"):
        return set(CHARS) - of_one_kind("[" + pattern[2:])
    plain = of_re(pattern, re.ASCII)
    kinds = ["".join(char for char in plain if char.isascii() is kind) for kind in (True, False)]
    alike = [of_re(f"[{re.escape(kind)}]", re.IGNORECASE) if kind else set[str]() for kind in kinds]
    return {
        char
        for kind, chars in zip((True, False), alike, strict=True)
        for char in chars
        if char.isascii() is kind
    }


@cache
def of_node() -> dict[str, set[str]]:
    """Return the same of each pattern as RegExp has it."""
    if NODE is None:
        pytest.skip("needs node, whose RegExp is the oracle")
    asked = [(pattern, "ui" if column == 4 else "u") for column in COLUMNS for pattern in COLUMNS[column]]
    texts = [["a" * pattern.endswith(ANY) + char for char in CHARS] for pattern, _flags in asked]
    matches = judged([(f"^(?:{one})$", flags, of) for (one, flags), of in zip(asked, texts, strict=True)])
    return {
        pattern: {char for char, is_matched in zip(CHARS, matched or (), strict=True) if is_matched}
        for (pattern, _flags), matched in zip(asked, matches, strict=True)
    }


@cache
def expected(word: str, column: int, pattern: str) -> set[str]:
    """Return the characters that a cell of the table says."""
    folded = re.IGNORECASE if column == 4 else re.NOFLAG
    match word:
        case "of one kind":
            return of_one_kind(pattern)
        case "ASCII":
            return of_re(pattern, re.ASCII | folded)
        case "Unicode":
            return of_re(pattern, folded)
        case "ECMA-262":
            return of_node()[pattern]
    raise AssertionError(word)


@cache
def allowed(canonical: str, before: bytes) -> set[str]:
    """Return the characters of a grammar's first mask behind some bytes. `canonical`: a key of GRAMMARS."""
    compiled = sg.compile(GRAMMARS[canonical], tokenizer(len(CHARS)), store=False)
    state = compiled.step_bytes(compiled.start, before)
    assert state is not None
    return {CHARS[token] for token in compiled.allowed(state) if token < len(CHARS)}


GRAMMARS: dict[str, sg.Grammar] = {}
"""Grammars by what they are: doors that give equal ones are compared with the oracles once."""


@for_each("row", ROWS)
@for_each("column", COLUMNS)
def test_a_class_means_what_the_table_says(row: list[str], column: int) -> None:
    word = row[column]
    for at, door in enumerate(re.findall("`([^`]+)`", row[0])):
        for pattern in COLUMNS[column] if CHARS is EVERY else COLUMNS[column][at % 2 :: 2]:
            is_json = door in OF_JSON
            is_scoped = row[column] == "ECMA-262"
            written = pattern if column < 4 else f"(?i:{pattern})" if is_scoped else f"(?i){pattern}"
            if word == "refused":
                with pytest.raises(sg.errors.UnsupportedError, match="interpret it differently"):
                    DOORS[door](written)
                continue
            grammar = DOORS[door](written)
            key = f"{door if is_json else ''} {grammar.canonical}"
            GRAMMARS[key] = grammar
            before = ('"' if is_json else "") + ("a" if column == 3 else "")
            found = allowed(key, before.encode())
            # JSON writes some characters as escapes alone
            told = [char for char in CHARS if not is_json or (char >= " " and char not in '"\\')]
            if word == "outside of Unicode":
                assert found <= of_re(pattern, re.UNICODE), (door, pattern)
                told, word_ = [char for char in told if char.isascii()], "Unicode"
            else:
                word_ = word
            right = expected(word_, column, pattern)
            assert found.intersection(told) == right.intersection(told), (door, pattern)


@pytest.mark.slow
def test_a_class_means_what_the_table_says_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "CHARS", EVERY)
    for made in (of_node, expected, allowed):
        made.cache_clear()
    test_a_class_means_what_the_table_says()
    for made in (of_node, expected, allowed):
        made.cache_clear()


def test_the_table_has_every_door_once() -> None:
    named = [door for row in ROWS for door in re.findall("`([^`]+)`", row[0])]
    assert sorted(named) == sorted(DOORS)


def test_infilling_keeps_the_flags_of_a_compiled_pattern() -> None:
    pattern = re.compile("é|yes", re.IGNORECASE)
    grammar, read = grammar_of(pattern, "holes")
    assert read is None and grammar == sg.regex(pattern) != sg.regex("é|yes")

"""Grammars that are refused: which error, what it names."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest
from for_each import for_each
from lark.indenter import Indenter, PythonIndenter

import structgen as sg
from structgen.base.limits import Limits
from structgen.errors import GrammarError, LimitError, OptionError, RegexError, StructgenError

LINES = 'start: ("a" _NL [_IN "b" _NL _OUT])+\n_NL: /(\\n[ \\t]*)+/\n%declare _IN _OUT\n'


class Lines(Indenter):
    NL_type = "_NL"
    OPEN_PAREN_types: ClassVar[list[str]] = []
    CLOSE_PAREN_types: ClassVar[list[str]] = []
    INDENT_type = "_IN"
    DEDENT_type = "_OUT"
    tab_len = 4


class Overriding(Lines):
    def handle_NL(self, token: Any) -> Any:
        yield token


class Unfinished(Indenter):
    NL_type = "_NL"


class Odd(Lines):
    tab_len = -1


def _refused(grammar: Any, **options: Any) -> sg.StructgenError:
    """Return the error of a grammar that is refused when it is read or when its language begins."""
    with pytest.raises(sg.StructgenError) as caught:
        sg.lark(grammar, **options).language(Limits()).start()
    error = caught.value
    assert str(error).endswith(error.cure)
    assert error.cure or "must be " in error.what
    return error


LARK_REFUSES = " the grammar: "
IGNORED = "The grammar accepts no text: "
RULES = 'start: "a"\n' + "".join(f'r{number}: "b"\n' for number in range(30))
RULES += "start2: " + " | ".join(f"r{number}" for number in range(30)) + "\n"
BAD = 'start: "x" GOOD? BAD\nGOOD: "g"\nBAD: /{}/\n'
REFUSED: list[tuple[Any, dict[str, Any], type[sg.StructgenError], str, tuple[str, ...]]] = [
    ("start: (\n", {}, GrammarError, "", (LARK_REFUSES, "Unclosed parenthesis")),
    ('start: a | b\na: "x"\nb: "x"\n', {}, GrammarError, "", (LARK_REFUSES, "Reduce/Reduce")),
    ('start: a\na: a | "x"\n', {}, GrammarError, "", (LARK_REFUSES, "Reduce/Reduce")),
    ("start: B\n", {}, GrammarError, "", (LARK_REFUSES, "'B' used but not defined")),
    ('start: "a"\n%ignore B\n', {}, GrammarError, "", (LARK_REFUSES, "marked to ignore")),
    ('start: ""\n', {}, GrammarError, "", (LARK_REFUSES, "Empty terminals")),
    ("start: B\n%import nowhere.B\n", {}, GrammarError, "", (LARK_REFUSES, "nowhere.lark")),
    ("start: " + "(" * 3000 + '"a"' + ")" * 3000, {}, GrammarError, "", (LARK_REFUSES, "recursion")),
    ('start: "\ud800"\n', {}, GrammarError, "", (LARK_REFUSES, "surrogates")),
    ('start: "a" ->\n', {}, GrammarError, "", (LARK_REFUSES, "at line 1 column 14")),
    ('start: "a"\n%import ....B\n', {}, GrammarError, "grammar, line 2, column 9", ()),
    (
        'first: "x" second\nsecond: "y"\n',
        {},
        GrammarError,
        "",
        ("rule start does not exist", "rules: first, second."),
    ),
    ('start: start "a"\n', {}, GrammarError, "start", ("generates no text",)),
    ('start: a\na: "x" b\nb: a | "y" b\n', {}, GrammarError, "start", ("generates no text",)),
    ('start: "x" NONE | NONE\nNONE: /[^\\s\\S]/\n', {}, GrammarError, "start", ("generates no text",)),
    ('start: A B\nA: /a+/\nB: "ab"\n', {}, GrammarError, "start", ("accepts no text",)),
    ('start: A\nA: "a"\n%ignore A\n', {}, GrammarError, "start", (IGNORED, '"a"', "%ignore names")),
    (
        'start: A\nA: "a"\nWS: /[a-z ]+/\n%ignore WS\n',
        {},
        GrammarError,
        "",
        (IGNORED, "%ignore names", '"a"', "WS"),
    ),
    ('start: W " " W\nW: /[a-z]+/\nWS: /\\s/\n%ignore WS\n', {}, GrammarError, "", (IGNORED, '" "', "WS")),
    ('start: "a" NL "b"\nNL: /\\n/\nWS: /\\s+/\n%ignore WS\n', {}, GrammarError, "", (IGNORED, "NL", "WS")),
    ('start: A | B\nA: "a"\nB: "b"\nWS: /[a-z]/\n%ignore WS\n', {}, GrammarError, "", (IGNORED, "WS")),
    (
        'start: "a" NOTE\nNOTE: /#.*/\n%ignore NOTE\n',
        {},
        GrammarError,
        "",
        (IGNORED, "%ignore names", "NOTE"),
    ),
    (BAD.format(r"(a)\1"), {}, RegexError, "", ("terminal BAD: ", "back-reference")),
    (BAD.format("(?P<x>a)(?P=x)"), {}, RegexError, "", ("terminal BAD: ", "back-reference")),
    (BAD.format("(a)?(?(1)b|c)"), {}, RegexError, "", ("terminal BAD: ", "condition")),
    (BAD.format("(?<=a+)b"), {}, RegexError, "", ("terminal BAD: ", "fixed-width")),
    (BAD.format("(a"), {}, RegexError, "", ("terminal BAD: ", "missing )")),
    (
        BAD.format("(?<=(?!a)b)c"),
        {},
        RegexError,
        "",
        ("terminal BAD: ", "look-behind contains a look-around"),
    ),
    *(
        (
            f'start: "b" BAD\nBAD: /{pattern}/\n',
            {},
            StructgenError,
            "grammar, line 2, column 1",
            ("terminal BAD",),
        )
        for pattern in ("a*", "(?=b)", "a{0,3}?", "(?:a|)", r"\b", "$")
    ),
    ('start: "b"\n%ignore /a*/\n', {}, StructgenError, "grammar, line 2, column 9", ("__IGNORE_0",)),
    (RULES, {"start": "start2", "limits": Limits(grammar_rules=40)}, LimitError, "", ("grammar_rules",)),
    (Path("none.lark"), {}, StructgenError, "none.lark", ()),
    ('start: "a"\n', {"start": 5}, OptionError, "start", ()),
    ('start: "a"\n', {"start": ["start"]}, OptionError, "start", ()),
    ('start: "a"\n', {"import_paths": "folder"}, OptionError, "import_paths", ()),
    ('start: "a"\n', {"import_paths": [5]}, OptionError, "import_paths", ()),
    ('start: "a"\n', {"lexer": "dynamic"}, OptionError, "lexer", ()),
    ('start: "a"\n', {"postlex": object()}, OptionError, "postlex", ()),
    (5, {}, OptionError, "", ()),
    (LINES, {"postlex": Overriding}, StructgenError, "", ("handle_NL",)),
    (LINES, {"postlex": Overriding()}, StructgenError, "", ("handle_NL",)),
    (LINES, {"postlex": Unfinished}, StructgenError, "", ("cannot create",)),
    (LINES, {"postlex": Odd}, StructgenError, "", ("tab_len",)),
    (LINES, {"postlex": PythonIndenter}, StructgenError, "", ("_NEWLINE",)),
]
"""A grammar, options, the error's class, the end of its place, and what it says."""


@for_each(("grammar", "options", "kind", "where", "said"), REFUSED)
def test_it_is_refused_by_name(
    grammar: Any, options: dict[str, Any], kind: type[Exception], where: str, said: tuple[str, ...]
) -> None:
    error = _refused(grammar, **options)
    assert isinstance(error, kind) and error.where.endswith(where)
    assert [one for one in said if one not in str(error)] == []


@pytest.mark.parametrize(
    ("name", "text", "cure"),
    [
        ("s.json", '{"type": "object"', "--schema FILE."),
        ("it.gbnf", 'root ::= "a"', "-o ebnf=FILE."),
        ("it.lark", 'start: "a', 'Close the text with ".'),
    ],
)
def test_the_cure_has_its_own_line_and_knows_the_files_ending(
    tmp_path: Path, name: str, text: str, cure: str
) -> None:
    (tmp_path / name).write_text(text)
    lines = str(_refused(tmp_path / name)).split("\n")
    assert lines[-1].strip().endswith(cure)
    assert lines[-2].strip() == "^"


@for_each(
    "grammar",
    [
        'start: start WS\nWS: " "\n%ignore WS\n',  # it has no text without %ignore either
        'start: "x" NONE\nNONE: /[^\\s\\S]/\n%ignore /,/\n',
    ],
)
def test_another_fault_is_not_blamed_on_ignore(grammar: str) -> None:
    assert "%ignore" not in _refused(grammar).what


@pytest.mark.parametrize("lexer", ["contextual", "characters"])
@pytest.mark.parametrize(
    ("grammar", "place", "said"),
    [
        ('start: A\nA: "x" /b(c/\n', (2, 10), "terminal A: missing )"),
        ('start: A\nA: "x"\n  | /a{3,1}/\n', (3, 8), "terminal A: min repeat greater than max"),
        ('start: "a" /[z-a]/i\n', (1, 14), "rule start: bad character range"),
        ("start: A\nA: /a\n  b(c\n/x\n", (3, 4), "terminal A: missing )"),
        ('start: A B\nB: "b" A\nA: /(?<=a*)b/\n', (3, 4), "terminal A: look-behind"),
        ("start: A\nB: /(b/\nA: /(a/\n", (3, 5), "terminal A: missing )"),
        ('start: "b" A\nA: /\\/x\\\\(/\n', (2, 10), "terminal A: missing )"),
    ],
)
def test_a_bad_pattern_has_its_place_in_the_file_in_one_line(
    lexer: str, grammar: str, place: tuple[int, int], said: str, tmp_path: Path
) -> None:
    file = tmp_path / "g.lark"
    file.write_text(grammar)
    error = _refused(file, lexer=lexer)
    assert isinstance(error, sg.errors.RegexError) and "\n" not in str(error)
    assert error.where == f"{file}, line {place[0]}, column {place[1]}" and error.what.startswith(said)


def test_a_bad_pattern_of_an_imported_file_names_that_file(tmp_path: Path) -> None:
    (tmp_path / "parts.lark").write_text('Y: "y"\nX: "c" /a(/\n')
    (tmp_path / "main.lark").write_text("%import .parts.X\nstart: X\n")
    assert _refused(tmp_path / "main.lark").where == f"{tmp_path / 'parts.lark'}, line 2, column 10"


def test_a_terminal_of_no_use_is_not_looked_at() -> None:
    language = sg.lark('start: "b"\nunused: BAD\nBAD: /a*/ | /(c)\\1/\n').language(Limits())
    assert bytes(language.shortest_rest(language.start())) == b"b"


def test_an_import_outside_the_folders_that_are_given(tmp_path: Path) -> None:
    (tmp_path / "secret.lark").write_text('word: "x"\n')
    (tmp_path / "given").mkdir()
    error = _refused("%import secret.word\nstart: word\n", import_paths=[str(tmp_path / "given")])
    assert "secret.lark" in str(error)


@pytest.mark.slow
def test_fifty_thousand_rules_are_refused() -> None:
    rules = "".join(f'r{number}: "b" r{number + 1}\n' for number in range(50_000))
    with pytest.raises(sg.errors.LimitError) as caught:
        sg.lark(f'start: r0\n{rules}r50000: "c"\n')
    assert caught.value.limit == "grammar_rules"


def test_a_file_that_is_not_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "bad.lark"
    path.write_bytes(b'start: "\xff"\n')
    error = _refused(path)
    assert error.what == "Byte 8 of the file is not UTF-8: 0xff."
    assert error.where == str(path)


def test_an_instance_that_overrides_a_method() -> None:
    postlex = Lines()
    postlex.process = lambda stream: stream  # type: ignore[method-assign]
    assert "process" in _refused(LINES, postlex=postlex).what


def test_attributes_of_an_instance_are_followed() -> None:
    postlex = Lines()
    postlex.tab_len = 2  # type: ignore[misc]
    text = b"a\n\tb\n  b\n"
    wide = sg.lark(LINES.replace('"b" _NL', '("b" _NL)+'), postlex=Lines())
    narrow = sg.lark(LINES.replace('"b" _NL', '("b" _NL)+'), postlex=postlex)
    verdicts = []
    for grammar in (wide, narrow):
        language = grammar.language(Limits())
        config = language.start()
        for byte in text:
            config = None if config is None else language.step(config, byte)
        verdicts.append(config is not None)
    assert verdicts == [False, True]


def test_grammars_that_differ_are_not_equal() -> None:
    # by the priority of a rule alone, by what is ignored alone
    pairs = [
        (
            'start: a "x" "p" | b "x" "q"\na.2: "n"\nb: "n"\n',
            'start: a "x" "p" | b "x" "q"\na: "n"\nb.2: "n"\n',
        ),
        ('start: (A | B)+\nA: "a"\nB: "b"\n', 'start: (A | B)+\nA: "a"\nB: "b"\n%ignore B\n'),
        ('start: A\nA: "a"\n', 'start: A\nA: "a"i\n'),
    ]
    for one, other in pairs:
        assert sg.lark(one) != sg.lark(other)
        assert sg.lark(one) == sg.lark(one)


@for_each(
    ("text", "where", "cure"),
    [
        ("start: x", "line 1, column 8", "Define it: x: ..."),
        ("start: item\nitme: /a/", "line 1, column 8", "Did you mean itme?"),
        ("start: NUMBER", "line 1, column 8", "%import common.NUMBER"),
        ("%import common.NUMBR\nstart: NUMBR", "line 1, column 16", "%import common.NUMBER"),
        ("%import foo.BAR\nstart: BAR", "grammar", "pass import_paths"),
        ("%import common.number\nstart: number", "line 1, column 16", "%import common.NUMBER"),
        ('start: "a"\n%ignore WS', "line 2, column 9", "%import common.WS"),
        ('start: "a" )', "line 1, column 12", "Remove )"),
        ('start: ("a"', "line 1, column 12", "Write )"),
        ('start: "a', "line 1, column 8", 'Close the text with ".'),
        ('start ::= "a"', "line 1, column 8", "sg.ebnf"),
        ('start: "a";', "line 1, column 11", "Remove"),
        ("start: 'a'", "line 1, column 8", "double quotes"),
        ('start: {"a"}', "line 1, column 8", "(...)* for a repetition"),
        ("start: my-rule", "line 1, column 10", "letters, digits and _"),
        ('Start: "a"', "line 1, column 2", "lower case"),
        ('start: "a"\nstart: "b"', "grammar", "one rule, with |"),
        ('start: A\nA: "a" A', "grammar", "Make it a rule"),
        ('start: A\nA: b\nb: "x"', "grammar", "in upper case"),
        ('start: "a"~3..1', "grammar", "smaller number first"),
    ],
)
def test_a_common_slip_is_named_with_its_place_and_cure(text: str, where: str, cure: str) -> None:
    with pytest.raises(sg.errors.GrammarError) as caught:
        sg.lark(text)
    assert where in caught.value.where
    assert cure in caught.value.cure


def test_a_parser_whose_states_have_too_many_items_is_refused_before_it_is_made() -> None:
    repeated = 'start: a\na: A (C~1..3 a* | A)~3..4\nA: "a"\nC: "c"\n'
    with pytest.raises(sg.errors.LimitError, match=r"1,000,000 items.*Limits\(parser_states=") as caught:
        sg.lark(repeated)
    assert caught.value.limit == "parser_states"
    small, limits = 'start: "a" start "b" | "c"\n', sg.Limits(parser_states=20)
    with pytest.raises(sg.errors.LimitError, match="5 items"):
        sg.lark(small, limits=limits)
    assert sg.lark(small).tables.rules

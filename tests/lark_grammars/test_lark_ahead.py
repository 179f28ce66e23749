"""What is known of a grammar's lexer before any vocabulary asks: it is what the language says, masks need no
lexer for it, and where it ends they are the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import lark
import numpy as np
import pytest
from lark.indenter import PythonIndenter
from lark_grammars import JSON
from lark_pages import hold_pages
from same_masks import bare, hold

import structgen as sg
from structgen.errors import StoreWarning
from structgen.lark_grammars.compiled import registers as K
from structgen.lark_grammars.kept.kept_grammars import KeptTables
from structgen.lark_grammars.lark_grammar import LarkGrammar
from structgen.lark_grammars.lexer import ordered_matching
from structgen.lark_grammars.masks.compiled_lark import CompiledLark
from structgen.lark_grammars.tables import contextual_language, prepared_lexer
from structgen.native.array_file import START, read_header
from structgen.system import resources

ROOT = Path(__file__).parents[2]
PYTHON = Path(lark.__file__).parent / "grammars" / "python.lark"
# look-ahead, an ignored comment whose end is decided later
CALLS = r"""
start: (call ";")*
call: NAME "(" [arg ("," arg)*] ")"
?arg: STRING | NUMBER | call | "not" arg
NAME: /[^\W\d]\w*/
STRING: /"(\\.|[^"\\])*"/ | /'''(?!')(.|\n)*?'''/
NUMBER: /\d+(\.\d+)?/
COMMENT: /\/\*(.|\n)*?\*\//
%ignore /[ \n]+/
%ignore COMMENT
"""
# no separator makes sure of OPEN: what may stand behind it is listed
FORMATTED = r"""
start: (NAME | text)+
text: OPEN (field REST?)* QUOTE
field: BRACE NAME_IN CLOSE
OPEN.2: /f"([a-z ]|\{\{)*(?="|\{(?!\{))/
REST.2: /([a-z ]|\{\{)+(?="|\{(?!\{))/
QUOTE.2: /"/
BRACE.2: /\{(?!\{)/
NAME_IN.2: /[a-z]+(?! )/
CLOSE.2: /\}(?!#)/
NAME: /[a-z]+/
%ignore " "
"""
BLOCKS = r"""
start: statement+
statement: "if" NAME ":" block | "return" [NAME] _NEWLINE | NAME "(" [NAME] ")" _NEWLINE
block: _NEWLINE _INDENT statement+ _DEDENT
NAME: /[a-z]\w*/
_NEWLINE: /(\n[ \t]*)+/
%ignore " "
%declare _INDENT _DEDENT
"""
GRAMMARS: dict[str, tuple[Callable[[], sg.Grammar], str]] = {
    "JSON": (lambda: sg.lark(JSON), '{"a": [1, -2.5e+3, "x"], "b": {}}'),
    "calls": (lambda: sg.lark(CALLS), "f(\"a\", 1.5, not g(x2()));läuft('''a''b'''); /* ; */ f();"),
    "formatted": (lambda: sg.lark(FORMATTED), 'a f"b c" d f"{e}" f"g {h} i{j}{{ {l}{{" m'),
    "blocks": (
        lambda: sg.lark(BLOCKS, postlex=PythonIndenter()),
        "if iffy:\n    f(a)\n    if b:\n\treturn\nreturn iffy\n",
    ),
    "SQL": (
        lambda: sg.lark(resources.grammar("sql")),
        "SELECT a, count(*) FROM t WHERE x = 'y' AND b IN (1, 2);",
    ),
    "lark's Python": (
        lambda: sg.lark(PYTHON, start="file_input", postlex=PythonIndenter()),
        "class A:\n\tdef f(self):  # note\n\t\treturn {1: [2, (3)]}\nx = 1\n",
    ),
}
WHOLE = "JSON", "calls", "blocks", "SQL"
"""Those of which Python is asked nothing in the text."""


@pytest.fixture(scope="module")
def tokenizer() -> sg.Tokenizer:
    return sg.Tokenizer.from_huggingface(ROOT / "tests" / "data" / "bpe" / "tokenizer.json")


def of(name: str) -> tuple[LarkGrammar, str]:
    make, text = GRAMMARS[name]
    grammar = make()
    assert isinstance(grammar, LarkGrammar)
    return grammar, text


@pytest.mark.parametrize("name", GRAMMARS)
def test_the_pages_say_what_the_language_says(name: str) -> None:
    grammar, _text = of(name)
    assert grammar.ahead is not None
    assert hold_pages(grammar.tables, grammar.ahead.grammar_tables) > 10


@pytest.mark.parametrize("name", WHOLE)
def test_masks_of_a_grammar_that_nobody_has_kept_need_no_lexer(
    name: str, tokenizer: sg.Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    grammar, text = of(name)
    plain = CompiledLark(bare(of(name)[0]), tokenizer, None, False)
    tokens = tokenizer.encode(text.encode())
    hold(plain, plain, tokens)

    def refuse(*_arguments: object) -> None:
        raise AssertionError("a language was made")

    monkeypatch.setattr(contextual_language.ContextualLanguage, "__init__", refuse)
    hold(plain, CompiledLark(grammar, tokenizer, None, False), tokens)


@pytest.mark.parametrize("name", ["calls", "formatted", "blocks"])
@pytest.mark.parametrize("bound", ["MOST_LEXEMES", "MOST_CELLS", "MOST_ROWS", "MOST_LISTED"])
def test_past_each_bound_the_lexer_is_asked(
    name: str, bound: str, tokenizer: sg.Tokenizer, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.setattr(prepared_lexer, "_AT_ONCE", 4)
    monkeypatch.setattr(prepared_lexer, bound, 100 if bound == "MOST_CELLS" else 5)
    grammar, text = of(name)
    assert grammar.ahead is not None
    grammar_tables = grammar.ahead.grammar_tables
    known = (grammar_tables.moves >= 0).all(axis=1) & (grammar_tables.endings >= 0)
    assert not known.all()
    hold_pages(grammar.tables, grammar_tables, partly=True)
    first, second = (CompiledLark(grammar, tokenizer, None, False) for _ in range(2))
    plain, tokens = CompiledLark(bare(of(name)[0]), tokenizer, None, False), tokenizer.encode(text.encode())
    hold(plain, first, tokens)
    hold(plain, second, tokens)


def test_keywords_are_there_before_all_that_is_nearer(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(prepared_lexer, "_AT_ONCE", 1)
    monkeypatch.setattr(prepared_lexer, "MOST_LEXEMES", 12)
    name = "[a-z]+(1(a|b(c|d(e|f)))|2(1(2(3)))|3(1(2(3|4))))?"
    grammar = sg.lark(f'start: ("continue" | NAME)+\nNAME: /{name}/\n%ignore " "\n')
    assert isinstance(grammar, LarkGrammar)
    assert grammar.ahead is not None
    grammar_tables = grammar.ahead.grammar_tables
    known = (grammar_tables.moves >= 0).all(axis=1) & (grammar_tables.endings >= 0)
    state = int(grammar_tables.starts[int(grammar.tables.context_of[grammar.tables.start])])
    for byte in b"continue":
        assert known[state]
        state = int(grammar_tables.moves[state, grammar_tables.fixed[byte]]) >> K.TO_SHIFT & K.TO_BITS
    assert known[state]
    assert not known.all()


def test_a_grammar_without_a_text_is_refused(tokenizer: sg.Tokenizer) -> None:
    grammar = sg.lark('start: A B\nA: /a+/\nB: "ab"\n')
    assert grammar.ahead is not None and not grammar.ahead.has_text
    with pytest.raises(sg.GrammarError, match="accepts no text"):
        CompiledLark(grammar, tokenizer, None, False)


def test_compiled_grammars_share_what_is_known_of_all_states(tokenizer: sg.Tokenizer) -> None:
    grammar, text = of("calls")
    first, second = (CompiledLark(grammar, tokenizer, None, False) for _ in range(2))
    hold(first, second, tokenizer.encode(text.encode()))
    assert first._vocabulary_tables._moves is second._vocabulary_tables._moves


def test_what_is_not_known_of_all_states_is_not_shared(
    tokenizer: sg.Tokenizer, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.setattr(prepared_lexer, "MOST_LEXEMES", 5)
    grammar, text = of("calls")
    assert grammar.ahead is not None
    before = [one.copy() for one in grammar.ahead.grammar_tables]
    compiled = CompiledLark(grammar, tokenizer, None, False)
    hold(compiled, compiled, tokenizer.encode(text.encode()))
    assert all(map(np.array_equal, before, grammar.ahead.grammar_tables))


def test_patterns_that_have_no_room_for_more_are_loaded(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    """Characters that no token has need no instructions."""
    text = 'start: NAME "=" NAME\nNAME: /[a-zäöü一-鿿]+/\n'
    ascii_only = sg.Tokenizer.from_bytes([b"a", b"=", b"z=", None], eos_token_id=3)
    plain = CompiledLark(bare(sg.lark(text)), ascii_only, None, False)
    expected = plain.allowed(plain.start)
    assert expected == [0, 2]
    next(folder.iterdir()).unlink()
    monkeypatch.setattr(ordered_matching, "MOST_INSTRUCTIONS", plain._states.reader.lexer.program.code.count)
    compiled = CompiledLark(sg.lark(text), ascii_only, None, False)
    assert compiled.allowed(compiled.start) == expected


def damaged(folder: Path, part: str) -> None:
    """Change each word of a part of a folder's only file."""
    (path,) = folder.iterdir()
    content = np.frombuffer(path.read_bytes(), np.uint64).copy().view(np.uint8)
    _end, _size, sections, arrays, numbers, names = content[16:START].view(np.int64).tolist()
    names_at = START + 8 * (4 * sections + 3 * arrays + numbers)
    kind, key, *_ = content[names_at : names_at + names].tobytes().decode().split("\0")
    header = read_header(content, kind, key)
    section = header.sections[header.shapes[header.names.index(part)][0] >> 16]
    assert section.stored
    content[section.place : section.place + section.stored : 8] ^= 0x55
    path.write_bytes(content.tobytes())


PARTS = (
    "moves",
    "newlines",
    "endings",
    "lists",
    "starts",
    "errors",
    "certain",
    "lexemes",
)


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_is_damaged_is_told_and_worked_out_anew(
    part: str, tokenizer: sg.Tokenizer, folder: Path
) -> None:
    plain = CompiledLark(bare(of("calls")[0]), tokenizer, None, False)
    damaged(folder, f"ahead.{part}")
    grammar, text = of("calls")
    with pytest.warns(StoreWarning, match="damaged"):
        compiled = CompiledLark(grammar, tokenizer, None, False)
    assert grammar.ahead is None
    hold(plain, compiled, tokenizer.encode(text.encode()))
    assert of("calls")[0].ahead is not None


def test_a_file_of_another_layout_is_not_read(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """It is made again, with no warning: who has an older version keeps its file."""
    with monkeypatch.context() as patch:
        patch.setattr(KeptTables, "kind", "lark-5")
        of("calls")
    of("calls")
    assert len(list(folder.iterdir())) == 2

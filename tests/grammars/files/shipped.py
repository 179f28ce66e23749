"""The grammars that ship, as lark reads them, and the texts beside them."""

from __future__ import annotations

import functools
import json
from typing import Any

import pytest
from lark import Lark, lexer
from lark.exceptions import LarkError
from lark.indenter import PythonIndenter

from structgen.base.system import shipped_files


@functools.cache
def parser(name: str, **options: Any) -> Lark:
    """Return the grammar as its page says to load it: lark's contextual lexer over LALR.

    lark's check for colliding terminals is off: it changes no verdict, and takes most of the time."""
    text = shipped_files.grammar_path(name).read_text(encoding="utf-8")
    postlex = PythonIndenter() if name == "python" else None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lexer, "has_interegular", False)
        return Lark(text, parser="lalr", lexer="contextual", postlex=postlex, **options)


def accepts(grammar: Lark, text: str) -> bool:
    """Return whether lark takes the text."""
    try:
        grammar.parse(text)
    except LarkError:
        return False
    return True


def lexemes(grammar: Lark, text: str) -> list[tuple[str, str]]:
    """Return (terminal, text) of a text that lark takes, in order, what it ignores left out."""
    session = grammar.parse_interactive(text)
    return [(token.type, str(token)) for token in session.iter_parse()]


def labelled(name: str) -> list[tuple[str, bool]]:
    """Return the texts beside a grammar, each with whether it is one of the grammar."""
    file = shipped_files.grammar_path(name).with_suffix(".texts.json")
    texts = json.loads(file.read_text(encoding="utf-8"))
    return [(entry["text"], kind == "accepted") for kind in ("accepted", "rejected") for entry in texts[kind]]

"""The grammars that ship and lark's own of Python, with lark's reader of each."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import lark
from lark.indenter import PythonIndenter

import structgen as sg
from structgen.base.system import shipped_files

_TESTS = Path(__file__).resolve().parent.parent / "tests"
sys.path[:0] = [str(_TESTS / "grammars"), str(_TESTS / "oracles")]

from lark_reference import build, takes  # noqa: E402

LARKS = "python (lark's)"


@dataclass(frozen=True)
class Case:
    """One grammar, as its page says to load it."""

    name: str
    path: Path
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Of `sg.lark` and of lark's own class."""

    def grammar(self) -> sg.Grammar:
        """Return it for structgen."""
        return sg.lark(self.path, **self.arguments)

    @cached_property
    def reference(self) -> lark.Lark:
        """lark's LALR parser with the contextual lexer."""
        text = self.path.read_text("utf-8")
        return build(text, source_path=str(self.path), **self.arguments)

    def takes(self, text: str) -> bool:
        """Return lark's verdict on a text."""
        return takes(self.reference, text)


def case(name: str) -> Case:
    """Return a grammar by its name."""
    if name == LARKS:
        path = Path(lark.__file__).parent / "grammars" / "python.lark"
        return Case(name, path, {"start": "file_input", "postlex": PythonIndenter()})
    arguments = {"postlex": PythonIndenter()} if name == "python" else {}
    return Case(name, shipped_files.grammar_path(name), arguments)

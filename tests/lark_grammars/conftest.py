"""What tests of languages share; the oracles are on the path."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from structgen.lark_grammars.tables.contextual_language import ContextualLanguage

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "oracles"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of kept grammars, in a cache of the test's own."""
    monkeypatch.setenv("STRUCTGEN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "grammars"


@pytest.fixture
def asked_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[Any]]:
    """Return a function that has noted what a method of Lark languages is asked, and returns the notes."""

    def note(method: str) -> list[Any]:
        found: list[Any] = []
        plain = getattr(ContextualLanguage, method)

        def noted(language: ContextualLanguage, of: Any) -> Any:
            found.append(of)
            return plain(language, of)

        monkeypatch.setattr(ContextualLanguage, method, noted)
        return found

    return note

"""What tests of languages share; the oracles are on the path."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import structgen as sg

TESTS = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TESTS / "oracles"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of kept grammars, in a cache of the test's own."""
    monkeypatch.setenv("STRUCTGEN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "grammars"


@pytest.fixture(scope="session")
def tokenizer() -> sg.Tokenizer:
    """Return a vocabulary of some thousand tokens that cross lexemes."""
    return sg.Tokenizer.from_huggingface(TESTS / "data" / "bpe" / "tokenizer.json")

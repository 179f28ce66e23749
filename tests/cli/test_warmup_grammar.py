"""`structgen warmup --grammar`: what a grammar takes is in the cache folder afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from structgen.cli import app
from structgen.cli.warmup import first_masks
from structgen.errors import OptionError
from structgen.lark_grammars import lark_grammar
from structgen.system.resources import grammar, small_tokenizer


def test_the_grammar_is_loaded_and_its_masks_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRUCTGEN_CACHE", str(tmp_path))
    path = str(grammar("markers"))
    arguments = ["warmup", "--tokenizer", str(small_tokenizer()), "--grammar", path]
    result = CliRunner().invoke(app(), arguments)
    assert result.exit_code == 0
    assert f"{path} is ready, with " in result.stdout
    assert list((tmp_path / "grammars").iterdir())
    # and nobody asks lark any more
    monkeypatch.setattr(lark_grammar, "load", None)
    assert lark_grammar.lark(path).tables.rules


def test_a_mask_is_filled_before_each_token_and_at_the_end() -> None:
    from structgen.tokens.tokenizer import byte_tokenizer

    assert first_masks(lark_grammar.lark('start: "abc"'), byte_tokenizer()) == 4


def test_masks_are_filled_along_texts_too(tmp_path: Path) -> None:
    from structgen.tokens.tokenizer import byte_tokenizer

    text = tmp_path / "letters.txt"
    text.write_bytes(b"aaa")
    assert first_masks(lark_grammar.lark('start: "a"+'), byte_tokenizer(), [text]) == 2 + 4


def test_a_text_that_the_grammar_refuses_is_named(tmp_path: Path) -> None:
    from structgen.tokens.tokenizer import byte_tokenizer

    text = tmp_path / "letters.txt"
    text.write_bytes(b"aab")
    with pytest.raises(OptionError, match=r"letters\.txt"):
        first_masks(lark_grammar.lark('start: "a"+'), byte_tokenizer(), [text])

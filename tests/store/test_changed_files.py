"""Files that lack an array, that somebody else may have written, or that change while they are used: no
crash, and no wrong mask."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from structgen.errors import StoreWarning
from structgen.native.cache_entries import entry_key
from structgen.tokens import vocabulary
from structgen.tokens.tokenizer import Tokenizer
from structgen.tokens.vocabulary import KIND, Vocabulary

TOKENS = [bytes((byte,)) for byte in range(256)] + [b"ab", b"abc", b"abd", b"b c", b"b c", b"\xc3\xa9t"]


@pytest.fixture
def tokenizer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Tokenizer:
    monkeypatch.setenv("STRUCTGEN_CACHE", str(tmp_path))
    monkeypatch.setattr(vocabulary, "_WORTH_A_FILE", 0)
    return Tokenizer.from_bytes([*TOKENS, None], eos_token_id=len(TOKENS))


# Vocabularies


_TRUNCATED = """
import os, sys
import structgen as sg
from structgen.tokens import vocabulary

vocabulary._WORTH_A_FILE = 0
tokens = [*eval(sys.argv[1]), None]
tokenizer = sg.Tokenizer.from_bytes(tokens, eos_token_id=len(tokens) - 1)
if len(sys.argv) > 2:
    path = vocabulary.vocabulary_path(tokenizer)
    assert path.exists()
    held = vocabulary.Vocabulary.of(tokenizer)
    os.truncate(path, 0)
compiled = sg.compile(sg.json_schema({"type": "string"}), tokenizer, store=False)
mask = sg.allocate_mask(1, compiled.vocab_size)
matcher = sg.Matcher(compiled)
for token in b'"ab':
    matcher.fill_mask(mask)
    print(mask.array.tobytes().hex())
    matcher.advance(token)
"""


def test_a_vocabulary_whose_file_is_cut_short_while_it_is_used_goes_on(tmp_path: Path) -> None:
    found = []
    for cut in ([], ["cut"]):
        done = subprocess.run(
            [sys.executable, "-c", _TRUNCATED, repr(TOKENS), *cut],
            env={**os.environ, "STRUCTGEN_CACHE": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (done.returncode, signal.SIGBUS, done.stderr)
        found.append(done.stdout)
    assert found[0] == found[1]


def test_a_vocabulary_of_another_size_or_without_an_array_is_built_anew_with_a_warning(
    tokenizer: Tokenizer,
) -> None:
    built = Vocabulary._read_or_build(tokenizer)
    entries, key = vocabulary._entries(), entry_key(KIND, tokenizer.fingerprint)
    numbers = {name: getattr(built, name) for name in vocabulary._NUMBERS}
    whole = built._arrays()
    changed = [({one: array for one, array in whole.items() if one != name}, numbers) for name in whole]
    changed.append((whole, numbers | {"vocab_size": len(TOKENS)}))
    for arrays, said in changed:
        assert entries.write(KIND, key, arrays, said)
        with pytest.warns(StoreWarning, match="lacks an array"):
            Vocabulary._read_or_build(tokenizer)


# Records of the mask store
